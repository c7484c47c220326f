import { z } from 'zod';
import type { AuditEntryView, AuditVerification } from '../run';
import { pageQueryFields, timestamp } from './common';

export const auditEntrySchema = z
  .object({
    seq: z.int(),
    at: timestamp,
    actor: z.string(),
    action: z.string(),
    runId: z.string().nullable(),
    serverId: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
    previousHash: z.string(),
    hash: z.string(),
  })
  .meta({ id: 'AuditEntry' }) satisfies z.ZodType<AuditEntryView>;

export const auditQuerySchema = z.strictObject({
  run: z.string().min(1).max(64).optional().meta({ description: 'Id of a run.' }),
  ...pageQueryFields,
});
export type AuditQuery = z.output<typeof auditQuerySchema>;

export const auditVerificationSchema = z
  .discriminatedUnion('intact', [
    z.object({ intact: z.literal(true), entries: z.int(), headHash: z.string() }),
    z.object({ intact: z.literal(false), entries: z.int(), firstBadSeq: z.int(), problem: z.string() }),
  ])
  .meta({ id: 'AuditVerification' }) satisfies z.ZodType<AuditVerification>;
