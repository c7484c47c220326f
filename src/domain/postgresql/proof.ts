import type { DatabaseFacts, TableFacts, TableName } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { rowsKey } from './names';
import { some, tableNamed } from './words';

/** Whether what was loaded is what was saved. `rows`: what was counted, by `rowsKey`. */

type Rows = ReadonlyMap<string, number>;

const wrongRows = (tables: readonly TableFacts[], rows: Rows, as: (table: TableFacts) => TableName): readonly string[] =>
  tables
    .filter((table) => rows.get(rowsKey(as(table))) !== table.rows)
    .map((table) => `${tableNamed(table)} has ${rows.get(rowsKey(as(table))) ?? 'no'} rows instead of ${table.rows}`);

/** These tables have their rows; others may be there. `as`: where a table was counted. @throws DUMP_INCOMPLETE */
export function proveRows(tables: readonly TableFacts[], rows: Rows, as: (table: TableFacts) => TableName = (table) => table): void {
  const wrong = wrongRows(tables, rows, as);
  if (wrong.length > 0) throw new ModosuError('DUMP_INCOMPLETE', `What was loaded is not what was saved: ${some(wrong, 3)}.`);
}

/** Every table, and no other one, has its rows. @throws DUMP_INCOMPLETE */
export function proveAllRows(tables: readonly TableFacts[], rows: Rows): void {
  proveRows(tables, rows);
  if (rows.size !== tables.length) {
    throw new ModosuError('DUMP_INCOMPLETE', `What was loaded is not what was saved: there are ${rows.size} tables instead of ${tables.length}.`);
  }
}

/** What a database is beside its objects, and what is compared of it. */
type Properties = Pick<
  DatabaseFacts,
  'owner' | 'encoding' | 'collate' | 'ctype' | 'localeProvider' | 'connectionLimit' | 'tablespace' | 'comment' | 'acl' | 'settings' | 'extensions'
>;

/** `otherVersions`: extensions that could not be had in their version. @throws DATA_RESTORE_FAILED */
export function proveProperties(now: Properties, then: Properties, otherVersions: readonly { readonly name: string }[]): void {
  const free = new Set(otherVersions.map(({ name }) => name));
  const [is, was] = [aspects(now, free), aspects(then, free)];
  const different = Object.keys(was).filter((key) => JSON.stringify(is[key]) !== JSON.stringify(was[key]));
  if (different.length > 0) {
    throw new ModosuError('DATA_RESTORE_FAILED', `The restored database differs from the recovery point in: ${different.join(', ')}.`, {
      context: { different },
    });
  }
}

const aspects = (of: Properties, free: ReadonlySet<string>): Readonly<Record<string, unknown>> => ({
  owner: of.owner,
  encoding: of.encoding,
  collate: of.collate,
  ctype: of.ctype,
  localeProvider: of.localeProvider,
  connectionLimit: of.connectionLimit,
  tablespace: of.tablespace,
  comment: of.comment,
  privileges: of.acl === null ? null : sorted(of.acl.map(({ grantee, grantor, privilege, grantable }) => [grantee, grantor, privilege, grantable])),
  settings: sorted(of.settings.map(({ role, setting }) => [role, setting])),
  extensions: sorted(of.extensions.map(({ name, version, schema }) => [name, free.has(name) ? '' : version, schema])),
});

/** Their order means nothing. */
const sorted = (values: readonly unknown[]): readonly string[] => values.map((value) => JSON.stringify(value)).sort();
