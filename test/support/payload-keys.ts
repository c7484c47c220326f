import type { PayloadKeys } from '../../src/temporal/payload-keys';

/** Keys without a file. */
export function payloadKeysOf(current: string, keys: Readonly<Record<string, Buffer>>): PayloadKeys {
  const key = keys[current];
  if (key === undefined) throw new Error(`There is no payload key "${current}".`);
  return { current: { id: current, key }, byId: new Map(Object.entries(keys)) };
}
