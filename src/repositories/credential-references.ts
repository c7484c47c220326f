import { z } from 'zod';
import { MOST_CREDENTIALS } from '../contracts/credential';
import { hasControlCharacters } from '../contracts/text';

/** What manifests of images and of data may say of credentials. Strict: nothing that could be a value has a place in it. */
const line = z
  .string()
  .max(4096)
  .refine((value) => !hasControlCharacters(value), 'has control characters');

export const credentialReferencesSchema = z
  .array(
    z.strictObject({
      account: line,
      store: line,
      path: line,
      version: line.min(1).nullable(),
      createdAt: z.iso.datetime().nullable(),
      problem: line.min(1).nullable(),
    }),
  )
  .min(1)
  .max(MOST_CREDENTIALS);
