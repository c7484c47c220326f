/**
 * Text from elsewhere: what people type, what guests and programs say, what files name. Two questions to ask of what comes in,
 * one form for what is stored, and two for what is shown. What a terminal is sent of names in any script is `plain` in src/cli/output/text.ts (it keeps the joiners
 * that some scripts need); what PostgreSQL can hold of values that are no text is `storableJson` in src/audit/storable.ts.
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

/** Bytes of UTF-8. Long enough for a stack of nested messages, short enough for ten thousand of them. */
const MAX_STORED_BYTES = 4096;
const CUT = '… (cut)';

/** `text` without NUL bytes and lone surrogates, which PostgreSQL refuses, cut to `maxBytes` of UTF-8 (never inside a character). */
export function storableText(text: string, maxBytes: number = MAX_STORED_BYTES): string {
  // No character is shorter than one byte: slicing first keeps a huge text from being copied and measured whole.
  const sliced = text.length > maxBytes + 1 ? text.slice(0, maxBytes + 1) : text;
  const clean = sliced.replaceAll('\u0000', '').replace(/\p{Cs}/gu, '\ufffd');
  if (sliced.length === text.length && Buffer.byteLength(clean) <= maxBytes) return clean;
  let kept = '';
  let keptBytes = Buffer.byteLength(CUT);
  for (const character of clean) {
    keptBytes += Buffer.byteLength(character);
    if (keptBytes > maxBytes) break;
    kept += character;
  }
  return kept + CUT;
}

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
