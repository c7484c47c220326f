import { posix } from 'node:path';
import type { DatabaseFacts, PostgresqlFacts } from '../../contracts/data';
import { asDatabaseProperties, databaseOf } from '../../domain/postgresql/facts';
import { name } from '../../domain/postgresql/guards';
import { noteOf } from '../../domain/postgresql/present-database';
import { proveAllRows, proveProperties } from '../../domain/postgresql/proof';
import { refuseUnmet, type Requirements } from '../../domain/postgresql/requirements';
import { identifier, literal } from '../../domain/postgresql/sql';
import { named } from '../../domain/postgresql/words';
import { createDatabase, dropDatabase, exchange, lookAt, propertiesSql, reopen } from './databases';
import type { DatabaseServer } from './database-server';
import { countRows } from './dump';
import { databaseQuery } from './facts-query';
import { insideSpool } from './guest-programs';
import { loadDump } from './load';
import type { KeptPostgresql, Waiting, WholeOptions } from './postgresql';
import { requirementsOf } from './requirements';
import { ensureRoles, rolesAsSaved } from './roles';
import { discardDirectory, makeDirectory } from './spool';

const RESERVE_BYTES = 32 * 1024 * 1024;
/** ANALYZE of a large database. */
const ANALYZE = 'ANALYZE;';

export const bytesOf = (facts: DatabaseFacts): number => facts.tables.reduce((sum, { bytes }) => sum + bytes, 0);

/** See `Postgresql.restoreWholeBeside`. */
export async function restoreWholeBeside(
  server: DatabaseServer,
  directory: string,
  all: PostgresqlFacts,
  database: string,
  waiting: Waiting,
  { existingRoles = 'keep' }: WholeOptions = {},
): Promise<{ readonly notes: readonly string[] }> {
  const { restored, work, application } = server.names;
  insideSpool(server.dataSet.spoolDirectory, directory, 'anywhere');
  waiting.signal.throwIfAborted();
  const facts = databaseOf(all, database);
  const workDirectory = posix.join(server.dataSet.spoolDirectory, work);
  await server.endLeftovers([directory, workDirectory]);
  const present = (await lookAt(server, [restored])).get(restored);
  if (present?.notes.includes(noteOf('loaded', application)) === true) return { notes: [] };
  await dropDatabase(server, restored);

  const found = await requirementsOf(server, all, facts);
  refuseUnmet(found, all, database);
  const neededBytes = bytesOf(facts) + RESERVE_BYTES;
  if (facts.tablespace === 'pg_default' && (await server.programs.freeBytes(await server.dataDirectory())) < neededBytes) {
    throw await server.full(`${named(database)} would not fit beside the present one`, neededBytes);
  }
  await makeDirectory(server, workDirectory);
  try {
    const roles = { directory, file: posix.join(workDirectory, 'roles.sql'), found, signal: waiting.signal };
    const ofRoles = existingRoles === 'as-saved' ? await rolesAsSaved(server, roles) : await ensureRoles(server, roles);
    await load(server, { facts, found, path: posix.join(directory, facts.file), workDirectory, waiting });
    return { notes: [...ofRoles, ...(await notesOf(server, found))] };
  } catch (error) {
    await server.endLeftovers([directory, workDirectory]).catch(() => undefined);
    await dropDatabase(server, restored).catch(() => undefined);
    throw error;
  } finally {
    await discardDirectory(server, workDirectory).catch(() => undefined);
  }
}

/** What the restored database is not, although nothing has failed. */
async function notesOf(server: DatabaseServer, { engine, otherVersions }: Requirements): Promise<readonly string[]> {
  const { restored } = server.names;
  const versions = otherVersions.map(
    ({ name: extension, version, available }) =>
      `The extension ${named(extension)} is of version ${named(available)} now; version ${named(version)} is not to be had in the guest.`,
  );
  if (engine.major < 10) return versions;
  const sql = `SELECT to_jsonb(s.subname) FROM pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = ${literal(restored)}) ORDER BY s.subname;`;
  const subscriptions = await server.query(await server.maintenanceDatabase(), sql, name);
  return [
    ...versions,
    ...subscriptions.map(
      (subscription) =>
        `The subscription ${named(subscription)} is disabled in the restored database: ALTER SUBSCRIPTION … ENABLE and REFRESH PUBLICATION let it go on.`,
    ),
  ];
}

interface Whole {
  readonly facts: DatabaseFacts;
  readonly found: Requirements;
  readonly path: string;
  readonly workDirectory: string;
  readonly waiting: Waiting;
}

