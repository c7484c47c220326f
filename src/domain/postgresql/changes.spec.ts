import { databaseFactsOf, presentOf, schemaItem, tableItem, tableOf } from '../../../test/support/database-facts';
import type { TableFacts } from '../../contracts/data';
import { describeObjects, describeObjectsUndo, describeWhole, describeWholeUndo, type CountedTable } from './changes';
import { rowsKey } from './names';

const ALL = { takenAt: '2026-03-02T07:00:00.000Z' };
const orders = tableOf('public', 'orders', { rows: 3, bytes: 100 });
const customers = tableOf('public', 'cust\nomers', { rows: 5, bytes: 20 });
const shop = databaseFactsOf({ name: 'sh\nop', tables: [orders, customers] });
const counted = (...entries: readonly (readonly [Pick<TableFacts, 'schema' | 'name'>, number])[]) =>
  new Map(entries.map(([table, rows]) => [rowsKey(table), rows]));
const many = (count: number): readonly TableFacts[] => Array.from({ length: count }, (_, index) => tableOf('public', `t${index}`, { rows: 1, bytes: 2 }));
const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `public.t${index}`);

describe('a whole database', () => {
  it('that is not there is added, and nothing is lost', () =>
    expect(describeWhole(ALL, shop, null, new Map())).toEqual({
      changes: [{ effect: 'added', what: 'database sh op', count: 2, bytes: 120, examples: ['public.orders', 'public.cust omers'] }],
      losses: [],
    }));

  it('that is there is replaced, with what was written to it since', () => {
    const everything = `Everything that was written to sh op after ${ALL.takenAt} is not in the restored database; the present one is kept beside it until the restore is confirmed.`;
    expect(describeWhole(ALL, shop, presentOf(), counted([orders, 3], [customers, 5]))).toEqual({
      changes: [{ effect: 'replaced', what: 'database sh op', count: 2, bytes: 120, examples: ['public.orders', 'public.cust omers'] }],
      losses: [everything],
    });
    expect(describeWhole(ALL, shop, presentOf(), counted([orders, 4], [customers, 7])).losses).toEqual([
      everything,
      'Table public.orders has 1 row more now than in the recovery point: they are not in the restored database.',
      'Table public.cust omers has 2 rows more now than in the recovery point: they are not in the restored database.',
    ]);
  });

  it('has tables with fewer rows now, and some that nobody could count: they change and lose nothing', () => {
    const { changes, losses } = describeWhole(ALL, shop, presentOf(), counted([orders, 2]));
    expect(changes.slice(1)).toEqual([
      { effect: 'replaced', what: 'table public.orders', count: 1, bytes: 100, examples: [], rows: { now: 2, then: 3 } },
      { effect: 'replaced', what: 'table public.cust omers', count: 1, bytes: 20, examples: [], rows: { now: null, then: 5 } },
    ]);
    expect(losses).toHaveLength(1);
    const empty = tableOf('public', 'empty', { rows: 0 });
    expect(describeWhole(ALL, databaseFactsOf({ tables: [empty] }), presentOf(), new Map()).losses).toHaveLength(1);
  });

  it('loses the tables that were made since', () => {
    const made = Array.from({ length: 6 }, (_, index) => [{ schema: 'ne\nw', name: `t${index}` }, 1] as const);
    expect(describeWhole(ALL, shop, presentOf(), counted([orders, 3], [customers, 5], ...made.slice(0, 1))).losses[1]).toBe(
      'Tables that were made since are not in the restored database: ne w.t0.',
    );
    expect(describeWhole(ALL, shop, presentOf(), counted([orders, 3], [customers, 5], ...made)).losses[1]).toBe(
      'Tables that were made since are not in the restored database: ne w.t0, ne w.t1, ne w.t2, ne w.t3, ne w.t4 and 1 more.',
    );
  });

  it('is told with twenty names, two hundred tables and twenty losses', () => {
    const tables = many(201);
    const { changes, losses } = describeWhole(ALL, databaseFactsOf({ tables }), presentOf(), counted(...tables.map((table) => [table, 9] as const)));
    expect(changes[0]?.examples).toEqual(numbered(20));
    expect(changes).toHaveLength(201);
    expect(losses).toHaveLength(22);
    expect(losses[21]).toBe('… and 181 more tables.');
    expect(describeWhole(ALL, databaseFactsOf({ tables: many(21) }), presentOf(), counted(...many(21).map((table) => [table, 9] as const))).losses[21]).toBe(
      '… and 1 more table.',
    );
    expect(
      describeWhole(ALL, databaseFactsOf({ tables: many(20) }), presentOf(), counted(...many(20).map((table) => [table, 9] as const))).losses,
    ).toHaveLength(21);
  });
});

