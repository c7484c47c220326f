/**
 * Text from elsewhere: what people type, what guests and programs say, what files name. Two questions to ask of what comes in,
 * and two forms for what is shown. What a terminal is sent of names in any script is `plain` in src/cli/output/text.ts (it keeps the joiners
 * that some scripts need); what PostgreSQL can hold of anything is `storableText` in src/audit/storable.ts.
 */

/**
 * Whether it holds a control character that ends a line, a field or an argument somewhere (C0, DEL). For names and paths that others have made already: the
 * controls of C1 pass, because as UTF-8 they end nothing, and a file or a table may have them in its name.
 */
export const hasControlCharacters = (text: string): boolean => /[\u0000-\u001f\u007f]/.test(text);

/**
 * Whether it is one line that people can read and PostgreSQL can store: no control characters of any kind and no half of a surrogate pair, which JSON in
 * PostgreSQL refuses. For what people declare and type.
 */
export const isOneLine = (text: string): boolean => !/[\p{Cc}\p{Cs}]/u.test(text);

const MAX_WORDS = 300;

/**
 * What a guest or a program says, for people: on one line, without control, format and unassigned characters (they could forge lines of a log or steer a
 * terminal), at most `maxLength` characters, with "…" where it was cut. The beginning is kept; `keep: 'end'` for long complaints, whose end says more.
 */
export function cleanWords(text: string, maxLength = MAX_WORDS, { keep }: { readonly keep: 'beginning' | 'end' } = { keep: 'beginning' }): string {
  // A flood is cut before it is looked at; no character takes more than two units, and the rest is room for what goes away.
  const some = keep === 'end' ? text.slice(-maxLength * 4) : text.slice(0, maxLength * 4);
  const plain = Array.from(some.replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim());
  if (plain.length <= maxLength) return plain.join('');
  return keep === 'end' ? `…${plain.slice(-(maxLength - 1)).join('')}` : `${plain.slice(0, maxLength - 1).join('')}…`;
}

/** Some names in a sentence: at most `max` of them, each in quotes, cleaned and short. */
export function namesOf(names: readonly string[], max = 5): string {
  const shown = names.slice(0, max).map((name) => `"${cleanWords(name, 120)}"`);
  return names.length > max ? `${shown.join(', ')} and ${names.length - max} more` : shown.join(', ');
}

/** A value that was refused, for the message that refuses it: in quotes, its control characters as escapes, cut after `maxLength` of its characters. */
export function quoted(value: unknown, maxLength = 100): string {
  const text = String(value);
  return JSON.stringify(text.length > maxLength ? `${text.slice(0, maxLength)}…` : text);
}
