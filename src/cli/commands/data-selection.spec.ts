import type { DataSet } from '../../contracts/data';
import { selectionOf, tableName } from './data-selection';

const uploads: DataSet = { kind: 'files', name: 'uploads', paths: ['/srv/uploads'], excludes: [], before: null, after: null };
const shop: DataSet = {
  kind: 'postgresql',
  name: 'shop',
  databases: ['shop'],
  user: 'postgres',
  osUser: null,
  socketDirectory: null,
  port: 5432,
  spoolDirectory: '/var/tmp/spool',
  before: null,
  after: null,
};
const usage = (words: string): Error => expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(words) as string }) as Error;

describe('the name of a table', () => {
  it.each([
    ['orders', { schema: 'public', name: 'orders' }],
    ['sales.orders', { schema: 'sales', name: 'orders' }],
    ['"My Orders"', { schema: 'public', name: 'My Orders' }],
    ['"My Schema"."we""ird.table"', { schema: 'My Schema', name: 'we"ird.table' }],
    ['sales."Größe"', { schema: 'sales', name: 'Größe' }],
    ['Orders', { schema: 'public', name: 'Orders' }],
  ])('%s', (text, name) => expect(tableName(text)).toEqual(name));

  it.each(['', '.', 'a.', '.a', '"open', 'a"b', 'a.b.c', '""'])('not %j', (text) => expect(() => tableName(text)).toThrow(usage('name of a table')));
});

describe('what comes back', () => {
  it('of files: everything, or paths', () => {
    expect(selectionOf({}, uploads)).toEqual({ kind: 'files', paths: [], replace: false });
    expect(selectionOf({ path: ['/srv/uploads/a'], replace: true }, uploads)).toEqual({ kind: 'files', paths: ['/srv/uploads/a'], replace: true });
    expect(selectionOf({ path: ['/srv/x'] }, undefined)).toEqual({ kind: 'files', paths: ['/srv/x'], replace: false });
  });

  it('of a database: tables, schemas or all of it', () => {
    expect(selectionOf({ table: ['orders'], schema: ['sales'] }, shop)).toEqual({
      kind: 'postgresql',
      database: 'shop',
      tables: [{ schema: 'public', name: 'orders' }],
      schemas: ['sales'],
      whole: false,
      replace: false,
    });
    expect(selectionOf({ whole: true }, shop)).toMatchObject({ whole: true, tables: [], database: 'shop' });
    expect(selectionOf({ whole: true, database: 'old' }, undefined)).toMatchObject({ database: 'old' });
  });

  it.each([
    ['nothing of a database', {}, shop, 'Say what is to come back'],
    ['the whole and a table', { whole: true, table: ['a'] }, shop, 'Say what is to come back'],
    ['paths of a database', { path: ['/x'] }, shop, 'holds databases'],
    ['tables of files', { table: ['a'] }, uploads, 'holds files'],
    ['paths and tables', { path: ['/x'], table: ['a'] }, undefined, '--path is for files'],
    ['one of several databases', { whole: true }, { ...shop, databases: ['shop', 'crm'] as const }, 'shop, crm'],
    ['a database nobody names', { whole: true }, undefined, 'Name the database'],
  ])('not %s', (_what, flags, declared, words) => expect(() => selectionOf(flags, declared)).toThrow(usage(words)));
});
