import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isModosuError } from '../contracts/errors';
import { loadConfig, loadConfigOfInstallation, requireServices } from './config';
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
    expect(loadConfigOfInstallation({ ...env, MODOSU_TEMPORAL_ADDRESS: 'other:1', MODOSU_API_PORT: '1' })).toMatchObject({ temporalAddress: 'other:1', apiPort: 1 });
  });

  it('says which parts are missing when nothing runs', () => {
    const error = thrownBy(() => requireServices(loadConfigOfInstallation({ MODOSU_STATE_DIR: directory })));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain('MODOSU_DATABASE_URL');
    expect(error.message).toContain('MODOSU_TEMPORAL_ADDRESS');
  });

  it('is what docs/CONFIGURATION.md says', () => {
    expect(readFileSync(join(__dirname, '../../docs/CONFIGURATION.md'), 'utf8')).toContain(configurationTable());
  });
});
