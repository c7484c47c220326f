import { storableText } from '../contracts/text';

export { storableText };

/**
 * What PostgreSQL can hold and people can read, of text that others wrote. Guest output and error messages are hostile: PostgreSQL refuses NUL in text and lone
 * surrogates in JSON, and one runaway message must neither fail the transaction that records it nor fill the audit.
 */

const MAX_ITEMS = 200;
const MAX_DEPTH = 8;
const MAX_TOTAL_BYTES = 256 * 1024;
const CUT = '… (cut)';

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * `value` as JSON that can be stored and read back unchanged: texts as in `storableText`, long lists and deep trees cut,
 * undefined properties dropped. What JSON does not know becomes text. Never throws for data.
 */
export function storableJson(value: unknown): Json {
  const json = clean(value, 0);
  const sizeBytes = Buffer.byteLength(JSON.stringify(json));
  return sizeBytes <= MAX_TOTAL_BYTES ? json : { cut: true, sizeBytes };
}

/** The same for an object. */
export function storableObject(value: Readonly<Record<string, unknown>>): Readonly<Record<string, Json>> {
  return storableJson(value) as Readonly<Record<string, Json>>;
}

function clean(value: unknown, depth: number): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return storableText(value);
  if (typeof value === 'boolean') return value;
  // JSON writes -0 as 0: written so from the start, what is read back is what was hashed.
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : String(value);
  if (typeof value !== 'object') return storableText(String(value), 256);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (depth >= MAX_DEPTH) return CUT;
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item) => clean(item, depth + 1));
    return value.length > MAX_ITEMS ? [...items, `… ${value.length - MAX_ITEMS} more`] : items;
  }
  const entries = Object.entries(value).filter(([, property]) => property !== undefined && typeof property !== 'function');
  return Object.fromEntries(entries.slice(0, MAX_ITEMS).map(([key, property]) => [storableText(key, 256), clean(property, depth + 1)]));
}
