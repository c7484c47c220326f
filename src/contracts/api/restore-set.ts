import { z } from 'zod';
import { PLAN_STATES } from '../plan';
import { MAX_RESTORE_SET, RESTORE_SET_STATES, type RestoreSetMember, type RestoreSetView } from '../restore-set';
import { DECISION_KINDS } from '../run';
import { errorSummarySchema, oneLine, pageQueryFields, reason, timestamp } from './common';
import { incidentAt, overrideFields } from './restore-plan';
import { runState } from './run';
import { setBasis } from './set-of-plan';

/** Servers that are restored together. */

const memberSchema = z
  .object({
    serverId: z.string(),
    serverName: z.string(),
    recoveryPointId: z.string().nullable().meta({ description: 'null, as the plan and the run: it is not restored, but made anew from the first one.' }),
    pointInTime: timestamp.nullable(),
    planId: z.string().nullable(),
    planState: z.enum(PLAN_STATES).nullable(),
    runId: z.string().nullable(),
    runState: runState.nullable(),
    waitingFor: z.enum(DECISION_KINDS).nullable().meta({ description: 'A go-live is decided by the set, while that is running; all else is for people.' }),
    isLive: z.boolean(),
    error: errorSummarySchema.nullable(),
  })
  .meta({ id: 'RestoreSetMember' }) satisfies z.ZodType<RestoreSetMember>;

export const restoreSetSchema = z
  .object({
    id: z.string(),
    state: z.enum(RESTORE_SET_STATES).meta({
      description:
        'running: its runs wait for each other before go-live, then go live one after another. stopped: one has failed after another was live; what still waits is for people. failed: nothing went live, or a plan could not be made.',
    }),
    basis: setBasis,
    choice: z.array(z.string()).meta({ description: 'How the recovery points were chosen, and what was tried before.' }),
    requestedBy: z.string(),
    requestedAt: timestamp,
    run: z.object({ by: z.string(), reason: z.string(), at: timestamp }).nullable().meta({ description: 'Who has it carried out; null: nobody.' }),
    finishedAt: timestamp.nullable(),
    problem: z.string().nullable(),
    members: z.array(memberSchema).meta({ description: 'In the order in which they go live.' }),
  })
  .meta({ id: 'RestoreSet' }) satisfies z.ZodType<RestoreSetView>;

export const restoreSetQuerySchema = z.strictObject(pageQueryFields);
export type RestoreSetQuery = z.output<typeof restoreSetQuerySchema>;

const selectors = z
  .array(oneLine(255))
  .min(2)
  .max(MAX_RESTORE_SET)
  .refine((names) => new Set(names).size === names.length, 'servers must be unique');

export const restoreSetRequestSchema = z
  .strictObject({
    servers: selectors.optional().meta({ description: 'Names or ids. The first is the one whose data counts most.' }),
    group: oneLine(255).optional().meta({ description: 'All servers of this group, in its order, in the place of `servers`.' }),
    incidentAt,
    leaveChanges: z.boolean().default(false).meta({ description: 'As in the plan of one server.' }),
  })
  .refine(({ servers, group }) => (servers === undefined) !== (group === undefined), 'name the servers, or a group')
  .meta({ id: 'RestoreSetRequest' });
export type RestoreSetRequest = z.output<typeof restoreSetRequestSchema>;

export const restoreSetRunRequestSchema = z
  .strictObject({
    reason,
    confirm: z.array(oneLine(255)).max(MAX_RESTORE_SET).meta({ description: 'The names of all servers that are restored, typed again.' }),
    ...overrideFields,
  })
  .meta({ id: 'RestoreSetRunRequest' });
export type RestoreSetRunRequest = z.output<typeof restoreSetRunRequestSchema>;
