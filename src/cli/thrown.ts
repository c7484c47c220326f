/** What was thrown, in words. By shape: errors of Node's own parts are not always instances of this realm's `Error`. */
export const messageOf = (thrown: unknown): string => textProperty(thrown, 'message') ?? String(thrown);

/** Node's error code, such as `ECONNREFUSED`. */
export const codeOf = (thrown: unknown): string | null => textProperty(thrown, 'code');

export const causeOf = (thrown: unknown): unknown => (isObject(thrown) ? thrown['cause'] : undefined);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;

function textProperty(thrown: unknown, name: string): string | null {
  const value = isObject(thrown) ? thrown[name] : undefined;
  return typeof value === 'string' ? value : null;
}
