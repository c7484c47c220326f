import { z } from 'zod';
import type { RecoveryPointView } from '../recovery-point';
import { pageQueryFields, serverQueryField, timestamp } from './common';

export const recoveryPointViewSchema = z
  .object({
    id: z.string(),
    serverId: z.string(),
    serverName: z.string(),
    kind: z.enum(['image']),
    generation: z.int(),
    lineageId: z.string(),
    state: z.enum(['usable', 'damaged']),
    consistency: z.enum(['offline', 'application', 'filesystem', 'crash']),
    pointInTime: timestamp,
    publishedAt: timestamp,
    repository: z.string(),
    sizeBytes: z.number(),
    disks: z.array(z.object({ target: z.string(), virtualSizeBytes: z.number(), storedBytes: z.number() })),
    reason: z.string(),
    runId: z.string(),
  })
  .meta({ id: 'RecoveryPoint' }) satisfies z.ZodType<RecoveryPointView>;

export const recoveryPointQuerySchema = z.strictObject({ server: serverQueryField, ...pageQueryFields });
export type RecoveryPointQuery = z.output<typeof recoveryPointQuerySchema>;
