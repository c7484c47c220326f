import { z } from 'zod';
import { FACT_KINDS, FACT_LIMITS, type ServerFacts } from '../../contracts/facts';
import { isOneLine } from '../../contracts/text';

/**
 * `facts.json` of a recovery point. What a guest has told, written by us; read again with the eyes of somebody who did not write it: what PostgreSQL could not
 * hold would keep the recovery point itself out of the catalogue.
 */

const text = z.string().max(FACT_LIMITS.characters).refine(isOneLine);
const kind = z.enum(FACT_KINDS);
const words = z
  .string()
  .max(4096)
  .refine((said) => !/[\u0000\p{Cs}]/u.test(said));
const error = z.object({ code: z.string().regex(/^[A-Z][A-Z0-9_]{0,99}$/), message: words, hint: words });
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
  sections: z
    .array(section)
    .max(FACT_KINDS.length)
    .refine((sections) => new Set(sections.map((one) => one.kind)).size === sections.length),
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
