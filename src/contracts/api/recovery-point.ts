import { z } from 'zod';
import { CONSISTENCIES, RECOVERY_POINT_STATES, type RecoveryPointView } from '../recovery-point';
import type { RecoveryPointVerification } from '../verification';
import { credentialReferenceSchema } from './credential';
import { dataContentSchema } from './data';
import { dataSetSchema } from './protection';
import { pageQueryFields, reason, serverQueryField, timestamp } from './common';
import { recoveryPointCopySchema } from './offsite';
import { readingMethod } from './verification';

const recoveryPointVerificationSchema = z
  .object({
    state: z
      .enum(['unverified', 'verified', 'corrupt', 'unreachable'])
      .meta({ description: 'unreachable: the last look found its repository away; says nothing about its bytes.' }),
    method: readingMethod.nullable().meta({ description: 'How it last passed; null: never.' }),
    at: timestamp.nullable(),
    problem: z
      .object({ code: z.string(), message: z.string(), at: timestamp.nullable() })
      .nullable()
      .meta({ description: 'Why the last look could not be carried out, or what is damaged.' }),
    boot: z
      .object({
        state: z.enum(['passed', 'failed']),
        at: timestamp,
        seconds: z.number().nullable().meta({ description: 'From the start of its virtual machine until its agent answered.' }),
        problem: z.object({ code: z.string(), message: z.string() }).nullable(),
      })
      .nullable()
      .meta({ description: 'The last time that the image was booted for a proof; null: never.' }),
  })
  .meta({ id: 'RecoveryPointVerification' }) satisfies z.ZodType<RecoveryPointVerification>;

const recoveryPointState = z.enum(RECOVERY_POINT_STATES).meta({
  description: 'expired: no rule keeps it any more; it is still there, and a hold has it back. deleted: its files are gone, or going.',
});

const commonFields = {
  id: z.string(),
  serverId: z.string(),
  serverName: z.string(),
  state: recoveryPointState,
  pointInTime: timestamp,
  publishedAt: timestamp,
  expiredAt: timestamp.nullable().meta({ description: 'Since when no rule keeps it.' }),
  deletesAt: timestamp.nullable().meta({ description: 'When it is removed for good; null: it is kept, or is data that nobody can remove.' }),
  deletedAt: timestamp.nullable(),
  sizeBytes: z.number().meta({ description: 'Images: bytes taken in the repository. Data: bytes before deduplication.' }),
  reason: z.string(),
  runId: z.string(),
  hold: z
    .object({ reason: z.string(), by: z.string(), at: timestamp })
    .nullable()
    .meta({ description: "A person's word that it stays; null: its policy alone says how long." }),
  verification: recoveryPointVerificationSchema,
  copies: z.array(recoveryPointCopySchema).optional().meta({ description: 'Copies in off-site repositories. Left out where it is a part of something else.' }),
  credentials: z
    .array(credentialReferenceSchema)
    .optional()
    .meta({ description: 'Which versions of the credentials were valid. Left out: none was declared, or an earlier version has taken it.' }),
};

export const imageRecoveryPointSchema = z
  .object({
    kind: z.literal('image'),
    ...commonFields,
    generation: z.int(),
    lineageId: z.string(),
    parentId: z.string().nullable().meta({ description: 'Id of the recovery point it builds on, and is nothing without; null: it is a full.' }),
    consistency: z.enum(CONSISTENCIES),
    setId: z.string().nullable().meta({ description: 'Id of the backup set it was taken with; null: it was taken alone.' }),
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

export const recoveryPointQuerySchema = z.strictObject({
  server: serverQueryField,
  state: recoveryPointState.optional().meta({ description: 'Left out: all but those that are deleted.' }),
  ...pageQueryFields,
});
export type RecoveryPointQuery = z.output<typeof recoveryPointQuerySchema>;
