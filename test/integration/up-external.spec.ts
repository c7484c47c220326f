import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { settingsOf } from '../../src/config/settings';
import { DataLab } from '../support/data-lab';
import { startTestPostgres, type TestPostgres } from '../support/postgres';
import { startTemporalForTests, type TestTemporal } from '../support/temporal';
import { eventually, TestState, UpProcess } from '../support/up-process';

jest.setTimeout(120_000);

interface DoctorReport {
  readonly failed: number;
  readonly checks: readonly {
    readonly subject: string;
    readonly state: string;
    readonly detail: string;
    readonly hint: string | null;
    readonly code: string | null;
  }[];
}

describe('modosu with PostgreSQL, Temporal and the data repository by address', () => {
  let postgres: TestPostgres;
  let temporal: TestTemporal;
  let data: DataLab;
  let state: TestState;
  let up: UpProcess | null = null;
  let addresses: Readonly<Record<string, string>>;

  beforeAll(async () => {
    [postgres, temporal, data] = await Promise.all([startTestPostgres({ migrate: false }), startTemporalForTests(), DataLab.start()]);
    state = new TestState();
    addresses = {
      MODOSU_DATABASE_URL: postgres.appUrl,
      MODOSU_APP_ROLE: postgres.appRole,
      MODOSU_TEMPORAL_ADDRESS: temporal.address,
      MODOSU_TEMPORAL_NAMESPACE: 'modosu-external',
      MODOSU_DATA_URL: data.server.url,
    };
  }, 60_000);
  afterAll(async () => {
    await state.remove();
    await Promise.all([postgres.stop(), temporal.close(), data.dispose()]);
  }, 60_000);

  const doctor = async (): Promise<{ readonly exitCode: number | null; readonly report: DoctorReport }> => {
    const { exitCode, stdout } = await state.run(['doctor', '--output', 'json'], addresses);
    return { exitCode, report: JSON.parse(stdout) as DoctorReport };
  };
  const line = ({ checks }: DoctorReport, subject: string): DoctorReport['checks'][number] | undefined => checks.find((check) => check.subject === subject);

  it('does not start on a database without its schema, and does not migrate without the owner', async () => {
    const { exitCode, stderr } = await state.up(addresses).exit();
    expect(exitCode).toBe(1);
    expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({
      code: 'CATALOG_SCHEMA_OUTDATED',
      hint: expect.stringContaining('modosu migrate') as string,
    });
  });

  it('`modosu migrate` says that it needs the owner', async () => {
    const { exitCode, stderr } = await state.run(['migrate'], addresses);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^error: CONFIG_INVALID: .*MODOSU_DATABASE_OWNER_URL/);
  });

  it.each([['migrate', '--down'], ['migrate'], ['catalog', 'rebuild', '--without-copy', '--repository', '/nowhere']])(
    'takes no database that a service was told where another one is named: %s %s',
    async (...args) => {
      const ownerFile = join(state.directory, 'owner-url');
      writeFileSync(ownerFile, postgres.ownerUrl);
      const told = { ...addresses, MODOSU_DATABASE_OWNER_URL_FILE: ownerFile };
      const path = join(state.directory, 'run/settings.worker.json');
      mkdirSync(join(state.directory, 'run'), { recursive: true });
      writeFileSync(path, JSON.stringify(settingsOf('worker', told, new Date())));
      const named = await state.run(args, { MODOSU_DATABASE_URL: 'postgres://app:a@127.0.0.1:1/staging' });
      rmSync(path);
      expect(named).toMatchObject({
        exitCode: 2,
        stdout: '',
        stderr: expect.stringMatching(/^error: CONFIG_INVALID: .*MODOSU_DATABASE_OWNER_URL is not set\.\nhint: .*taken only where nothing else/) as string,
      });
    },
  );

  it('`modosu migrate` brings database and namespace up to date, and can be run again', async () => {
    const env = { ...addresses, MODOSU_DATABASE_OWNER_URL: postgres.ownerUrl };
    const first = await state.run(['migrate'], env);
    expect(first).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^Done: InitialCatalog/) as string });
    expect(first.stdout).toContain('"modosu-external" is ready');
    const second = await state.run(['migrate'], env);
    expect(second).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^The database is up to date\./) as string });
    const { username, password, host } = new URL(postgres.ownerUrl);
    expect(second.stderr).toMatch(new RegExp(`^Database: ${username}@${host}/\\w+\\.\nThe role "\\w+" gets the rights \\(MODOSU_APP_ROLE\\)\\.\n$`));
    expect(second.stderr).not.toContain(`:${password}@`);
  });

  it('`modosu migrate` says what it has not looked at, where it was told of the owner alone', async () => {
    const { exitCode, stdout, stderr } = await state.run(['migrate'], { MODOSU_DATABASE_OWNER_URL: postgres.ownerUrl, MODOSU_APP_ROLE: postgres.appRole });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'The database is up to date.\n' });
    expect(stderr).toContain(`The role "${postgres.appRole}" gets the rights (MODOSU_APP_ROLE).\nNo address of Temporal is known (MODOSU_TEMPORAL_ADDRESS)`);
  });

  it('`modosu migrate` and `catalog rebuild` take the database that a service was told, and say so', async () => {
    const ownerFile = join(state.directory, 'owner-url');
    writeFileSync(ownerFile, postgres.ownerUrl);
    const path = join(state.directory, 'run/settings.worker.json');
    writeFileSync(path, JSON.stringify(settingsOf('worker', { ...addresses, MODOSU_DATABASE_OWNER_URL_FILE: ownerFile }, new Date())));
    const { exitCode, stdout, stderr } = await state.run(['migrate']);
    // Only the service knows the password of the application; whoever says the same means the same database.
    const rebuilt = await state.run(['catalog', 'rebuild', '--without-copy', '--repository', '/nowhere'], { MODOSU_DATABASE_URL: postgres.appUrl });
    rmSync(path);
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^The database is up to date\.[^]*"modosu-external" is ready/) as string,
    });
    expect(stderr).toMatch(
      /^Database: .*, as .*\/run\/settings\.worker\.json \(what `modosu worker` was told\) says\.\nThe role "\w+" gets the rights \(MODOSU_APP_ROLE\)\.\n$/,
    );
    expect(rebuilt).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^Database: .*settings\.worker\.json .* says\.\nerror: REPOSITORY_UNREACHABLE: /) as string,
    });
  });

  it('`modosu doctor` says that nothing serves yet', async () => {
    const { exitCode, report } = await doctor();
    expect(exitCode).toBe(1);
    expect(line(report, 'catalogue')).toMatchObject({ state: 'ok' });
    expect(line(report, 'temporal')).toMatchObject({ state: 'ok', detail: expect.stringContaining('90 days') as string });
    expect(line(report, 'worker')).toMatchObject({ state: 'fail', code: 'NO_WORKER' });
    expect(line(report, 'api')).toMatchObject({ state: 'fail', code: 'API_UNREACHABLE', hint: expect.stringContaining('modosu up') as string });
  });

  it('starts only API and worker', async () => {
    up = state.up(addresses);
    await up.ready();
    await expect(state.request('/v1/servers')).resolves.toBe(200);
    expect([state.pidOf('postgres'), state.pidOf('temporal'), state.pidOf('data')]).toEqual([null, null, null]);
    expect(state.endpoints()).toMatchObject({ temporalAddress: temporal.address, dataUrl: data.server.url });
    for (const absent of ['postgres', 'data-repository']) expect(readdirSync(state.directory)).not.toContain(absent);
  });

  it('`modosu doctor` says that the server of the data repository does not know our logins, until it has a copy of them', async () => {
    const logins = join(state.directory, 'secrets', 'data-logins.htpasswd');
    expect(line((await doctor()).report, 'data repository')).toMatchObject({
      state: 'fail',
      code: 'DATA_REPOSITORY_KEY_WRONG',
      hint: expect.stringContaining(logins) as string,
    });
    copyFileSync(logins, data.htpasswdFile);
    expect(line((await doctor()).report, 'data repository')).toMatchObject({ state: 'ok', detail: expect.stringContaining(data.server.url) as string });
  });

  it('`modosu doctor` finds everything in order, and reads the addresses from the state directory alone', async () => {
    await expect(doctor()).resolves.toMatchObject({ exitCode: 0, report: { failed: 0 } });
    const { exitCode, stdout } = await state.run(['doctor', '-o', 'table'], { MODOSU_TEMPORAL_NAMESPACE: 'modosu-external' });
    expect(stdout).toMatch(/^ok {4}api +http:\/\/127\.0\.0\.1:\d+ answers/m);
    expect(stdout).toMatch(/^warn {2}estate +Nothing is declared yet/m);
    expect(exitCode).toBe(0);
  });

  it('keeps the passwords of the database in no log and no argument', () => {
    const password = new URL(postgres.appUrl).password;
    const logs = readdirSync(join(state.directory, 'logs')).map((name) => readFileSync(join(state.directory, 'logs', name), 'utf8'));
    const argv = state.processes().map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    expect([...logs, ...argv, up?.stderr ?? '', up?.stdout ?? ''].join('\n')).not.toContain(password);
  });

  it('goes on when PostgreSQL was away for a while', async () => {
    await postgres.shutDown();
    const away = await doctor();
    expect(line(away.report, 'catalogue')).toMatchObject({ state: 'fail', code: 'CATALOG_UNAVAILABLE' });
    expect(line(away.report, 'estate')).toMatchObject({ state: 'fail' });
    expect(away.exitCode).toBe(1);
    await postgres.startAgain();
    const giveUpAt = Date.now() + 60_000;
    while ((await doctor()).exitCode !== 0) if (Date.now() > giveUpAt) throw new Error(`not well again: ${up?.stderr}`);
    await expect(state.request('/v1/servers')).resolves.toBe(200);
  });

  it('leaves PostgreSQL and Temporal running when it ends', async () => {
    up?.kill('SIGTERM');
    await expect(up?.exit()).resolves.toMatchObject({ exitCode: 0 });
    expect(state.processes()).toEqual([]);
    await expect(postgres.query(postgres.appUrl, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
    await expect(temporal.client.check()).resolves.toBeUndefined();
  });

  it('`modosu worker` by itself serves, and drains when it is told to end', async () => {
    const worker = new UpProcess({ MODOSU_STATE_DIR: state.directory, ...addresses }, ['worker']);
    try {
      await eventually(
        () => worker.stderr,
        (text) => text.includes('worker is polling'),
        60_000,
      );
      expect(line((await doctor()).report, 'worker')).toMatchObject({ state: 'ok' });
    } finally {
      worker.kill('SIGTERM');
    }
    expect(await worker.exit()).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('worker is draining') as string });
  });

  it('`modosu migrate --down` undoes the newest migration, and doctor says that the schema is outdated', async () => {
    const { exitCode, stdout } = await state.run(['migrate', '--down'], { ...addresses, MODOSU_DATABASE_OWNER_URL: postgres.ownerUrl });
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^Undone: /) as string });
    expect(line((await doctor()).report, 'catalogue')).toMatchObject({ state: 'fail', code: 'CATALOG_SCHEMA_OUTDATED' });
  });

  it.each([
    ['doctor', '--output', 'xml'],
    ['doctor', '--loud'],
    ['migrate', '--sideways'],
  ])('does not know `modosu %s %s`', async (...args) => {
    const { exitCode, stdout, stderr } = await state.run(args.filter((argument) => argument !== undefined));
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain('error: USAGE');
  });
});
