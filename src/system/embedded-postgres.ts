import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { ModosuError } from '../contracts/errors';
import { runCommand } from './child-process';
import { asIdentity, firstClosedDirectory, postgresBinDirectory, postgresIdentity, type OsIdentity } from './postgres-binaries';

/** PostgreSQL brought along by Modosu: for one machine, on 127.0.0.1 only, with passwords (scram-sha-256) for everybody. */

export const SUPERUSER = 'postgres';
const MAJOR_VERSION = '18';
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 40;

export interface ClusterOptions {
  /** Kept over restarts. Its parents must let the OS user `postgres` pass. */
  readonly dataDirectory: string;
  readonly superuserPassword: string;
  /** Where PostgreSQL's programs are copied to when the installation is closed to the OS user. Default `/var/cache/modosu`. */
  readonly cacheDirectory?: string;
  /** False only for data that nobody needs after a crash of the machine (tests). Default true. */
  readonly fsync?: boolean;
}

/** What is needed to run a cluster: found or made by `initialiseCluster`. */
export interface PreparedCluster {
  readonly binDirectory: string;
  readonly identity: OsIdentity;
}

export interface EmbeddedPostgresOptions extends ClusterOptions {
  readonly port: number;
}

/**
 * Makes the cluster on first use; idempotent, and an interrupted first use is begun again. Throws `STATE_DIRECTORY_UNUSABLE`,
 * `PROGRAM_MISSING`.
 */
export async function initialiseCluster(options: ClusterOptions): Promise<PreparedCluster> {
  const { dataDirectory } = options;
  const parent = dirname(dataDirectory);
  await mkdir(parent, { recursive: true, mode: 0o711 });
  const identity = await postgresIdentity();
  const closed = await firstClosedDirectory(parent, identity);
  if (closed !== null) {
    throw new ModosuError('STATE_DIRECTORY_UNUSABLE', `The OS user of PostgreSQL cannot reach ${dataDirectory}: ${closed} is closed to others.`, {
      context: { directory: closed },
    });
  }
  const prepared = { binDirectory: await postgresBinDirectory(identity, options.cacheDirectory ?? '/var/cache/modosu'), identity };
  const version = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
  if (version === null) await makeCluster(options, prepared);
  else if (version !== MAJOR_VERSION) {
    throw new ModosuError(
      'STATE_DIRECTORY_UNUSABLE',
      `${dataDirectory} holds data of PostgreSQL ${version}; this program brings PostgreSQL ${MAJOR_VERSION}.`,
      {
        hint: 'Move the data over with pg_dump and pg_restore of the old version, or point MODOSU_DATABASE_URL to a server of that version.',
      },
    );
  }
  return prepared;
}

/** initdb beside the place, then one rename: a directory with a PG_VERSION is always whole. */
async function makeCluster({ dataDirectory, superuserPassword, fsync }: ClusterOptions, { binDirectory, identity }: PreparedCluster): Promise<void> {
  const unfinished = `${dataDirectory}.initialising`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await chmod(unfinished, 0o700);
  const passwordFile = join(unfinished, 'password');
  const cluster = join(unfinished, 'data');
  try {
    await writeFile(passwordFile, `${superuserPassword}\n`, { mode: 0o600 });
    for (const path of [unfinished, passwordFile]) await chown(path, identity.uid, identity.gid);
    const outcome = await runCommand(
      [
        ...asIdentity(identity, 'KILL'),
        join(binDirectory, 'initdb'),
        `--pgdata=${cluster}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The builtin provider: an upgrade of the machine's C library cannot change the order of indexed texts.
        '--locale-provider=builtin',
        '--locale=C.UTF-8',
        '--no-instructions',
        ...(fsync === false ? ['--no-sync'] : []),
      ] as [string, ...string[]],
      { timeoutMs: 120_000, cwd: '/' },
    );
    if (outcome.exitCode !== 0) {
      throw new ModosuError(
        'STATE_DIRECTORY_UNUSABLE',
        `PostgreSQL could not make its data directory ${dataDirectory}: ${(outcome.stderr || outcome.stdout).trim().slice(-2000)}`,
      );
    }
    await rename(cluster, dataDirectory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/**
 * The command that runs the server in the foreground. A fast shutdown (SIGINT) ends it; it gets one, too, when the process that started it dies. No password
 * in it.
 */
export function embeddedPostgresArgv(
  prepared: PreparedCluster,
  { dataDirectory, port, fsync }: Pick<EmbeddedPostgresOptions, 'dataDirectory' | 'port' | 'fsync'>,
): readonly [string, ...string[]] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    // TCP on the loopback alone: one way in, guarded by a password.
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    log_destination: 'stderr',
    logging_collector: 'off',
    ...(fsync === false ? { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' } : {}),
  };
  const parameters = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return [...asIdentity(prepared.identity, 'INT'), join(prepared.binDirectory, 'postgres'), '-D', dataDirectory, ...parameters];
}

/** Connection URL on 127.0.0.1. */
export const postgresUrl = (user: string, password: string, port: number, database: string): string =>
  `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;

/**
 * Resolves when the server accepts this login. Throws `CATALOG_UNAVAILABLE` with the server's last words at the deadline, or as soon as
 * `hasEnded` says that nothing will answer any more.
 */
export async function waitForPostgres(url: string, options: { readonly timeoutMs?: number; readonly hasEnded?: () => boolean } = {}): Promise<void> {
  const giveUpAt = performance.now() + (options.timeoutMs ?? READY_TIMEOUT_MS);
  for (;;) {
    const error = await tryConnect(url);
    if (error === null) return;
    if (options.hasEnded?.() === true || performance.now() > giveUpAt) {
      throw new ModosuError('CATALOG_UNAVAILABLE', `PostgreSQL does not accept connections: ${error.message}`, { cause: error });
    }
    await delay(POLL_MS);
  }
}

async function tryConnect(url: string): Promise<Error | null> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    await client.end().catch(() => undefined);
  }
}
