import { Unreadable } from './guards';
import { journalEntry, tableNameGuard, type JournalEntry } from './journal';

const table = { schema: 'public', name: 'orders' };
const other = { schema: 'kept', name: 'orders' };
const ENTRIES: readonly JournalEntry[] = [
  { op: 'table', now: table, back: other },
  { op: 'table', now: table, back: null },
  { op: 'schema', now: 'public', back: 'kept' },
  { op: 'schema', now: 'public', back: null },
  { op: 'rows', table, kept: other },
  { op: 'foreign-key', table, name: 'fk', definition: 'FOREIGN KEY (c) REFERENCES public.customers(id)', comment: 'why', references: other },
  { op: 'foreign-key', table, name: 'fk', definition: 'FOREIGN KEY (c) REFERENCES public.customers(id)', comment: null, references: other },
  { op: 'detached', table, parent: other, bound: 'DEFAULT' },
  { op: 'detached', table, parent: other, bound: "FOR VALUES IN ('x')" },
  { op: 'detached', table, parent: other, bound: null },
  { op: 'loaded', xid: '4294967295' },
  { op: 'written', table, rows: 0 },
  { op: 'note', text: '' },
];

describe('the journal in a database', () => {
  it.each(ENTRIES)('is read as it was written: %j', (entry) => expect(journalEntry(entry, 'line 1')).toEqual(entry));

  it.each<[string, unknown]>([
    ['nothing', null],
    ['not there', undefined],
    ['a text', 'table'],
    ['an operation nobody knows', { op: 'drop', table }],
    ['an operation by a name that every object has', { op: 'toString' }],
    ['an operation that is no text', { op: ['table'], now: table, back: null }],
    ['no operation', {}],
  ])('has no entry that is %s', (_what, value) => expect(() => journalEntry(value, 'line 1')).toThrow(new Unreadable('line 1 is no entry of a journal')));

  it.each<[string, object]>([
    ['a table without a schema', { op: 'table', now: { name: 'orders' }, back: null }],
    ['a table that says more', { op: 'table', now: { ...table, more: 1 }, back: null }],
    ['a field too many', { ...ENTRIES[0], more: 1 }],
    ['a field too few', { op: 'rows', table }],
    ['a key that is another thing', { ...ENTRIES[5], definition: 'CHECK (true); FOREIGN KEY (' }],
    ['a bound that is another thing', { ...ENTRIES[7], bound: 'DEFAULT; DROP TABLE x' }],
    ['a bound that begins with another thing', { ...ENTRIES[7], bound: 'x DEFAULT' }],
    ['a bound for values that begins with another thing', { ...ENTRIES[7], bound: 'x FOR VALUES IN (1)' }],
    ['a transaction that is no number', { op: 'loaded', xid: '7; x' }],
    ['a transaction that is signed', { op: 'loaded', xid: '-7' }],
    ['no transaction', { op: 'loaded', xid: '' }],
    ['rows that are no number', { op: 'written', table, rows: '1' }],
    ['fewer than no rows', { op: 'written', table, rows: -1 }],
    ['a long note', { op: 'note', text: 'x'.repeat(10_001) }],
    ['a long comment', { ...ENTRIES[5], comment: 'x'.repeat(100_001) }],
  ])('has no entry with %s', (_what, value) => expect(() => journalEntry(value, 'line 1')).toThrow(Unreadable));

  it('names tables with their schemas', () => {
    expect(tableNameGuard(table, 'it')).toEqual(table);
    expect(() => tableNameGuard({ schema: '', name: 'x' }, 'it')).toThrow(Unreadable);
  });
});
