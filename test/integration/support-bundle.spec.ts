import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { settingsOf } from '../../src/config/settings';
import { filesBelow, SecretHunt } from '../support/secret-hunt';
import { TestState, type Outcome } from '../support/up-process';

jest.setTimeout(120_000);

interface Doctor {
  readonly failed: number;
  readonly checks: readonly { readonly subject: string; readonly state: string; readonly code?: string | null }[];
}

describe('modosu support-bundle', () => {
  const state = new TestState();
  const directory = mkdtempSync(join(tmpdir(), 'modosu-bundle-test-'));
  /** As the unit of a service has it, and nobody's shell. */
  const profiles = join(directory, 'profiles');
  const up = state.up({ MODOSU_PROFILES_DIR: profiles, MODOSU_TEMPORAL_NAMESPACE: 'of-the-unit' });
  let secrets: ReadonlyMap<string, string>;

  const bundle = (file: string, env: Readonly<Record<string, string>> = {}, ...more: readonly string[]): Promise<Outcome> =>
    state.run(['support-bundle', '--file', file, ...more], { TMPDIR: join(directory, 'tmp'), ...env });
  /** The files of a bundle, by their paths below its one directory. */
  const unpack = (file: string): { readonly root: string; read(path: string): string } => {
    const into = mkdtempSync(join(directory, 'unpacked-'));
    execFileSync('tar', ['-xzf', file, '-C', into]);
    const [top] = readdirSync(into);
    const root = join(into, top ?? '');
    return { root, read: (path) => readFileSync(join(root, path), 'utf8') };
  };
  const leftBehind = (): readonly string[] => readdirSync(join(directory, 'tmp'));

  beforeAll(async () => {
    mkdirSync(join(directory, 'tmp'));
    mkdirSync(profiles);
    await up.ready();
    const keys = JSON.parse(state.read('secrets/payload-keys.json')) as { readonly keys: Readonly<Record<string, string>> };
    secrets = new Map([
      ['token', state.read('secrets/admin-token').trim()],
      ['postgres', state.read('secrets/postgres-password').trim()],
      ['database', new URL(state.read('secrets/database-url').trim()).password],
      ['payload key', Object.values(keys.keys)[0] ?? ''],
      ['login', state.read('secrets/data/probe/login').trim()],
      ['given', 'correct-horse-battery'],
      ['token of a secret store', 'hvs.CAESIJ1yQ2'],
      ['version in a secret store', 'tr0ub4dor "and" 3'],
      ['token in a declaration', 's.8Kz41PqRt0'],
      ['key of a place for copies', 'wJalr/XUtn+FEMI=K7'],
      ['digits', '123456789012'],
    ]);
    mkdirSync(join(state.directory, 'secrets/offsite/vault'), { recursive: true });
    writeFileSync(
      join(state.directory, 'secrets/offsite/vault/environment'),
      `AWS_SECRET_ACCESS_KEY=${secrets.get('key of a place for copies') ?? ''}\nRESTIC_REST_PASSWORD=${secrets.get('digits') ?? ''}\n`,
      { mode: 0o600 },
    );
    const [tokenFile, credentials] = ['vault-token', 'passwords.yaml'].map((name) => join(directory, name));
    writeFileSync(tokenFile ?? '', `${secrets.get('token of a secret store') ?? ''}\n`, { mode: 0o600 });
    const password = JSON.stringify(secrets.get('version in a secret store'));
    writeFileSync(credentials ?? '', `credentials:\n  servers/db01:\n    versions:\n      - version: 1\n        password: ${password}\n`, { mode: 0o600 });
    writeFileSync(
      join(state.directory, 'secret-stores.yaml'),
      `stores:
  - { name: vault, kind: vault, address: "https://127.0.0.1:1", tokenFile: ${tokenFile ?? ''}, token: ${secrets.get('token in a declaration') ?? ''} }
  - { name: people, kind: file, path: ${credentials ?? ''} }
`,
    );
    // What must not be there, wherever it came from.
    appendFileSync(
      join(state.directory, 'logs/api.log'),
      [...secrets].map(([name, secret]) => `${JSON.stringify({ msg: `${name} ${secret} postgres://u:${encodeURIComponent(secret)}@db/x` })}\n`).join('') +
        `{"msg":"a number","n":9${secrets.get('digits') ?? ''}}\n`,
    );
  });
  afterAll(async () => {
    await state.remove();
    rmSync(directory, { recursive: true, force: true });
  }, 120_000);

  it('packs what helps, for its owner alone, and no secret in any form', async () => {
    const file = join(directory, 'running.tar.gz');
    const { exitCode, stdout, stderr } = await bundle(file, {
      MODOSU_WAY_BACK_DAYS: '9',
      MODOSU_MADE_UP: 'correct-horse-battery',
      MODOSU_TOKEN: 'correct-horse-battery',
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^${file} \\(\\d.*iB\\)\n( {2}\\S+\n)+Secrets are taken out`));
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    const { root, read } = unpack(file);
    for (const [name, secret] of secrets) expect(`${name}: ${secret.length > 11}`).toBe(`${name}: true`);
    expect(new SecretHunt(secrets).inFiles(root)).toEqual([]);

    const names = filesBelow(root).map((path) => path.slice(root.length + 1));
    expect(names).toEqual(
      expect.arrayContaining([
        'README.txt',
        'about.json',
        'configuration.json',
        'doctor.json',
        'logs/api.log',
        'logs/worker.log',
        'catalogue/estate.json',
        'catalogue/runs.json',
        'catalogue/audit.json',
        'catalogue/figures.json',
      ]),
    );
    expect(names.filter((name) => name.includes('error') || name.startsWith('secrets'))).toEqual([]);
    expect(read('logs/api.log')).toContain('{"msg":"token [redacted] postgres://u:[redacted]@db/x"}');
    expect(read('logs/api.log')).toContain('{"msg":"token of a secret store [redacted] postgres://u:[redacted]@db/x"}');
    expect(read('logs/api.log')).toContain('{"msg":"a number","n":"9[redacted]"}');
    expect(read('logs/api.log')).toContain('API is listening');
    expect(JSON.parse(read('catalogue/estate.json'))).toMatchObject({ policies: [], groups: [], relations: [], offsite: [] });
    expect(JSON.parse(read('configuration.json'))).toMatchObject({
      here: { MODOSU_WAY_BACK_DAYS: '9', MODOSU_STATE_DIR: state.directory, MODOSU_MADE_UP: '(set, not shown)', MODOSU_TOKEN: '(set, not shown)' },
      services: { up: { variables: { MODOSU_PROFILES_DIR: profiles, MODOSU_TEMPORAL_NAMESPACE: 'of-the-unit' } } },
    });
    expect(JSON.parse(read('catalogue/audit.json'))).toMatchObject({ intact: true });
    expect((JSON.parse(read('doctor.json')) as Doctor).checks.find(({ subject }) => subject === 'api')).toMatchObject({ state: 'ok' });
    expect(leftBehind()).toEqual([]);
  });

  it('and `doctor` see the configuration of the service, whatever the shell does not know; the form may stand in front', async () => {
    writeFileSync(join(profiles, 'broken.yaml'), 'format: none\n');
    const { stdout } = await state.run(['-o', 'json', 'doctor']);
    rmSync(join(profiles, 'broken.yaml'));
    const { checks } = JSON.parse(stdout) as Doctor;
    expect(checks.find(({ subject }) => subject === 'profiles')).toMatchObject({ state: 'fail', code: 'PROFILE_INVALID' });
    expect(checks.find(({ subject }) => subject === 'temporal')).toMatchObject({ state: 'ok' });
    expect(stdout).toContain('of-the-unit');
    expect(statSync(join(state.directory, 'run/settings.up.json')).mode & 0o777).toBe(0o600);
  });

  it('is refused while a secret of any service is known to it alone, and hides it with the file that it stands in', async () => {
    const hook = { MODOSU_WEBHOOK_SECRET: 'of-the-unit-alone #1', MODOSU_WEBHOOK_URL: 'https://alerts.example/hook' };
    const settings = join(state.directory, 'run/settings.worker.json');
    // A worker and an API on one state directory: the one that was started last does not make the other forgotten.
    writeFileSync(settings, JSON.stringify(settingsOf('worker', { ...hook, MODOSU_DATA_TLS_KEY_FILE: join(directory, 'tls.pem') }, new Date(0))));
    writeFileSync(join(directory, 'tls.pem'), 'MIIEkeyOfTheWorker');
    const log = join(state.directory, 'logs/worker.log');
    appendFileSync(log, '{"msg":"signed with of-the-unit-alone #1 here"}\n{"msg":"key MIIEkeyOfTheWorker"}\n');
    const file = join(directory, 'unit.tar.gz');
    const refused = {
      exitCode: 1,
      stderr: expect.stringMatching(/SUPPORT_BUNDLE_REFUSED: `modosu worker` .*: MODOSU_WEBHOOK_SECRET\.[^]*--variables \/etc\/modosu\.env/) as string,
    };
    // Who has a hook of their own has not the secret of the service.
    const mine = { MODOSU_WEBHOOK_SECRET: 'of-my-own-hook-alone', MODOSU_WEBHOOK_URL: hook.MODOSU_WEBHOOK_URL, MODOSU_DATA_TLS_KEY_FILE: '/not/there' };
    expect(await bundle(file, mine)).toMatchObject(refused);
    const variables = join(directory, 'modosu.env');
    writeFileSync(
      variables,
      `# of the unit\n${Object.entries(hook)
        .map(([name, value]) => `${name}=${value}\n`)
        .join('')}`,
      { mode: 0o600 },
    );
    const outcome = await bundle(file, mine, '--variables', variables);
    expect(outcome).toMatchObject({ exitCode: 0 });
    writeFileSync(join(directory, 'secret'), hook.MODOSU_WEBHOOK_SECRET);
    const named = { MODOSU_WEBHOOK_SECRET_FILE: join(directory, 'secret'), MODOSU_WEBHOOK_URL: hook.MODOSU_WEBHOOK_URL };
    expect(await bundle(join(directory, 'named.tar.gz'), named)).toMatchObject({ exitCode: 0 });
    // As a program hands over what it has decrypted: it can be read once.
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [piped] = await Promise.all([bundle(join(directory, 'piped.tar.gz'), mine, '--variables', pipe), writeFile(pipe, readFileSync(variables))]);
    expect(piped).toMatchObject({ exitCode: 0 });
    rmSync(settings);
    const { read } = unpack(file);
    expect(read('logs/worker.log')).toContain('{"msg":"signed with [redacted] here"}\n{"msg":"key [redacted]"}\n');
    expect(JSON.parse(read('configuration.json'))).toMatchObject({
      here: { MODOSU_WEBHOOK_SECRET: '(set, not shown)', MODOSU_DATA_TLS_KEY_FILE: '/not/there' },
      services: {
        up: { variables: { MODOSU_PROFILES_DIR: profiles } },
        worker: { variables: { MODOSU_WEBHOOK_SECRET: '(set, not shown)', MODOSU_DATA_TLS_KEY_FILE: join(directory, 'tls.pem') } },
      },
    });
  });

  it('knows a secret of one service by the file that another one was told of', async () => {
    const path = join(directory, 'shared-secret');
    writeFileSync(path, 'of-both-services');
    const hook = { MODOSU_WEBHOOK_URL: 'https://alerts.example/hook' };
    const files = ['worker', 'api'].map((role) => join(state.directory, `run/settings.${role}.json`)) as [string, string];
    writeFileSync(files[0], JSON.stringify(settingsOf('worker', { ...hook, MODOSU_WEBHOOK_SECRET_FILE: path }, new Date(0))));
    writeFileSync(files[1], JSON.stringify(settingsOf('api', { ...hook, MODOSU_WEBHOOK_SECRET: 'of-both-services' }, new Date(0))));
    expect(await bundle(join(directory, 'both.tar.gz'), hook)).toMatchObject({ exitCode: 0 });
    writeFileSync(files[1], JSON.stringify(settingsOf('api', { ...hook, MODOSU_WEBHOOK_SECRET: 'of-the-api-alone' }, new Date(0))));
    expect(await bundle(join(directory, 'one.tar.gz'), hook)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('`modosu api` was given secrets') as string,
    });
    for (const file of files) rmSync(file);
  });

  it('as JSON says what is in it', async () => {
    const file = join(directory, 'json.tar.gz');
    const { exitCode, stdout } = await bundle(file, {}, '-o', 'json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ file, sizeBytes: statSync(file).size, files: expect.arrayContaining(['doctor.json']) as unknown });
  });

  it('never writes over a file, nor into what is no directory', async () => {
    const file = join(directory, 'mine.txt');
    writeFileSync(file, 'mine');
    for (const [path, name] of [
      [file, file],
      [join(directory, 'nowhere/x.tgz'), 'nowhere/x.tgz'],
    ] as const) {
      const { exitCode, stdout, stderr } = await bundle(path);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
      expect(stderr).toMatch(new RegExp(`^error: SUPPORT_BUNDLE_REFUSED: .*${name}[^]*hint: .*--file PATH`));
    }
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(readdirSync(directory).filter((name) => name.endsWith('.part'))).toEqual([]);
    expect(leftBehind()).toEqual([]);
  });

  it('is refused when a secret cannot be read: what is not known cannot be hidden', async () => {
    const odd = join(state.directory, 'secrets/odd');
    writeFileSync(odd, Buffer.alloc(1024 * 1024 + 1));
    const file = join(directory, 'odd.tgz');
    expect(await bundle(file)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`SUPPORT_BUNDLE_REFUSED: ${odd}`) as string });
    rmSync(odd);
    expect(existsSync(file)).toBe(false);
  });

  it('of an installation with a wrong configuration says what is wrong with it', async () => {
    const file = join(directory, 'wrong.tgz');
    expect(await bundle(file, { MODOSU_WAY_BACK_DAYS: 'many', MODOSU_TOKEN: secrets.get('given') ?? '' })).toMatchObject({ exitCode: 0 });
    const { root, read } = unpack(file);
    expect(read('doctor.json')).toContain('MODOSU_WAY_BACK_DAYS');
    expect(read('logs/api.log')).toContain('API is listening');
    expect(new SecretHunt(secrets).inFiles(root)).toEqual([]);
  });

  it('does not wait for a PostgreSQL that lets us in and then says nothing', async () => {
    const mute = createServer((socket) =>
      socket.on('error', () => undefined).once('data', () => socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]))),
    ).listen(0, '127.0.0.1');
    await new Promise((resolve) => mute.once('listening', resolve));
    const file = join(directory, 'mute.tgz');
    const url = `postgres://modosu_app:correct-horse-battery@127.0.0.1:${(mute.address() as AddressInfo).port}/modosu`;
    expect(await bundle(file, { MODOSU_DATABASE_URL: url })).toMatchObject({ exitCode: 0 });
    mute.close();
    const { root, read } = unpack(file);
    expect(JSON.parse(read('catalogue/runs.error.json'))).toMatchObject({ code: 'CATALOG_UNAVAILABLE', message: expect.stringContaining('within 20 s') });
    expect((JSON.parse(read('doctor.json')) as Doctor).checks.find(({ subject }) => subject === 'catalogue')).toMatchObject({ state: 'fail' });
    expect(new SecretHunt(secrets).inFiles(root)).toEqual([]);
  });

  it('refuses wrong usage', async () => {
    for (const args of [['--colour'], ['extra'], ['--output', 'toml'], ['--file', '']]) {
      expect(await state.run(['support-bundle', ...args])).toMatchObject({
        exitCode: 2,
        stdout: '',
        stderr: expect.stringMatching(/^error: USAGE: /) as string,
      });
    }
  });

  it('of an installation that is down says what does not answer', async () => {
    await up.end();
    const file = join(directory, 'down.tgz');
    expect(await bundle(file, { MODOSU_TOKEN: secrets.get('given') ?? '' })).toMatchObject({ exitCode: 0 });
    const { root, read } = unpack(file);
    expect(JSON.parse(read('catalogue/runs.error.json'))).toMatchObject({ code: 'CATALOG_UNAVAILABLE' });
    expect((JSON.parse(read('doctor.json')) as Doctor).failed).toBeGreaterThan(2);
    expect(read('logs/api.log')).toContain('API is stopping');
    expect(new SecretHunt(secrets).inFiles(root)).toEqual([]);
  });
});
