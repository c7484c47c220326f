import { spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { embeddedPostgresArgv, initialiseCluster, postgresUrl, waitForPostgres } from '../../src/system/embedded-postgres';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../support/postgres-server';
import { postgresBinDirectory, postgresIdentity } from '../../src/system/postgres-binaries';
import { codeOf, refusal } from '../contract/catalog.fixtures';

const asRoot = process.getuid?.() === 0;
const BASE = join(asRoot ? '/var/lib/modosu-test' : '/tmp/modosu-test', `embedded-${process.pid}`);
const dataDirectory = join(BASE, 'data');
const password = 'it\'s a "password" / ?';
const running: EmbeddedPostgres[] = [];

async function start(port: number, directory = dataDirectory): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDirectory: directory, port, superuserPassword: password, fsync: false });
  running.push(server);
  return server;
}

async function ask<T>(url: string, sql: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as T[];
  } finally {
    await client.end();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

const isGone = (pid: number): boolean => !existsSync(`/proc/${pid}/stat`) || /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('the condition did not come true within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

beforeAll(() => mkdirSync(BASE, { recursive: true, mode: 0o711 }));
afterAll(async () => {
  for (const server of running) await server.stop();
  rmSync(BASE, { recursive: true, force: true });
});

describe('embedded PostgreSQL', () => {
  it('is made on first use, for the loopback and with a password only, and keeps its data', async () => {
    const port = await freePort();
    const first = await start(port);
    await ask(first.url('postgres'), 'CREATE TABLE kept (a int); INSERT INTO kept VALUES (42)');
    const [settings] = await ask<Record<string, string>>(
      first.url('postgres'),
      `SELECT current_setting('listen_addresses') AS listen, current_setting('unix_socket_directories') AS socket, current_setting('server_encoding') AS encoding,
              (SELECT datcollate FROM pg_database WHERE datname = 'postgres') AS collate, (SELECT count(*)::int FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256') AS open`,
    );
    expect(settings).toEqual({ listen: '127.0.0.1', socket: '', encoding: 'UTF8', collate: 'C.UTF-8', open: 0 });
    expect(readFileSync(`/proc/${first.pid}/cmdline`, 'utf8')).not.toContain(password);
    if (asRoot) expect(statSync(`/proc/${first.pid}`).uid).toBe((await postgresIdentity()).uid);
    await first.stop();
    await first.stop();
    expect(isGone(first.pid)).toBe(true);
    const second = await start(port);
    expect(await ask(second.url('postgres'), 'SELECT a FROM kept')).toEqual([{ a: 42 }]);
    await expect(ask(postgresUrl('postgres', 'wrong', port, 'postgres'), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });

    expect(await codeOf(start(await freePort()))).toBe('ALREADY_RUNNING');
    expect(await refusal(start(port, join(BASE, 'second')))).toMatchObject({ code: 'PORT_TAKEN', context: { port } });
    expect(await ask(second.url('postgres'), 'SELECT a FROM kept')).toEqual([{ a: 42 }]);
    await second.stop();
  }, 60_000);

  it('begins an interrupted first use again and leaves no password file', async () => {
    const directory = join(BASE, 'third');
    mkdirSync(`${directory}.initialising/data`, { recursive: true });
    writeFileSync(`${directory}.initialising/data/PG_VERSION`, '18\n');
    await initialiseCluster({ dataDirectory: directory, superuserPassword: password, fsync: false });
    expect(readFileSync(join(directory, 'PG_VERSION'), 'utf8')).toBe('18\n');
    expect(existsSync(`${directory}.initialising`)).toBe(false);
  }, 60_000);

  it('refuses data of another version', async () => {
    const directory = join(BASE, 'old');
    mkdirSync(directory);
    writeFileSync(join(directory, 'PG_VERSION'), '15\n');
    expect(await refusal(initialiseCluster({ dataDirectory: directory, superuserPassword: password }))).toMatchObject({
      code: 'STATE_DIRECTORY_UNUSABLE',
      message: expect.stringContaining('PostgreSQL 15'),
    });
  });

  (asRoot ? it : it.skip)('names a parent that is closed to its OS user', async () => {
    const closed = join(BASE, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const error = await refusal(initialiseCluster({ dataDirectory: join(closed, 'data'), superuserPassword: password }));
    expect(error).toMatchObject({ code: 'STATE_DIRECTORY_UNUSABLE', context: { directory: closed } });
    expect(error.message).not.toContain(password);
  });

  (asRoot ? it : it.skip)(
    'copies its programs out of a closed installation, with links that its install script did not make',
    async () => {
      const home = join(BASE, 'home');
      mkdirSync(home, { mode: 0o700 });
      const original = dirname(dirname(require.resolve(`@embedded-postgres/linux-${process.arch}`)));
      cpSync(original, join(home, 'package'), { recursive: true, verbatimSymlinks: true, filter: (source) => !lstatSync(source).isSymbolicLink() });
      chmodSync(home, 0o700);
      const identity = await postgresIdentity();
      const cache = join(BASE, 'cache');
      const bin = await postgresBinDirectory(identity, cache, join(home, 'package'));
      expect(bin.startsWith(cache)).toBe(true);
      expect(await postgresBinDirectory(identity, cache, join(home, 'package'))).toBe(bin);
      const [program, ...parameters] = embeddedPostgresArgv({ binDirectory: bin, identity }, { dataDirectory: '/nowhere', port: 1 });
      const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => (output += piece));
      await new Promise((resolve) => child.once('close', resolve));
      // It ran as the other user and loaded its libraries: it complains about the directory, not about a program that cannot be executed.
      expect(output).toMatch(/"\/nowhere"/);
      expect(output).not.toMatch(/shared libraries|Permission denied/);
    },
    60_000,
  );

  it('ends when the process that started it is killed', async () => {
    const port = await freePort();
    const directory = join(BASE, 'orphan');
    const prepared = await initialiseCluster({ dataDirectory: directory, superuserPassword: password, fsync: false });
    const argv = embeddedPostgresArgv(prepared, { dataDirectory: directory, port, fsync: false });
    const script = `const c = require('node:child_process').spawn(${JSON.stringify(argv[0])}, ${JSON.stringify(argv.slice(1))}, { stdio: 'ignore', cwd: '/' }); setInterval(() => {}, 1000); console.log(c.pid)`;
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    const pid = Number(await new Promise<string>((resolve) => parent.stdout.once('data', (piece: Buffer) => resolve(piece.toString()))));
    await waitForPostgres(postgresUrl('postgres', password, port, 'postgres'));
    expect(isGone(pid)).toBe(false);
    parent.kill('SIGKILL');
    await until(() => isGone(pid));
    const again = await start(port, directory);
    expect(await ask(again.url('postgres'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await again.stop();
  }, 60_000);
});
