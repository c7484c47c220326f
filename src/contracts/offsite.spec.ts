import { below, offsiteLocation } from './offsite';

describe('offsiteLocation', () => {
  it.each([
    ['directory', '/mnt/vault'],
    ['directory', '/srv/モドス vault'],
    ['sftp', 'sftp:backup@vault.example:/srv/modosu'],
    ['sftp', 'sftp:vault.example:modosu'],
    ['sftp', 'sftp://backup@vault.example:2222//srv/modosu'],
    ['sftp', 'sftp://backup@[2001:db8::1]:2222//srv/modosu'],
    ['s3', 's3:https://s3.example:9000/bucket/below'],
    ['s3', 's3:s3.amazonaws.com/bucket'],
    ['rest', 'rest:https://vault.example:8000/modosu/'],
    ['rest', 'rest:http://127.0.0.1:8000/'],
    ['rclone', 'rclone:far:bucket/below'],
    ['rclone', 'rclone:far:'],
  ])('takes a %s as it is: %s', (kind, text) => {
    expect(offsiteLocation(text)).toEqual({ kind, repository: text });
  });

  it.each([
    ['nothing', ''],
    ['a relative directory', 'vault'],
    ['the root', '/'],
    ['a way up', '/mnt/../etc'],
    ['a slash too many', '/mnt//vault'],
    ['a control character', '/mnt/va\nult'],
    ['an unknown scheme', 'ftp://vault.example/x'],
    ['a scheme of restic that nobody has tried here', 'azure:container:/'],
    ['a file as URL', 'file:///mnt/vault'],
    ['the local scheme', 'local:/mnt/vault'],
    ['an option for ssh as host', 'sftp:-oProxyCommand=touch /tmp/x:/srv'],
    ['an option for ssh as user', 'sftp:-oProxyCommand=x@vault:/srv'],
    ['an option for ssh as host of a URL', 'sftp://-oProxyCommand=x/srv'],
    ['an option for rclone', 'rclone:--config=/etc/x:bucket'],
    ['an option for rclone as path', 'rclone:far:--drive-x'],
    ['a way up of rclone', 'rclone:far:../x'],
    ['a remote of rclone with settings', 'rclone::local,nounc:/etc'],
    ['a password for ssh', 'sftp://backup:secret@vault/srv'],
    ['a login for REST', 'rest:https://user:secret@vault/'],
    ['a user for REST', 'rest:https://user@vault/'],
    ['keys for S3', 's3:https://AKIA:secret@s3.example/bucket'],
    ['REST without a scheme', 'rest:vault/x'],
    ['S3 without a bucket', 's3:https://s3.example/'],
    ['a query', 's3:https://s3.example/bucket?x=1'],
    ['a command', 'sftp:vault:/srv/$(touch x)'],
    ['a back quote', 'rclone:far:`x`'],
    ['a semicolon', 'rest:https://vault/x;y'],
    ['a novel', `/${'x'.repeat(1001)}`],
  ])('refuses %s', (_, text) => {
    expect(() => offsiteLocation(text)).toThrow(expect.objectContaining({ code: 'OFFSITE_LOCATION_INVALID', retry: 'never' }) as unknown as Error);
  });

  it('does not repeat a password that was written into it', () => {
    for (const text of ['rest:https://user:s3cr3t@vault/', 'sftp://backup:s3cr3t@vault/srv', 's3:https://s3cr3t:s3cr3t@vault/bucket']) {
      expect(() => offsiteLocation(text)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('s3cr3t') as string }) as unknown as Error);
    }
  });
});

describe('a place below a location', () => {
  it.each([
    ['/mnt/vault', '/mnt/vault/catalogue'],
    ['sftp:backup@vault:/srv/modosu', 'sftp:backup@vault:/srv/modosu/catalogue'],
    ['sftp://backup@vault:2222//srv/', 'sftp://backup@vault:2222//srv/catalogue'],
    ['s3:https://s3.example/bucket', 's3:https://s3.example/bucket/catalogue'],
    ['s3:https://s3.example/bucket/a/', 's3:https://s3.example/bucket/a/catalogue'],
    ['rest:https://vault/', 'rest:https://vault/catalogue/'],
    ['rest:https://vault/modosu', 'rest:https://vault/modosu/catalogue/'],
    ['rclone:far:', 'rclone:far:catalogue'],
    ['rclone:far:bucket/x', 'rclone:far:bucket/x/catalogue'],
  ])('of %s is %s, a location like any other', (location, expected) => {
    const place = below(offsiteLocation(location), 'catalogue');
    expect(place.repository).toBe(expected);
    expect(offsiteLocation(place.repository)).toEqual(place);
  });
});
