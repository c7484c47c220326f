import { integer, nullable } from '../../domain/postgresql/guards';
import { JOURNAL_TABLE, journalEntry, type JournalEntry } from '../../domain/postgresql/journal';
import { isOwnName } from '../../domain/postgresql/names';
import { identifier, literal } from '../../domain/postgresql/sql';
import { named, tableNamed, words } from '../../domain/postgresql/words';
import type { DatabaseServer } from './database-server';
import type { KeptObjects } from './objects';

/** What is told travels through histories and answers; the journal itself is whole. */
const MAX_NAMES = 500;

/** What a transaction has noted in its schema; null: there is none, and so it has not happened. */
export async function readJournal(server: DatabaseServer, database: string, schema: string): Promise<readonly JournalEntry[] | null> {
  const table = `${identifier(schema)}.${identifier(JOURNAL_TABLE)}`;
  const sql = `SELECT to_regclass(${literal(table)}) IS NOT NULL AS there \\gset\n\\if :there\nSELECT entry FROM ${table} ORDER BY position;\n\\else\nSELECT 'null';\n\\endif`;
  const found = await server.query(database, sql, nullable(journalEntry));
  return found.some((entry) => entry === null) ? null : found.filter((entry) => entry !== null);
}

/** What is told about a transaction, from its journal. */
export async function keptByJournal(server: DatabaseServer, database: string, schema: string, journal: readonly JournalEntry[]): Promise<KeptObjects> {
  const keptBytes = await server.queryOne(
    database,
    `SELECT to_jsonb(coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${literal(schema)} AND c.relkind = 'r';`,
    integer(0),
  );
  // What stays under a name of ours is put beside, or kept: not what people think of as added.
  const added = journal.flatMap((entry) =>
    entry.op === 'table' && !isOwnName(entry.now.schema) ? [tableNamed(entry.now)] : entry.op === 'schema' && !isOwnName(entry.now) ? [named(entry.now)] : [],
  );
  const beside = journal.flatMap((entry) => (entry.op === 'schema' && isOwnName(entry.now) && entry.back === null ? [entry.now] : []));
  return {
    kind: 'postgresql',
    database,
    whole: false,
    keptDatabase: null,
    restoredSchema: beside[0] ?? null,
    keptSchema: schema,
    added: added.slice(0, MAX_NAMES),
    replaced: journal.flatMap((entry) => (entry.op === 'rows' ? [tableNamed(entry.table)] : [])).slice(0, MAX_NAMES),
    keptBytes,
    notes: journal.flatMap((entry) => (entry.op === 'note' ? [words(entry.text)] : [])).slice(0, MAX_NAMES),
  };
}
