import { ModosuError } from '../contracts/errors';

/**
 * The one text of a value: JSON with sorted keys (by UTF-16 code units, as in RFC 8785) and no white space. Two values with the same content give the
 * same text, whatever the order in which their properties were set, so that a hash over it binds to the content.
 *
 * Properties that are `undefined` are dropped, as JSON does. Anything JSON would change or lose without a word is refused
 * with `INTERNAL` and the path: `undefined` in an array, NaN and infinities, functions, symbols, bigints, dates, maps, other
 * class instances, cycles.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$', new Set());
}

function write(value: unknown, path: string, ancestors: Set<object>): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw refusal(path, String(value));
    return JSON.stringify(value);
  }
  if (typeof value !== 'object') throw refusal(path, typeof value);
  if (ancestors.has(value)) throw refusal(path, 'a cycle');
  ancestors.add(value);
  const text = Array.isArray(value) ? writeArray(value, path, ancestors) : writeObject(value, path, ancestors);
  ancestors.delete(value);
  return text;
}

function writeArray(items: readonly unknown[], path: string, ancestors: Set<object>): string {
  const parts: string[] = [];
  // By index: map() would skip holes.
  for (let index = 0; index < items.length; index += 1) parts.push(write(items[index], `${path}[${index}]`, ancestors));
  return `[${parts.join(',')}]`;
}

function writeObject(value: object, path: string, ancestors: Set<object>): string {
  if (!isPlain(value)) throw refusal(path, value.constructor.name);
  const parts: string[] = [];
  const properties = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(properties).sort()) {
    const property = properties[key];
    if (property !== undefined) parts.push(`${JSON.stringify(key)}:${write(property, `${path}.${key}`, ancestors)}`);
  }
  return `{${parts.join(',')}}`;
}

/** By shape, not by identity of `Object.prototype`: workflows and tests run in realms of their own. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

const refusal = (path: string, what: string): ModosuError =>
  new ModosuError('INTERNAL', `${path} cannot be written as canonical JSON: ${what}`, { context: { path } });
