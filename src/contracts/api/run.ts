import { z } from 'zod';
import type { RunStepView, RunView } from '../run';
import { errorSummarySchema, pageQueryFields, reason, serverQueryField, timestamp } from './common';

export const runKind = z.enum(['backup-image', 'restore-server']);
export const runState = z.enum(['accepted', 'running', 'succeeded', 'failed', 'cancelled']);

export const runStepSchema = z
  .object({
    seq: z.int(),
    key: z.string(),
    title: z.string(),
    state: z.enum(['pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'undone']),
    startedAt: timestamp.nullable(),
    finishedAt: timestamp.nullable(),
    progress: z.object({ doneBytes: z.number(), totalBytes: z.number(), updatedAt: timestamp }).nullable(),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    error: errorSummarySchema.nullable(),
  })
  .meta({ id: 'RunStep' }) satisfies z.ZodType<RunStepView>;

export const runViewSchema = z
  .object({
    id: z.string(),
    kind: runKind,
    state: runState,
    serverId: z.string(),
    serverName: z.string(),
    reason: z.string(),
    requestedBy: z.string(),
    requestedAt: timestamp,
    startedAt: timestamp.nullable(),
    finishedAt: timestamp.nullable(),
    planId: z.string().nullable(),
    recoveryPointId: z.string().nullable(),
    cancelRequested: z.boolean(),
    error: errorSummarySchema.nullable(),
    recoverySeconds: z.number().nullable(),
    steps: z.array(runStepSchema).meta({ description: 'Empty in lists.' }),
  })
  .meta({ id: 'Run' }) satisfies z.ZodType<RunView>;

export const runQuerySchema = z.strictObject({
  server: serverQueryField,
  kind: runKind.optional(),
  state: runState.optional(),
  ...pageQueryFields,
});
export type RunQuery = z.output<typeof runQuerySchema>;

export const backupRequestSchema = z
  .strictObject({ kind: z.literal('image'), mode: z.literal('offline'), reason })
  .meta({ id: 'BackupRequest' });
export type BackupRequest = z.output<typeof backupRequestSchema>;

/** Name of the server-sent event that carries a run. */
export const RUN_EVENT = 'run';
