/** Control characters (C0, C1), and those that reorder or hide text: names and guest output may hold them. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Text from elsewhere on one line of a terminal. */
export const plain = (text: string): string => text.replace(/[\r\n\t]+/g, ' ').replace(UNSAFE, '');

/** Serialised data for a terminal or a file: the same characters as escapes, which JSON and quoted YAML read back. Line feeds stay. */
export const escapeUnsafe = (text: string): string =>
  text.replace(UNSAFE, (character) => (character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`));

export const isUnsafe = (text: string): boolean => new RegExp(UNSAFE.source, 'u').test(text);

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Columns a text takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += /\p{M}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - displayWidth(text)));

/** Columns of equal width, two spaces apart; the last one is not padded. */
export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [headers, ...rows.map((row) => row.map(plain))];
  const widths = headers.map((_, column) => Math.max(...cells.map((row) => displayWidth(row[column] ?? ''))));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : padEnd(cell, widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/** `name   value` lines; values may have several lines. */
export function fields(entries: readonly (readonly [string, string | readonly string[]])[], indent = ''): string {
  const width = Math.max(...entries.map(([name]) => displayWidth(name)));
  return entries
    .flatMap(([name, value]) => {
      const values = typeof value === 'string' ? [value] : value;
      return values.map((text, index) => `${indent}${padEnd(index === 0 ? name : '', width)}  ${plain(text)}`.trimEnd());
    })
    .join('\n');
}

/** `2026-01-31 12:03:07Z`; always UTC. */
export function utc(timestamp: string | null): string {
  if (timestamp === null) return '-';
  const at = new Date(timestamp);
  return Number.isNaN(at.getTime())
    ? plain(timestamp)
    : at
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z');
}

/** `12:03:07Z`. */
export const clock = (at: Date): string => at.toISOString().slice(11, 19) + 'Z';
