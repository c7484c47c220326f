import { posix } from 'node:path';
import type { DatabaseFacts, PostgresqlContent, PostgresqlFacts, TableFacts } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { asFacts, FACTS_FILE, GLOBALS_FILE, MAX_FACTS_BYTES } from '../../domain/postgresql-facts';
import { integer, jsonLines, name, record, type Guard } from '../../domain/postgresql-guards';
import { literal, literals } from '../../domain/postgresql-sql';
import { named, some, words } from '../../domain/postgresql-words';
import { SqlFailure, type DatabaseServer } from './database-server';
import { databaseQuery, DUMP_SIZE_QUERY, foreignKeysQuery, rowsQuery, tablesQuery } from './facts-query';
import { insideSpool } from './guest-programs';
import type { Waiting } from './postgresql';
import { withSnapshot } from './snapshot';
import { discardDirectory, makeDirectory } from './spool';

/** Longer waits for a table's lock would hold up the server's own work behind us. */
const LOCK_WAIT_MS = 60_000;
/** Room that stays free. */
const RESERVE_BYTES = 16 * 1024 * 1024;

/** A value that is looked at later: `asFacts` judges all of it. */
const anything: Guard<unknown> = (value) => value;
const anyRecord: Guard<Record<string, unknown>> = (value, at) => record<Record<string, unknown>>(Object.fromEntries(Object.keys(Object(value)).map((key) => [key, anything])))(value, at);
const rowsLine: Guard<readonly [string, string, number]> = (value, at) => {
  const parts = Array.isArray(value) ? value : [];
  return [name(parts[0], `${at}[0]`), name(parts[1], `${at}[1]`), integer(0)(parts[2], `${at}[2]`)];
};
export const parseRows = (output: string): ReadonlyMap<string, number> => new Map(jsonLines(output, rowsLine).map(([schema, table, rows]) => [JSON.stringify([schema, table]), rows]));
export const rowsKey = (table: { readonly schema: string; readonly name: string }): string => JSON.stringify([table.schema, table.name]);

/** See `Postgresql.dump`. */
export async function dumpDatabases(server: DatabaseServer, directory: string, waiting: Waiting): Promise<{ readonly content: PostgresqlContent; readonly facts: PostgresqlFacts }> {
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
    if (error instanceof SqlFailure) throw new ModosuError('DUMP_FAILED', `The database server says: ${error.words}`, { context: { sqlState: error.sqlState } });
    throw error;
  }
}

async function dumpInto(server: DatabaseServer, directory: string, waiting: Waiting): Promise<{ readonly content: PostgresqlContent; readonly facts: PostgresqlFacts }> {
  const takenAt = new Date().toISOString();
  const { databases } = server.dataSet;
  const engine = await server.engine();
  const expected = await expectedSizes(server);
  const totalBytes = expected.reduce((sum, bytes) => sum + bytes, 0);
  const freeBytes = await server.programs.freeBytes(directory);
  if (freeBytes < totalBytes + RESERVE_BYTES) throw await server.full(`the dumps of ${some(databases.map(named))} would not fit`, totalBytes + RESERVE_BYTES);

  let doneBytes = 0;
  let saidBytes = 0;
  const say = (bytes: number): void => waiting.onProgress?.({ doneBytes: (saidBytes = Math.max(saidBytes, bytes)), totalBytes });
  const found: DatabaseFacts[] = [];
  for (const [index, database] of databases.entries()) {
    const file = `${index}.dump`;
    const path = posix.join(directory, file);
    const measured = async (): Promise<void> => say(doneBytes + ((await server.programs.sizeOf(path)) ?? 0));
    const told = await withSnapshot(server, database, posix.join(directory, `${index}.snapshot`), waiting.signal, async (snapshot) => {
      await dumpOne(server, { database, path, snapshot, signal: waiting.signal, onBeat: measured });
      return readFacts(server, engine.major, { database, snapshot, signal: waiting.signal, onBeat: () => say(doneBytes) });
    });
    await proveReadable(server, path, database, waiting.signal, measured);
    const sizeBytes = (await server.programs.sizeOf(path)) ?? 0;
    doneBytes += sizeBytes;
    say(doneBytes);
    found.push({ ...told, file, sizeBytes } as DatabaseFacts);
  }
  await dumpGlobals(server, posix.join(directory, GLOBALS_FILE), waiting.signal);
  const roles = await server.query(await server.maintenanceDatabase(), "SELECT to_jsonb(rolname) FROM pg_roles ORDER BY rolname;", name);
  const facts = asFacts({ format: 'modosu-postgresql-facts', version: 1, engineVersion: engine.version, engineMajor: engine.major, takenAt, databases: found, roles });
  const written = JSON.stringify(facts);
  if (Buffer.byteLength(written) > MAX_FACTS_BYTES) throw new ModosuError('DUMP_FAILED', 'The databases have more tables than can be described in 16 MiB.');
  await server.programs.write(posix.join(directory, FACTS_FILE), written);
  await server.programs.output(['rm', '-f', '--', ...databases.map((_, index) => posix.join(directory, `${index}.snapshot`))]);
  await server.programs.output(['sync', '--', ...databases.map((_, index) => posix.join(directory, `${index}.dump`)), posix.join(directory, GLOBALS_FILE), directory], { timeoutMs: 600_000 });
  return { facts, content: contentOf(facts, directory) };
}

