import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfigOfInstallation, loadConfigOfService } from './config';
import { readSettings, secretsUnknownTo, settingsOf, withSettings } from './settings';
import { stateLayout } from './state-layout';

const SECRET = 'hunter2hunter2hunter2';
/** As a unit of systemd gives them. */
const OF_SERVICE = {
  PATH: '/bin',
  MODOSU_STATE_DIR: '/elsewhere',
  MODOSU_PROFILES_DIR: '/etc/modosu/profiles',
  MODOSU_SECRET_STORES_FILE: '/etc/modosu/stores.yaml',
  MODOSU_PAYLOAD_KEYS_FILE: '/etc/modosu/keys.json',
  MODOSU_TEMPORAL_NAMESPACE: 'restores',
  MODOSU_DATA_URL: 'https://backup.internal',
  MODOSU_DATA_MAINTENANCE_URL: 'https://backup.internal:8001',
  MODOSU_API_HOST: '',
  MODOSU_DATABASE_URL: `postgres://app:${SECRET}@db/modosu`,
  MODOSU_WEBHOOK_URL: `https://alerts.example/${SECRET}`,
  MODOSU_WEBHOOK_SECRET: SECRET,
  MODOSU_SMTP_URL_FILE: '/etc/modosu/smtp',
  MODOSU_MAIL_FROM: 'modosu@x.example',
  MODOSU_CREDENTIAL_DB01: SECRET,
  MODOSU_TOKEN: SECRET,
  MODOSU_OF_SOMEBODY: SECRET,
};

describe('settings of a service, for the commands beside it', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-settings-'));
    mkdirSync(join(directory, 'run'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const written = (env: Readonly<Record<string, string>> = OF_SERVICE): void =>
    writeFileSync(join(directory, 'run', 'settings.json'), JSON.stringify(settingsOf('up', env, new Date(0))));
  const here = (env: Readonly<Record<string, string>> = {}) => loadConfigOfInstallation({ MODOSU_STATE_DIR: directory, ...env });

  it('never hold a secret, only that there is one', () => {
    const settings = settingsOf('worker', OF_SERVICE, new Date(0));
    expect(JSON.stringify(settings)).not.toContain(SECRET);
    expect(settings).toMatchObject({ role: 'worker', startedAt: '1970-01-01T00:00:00.000Z' });
    expect(settings.variables).not.toHaveProperty('MODOSU_STATE_DIR');
    expect(settings.variables).not.toHaveProperty('MODOSU_API_HOST');
    expect(settings.variables).toMatchObject({ MODOSU_SMTP_URL_FILE: '/etc/modosu/smtp', MODOSU_PAYLOAD_KEYS_FILE: '/etc/modosu/keys.json' });
    expect(settings.notShown).toEqual([
      'MODOSU_CREDENTIAL_DB01',
      'MODOSU_DATABASE_URL',
      'MODOSU_OF_SOMEBODY',
      'MODOSU_TOKEN',
      'MODOSU_WEBHOOK_SECRET',
      'MODOSU_WEBHOOK_URL',
    ]);
    expect(secretsUnknownTo({ MODOSU_WEBHOOK_SECRET: SECRET }, settings)).toEqual(['MODOSU_CREDENTIAL_DB01', 'MODOSU_DATABASE_URL', 'MODOSU_WEBHOOK_URL']);
  });

  it('hold for commands, which are then configured as the service is', () => {
    written();
    expect(here()).toMatchObject({
      stateDirectory: directory,
      profileDirectory: '/etc/modosu/profiles',
      secretStoresFile: '/etc/modosu/stores.yaml',
      payloadKeysFile: '/etc/modosu/keys.json',
      temporalNamespace: 'restores',
      dataServer: { maintenanceUrl: 'https://backup.internal:8001', externalUrl: 'https://backup.internal' },
      // Half of a channel is none; no command tells alerts.
      email: null,
    });
  });

  it('give way to what the environment says, also of what belongs together', () => {
    written();
    expect(here({ MODOSU_PROFILES_DIR: '/mine', MODOSU_TEMPORAL_NAMESPACE: '' })).toMatchObject({ profileDirectory: '/mine', temporalNamespace: 'restores' });
    expect(here({ MODOSU_DATA_DIR: '/srv/data' }).dataServer).toMatchObject({ externalUrl: null, maintenanceUrl: null, directory: '/srv/data' });
    written({ MODOSU_DATABASE_URL_FILE: '/not/there' });
    expect(here({ MODOSU_DATABASE_URL: 'postgres://a:b@c/d' }).databaseUrl).toBe('postgres://a:b@c/d');
    expect(() => here()).toThrow('MODOSU_DATABASE_URL_FILE');
  });

  it('do not hold for services: what their unit no longer says is no longer so', () => {
    written();
    expect(loadConfigOfService({ MODOSU_STATE_DIR: directory })).toMatchObject({ profileDirectory: null, temporalNamespace: 'modosu' });
  });

  it('the namespace is that of the running installation, where no settings say it', () => {
    writeFileSync(join(directory, 'run', 'endpoints.json'), JSON.stringify({ apiUrl: 'http://127.0.0.1:1', temporalNamespace: 'restores' }));
    expect(here().temporalNamespace).toBe('restores');
    expect(here({ MODOSU_TEMPORAL_NAMESPACE: 'other' }).temporalNamespace).toBe('other');
  });

  it.each(['', '{', 'null', '{"variables":{"MODOSU_PROFILES_DIR":"/x"}}', '[]'])('that are no settings are none: %j', (text) => {
    writeFileSync(join(directory, 'run', 'settings.json'), text);
    expect(readSettings(stateLayout(directory))).toBeNull();
    expect(here().profileDirectory).toBeNull();
  });

  it('what somebody else has put into the file is no variable', () => {
    const settings = {
      role: 'up',
      startedAt: '',
      variables: { MODOSU_STATE_DIR: '/x', NODE_OPTIONS: '-r x', MODOSU_API_PORT: 1, MODOSU_DATABASE_URL: 'x' },
      notShown: [],
    };
    writeFileSync(join(directory, 'run', 'settings.json'), JSON.stringify(settings));
    expect(withSettings({ A: 'b' }, readSettings(stateLayout(directory)))).toEqual({ A: 'b' });
  });
});