async function load(server: DatabaseServer, { facts, found, path, workDirectory, waiting }: Whole): Promise<void> {
  const { restored, application } = server.names;
  const { signal } = waiting;
  const totalBytes = bytesOf(facts);
  const say = (doneBytes: number): void => waiting.onProgress?.({ doneBytes, totalBytes });
  // Not read to its end first: it is loaded beside the live database, and a dump that breaks off ends that.
  say(0);
  await createDatabase(server, restored, facts, { owner: facts.owner, tablespace: facts.tablespace });
  let doneBytes = 0;
  const empty = (await lookAt(server, [restored])).get(restored)?.bytes ?? 0;
  const measure = async (): Promise<void> => {
    const bytes = (await lookAt(server, [restored]).catch(() => null))?.get(restored)?.bytes ?? 0;
    say((doneBytes = Math.max(doneBytes, bytes - empty)));
  };
  await loadDump(server, { path, encoding: facts.encoding, into: restored, workDirectory, entries: null, pinned: found.pinned, signal, onBeat: measure });
  await measure();
  const beat = (): void => say(doneBytes);
  proveAllRows(facts.tables, await countRows(server, restored, { signal, onBeat: beat }));
  await server.attemptLong(restored, ANALYZE, { signal, onBeat: beat });
  await server.executeScript(await server.maintenanceDatabase(), propertiesSql(restored, facts), posix.join(workDirectory, 'properties.sql'), {
    signal,
    onBeat: beat,
  });
  proveProperties(await server.queryOne(restored, databaseQuery(found.engine.major), asDatabaseProperties), facts, found.otherVersions);
  await server.execute(await server.maintenanceDatabase(), `ALTER DATABASE ${identifier(restored)} SET "modosu"."loaded" TO ${literal(application)};`);
}

/** See `Postgresql.swap`. */
export async function swap(server: DatabaseServer, database: string, signal: AbortSignal): Promise<KeptPostgresql> {
  const { restored, replaced, application } = server.names;
  await server.endLeftovers();
  signal.throwIfAborted();
  const hadLive = await exchange(server, { database, incoming: restored, outgoing: replaced, loadedBy: application });
  return keptDatabase(server, database, hadLive ? replaced : null);
}

/** See `Postgresql.undo`, for whole databases. */
export async function undoWhole(server: DatabaseServer, kept: KeptPostgresql, signal: AbortSignal): Promise<KeptPostgresql> {
  await server.endLeftovers();
  signal.throwIfAborted();
  const hadLive = await exchange(server, { database: kept.database, incoming: kept.keptDatabase, outgoing: server.names.undone });
  return keptDatabase(server, kept.database, hadLive ? server.names.undone : null);
}

async function keptDatabase(server: DatabaseServer, database: string, kept: string | null): Promise<KeptPostgresql> {
  const keptBytes = kept === null ? 0 : ((await lookAt(server, [kept])).get(kept)?.bytes ?? 0);
  return {
    kind: 'postgresql',
    database,
    whole: true,
    keptDatabase: kept,
    restoredSchema: null,
    keptSchema: null,
    added: kept === null ? [database] : [],
    replaced: kept === null ? [] : [database],
    keptBytes,
  };
}

/** See `Postgresql.abandon`, for whole databases. */
export async function abandonWhole(server: DatabaseServer, database: string): Promise<string | null> {
  const { restored, replaced, undone } = server.names;
  const found = await lookAt(server, [database, restored, replaced, undone]);
  const placedHere = found.get(database)?.notes.includes(noteOf('placed', replaced)) === true;
  if (found.has(replaced)) await exchange(server, { database, incoming: replaced, outgoing: undone });
  else if (placedHere && !found.has(undone)) await exchange(server, { database, incoming: null, outgoing: undone });
  await reopen(server, database);
  await dropDatabase(server, restored);
  return found.has(undone) || found.has(replaced) || placedHere ? undone : null;
}

/** See `Postgresql.confirm`, for whole databases. */
export async function confirmWhole(server: DatabaseServer, kept: KeptPostgresql): Promise<void> {
  if (kept.keptDatabase !== null) return dropDatabase(server, kept.keptDatabase);
  const live = (await lookAt(server, [kept.database], kept.database)).get(kept.database);
  if (live?.notes.some((note) => note.startsWith(noteOf('placed', ''))) !== true) return;
  await server.execute(await server.maintenanceDatabase(kept.database), `ALTER DATABASE ${identifier(kept.database)} RESET "modosu"."placed";`);
}
