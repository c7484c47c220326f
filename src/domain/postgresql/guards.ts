import { ModosuError } from '../../contracts/errors';

/** Guards for what a guest has written: every one throws `Unreadable` with the path of what is wrong, never with the value. */
export class Unreadable extends Error {}

export type Guard<T> = (value: unknown, at: string) => T;

const refuse = (at: string, what: string): never => {
  throw new Unreadable(`${at} is not ${what}`);
};

export const text =
  (maxLength: number): Guard<string> =>
  (value, at) =>
    typeof value === 'string' && value.length <= maxLength && !value.includes('\0') ? value : refuse(at, `a text of at most ${maxLength} characters`);

/** PostgreSQL's names have at most 63 bytes unless it was built otherwise. */
export const name: Guard<string> = (value, at) => {
  const found = text(255)(value, at);
  return found === '' ? refuse(at, 'a name') : found;
};

export const matching =
  (pattern: RegExp): Guard<string> =>
  (value, at) =>
    typeof value === 'string' && pattern.test(value) ? value : refuse(at, `of the form ${pattern.source}`);

export const integer =
  (min: number, max: number = Number.MAX_SAFE_INTEGER): Guard<number> =>
  (value, at) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max ? value : refuse(at, `a whole number from ${min} to ${max}`);

export const flag: Guard<boolean> = (value, at) => (typeof value === 'boolean' ? value : refuse(at, 'true or false'));

export const oneOf =
  <T extends string>(...values: readonly T[]): Guard<T> =>
  (value, at) =>
    values.find((known) => known === value) ?? refuse(at, values.join(' or '));

export const nullable =
  <T>(guard: Guard<T>): Guard<T | null> =>
  (value, at) =>
    value === null ? null : guard(value, at);

export const list =
  <T>(guard: Guard<T>, maxItems: number): Guard<readonly T[]> =>
  (value, at) =>
    Array.isArray(value) && value.length <= maxItems ? value.map((item, index) => guard(item, `${at}[${index}]`)) : refuse(at, `a list of at most ${maxItems}`);

/** An object with exactly these fields. */
export const record =
  <T extends object>(guards: { readonly [K in keyof T]: Guard<T[K]> }): Guard<T> =>
  (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(at, 'an object');
    const unknown = Object.keys(value).find((key) => !Object.hasOwn(guards, key));
    if (unknown !== undefined) return refuse(at, 'an object of known fields');
    const fields = Object.entries(guards as Record<string, Guard<unknown>>).map(([key, guard]) => [
      key,
      guard((value as Record<string, unknown>)[key], `${at}.${key}`),
    ]);
    return Object.fromEntries(fields) as T;
  };

/** Lines of JSON, one value each. Throws `AGENT_COMMAND_FAILED`: what answers is not what was asked. */
export function jsonLines<T>(output: string, guard: Guard<T>): readonly T[] {
  const lines = output.split('\n').filter((line) => line !== '');
  try {
    return lines.map((line, index) => guard(JSON.parse(line), `line ${index + 1}`));
  } catch (error) {
    if (error instanceof Unreadable || error instanceof SyntaxError) {
      throw new ModosuError(
        'AGENT_COMMAND_FAILED',
        `The guest gave an answer that cannot be read: ${error instanceof Unreadable ? error.message : 'no JSON'}.`,
      );
    }
    throw error;
  }
}
