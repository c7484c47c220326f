import { z } from 'zod';
import type { SecretVersionState } from '../../contracts/credential';
import { asRecord } from '../../contracts/json';

/**
 * What Vault and OpenBao answer of an engine KV version 2. Sources: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and
 * https://openbao.org/api-docs/secret/kv/kv-v2/; of a version that is not there, path_data.go of vault-plugin-secrets-kv: 404, with the version's metadata when it was
 * deleted or destroyed, and with nothing but an empty list of errors when there is no such version, or nothing at all.
 */

const versionRecord = z.object({ created_time: z.string(), deletion_time: z.string(), destroyed: z.boolean() });
export type VaultVersion = z.output<typeof versionRecord>;

export const metadataAnswer = z.object({
  data: z.object({ current_version: z.int().min(0), versions: z.record(z.string().regex(/^\d{1,10}$/), versionRecord) }),
});

const readVersion = versionRecord.extend({ version: z.int().min(1) });

/** `data.data` is null of a version that is not there any more. */
export const dataAnswer = z.object({ data: z.object({ data: z.record(z.string(), z.unknown()).nullable(), metadata: readVersion }) });
export type VaultData = z.output<typeof dataAnswer>['data'];

/** A deletion that is planned (`delete_version_after`) stands there from the beginning, with a time that is still to come. */
export function stateOf({ destroyed, deletion_time: deletedAt }: VaultVersion, now: Date): Exclude<SecretVersionState, 'unknown'> {
  if (destroyed) return 'destroyed';
  return deletedAt !== '' && !(Date.parse(deletedAt) > now.getTime()) ? 'deleted' : 'there';
}

/** ISO 8601 in UTC, to the millisecond; null for what is no time. Vault writes nanoseconds. */
export function timeOf(text: string): string | null {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

/** What is in the way, as far as Vault's own words say it. They are compared and never shown: whoever answers in Vault's place might repeat what it was sent. */
export function refusalIn(body: unknown): 'sealed' | 'no-engine' | 'upgrading' | null {
  const { errors, sealed } = asRecord(body);
  if (sealed === true) return 'sealed';
  const words = Array.isArray(errors) ? errors.filter((error) => typeof error === 'string').join('\n') : '';
  if (/\bis sealed\b/i.test(words)) return 'sealed';
  if (/\bno handler for route\b|\bunsupported path\b/i.test(words)) return 'no-engine';
  return /\bupgrad(?:e|ing) from non-versioned\b/i.test(words) ? 'upgrading' : null;
}
