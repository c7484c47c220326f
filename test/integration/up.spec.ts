import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { findProgram } from '../../src/system/child-process';
import { TemporalClient } from '../../src/temporal/client';
import { createDataConverter } from '../../src/temporal/data-converter';
import { inspectNamespace } from '../../src/temporal/namespace';
import { loadPayloadKeys } from '../../src/temporal/payload-keys';
import { makeCertificate } from '../support/data-lab';
import { eventually, PARTS, TestState, type Outcome } from '../support/up-process';

jest.setTimeout(120_000);

/** The error a service wrote as its last word. */
const fatalOf = ({ stderr }: Outcome): { readonly code: string; readonly msg: string; readonly hint: string } =>
  JSON.parse(stderr.trim().split('\n').at(-1) ?? '{}') as { readonly code: string; readonly msg: string; readonly hint: string };

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('modosu up: one life after the other on one state directory', () => {
  const state = new TestState();
  afterAll(() => state.remove(), 120_000);
  const marker = `marker-${newId('run')}`;

  const withTemporal = async <T>(action: (client: TemporalClient) => Promise<T>): Promise<T> => {
    const { temporalAddress, temporalNamespace } = state.endpoints();
    const dataConverter = createDataConverter(loadPayloadKeys(join(state.directory, 'secrets', 'payload-keys.json')));
    const client = new TemporalClient({ address: temporalAddress, namespace: temporalNamespace, dataConverter });
    try {
      return await action(client);
    } finally {
      await client.close();
    }
  };

  let up = state.up();

  it('starts everything from nothing and says where it is', async () => {
    await up.ready();
    const { apiUrl, tokenFile } = state.endpoints();
    expect(up.stdout).toBe(`ready: ${apiUrl}\ntoken: ${tokenFile}\n`);
    await expect(state.request('/v1/servers')).resolves.toBe(200);
    await expect(state.request('/v1/servers', null)).resolves.toBe(401);
    expect(PARTS.map((part) => state.pidOf(part))).not.toContain(null);
    expect((await fetch(`${state.endpoints().dataUrl}/probe/config`)).status).toBe(401);
    // Temporal waits for the disk once for each commit.
    expect(existsSync(join(state.directory, 'temporal', 'temporal.db-wal'))).toBe(true);
    await withTemporal(async (client) => {
      await expect(inspectNamespace(client)).resolves.toEqual({ retentionDays: 90, missingSearchAttributes: [] });
      await client.client.workflow.start('anything', { workflowId: marker, taskQueue: 'nobody', args: [] });
    });
  });

  it('keeps secrets to itself', () => {
    expect(modeOf(state.directory)).toBe('711');
    expect(modeOf(join(state.directory, 'secrets'))).toBe('700');
    for (const name of [
      'admin-token',
      'payload-keys.json',
      'database-url',
      'database-owner-url',
      'postgres-password',
      'data-logins.htpasswd',
      'data/probe/login',
    ]) {
      expect(modeOf(join(state.directory, 'secrets', name))).toBe('600');
    }
    expect(modeOf(join(state.directory, 'data-repository'))).toBe('700');
    const token = state.read('secrets/admin-token').trim();
    const password = state.read('secrets/database-app-password').trim();
    const written = [up.stdout, up.stderr, state.read('run/endpoints.json'), ...PARTS.map((part) => state.read(`logs/${part}.log`))].join('\n');
    expect(written).not.toContain(token);
    expect(written).not.toContain(password);
  });

  it('refuses a second `modosu up` on the same state directory and leaves the first one alone', async () => {
    const pids = PARTS.map((part) => state.pidOf(part));
    const outcome = await state.up().exit();
    expect(outcome.exitCode).toBe(5);
    expect(fatalOf(outcome)).toMatchObject({ code: 'ALREADY_RUNNING', msg: expect.stringContaining(`process ${up.pid}`) as string });
    expect(PARTS.map((part) => state.pidOf(part))).toEqual(pids);
    await expect(state.request('/v1/servers')).resolves.toBe(200);
  });

  it.each(PARTS)('brings %s back after SIGKILL', async (part) => {
    const before = state.pidOf(part);
    expect(before).not.toBeNull();
    process.kill(before ?? 0, 'SIGKILL');
    await eventually(
      () => state.pidOf(part),
      (pid) => pid !== null && pid !== before,
    );
    await eventually(
      () => state.request('/v1/servers'),
      (status) => status === 200,
    );
    await eventually(
      () =>
        withTemporal((client) => client.check()).then(
          () => true,
          () => false,
        ),
      (answers) => answers,
    );
    await eventually(
      () => up.stderr.split('\n').filter((line) => line.includes(`"part":"${part}"`) && line.includes('part is ready')).length,
      (count) => count >= 2,
    );
    expect(up.stdout.match(/ready: /g)).toHaveLength(1);
  });

  it('ends in order on SIGTERM, with exit code 0 and nothing left', async () => {
    up.kill('SIGTERM');
    await expect(up.exit()).resolves.toMatchObject({ exitCode: 0, signal: null });
    expect(state.processes()).toEqual([]);
    expect(existsSync(join(state.directory, 'run', 'endpoints.json'))).toBe(false);
    // A clean end of PostgreSQL removes it: the next start has nothing to recover.
    expect(existsSync(join(state.directory, 'postgres', 'postmaster.pid'))).toBe(false);
  });

  it('has everything back at the second start, sooner, at the same address; a stale postmaster.pid is no obstacle', async () => {
    writeFileSync(join(state.directory, 'postgres', 'postmaster.pid'), `${process.pid}\n${join(state.directory, 'postgres')}\n`);
    const token = state.read('secrets/admin-token');
    const ports = state.read('run/ports.json');
    up = state.up();
    expect(await up.ready()).toBeLessThan(20_000);
    expect(state.read('secrets/admin-token')).toBe(token);
    expect(state.read('run/ports.json')).toBe(ports);
    await expect(state.request('/v1/servers')).resolves.toBe(200);
    await withTemporal(async (client) => {
      expect((await client.client.workflow.getHandle(marker).describe()).status.name).toBe('RUNNING');
    });
  });

  it('has everything back after SIGKILL of the supervisor, with no process of the earlier life', async () => {
    const earlier = state.processes();
    expect(earlier.length).toBeGreaterThan(PARTS.length);
    up.kill('SIGKILL');
    await up.exit();
    up = state.up();
    await up.ready();
    const now = state.processes();
    expect(earlier.filter((pid) => now.includes(pid))).toEqual([]);
    await expect(state.request('/v1/servers')).resolves.toBe(200);
    await withTemporal(async (client) => {
      expect((await client.client.workflow.getHandle(marker).describe()).status.name).toBe('RUNNING');
    });
  });

  it('ends what was started when SIGINT comes in the middle of a start', async () => {
    up.kill('SIGTERM');
    await up.exit();
    up = state.up();
    await eventually(
      () => state.pidOf('temporal') ?? state.pidOf('postgres'),
      (pid) => pid !== null,
    );
    up.kill('SIGINT');
    await expect(up.exit()).resolves.toMatchObject({ exitCode: 0, stdout: '' });
    expect(state.processes()).toEqual([]);
  });
});

