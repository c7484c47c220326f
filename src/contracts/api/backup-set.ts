import { z } from 'zod';
import { BACKUP_SET_STATES, type BackupSetMember, type BackupSetView, type ServerGroup } from '../backup-set';
import { errorSummarySchema, pageQueryFields, reason, timestamp } from './common';
import { runState } from './run';
import { CONSISTENCIES } from '../recovery-point';

/** Groups of servers, and the sets of recovery points that are taken of them. */

const backupSetMemberSchema = z
  .object({
    serverId: z.string(),
    serverName: z.string(),
    runId: z.string(),
    runState,
    recoveryPointId: z.string().nullable().meta({ description: 'null: none was published, or not yet.' }),
    pointInTime: timestamp.nullable().meta({ description: 'The moment of the freeze, as it stands in the manifest.' }),
    consistency: z.enum(CONSISTENCIES).nullable(),
    error: errorSummarySchema.nullable(),
  })
  .meta({ id: 'BackupSetMember' }) satisfies z.ZodType<BackupSetMember>;

export const backupSetSchema = z
  .object({
    id: z.string(),
    group: z.string().meta({ description: 'Name of the group; it may have changed, or be gone, since.' }),
    state: z.enum(BACKUP_SET_STATES).meta({
      description: 'complete: every server has its recovery point. incomplete: some have none; the others are ordinary ones. failed: there is none.',
    }),
    reason: z.string(),
    requestedBy: z.string(),
    requestedAt: timestamp,
    deadline: timestamp.meta({ description: 'Until then all servers have to be ready to be frozen, or none is.' }),
    finishedAt: timestamp.nullable(),
    spreadMs: z
      .number()
      .nullable()
      .meta({ description: 'From the first to the last point in time of its recovery points; null: it goes on, or fewer than two are there.' }),
    members: z.array(backupSetMemberSchema),
  })
  .meta({ id: 'BackupSet' }) satisfies z.ZodType<BackupSetView>;

export const backupSetQuerySchema = z.strictObject({
  group: z.string().min(1).max(255).optional().meta({ description: 'Name of a group.' }),
  ...pageQueryFields,
});
export type BackupSetQuery = z.output<typeof backupSetQuerySchema>;

/** A group with the newest set that was asked for of it. */
export interface GroupView extends ServerGroup {
  readonly lastSet: BackupSetView | null;
}

export const groupViewSchema = z
  .object({
    name: z.string(),
    servers: z.array(z.string()).meta({ description: 'Names, in the order of the declaration.' }),
    lastSet: backupSetSchema.nullable().meta({ description: 'The newest that was asked for; null: none was.' }),
  })
  .meta({ id: 'Group' }) satisfies z.ZodType<GroupView>;

export const groupBackupRequestSchema = z
  .strictObject({
    mode: z.enum(['offline', 'online']).default('online').meta({ description: 'online is the only one: offline is refused with BACKUP_SET_ONLINE_ONLY.' }),
    allowCrashConsistent: z
      .boolean()
      .default(false)
      .meta({ description: 'Go on with a server whose file systems cannot be frozen; its recovery point then says "crash".' }),
    reason,
  })
  .meta({ id: 'GroupBackupRequest' });
export type GroupBackupRequest = z.output<typeof groupBackupRequestSchema>;
