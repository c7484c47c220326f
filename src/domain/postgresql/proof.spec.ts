import { databaseFactsOf, tableOf } from '../../../test/support/database-facts';
import type { DatabaseFacts, TableFacts } from '../../contracts/data';
import { rowsKey } from './names';
import { proveAllRows, proveProperties, proveRows } from './proof';

const orders = tableOf('public', 'or\nders', { rows: 3 });
const empty = tableOf('public', 'empty', { rows: 0 });
const counted = (...entries: readonly (readonly [Pick<TableFacts, 'schema' | 'name'>, number])[]) =>
  new Map(entries.map(([table, rows]) => [rowsKey(table), rows]));
const incomplete = (message: string): Error =>
  expect.objectContaining({ code: 'DUMP_INCOMPLETE', message: `What was loaded is not what was saved: ${message}.` });

describe('rows that were loaded', () => {
  it('are as many as were saved; others may be there', () =>
    expect(() => proveRows([orders, empty], counted([orders, 3], [empty, 0], [tableOf('a', 'b'), 9]))).not.toThrow());

  it('may be counted elsewhere', () => {
    const as = ({ name }: TableFacts) => ({ schema: 'restored_1', name });
    expect(() => proveRows([orders], counted([{ schema: 'restored_1', name: orders.name }, 3]), as)).not.toThrow();
    expect(() => proveRows([orders], counted([orders, 3]), as)).toThrow(incomplete('public.or ders has no rows instead of 3'));
  });

  it('are missing, or too many', () => {
    expect(() => proveRows([orders, empty], counted([orders, 2]))).toThrow(
      incomplete('public.or ders has 2 rows instead of 3, public.empty has no rows instead of 0'),
    );
    expect(() => proveRows([orders], counted([orders, 4]))).toThrow(incomplete('public.or ders has 4 rows instead of 3'));
    const many = ['a', 'b', 'c', 'd'].map((name) => tableOf('s', name, { rows: 1 }));
    expect(() => proveRows(many, counted())).toThrow(
      incomplete('s.a has no rows instead of 1, s.b has no rows instead of 1, s.c has no rows instead of 1 and 1 more'),
    );
  });

  it('of a whole database are in every table, and in no other one', () => {
    expect(() => proveAllRows([orders, empty], counted([orders, 3], [empty, 0]))).not.toThrow();
    expect(() => proveAllRows([orders, empty], counted([orders, 3], [empty, 1]))).toThrow(incomplete('public.empty has 1 rows instead of 0'));
    expect(() => proveAllRows([orders], counted([orders, 3], [empty, 0]))).toThrow(incomplete('there are 2 tables instead of 1'));
  });
});

describe('the properties of a restored database', () => {
  const privilege = (grantee: string | null) => ({ grantee, grantor: 'o', privilege: 'CONNECT', grantable: false });
  const setting = (text: string) => ({ role: null, setting: text });
  const hstore = { name: 'hstore', version: '1.6', schema: 'public' };
  const citext = { name: 'citext', version: '1', schema: 'public' };
  const then = databaseFactsOf({ acl: [privilege(null), privilege('app')], settings: [setting('a=1'), setting('b=2')], extensions: [hstore, citext] });
  const differing = (changes: Partial<DatabaseFacts>, otherVersions: readonly { readonly name: string }[] = []): readonly string[] => {
    try {
      proveProperties({ ...then, ...changes }, then, otherVersions);
      return [];
    } catch (error) {
      expect(error).toMatchObject({
        code: 'DATA_RESTORE_FAILED',
        message: expect.stringMatching(/^The restored database differs from the recovery point in: .+\.$/) as unknown,
      });
      return (error as { context: { different: readonly string[] } }).context.different;
    }
  };

  it('are what they were, in whatever order and size', () =>
    expect(
      differing({
        acl: [privilege('app'), privilege(null)],
        settings: [setting('b=2'), setting('a=1')],
        extensions: [citext, hstore],
        name: 'restored_1',
        sizeBytes: 7,
        tables: [],
      }),
    ).toEqual([]));

  it.each([
    ['owner', { owner: 'x' }],
    ['encoding', { encoding: 'LATIN1' }],
    ['collate', { collate: 'x' }],
    ['ctype', { ctype: 'x' }],
    ['localeProvider', { localeProvider: 'i' }],
    ['connectionLimit', { connectionLimit: 0 }],
    ['tablespace', { tablespace: 'x' }],
    ['comment', { comment: '' }],
    ['privileges', { acl: null }],
    ['privileges', { acl: [] }],
    ['privileges', { acl: [privilege(null), { ...privilege('app'), grantable: true }] }],
    ['privileges', { acl: [privilege(null), { ...privilege('app'), grantor: 'x' }] }],
    ['privileges', { acl: [privilege(null), { ...privilege('app'), privilege: 'CREATE' }] }],
    ['settings', { settings: [setting('a=1'), { role: 'app', setting: 'b=2' }] }],
    ['settings', { settings: [setting('a=1'), setting('b=3')] }],
    ['extensions', { extensions: [hstore] }],
    ['extensions', { extensions: [citext, { ...hstore, version: '1.8' }] }],
    ['extensions', { extensions: [citext, { ...hstore, schema: 'x' }] }],
  ] as const)('are not when %s differ', (aspect, changes) => expect(differing(changes)).toEqual([aspect]));

  it('are all named that differ', () => expect(differing({ owner: 'x', comment: 'y' })).toEqual(['owner', 'comment']));

  it('may have an extension in another version where the right one was not to be had', () => {
    expect(differing({ extensions: [citext, { ...hstore, version: '1.8' }] }, [{ name: 'hstore' }])).toEqual([]);
    expect(differing({ extensions: [hstore, { ...citext, version: '2' }] }, [{ name: 'hstore' }])).toEqual(['extensions']);
  });
});
