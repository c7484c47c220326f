import type { DatabaseFacts, DataChange, PostgresqlFacts } from '../../contracts/data';
import { rowsKey } from './names';
import type { PresentDatabase } from './present-database';
import type { ObjectItems } from './selection';
import { withPartitions } from './toc';
import { named, some, tableNamed } from './words';

/** What a restore into a database, or its undo, changes, and what it loses, for people. */
export interface Told {
  readonly changes: readonly DataChange[];
  readonly losses: readonly string[];
}

const MAX_CHANGES = 200;
const MAX_EXAMPLES = 20;
const MAX_LOSSES = 20;

/**
 * The whole database goes back in time.
 *
 * @param rows how many there are now in each table (`rowsKey`), as far as they could be counted
 */
export function describeWhole(
  all: Pick<PostgresqlFacts, 'takenAt'>,
  facts: DatabaseFacts,
  present: PresentDatabase | null,
  rows: ReadonlyMap<string, number>,
): Told {
  const bytes = facts.tables.reduce((sum, table) => sum + table.bytes, 0);
  const effect = present === null ? 'added' : 'replaced';
  const database: DataChange = {
    effect,
    what: `database ${named(facts.name)}`,
    count: facts.tables.length,
    bytes,
    examples: facts.tables.slice(0, MAX_EXAMPLES).map(tableNamed),
  };
  if (present === null) return { changes: [database], losses: [] };
  const then = new Set(facts.tables.map(rowsKey));
  const changed = facts.tables.filter((table) => rows.get(rowsKey(table)) !== table.rows);
  const tables = changed.slice(0, MAX_CHANGES).map((table): DataChange => {
    const now = rows.get(rowsKey(table)) ?? null;
    return { effect: 'replaced', what: `table ${tableNamed(table)}`, count: 1, bytes: table.bytes, examples: [], rows: { now, then: table.rows } };
  });
  const grown = changed.flatMap((table) => {
    const more = (rows.get(rowsKey(table)) ?? 0) - table.rows;
    return more > 0
      ? [`Table ${tableNamed(table)} has ${more} ${more === 1 ? 'row' : 'rows'} more now than in the recovery point: they are not in the restored database.`]
      : [];
  });
  const added = [...rows.keys()]
    .filter((key) => !then.has(key))
    .map((key) => JSON.parse(key) as [string, string])
    .map(([schema, name]) => tableNamed({ schema, name }));
  return {
    changes: [database, ...tables],
    losses: [
      `Everything that was written to ${named(facts.name)} after ${all.takenAt} is not in the restored database; the present one is kept beside it until the restore is confirmed.`,
      ...capped(grown),
      ...(added.length === 0 ? [] : [`Tables that were made since are not in the restored database: ${some(added)}.`]),
    ],
  };
}

const moreTables = (count: number): string => `${count} more ${count === 1 ? 'table' : 'tables'}`;

const capped = (sentences: readonly string[]): readonly string[] =>
  sentences.length <= MAX_LOSSES ? sentences : [...sentences.slice(0, MAX_LOSSES), `… and ${moreTables(sentences.length - MAX_LOSSES)}.`];

/** Tables and schemas come back into the present database. `rows`: as for `describeWhole`. */
export function describeObjects(facts: DatabaseFacts, items: ObjectItems, rows: ReadonlyMap<string, number>): Told {
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
  const touched = new Set(
    [
      ...withPartitions(
        facts.tables,
        items.tables.map(({ table }) => table),
      ),
      ...items.schemas.flatMap((item) => item.tables),
    ].map(rowsKey),
  );
  const others = facts.tables.filter((table) => !touched.has(rowsKey(table)));
  const untouched: DataChange = {
    effect: 'untouched',
    what: `other tables of ${named(facts.name)}`,
    count: others.length,
    bytes: null,
    examples: others.slice(0, MAX_EXAMPLES).map(tableNamed),
  };
  const losses = items.tables.flatMap(({ table, action }) => {
    if (action !== 'replace') return [];
    const now = rows.get(rowsKey(table));
    return [
      `The rows of ${tableNamed(table)} go back in time${now === undefined ? '' : `: ${now} now, ${table.rows} then`}; the present ones are kept until the restore is confirmed.`,
    ];
  });
  return { changes: [...schemas, ...tables, ...(others.length === 0 ? [] : [untouched])], losses: capped(losses) };
}

/** A table that a restore has brought back, as it is now. */
export interface CountedTable {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
  /** Written since: inserted or changed. */
  readonly newRows: number;
}

/**
 * The restored database is exchanged for the kept one. `bytes`: of the restored one, null when nobody can say; `tables` null: they could not be counted in
 * time.
 */
export function describeWholeUndo(database: string, bytes: number | null, tables: readonly CountedTable[] | null): Told {
  const change: DataChange = { effect: 'replaced', what: `database ${named(database)}`, count: 1, bytes, examples: [] };
  return { changes: [change, ...undoneTables(tables)], losses: lostRows(tables, 'the undone database is kept until the undo is confirmed') };
}

/** Tables and schemas give way to what stood there. `tables` null: they could not be counted in time. */
export const describeObjectsUndo = (tables: readonly CountedTable[] | null): Told => ({
  changes: undoneTables(tables),
  losses: lostRows(tables, 'the undone rows are kept until the undo is confirmed'),
});

const undoneTables = (tables: readonly CountedTable[] | null): readonly DataChange[] =>
  (tables ?? [])
    .slice(0, MAX_CHANGES)
    .map((table) => ({ effect: 'replaced', what: `table ${tableNamed(table)}`, count: 1, bytes: null, examples: [], rows: { now: table.rows, then: null } }));

function lostRows(tables: readonly CountedTable[] | null, kept: string): readonly string[] {
  if (tables === null) return [`How many rows were written since the restore could not be counted in time; ${kept}.`];
  const written = tables.filter(({ newRows }) => newRows > 0).sort((a, b) => b.newRows - a.newRows);
  const sentences = written
    .slice(0, MAX_LOSSES)
    .map(
      (table) =>
        `${table.newRows} ${table.newRows === 1 ? 'row' : 'rows'} of ${tableNamed(table)} ${table.newRows === 1 ? 'was' : 'were'} written since the restore and would be lost; ${kept}.`,
    );
  return written.length <= MAX_LOSSES ? sentences : [...sentences, `… and rows of ${moreTables(written.length - MAX_LOSSES)}.`];
}
