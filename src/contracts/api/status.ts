import { z } from 'zod';
import type { RepositoryCapacity } from '../capacity';
import { BREACH_CODES, type Breach, type EstateStatus, type ProtectedThing, type ServerProtection } from '../protection-status';
import { RUN_OUTCOMES } from '../run';
import { timestamp } from './common';
import { recoveryPointKind } from './due-backup';
import { comebackSchema } from './judgement';

const breachSchema = z
  .object({
    code: z.enum(BREACH_CODES),
    serverId: z.string(),
    serverName: z.string(),
    kind: recoveryPointKind.nullable(),
    dataSet: z.string().nullable(),
    since: timestamp.nullable().meta({ description: 'As far as that can be said.' }),
    message: z.string(),
    hint: z.string().meta({ description: 'What to do next.' }),
  })
  .meta({ id: 'Breach' }) satisfies z.ZodType<Breach>;

const protectedThingSchema = z.object({
  kind: recoveryPointKind,
  dataSet: z.string().nullable(),
  newestAt: timestamp.nullable().meta({ description: 'Point in time of the newest usable recovery point; null: there is none.' }),
  unverifiedSince: timestamp.nullable().meta({ description: 'Since when something newer than all verified ones lies there unverified.' }),
  offsiteAt: timestamp.nullable().meta({ description: 'Point in time of the newest that can be restored from a copy elsewhere; null: there is none.' }),
  uncopiedSince: timestamp.nullable().meta({ description: 'Since when something newer than all copies lies here alone, where the policy promises copies.' }),
  ageSeconds: z.number().nullable(),
  rpoSeconds: z.number().nullable(),
  nextDueAt: timestamp.nullable().meta({ description: 'When its schedule comes next, without jitter.' }),
  waitsFor: z.string().nullable().meta({ description: 'Why a backup that is due has not begun.' }),
  lastRun: z
    .object({ runId: z.string(), state: z.enum(RUN_OUTCOMES), finishedAt: timestamp, errorCode: z.string().nullable() })
    .nullable()
    .meta({ description: 'The last backup of this kind that has ended.' }),
}) satisfies z.ZodType<ProtectedThing>;

const serverProtectionSchema = z
  .object({
    serverId: z.string(),
    serverName: z.string(),
    policy: z.string().nullable(),
    things: z.array(protectedThingSchema),
    booted: z
      .object({ at: timestamp, recoveryPointId: z.string(), seconds: z.number() })
      .nullable()
      .meta({ description: 'The last boot of an image that passed; null: there was none, or its policy asks for none.' }),
    offsite: z.string().nullable().meta({ description: 'Off-site repository that its policy names.' }),
    isOnSiteOnly: z.boolean().meta({ description: 'Nothing of it lies elsewhere: what takes the site takes all of it.' }),
    comeback: comebackSchema.nullable().meta({ description: 'Whether it could come back alone; null: no rules judge that, or it has no usable image.' }),
    breaches: z.array(breachSchema),
  })
  .meta({ id: 'ServerProtection' }) satisfies z.ZodType<ServerProtection>;

const repositoryCapacitySchema = z
  .object({
    name: z.string(),
    freeBytes: z.number().nullable().meta({ description: 'null: never measured.' }),
    measuredAt: timestamp.nullable(),
    bytesPerDay: z.number().nullable().meta({ description: 'By how much it fills each day; less than 0: it empties; null: too little was measured.' }),
    fullAt: timestamp.nullable().meta({ description: 'When it is full if that goes on; null: it does not fill, or nobody can say.' }),
    basedOnDays: z.int(),
  })
  .meta({ id: 'RepositoryCapacity' }) satisfies z.ZodType<RepositoryCapacity>;

export const estateStatusSchema = z
  .object({
    at: timestamp,
    isProtected: z.boolean().meta({ description: 'Every server in service is protected as its policy promises.' }),
    breaches: z.int(),
    dueWaiting: z.int().meta({ description: 'Backups that are due and have not begun.' }),
    decommissioned: z.int().meta({ description: 'Servers that are out of service: nothing is promised for them, and they are not among `servers`.' }),
    servers: z.array(serverProtectionSchema),
    repositories: z
      .array(repositoryCapacitySchema)
      .meta({ description: 'Image repositories: what was free when it was measured last, and how long that lasts.' }),
  })
  .meta({ id: 'EstateStatus' }) satisfies z.ZodType<EstateStatus>;