/** Bytes that a dump of each database takes, roughly. Throws `DATABASE_NOT_FOUND`. */
async function expectedSizes(server: DatabaseServer): Promise<readonly number[]> {
  const { databases } = server.dataSet;
  const present = await server.query(await server.maintenanceDatabase(), `SELECT to_jsonb(datname) FROM pg_database WHERE datallowconn AND datname IN (${literals(databases)});`, name);
  const missing = databases.filter((database) => !present.includes(database));
  if (missing.length > 0) throw new ModosuError('DATABASE_NOT_FOUND', `The database server has no database ${some(missing.map((entry) => `"${named(entry)}"`))} that accepts connections.`);
  const sizes: number[] = [];
  for (const database of databases) sizes.push(await server.queryOne(database, DUMP_SIZE_QUERY, integer(0), { code: 'DUMP_FAILED' }));
  return sizes;
}

interface InSnapshot {
  readonly database: string;
  readonly snapshot: string;
  readonly signal: AbortSignal;
  readonly onBeat: () => Promise<void> | void;
}

async function dumpOne(server: DatabaseServer, { database, path, snapshot, signal, onBeat }: InSnapshot & { readonly path: string }): Promise<void> {
  const argv = server.argv('pg_dump', database, '-Fc', '-Z0', `--snapshot=${snapshot}`, `--lock-wait-timeout=${LOCK_WAIT_MS}`, '-f', path);
  const result = await server.programs.runLong(argv, { env: server.env(), signal, onBeat });
  if (result.exitCode === 0) return;
  signal.throwIfAborted();
  if (result.exitCode < 128) await server.refuseKnown('pg_dump', result);
  throw new ModosuError('DUMP_FAILED', `The dump of ${named(database)} ended early: pg_dump ended with exit code ${result.exitCode}${result.stderr.trim() === '' ? ' and said nothing' : `: ${words(result.stderr)}`}`, {
    context: { database: named(database), exitCode: result.exitCode },
  });
}

async function dumpGlobals(server: DatabaseServer, path: string, signal: AbortSignal): Promise<void> {
  const result = await server.programs.runLong(server.argv('pg_dumpall', await server.maintenanceDatabase(), '--globals-only', '-f', path), { env: server.env(), signal });
  if (result.exitCode === 0) return;
  await server.refuseKnown('pg_dumpall', result);
  throw new ModosuError('DUMP_FAILED', `pg_dumpall ended with exit code ${result.exitCode}: ${words(result.stderr)}`);
}

/** Reads a dump to its end. Throws `DUMP_INCOMPLETE`. */
export async function proveReadable(server: DatabaseServer, path: string, database: string, signal: AbortSignal, onBeat: () => Promise<void> | void): Promise<void> {
  const result = await server.programs.runLong(['pg_restore', '-f', '/dev/null', path], { signal, onBeat });
  if (result.exitCode === 0) return;
  signal.throwIfAborted();
  throw new ModosuError('DUMP_INCOMPLETE', `The dump of ${named(database)} cannot be read to its end: pg_restore ended with exit code ${result.exitCode}: ${words(result.stderr)}`, { context: { database: named(database) } });
}

const SECTION = '--section--';

/** What a database is, in a snapshot of it. Rows are counted exactly. */
async function readFacts(server: DatabaseServer, major: number, { database, snapshot, signal, onBeat }: InSnapshot): Promise<Record<string, unknown>> {
  const queries = [databaseQuery(major), tablesQuery(major), foreignKeysQuery(major), `${rowsQuery()}\n`];
  const sql = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\nSET TRANSACTION SNAPSHOT ${literal(snapshot)};\n${queries.join(`\n\\echo ${SECTION}\n`)}\nCOMMIT;`;
  const output = await server.attemptLong(database, sql, { signal, onBeat });
  const [ofDatabase = '', ofTables = '', ofKeys = '', ofRows = ''] = output.split(`${SECTION}\n`);
  const rows = parseRows(ofRows);
  const tables = jsonLines(ofTables, anyRecord).map((table) => ({ ...table, rows: rows.get(rowsKey(table as unknown as TableFacts)) }));
  const [own] = jsonLines(ofDatabase, anyRecord);
  return { ...own, tables, foreignKeys: jsonLines(ofKeys, anyRecord) };
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
export async function countRows(server: DatabaseServer, database: string, options: { readonly signal?: AbortSignal; readonly onBeat?: () => void; readonly condition?: string } = {}): Promise<ReadonlyMap<string, number>> {
  return parseRows(await server.attemptLong(database, rowsQuery(options.condition), options));
}

