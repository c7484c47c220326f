import { posix } from 'node:path';
import type { DatabaseFacts, PostgresqlContent, PostgresqlFacts, TableFacts } from '../../contracts/data';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';
import { asFacts, FACTS_FILE, GLOBALS_FILE, MAX_FACTS_BYTES } from '../../domain/postgresql/facts';
import { integer, jsonLines, name, record, type Guard } from '../../domain/postgresql/guards';
import { rowsKey } from '../../domain/postgresql/names';
import { literals } from '../../domain/postgresql/sql';
import { named, some, words } from '../../domain/postgresql/words';
import { SqlFailure, type DatabaseServer } from './database-server';
import { databaseQuery, DUMP_SIZE_QUERY, foreignKeysQuery, rowsQuery, tablesQuery } from './facts-query';
import { insideSpool } from './guest-programs';
import type { Waiting } from './postgresql';
import { LOCK_WAIT_MS, withSnapshot, type Holding } from './snapshot';
import { discardDirectory, makeDirectory } from './spool';

/** Room that has to be free beyond what a dump is expected to take, before it begins. */
const RESERVE_BYTES = 16 * 1024 * 1024;
/** What a dump leaves to others who live on the same file system: the larger of both, and never more than half of what was free. */
const FLOOR_BYTES = 512 * 1024 * 1024;
const FLOOR_SHARE = 0.02;
const ATTEMPTS = 3;
/** A table that is gone, a lock that was not to be had, a deadlock. */
const PASSING: ReadonlySet<string> = new Set(['42P01', '55P03', '40P01']);

/** A value that is looked at later: `asFacts` judges all of it. */
const anything: Guard<unknown> = (value) => value;
const anyRecord: Guard<Record<string, unknown>> = (value, at) =>
  record<Record<string, unknown>>(Object.fromEntries(Object.keys(Object(value)).map((key) => [key, anything])))(value, at);
const rowsLine: Guard<readonly [string, string, number]> = (value, at) => {
  const parts = Array.isArray(value) ? value : [];
  return [name(parts[0], `${at}[0]`), name(parts[1], `${at}[1]`), integer(0)(parts[2], `${at}[2]`)];
};
export const parseRows = (output: string): ReadonlyMap<string, number> =>
  new Map(jsonLines(output, rowsLine).map(([schema, table, rows]) => [rowsKey({ schema, name: table }), rows]));

/** See `Postgresql.dump`. */
export async function dumpDatabases(
  server: DatabaseServer,
  directory: string,
  waiting: Waiting,
): Promise<{ readonly content: PostgresqlContent; readonly facts: PostgresqlFacts }> {
  insideSpool(server.dataSet.spoolDirectory, directory, 'direct');
  waiting.signal.throwIfAborted();
  await server.endLeftovers([directory]);
  await discardDirectory(server, directory);
  try {
    await makeDirectory(server, directory);
    return await dumpInto(server, directory, waiting);
  } catch (error) {
    await server.endLeftovers([directory]).catch(() => undefined);
    await discardDirectory(server, directory).catch(() => undefined);
    if (error instanceof SqlFailure) {
      throw new ModosuError('DUMP_FAILED', `The database server says: ${error.words}`, { context: { sqlState: error.sqlState } });
    }
    throw error;
  }
}

