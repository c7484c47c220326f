import { z } from 'zod';
import type { SecretEnvironmentDeclaration, SecretFileDeclaration, SecretStoreDeclaration, VaultDeclaration } from '../credential';
import { PART_NAME_PATTERN, PART_NAME_RULE } from '../names';
import { oneLine } from './common';

/**
 * The file in which workers declare secret stores. Only its form is looked at here: whether an address or a path is one that may be used is the store's own
 * business (`openSecretStore`), so that a mistake in one store keeps nobody from the others.
 */
const name = z.string().regex(PART_NAME_PATTERN, PART_NAME_RULE);
const file = oneLine(1024);

const storeSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      name,
      kind: z.literal('vault'),
      address: oneLine(500),
      mount: oneLine(200).default('secret'),
      namespace: oneLine(200).optional(),
      tokenFile: file,
      caFile: file.optional(),
    }) satisfies z.ZodType<VaultDeclaration>,
    z.strictObject({ name, kind: z.literal('file'), path: file }) satisfies z.ZodType<SecretFileDeclaration>,
    z.strictObject({ name, kind: z.literal('environment'), prefix: oneLine(100) }) satisfies z.ZodType<SecretEnvironmentDeclaration>,
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? 'must be vault, file or environment' : undefined) },
) satisfies z.ZodType<SecretStoreDeclaration>;

export const secretStoresSchema = z.strictObject({
  stores: z
    .array(storeSchema)
    .max(50)
    .refine((stores) => new Set(stores.map((store) => store.name)).size === stores.length, 'names must be unique'),
});
