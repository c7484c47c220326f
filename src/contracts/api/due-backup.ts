import { z } from 'zod';
import { DUE_BACKUP_STATES, DUE_CAUSES, type DueBackupView } from '../due-backup';
import { RECOVERY_POINT_KINDS } from '../recovery-point';
import { pageQueryFields, serverQueryField, timestamp } from './common';

const recoveryPointKind = z.enum(RECOVERY_POINT_KINDS);
const dueBackupState = z.enum(DUE_BACKUP_STATES).meta({
  description: 'superseded: the next one was due before it could begin. withdrawn: its server has another policy by now, or none.',
});

export const dueBackupSchema = z
  .object({
    id: z.string(),
    serverId: z.string(),
    serverName: z.string(),
    kind: recoveryPointKind,
    policy: z.string().nullable().meta({ description: 'null: the server has none, and a configuration change of it is complete.' }),
    cause: z.enum(DUE_CAUSES).meta({
      description:
        'restore: the server is live with disks that a restore has put in place, and there is no image of them. change: a configuration change is complete that no image contains. baseline: there was never an image of it.',
    }),
    dueAt: timestamp.meta({ description: 'What the schedule says, when the server went live, or when the change was complete.' }),
    notBefore: timestamp.meta({ description: "With the server's part of the policy's jitter, or the time in which further changes may join." }),
    state: dueBackupState,
    waitsFor: z.string().nullable().meta({ description: 'Why it has not begun; null: its time has not come, or it has begun.' }),
    missedBefore: z.int().meta({ description: 'How many earlier times it stands for that passed while nothing ran.' }),
    runId: z.string().nullable(),
  })
  .meta({ id: 'DueBackup' }) satisfies z.ZodType<DueBackupView>;

export const dueBackupQuerySchema = z.strictObject({ server: serverQueryField, state: dueBackupState.optional(), ...pageQueryFields });
export type DueBackupQuery = z.output<typeof dueBackupQuerySchema>;

export { recoveryPointKind };
