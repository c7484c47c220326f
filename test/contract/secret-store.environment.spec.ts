import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentialVariables } from '../../src/config/credential-variables';
import { EnvironmentSecretStore } from '../../src/credentials/environment/environment-secret-store';
import { variableName } from '../../src/credentials/environment/variable-name';
import { CURRENT } from '../../src/credentials/secret-store';
import { DirectorySecrets } from '../../src/secrets/directory-secrets';
import { describeSecretStore, PATH, SECOND, thrownBy } from './secret-store.contract';

const PREFIX = 'MODOSU_CREDENTIAL_';
const VARIABLE = 'MODOSU_CREDENTIAL_SERVERS__DB01';

let directory: string;
let variables: Record<string, string>;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'modosu-environment-'));
  variables = {};
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const secretsIn = (name: string): DirectorySecrets => new DirectorySecrets(join(directory, name));
const store = (secrets = secretsIn('secrets')): EnvironmentSecretStore =>
  new EnvironmentSecretStore({ name: 'surroundings', kind: 'environment', prefix: PREFIX }, { variables, secrets });

describeSecretStore(
  'the environment',
  async () => ({
    store: store(),
    put: async (path, value) => void (variables[variableName(PREFIX, path)] = value),
    dispose: async () => undefined,
  }),
  { keepsVersions: false, knowsTimes: false },
);

describeSecretStore(
  'files that the environment names',
  async () => ({
    store: store(),
    put: async (path, value) => {
      const file = join(directory, path.replaceAll('/', '-'));
      writeFileSync(file, `${value}\n`, { mode: 0o600 });
      variables[`${variableName(PREFIX, path)}_FILE`] = file;
    },
    dispose: async () => undefined,
  }),
  { keepsVersions: false, knowsTimes: false },
);

describe('the version of a secret in the environment', () => {
  beforeEach(() => {
    variables[VARIABLE] = SECOND;
  });

  it('is the same after a restart, and again when the value is', async () => {
    const { version } = await store().currentVersion(PATH);
    variables[VARIABLE] = 'other';
    expect((await store().currentVersion(PATH)).version).not.toBe(version);
    variables[VARIABLE] = SECOND;
    expect(await store().currentVersion(PATH)).toEqual({ version, createdAt: null });
  });

  it('is another one in another installation, and no hash that anybody could try passwords against', async () => {
    const { version } = await store().currentVersion(PATH);
    expect(version).toMatch(/^[0-9a-f]{16}$/);
    expect((await store(secretsIn('elsewhere')).currentVersion(PATH)).version).not.toBe(version);
    for (const hash of ['md5', 'sha1', 'sha256', 'sha512']) {
      for (const text of [SECOND, `${PATH}\0${SECOND}`]) expect(createHash(hash).update(text).digest('hex')).not.toContain(version);
    }
  });

  it('does not show that two accounts have the same password', async () => {
    variables['MODOSU_CREDENTIAL_SERVERS__DB02'] = SECOND;
    expect((await store().currentVersion('servers/db02')).version).not.toBe((await store().currentVersion(PATH)).version);
  });
});

describe('variables of credentials', () => {
  it('are named after their path, no two paths alike', () => {
    expect(variableName(PREFIX, 'servers/db-01')).toBe('MODOSU_CREDENTIAL_SERVERS__DB_01');
    const paths = ['a/b', 'a-b', 'ab', 'a/b-c', 'a-b/c', 'a/b/c', 'a-b-c', 'a-file/b', 'file'];
    expect(new Set(paths.map((path) => variableName(PREFIX, path))).size).toBe(paths.length);
  });

  it.each(['DB01', 'db_01', 'db.01', 'db--01', '-db', 'db-', 'data bank', 'dätabase', 'db-file', 'servers/db-file'])(
    'there is none for the path %j',
    async (path) => {
      expect(await thrownBy(store().currentVersion(path))).toMatchObject({ code: 'PATH_NOT_ALLOWED', hint: expect.stringContaining('lower-case') as string });
    },
  );

  it('are all that is taken from the environment', () => {
    expect(credentialVariables({ [VARIABLE]: 'a', MODOSU_CREDENTIAL: 'b', MODOSU_WEBHOOK_SECRET: 'c', [`${VARIABLE}_FILE`]: '/d', PATH: '/bin' })).toEqual({
      [VARIABLE]: 'a',
      [`${VARIABLE}_FILE`]: '/d',
    });
  });

  it('that are empty count as not set', async () => {
    variables[VARIABLE] = '';
    expect(await thrownBy(store().currentVersion(PATH))).toMatchObject({ code: 'SECRET_NOT_FOUND' });
  });

  it('set beside a file are refused, without either', async () => {
    variables[VARIABLE] = SECOND;
    variables[`${VARIABLE}_FILE`] = join(directory, 'x');
    const error = await thrownBy(store().read(PATH, CURRENT, 'password'));
    expect(error).toMatchObject({ code: 'SECRET_STORE_INVALID' });
    expect(error.message).not.toContain(SECOND);
  });

  it('name files that nobody else may read, and that are read at each use', async () => {
    const file = join(directory, 'value');
    writeFileSync(file, ` ${SECOND} \n\n`, { mode: 0o600 });
    variables[`${VARIABLE}_FILE`] = file;
    // One line feed is the editor's; the rest is the password's.
    expect((await store().read(PATH, CURRENT, 'password')).reveal()).toBe(` ${SECOND} \n`);
    chmodSync(file, 0o644);
    expect(await thrownBy(store().currentVersion(PATH))).toMatchObject({ code: 'SECRET_STORE_INVALID' });
    rmSync(file);
    expect(await thrownBy(store().currentVersion(PATH))).toMatchObject({ code: 'SECRET_STORE_UNREACHABLE' });
  });
});
