import { z } from 'zod';
import type { DueBackupView } from '../due-backup';
import { pageQueryFields, serverQueryField, timestamp } from './common';

const recoveryPointKind = z.enum(['image', 'data']);
const dueBackupState = z.enum(['waiting', 'started', 'superseded', 'withdrawn']).meta({
  description: 'superseded: the next one was due before it could begin. withdrawn: its server has another policy by now, or none.',
});

export const dueBackupSchema = z
  .object({
    id: z.string(),
    serverId: z.string(),
    serverName: z.string(),
    kind: recoveryPointKind,
    policy: z.string(),
    cause: z
      .enum(['schedule', 'restore'])
      .meta({ description: 'restore: the server is live with disks that a restore has put in place, and there is no image of them.' }),
    dueAt: timestamp.meta({ description: 'What the schedule says, or when the server went live.' }),
    notBefore: timestamp.meta({ description: "With the server's part of the policy's jitter." }),
    state: dueBackupState,
    waitsFor: z.string().nullable().meta({ description: 'Why it has not begun; null: its time has not come, or it has begun.' }),
    missedBefore: z.int().meta({ description: 'How many earlier times it stands for that passed while nothing ran.' }),
    runId: z.string().nullable(),
  })
  .meta({ id: 'DueBackup' }) satisfies z.ZodType<DueBackupView>;

export const dueBackupQuerySchema = z.strictObject({ server: serverQueryField, state: dueBackupState.optional(), ...pageQueryFields });
export type DueBackupQuery = z.output<typeof dueBackupQuerySchema>;

export { recoveryPointKind };