async function dumpInto(
  server: DatabaseServer,
  directory: string,
  waiting: Waiting,
): Promise<{ readonly content: PostgresqlContent; readonly facts: PostgresqlFacts }> {
  const takenAt = new Date().toISOString();
  const { databases } = server.dataSet;
  const engine = await server.engine();
  const expected = await expectedSizes(server);
  const totalBytes = expected.reduce((sum, bytes) => sum + bytes, 0);
  const { freeBytes, sizeBytes: deviceBytes } = await server.programs.room(directory);
  if (freeBytes < totalBytes + RESERVE_BYTES) throw await server.full(`the dumps of ${some(databases.map(named))} would not fit`, totalBytes + RESERVE_BYTES);
  // What was expected may take what it was let in for; what grows beyond that is stopped. Less than the reserve is left then, so that an estimate may be a
  // little wrong.
  const floorBytes = Math.max(RESERVE_BYTES / 2, Math.min(Math.max(FLOOR_BYTES, deviceBytes * FLOOR_SHARE), freeBytes / 2, freeBytes - totalBytes));

  let doneBytes = 0;
  let saidBytes = 0;
  const say = (bytes: number): void => waiting.onProgress?.({ doneBytes: (saidBytes = Math.max(saidBytes, bytes)), totalBytes });
  const found: DatabaseFacts[] = [];
  for (const [index, database] of databases.entries()) {
    const file = `${index}.dump`;
    const path = posix.join(directory, file);
    const measured = async (): Promise<void> => say(doneBytes + ((await server.programs.sizeOf(path)) ?? 0));
    const holding = {
      database,
      directory: posix.join(directory, `${index}.told`),
      questions: questionsFor(engine.major),
      maxAnswerBytes: MAX_FACTS_BYTES,
      signal: waiting.signal,
    };
    const told = await inSnapshot(server, holding, async (snapshot) => {
      await dumpOne(server, {
        database,
        path,
        directory,
        snapshot: snapshot.id,
        floorBytes,
        signal: AbortSignal.any([waiting.signal, snapshot.lost]),
        onBeat: measured,
      });
      return factsIn(await snapshot.answers(measured));
    });
    await proveReadable(server, path, database, waiting.signal, measured);
    const sizeBytes = (await server.programs.sizeOf(path)) ?? 0;
    doneBytes += sizeBytes;
    say(doneBytes);
    found.push({ ...told, file, sizeBytes } as DatabaseFacts);
  }
  await dumpGlobals(server, posix.join(directory, GLOBALS_FILE), waiting.signal);
  const roles = await server.query(await server.maintenanceDatabase(), 'SELECT to_jsonb(rolname) FROM pg_roles ORDER BY rolname;', name);
  const facts = asFacts({
    format: 'modosu-postgresql-facts',
    version: 1,
    engineVersion: engine.version,
    engineMajor: engine.major,
    takenAt,
    databases: found,
    roles,
  });
  const written = JSON.stringify(facts);
  if (Buffer.byteLength(written) > MAX_FACTS_BYTES) throw new ModosuError('DUMP_FAILED', 'The databases have more tables than can be described in 16 MiB.');
  await server.programs.write(posix.join(directory, FACTS_FILE), written);
  await server.programs.output(
    ['sync', '--', ...databases.map((_, index) => posix.join(directory, `${index}.dump`)), posix.join(directory, GLOBALS_FILE), directory],
    { timeoutMs: 600_000 },
  );
  return { facts, content: contentOf(facts, directory) };
}

/** Bytes that a dump of each database takes, roughly. Throws `DATABASE_NOT_FOUND`. */
async function expectedSizes(server: DatabaseServer): Promise<readonly number[]> {
  const { databases } = server.dataSet;
  const present = await server.query(
    await server.maintenanceDatabase(),
    `SELECT to_jsonb(datname) FROM pg_database WHERE datallowconn AND datname IN (${literals(databases)});`,
    name,
  );
  const missing = databases.filter((database) => !present.includes(database));
  if (missing.length > 0) {
    throw new ModosuError(
      'DATABASE_NOT_FOUND',
      `The database server has no database ${some(missing.map((entry) => `"${named(entry)}"`))} that accepts connections.`,
    );
  }
  const sizes: number[] = [];
  for (const database of databases) sizes.push(await server.queryOne(database, DUMP_SIZE_QUERY, integer(0), { code: 'DUMP_FAILED' }));
  return sizes;
}

/**
 * A table that is dropped just while it is to be locked, or that somebody has got in line for between our two locks of it, is no reason to give up: the next
 * snapshot is without the one, and comes after the other.
 */
async function inSnapshot<Name extends string, T>(
  server: DatabaseServer,
  holding: Holding<Name>,
  work: Parameters<typeof withSnapshot<Name, T>>[2],
): Promise<T> {
  const { programs } = server;
  for (let attempt = 1; ; attempt += 1) {
    await programs.output(['rm', '-rf', '--one-file-system', '--', holding.directory]);
    await programs.output(['mkdir', '-m', '0700', '--', holding.directory]);
    try {
      const done = await withSnapshot(server, holding, work);
      await programs.output(['rm', '-rf', '--one-file-system', '--', holding.directory]);
      return done;
    } catch (error) {
      const passing = isModosuError(error) && error.code === 'DUMP_FAILED' && PASSING.has(String(error.context['sqlState']));
      if (!passing || attempt >= ATTEMPTS) throw error;
    }
  }
}

interface OneDump {
  readonly database: string;
  readonly path: string;
  readonly directory: string;
  readonly snapshot: string;
  readonly floorBytes: number;
  readonly signal: AbortSignal;
  readonly onBeat: () => Promise<void> | void;
}

