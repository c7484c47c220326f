import type { ColumnFacts, DatabaseFacts, DatabasePrivilege, ForeignKeyFacts, PostgresqlFacts, SchemaFacts, TableFacts, TableName } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { named } from './words';
import { flag, integer, list, matching, name, nullable, oneOf, record, text, Unreadable, type Guard } from './guards';

export const FACTS_FILE = 'facts.json';
export const GLOBALS_FILE = 'globals.sql';
export const MAX_FACTS_BYTES = 16 * 1024 * 1024;

const MAX_ROLES = 100_000;
const MAX_TABLES = 100_000;
const MAX_TEXT = 100_000;

const tableName = record<TableName>({ schema: name, name });
const column = record<ColumnFacts>({ name, type: text(1_000), notNull: flag, generated: flag, identity: flag });
export const columnsGuard = list(column, 2_000);
export const tableFacts = record<TableFacts>({
  schema: name,
  name,
  oid: integer(1, 2 ** 32 - 1),
  kind: oneOf('table', 'partitioned'),
  rows: integer(0),
  bytes: integer(0),
  owner: name,
  roles: list(name, MAX_ROLES),
  columns: columnsGuard,
  parents: list(tableName, 1_000),
  bound: nullable(matching(/^(FOR VALUES |DEFAULT$)/)),
});
export const foreignKeyFacts = record<ForeignKeyFacts>({
  table: tableName,
  references: tableName,
  name,
  definition: matching(/^FOREIGN KEY \(/),
  validated: flag,
  comment: nullable(text(MAX_TEXT)),
});
const privilege = record<DatabasePrivilege>({ grantee: nullable(name), grantor: name, privilege: oneOf('CONNECT', 'CREATE', 'TEMPORARY'), grantable: flag });
const schemaFacts = record<SchemaFacts>({ name, owner: name, roles: list(name, MAX_ROLES) });

type DatabaseProperties = Omit<DatabaseFacts, 'file' | 'tables' | 'foreignKeys' | 'sizeBytes'>;

const properties: { readonly [K in keyof DatabaseProperties]: Guard<DatabaseProperties[K]> } = {
  name,
  owner: name,
  encoding: matching(/^[A-Z0-9_]{1,32}$/),
  collate: text(255),
  ctype: text(255),
  localeProvider: matching(/^[a-z]$/),
  icuLocale: nullable(text(255)),
  icuRules: nullable(text(MAX_TEXT)),
  connectionLimit: integer(-1, 2 ** 31 - 1),
  tablespace: name,
  acl: nullable(list(privilege, MAX_ROLES)),
  comment: nullable(text(MAX_TEXT)),
  settings: list(record({ role: nullable(name), setting: text(MAX_TEXT) }), 10_000),
  extensions: list(record({ name, version: text(255), schema: name }), 10_000),
  tablespaces: list(name, 10_000),
  roles: list(name, MAX_ROLES),
  schemas: list(schemaFacts, MAX_TABLES),
};

/** What a database is beside its tables. */
export const asDatabaseProperties: Guard<DatabaseProperties> = record<DatabaseProperties>(properties);

const database: Guard<DatabaseFacts> = record<DatabaseFacts>({
  ...properties,
  file: matching(/^\d{1,4}\.dump$/),
  tables: list(tableFacts, MAX_TABLES),
  foreignKeys: list(foreignKeyFacts, MAX_TABLES),
  sizeBytes: integer(0),
});

const facts: Guard<PostgresqlFacts> = record<PostgresqlFacts>({
  format: oneOf('modosu-postgresql-facts'),
  version: (value, at) => {
    if (value !== 1) throw new Unreadable(`${at} is not a version this program reads`);
    return 1;
  },
  engineVersion: matching(/^\d{1,3}(\.\d{1,3}){0,2}\w{0,12}$/),
  engineMajor: integer(9, 999),
  takenAt: matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/),
  databases: list(database, 1_000),
  roles: list(name, MAX_ROLES),
});

/** `facts.json` of a recovery point. It was written in the guest: throws `DUMP_INCOMPLETE` for anything that is not exactly of its form. */
export function parseFacts(bytes: Uint8Array): PostgresqlFacts {
  if (bytes.length > MAX_FACTS_BYTES) throw unreadable(`it has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw unreadable('it is not JSON in UTF-8');
  }
  return asFacts(value);
}

/** The same for a value that was put together from what the guest has said. */
export function asFacts(value: unknown): PostgresqlFacts {
  try {
    const found = facts(value, 'facts');
    for (const kind of ['name', 'file'] as const) {
      if (new Set(found.databases.map((entry) => entry[kind])).size !== found.databases.length) throw new Unreadable(`facts.databases has a ${kind} twice`);
    }
    return found;
  } catch (error) {
    if (error instanceof Unreadable) throw unreadable(error.message);
    throw error;
  }
}

const unreadable = (why: string): ModosuError => new ModosuError('DUMP_INCOMPLETE', `The facts beside the dumps cannot be read: ${why}.`);

/** Throws `DATA_NOT_IN_RECOVERY_POINT`. */
export function databaseOf(all: PostgresqlFacts, wanted: string): DatabaseFacts {
  const found = all.databases.find((entry) => entry.name === wanted);
  if (found !== undefined) return found;
  throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', `The recovery point holds no database "${named(wanted)}".`, {
    hint: `It holds: ${all.databases
      .slice(0, 10)
      .map((entry) => named(entry.name))
      .join(', ')}.`,
  });
}

/** Whether two tables have the same columns: names, types, order, NOT NULL, and which are computed. */
export const sameColumns = (a: readonly ColumnFacts[], b: readonly ColumnFacts[]): boolean => columnsText(a) === columnsText(b);

const columnsText = (columns: readonly ColumnFacts[]): string => JSON.stringify(columns.map((c) => [c.name, c.type, c.notNull, c.generated, c.identity]));

/** In what the columns differ, in words, for evidence; empty when they do not. */
export function columnDifferences(now: readonly ColumnFacts[], then: readonly ColumnFacts[]): readonly string[] {
  const show = ({ name: column, type, notNull, generated, identity }: ColumnFacts): string =>
    `${column} ${type}${notNull ? ' not null' : ''}${generated ? ' generated' : ''}${identity ? ' identity' : ''}`;
  const nowTexts = now.map(show);
  const thenTexts = then.map(show);
  const found = [
    ...thenTexts.filter((entry) => !nowTexts.includes(entry)).map((entry) => `- ${entry}`),
    ...nowTexts.filter((entry) => !thenTexts.includes(entry)).map((entry) => `+ ${entry}`),
  ];
  return found.length > 0 || sameColumns(now, then) ? found : ['the order of the columns'];
}