describe('tables and schemas', () => {
  const part = tableOf('public', 'part', { kind: 'partitioned', rows: 8, bytes: 0 });
  const piece = tableOf('public', 'part_1', { rows: 8, bytes: 40, parents: [{ schema: 'public', name: 'part' }], bound: 'DEFAULT' });
  const log = tableOf('audit', 'log', { bytes: 7 });
  const facts = databaseFactsOf({ name: 'sh\nop', tables: [orders, customers, part, piece, log] });

  it('are put in place, beside, or in the place of rows; schemas are told first', () => {
    const items = {
      tables: [tableItem(orders, 'replace'), tableItem(part, 'place'), tableItem(customers, 'beside')],
      schemas: [schemaItem('au\ndit', [log], 'place')],
    };
    expect(describeObjects(facts, items, counted([orders, 4], [part, 99]))).toEqual({
      changes: [
        { effect: 'added', what: 'schema au dit', count: 1, bytes: 7, examples: ['audit.log'] },
        { effect: 'replaced', what: 'table public.orders', count: 1, bytes: 100, examples: [], rows: { now: 4, then: 3 } },
        { effect: 'added', what: 'table public.part', count: 1, bytes: 40, examples: [], rows: { now: null, then: 8 } },
        { effect: 'beside', what: 'table public.cust omers', count: 1, bytes: 20, examples: [], rows: { now: null, then: 5 } },
      ],
      losses: ['The rows of public.orders go back in time: 4 now, 3 then; the present ones are kept until the restore is confirmed.'],
    });
  });

  it('leave the others as they are', () =>
    expect(describeObjects(facts, { tables: [tableItem(part, 'beside')], schemas: [schemaItem('audit', [log], 'beside')] }, new Map()).changes).toEqual([
      { effect: 'beside', what: 'schema audit', count: 1, bytes: 7, examples: ['audit.log'] },
      { effect: 'beside', what: 'table public.part', count: 1, bytes: 40, examples: [], rows: { now: null, then: 8 } },
      { effect: 'untouched', what: 'other tables of sh op', count: 2, bytes: null, examples: ['public.orders', 'public.cust omers'] },
    ]));

  it('lose rows that nobody could count', () =>
    expect(describeObjects(facts, { tables: [tableItem(customers, 'replace')], schemas: [] }, new Map()).losses).toEqual([
      'The rows of public.cust omers go back in time; the present ones are kept until the restore is confirmed.',
    ]));

  it('are told with twenty names and twenty losses', () => {
    const tables = many(21);
    const beside = describeObjects(
      databaseFactsOf({ tables: [...tables, orders] }),
      { tables: [tableItem(orders, 'place')], schemas: [schemaItem('public', [], 'place')] },
      new Map(),
    ).changes;
    expect(beside.at(-1)).toMatchObject({ effect: 'untouched', count: 21, examples: numbered(20) });
    expect(describeObjects(databaseFactsOf({ tables }), { tables: [], schemas: [schemaItem('public', tables, 'place')] }, new Map()).changes[0]).toMatchObject({
      count: 21,
      bytes: 42,
      examples: numbered(20),
    });
    const replaced = (some: readonly TableFacts[]): readonly string[] =>
      describeObjects(databaseFactsOf({ tables: some }), { tables: some.map((table) => tableItem(table, 'replace')), schemas: [] }, new Map()).losses;
    expect(replaced(many(20))).toHaveLength(20);
    expect(replaced(many(22)).slice(19)).toEqual([expect.stringContaining('public.t19'), '… and 2 more tables.']);
  });
});

describe('an undo', () => {
  const table = (name: string, rows: number, newRows: number): CountedTable => ({ schema: 'pub\nlic', name, rows, newRows });

  it('of a whole database exchanges it, and says whose rows are lost, most first', () =>
    expect(describeWholeUndo('sh\nop', 77, [table('a', 5, 1), table('b', 6, 0), table('c', 9, 3)])).toEqual({
      changes: [
        { effect: 'replaced', what: 'database sh op', count: 1, bytes: 77, examples: [] },
        { effect: 'replaced', what: 'table pub lic.a', count: 1, bytes: null, examples: [], rows: { now: 5, then: null } },
        { effect: 'replaced', what: 'table pub lic.b', count: 1, bytes: null, examples: [], rows: { now: 6, then: null } },
        { effect: 'replaced', what: 'table pub lic.c', count: 1, bytes: null, examples: [], rows: { now: 9, then: null } },
      ],
      losses: [
        '3 rows of pub lic.c were written since the restore and would be lost; the undone database is kept until the undo is confirmed.',
        '1 row of pub lic.a was written since the restore and would be lost; the undone database is kept until the undo is confirmed.',
      ],
    }));

  it('of objects says the same of their rows', () => {
    expect(describeObjectsUndo([table('a', 5, 2)])).toEqual({
      changes: [{ effect: 'replaced', what: 'table pub lic.a', count: 1, bytes: null, examples: [], rows: { now: 5, then: null } }],
      losses: ['2 rows of pub lic.a were written since the restore and would be lost; the undone rows are kept until the undo is confirmed.'],
    });
    expect(describeObjectsUndo([])).toEqual({ changes: [], losses: [] });
  });

  it('does not hide that rows could not be counted', () => {
    expect(describeWholeUndo('shop', null, null)).toEqual({
      changes: [{ effect: 'replaced', what: 'database shop', count: 1, bytes: null, examples: [] }],
      losses: ['How many rows were written since the restore could not be counted in time; the undone database is kept until the undo is confirmed.'],
    });
    expect(describeObjectsUndo(null)).toEqual({
      changes: [],
      losses: ['How many rows were written since the restore could not be counted in time; the undone rows are kept until the undo is confirmed.'],
    });
  });

  it('is told with two hundred tables and twenty losses', () => {
    const tables = Array.from({ length: 201 }, (_, index) => table(`t${index}`, 1, 1));
    const { changes, losses } = describeObjectsUndo(tables);
    expect(changes).toHaveLength(200);
    expect(losses).toHaveLength(21);
    expect(losses[20]).toBe('… and rows of 181 more tables.');
    expect(describeObjectsUndo(tables.slice(0, 20)).losses).toHaveLength(20);
  });
});

it('tells tables apart by schema and name, whatever these hold', () => {
  expect(rowsKey({ schema: 'a.b', name: 'c' })).not.toBe(rowsKey({ schema: 'a', name: 'b.c' }));
  expect(rowsKey(tableOf('a', 'b'))).toBe(rowsKey({ schema: 'a', name: 'b' }));
});
