import type { PostgresqlUndoSurvey } from '../../contracts/data';
import { describeObjectsUndo, describeWholeUndo, type CountedTable } from '../../domain/postgresql/changes';
import { keptObjectsGone, wholeUndoFindings } from '../../domain/postgresql/findings';
import { integer, jsonLines, name, type Guard } from '../../domain/postgresql/guards';
import { JOURNAL_TABLE } from '../../domain/postgresql/journal';
import { isOwnName } from '../../domain/postgresql/names';
import { identifier, literal } from '../../domain/postgresql/sql';
import { lookAt } from './databases';
import { isCode, type DatabaseServer } from './database-server';
import { newRowsQuery } from './facts-query';
import { readJournal } from './journal';
import type { KeptPostgresql } from './postgresql';

const COUNT_ONE_MS = 15_000;
const COUNT_ALL_MS = 120_000;

const counted: Guard<CountedTable> = (value, at) => {
  const parts = Array.isArray(value) ? value : [];
  return { schema: name(parts[0], at), name: name(parts[1], at), rows: integer(0)(parts[2], at), newRows: integer(0)(parts[3], at) };
};

/**
 * See `Postgresql.surveyUndo`. Rows that were written since are told by the number of the transaction that wrote them: every later one is greater than that of
 * the restore. Deleted rows leave no trace.
 */
export async function surveyUndo(server: DatabaseServer, kept: KeptPostgresql): Promise<PostgresqlUndoSurvey> {
  return kept.whole ? ofWhole(server, kept) : ofObjects(server, kept);
}

async function ofWhole(server: DatabaseServer, { database, keptDatabase }: KeptPostgresql): Promise<PostgresqlUndoSurvey> {
  const found = await lookAt(server, [database, ...(keptDatabase === null ? [] : [keptDatabase])], database);
  const live = found.get(database);
  // The exchange has written the kept database's row, and nobody has since.
  const moment = `SELECT age(d.xmin) FROM pg_database d WHERE d.datname = ${literal(keptDatabase ?? database)}`;
  const tables = live?.allowsConnections === true ? await count(server, database, 'true', moment) : null;
  return { ...describeWholeUndo(database, live?.bytes ?? null, tables), findings: wholeUndoFindings({ database, keptDatabase }, found) };
}

async function ofObjects(server: DatabaseServer, { database, keptSchema }: KeptPostgresql): Promise<PostgresqlUndoSurvey> {
  const open = (await lookAt(server, [database], database)).get(database)?.allowsConnections === true;
  const journal = open && keptSchema !== null ? await readJournal(server, database, keptSchema) : null;
  if (journal === null || keptSchema === null) return { changes: [], findings: [keptObjectsGone(database)], losses: [] };
  const moment = `SELECT min(age(j.xmin)) FROM ${identifier(keptSchema)}.${identifier(JOURNAL_TABLE)} j`;
  const tables = journal.flatMap((entry) => (entry.op === 'rows' ? [entry.table] : entry.op === 'table' && !isOwnName(entry.now.schema) ? [entry.now] : []));
  const schemas = journal.flatMap((entry) => (entry.op === 'schema' && !isOwnName(entry.now) ? [entry.now] : []));
  const conditions = [
    ...tables.map((table) => `n.nspname = ${literal(table.schema)} AND c.relname = ${literal(table.name)}`),
    ...schemas.map((schema) => `n.nspname = ${literal(schema)}`),
  ];
  const found = conditions.length === 0 ? [] : await count(server, database, conditions.join(' OR '), moment);
  return { ...describeObjectsUndo(found), findings: [] };
}

/** Null: it took too long. */
async function count(server: DatabaseServer, database: string, condition: string, moment: string): Promise<readonly CountedTable[] | null> {
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
