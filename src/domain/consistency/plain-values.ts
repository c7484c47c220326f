import { unreadable } from './unreadable';

/** Values that are only the same or not: `orderByEquality` compares them. */

const SHA256_PREFIX = 'sha256:';
const SHA256_DIGITS = 64;

/** In lower case, without `sha256:`, which may stand before 64 digits. Throws `MARKER_UNREADABLE` for what is not the hexadecimal form of 4 to 64 bytes. */
export function readHash(text: string): string {
  const lower = text.toLowerCase();
  const hex = lower.startsWith(SHA256_PREFIX) ? lower.slice(SHA256_PREFIX.length) : lower;
  if (!/^(?:[0-9a-f]{2}){4,64}$/.test(hex)) throw unreadable('hash', text, 'it is not 8 to 128 hexadecimal digits');
  if (hex !== lower && hex.length !== SHA256_DIGITS) throw unreadable('hash', text, 'a SHA-256 has 64 digits');
  return hex;
}

/**
 * Without white space at its ends and at the ends of its lines; indentation stays. Throws `MARKER_UNREADABLE` for nothing at all: two probes that failed without
 * a word would say the same.
 */
export function readText(text: string): string {
  const lines = text.split('\n').map((line) => line.trimEnd());
  const plain = lines.join('\n').trim();
  if (plain === '') throw unreadable('text', text, 'it is empty');
  return plain;
}

const BOOLEANS: ReadonlyMap<string, 'true' | 'false'> = new Map([
  ...['t', 'true', 'yes', 'on', '1'].map((word) => [word, 'true'] as const),
  ...['f', 'false', 'no', 'off', '0'].map((word) => [word, 'false'] as const),
]);

/** `true` or `false`, of the words that PostgreSQL and other programs have for them, in any case. Throws `MARKER_UNREADABLE`. */
export function readBoolean(text: string): string {
  const value = BOOLEANS.get(text.toLowerCase());
  if (value === undefined) throw unreadable('boolean', text, 'it is none of t, f, true, false, yes, no, on, off, 1, 0');
  return value;
}
