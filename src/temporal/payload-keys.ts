import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { ModosuError } from '../contracts/errors';
import { parseJson } from '../contracts/json';
import { createFileDurably } from '../system/files';

/** AES-256 keys by id. New payloads use `current`; older ones stay so that older histories can be read. */
export interface PayloadKeys {
  readonly current: { readonly id: string; readonly key: Buffer };
  readonly byId: ReadonlyMap<string, Buffer>;
}

const key = z.string().refine((value) => Buffer.from(value, 'base64').length === 32, 'must be 32 bytes in base64');
const fileSchema = z
  .strictObject({ current: z.string(), keys: z.record(z.string().regex(/^[A-Za-z0-9._-]{1,64}$/), key) })
  .refine((file) => Object.hasOwn(file.keys, file.current), { path: ['current'], message: 'must name one of the keys' });

/**
 * Reads the key file. Throws `CONFIG_INVALID` when it is missing, malformed, or readable for others than its owner.
 */
export function loadPayloadKeys(path: string): PayloadKeys {
  const fail = (problem: string, cause?: unknown): never => {
    throw new ModosuError('CONFIG_INVALID', `The payload key file ${path} ${problem}.`, {
      hint: '`modosu up` makes the file at its first start. Copy the same file to every machine, with mode 0600, or name it with MODOSU_PAYLOAD_KEYS_FILE.',
      context: { variable: 'MODOSU_PAYLOAD_KEYS_FILE', path },
      cause,
    });
  };
  let text: string;
  try {
    if ((statSync(path).mode & 0o077) !== 0) fail('can be read by others; its mode must be 0600');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ModosuError) throw error;
    return fail('cannot be read', error);
  }
  const parsed = fileSchema.safeParse(parseJson(text));
  if (!parsed.success) return fail(`is malformed (${parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')})`);
  const byId = new Map(Object.entries(parsed.data.keys).map(([id, value]) => [id, Buffer.from(value, 'base64')]));
  const current = byId.get(parsed.data.current);
  if (current === undefined) return fail('is malformed');
  return { current: { id: parsed.data.current, key: current }, byId };
}

/** Makes the key file with one new key (mode 0600) unless it is there. Never replaces one: older histories would become unreadable. */
export async function ensurePayloadKeys(path: string, now: Date): Promise<void> {
  const id = `k${now.toISOString().slice(0, 10).replaceAll('-', '')}`;
  await createFileDurably(path, `${JSON.stringify({ current: id, keys: { [id]: randomBytes(32).toString('base64') } }, null, 2)}\n`);
}
