/** What the clients of databases print, as values of the first column. Pure. */

const FIELD = '\u001f';
const ROW = '\0';

/** Of psql with a zero byte after each row, and between columns a character that no marker may have. */
export function psqlValues(output: string): readonly string[] {
  if (output === '') return [];
  const rows = (output.endsWith(ROW) ? output.slice(0, -1) : output).split(ROW);
  return rows.map((row) => row.split(FIELD, 1)[0] ?? '');
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '0': '\0', '\\': '\\' };

/** Of mysql in batch mode: lines, tabs, and a backslash before what would be taken for one. NULL, which it writes so, is empty as with psql. */
export function mysqlValues(output: string): readonly string[] {
  if (output === '') return [];
  const rows = output.replace(/\n$/, '').split('\n');
  return rows.map((row) => {
    const [first = ''] = row.split('\t', 1);
    return first === 'NULL' ? '' : first.replace(/\\(.)/g, (escape, letter: string) => ESCAPES[letter] ?? escape);
  });
}

/** A row a line. A value with lines itself, such as the file of a timeline, is several. */
export const linesOf = (values: readonly string[]): string => values.join('\n');
