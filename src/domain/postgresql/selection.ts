import type { DatabaseFacts, PostgresqlSelection, SchemaFacts, TableFacts } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { nearNames } from '../near-names';
import { sameColumns } from './facts';
import { withPartitions } from './toc';
import { named, tableNamed } from './words';

/** What stands under the name of a table now. */
export interface LiveRelation {
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind */
  readonly kind: string;
  readonly columns: TableFacts['columns'];
}

/** `place`: missing, put in its place. `beside`: exists, put beside. `replace`: exists, its rows are replaced. */
export type ObjectAction = 'place' | 'beside' | 'replace';

export interface TableItem {
  readonly table: TableFacts;
  readonly live: LiveRelation | null;
  readonly action: ObjectAction;
}

export interface SchemaItem {
  readonly schema: SchemaFacts;
  readonly tables: readonly TableFacts[];
  readonly action: 'place' | 'beside';
}

export interface ObjectItems {
  readonly tables: readonly TableItem[];
  readonly schemas: readonly SchemaItem[];
}

/** What a selection names in the recovery point. Throws `DATA_NOT_IN_RECOVERY_POINT` with names that are near. */
export function selected(
  facts: DatabaseFacts,
  { tables, schemas }: Pick<PostgresqlSelection, 'tables' | 'schemas'>,
): { readonly tables: readonly TableFacts[]; readonly schemas: readonly SchemaFacts[] } {
  const foundSchemas = unique(schemas).map(
    (wanted) =>
      facts.schemas.find(({ name }) => name === wanted) ??
      unknown(
        'schema',
        wanted,
        facts.schemas.map(({ name }) => name),
        facts.name,
      ),
  );
  const foundTables = tables.map((wanted) => {
    const found = facts.tables.find(({ schema, name }) => schema === wanted.schema && name === wanted.name);
    // A name without its schema is the likeliest mistake: nearness is looked for in both.
    return (
      found ??
      unknown(
        'table',
        `${wanted.schema}.${wanted.name}`,
        facts.tables.map(({ schema, name }) => `${schema}.${name}`),
        facts.name,
      )
    );
  });
  const whole = new Set(foundSchemas.map(({ name }) => name));
  return { tables: unique(foundTables).filter(({ schema }) => !whole.has(schema)), schemas: foundSchemas };
}

const unique = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

function unknown(what: string, wanted: string, known: readonly string[], database: string): never {
  const near = nearNames(wanted, known).map(named);
  throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', `The recovery point of ${named(database)} holds no ${what} ${named(wanted)}.`, {
    ...(near.length === 0 ? {} : { hint: `It holds ${near.join(', ')}.` }),
    context: { near },
  });
}

/** What happens to each selected object, seen what stands there now. Pure. */
export function decide(
  facts: DatabaseFacts,
  selection: PostgresqlSelection,
  live: { readonly relations: readonly LiveRelation[]; readonly schemas: readonly string[] },
): ObjectItems {
  const wanted = selected(facts, selection);
  const tablesOf = (schema: string): readonly TableFacts[] => facts.tables.filter((table) => table.schema === schema);
  const exists = (schema: SchemaFacts): boolean => live.schemas.includes(schema.name);
  // The rows of an existing schema are replaced table by table.
  const opened = selection.replace ? wanted.schemas.filter(exists) : [];
  const tables = [...wanted.tables, ...opened.flatMap(({ name }) => tablesOf(name))];
  // A partition comes with its partitioned table.
  const roots = tables.filter((table) => !tables.some((other) => other !== table && withPartitions(facts.tables, [other]).includes(table)));
  return {
    tables: roots.map((table) => {
      const found = live.relations.find((relation) => relation.schema === table.schema && relation.name === table.name) ?? null;
      return { table, live: found, action: found === null ? 'place' : selection.replace ? 'replace' : 'beside' };
    }),
    schemas: wanted.schemas
      .filter((schema) => !opened.includes(schema))
      .map((schema) => ({ schema, tables: tablesOf(schema.name), action: exists(schema) ? 'beside' : 'place' })),
  };
}

/** Whether a table's rows can take the place of the present ones. */
export const fits = ({ table, live }: TableItem): boolean =>
  live !== null && live.kind === (table.kind === 'partitioned' ? 'p' : 'r') && sameColumns(live.columns, table.columns);

/** Throws `DATABASE_STRUCTURE_DIFFERS` for tables whose rows cannot be replaced. */
export function refuseMisfits(items: ObjectItems): void {
  const wrong = items.tables.filter((item) => item.action === 'replace' && !fits(item)).map(({ table }) => tableNamed(table));
  if (wrong.length === 0) return;
  throw new ModosuError('DATABASE_STRUCTURE_DIFFERS', `The columns of ${wrong.slice(0, 5).join(', ')} are not what they were in the recovery point.`, {
    context: { tables: wrong.slice(0, 20) },
  });
}

/** Roles that the selected objects name. */
export const rolesOf = ({ tables, schemas }: ObjectItems): readonly string[] => [
  ...new Set([...tables.flatMap(({ table }) => table.roles), ...schemas.flatMap(({ schema }) => schema.roles)]),
];
