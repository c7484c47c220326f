import { posix } from 'node:path';
import type { DatabaseFacts, GuestSpace, PostgresqlFacts, PostgresqlSelection, PostgresqlSurvey } from '../../contracts/data';
import { guestRoomFindings } from '../../domain/planning/guest-room';
import { describeObjects, describeWhole } from '../../domain/postgresql/changes';
import { databaseOf } from '../../domain/postgresql/facts';
import { presenceFindings, replicationFindings, requirementFindings, structureFindings } from '../../domain/postgresql/findings';
import { integer, record } from '../../domain/postgresql/guards';
import { roomForLoad } from '../../domain/postgresql/room';
import { decide, selected, type ObjectItems } from '../../domain/postgresql/selection';
import { literal, literals } from '../../domain/postgresql/sql';
import { lookAt } from './databases';
import { isCode, type DatabaseServer } from './database-server';
import { parseRows } from './dump';
import { rowsQuery } from './facts-query';
import { lookAtObjects } from './objects-look';
import { requirementsOf } from './requirements';

/** Counting the rows of one table may take this long, of all together the other. */
const COUNT_ONE_MS = 10_000;
const COUNT_ALL_MS = 90_000;

/** See `Postgresql.survey`. */
export async function surveyDatabase(server: DatabaseServer, all: PostgresqlFacts, selection: PostgresqlSelection): Promise<PostgresqlSurvey> {
  const facts = databaseOf(all, selection.database);
  if (!selection.whole) selected(facts, selection);
  const found = await requirementsOf(server, all, facts);
  const present = (await lookAt(server, [facts.name], facts.name)).get(facts.name) ?? null;
  const readable = present?.allowsConnections === true;
  const items = selection.whole
    ? null
    : readable
      ? await lookAtObjects(server, facts, selection, found.engine.major)
      : decide(facts, selection, { relations: [], schemas: [] });
  const rows = readable ? await presentRows(server, facts.name, items === null ? 'true' : inSchemas(items)) : new Map<string, number>();
  const space = await spaceFor(server, facts, items);
  const replication = items === null && readable ? await replicationOf(server, facts.name) : null;
  const { changes, losses } = items === null ? describeWhole(all, facts, present, rows) : describeObjects(facts, items, rows);
  return {
    engineVersion: found.engine.version,
    engineMajor: found.engine.major,
    databaseExists: present !== null,
    changes,
    findings: [
      ...requirementFindings(found, all, facts, items),
      ...presenceFindings(facts, present, items),
      ...(replication === null ? [] : replicationFindings(replication)),
      ...(items === null ? [] : structureFindings(items)),
      ...guestRoomFindings(space, 'set another spoolDirectory of the data set'),
    ],
    losses,
  };
}

const inSchemas = ({ tables, schemas }: ObjectItems): string => {
  const names = [...new Set([...tables.map(({ table }) => table.schema), ...schemas.map(({ schema }) => schema.name)])];
  return names.length === 0 ? 'false' : `n.nspname IN (${literals(names)})`;
};

/** Rows of tables now. One that takes too long to count is left out. */
async function presentRows(server: DatabaseServer, database: string, condition: string): Promise<ReadonlyMap<string, number>> {
  try {
    const { stdout } = await server.programs.run(server.psql(database, '-v', 'ON_ERROR_STOP=0'), {
      input: `SET search_path = '';\n${rowsQuery(condition)}\n`,
      env: server.env([`statement_timeout=${COUNT_ONE_MS}`]),
      timeoutMs: COUNT_ALL_MS,
      maxOutputBytes: 16 * 1024 * 1024,
    });
    return parseRows(stdout);
  } catch (error) {
    if (isCode(error, 'AGENT_SILENT')) return new Map();
    throw error;
  }
}

/** What of logical replication hangs on a database. */
async function replicationOf(server: DatabaseServer, database: string): Promise<{ readonly slots: number; readonly subscriptions: number }> {
  const sql = `SELECT jsonb_build_object('slots', (SELECT count(*) FROM pg_replication_slots WHERE database = ${literal(database)}), 'subscriptions', (SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = ${literal(database)})));`;
  return server.queryOne(await server.maintenanceDatabase(), sql, record({ slots: integer(0), subscriptions: integer(0) }));
}

async function spaceFor(server: DatabaseServer, facts: DatabaseFacts, items: ObjectItems | null): Promise<readonly GuestSpace[]> {
  const { programs } = server;
  const dataDirectory = await server.dataDirectory();
  const spoolDirectory = await nearestDirectory(server);
  const sameFileSystem = (await programs.deviceOf(dataDirectory)) === (await programs.deviceOf(spoolDirectory));
  const spaces: GuestSpace[] = [];
  for (const need of roomForLoad(facts, items, { dataDirectory, spoolDirectory, sameFileSystem })) {
    spaces.push({ ...need, freeBytes: await programs.freeBytes(need.directory) });
  }
  return spaces;
}

/** The spool directory, or the nearest one above it that exists. */
async function nearestDirectory(server: DatabaseServer): Promise<string> {
  for (let path = posix.normalize(server.dataSet.spoolDirectory); path !== '/'; path = posix.dirname(path)) {
    if ((await server.programs.sizeOf(path)) !== null) return path;
  }
  return '/';
}
