import { z } from 'zod';
import { FACT_KINDS, FACT_LIMITS, type ServerFacts } from '../../contracts/facts';

/** `facts.json` of a recovery point. What a guest has told, written by us; read again with the eyes of somebody who did not write it. */

const text = z.string().max(FACT_LIMITS.characters);
const kind = z.enum(FACT_KINDS);
const error = z.object({
  code: z.string().max(100),
  message: z.string().max(4096),
  hint: z.string().max(4096),
});
const section = z.discriminatedUnion('state', [
  z.object({
    kind,
    state: z.literal('collected'),
    entries: z.array(z.object({ key: text, value: text })).max(FACT_LIMITS.packages),
    truncated: z.boolean(),
  }),
  z.object({ kind, state: z.literal('failed'), error }),
]);

const factsSchema = z.object({
  format: z.literal('modosu-server-facts'),
  version: z.literal(1),
  collectedAt: z.iso.datetime(),
  family: z.enum(['debian', 'rhel', 'linux']),
  sections: z.array(section).max(FACT_KINDS.length),
});

export const renderFacts = (facts: ServerFacts): string => `${JSON.stringify(facts, null, 1)}\n`;

/** Null: these are none that this version can read. Nothing of a restore depends on them. */
export function parseFacts(bytes: Uint8Array): ServerFacts | null {
  try {
    const parsed = factsSchema.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
    return parsed.success ? (parsed.data as ServerFacts) : null;
  } catch {
    return null;
  }
}
