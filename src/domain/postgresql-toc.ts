import type { DatabaseFacts, TableName } from '../contracts/data';
import { identifier } from './postgresql-sql';

/** An entry of a dump's table of contents, as `pg_restore -l` lists it. What names it says is for people; it is known by its ids. */
export interface TocEntry {
  readonly id: number;
  /** The catalog that `oid` is of: 0 for data, and for what has no row of its own. */
  readonly catalogOid: number;
  readonly oid: number;
  /** Kind, schema, name and owner; all but letters of names is as it was, except that line ends have become spaces. */
  readonly text: string;
}

const ENTRY = /^(\d{1,10}); (\d{1,10}) (\d{1,10}) (\S.*)$/;

export const parseToc = (listing: string): readonly TocEntry[] =>
  listing.split('\n').flatMap((line) => {
    const [, id, catalogOid, oid, text] = ENTRY.exec(line) ?? [];
    return id === undefined || text === undefined ? [] : [{ id: Number(id), catalogOid: Number(catalogOid), oid: Number(oid), text }];
  });

/** pg_restore reads the number at the beginning of each line. */
export const tocList = (entries: readonly TocEntry[]): string => entries.map(({ id }) => `${id};\n`).join('');

export const isSchema = ({ catalogOid, text }: TocEntry): boolean => catalogOid === CATALOG.namespace && text.startsWith('SCHEMA ');
const isTableData = ({ catalogOid, text }: TocEntry): boolean => catalogOid === 0 && text.startsWith('TABLE DATA ');
const isForeignKey = ({ catalogOid, text }: TocEntry): boolean => catalogOid === CATALOG.constraint && text.startsWith('FK CONSTRAINT ');

const CATALOG = { namespace: 2615, constraint: 2606, largeObject: 2613, eventTrigger: 3466, userMapping: 1418, publication: 6104, publicationTable: 6106, publicationSchema: 6237, subscription: 6100 };

/** Would act, or take time, beyond the tables that are wanted; or would keep a scratch database from being dropped. */
const NOT_FOR_SCRATCH = new Set<number>([CATALOG.largeObject, CATALOG.eventTrigger, CATALOG.userMapping, CATALOG.publication, CATALOG.publicationTable, CATALOG.publicationSchema, CATALOG.subscription]);
const NOT_FOR_SCRATCH_TEXT = /^(MATERIALIZED VIEW DATA |STATISTICS DATA |BLOBS |(COMMENT|ACL|SECURITY LABEL) - (EVENT TRIGGER|PUBLICATION|SUBSCRIPTION|LARGE OBJECT|LARGE OBJECTS) )/;

/**
 * What of a whole dump goes into a scratch database from which some tables are taken: all structure, the rows of `wanted` only, and no foreign keys, which would miss the rows of others.
 */
export function tocForScratch(entries: readonly TocEntry[], facts: DatabaseFacts, wanted: readonly { readonly oid: number }[]): readonly TocEntry[] {
  const oids = new Set(wanted.map(({ oid }) => oid));
  const comments = facts.foreignKeys.filter(({ comment }) => comment !== null).flatMap(({ table, name }) => [name, identifier(name)].map((fk) => oneLine(`COMMENT ${table.schema} CONSTRAINT ${fk} ON `)));
  return entries.filter((entry) => {
    if (isTableData(entry)) return oids.has(entry.oid);
    if (isForeignKey(entry) || NOT_FOR_SCRATCH.has(entry.catalogOid)) return false;
    if (entry.catalogOid === 0 && NOT_FOR_SCRATCH_TEXT.test(entry.text)) return false;
    return !(entry.catalogOid === 0 && comments.some((comment) => entry.text.startsWith(comment)));
  });
}

const oneLine = (text: string): string => text.replace(/[\r\n]/g, ' ');

/** The tables that hold rows of the ones named: partitions of partitioned tables, at any depth, and the named ones themselves. */
export function withPartitions<T extends TableName & { readonly parents: readonly TableName[]; readonly bound: string | null }>(tables: readonly T[], named: readonly TableName[]): readonly T[] {
  const key = ({ schema, name }: TableName): string => JSON.stringify([schema, name]);
  const found = new Set(named.map(key));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const table of tables) if (table.bound !== null && table.parents.some((parent) => found.has(key(parent)))) found.add(key(table));
  }
  return tables.filter((table) => found.has(key(table)));
}
