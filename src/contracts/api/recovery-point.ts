import { z } from 'zod';
import type { RecoveryPointView } from '../recovery-point';
import type { RecoveryPointVerification } from '../verification';
import { dataContentSchema } from './data';
import { dataSetSchema } from './protection';
import { pageQueryFields, reason, serverQueryField, timestamp } from './common';
import { verificationMethod } from './verification';

const recoveryPointVerificationSchema = z
  .object({
    state: z
      .enum(['unverified', 'verified', 'corrupt', 'unreachable'])
      .meta({ description: 'unreachable: the last look found its repository away; says nothing about its bytes.' }),
    method: verificationMethod.nullable().meta({ description: 'How it last passed; null: never.' }),
    at: timestamp.nullable(),
    problem: z
      .object({ code: z.string(), message: z.string(), at: timestamp.nullable() })
      .nullable()
      .meta({ description: 'Why the last look could not be carried out, or what is damaged.' }),
  })
  .meta({ id: 'RecoveryPointVerification' }) satisfies z.ZodType<RecoveryPointVerification>;

const commonFields = {
  id: z.string(),
  serverId: z.string(),
  serverName: z.string(),
  state: z.enum(['usable', 'damaged']),
  pointInTime: timestamp,
  publishedAt: timestamp,
  sizeBytes: z.number().meta({ description: 'Images: bytes taken in the repository. Data: bytes before deduplication.' }),
  reason: z.string(),
  runId: z.string(),
  hold: z
    .object({ reason: z.string(), by: z.string(), at: timestamp })
    .nullable()
    .meta({ description: "A person's word that it stays; null: its policy alone says how long." }),
  verification: recoveryPointVerificationSchema,
};

export const imageRecoveryPointSchema = z
  .object({
    kind: z.literal('image'),
    ...commonFields,
    generation: z.int(),
    lineageId: z.string(),
    consistency: z.enum(['offline', 'application', 'filesystem', 'crash']),
    repository: z.string(),
    disks: z.array(z.object({ target: z.string(), virtualSizeBytes: z.number(), storedBytes: z.number() })),
  })
  .meta({ id: 'ImageRecoveryPoint' });

export const dataRecoveryPointSchema = z
  .object({
    kind: z.literal('data'),
    ...commonFields,
    dataSet: z.string(),
    purpose: z.enum(['backup', 'safety']).meta({ description: 'safety: taken of what was there before a restore; never chosen by itself, only by its id.' }),
    snapshotId: z.string(),
    addedBytes: z.number().meta({ description: 'Bytes it has added to the data repository.' }),
    declared: dataSetSchema.meta({ description: 'The data set as it was declared then.' }),
    content: dataContentSchema,
  })
  .meta({ id: 'DataRecoveryPoint' });

export const recoveryPointViewSchema = z
  .discriminatedUnion('kind', [imageRecoveryPointSchema, dataRecoveryPointSchema])
  .meta({ id: 'RecoveryPoint' }) satisfies z.ZodType<RecoveryPointView>;

/** Why a recovery point is held, or need not be any more. */
export const holdRequestSchema = z.strictObject({ reason }).meta({ id: 'HoldRequest' });
export type HoldRequest = z.output<typeof holdRequestSchema>;

export const recoveryPointQuerySchema = z.strictObject({ server: serverQueryField, ...pageQueryFields });
export type RecoveryPointQuery = z.output<typeof recoveryPointQuerySchema>;