describe('modosu up: what keeps it from starting', () => {
  let state: TestState;
  beforeEach(() => {
    state = new TestState();
  });
  afterEach(() => state.remove(), 60_000);

  const fails = async (env: Readonly<Record<string, string>>, exitCode = 1): Promise<ReturnType<typeof fatalOf>> => {
    const outcome = await state.up(env).exit();
    expect(outcome).toMatchObject({ exitCode, stdout: '' });
    expect(state.processes()).toEqual([]);
    return fatalOf(outcome);
  };

  describe('a port that is taken', () => {
    let other: Server;
    let port: number;
    beforeEach(async () => {
      other = createServer();
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      port = (other.address() as AddressInfo).port;
    });
    afterEach(() => new Promise((resolve) => other.close(resolve)));

    it.each(['MODOSU_API_PORT', 'MODOSU_POSTGRES_PORT', 'MODOSU_TEMPORAL_PORT', 'MODOSU_DATA_PORT'])('names port and variable: %s', async (variable) => {
      const error = await fails({ [variable]: String(port) }, 5);
      expect(error).toMatchObject({
        code: 'PORT_TAKEN',
        msg: expect.stringContaining(String(port)) as string,
        hint: expect.stringContaining(variable) as string,
      });
    });
  });

  it('an external database that does not answer; its password stays out of the message', async () => {
    const password = randomBytes(8).toString('hex');
    const error = await fails({ MODOSU_DATABASE_URL: `postgres://app:${password}@127.0.0.1:1/modosu` });
    expect(error.code).toBe('CATALOG_UNAVAILABLE');
    expect(JSON.stringify(error)).not.toContain(password);
  });

  it('an external Temporal that does not answer', async () => {
    const error = await fails({ MODOSU_TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(error).toMatchObject({ code: 'TEMPORAL_UNAVAILABLE', msg: expect.stringContaining('127.0.0.1:1') as string });
  });

  it('a missing Temporal program', async () => {
    const error = await fails({ MODOSU_TEMPORAL_CLI: join(state.directory, 'absent') });
    expect(error).toMatchObject({ code: 'PROGRAM_MISSING', hint: expect.stringContaining('MODOSU_TEMPORAL_CLI') as string });
  });

  it('a missing rclone, unless another server is named', async () => {
    const programs = join(state.directory, 'programs');
    mkdirSync(programs);
    for (const program of ['setpriv', 'flock', 'cat']) symlinkSync(findProgram(program), join(programs, program));
    const env = { PATH: programs, MODOSU_TEMPORAL_CLI: process.execPath };
    await expect(fails(env)).resolves.toMatchObject({
      code: 'PROGRAM_MISSING',
      msg: expect.stringContaining('rclone') as string,
      hint: expect.stringContaining('MODOSU_DATA_URL') as string,
    });
    await expect(fails({ ...env, MODOSU_DATA_URL: 'http://127.0.0.1:1', MODOSU_TEMPORAL_CLI: join(programs, 'absent') })).resolves.toMatchObject({
      code: 'PROGRAM_MISSING',
      hint: expect.stringContaining('MODOSU_TEMPORAL_CLI') as string,
    });
  });

  it('a directory for the data repository that is not there: nothing is made in its place', async () => {
    const absent = join(state.directory, 'not-mounted');
    await expect(fails({ MODOSU_DATA_DIR: absent }, 2)).resolves.toMatchObject({ code: 'CONFIG_INVALID', msg: expect.stringContaining(absent) as string });
    expect(existsSync(absent)).toBe(false);
  });

  it('a certificate of the data repository for another name', async () => {
    const { certificateFile, keyFile } = await makeCertificate('DNS:elsewhere.example');
    try {
      const error = await fails({ MODOSU_DATA_TLS_CERT_FILE: certificateFile, MODOSU_DATA_TLS_KEY_FILE: keyFile }, 2);
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', msg: expect.stringMatching(/MODOSU_DATA_TLS_CERT_FILE.*127\.0\.0\.1/) as string });
    } finally {
      rmSync(join(certificateFile, '..'), { recursive: true, force: true });
    }
  });

  it('a wrong variable', async () => {
    await expect(fails({ MODOSU_API_PORT: 'many', MODOSU_LOG_LEVEL: 'loud' }, 2)).resolves.toMatchObject({
      code: 'CONFIG_INVALID',
      msg: expect.stringMatching(/MODOSU_API_PORT.*MODOSU_LOG_LEVEL/s) as string,
    });
  });

  it('a state directory below a private one', async () => {
    const home = join(state.directory, 'home');
    mkdirSync(home, { mode: 0o700 });
    chmodSync(home, 0o700);
    const error = await fails({ MODOSU_STATE_DIR: join(home, 'modosu') });
    expect(error).toMatchObject({ code: 'STATE_DIRECTORY_UNUSABLE', msg: expect.stringContaining(home) as string });
    expect(modeOf(home)).toBe('700');
  });

  it('a state directory that is a file', async () => {
    const file = join(state.directory, 'file');
    writeFileSync(file, '');
    await expect(fails({ MODOSU_STATE_DIR: join(file, 'modosu') })).resolves.toMatchObject({ code: 'STATE_DIRECTORY_UNUSABLE' });
    rmSync(file);
  });
});

describe.each(['api', 'worker'])('modosu %s by itself', (role) => {
  let state: TestState;
  beforeEach(() => {
    state = new TestState();
  });
  afterEach(() => state.remove(), 60_000);

  it('says which addresses are missing', async () => {
    const outcome = await state.run([role]);
    expect(outcome.exitCode).toBe(2);
    expect(fatalOf(outcome)).toMatchObject({ code: 'CONFIG_INVALID', msg: expect.stringMatching(/MODOSU_DATABASE_URL.*MODOSU_TEMPORAL_ADDRESS/s) as string });
  });

  it('does not know other arguments', async () => {
    const outcome = await state.run([role, '--fast']);
    expect(outcome).toMatchObject({ exitCode: 2, stdout: '' });
    expect(outcome.stderr).toContain('--fast');
  });
});
