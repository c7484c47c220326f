import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isModosuError } from '../contracts/errors';
import { loadConfig, loadConfigOfInstallation, requireDataAddresses, requireServices } from './config';
import { configurationTable } from './documentation';

const thrownBy = (action: () => unknown): Error & { code: string } => {
  try {
    action();
  } catch (error) {
    if (isModosuError(error)) return error as Error & { code: string };
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('configuration', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-config-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('has a default for everything that `modosu up` needs', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      stateDirectory: '/var/lib/modosu',
      databaseUrl: null,
      temporalAddress: null,
      temporalNamespace: 'modosu',
      apiHost: '127.0.0.1',
      apiPort: 7400,
      postgresPort: 0,
      retentionDays: 90,
      stallTimeoutMs: 300_000,
      imageDirectories: ['/var/lib/libvirt/images'],
      copyRateLimitBytesPerSecond: null,
      payloadKeysFile: '/var/lib/modosu/secrets/payload-keys.json',
      logLevel: 'info',
    });
  });

  it('names every wrong variable at once and never shows a value', () => {
    const error = thrownBy(() =>
      loadConfig({ MODOSU_API_PORT: '99999', MODOSU_STATE_DIR: 'relative', MODOSU_DATABASE_URL: 'mysql://root:hunter2@db/x', MODOSU_LOG_LEVEL: 'loud' }),
    );
    expect(error.code).toBe('CONFIG_INVALID');
    for (const name of ['MODOSU_API_PORT', 'MODOSU_STATE_DIR', 'MODOSU_DATABASE_URL', 'MODOSU_LOG_LEVEL']) expect(error.message).toContain(name);
    expect(error.message).not.toContain('hunter2');
  });

  it('takes a webhook and a mail server with all that they need, or neither', () => {
    expect(loadConfig({}).webhook).toBeNull();
    const secretOf = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`;
    const [url, secret] = ['https://alerts.example/hook?token=hunter2hunter2', 'sixteen characters'];
    expect(loadConfig({ MODOSU_WEBHOOK_URL: url, MODOSU_WEBHOOK_SECRET: secret }).webhook).toEqual({ url, secret });
    expect(thrownBy(() => loadConfig({ MODOSU_WEBHOOK_URL: url })).message).toContain('MODOSU_WEBHOOK_SECRET: must be set as well');
    expect(thrownBy(() => loadConfig({ MODOSU_WEBHOOK_SECRET: secret })).message).toContain('MODOSU_WEBHOOK_URL: must be set as well');
    for (const wrong of ['ftp://x/y', 'https://user:hunter2@x/y', 'x']) {
      const { message } = thrownBy(() => loadConfig({ MODOSU_WEBHOOK_URL: wrong, MODOSU_WEBHOOK_SECRET: secret }));
      expect(message).toContain('MODOSU_WEBHOOK_URL: must look like');
      expect(message).not.toContain('hunter2');
    }
    const mail = { MODOSU_SMTP_URL: 'smtp://u:hunter2@mail:587', MODOSU_MAIL_FROM: 'modosu@x.example', MODOSU_MAIL_TO: 'a@x.example, b@x.example' };
    expect(loadConfig(mail).email).toEqual({ url: mail.MODOSU_SMTP_URL, from: 'modosu@x.example', to: ['a@x.example', 'b@x.example'] });
    const half = thrownBy(() => loadConfig({ MODOSU_SMTP_URL: mail.MODOSU_SMTP_URL })).message;
    for (const name of ['MODOSU_MAIL_FROM', 'MODOSU_MAIL_TO']) expect(half).toContain(`${name}: must be set as well`);
    for (const wrong of ['a@x.example,', 'a', 'a@x\r\nBcc: e@x', 'A <a@x.example>']) {
      expect(thrownBy(() => loadConfig({ ...mail, MODOSU_MAIL_TO: wrong })).message).toContain('MODOSU_MAIL_TO: must be mail addresses');
    }
    expect(thrownBy(() => loadConfig({ ...mail, MODOSU_SMTP_URL: 'https://u:hunter2@x' })).message).not.toContain('hunter2');
    expect(thrownBy(() => loadConfig({ MODOSU_WEBHOOK_URL: url, MODOSU_WEBHOOK_SECRET: 'short' })).message).toContain(
      'MODOSU_WEBHOOK_SECRET: must have at least 16',
    );
    for (const key of [secretOf(23), secretOf(32).slice(0, -9) + '*'.repeat(9), 'whsec_' + '-'.repeat(40)]) {
      expect(thrownBy(() => loadConfig({ MODOSU_WEBHOOK_URL: url, MODOSU_WEBHOOK_SECRET: key })).message).toContain('Base64 of 24 bytes at least');
    }
    expect(loadConfig({ MODOSU_WEBHOOK_URL: url, MODOSU_WEBHOOK_SECRET: secretOf(24) }).webhook).toEqual({ url, secret: secretOf(24) });
  });

  it.each(['-1', '1.5', '0x10', ' 7', 'abc', '65536'])('refuses the port %j', (value) => {
    expect(thrownBy(() => loadConfig({ MODOSU_API_PORT: value })).message).toContain('MODOSU_API_PORT');
  });

  it.each(['localhost', 'localhost:0', 'localhost:70000', 'http://x:1', 'a b:1'])('refuses the Temporal address %j', (value) => {
    expect(thrownBy(() => loadConfig({ MODOSU_TEMPORAL_ADDRESS: value })).message).toContain('MODOSU_TEMPORAL_ADDRESS');
  });

  it.each(['temporal.internal:7233', '127.0.0.1:7233', '[::1]:7233'])('accepts the Temporal address %j', (value) => {
    expect(loadConfig({ MODOSU_TEMPORAL_ADDRESS: value }).temporalAddress).toBe(value);
  });

  it('reads a list of directories and refuses relative ones', () => {
    expect(loadConfig({ MODOSU_IMAGE_DIRS: '/a:/b/c' }).imageDirectories).toEqual(['/a', '/b/c']);
    for (const value of ['/a:b', '/a::/b', '/a/../b']) expect(thrownBy(() => loadConfig({ MODOSU_IMAGE_DIRS: value })).message).toContain('MODOSU_IMAGE_DIRS');
  });

  it('takes an empty value for unset', () => {
    expect(loadConfig({ MODOSU_DATABASE_URL: '', MODOSU_API_PORT: '' })).toMatchObject({ databaseUrl: null, apiPort: 7400 });
  });

  it('reads a secret from the file that <NAME>_FILE names', () => {
    const file = join(directory, 'url');
    writeFileSync(file, 'postgres://app:s3cret@db:5432/modosu\n');
    expect(loadConfig({ MODOSU_DATABASE_URL_FILE: file }).databaseUrl).toBe('postgres://app:s3cret@db:5432/modosu');
  });

  it('refuses a secret given twice, and a file that cannot be read', () => {
    const both = thrownBy(() => loadConfig({ MODOSU_DATABASE_URL: 'postgres://a:b@c/d', MODOSU_DATABASE_URL_FILE: '/x' }));
    expect(both.message).toContain('set either it or MODOSU_DATABASE_URL_FILE');
    const absent = thrownBy(() => loadConfig({ MODOSU_DATABASE_OWNER_URL_FILE: join(directory, 'absent') }));
    expect(absent.message).toMatch(/MODOSU_DATABASE_OWNER_URL_FILE: .*ENOENT/);
  });

  it('takes what is open from the state directory of a running installation', () => {
    mkdirSync(join(directory, 'secrets'));
    mkdirSync(join(directory, 'run'));
    writeFileSync(join(directory, 'secrets', 'database-url'), 'postgres://app:s3cret@127.0.0.1:1/modosu\n');
    writeFileSync(join(directory, 'run', 'endpoints.json'), JSON.stringify({ apiUrl: 'http://127.0.0.1:7499', temporalAddress: '127.0.0.1:7498' }));
    const env = { MODOSU_STATE_DIR: directory };
    expect(loadConfig(env).databaseUrl).toBeNull();
    const config = requireServices(loadConfigOfInstallation(env));
    expect(config).toMatchObject({ databaseUrl: 'postgres://app:s3cret@127.0.0.1:1/modosu', temporalAddress: '127.0.0.1:7498', apiPort: 7499 });
    expect(loadConfigOfInstallation({ ...env, MODOSU_TEMPORAL_ADDRESS: 'other:1', MODOSU_API_PORT: '1' })).toMatchObject({
      temporalAddress: 'other:1',
      apiPort: 1,
    });
  });

  it('says which parts are missing when nothing runs', () => {
    const error = thrownBy(() => requireServices(loadConfigOfInstallation({ MODOSU_STATE_DIR: directory })));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain('MODOSU_DATABASE_URL');
    expect(error.message).toContain('MODOSU_TEMPORAL_ADDRESS');
  });

  describe('the server of the data repository', () => {
    const addressesOf = (env: Readonly<Record<string, string>>) => loadConfig(env).dataServer.addresses;
    const TLS = { MODOSU_DATA_TLS_CERT_FILE: '/tls/cert.pem', MODOSU_DATA_TLS_KEY_FILE: '/tls/key.pem' };
    const PORT = { MODOSU_DATA_PORT: '8000' };

    it('is on loopback, where guests on user-mode networking reach it', () => {
      expect(loadConfig({}).dataServer).toEqual({
        directory: '/var/lib/modosu/data-repository',
        host: '127.0.0.1',
        port: 0,
        guestHost: null,
        certificateFile: null,
        keyFile: null,
        externalUrl: null,
        maintenanceUrl: null,
        addresses: null,
      });
      expect(addressesOf({})).toBeNull();
      expect(addressesOf(PORT)).toEqual({ url: 'http://127.0.0.1:8000', guestUrl: 'http://10.0.2.2:8000' });
      expect(addressesOf({ ...PORT, ...TLS, MODOSU_DATA_GUEST_HOST: 'backup.internal' })).toEqual({
        url: 'https://127.0.0.1:8000',
        guestUrl: 'https://backup.internal:8000',
      });
    });

    it('can be on the network, with TLS only', () => {
      expect(thrownBy(() => loadConfig({ MODOSU_DATA_HOST: '10.0.0.5' })).message).toContain('MODOSU_DATA_TLS_CERT_FILE');
      expect(thrownBy(() => loadConfig({ MODOSU_DATA_HOST: '10.0.0.5', MODOSU_DATA_TLS_CERT_FILE: '/c' })).message).toContain('MODOSU_DATA_TLS_KEY_FILE');
      expect(thrownBy(() => loadConfig({ MODOSU_DATA_TLS_KEY_FILE: '/k' })).message).toContain('MODOSU_DATA_TLS_CERT_FILE');
      expect(addressesOf({ ...PORT, ...TLS, MODOSU_DATA_HOST: 'fd00::5' })).toEqual({ url: 'https://[fd00::5]:8000', guestUrl: 'https://[fd00::5]:8000' });
      for (const MODOSU_DATA_HOST of ['0.0.0.0', '::', '::1']) {
        expect(thrownBy(() => loadConfig({ ...TLS, MODOSU_DATA_HOST })).message).toContain('MODOSU_DATA_GUEST_HOST');
      }
      const everywhere = { ...PORT, ...TLS, MODOSU_DATA_HOST: '0.0.0.0', MODOSU_DATA_GUEST_HOST: 'backup.internal' };
      expect(addressesOf(everywhere)).toEqual({ url: 'https://backup.internal:8000', guestUrl: 'https://backup.internal:8000' });
    });

    it('can be an external one, with TLS only unless it is on loopback', () => {
      expect(addressesOf({ MODOSU_DATA_URL: 'https://backup.internal/' })).toEqual({ url: 'https://backup.internal', guestUrl: 'https://backup.internal' });
      expect(addressesOf({ MODOSU_DATA_URL: 'http://127.0.0.1:8000', MODOSU_DATA_GUEST_HOST: '10.0.2.2' })).toEqual({
        url: 'http://127.0.0.1:8000',
        guestUrl: 'http://10.0.2.2:8000',
      });
      expect(loadConfig({ MODOSU_DATA_URL: 'https://backup.internal', MODOSU_DATA_TLS_CERT_FILE: '/c' }).dataServer.certificateFile).toBe('/c');
      expect(thrownBy(() => loadConfig({ MODOSU_DATA_URL: 'http://backup.internal' })).message).toContain('MODOSU_DATA_URL');
      expect(thrownBy(() => loadConfig({ MODOSU_DATA_URL: 'https://backup.internal', ...TLS })).message).toContain('MODOSU_DATA_TLS_KEY_FILE');
      for (const value of ['https://a:hunter2@b', 'https://b/path', 'rest:https://b/', 'ftp://b', 'b:8000']) {
        const { message } = thrownBy(() => loadConfig({ MODOSU_DATA_URL: value }));
        expect(message).toContain('MODOSU_DATA_URL');
        expect(message).not.toContain('hunter2');
      }
    });

    it('lets things be removed over another endpoint than that of the guests, with TLS too', () => {
      const MODOSU_DATA_URL = 'https://backup.internal';
      const at = (MODOSU_DATA_MAINTENANCE_URL: string) => () => loadConfig({ MODOSU_DATA_URL, MODOSU_DATA_MAINTENANCE_URL });
      expect(at('https://backup.internal:8001/')().dataServer.maintenanceUrl).toBe('https://backup.internal:8001');
      expect(at('http://127.0.0.1:8001')().dataServer.maintenanceUrl).toBe('http://127.0.0.1:8001');
      for (const wrong of ['http://backup.internal:8001', 'https://backup.internal/', 'https://backup.internal:443', 'https://a:hunter2@b', 'b']) {
        const { message } = thrownBy(at(wrong));
        expect(message).toContain('MODOSU_DATA_MAINTENANCE_URL');
        expect(message).not.toContain('hunter2');
      }
      // The storage of our own server is on this machine.
      expect(thrownBy(() => loadConfig({ MODOSU_DATA_MAINTENANCE_URL: 'https://backup.internal:8001' })).message).toContain('MODOSU_DATA_MAINTENANCE_URL');
    });

    it('is found in the state directory of a running installation, and asked for when there is none', () => {
      const env = { MODOSU_STATE_DIR: directory };
      expect(thrownBy(() => requireDataAddresses(loadConfigOfInstallation(env)))).toMatchObject({
        code: 'CONFIG_INVALID',
        hint: expect.stringContaining('modosu up') as string,
      });
      mkdirSync(join(directory, 'run'));
      const started = (data: object): void =>
        writeFileSync(
          join(directory, 'run', 'endpoints.json'),
          JSON.stringify({ apiUrl: 'http://127.0.0.1:7499', temporalAddress: '127.0.0.1:7498', ...data }),
        );
      started({ dataUrl: 'https://127.0.0.1:7497', dataGuestUrl: 'https://backup:7497', dataCertificateFile: '/c', dataDirectory: '/srv/data' });
      expect(loadConfigOfInstallation(env).dataServer).toMatchObject({
        addresses: { url: 'https://127.0.0.1:7497', guestUrl: 'https://backup:7497' },
        certificateFile: '/c',
        directory: '/srv/data',
      });
      expect(requireDataAddresses(loadConfigOfInstallation({ ...env, MODOSU_DATA_PORT: '1' })).url).toBe('http://127.0.0.1:1');
      started({ dataUrl: 'https://elsewhere', dataGuestUrl: 'https://elsewhere', dataCertificateFile: null, dataDirectory: null });
      expect(loadConfigOfInstallation(env).dataServer).toMatchObject({ addresses: { url: 'https://elsewhere' }, directory: null });
      started({});
      expect(loadConfigOfInstallation(env).dataServer.addresses).toBeNull();
    });
  });

  it('is what docs/CONFIGURATION.md says', () => {
    expect(readFileSync(join(__dirname, '../../docs/CONFIGURATION.md'), 'utf8')).toContain(configurationTable());
  });
});
