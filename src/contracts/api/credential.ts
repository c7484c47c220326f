import { z } from 'zod';
import { SECRET_VERSION_STATES, type CredentialReference, type CredentialVersion, type PlannedCredential } from '../credential';
import { timestamp } from './common';

/** References to credentials, as recovery points and plans show them. A value stands in none of them. */

const place = {
  account: z.string().meta({ description: 'As the operating system of the server names it.' }),
  store: z.string().meta({ description: 'Name of the secret store.' }),
  path: z.string().meta({ description: 'Where in the store.' }),
};

const createdAt = timestamp.nullable().meta({ description: "When the store got it, by the store's clock; null: it does not say." });
const problem = z.string().nullable().meta({ description: 'Code of the error that the store gave instead of a version.' });

export const credentialReferenceSchema = z
  .object({ ...place, version: z.string().nullable().meta({ description: 'null: the store did not say; see problem.' }), createdAt, problem })
  .meta({ id: 'CredentialReference' }) satisfies z.ZodType<CredentialReference>;

const credentialVersionSchema = z.object({ version: z.string(), createdAt }).meta({ id: 'CredentialVersion' }) satisfies z.ZodType<CredentialVersion>;

export const plannedCredentialSchema = z
  .object({
    ...place,
    field: z.string(),
    then: credentialReferenceSchema.nullable().meta({ description: 'When the recovery point was taken; null: it remembers nothing of this account.' }),
    thenState: z.enum(SECRET_VERSION_STATES).nullable().meta({ description: 'Whether that version can still be read; null: not known.' }),
    now: credentialVersionSchema.nullable().meta({ description: 'null: the store did not say; see problem.' }),
    problem,
    changed: z.enum(['yes', 'no', 'unknown']),
    isSet: z.boolean().meta({ description: 'Whether the run sets the value that is current when it comes to that, before go-live.' }),
  })
  .meta({ id: 'PlannedCredential' }) satisfies z.ZodType<PlannedCredential>;
