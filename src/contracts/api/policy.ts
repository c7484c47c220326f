import { z } from 'zod';
import { PART_NAME_PATTERN, PART_NAME_RULE } from '../names';
import {
  DEFAULT_MAX_INCREMENTS,
  WEEKDAYS,
  type DataPolicy,
  type ImagePolicy,
  type OffsitePolicy,
  type Policy,
  type RetentionRules,
  type Schedule,
  type VerificationPolicy,
  type Weekday,
} from '../policy';
import { oneLine } from './common';

/** Policies as the estate file declares them and the API shows them. What a schedule means is judged when it is applied. */

const clock = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day in quotes, like "02:30"');
const unique = <T>(items: readonly T[]): boolean => new Set(items).size === items.length;

const SCHEDULE_FORMS =
  'must be { cron: "30 2 * * *" }, { every: day, at: "02:30" }, { every: week, on: [sunday], at: "02:30" } or { every: month, on: [1], at: "02:30" }; days of a month from 1 to 28';

const scheduleSchema = z
  .union(
    [
      z.strictObject({ cron: oneLine(100) }),
      z.strictObject({ every: z.literal('day'), at: clock }),
      z.strictObject({
        every: z.literal('week'),
        on: z
          .array(z.enum(WEEKDAYS as [Weekday, ...Weekday[]]))
          .min(1)
          .max(7)
          .refine(unique),
        at: clock,
      }),
      z.strictObject({ every: z.literal('month'), on: z.array(z.int().min(1).max(28)).min(1).max(28).refine(unique), at: clock }),
    ],
    { error: SCHEDULE_FORMS },
  )
  .meta({ description: "When it is due, in the policy's time zone." }) satisfies z.ZodType<Schedule>;

const count = z.int().min(0).max(100_000).default(0);

export const retentionSchema = z
  .strictObject({
    last: count.meta({ description: 'The newest ones.' }),
    hourly: count.meta({ description: 'The newest of each of so many hours that have any.' }),
    daily: count,
    weekly: count.meta({ description: 'Weeks begin on Monday.' }),
    monthly: count,
    yearly: count,
    withinDays: count.meta({ description: 'All that are not older than the newest by more than this.' }),
  })
  .meta({ id: 'RetentionRules' }) satisfies z.ZodType<RetentionRules>;

const kindFields = {
  schedule: scheduleSchema,
  jitterMinutes: z.int().min(0).max(720).default(0).meta({ description: 'Servers are spread over this time, each always by the same part of it.' }),
  rpoHours: z
    .number()
    .min(0.1)
    .max(87_600)
    .nullable()
    .default(null)
    .meta({ description: 'How old the newest usable recovery point may be; older is a breach.' }),
  retention: retentionSchema,
};

const imagePolicySchema = z
  .strictObject({
    ...kindFields,
    mode: z.enum(['online', 'offline']).default('online'),
    allowCrashConsistent: z.boolean().default(false).meta({ description: 'Online only: rather an image without frozen file systems than none.' }),
    maxIncrements: z.int().min(0).max(255).default(DEFAULT_MAX_INCREMENTS).meta({
      description: 'Online only: at most so many images that hold only what has changed follow one that is whole. 0: every image is whole.',
    }),
    coalesceChangesMinutes: z.int().min(0).max(1440).optional().meta({
      description:
        'So many minutes after a configuration change is complete, further ones may join the image that is taken because of it; at once where absent. Online only.',
    }),
  })
  .meta({ id: 'ImagePolicy' }) satisfies z.ZodType<ImagePolicy>;

const dataPolicySchema = z.strictObject(kindFields).meta({ id: 'DataPolicy' }) satisfies z.ZodType<DataPolicy>;

const verificationPolicySchema = z
  .strictObject({
    withinHours: z.int().min(1).max(8760).default(24).meta({ description: 'A new recovery point is to be verified within so many hours; later is a breach.' }),
    everyDays: z.int().min(1).max(366).default(30).meta({ description: 'All bytes are read again every so many days.' }),
    boot: scheduleSchema
      .nullable()
      .default(null)
      .meta({ description: 'When the newest image of each server is booted for a proof, without any network. null: never by itself.' }),
  })
  .meta({ id: 'VerificationPolicy' }) satisfies z.ZodType<VerificationPolicy>;

const offsitePolicySchema = z
  .strictObject({
    repository: z.string().regex(PART_NAME_PATTERN, PART_NAME_RULE).meta({ description: 'Name of an off-site repository that the file declares.' }),
    withinHours: z
      .number()
      .min(0.1)
      .max(8760)
      .default(26)
      .meta({ description: 'A new recovery point is to be copied within so many hours after it was published; later is a breach.' }),
    image: z.boolean().default(true),
    data: z.boolean().default(true),
    retention: retentionSchema.meta({ description: 'Of the copies.' }),
  })
  .meta({ id: 'OffsitePolicy' }) satisfies z.ZodType<OffsitePolicy>;

export const policySchema = z
  .strictObject({
    name: z.string().regex(PART_NAME_PATTERN, PART_NAME_RULE),
    timeZone: oneLine(100).default('UTC').meta({ description: 'IANA name, such as Europe/Berlin.' }),
    image: imagePolicySchema.nullable().default(null).meta({ description: 'null: no images are taken by themselves.' }),
    data: dataPolicySchema.nullable().default(null).meta({ description: 'Of every declared data set. null: no data is saved by itself.' }),
    verification: verificationPolicySchema
      .nullable()
      .prefault({})
      .meta({ description: 'null: nothing is verified by itself. Left out: within 24 hours, and every 30 days.' }),
    offsite: offsitePolicySchema.nullable().default(null).meta({ description: 'null: nothing is copied off-site by itself.' }),
    rtoMinutes: z.int().min(1).max(525_600).nullable().default(null).meta({ description: 'How long a restore may take.' }),
  })
  .meta({ id: 'Policy' }) satisfies z.ZodType<Policy>;
