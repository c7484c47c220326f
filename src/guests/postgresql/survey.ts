import { posix } from 'node:path';
import type { DatabaseFacts, DataChange, GuestSpace, PostgresqlFacts, PostgresqlSelection, PostgresqlSurvey } from '../../contracts/data';
import { formatBytes } from '../../contracts/format';
import type { Finding } from '../../contracts/plan';
import { columnDifferences, databaseOf } from '../../domain/postgresql/facts';
import { integer, record } from '../../domain/postgresql/guards';
import { decide, fits, rolesOf, selected, type ObjectItems } from '../../domain/postgresql/selection';
import { literal, literals } from '../../domain/postgresql/sql';
import { withPartitions } from '../../domain/postgresql/toc';
import { named, some, tableNamed } from '../../domain/postgresql/words';
import { lookAt, type PresentDatabase } from './databases';
import { isCode, type DatabaseServer } from './database-server';
import { parseRows, rowsKey } from './dump';
import { rowsQuery } from './facts-query';
import { lookAtObjects } from './objects-look';
import { requirementsOf, type Requirements } from './requirements';

/** Counting the rows of one table may take this long, of all together the other. */
const COUNT_ONE_MS = 10_000;
const COUNT_ALL_MS = 90_000;
const RESERVE_BYTES = 32 * 1024 * 1024;
const MAX_CHANGES = 200;
const MAX_EXAMPLES = 20;
const MAX_LOSSES = 20;

/** See `Postgresql.survey`. */
export async function surveyDatabase(server: DatabaseServer, all: PostgresqlFacts, selection: PostgresqlSelection): Promise<PostgresqlSurvey> {
  const facts = databaseOf(all, selection.database);
  if (!selection.whole) selected(facts, selection);
  const found = await requirementsOf(server, all, facts);
  const present = (await lookAt(server, [facts.name], facts.name)).get(facts.name) ?? null;
  const readable = present?.allowsConnections === true;
  const items = selection.whole ? null : readable ? await lookAtObjects(server, facts, selection, found.engine.major) : decide(facts, selection, { relations: [], schemas: [] });
  const rows = readable ? await presentRows(server, facts.name, items === null ? 'true' : inSchemas(items)) : new Map<string, number>();
  const space = await spaceFor(server, facts, items);
  const told = items === null ? describeWhole(all, facts, present, rows) : describeObjects(facts, items, rows);
  return {
    engineVersion: found.engine.version,
    engineMajor: found.engine.major,
    databaseExists: present !== null,
    changes: told.changes,
    findings: [...requirementFindings(found, all, facts, items), ...presenceFindings(facts, present, items), ...(items === null ? await replicationFindings(server, present) : structureFindings(items)), ...spaceFindings(space)],
    losses: told.losses,
    space,
  };
}

const inSchemas = ({ tables, schemas }: ObjectItems): string => {
  const names = [...new Set([...tables.map(({ table }) => table.schema), ...schemas.map(({ schema }) => schema.name)])];
  return names.length === 0 ? 'false' : `n.nspname IN (${literals(names)})`;
};

