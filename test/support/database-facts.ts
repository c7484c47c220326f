import type { ColumnFacts, DatabaseFacts, TableFacts } from '../../src/contracts/data';
import type { PresentDatabase } from '../../src/domain/postgresql/present-database';
import type { LiveRelation, ObjectAction, SchemaItem, TableItem } from '../../src/domain/postgresql/selection';

/** Facts about databases as values, for specs of what is said and decided about them. */

export const columnOf = (name: string, changes: Partial<ColumnFacts> = {}): ColumnFacts => ({
  name,
  type: 'text',
  notNull: false,
  generated: false,
  identity: false,
  ...changes,
});

export const tableOf = (schema: string, name: string, changes: Partial<TableFacts> = {}): TableFacts => ({
  schema,
  name,
  oid: 16_400,
  kind: 'table',
  rows: 3,
  bytes: 100,
  owner: 'o',
  roles: ['o'],
  columns: [columnOf('a')],
  parents: [],
  bound: null,
  ...changes,
});

export const databaseFactsOf = (changes: Partial<DatabaseFacts> = {}): DatabaseFacts => ({
  name: 'shop',
  file: '0.dump',
  owner: 'o',
  encoding: 'UTF8',
  collate: 'C',
  ctype: 'C',
  localeProvider: 'c',
  icuLocale: null,
  icuRules: null,
  connectionLimit: -1,
  tablespace: 'pg_default',
  acl: null,
  comment: null,
  settings: [],
  extensions: [],
  tablespaces: [],
  roles: ['o'],
  schemas: [{ name: 'public', owner: 'o', roles: ['o'] }],
  tables: [tableOf('public', 'orders'), tableOf('public', 'customers')],
  foreignKeys: [],
  sizeBytes: 1_000,
  ...changes,
});

export const presentOf = (changes: Partial<PresentDatabase> = {}): PresentDatabase => ({
  name: 'shop',
  allowsConnections: true,
  bytes: 5_000,
  sessions: 0,
  prepared: [],
  notes: [],
  ...changes,
});

/** What stands there has the table's own columns unless `live` says otherwise; null: nothing stands there. */
export const tableItem = (table: TableFacts, action: ObjectAction, live: Partial<LiveRelation> | null = action === 'place' ? null : {}): TableItem => ({
  table,
  action,
  live: live === null ? null : { schema: table.schema, name: table.name, kind: table.kind === 'partitioned' ? 'p' : 'r', columns: table.columns, ...live },
});

export const schemaItem = (name: string, tables: readonly TableFacts[], action: SchemaItem['action'], roles: readonly string[] = ['o']): SchemaItem => ({
  schema: { name, owner: 'o', roles },
  tables,
  action,
});
