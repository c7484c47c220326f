import type { DatabaseFacts, TableName } from '../../contracts/data';
import { rowsKey } from './names';
import { identifier } from './sql';

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
    const found = ENTRY.exec(line);
    return found === null ? [] : [{ id: Number(found[1]), catalogOid: Number(found[2]), oid: Number(found[3]), text: String(found[4]) }];
  });

/** PostgreSQL's names of encodings that are not what the programs of this world call them by themselves. */
const ENCODINGS: Readonly<Record<string, string>> = {
  LATIN1: 'latin1',
  LATIN2: 'latin2',
  LATIN3: 'latin3',
  LATIN4: 'latin4',
  LATIN5: 'latin5',
  LATIN6: 'latin6',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_6: 'iso-8859-6',
  ISO_8859_7: 'iso-8859-7',
  ISO_8859_8: 'iso-8859-8',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
  WIN1250: 'windows-1250',
  WIN1251: 'windows-1251',
  WIN1252: 'windows-1252',
  WIN1253: 'windows-1253',
  WIN1254: 'windows-1254',
  WIN1255: 'windows-1255',
  WIN1256: 'windows-1256',
  WIN1257: 'windows-1257',
  WIN1258: 'windows-1258',
  EUC_JP: 'euc-jp',
  EUC_KR: 'euc-kr',
  EUC_CN: 'gb2312',
};

/**
 * A table of contents is written in the encoding of the dumped database. One that is not known is read as UTF-8: what is not a letter of ASCII then may be
 * lost.
 */
export const tocText = (listing: Uint8Array, encoding: string): string => new TextDecoder(ENCODINGS[encoding] ?? 'utf-8').decode(listing);

/** What does something by itself when rows are read or written. */
const ACTING = ['TRIGGER', 'POLICY', 'RULE'];

/** What a view is may come as its rule: the server lets no other one be called so. A name that only looks like it keeps a rule of views. */
const IS_VIEW = /^RULE .* _RETURN \S+$/;

/** All but what acts in some schemas, and what is said about it. */
export const withoutActing = (entries: readonly TocEntry[], schemas: readonly string[]): readonly TocEntry[] => {
  const beginnings = schemas.flatMap((schema) => ACTING.flatMap((kind) => [`${kind} ${schema} `, `COMMENT ${schema} ${kind} `]));
  return entries.filter(({ text }) => !beginnings.some((beginning) => text.startsWith(beginning)) || IS_VIEW.test(text));
};

/** Which of some materialized views held rows when the dump was taken: in the order in which they can be filled. */
export const filledViews = <T extends TableName & { readonly owner: string }>(entries: readonly TocEntry[], views: readonly T[]): readonly T[] => {
  const byText = new Map(views.map((view) => [oneLine(`MATERIALIZED VIEW DATA ${view.schema} ${view.name} ${view.owner}`), view]));
  return entries.flatMap(({ catalogOid, text }) => (catalogOid === 0 ? (byText.get(text) ?? []) : []));
};

/** pg_restore reads the number at the beginning of each line. */
export const tocList = (entries: readonly TocEntry[]): string => entries.map(({ id }) => `${id};\n`).join('');

export const isSchema = ({ catalogOid, text }: TocEntry): boolean => catalogOid === CATALOG.namespace && text.startsWith('SCHEMA ');
const isTableData = ({ catalogOid, text }: TocEntry): boolean => catalogOid === 0 && text.startsWith('TABLE DATA ');
const isForeignKey = ({ catalogOid, text }: TocEntry): boolean => catalogOid === CATALOG.constraint && text.startsWith('FK CONSTRAINT ');

const CATALOG = {
  namespace: 2615,
  constraint: 2606,
  largeObject: 2613,
  eventTrigger: 3466,
  userMapping: 1418,
  publication: 6104,
  publicationTable: 6106,
  publicationSchema: 6237,
  subscription: 6100,
};

/** Would act, or take time, beyond the tables that are wanted; or would keep a scratch database from being dropped. */
const NOT_FOR_SCRATCH = new Set<number>([
  CATALOG.largeObject,
  CATALOG.eventTrigger,
  CATALOG.userMapping,
  CATALOG.publication,
  CATALOG.publicationTable,
  CATALOG.publicationSchema,
  CATALOG.subscription,
]);
const NOT_FOR_SCRATCH_TEXT =
  /^(MATERIALIZED VIEW DATA |STATISTICS DATA |BLOBS |(COMMENT|ACL|SECURITY LABEL) - (EVENT TRIGGER|PUBLICATION|SUBSCRIPTION|LARGE OBJECT|LARGE OBJECTS) )/;

/**
 * What of a whole dump goes into a scratch database from which some tables are taken: all structure, the rows of `wanted` only, and no foreign keys, which
 * would miss the rows of others.
 */
export function tocForScratch(entries: readonly TocEntry[], facts: DatabaseFacts, wanted: readonly { readonly oid: number }[]): readonly TocEntry[] {
  const oids = new Set(wanted.map(({ oid }) => oid));
  const comments = facts.foreignKeys
    .filter(({ comment }) => comment !== null)
    .flatMap(({ table, name }) => [name, identifier(name)].map((fk) => oneLine(`COMMENT ${table.schema} CONSTRAINT ${fk} ON `)));
  return entries.filter((entry) => {
    if (isTableData(entry)) return oids.has(entry.oid);
    if (isForeignKey(entry) || NOT_FOR_SCRATCH.has(entry.catalogOid)) return false;
    if (entry.catalogOid === 0 && NOT_FOR_SCRATCH_TEXT.test(entry.text)) return false;
    return !(entry.catalogOid === 0 && comments.some((comment) => entry.text.startsWith(comment)));
  });
}

const oneLine = (text: string): string => text.replace(/[\r\n]/g, ' ');

/** The tables that hold rows of the ones named: partitions of partitioned tables, at any depth, and the named ones themselves. */
export function withPartitions<T extends TableName & { readonly parents: readonly TableName[]; readonly bound: string | null }>(
  tables: readonly T[],
  named: readonly TableName[],
): readonly T[] {
  const found = new Set(named.map(rowsKey));
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const table of tables) if (table.bound !== null && table.parents.some((parent) => found.has(rowsKey(parent)))) found.add(rowsKey(table));
  }
  return tables.filter((table) => found.has(rowsKey(table)));
}
