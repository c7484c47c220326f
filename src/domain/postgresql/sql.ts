/** Quoting for PostgreSQL: whatever stands in a name or a value, it stays one. All assume standard_conforming_strings and UTF-8. */

/** A name as SQL: always in double quotes. */
export const identifier = (name: string): string => `"${withoutNul(name).replaceAll('"', '""')}"`;

export const qualified = ({ schema, name }: { readonly schema: string; readonly name: string }): string => `${identifier(schema)}.${identifier(name)}`;

/** A text as SQL. */
export const literal = (text: string): string => `'${withoutNul(text).replaceAll("'", "''")}'`;

export const literals = (texts: readonly string[]): string => texts.map(literal).join(', ');

/** A connection string of libpq. */
export const connectionString = (parameters: Readonly<Record<string, string>>): string =>
  Object.entries(parameters)
    .map(([keyword, value]) => `${keyword}='${withoutNul(value).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
    .join(' ');

/** A name as a pattern for pg_dump's `-n` and `-t`: in double quotes nothing in it is a wildcard. */
export const pattern = (...parts: readonly string[]): string => parts.map(identifier).join('.');

/** PostgreSQL knows no NUL in any text; a program's argument or a literal would end at it. */
function withoutNul(text: string): string {
  if (text.includes('\0')) throw new TypeError('A NUL cannot stand in a name or text of PostgreSQL.');
  return text;
}

/** Settings whose value is a list of names that PostgreSQL stores as it quoted them (pg_dump's own list): each name is given as a text of its own. */
const LISTS_OF_NAMES = [
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
];

/** `name=value`, as pg_db_role_setting holds it, as what follows `SET`. Null: it is none. */
export function settingClause(setting: string): string | null {
  const at = setting.indexOf('=');
  const name = setting.slice(0, at);
  if (at <= 0 || !/^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)*$/.test(name)) return null;
  const value = setting.slice(at + 1);
  const quoted = name.split('.').map(identifier).join('.');
  if (!LISTS_OF_NAMES.includes(name.toLowerCase())) return `${quoted} TO ${literal(value)}`;
  const names = splitNames(value);
  if (names === null) return null;
  return names.length === 0 ? `${quoted} TO ''` : `${quoted} TO ${literals(names)}`;
}

/** `"$user", public` as its names; null when it is no such list. */
function splitNames(list: string): string[] | null {
  const names: string[] = [];
  let rest = list.trim();
  while (rest !== '') {
    const found = /^(?:"((?:[^"]|"")*)"|([^",\s][^",]*?))\s*(?:,\s*|$)/.exec(rest);
    if (found === null) return null;
    names.push(found[1] === undefined ? (found[2] ?? '') : found[1].replaceAll('""', '"'));
    rest = rest.slice(found[0].length);
  }
  return names;
}
