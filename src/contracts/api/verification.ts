import { z } from 'zod';
import type { VerificationView } from '../verification';
import { errorSummarySchema, pageQueryFields, reason, serverQueryField, timestamp } from './common';

export const verificationMethod = z
  .enum(['checksums', 'structure'])
  .meta({ description: 'checksums: every byte was read. structure: all that is needed is there, and a part of the bytes was read, each time another one.' });

const verificationState = z.enum(['waiting', 'running', 'passed', 'failed', 'not-run']);

export const verificationSchema = z
  .object({
    id: z.string(),
    serverId: z.string(),
    serverName: z.string(),
    kind: z.enum(['image', 'data']),
    recoveryPointId: z.string().nullable().meta({ description: 'null: all data of the server.' }),
    method: verificationMethod,
    state: verificationState.meta({
      description: 'failed: stored bytes are not what was written. not-run: it could not be carried out, so that nothing is known by it.',
    }),
    waitsFor: z.string().nullable().meta({ description: 'Why it has not begun.' }),
    requestedBy: z.string().meta({ description: 'schedule: its policy asks for it.' }),
    reason: z.string(),
    requestedAt: timestamp,
    startedAt: timestamp.nullable(),
    finishedAt: timestamp.nullable(),
    doneBytes: z.number().nullable(),
    totalBytes: z.number().nullable(),
    error: errorSummarySchema.nullable().meta({ description: 'What is damaged, or why it could not be carried out.' }),
  })
  .meta({ id: 'Verification' }) satisfies z.ZodType<VerificationView>;

export const verifyRequestSchema = z.strictObject({ reason }).meta({ id: 'VerifyRequest' });
export type VerifyRequest = z.output<typeof verifyRequestSchema>;

export const verificationQuerySchema = z.strictObject({
  server: serverQueryField,
  state: verificationState.optional(),
  ...pageQueryFields,
});
export type VerificationQuery = z.output<typeof verificationQuerySchema>;
