import type { TableName } from '../../contracts/data';
import { integer, matching, name, nullable, record, text, Unreadable, type Guard } from './guards';

/**
 * What was done to the objects of a database, in the order it was done: kept in the database itself, in the transaction that did it. An undo does the reverse
 * of each, in reverse order, and writes a journal of its own, so that it can be undone the same way.
 */
export type JournalEntry =
  /** The table has been put where it is now. `back`: where it was before; null: it was not there. */
  | { readonly op: 'table'; readonly now: TableName; readonly back: TableName | null }
  | { readonly op: 'schema'; readonly now: string; readonly back: string | null }
  /** The rows of a table were exchanged; its rows before are in `kept`. */
  | { readonly op: 'rows'; readonly table: TableName; readonly kept: TableName }
  /** A foreign key was taken away, because its tables do not stand in the same world any more. */
  | {
      readonly op: 'foreign-key';
      readonly table: TableName;
      readonly name: string;
      readonly definition: string;
      readonly comment: string | null;
      readonly references: TableName;
    }
  /** A table was taken out of its parent; `bound` null: plain inheritance. */
  | { readonly op: 'detached'; readonly table: TableName; readonly parent: TableName; readonly bound: string | null }
  /** The transaction that has loaded what was then put in place: rows that neither it nor the journal's own has written are others'. */
  | { readonly op: 'loaded'; readonly xid: string }
  /** Others had written rows of the table by the time it was taken away. */
  | { readonly op: 'written'; readonly table: TableName; readonly rows: number }
  /** For people. */
  | { readonly op: 'note'; readonly text: string };

export const JOURNAL_TABLE = 'modosu_journal';

export const tableNameGuard = record<TableName>({ schema: name, name });
const op =
  <T extends string>(value: T): Guard<T> =>
  (found, at) => {
    if (found !== value) throw new Unreadable(`${at} is not ${value}`);
    return value;
  };

const GUARDS: { readonly [K in JournalEntry['op']]: Guard<JournalEntry> } = {
  table: record({ op: op('table'), now: tableNameGuard, back: nullable(tableNameGuard) }),
  schema: record({ op: op('schema'), now: name, back: nullable(name) }),
  rows: record({ op: op('rows'), table: tableNameGuard, kept: tableNameGuard }),
  'foreign-key': record({
    op: op('foreign-key'),
    table: tableNameGuard,
    name,
    definition: matching(/^FOREIGN KEY \(/),
    comment: nullable(text(100_000)),
    references: tableNameGuard,
  }),
  detached: record({ op: op('detached'), table: tableNameGuard, parent: tableNameGuard, bound: nullable(matching(/^(FOR VALUES |DEFAULT$)/)) }),
  loaded: record({ op: op('loaded'), xid: matching(/^\d{1,10}$/) }),
  written: record({ op: op('written'), table: tableNameGuard, rows: integer(0) }),
  note: record({ op: op('note'), text: text(10_000) }),
};

export const journalEntry: Guard<JournalEntry> = (value, at) => {
  const kind = typeof value === 'object' && value !== null ? (value as { op?: unknown }).op : undefined;
  const guard = typeof kind === 'string' && Object.hasOwn(GUARDS, kind) ? GUARDS[kind as JournalEntry['op']] : undefined;
  if (guard === undefined) throw new Unreadable(`${at} is no entry of a journal`);
  return guard(value, at);
};