/** Rows of tables now. One that takes too long to count is left out. */
export async function presentRows(server: DatabaseServer, database: string, condition: string): Promise<ReadonlyMap<string, number>> {
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

interface Told {
  readonly changes: readonly DataChange[];
  readonly losses: readonly string[];
}

function describeWhole(all: PostgresqlFacts, facts: DatabaseFacts, present: PresentDatabase | null, rows: ReadonlyMap<string, number>): Told {
  const bytes = facts.tables.reduce((sum, table) => sum + table.bytes, 0);
  const effect = present === null ? 'added' : 'replaced';
  const database: DataChange = { effect, what: `database ${named(facts.name)}`, count: facts.tables.length, bytes, examples: facts.tables.slice(0, MAX_EXAMPLES).map(tableNamed) };
  if (present === null) return { changes: [database], losses: [] };
  const then = new Map(facts.tables.map((table) => [rowsKey(table), table]));
  const changed = facts.tables.filter((table) => rows.get(rowsKey(table)) !== table.rows);
  const tables = changed.slice(0, MAX_CHANGES).map((table): DataChange => {
    const now = rows.get(rowsKey(table)) ?? null;
    return { effect: 'replaced', what: `table ${tableNamed(table)}`, count: 1, bytes: table.bytes, examples: [], rows: { now, then: table.rows } };
  });
  const grown = changed.flatMap((table) => {
    const more = (rows.get(rowsKey(table)) ?? 0) - table.rows;
    return more > 0 ? [`Table ${tableNamed(table)} has ${more} ${more === 1 ? 'row' : 'rows'} more now than in the recovery point: they are not in the restored database.`] : [];
  });
  const added = [...rows.keys()].filter((key) => !then.has(key)).map((key) => JSON.parse(key) as [string, string]).map(([schema, name]) => tableNamed({ schema, name }));
  return {
    changes: [database, ...tables],
    losses: [
      `Everything that was written to ${named(facts.name)} after ${all.takenAt} is not in the restored database; the present one is kept beside it until the restore is confirmed.`,
      ...capped(grown),
      ...(added.length === 0 ? [] : [`Tables that were made since are not in the restored database: ${some(added)}.`]),
    ],
  };
}

const capped = (sentences: readonly string[]): readonly string[] => (sentences.length <= MAX_LOSSES ? sentences : [...sentences.slice(0, MAX_LOSSES), `… and ${sentences.length - MAX_LOSSES} more tables.`]);

function describeObjects(facts: DatabaseFacts, items: ObjectItems, rows: ReadonlyMap<string, number>): Told {
  const effects = { place: 'added', beside: 'beside', replace: 'replaced' } as const;
  const tables = items.tables.map(({ table, live, action }): DataChange => ({
    effect: effects[action],
    what: `table ${tableNamed(table)}`,
    count: 1,
    bytes: withPartitions(facts.tables, [table]).reduce((sum, part) => sum + part.bytes, 0),
    examples: [],
    rows: { now: live === null ? null : (rows.get(rowsKey(table)) ?? null), then: table.rows },
  }));
  const schemas = items.schemas.map(({ schema, tables: own, action }): DataChange => ({
    effect: effects[action],
    what: `schema ${named(schema.name)}`,
    count: own.length,
    bytes: own.reduce((sum, table) => sum + table.bytes, 0),
    examples: own.slice(0, MAX_EXAMPLES).map(tableNamed),
  }));
  const touched = new Set([...withPartitions(facts.tables, items.tables.map(({ table }) => table)), ...items.schemas.flatMap((item) => item.tables)].map(rowsKey));
  const others = facts.tables.filter((table) => !touched.has(rowsKey(table)));
  const untouched: DataChange = { effect: 'untouched', what: `other tables of ${named(facts.name)}`, count: others.length, bytes: null, examples: others.slice(0, MAX_EXAMPLES).map(tableNamed) };
  const losses = items.tables.flatMap(({ table, action }) => {
    if (action !== 'replace') return [];
    const now = rows.get(rowsKey(table));
    const more = now === undefined ? null : now - table.rows;
    return [`The rows of ${tableNamed(table)} go back in time${more === null ? '' : `: ${now} now, ${table.rows} then`}; the present ones are kept until the restore is confirmed.`];
  });
  return { changes: [...schemas, ...tables, ...(others.length === 0 ? [] : [untouched])], losses: capped(losses) };
}

function requirementFindings(found: Requirements, all: PostgresqlFacts, facts: DatabaseFacts, items: ObjectItems | null): readonly Finding[] {
  const findings: Finding[] = [
    found.engineTooOld
      ? { code: 'DATABASE_ENGINE_TOO_OLD', severity: 'block', message: `The dump is of PostgreSQL ${all.engineVersion}, the server is ${found.engine.version}: a dump cannot be loaded into an older major version.`, remedy: 'Upgrade the database server, or choose an older recovery point.', evidence: [] }
      : { code: 'DATABASE_ENGINE', severity: 'ok', message: `The dump is of PostgreSQL ${all.engineVersion}, the server is ${found.engine.version}.`, evidence: [] },
  ];
  if (!found.engine.superuser) findings.push({ code: 'DATABASE_NOT_SUPERUSER', severity: 'block', message: 'The user of the data set is no superuser of the database server.', remedy: 'Correct "user" of the data set.', evidence: [] });
  const needed = items === null ? null : new Set(rolesOf(items));
  const roles = found.missingRoles.filter((role) => needed === null || needed.has(role));
  if (roles.length > 0) {
    findings.push(
      needed === null
        ? { code: 'ROLES_ARE_MADE', severity: 'warn', message: 'Roles that the database needs are missing: they are made as the recovery point says, with their passwords.', evidence: roles.slice(0, MAX_EXAMPLES).map(named) }
        : { code: 'DATABASE_ROLE_MISSING', severity: 'block', message: 'Roles that the selected objects belong or are granted to are missing.', remedy: 'Make them, then make a new plan.', evidence: roles.slice(0, MAX_EXAMPLES).map(named) },
    );
  }
  if (found.missingExtensions.length > 0) findings.push({ code: 'DATABASE_EXTENSION_MISSING', severity: 'block', message: `Extensions that ${named(facts.name)} uses are not to be had in the guest.`, remedy: 'Install their packages, then make a new plan.', evidence: found.missingExtensions.slice(0, MAX_EXAMPLES).map(named) });
  if (found.otherVersions.length > 0) {
    findings.push({ code: 'EXTENSION_VERSION_DIFFERS', severity: 'warn', message: 'Extensions are not to be had in the version of the recovery point: the present one is used.', evidence: found.otherVersions.slice(0, MAX_EXAMPLES).map((entry) => `${named(entry.name)} ${named(entry.version)} then, ${named(entry.available)} now`) });
  }
  if (found.missingTablespaces.length > 0) findings.push({ code: 'DATABASE_TABLESPACE_MISSING', severity: 'block', message: 'Tablespaces are missing.', remedy: 'Make them, then make a new plan.', evidence: found.missingTablespaces.slice(0, MAX_EXAMPLES).map(named) });
  return findings;
}

function presenceFindings(facts: DatabaseFacts, present: PresentDatabase | null, items: ObjectItems | null): readonly Finding[] {
  const whole = items === null;
  if (present === null) {
    return [
      whole
        ? { code: 'DATABASE_ABSENT', severity: 'ok', message: `The database ${named(facts.name)} is not there: it is put in place.`, evidence: [] }
        : { code: 'DATABASE_NOT_FOUND', severity: 'block', message: `The database ${named(facts.name)} is not there: there is nothing that tables or schemas could be put into.`, remedy: 'Restore the whole database.', evidence: [] },
    ];
  }
  const findings: Finding[] = [];
  if (!present.allowsConnections) findings.push({ code: 'DATABASE_CLOSED', severity: whole ? 'warn' : 'block', message: `The database ${named(facts.name)} accepts no connections now.`, remedy: `ALTER DATABASE … ALLOW_CONNECTIONS true`, evidence: [] });
  if (present.prepared.length > 0) {
    findings.push({ code: 'DATABASE_IN_USE', severity: whole ? 'block' : 'warn', message: 'Prepared transactions hold the database.', remedy: 'COMMIT PREPARED or ROLLBACK PREPARED them.', evidence: present.prepared.slice(0, MAX_EXAMPLES).map(named) });
  }
  if (whole && present.sessions > 0) findings.push({ code: 'DATABASE_SESSIONS', severity: 'warn', message: `${present.sessions} ${present.sessions === 1 ? 'session is' : 'sessions are'} ended when the databases are exchanged.`, evidence: [] });
  return findings;
}

async function replicationFindings(server: DatabaseServer, present: PresentDatabase | null): Promise<readonly Finding[]> {
  if (present === null || !present.allowsConnections) return [];
  const sql = `SELECT jsonb_build_object('slots', (SELECT count(*) FROM pg_replication_slots WHERE database = ${literal(present.name)}), 'subscriptions', (SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = ${literal(present.name)})));`;
  const { slots, subscriptions } = await server.queryOne(await server.maintenanceDatabase(), sql, record({ slots: integer(0), subscriptions: integer(0) }));
  if (slots + subscriptions === 0) return [];
  return [{ code: 'REPLICATION_STAYS_BEHIND', severity: 'warn', message: 'Logical replication stays with the replaced database: slots and subscriptions have to be made anew in the restored one.', evidence: [`${slots} logical slots`, `${subscriptions} subscriptions`] }];
}

function structureFindings(items: ObjectItems): readonly Finding[] {
  return items.tables.flatMap((item): readonly Finding[] => {
    if (item.live === null || fits(item)) return [];
    const evidence = ['r', 'p'].includes(item.live.kind) ? columnDifferences(item.live.columns, item.table.columns).slice(0, MAX_EXAMPLES).map(named) : ['it is no table now'];
    const message = `The columns of ${tableNamed(item.table)} are not what they were in the recovery point.`;
    return item.action === 'replace'
      ? [{ code: 'DATABASE_STRUCTURE_DIFFERS', severity: 'block', message, remedy: 'Restore it beside (without --replace), compare, and copy what is needed.', evidence }]
      : [{ code: 'COLUMNS_DIFFER', severity: 'ok', message, evidence }];
  });
}

/** What is loaded, and the dump that it is loaded from. Both on one file system need both. */
async function spaceFor(server: DatabaseServer, facts: DatabaseFacts, items: ObjectItems | null): Promise<readonly GuestSpace[]> {
  const wanted = items === null ? facts.tables : [...withPartitions(facts.tables, items.tables.map(({ table }) => table)), ...items.schemas.flatMap(({ tables }) => tables)];
  const bytes = wanted.reduce((sum, table) => sum + table.bytes, 0);
  const data = { directory: await server.dataDirectory(), neededBytes: (items === null ? bytes : bytes * 2) + RESERVE_BYTES };
  const spool = { directory: await nearestDirectory(server), neededBytes: facts.sizeBytes + (items === null ? 0 : bytes) + RESERVE_BYTES };
  const together = (await server.programs.deviceOf(data.directory)) === (await server.programs.deviceOf(spool.directory));
  if (together) return [{ directory: data.directory, freeBytes: await server.programs.freeBytes(data.directory), neededBytes: data.neededBytes + spool.neededBytes - RESERVE_BYTES }];
  return [
    { ...data, freeBytes: await server.programs.freeBytes(data.directory) },
    { ...spool, freeBytes: await server.programs.freeBytes(spool.directory) },
  ];
}

/** The spool directory, or the nearest one above it that exists. */
async function nearestDirectory(server: DatabaseServer): Promise<string> {
  for (let path = posix.normalize(server.dataSet.spoolDirectory); path !== '/'; path = posix.dirname(path)) if ((await server.programs.sizeOf(path)) !== null) return path;
  return '/';
}

const spaceFindings = (space: readonly GuestSpace[]): readonly Finding[] =>
  space.flatMap(({ directory, freeBytes, neededBytes }): readonly Finding[] =>
    freeBytes >= neededBytes
      ? []
      : [{ code: 'GUEST_DISK_FULL', severity: 'block', message: `There is not enough room under ${named(directory)} in the guest.`, remedy: 'Free the amount named, or set another spoolDirectory.', evidence: [`${formatBytes(neededBytes)} needed`, `${formatBytes(freeBytes)} free`] }],
  );

