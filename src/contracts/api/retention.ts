import { z } from 'zod';
import type { ReasonToKeep, RetentionPreview, RetentionPreviewItem } from '../retention';
import { timestamp } from './common';
import { recoveryPointKind } from './due-backup';
import { decommissioningSchema } from './server';

const reasonToKeepSchema = z.object({
  rule: z.enum([
    'last',
    'hourly',
    'daily',
    'weekly',
    'monthly',
    'yearly',
    'within',
    'newest',
    'last-verified',
    'last-booted',
    'unreachable',
    'inherited',
    'under-data',
    'parent',
    'hold',
    'in-use',
    'safety',
    'no-policy',
    'clock',
  ]),
  detail: z.string(),
}) satisfies z.ZodType<ReasonToKeep>;

const retentionPreviewItemSchema = z.object({
  recoveryPointId: z.string(),
  kind: recoveryPointKind,
  dataSet: z.string().nullable(),
  pointInTime: timestamp,
  expiredAt: timestamp.nullable().meta({ description: 'Since when no rule keeps it; null: it has not expired.' }),
  verdict: z.enum(['keep', 'expire']),
  reasons: z.array(reasonToKeepSchema).meta({ description: 'Why it stays; empty when it expires.' }),
}) satisfies z.ZodType<RetentionPreviewItem>;

export const retentionPreviewSchema = z
  .object({
    serverId: z.string(),
    serverName: z.string(),
    policy: z.string().nullable(),
    decommissioned: decommissioningSchema.nullable().meta({ description: 'null: the server is in service.' }),
    at: timestamp,
    keep: z.int(),
    expire: z.int(),
    items: z.array(retentionPreviewItemSchema).meta({ description: 'Every recovery point of the server, newest first.' }),
  })
  .meta({ id: 'RetentionPreview' }) satisfies z.ZodType<RetentionPreview>;
