import { posix } from 'node:path';
import type { TableName } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { list, matching, name, nullable, record } from '../../domain/postgresql/guards';
import { tableNameGuard, type JournalEntry } from '../../domain/postgresql/journal';
import { isOwnName, numbered, rowsKey, uniqueName } from '../../domain/postgresql/names';
import type { LiveRelation } from '../../domain/postgresql/selection';
import { identifier, literals } from '../../domain/postgresql/sql';
import { named, tableNamed } from '../../domain/postgresql/words';
import { ChangeScript, type ForeignKey } from './change-script';
import type { DatabaseServer } from './database-server';
import { foreignKeysQuery } from './facts-query';
import { foreignKeyFacts } from '../../domain/postgresql/facts';
import { keptByJournal, readJournal } from './journal';
import { carryOut, type KeptObjects } from './objects';
import { foreignKeysAt, liveRelation, relationsQuery } from './objects-look';
import type { KeptPostgresql, Waiting } from './postgresql';
import { discardDirectory, makeDirectory } from './spool';

const parents = record<{ table: TableName; parent: TableName; bound: string | null }>({
  table: tableNameGuard,
  parent: tableNameGuard,
  bound: nullable(matching(/^(FOR VALUES |DEFAULT$)/)),
});

/** See `Postgresql.undo`, for objects inside a database: the reverse of a journal, with a journal of its own. */
export async function undoObjects(server: DatabaseServer, kept: KeptPostgresql, { signal }: Waiting): Promise<KeptObjects> {
  const { database, keptSchema } = kept;
  const { undone, work } = server.names;
  const workDirectory = posix.join(server.dataSet.spoolDirectory, work);
  await server.endLeftovers([workDirectory]);
  const done = await readJournal(server, database, undone);
  if (done === null) {
    const journal = keptSchema === null ? null : await readJournal(server, database, keptSchema);
    if (journal === null || keptSchema === null) {
      throw new ModosuError('DATABASE_NOT_FOUND', `What was kept in ${named(database)} (schema ${named(keptSchema ?? '')}) is not there any more.`);
    }
    const script = new ChangeScript(undone);
    await reverse(server, database, keptSchema, journal, script);
    await makeDirectory(server, workDirectory);
    try {
      await carryOut(server, database, script, posix.join(workDirectory, 'undo.sql'), { signal, onBeat: () => undefined });
    } finally {
      await discardDirectory(server, workDirectory).catch(() => undefined);
    }
  }
  await discardDirectory(server, workDirectory);
  return keptByJournal(server, database, undone, (await readJournal(server, database, undone)) ?? []);
}

/** What is to be moved away, and what comes back. */
interface Moves {
  readonly tablesAway: readonly TableName[];
  readonly schemasAway: readonly string[];
  readonly tablesBack: readonly { readonly now: TableName; readonly back: TableName }[];
  readonly schemasBack: readonly { readonly now: string; readonly back: string }[];
}

/** Adds to a script what takes back a journal. Returns the schemas, beside that of the script's own journal, into which things are taken away. */
export async function reverse(
  server: DatabaseServer,
  database: string,
  keptSchema: string,
  journal: readonly JournalEntry[],
  script: ChangeScript,
): Promise<readonly string[]> {
  const { undone } = server.names;
  const { major } = await server.engine();
  const reversed = [...journal].reverse();
  const tables = reversed.filter((entry) => entry.op === 'table');
  const schemas = reversed.filter((entry) => entry.op === 'schema');
  const moves: Moves = {
    tablesAway: tables.filter(({ back }) => back === null).map(({ now }) => now),
    schemasAway: schemas.filter(({ back }) => back === null).map(({ now }) => now),
    tablesBack: tables.flatMap(({ now, back }) => (back === null ? [] : [{ now, back }])),
    schemasBack: schemas.flatMap(({ now, back }) => (back === null ? [] : [{ now, back }])),
  };
  const rows = reversed.filter((entry) => entry.op === 'rows');

  await cutOff(server, database, major, moves, script);
  const away: string[] = [];
  const nextSchema = (): string => {
    const schema = numbered(undone, away.length + 1);
    away.push(schema);
    return schema;
  };
  for (const schema of moves.schemasAway) script.moveSchema(schema, nextSchema(), schema);
  for (const source of new Set(moves.tablesAway.map(({ schema }) => schema))) {
    const target = nextSchema();
    script.ensureSchema(target, server.dataSet.user);
    for (const table of moves.tablesAway.filter(({ schema }) => schema === source)) script.moveTable(table, { schema: target, name: table.name }, table);
  }
  for (const { now, back } of moves.schemasBack) script.moveSchema(now, back, null);
  for (const { now, back } of moves.tablesBack) script.moveTable(now, back, null);
  for (const schema of new Set(moves.tablesBack.map(({ now }) => now.schema))) if (isOwnName(schema)) script.dropEmptied(schema);

  if (rows.length > 0) {
    const present = await server.query(
      database,
      relationsQuery(major, [...new Set(rows.flatMap(({ table, kept }) => [table.schema, kept.schema]))]),
      liveRelation,
    );
    const taken = new Set<string>();
    for (const { table, kept } of rows) {
      const live = fitting(present, table, kept);
      script.replaceRows({ ...table, kind: live.kind === 'p' ? 'partitioned' : 'table', columns: live.columns }, kept, uniqueName(table, taken));
    }
    script.checkForeignKeys(
      await foreignKeysAt(
        server,
        database,
        major,
        rows.map(({ table }) => table),
      ),
    );
  }
  for (const entry of reversed) {
    if (entry.op === 'detached') script.attach(entry.table, entry.parent, entry.bound);
    if (entry.op === 'foreign-key') script.addForeignKey(entry);
  }
  // Its rows are in the tables again, and what was moved stands under another name.
  script.drop(keptSchema);
  return away;
}

