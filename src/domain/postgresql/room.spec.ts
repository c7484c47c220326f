import { databaseFactsOf, schemaItem, tableItem, tableOf } from '../../../test/support/database-facts';
import { roomForLoad } from './room';

const RESERVE = 32 * 1024 * 1024;
const part = tableOf('public', 'part', { kind: 'partitioned', bytes: 0 });
const facts = databaseFactsOf({
  sizeBytes: 1_000,
  tables: [
    tableOf('public', 'orders', { bytes: 100 }),
    part,
    tableOf('public', 'part_1', { bytes: 20, parents: [{ schema: 'public', name: 'part' }], bound: 'DEFAULT' }),
    tableOf('audit', 'log', { bytes: 3 }),
  ],
});
const apart = { dataDirectory: '/data', spoolDirectory: '/spool', sameFileSystem: false };

describe('room for a load', () => {
  it('of a whole database is its tables where the data lies, and its dump where that lies', () =>
    expect(roomForLoad(facts, null, apart)).toEqual([
      { directory: '/data', neededBytes: 123 + RESERVE },
      { directory: '/spool', neededBytes: 1_000 + RESERVE },
    ]));

  it('of objects is twice what they hold, with their partitions, and once more beside the dump', () => {
    const items = { tables: [tableItem(part, 'place')], schemas: [schemaItem('audit', [tableOf('audit', 'log', { bytes: 3 })], 'place')] };
    expect(roomForLoad(facts, items, apart)).toEqual([
      { directory: '/data', neededBytes: 46 + RESERVE },
      { directory: '/spool', neededBytes: 1_023 + RESERVE },
    ]);
  });

  it('on one file system is both, with one reserve', () => {
    expect(roomForLoad(facts, null, { ...apart, sameFileSystem: true })).toEqual([{ directory: '/data', neededBytes: 1_123 + RESERVE }]);
    expect(roomForLoad(facts, { tables: [tableItem(tableOf('public', 'orders'), 'replace')], schemas: [] }, { ...apart, sameFileSystem: true })).toEqual([
      { directory: '/data', neededBytes: 1_300 + RESERVE },
    ]);
  });
});
