import type { DatabaseFacts, PostgresqlSelection, TableName } from '../../contracts/data';
import { foreignKeyFacts, columnsGuard } from '../../domain/postgresql/facts';
import { list, matching, name, record } from '../../domain/postgresql/guards';
import { rowsKey } from '../../domain/postgresql/names';
import { decide, selected, type LiveRelation, type ObjectItems } from '../../domain/postgresql/selection';
import { literals } from '../../domain/postgresql/sql';
import type { ForeignKey } from './change-script';
import type { DatabaseServer } from './database-server';
import { columnsOf, foreignKeysQuery } from './facts-query';

export const liveRelation = record<LiveRelation>({ schema: name, name, kind: matching(/^[a-zA-Z]$/), columns: columnsGuard });

/** Everything that has a name among tables in some schemas. */
export const relationsQuery = (
  major: number,
  schemas: readonly string[],
): string => `SELECT jsonb_build_object('schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'columns', ${columnsOf(major)})
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind NOT IN ('i', 'I', 't') AND n.nspname IN (${literals(schemas)});`;

/** What happens to each selected object, as things stand in the live database. */
export async function lookAtObjects(server: DatabaseServer, facts: DatabaseFacts, selection: PostgresqlSelection, major: number): Promise<ObjectItems> {
  const wanted = selected(facts, selection);
  const schemas = [...new Set([...wanted.tables, ...wanted.schemas.map((schema) => ({ schema: schema.name }))].map(({ schema }) => schema))];
  const relations = await server.query(facts.name, relationsQuery(major, schemas), liveRelation);
  const [present = []] = await server.query(facts.name, 'SELECT jsonb_agg(nspname) FROM pg_namespace;', list(name, 100_000));
  return decide(facts, selection, { relations, schemas: present });
}

/** The valid foreign keys from and to tables, as they are now. */
export async function foreignKeysAt(server: DatabaseServer, database: string, major: number, tables: readonly TableName[]): Promise<readonly ForeignKey[]> {
  const wanted = new Set(tables.map(rowsKey));
  const schemas = literals([...new Set(tables.map(({ schema }) => schema))]);
  const keys = await server.query(database, foreignKeysQuery(major, `n.nspname IN (${schemas}) OR fn.nspname IN (${schemas})`), foreignKeyFacts);
  return keys.filter(({ table, references, validated }) => validated && (wanted.has(rowsKey(table)) || wanted.has(rowsKey(references))));
}