async function dumpOne(server: DatabaseServer, { database, path, directory, snapshot, floorBytes, signal, onBeat }: OneDump): Promise<void> {
  const argv = server.argv('pg_dump', database, '-Fc', '-Z0', `--snapshot=${snapshot}`, `--lock-wait-timeout=${LOCK_WAIT_MS}`, '-f', path);
  const full = new AbortController();
  let lastFree: number | null = null;
  const watch = async (): Promise<void> => {
    await onBeat();
    const free = await server.programs.freeBytes(directory).catch(() => null);
    if (free === null) return;
    // What goes until the next look would have gone by then.
    const next = free - Math.max(0, (lastFree ?? free) - free);
    lastFree = free;
    if (free < floorBytes || next < floorBytes / 2) {
      full.abort(await server.full(`the dump of ${named(database)} was ended before it took the last ${formatBytes(floorBytes)} from others`));
    }
  };
  const result = await server.programs.runLong(argv, { env: server.envOfDump(), signal: AbortSignal.any([signal, full.signal]), onBeat: watch });
  if (result.exitCode === 0) return;
  signal.throwIfAborted();
  if (result.exitCode < 128) await server.refuseKnown('pg_dump', result);
  // It bounds its waits for locks by the time of the statement.
  const sqlState = /canceling statement due to (lock|statement) timeout/.test(result.stderr)
    ? '55P03'
    : /deadlock detected/.test(result.stderr)
      ? '40P01'
      : null;
  throw new ModosuError(
    'DUMP_FAILED',
    `The dump of ${named(database)} ended early: pg_dump ended with exit code ${result.exitCode}${result.stderr.trim() === '' ? ' and said nothing' : `: ${words(result.stderr)}`}`,
    {
      context: { database: named(database), exitCode: result.exitCode, sqlState },
    },
  );
}

async function dumpGlobals(server: DatabaseServer, path: string, signal: AbortSignal): Promise<void> {
  const result = await server.programs.runLong(server.argv('pg_dumpall', await server.maintenanceDatabase(), '--globals-only', '-f', path), {
    env: server.env(),
    signal,
  });
  if (result.exitCode === 0) return;
  await server.refuseKnown('pg_dumpall', result);
  throw new ModosuError('DUMP_FAILED', `pg_dumpall ended with exit code ${result.exitCode}: ${words(result.stderr)}`);
}

/** Reads a dump to its end. Throws `DUMP_INCOMPLETE`. */
export async function proveReadable(
  server: DatabaseServer,
  path: string,
  database: string,
  signal: AbortSignal,
  onBeat: () => Promise<void> | void,
): Promise<void> {
  const result = await server.programs.runLong(['pg_restore', '-f', '/dev/null', path], { signal, onBeat });
  if (result.exitCode === 0) return;
  signal.throwIfAborted();
  throw new ModosuError(
    'DUMP_INCOMPLETE',
    `The dump of ${named(database)} cannot be read to its end: pg_restore ended with exit code ${result.exitCode}: ${words(result.stderr)}`,
    { context: { database: named(database) } },
  );
}

/** What a database is, in a snapshot of it. Rows are counted exactly. */
const questionsFor = (major: number) => ({ database: databaseQuery(major), tables: tablesQuery(major), keys: foreignKeysQuery(major), rows: rowsQuery() });

function factsIn(answers: Readonly<Record<keyof ReturnType<typeof questionsFor>, string>>): Record<string, unknown> {
  const rows = parseRows(answers.rows);
  const tables = jsonLines(answers.tables, anyRecord).map((table) => ({ ...table, rows: rows.get(rowsKey(table as unknown as TableFacts)) }));
  const [own] = jsonLines(answers.database, anyRecord);
  return { ...own, tables, foreignKeys: jsonLines(answers.keys, anyRecord) };
}

export function contentOf(facts: PostgresqlFacts, directory: string): PostgresqlContent {
  return {
    kind: 'postgresql',
    engineVersion: facts.engineVersion,
    engineMajor: facts.engineMajor,
    directory,
    factsFile: FACTS_FILE,
    globalsFile: GLOBALS_FILE,
    databases: facts.databases.map((entry) => ({
      name: entry.name,
      file: entry.file,
      sizeBytes: entry.sizeBytes,
      tables: entry.tables.length,
      rows: entry.tables.reduce((sum, table) => sum + (table.kind === 'table' ? table.rows : 0), 0),
    })),
  };
}

/** Rows of every table now. */
export async function countRows(
  server: DatabaseServer,
  database: string,
  options: { readonly signal?: AbortSignal; readonly onBeat?: () => void; readonly condition?: string } = {},
): Promise<ReadonlyMap<string, number>> {
  return parseRows(await server.attemptLong(database, rowsQuery(options.condition), options));
}
