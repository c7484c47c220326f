import type { DatabaseFacts, TableName } from '../../contracts/data';
import { filledViews, isSchema, parseToc, tocForScratch, withoutActing, withPartitions, type TocEntry } from './toc';

const NO_KEYS = { foreignKeys: [] } as unknown as DatabaseFacts;
const kept = (listing: string, facts: DatabaseFacts = NO_KEYS, oids: readonly number[] = []): readonly number[] =>
  tocForScratch(
    parseToc(listing),
    facts,
    oids.map((oid) => ({ oid })),
  ).map(({ id }) => id);

describe('an entry of a table of contents', () => {
  it('is a line of its form, whole', () => {
    expect(parseToc('215; 1259 16402 TABLE public customers o')).toEqual([{ id: 215, catalogOid: 1259, oid: 16_402, text: 'TABLE public customers o' }]);
    for (const line of [
      '; 215; 1259 16402 TABLE a',
      'x215; 1259 16402 TABLE a',
      '215 1259 16402 TABLE a',
      '215; 1259 TABLE a',
      '215; 1259 16402 ',
      '215; 1259 16402  TABLE',
      '12345678901; 1 1 TABLE a',
      '1; 12345678901 1 TABLE a',
      '1; 1 12345678901 TABLE a',
      '',
    ]) {
      expect([line, parseToc(line)]).toEqual([line, []]);
    }
    expect(parseToc('1234567890; 1234567890 1234567890 X')).toHaveLength(1);
  });

  it('is a schema by its catalog and its kind', () => {
    const entry = (catalogOid: number, text: string): TocEntry => ({ id: 1, catalogOid, oid: 1, text });
    expect([entry(2615, 'SCHEMA - audit o'), entry(1259, 'SCHEMA - audit o'), entry(2615, 'SCHEMAS'), entry(2615, 'x SCHEMA - a o')].map(isSchema)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('what goes into a scratch database', () => {
  it.each([
    ['large objects', '1; 2613 9 BLOB - 9 o'],
    ['event triggers', '1; 3466 9 EVENT TRIGGER - guard o'],
    ['user mappings', '1; 1418 9 USER MAPPING - m o'],
    ['publications', '1; 6104 9 PUBLICATION - p o'],
    ['tables of publications', '1; 6106 9 PUBLICATION TABLE public p t o'],
    ['schemas of publications', '1; 6237 9 PUBLICATION TABLES IN SCHEMA public p s o'],
    ['subscriptions', '1; 6100 9 SUBSCRIPTION - s o'],
    ['foreign keys', '1; 2606 9 FK CONSTRAINT public orders fk o'],
    ['rows of views', '1; 0 9 MATERIALIZED VIEW DATA public m o'],
    ['statistics', '1; 0 9 STATISTICS DATA public t o'],
    ['all large objects', '1; 0 0 BLOBS - BLOBS o'],
    ['what is said of an event trigger', '1; 0 0 COMMENT - EVENT TRIGGER guard o'],
    ['who may use a publication', '1; 0 0 ACL - PUBLICATION p o'],
    ['the label of a subscription', '1; 0 0 SECURITY LABEL - SUBSCRIPTION s o'],
    ['what is said of a large object', '1; 0 0 COMMENT - LARGE OBJECT 9 o'],
    ['who may read large objects', '1; 0 0 ACL - LARGE OBJECTS 9..10 o'],
    ['rows that nobody wants', '1; 0 16403 TABLE DATA audit log o'],
  ])('are not %s', (_what, line) => expect(kept(line, NO_KEYS, [16_401])).toEqual([]));

  it.each([
    ['a table', '1; 1259 9 TABLE public t o'],
    ['a primary key', '1; 2606 9 CONSTRAINT public orders pk o'],
    ['a table that is called like rows', '1; 1259 9 TABLE DATA t o'],
    ['a table that is called like a foreign key', '1; 1259 9 FK CONSTRAINT t o'],
    ['a view that is called like rows of one', '1; 1259 9 MATERIALIZED VIEW DATA m o'],
    ['what is said of a table', '1; 0 0 COMMENT public TABLE orders o'],
    ['what is said of a table of that name', '1; 0 0 COMMENT public EVENT TRIGGER t o'],
    ['rows that are wanted', '1; 0 16401 TABLE DATA public orders o'],
    ['what stands elsewhere in a line', '1; 0 0 COMMENT public x BLOBS o'],
  ])('is %s', (_what, line) => expect(kept(line, NO_KEYS, [16_401])).toEqual([1]));

  it('is not what is said of foreign keys that are left out, whichever way they are named', () => {
    const key = (name: string, comment: string | null) => ({
      table: { schema: 'public', name: 'orders' },
      references: { schema: 'public', name: 'c' },
      name,
      definition: '',
      validated: true,
      comment,
    });
    const facts = { foreignKeys: [key('fk', 'why'), key('two\nlines', 'why'), key('silent', null)] } as unknown as DatabaseFacts;
    const comments = (...names: readonly string[]): string =>
      names.map((name, index) => `${index + 1}; 0 0 COMMENT public CONSTRAINT ${name} ON orders o`).join('\n');
    expect(kept(comments('fk', '"fk"', 'two lines', '"two lines"', 'silent', 'fk2'), facts)).toEqual([5, 6]);
    expect(kept('1; 0 0 COMMENT other CONSTRAINT fk ON orders o\n2; 1259 9 COMMENT public CONSTRAINT fk ON orders o', facts)).toEqual([1, 2]);
  });
});

describe('what is left of a schema without what acts', () => {
  const ids = (listing: string, ...schemas: readonly string[]): readonly number[] => withoutActing(parseToc(listing), schemas).map(({ id }) => id);
  it('are its views, whose rule has a name that no other can have', () => {
    expect(
      ids('1; 2618 9 RULE s v _RETURN o\n2; 2618 9 RULE s v r_RETURN o\n3; 2618 9 RULE s v _RETURN more o\n4; 2618 9 COMMENT s RULE v _RETURN o', 's'),
    ).toEqual([1]);
  });
  it('is everything of other schemas', () =>
    expect(ids('1; 2620 9 TRIGGER s t x o\n2; 2620 9 TRIGGER s2 t x o\n3; 2620 9 TRIGGER other t x o', 's', 's2')).toEqual([3]));
});

it('a view held rows only where its rows have an entry', () => {
  const view = { schema: 's', name: 'a', owner: 'o' };
  expect(filledViews(parseToc('1; 0 7 MATERIALIZED VIEW DATA s a o'), [view])).toEqual([view]);
  expect(
    filledViews(parseToc('1; 1259 7 MATERIALIZED VIEW DATA s a o\n2; 0 7 MATERIALIZED VIEW DATA s a other\n3; 0 7 MATERIALIZED VIEW DATA s b o'), [view]),
  ).toEqual([]);
  expect(filledViews(parseToc('1; 0 7 MATERIALIZED VIEW DATA s two  lines o'), [{ schema: 's', name: 'two\r\nlines', owner: 'o' }])).toHaveLength(1);
});

it('partitions of partitions hold the rows of a table too, children by inheritance do not', () => {
  const table = (schema: string, name: string, parents: readonly TableName[] = [], bound: string | null = null) => ({ schema, name, parents, bound });
  const of = (name: string): readonly TableName[] => [{ schema: 'a', name }];
  // The deepest comes first, so that it is found only by looking again.
  const tables = [
    table('a', 'deep', of('middle'), 'DEFAULT'),
    table('a', 'middle', of('top'), 'DEFAULT'),
    table('a', 'top'),
    table('a', 'child', of('top')),
    table('b', 'top'),
    table('b', 'part', [{ schema: 'b', name: 'top' }], 'DEFAULT'),
  ];
  const found = (...names: readonly TableName[]): readonly string[] => withPartitions(tables, names).map(({ schema, name }) => `${schema}.${name}`);
  expect(found({ schema: 'a', name: 'top' })).toEqual(['a.deep', 'a.middle', 'a.top']);
  expect(found({ schema: 'b', name: 'part' })).toEqual(['b.part']);
  expect(found()).toEqual([]);
});