/** Throws `DATABASE_STRUCTURE_DIFFERS` when the kept rows do not fit into the table any more. */
function fitting(present: readonly LiveRelation[], table: TableName, kept: TableName): LiveRelation {
  const find = ({ schema, name: relation }: TableName): LiveRelation | undefined => present.find((entry) => entry.schema === schema && entry.name === relation);
  const [live, rows] = [find(table), find(kept)];
  const shape = (relation: LiveRelation | undefined): string => JSON.stringify(relation?.columns.map(({ name: column, type }) => [column, type]));
  if (live !== undefined && rows !== undefined && ['r', 'p'].includes(live.kind) && shape(live) === shape(rows)) return live;
  throw new ModosuError(
    'DATABASE_STRUCTURE_DIFFERS',
    `The kept rows of ${tableNamed(table)} do not fit into it any more: its columns have changed since, or it is gone. Everything is as it was.`,
    {
      hint: `The kept rows are in the table ${tableNamed(kept)}: compare, and copy what is needed.`,
    },
  );
}

/** Foreign keys and parents that would tie what goes away to what stays. */
async function cutOff(server: DatabaseServer, database: string, major: number, { tablesAway, schemasAway }: Moves, script: ChangeScript): Promise<void> {
  const away = new Set(tablesAway.map(rowsKey));
  const goes = (table: TableName): boolean => away.has(rowsKey(table)) || schemasAway.includes(table.schema);
  if (tablesAway.length + schemasAway.length === 0) return;
  const keys: readonly ForeignKey[] = await server.query(database, foreignKeysQuery(major), foreignKeyFacts);
  for (const key of keys) if (goes(key.table) !== goes(key.references)) script.dropForeignKey(key);
  const sql = `SELECT jsonb_build_object('table', jsonb_build_object('schema', n.nspname, 'name', c.relname), 'parent', jsonb_build_object('schema', pn.nspname, 'name', pc.relname), 'bound', ${major >= 10 ? 'pg_get_expr(c.relpartbound, c.oid)' : 'NULL'})
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class pc ON pc.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace WHERE c.relkind IN ('r', 'p');`;
  for (const { table, parent, bound } of await server.query(database, sql, parents)) if (goes(table) && !goes(parent)) script.detach(table, parent, bound);
}

/** See `Postgresql.confirm`, for objects. What was restored beside stays; what an undo has taken away goes. Idempotent. */
export async function confirmObjects(server: DatabaseServer, { database, keptSchema }: KeptPostgresql): Promise<void> {
  if (keptSchema === null) return;
  if (!isOwnName(keptSchema)) throw new ModosuError('INTERNAL', `"${named(keptSchema)}" is no schema that a run has made.`);
  const further = keptSchema.startsWith('undone_') ? `nspname ~ ${literals([`^${keptSchema}(_[0-9]+)?$`])}` : `nspname = ${literals([keptSchema])}`;
  const [schemas = []] = await server.query(database, `SELECT coalesce(jsonb_agg(nspname), '[]') FROM pg_namespace WHERE ${further};`, list(name, 10_000));
  if (schemas.length === 0) return;
  await server.execute(
    database,
    ["SET lock_timeout = '30s';", 'BEGIN;', ...schemas.map((schema) => `DROP SCHEMA ${identifier(schema)} CASCADE;`), 'COMMIT;'].join('\n'),
    { code: 'DATABASE_IN_USE', timeoutMs: 600_000 },
  );
}
