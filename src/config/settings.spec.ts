import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfigOfInstallation, loadConfigOfService } from './config';
import { readSettings, secretsUnknownTo, settingsOf, withSettings } from './settings';
import { stateLayout, type ServiceRole } from './state-layout';

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

  const written = (env: Readonly<Record<string, string>> = OF_SERVICE, role: ServiceRole = 'up', at = 0): void =>
    writeFileSync(join(directory, 'run', `settings.${role}.json`), JSON.stringify(settingsOf(role, env, new Date(at))));
  const fileWith = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
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
    expect(Object.keys(settings.proofs)).toEqual(['MODOSU_CREDENTIAL_DB01', 'MODOSU_DATABASE_URL', 'MODOSU_WEBHOOK_SECRET', 'MODOSU_WEBHOOK_URL']);
    expect(new Set(Object.values(settings.proofs)).size).toBe(4); // the same secret twice is not seen either
    expect(secretsUnknownTo([{ MODOSU_WEBHOOK_SECRET: SECRET }], settings)).toEqual(['MODOSU_CREDENTIAL_DB01', 'MODOSU_DATABASE_URL', 'MODOSU_WEBHOOK_URL']);
  });

  it('know a secret of the service by its value, also in a file, and no other one under its name', () => {
    const settings = settingsOf('worker', { MODOSU_WEBHOOK_SECRET: SECRET, MODOSU_CREDENTIAL_DB01: SECRET }, new Date(0));
    const unknownTo = (...envs: readonly Readonly<Record<string, string>>[]) => secretsUnknownTo(envs, settings);
    const mine = { MODOSU_WEBHOOK_SECRET: 'of my own hook', MODOSU_CREDENTIAL_DB01: SECRET };
    expect(unknownTo(mine)).toEqual(['MODOSU_WEBHOOK_SECRET']);
    expect(unknownTo(mine, { MODOSU_WEBHOOK_SECRET: SECRET })).toEqual([]);
    const files = { MODOSU_WEBHOOK_SECRET_FILE: fileWith('secret', `${SECRET}\n`), MODOSU_CREDENTIAL_DB01_FILE: fileWith('password', SECRET) };
    expect(unknownTo(files)).toEqual([]);
    expect(unknownTo({ ...files, MODOSU_WEBHOOK_SECRET_FILE: '/not/there' })).toEqual(['MODOSU_WEBHOOK_SECRET']);
    expect(secretsUnknownTo([{}], settings, [SECRET])).toEqual([]);
    expect(secretsUnknownTo([{ MODOSU_WEBHOOK_SECRET: SECRET }], { ...settings, proofs: { MODOSU_WEBHOOK_SECRET: 'x.y' } })).toHaveLength(2);
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
  });

  it('are named where one of them is wrong by now: nobody has set it here', () => {
    written({ MODOSU_DATABASE_URL_FILE: '/not/there' });
    expect(() => here()).toThrow(
      `MODOSU_DATABASE_URL_FILE: /not/there cannot be read (ENOENT), as ${directory}/run/settings.up.json (what \`modosu up\` was told) says.`,
    );
    expect(() => here({ MODOSU_DATABASE_URL_FILE: '/nor/there' })).toThrow('MODOSU_DATABASE_URL_FILE: /nor/there cannot be read (ENOENT).');
    written({ MODOSU_DATABASE_URL_FILE: fileWith('no-url', 'mysql://app@prod/modosu') });
    expect(() => here()).toThrow(/MODOSU_DATABASE_URL: .*, as .*settings\.up\.json/);
    written({ MODOSU_WAY_BACK_DAYS: 'many' });
    expect(() => here()).toThrow(/MODOSU_WAY_BACK_DAYS: must be a whole number, as .*settings\.up\.json/);
    expect(() => here({ MODOSU_WAY_BACK_DAYS: 'few' })).toThrow('MODOSU_WAY_BACK_DAYS: must be a whole number.');
  });

  describe('and what an installation stands on', () => {
    const [APP, OWNER, OTHER] = ['postgres://app:a@prod/modosu', 'postgres://owner:o@prod/modosu', 'postgres://app:a@staging/modosu'];
    const ofProduction = (): Readonly<Record<string, string>> => ({
      MODOSU_DATABASE_URL: APP,
      MODOSU_DATABASE_OWNER_URL_FILE: fileWith('owner', OWNER),
      MODOSU_TEMPORAL_ADDRESS: 'prod:7233',
      MODOSU_TEMPORAL_NAMESPACE: 'production',
      MODOSU_APP_ROLE: 'app',
    });
    const NOTHING = {
      databaseUrl: null,
      databaseOwnerUrl: null,
      databaseOwnerUrlFrom: null,
      temporalAddress: null,
      temporalNamespace: 'modosu',
      appRole: 'modosu_app',
    };

    it('is whole, with where it stands', () => {
      written(ofProduction());
      expect(here()).toMatchObject({
        databaseOwnerUrl: OWNER,
        databaseOwnerUrlFrom: `${directory}/run/settings.up.json (what \`modosu up\` was told)`,
        temporalAddress: 'prod:7233',
        appRole: 'app',
      });
      expect(here({ MODOSU_DATABASE_OWNER_URL: OWNER })).toMatchObject({ databaseOwnerUrl: OWNER, databaseOwnerUrlFrom: null, temporalAddress: 'prod:7233' });
    });

    it.each([
      [{ MODOSU_DATABASE_URL: OTHER }, { databaseUrl: OTHER }],
      [{ MODOSU_DATABASE_OWNER_URL: OTHER }, { databaseOwnerUrl: OTHER }],
      [{ MODOSU_TEMPORAL_ADDRESS: 'staging:7233' }, { temporalAddress: 'staging:7233' }],
      [{ MODOSU_TEMPORAL_NAMESPACE: 'staging' }, { temporalNamespace: 'staging' }],
      [{ MODOSU_APP_ROLE: 'other' }, { appRole: 'other' }],
      [
        { MODOSU_DATABASE_URL: APP, MODOSU_TEMPORAL_NAMESPACE: 'staging' },
        { databaseUrl: APP, temporalNamespace: 'staging' },
      ],
    ])('is not mixed with another one that the environment names: %j', (env, own) => {
      written(ofProduction());
      mkdirSync(join(directory, 'secrets'));
      fileWith('secrets/database-url', APP);
      fileWith('secrets/database-owner-url', OWNER);
      fileWith('run/endpoints.json', JSON.stringify({ apiUrl: 'http://127.0.0.1:7499', temporalAddress: '127.0.0.1:7498', temporalNamespace: 'production' }));
      expect(here(env)).toMatchObject({ ...NOTHING, ...own, apiPort: 7499 });
    });

    it('is that of the service where the environment says the same of it', () => {
      written(ofProduction());
      const same = { databaseUrl: APP, databaseOwnerUrl: OWNER, temporalAddress: 'prod:7233', temporalNamespace: 'production', appRole: 'app' };
      expect(here({ MODOSU_DATABASE_URL: APP })).toMatchObject(same);
      expect(here({ MODOSU_DATABASE_URL_FILE: fileWith('app', `${APP}\n`), MODOSU_TEMPORAL_NAMESPACE: 'production' })).toMatchObject(same);
    });

    it('is that of `up` where the environment says the same of it', () => {
      mkdirSync(join(directory, 'secrets'));
      fileWith('secrets/database-url', APP);
      fileWith('run/endpoints.json', JSON.stringify({ apiUrl: 'http://127.0.0.1:7499', temporalAddress: '127.0.0.1:7498' }));
      expect(here({ MODOSU_DATABASE_URL: APP })).toMatchObject({ databaseUrl: APP, temporalAddress: '127.0.0.1:7498' });
      expect(here({ MODOSU_DATABASE_URL: OTHER })).toMatchObject({ databaseUrl: OTHER, temporalAddress: null });
      // `up` was given it, and what it stands on beside it are defaults.
      written({ MODOSU_DATABASE_URL: APP });
      expect(here({ MODOSU_DATABASE_URL: APP, MODOSU_APP_ROLE: 'modosu_app' })).toMatchObject({ databaseUrl: APP, temporalAddress: '127.0.0.1:7498' });
    });

    it('is taken from one service, not from parts of two', () => {
      written({ MODOSU_DATABASE_URL_FILE: fileWith('app', APP) }, 'worker');
      written({ MODOSU_DATABASE_OWNER_URL_FILE: fileWith('owner', OWNER), MODOSU_API_PORT: '7401' }, 'api', 1);
      expect(here()).toMatchObject({ databaseUrl: APP, databaseOwnerUrl: null, apiPort: 7401 });
      // Nor with what an `up` has left behind that is no longer started.
      mkdirSync(join(directory, 'secrets'));
      fileWith('secrets/database-url', OTHER);
      fileWith('secrets/database-owner-url', OTHER);
      expect(here()).toMatchObject({ databaseUrl: APP, databaseOwnerUrl: null });
      written({ MODOSU_DATABASE_URL: APP, MODOSU_TEMPORAL_ADDRESS: 'prod:7233' }, 'worker');
      expect(here()).toMatchObject({ databaseUrl: null, databaseOwnerUrl: null, temporalAddress: 'prod:7233' });
    });
  });

  it('of two services on one state directory both hold: of the worker first, and of each what it was not told', () => {
    written({ MODOSU_PROFILES_DIR: '/of-worker', MODOSU_SECRET_STORES_FILE: '/stores' }, 'worker');
    written({ MODOSU_PROFILES_DIR: '/of-api', MODOSU_API_PORT: '7401', MODOSU_DATA_URL: 'https://data' }, 'api', 1);
    expect(here()).toMatchObject({ profileDirectory: '/of-worker', secretStoresFile: '/stores', apiPort: 7401, dataServer: { externalUrl: 'https://data' } });
    written({ MODOSU_PROFILES_DIR: '/of-worker', MODOSU_DATA_DIR: '/srv' }, 'worker');
    expect(here().dataServer).toMatchObject({ externalUrl: null, directory: '/srv' });
  });

  it('of `up` hold alone, until a service is started without it', () => {
    written({ MODOSU_PROFILES_DIR: '/old', MODOSU_SECRET_STORES_FILE: '/old' }, 'worker', 1);
    written({ MODOSU_PROFILES_DIR: '/of-up' }, 'up', 2);
    expect(here()).toMatchObject({ profileDirectory: '/of-up', secretStoresFile: join(directory, 'secret-stores.yaml') });
    written({ MODOSU_API_PORT: '7401' }, 'api', 3);
    expect(here()).toMatchObject({ profileDirectory: null, apiPort: 7401 });
    // Each may have written into logs what only it was told.
    expect(readSettings(stateLayout(directory)).map(({ role }) => role)).toEqual(['up', 'worker', 'api']);
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
    writeFileSync(join(directory, 'run', 'settings.up.json'), text);
    expect(readSettings(stateLayout(directory))).toEqual([]);
    expect(here().profileDirectory).toBeNull();
  });

  it('what somebody else has put into the file is no variable', () => {
    const settings = {
      role: 'up',
      startedAt: '',
      variables: { MODOSU_STATE_DIR: '/x', NODE_OPTIONS: '-r x', MODOSU_API_PORT: 1, MODOSU_DATABASE_URL: 'x' },
      notShown: [],
      proofs: {},
    };
    writeFileSync(join(directory, 'run', 'settings.up.json'), JSON.stringify(settings));
    expect(readSettings(stateLayout(directory))).toHaveLength(1);
    expect(withSettings({ A: 'b' }, readSettings(stateLayout(directory))).env).toEqual({ A: 'b' });
  });
});
