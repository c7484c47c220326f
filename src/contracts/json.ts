/** JSON that others have written, or that a power cut may have cut off: looked at piece by piece, never trusted to be what was expected. */

/** What the text says; undefined for what is no JSON. Without the parser's message, which quotes the text: it may be a secret. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The value when it is an object; an empty one for anything else, a list too. What is asked of it is unknown or undefined. */
export const asRecord = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {};

/** A whole number from 0 on that JavaScript holds exactly. */
export const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
