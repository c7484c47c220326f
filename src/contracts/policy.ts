import type { BackupMode } from './workflows';

/** What is promised for servers: when they are backed up, how long recovery points are kept, how old the newest one may be. Declared in the estate. */

export type Weekday = 'sunday' | 'monday' | 'tuesday' | 'wednesday' | 'thursday' | 'friday' | 'saturday';

/** In the order of cron: Sunday is 0. */
export const WEEKDAYS: readonly Weekday[] = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** When backups are due, as the clocks in the policy's time zone show it. `at` is `HH:MM`. */
export type Schedule =
  /** Minute, hour, day of the month, month, day of the week. */
  | { readonly cron: string }
  | { readonly every: 'day'; readonly at: string }
  | { readonly every: 'week'; readonly on: readonly Weekday[]; readonly at: string }
  /** Days from 1 to 28: every month has them. */
  | { readonly every: 'month'; readonly on: readonly number[]; readonly at: string };

/**
 * How many recovery points stay: the newest `last` ones, and the newest one of each of the last `hourly` hours, `daily` days, `weekly` weeks (from Monday),
 * `monthly` months and `yearly` years that have any; and all that are not older than the newest by more than `withinDays`. What one rule keeps, stays.
 */
export interface RetentionRules {
  readonly last: number;
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
  readonly withinDays: number;
}

interface KindPolicyBase {
  readonly schedule: Schedule;
  /** Servers of the policy are spread over this time, each always by the same part of it. */
  readonly jitterMinutes: number;
  /** The newest usable recovery point may be this old; null: nobody asks. */
  readonly rpoHours: number | null;
  readonly retention: RetentionRules;
}

/** So many incrementals follow a full where nobody has said how many. */
export const DEFAULT_MAX_INCREMENTS = 13;

export interface ImagePolicy extends KindPolicyBase {
  readonly mode: BackupMode;
  /** Online only: rather an image without frozen file systems than none. */
  readonly allowCrashConsistent: boolean;
  /** At most so many incrementals follow a full, from 0 (every image is whole) to 255. Images of stopped servers are whole, whatever it says. */
  readonly maxIncrements: number;
  /** So many minutes after a configuration change is complete, further ones may join the image that is taken because of it; absent: none. */
  readonly coalesceChangesMinutes?: number;
}

export type DataPolicy = KindPolicyBase;

/** Recovery points are read again: new ones soon, all of them now and then. */
export interface VerificationPolicy {
  /** A new one is to be verified within so many hours; later is a breach. */
  readonly withinHours: number;
  /** All bytes are read again every so many days. */
  readonly everyDays: number;
  /** When the newest image of each server is booted for a proof; null: never by itself. */
  readonly boot: Schedule | null;
}

/** Recovery points are copied to a second place. */
export interface OffsitePolicy {
  /** Name of the off-site repository. */
  readonly repository: string;
  /** A new recovery point is to be copied within so many hours after it was published; later is a breach. */
  readonly withinHours: number;
  readonly image: boolean;
  readonly data: boolean;
  /** Of the copies; counted over them as the other rules count what lies here. */
  readonly retention: RetentionRules;
}

export interface Policy {
  readonly name: string;
  /** IANA name, such as `Europe/Berlin`: schedules and the days of retention are counted in it. */
  readonly timeZone: string;
  /** Null: no images are taken by themselves. */
  readonly image: ImagePolicy | null;
  /** Of every declared data set. Null: no data is saved by itself. */
  readonly data: DataPolicy | null;
  /** Null: nothing is verified by itself. */
  readonly verification: VerificationPolicy | null;
  /** Null: nothing is copied off-site by itself. */
  readonly offsite: OffsitePolicy | null;
  /** How long a restore may take; null: nobody asks. */
  readonly rtoMinutes: number | null;
}

/** For people, as they say it: `every sunday at 01:00`. */
export function describeSchedule(schedule: Schedule): string {
  if ('cron' in schedule) return `cron ${schedule.cron}`;
  if (schedule.every === 'day') return `every day at ${schedule.at}`;
  return `every ${schedule.every === 'week' ? '' : 'month on day '}${schedule.on.join(', ')} at ${schedule.at}`;
}

/** For people: `up to 13 incrementals`. Empty for images of stopped servers, which are whole each time. */
export function describeIncrements({ mode, maxIncrements }: Pick<ImagePolicy, 'mode' | 'maxIncrements'>): string {
  if (mode === 'offline') return '';
  return maxIncrements === 0 ? 'each one whole' : `up to ${maxIncrements} incremental${maxIncrements === 1 ? '' : 's'}`;
}

/** For people: `within 24 h, every 30 days, booted every day at 03:30`. */
export const describeVerification = ({ withinHours, everyDays, boot }: VerificationPolicy): string =>
  `within ${withinHours} h, every ${everyDays} days${boot === null ? '' : `, booted ${describeSchedule(boot)}`}`;

/** For people: `images and data to vault within 26 h, keeps last 3`. */
export const describeOffsite = ({ repository, withinHours, image, data, retention }: OffsitePolicy): string =>
  `${[image ? 'images' : '', data ? 'data' : ''].filter((kind) => kind !== '').join(' and ')} to ${repository} within ${withinHours} h, keeps ${describeRetention(retention)}`;

/** For people: `last 2, weekly 4, all within 7 days`. */
export const describeRetention = (rules: RetentionRules): string =>
  Object.entries(rules)
    .filter(([, count]) => count > 0)
    .map(([rule, count]) => (rule === 'withinDays' ? `all within ${count} days` : `${rule} ${count}`))
    .join(', ');
