import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { ModosuError } from '../../src/contracts/errors';
import {
  embeddedPostgresArgv,
  initialiseCluster,
  postgresUrl,
  SUPERUSER,
  waitForPostgres,
  type EmbeddedPostgresOptions,
} from '../../src/system/embedded-postgres';

const LOG_TAIL_CHARACTERS = 8192;

export interface EmbeddedPostgres {
  readonly pid: number;
  /** Connection URL of the superuser, with the password. */
  url(database: string): string;
  /** Fast shutdown; harder after 20 s. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a server as a child of this process and waits until it answers; the data directory is made on first use and kept. Adopts nothing: throws
 * `ALREADY_RUNNING` when another server uses the directory, `PORT_TAKEN`, `CATALOG_UNAVAILABLE`, and what `initialiseCluster` throws.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const prepared = await initialiseCluster(options);
  const [program, ...parameters] = embeddedPostgresArgv(prepared, options);
  const child = spawn(program, parameters, {
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: false,
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    log = (log + piece).slice(-LOG_TAIL_CHARACTERS);
  });
  let ended = false;
  child.once('error', (error) => {
    log += error.message;
    ended = true;
  });
  child.once('close', () => {
    ended = true;
  });
  const url = (database: string): string => postgresUrl(SUPERUSER, options.superuserPassword, options.port, database);
  try {
    await waitForPostgres(url('postgres'), { hasEnded: () => ended });
  } catch (error) {
    await stop(child);
    throw startError(log, options, error);
  }
  // A server of an earlier life, with the same password, may have answered while ours fails to take the port.
  if (child.pid === undefined || (await serverPid(url('postgres'), options.dataDirectory)) !== child.pid) {
    // On a busy machine the other one answers long before ours has tried: only its last words say why it does not run.
    for (const giveUpAt = performance.now() + 20_000; !ended && performance.now() < giveUpAt;) await delay(50);
    await stop(child);
    throw startError(log, options, undefined);
  }
  return { pid: child.pid, url, stop: () => stop(child) };
}

/** Process id in the directory's lock file, which only the running server writes; null when the server that answers uses another directory. */
async function serverPid(url: string, dataDirectory: string): Promise<number | null> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ directory: string }>("SELECT current_setting('data_directory') AS directory");
    if (rows[0]?.directory !== dataDirectory) return null;
    return Number((await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  } catch {
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function startError(log: string, { dataDirectory, port }: EmbeddedPostgresOptions, cause: unknown): ModosuError {
  const lastWords = log.trim().slice(-1500);
  if (/lock file "[^"]*postmaster\.pid" already exists/.test(log)) {
    return new ModosuError('ALREADY_RUNNING', `Another PostgreSQL server uses ${dataDirectory}. ${lastWords}`, { cause });
  }
  if (/Address already in use/.test(log)) {
    return new ModosuError('PORT_TAKEN', `Port ${port} on 127.0.0.1 is taken; PostgreSQL cannot listen on it.`, { context: { port }, cause });
  }
  const reason = lastWords !== '' ? lastWords : cause instanceof Error ? cause.message : 'it said nothing';
  return new ModosuError('CATALOG_UNAVAILABLE', `PostgreSQL in ${dataDirectory} did not start: ${reason}`, { cause });
}

async function stop(child: ChildProcess): Promise<void> {
  for (const [signal, graceMs] of [
    ['SIGINT', 20_000],
    ['SIGQUIT', 5000],
    ['SIGKILL', 5000],
  ] as const) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const ended = new Promise<true>((resolve) => child.once('exit', () => resolve(true)));
    child.kill(signal);
    const deadline = new AbortController();
    const inTime = await Promise.race([ended, delay(graceMs, false, { signal: deadline.signal }).catch(() => false)]);
    deadline.abort();
    if (inTime) return;
  }
}
