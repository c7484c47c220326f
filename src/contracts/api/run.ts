import { z } from 'zod';
import { DECISION_KINDS, RUN_ACTIONS, RUN_KINDS, RUN_STATES, STEP_STATES, type Retrying, type RunStepView, type RunView, type StepProgress } from '../run';
import { errorSummarySchema, pageQueryFields, reason, serverQueryField, timestamp } from './common';
import { dataSetName } from './data';
import { wayBackSchema } from './way-back';

export const runKind = z.enum(RUN_KINDS);
export const runState = z.enum(RUN_STATES);

const stepProgressSchema = z.object({
  doneBytes: z.number(),
  totalBytes: z.number(),
  updatedAt: timestamp.meta({ description: 'When bytes were last seen to move.' }),
  bytesPerSecond: z.number().nullable().meta({ description: 'Over the last twenty seconds.' }),
  secondsLeft: z.number().nullable().meta({ description: 'At that rate; null when nobody can say.' }),
  stalledSince: timestamp.nullable().meta({ description: 'Set when no byte has moved for ten seconds: when the last one did.' }),
}) satisfies z.ZodType<StepProgress>;

const runStepSchema = z
  .object({
    seq: z.int(),
    key: z.string(),
    title: z.string(),
    state: z.enum(STEP_STATES),
    startedAt: timestamp.nullable(),
    finishedAt: timestamp.nullable(),
    progress: stepProgressSchema.nullable(),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    error: errorSummarySchema.nullable(),
  })
  .meta({ id: 'RunStep' }) satisfies z.ZodType<RunStepView>;

export const retryingSchema = z
  .object({
    attempt: z.int().meta({ description: 'How often it was tried, without the attempt that is under way.' }),
    failedAt: timestamp.nullable().meta({ description: 'When the last attempt has failed; null: nobody carries it on, for no failure.' }),
    nextAttemptAt: timestamp.nullable().meta({ description: 'When it is tried again; null: that is under way, or nobody is there to begin.' }),
    error: errorSummarySchema.meta({ description: 'What the last attempt has met; or why nobody carries it on.' }),
  })
  .meta({ id: 'Retrying' }) satisfies z.ZodType<Retrying>;

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
    setId: z.string().nullable().meta({ description: 'Id of the backup set it belongs to.' }),
    cancelRequested: z.boolean(),
    waitingFor: z.enum(DECISION_KINDS).nullable().meta({ description: 'The decision of a person that the run waits for.' }),
    allowedActions: z.array(z.enum(RUN_ACTIONS)).meta({ description: 'What may be asked of the run now.' }),
    wayBack: wayBackSchema.nullable().meta({ description: 'What the run has kept of the server it replaced.' }),
    error: errorSummarySchema.nullable(),
    retrying: retryingSchema
      .nullable()
      .meta({ description: 'What the run tries again, such as a part that is away, or what holds it up; null in lists, and where it is nothing.' }),
    recoverySeconds: z
      .number()
      .nullable()
      .meta({ description: 'Restores: from the accepted request until the health checks had passed, or the data was in place.' }),
    lostSeconds: z.number().nullable().meta({ description: 'Restores: from the point in time of what was restored to the incident.' }),
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

const imageBackupRequestSchema = z
  .strictObject({
    kind: z.literal('image'),
    mode: z.enum(['offline', 'online']).meta({
      description: 'offline: the server is shut down, copied, and put back into its power state. online: it goes on; its file systems are frozen for a moment.',
    }),
    allowCrashConsistent: z
      .boolean()
      .default(false)
      .meta({ description: 'Online only: go on when the file systems cannot be frozen; the recovery point then says "crash".' }),
    full: z.boolean().default(false).meta({ description: 'Online only: a whole image although an incremental would do.' }),
    reason,
  })
  .refine(({ mode, allowCrashConsistent }) => mode === 'online' || !allowCrashConsistent, {
    path: ['allowCrashConsistent'],
    message: 'is for online backups only',
  })
  .refine(({ mode, full }) => mode === 'online' || !full, { path: ['full'], message: 'is for online backups only: every image of a stopped server is whole' })
  .meta({ id: 'ImageBackupRequest' });

const dataBackupRequestSchema = z
  .strictObject({
    kind: z.literal('data'),
    dataSets: z.array(dataSetName).min(1).max(50).optional().meta({ description: 'Names of declared data sets; all of them where absent.' }),
    reason,
  })
  .meta({ id: 'DataBackupRequest' });

export const backupRequestSchema = z
  .discriminatedUnion('kind', [imageBackupRequestSchema, dataBackupRequestSchema], {
    error: (issue) => (issue.code === 'invalid_union' ? 'must be image or data' : undefined),
  })
  .meta({ id: 'BackupRequest' });
export type BackupRequest = z.output<typeof backupRequestSchema>;

/** The body may be left out. */
export const cancelRequestSchema = z.strictObject({ reason: reason.optional() }).optional().meta({ id: 'CancelRequest' });
export type CancelRequest = z.output<typeof cancelRequestSchema>;

/** Lets a run go on that waits before go-live. */
export const signOffRequestSchema = z
  .strictObject({
    reason,
    notApplied: z
      .array(z.string().regex(/^chg_[0-9a-z]{26}$/, 'must be the id of a configuration change'))
      .max(1000)
      .default([])
      .meta({ description: 'Changes that are not applied again; all others are.' }),
  })
  .meta({ id: 'SignOffRequest' });
export type SignOffRequest = z.output<typeof signOffRequestSchema>;

export const goLiveRequestSchema = z.strictObject({ reason }).meta({ id: 'GoLiveRequest' });
export type GoLiveRequest = z.output<typeof goLiveRequestSchema>;

/** Deletes the volumes that a run has replaced. */
export const confirmRequestSchema = z.strictObject({ reason }).meta({ id: 'ConfirmRequest' });
export type ConfirmRequest = z.output<typeof confirmRequestSchema>;

/** Name of the server-sent event that carries a run. */
export const RUN_EVENT = 'run';
