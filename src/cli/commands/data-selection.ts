import type { DataSelection, DataSet, TableName } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';

/** What the options of `restore plan --scenario data` say is to come back. */
export interface SelectionFlags {
  readonly table?: readonly string[];
  readonly schema?: readonly string[];
  readonly path?: readonly string[];
  readonly database?: string;
  readonly whole?: boolean;
  readonly replace?: boolean;
}

/**
 * The selection for a data set; `declared` is undefined for one that is not declared any more: then the options decide what it holds. Throws `USAGE`.
 */
export function selectionOf(flags: SelectionFlags, declared: DataSet | undefined): DataSelection {
  const { table = [], schema = [], path = [], database, whole = false, replace = false } = flags;
  const ofDatabase = table.length > 0 || schema.length > 0 || database !== undefined || whole;
  if (ofDatabase && path.length > 0) throw usage('--path is for files; --table, --schema, --database and --whole are for databases.');
  const kind = declared?.kind ?? (ofDatabase ? 'postgresql' : 'files');
  if (kind === 'files') {
    if (ofDatabase) throw usage(`The data set "${declared?.name ?? ''}" holds files: use --path, or nothing for all of them.`);
    return { kind: 'files', paths: [...path], replace };
  }
  if (path.length > 0) throw usage(`The data set "${declared?.name ?? ''}" holds databases: use --table, --schema or --whole.`);
  if (whole === (table.length > 0 || schema.length > 0)) {
    throw usage('Say what is to come back: --table TABLE, --schema SCHEMA, or the whole database with --whole.');
  }
  return { kind: 'postgresql', database: database ?? onlyDatabase(declared), tables: table.map(tableName), schemas: [...schema], whole, replace };
}

function onlyDatabase(declared: DataSet | undefined): string {
  const databases = declared?.kind === 'postgresql' ? declared.databases : [];
  const [only] = databases;
  if (databases.length === 1 && only !== undefined) return only;
  throw usage(
    databases.length === 0
      ? 'Name the database: --database NAME.'
      : `The data set holds several databases; name one of them with --database: ${databases.join(', ')}.`,
  );
}

/** `orders`, `sales.orders`, or in double quotes as SQL has them: `"My Schema"."we""ird"`. Letters are taken as they are; without a schema it is `public`. */
export function tableName(text: string): TableName {
  const parts: string[] = [];
  for (let rest = text; ;) {
    const quoted = /^"((?:[^"]|"")+)"/.exec(rest);
    const bare = quoted ?? /^([^".]+)/.exec(rest);
    if (bare === null) break;
    parts.push(quoted === null ? (bare[1] ?? '') : (quoted[1] ?? '').replaceAll('""', '"'));
    rest = rest.slice(bare[0].length);
    if (rest === '') return nameOf(parts, text);
    if (!rest.startsWith('.')) break;
    rest = rest.slice(1);
  }
  throw usage(`"${text}" is not the name of a table.`);
}

function nameOf(parts: readonly string[], text: string): TableName {
  const [first, second] = parts;
  if (parts.length === 1 && first !== undefined) return { schema: 'public', name: first };
  if (parts.length === 2 && first !== undefined && second !== undefined) return { schema: first, name: second };
  throw usage(`"${text}" has too many parts for the name of a table: SCHEMA.TABLE.`);
}

const usage = (message: string): ModosuError => new ModosuError('USAGE', message, { hint: 'See `modosu restore plan --help`.' });
