import { offsiteEnvironment } from './offsite-environment';

describe('offsiteEnvironment', () => {
  it('reads lines, and says which values are secrets', () => {
    const text =
      '# of the bucket\n\nAWS_ACCESS_KEY_ID=AKIA\r\nAWS_SECRET_ACCESS_KEY=a=b c"\'\nAWS_DEFAULT_REGION=eu-central-1\nRCLONE_CONFIG=/etc/rclone.conf\n';
    expect(offsiteEnvironment(text, 'file')).toEqual({
      env: { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'a=b c"\'', AWS_DEFAULT_REGION: 'eu-central-1', RCLONE_CONFIG: '/etc/rclone.conf' },
      secrets: ['AKIA', 'a=b c"\''],
    });
    expect(offsiteEnvironment(null, 'file')).toEqual({ env: {}, secrets: [] });
  });

  it.each([
    ['a name that changes what restic runs', 'RESTIC_PASSWORD_COMMAND=touch s3cr3t'],
    ['the repository', 'RESTIC_REPOSITORY=s3cr3t'],
    ['a library for every program', 'LD_PRELOAD=/s3cr3t'],
    ['another PATH', 'PATH=/s3cr3t'],
    ['a name of every object', '__proto__=s3cr3t'],
    ['no name', 's3cr3t'],
    ['a name in small letters', 'aws_access_key_id=s3cr3t'],
    ['a name twice', 'AWS_ACCESS_KEY_ID=s3cr3t\nAWS_ACCESS_KEY_ID=s3cr3t'],
    ['no value', 'AWS_ACCESS_KEY_ID='],
    ['a null character', 'AWS_ACCESS_KEY_ID=s3cr3t\u0000'],
    ['a relative file', 'RCLONE_CONFIG=s3cr3t'],
  ])('refuses %s, and shows no value', (_, text) => {
    expect(() => offsiteEnvironment(text, '/state/secrets/offsite/vault/environment')).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/^Line \d of \/state\/secrets\/offsite\/vault\/environment (?!.*s3cr3t)/) as string,
      }) as unknown as Error,
    );
  });
});
