import type { DataChange, PostgresqlUndoSurvey } from '../../contracts/data';
import type { Finding } from '../../contracts/plan';
import { integer, jsonLines, name, type Guard } from '../../domain/postgresql/guards';
import { JOURNAL_TABLE } from '../../domain/postgresql/journal';
import { isOwnName } from '../../domain/postgresql/names';
import { identifier, literal } from '../../domain/postgresql/sql';
import { named, tableNamed } from '../../domain/postgresql/words';
import { lookAt } from './databases';
import { isCode, type DatabaseServer } from './database-server';
import { newRowsQuery } from './facts-query';
import { readJournal } from './journal';
import type { KeptPostgresql } from './postgresql';

const COUNT_ONE_MS = 15_000;
const COUNT_ALL_MS = 120_000;
const MAX_CHANGES = 200;
const MAX_LOSSES = 20;

interface Counted {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
  /** Written since: inserted or changed. */
  readonly newRows: number;
}

const counted: Guard<Counted> = (value, at) => {
  const parts = Array.isArray(value) ? value : [];
  return { schema: name(parts[0], at), name: name(parts[1], at), rows: integer(0)(parts[2], at), newRows: integer(0)(parts[3], at) };
};

/**
 * See `Postgresql.surveyUndo`. Rows that were written since are told by the number of the transaction that wrote them: every later one is greater than that of the restore. Deleted rows leave no trace.
 */
export async function surveyUndo(server: DatabaseServer, kept: KeptPostgresql): Promise<PostgresqlUndoSurvey> {
  return kept.whole ? ofWhole(server, kept) : ofObjects(server, kept);
}

async function ofWhole(server: DatabaseServer, { database, keptDatabase }: KeptPostgresql): Promise<PostgresqlUndoSurvey> {
  const found = await lookAt(server, [database, ...(keptDatabase === null ? [] : [keptDatabase])], database);
  const live = found.get(database);
  const findings: Finding[] = [];
  if (keptDatabase !== null && !found.has(keptDatabase)) findings.push(gone(`The database ${named(keptDatabase)}, which was kept,`));
  const held = [...found.values()].flatMap(({ prepared }) => prepared);
  if (held.length > 0) findings.push({ code: 'DATABASE_IN_USE', severity: 'block', message: 'Prepared transactions hold the database.', remedy: 'COMMIT PREPARED or ROLLBACK PREPARED them.', evidence: held.slice(0, MAX_LOSSES).map(named) });
  if ((live?.sessions ?? 0) > 0) findings.push({ code: 'DATABASE_SESSIONS', severity: 'warn', message: `${live?.sessions} sessions are ended when the databases are exchanged.`, evidence: [] });
  // The exchange has written the kept database's row, and nobody has since.
  const moment = `SELECT age(d.xmin) FROM pg_database d WHERE d.datname = ${literal(keptDatabase ?? database)}`;
  const tables = live?.allowsConnections === true ? await count(server, database, 'true', moment) : null;
  const change: DataChange = { effect: 'replaced', what: `database ${named(database)}`, count: 1, bytes: live?.bytes ?? null, examples: [] };
  return { changes: [change, ...changesOf(tables ?? [])], findings, losses: lossesOf(tables, `the undone database is kept until the undo is confirmed`) };
}

async function ofObjects(server: DatabaseServer, { database, keptSchema }: KeptPostgresql): Promise<PostgresqlUndoSurvey> {
  const open = (await lookAt(server, [database], database)).get(database)?.allowsConnections === true;
  const journal = open && keptSchema !== null ? await readJournal(server, database, keptSchema) : null;
  if (journal === null || keptSchema === null) return { changes: [], findings: [gone(`What was kept in ${named(database)}`)], losses: [] };
  const moment = `SELECT min(age(j.xmin)) FROM ${identifier(keptSchema)}.${identifier(JOURNAL_TABLE)} j`;
  const tables = journal.flatMap((entry) => (entry.op === 'rows' ? [entry.table] : entry.op === 'table' && !isOwnName(entry.now.schema) ? [entry.now] : []));
  const schemas = journal.flatMap((entry) => (entry.op === 'schema' && !isOwnName(entry.now) ? [entry.now] : []));
  const conditions = [...tables.map((table) => `n.nspname = ${literal(table.schema)} AND c.relname = ${literal(table.name)}`), ...schemas.map((schema) => `n.nspname = ${literal(schema)}`)];
  const found = conditions.length === 0 ? [] : await count(server, database, conditions.join(' OR '), moment);
  return { changes: changesOf(found ?? []), findings: [], losses: lossesOf(found, 'the undone rows are kept until the undo is confirmed') };
}

/** Null: it took too long. */
async function count(server: DatabaseServer, database: string, condition: string, moment: string): Promise<readonly Counted[] | null> {
  try {
    const { stdout } = await server.programs.run(server.psql(database, '-v', 'ON_ERROR_STOP=0'), {
      input: `SET search_path = '';\n${newRowsQuery(condition, moment)}\n`,
      env: server.env([`statement_timeout=${COUNT_ONE_MS}`]),
      timeoutMs: COUNT_ALL_MS,
      maxOutputBytes: 16 * 1024 * 1024,
    });
    return jsonLines(stdout, counted);
  } catch (error) {
    if (isCode(error, 'AGENT_SILENT')) return null;
    throw error;
  }
}

const changesOf = (tables: readonly Counted[]): readonly DataChange[] =>
  tables.slice(0, MAX_CHANGES).map((table) => ({ effect: 'replaced', what: `table ${tableNamed(table)}`, count: 1, bytes: null, examples: [], rows: { now: table.rows, then: null } }));

function lossesOf(tables: readonly Counted[] | null, kept: string): readonly string[] {
  if (tables === null) return [`How many rows were written since the restore could not be counted in time; ${kept}.`];
  const written = tables.filter(({ newRows }) => newRows > 0).sort((a, b) => b.newRows - a.newRows);
  const sentences = written.slice(0, MAX_LOSSES).map((table) => `${table.newRows} ${table.newRows === 1 ? 'row' : 'rows'} of ${tableNamed(table)} ${table.newRows === 1 ? 'was' : 'were'} written since the restore and would be lost; ${kept}.`);
  return written.length <= MAX_LOSSES ? sentences : [...sentences, `… and rows of ${written.length - MAX_LOSSES} more tables.`];
}

const gone = (what: string): Finding => ({ code: 'DATABASE_NOT_FOUND', severity: 'block', message: `${what} is not there any more: there is nothing to go back to.`, evidence: [] });
