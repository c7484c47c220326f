import { z } from 'zod';
import { OFFSITE_MEDIA } from '../offsite';
import {
  OFFSITE_COPY_STATES,
  OFFSITE_STATES,
  TRANSFER_KINDS,
  TRANSFER_STATES,
  type OffsiteRepositoryView,
  type RecoveryPointCopy,
  type TransferView,
} from '../offsite-copies';
import { errorSummarySchema, oneLine, pageQueryFields, reason, serverQueryField, timestamp } from './common';

/** Copies of recovery points in off-site repositories. */

const problem = z.object({ code: z.string(), message: z.string() });

export const recoveryPointCopySchema = z
  .object({
    offsite: z.string().meta({ description: 'Name of the off-site repository.' }),
    state: z.enum(OFFSITE_COPY_STATES).meta({
      description:
        'waiting: its turn, or its medium, has not come. failed: the last attempt did, and another one comes. damaged: it is not what was copied. deleted: no off-site rule keeps it.',
    }),
    copiedAt: timestamp.nullable().meta({ description: 'When the copy was whole; null: it never was.' }),
    sizeBytes: z.number().nullable().meta({ description: 'Of its files, before deduplication.' }),
    verifiedAt: timestamp.nullable().meta({ description: 'When a check of its repository last found it well.' }),
    problem: problem.nullable(),
    nextAttemptAt: timestamp.nullable(),
  })
  .meta({ id: 'RecoveryPointCopy' }) satisfies z.ZodType<RecoveryPointCopy>;

export const offsiteRepositorySchema = z
  .object({
    name: z.string(),
    location: z.string().meta({ description: 'Holds no credentials.' }),
    media: z.enum(OFFSITE_MEDIA),
    state: z.enum(OFFSITE_STATES).meta({ description: 'offline: a removable medium that is not connected; that is no fault. unknown: nobody has looked yet.' }),
    seenAt: timestamp.nullable().meta({ description: 'When it was last there and could be used.' }),
    lookedAt: timestamp.nullable(),
    askedForSince: timestamp.nullable().meta({ description: 'Since when it is away although something is to be copied to it, or fetched from it.' }),
    problem: problem.nullable(),
    copies: z.int(),
    bytes: z.number().meta({ description: 'Of all recovery points that are copied, before deduplication.' }),
    damaged: z.int().meta({ description: 'Copies that are not what was copied.' }),
  })
  .meta({ id: 'OffsiteRepository' }) satisfies z.ZodType<OffsiteRepositoryView>;

export const offsiteListSchema = z.object({ items: z.array(offsiteRepositorySchema) }).meta({ id: 'OffsiteRepositories' });

export const transferSchema = z
  .object({
    id: z.string(),
    kind: z.enum(TRANSFER_KINDS),
    offsite: z.string(),
    serverId: z.string().nullable(),
    serverName: z.string().nullable(),
    recoveryPointId: z.string().nullable().meta({ description: 'null: none was named.' }),
    state: z.enum(TRANSFER_STATES),
    waitsFor: z.string().nullable().meta({ description: 'Why it has not begun.' }),
    requestedBy: z.string().meta({ description: 'offsite: a policy asks for it.' }),
    reason: z.string(),
    requestedAt: timestamp,
    startedAt: timestamp.nullable(),
    finishedAt: timestamp.nullable(),
    doneBytes: z.number().nullable(),
    totalBytes: z.number().nullable(),
    error: errorSummarySchema.nullable(),
  })
  .meta({ id: 'Transfer' }) satisfies z.ZodType<TransferView>;

export const copyRequestSchema = z
  .strictObject({
    reason,
    to: oneLine(64).nullable().default(null).meta({ description: 'Name of the off-site repository; null: the one that the policy of its server names.' }),
  })
  .meta({ id: 'CopyRequest' });
export type CopyRequest = z.output<typeof copyRequestSchema>;

export const fetchRequestSchema = z
  .strictObject({ reason, from: oneLine(64).meta({ description: 'Name of the off-site repository.' }) })
  .meta({ id: 'FetchRequest' });
export type FetchRequest = z.output<typeof fetchRequestSchema>;

export const cancelTransferRequestSchema = z.strictObject({ reason }).meta({ id: 'CancelTransferRequest' });
export type CancelTransferRequest = z.output<typeof cancelTransferRequestSchema>;

export const transferQuerySchema = z.strictObject({
  server: serverQueryField,
  state: z.enum(TRANSFER_STATES).optional(),
  offsite: oneLine(64).optional().meta({ description: 'Only those to or from this off-site repository.' }),
  ...pageQueryFields,
});
export type TransferQuery = z.output<typeof transferQuerySchema>;
