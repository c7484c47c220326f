import { Cron } from 'croner';
import { ModosuError } from '../../contracts/errors';
import { WEEKDAYS, type Schedule } from '../../contracts/policy';
import { quoted } from '../../contracts/text';

/**
 * When something is due. Pure: the moment is given. Times are those that the clocks of a time zone show. A time that the clocks skip in spring is due when they
 * go on, one that they show twice in autumn is due once, the first time; what is due every hour, or more often, is due in both.
 */

/** Five fields as cron has them. */
export function cronOf(schedule: Schedule): string {
  if ('cron' in schedule) return schedule.cron.trim().split(/\s+/).join(' ');
  const [hour = 0, minute = 0] = schedule.at.split(':').map(Number);
  if (schedule.every === 'day') return `${minute} ${hour} * * *`;
  if (schedule.every === 'month') return `${minute} ${hour} ${[...schedule.on].sort((a, b) => a - b).join(',')} * *`;
  const days = schedule.on.map((day) => WEEKDAYS.indexOf(day)).sort((a, b) => a - b);
  return `${minute} ${hour} * * ${days.join(',')}`;
}

/** The next `count` moments after `after`; fewer when there are no more. */
export const nextDue = (schedule: Schedule, timeZone: string, after: Date, count = 1): readonly Date[] =>
  parsed(cronOf(schedule), timeZone).nextRuns(count, after);

/** The newest moment that is not after `now`, and after `since`; null: nothing was due between the two. */
export function newestDue(schedule: Schedule, timeZone: string, since: Date, now: Date): Date | null {
  // Asked from a second later, because what is due at `now` itself is due; that one may be too late.
  const candidates = parsed(cronOf(schedule), timeZone).previousRuns(2, new Date(now.getTime() + 1000));
  const newest = candidates.find((due) => due.getTime() <= now.getTime());
  return newest !== undefined && newest.getTime() > since.getTime() ? newest : null;
}

/** How many moments lie after `since` and not after `until`; counts to `atMost`. */
export function countDue(schedule: Schedule, timeZone: string, since: Date, until: Date, atMost = 1000): number {
  const cron = parsed(cronOf(schedule), timeZone);
  let count = 0;
  for (let due = cron.nextRun(since); due !== null && due.getTime() <= until.getTime() && count < atMost; due = cron.nextRun(due)) count += 1;
  return count;
}

/** What comes more often than a backup can be taken is a mistake. */
export const LEAST_MINUTES_APART = 5;
const SAMPLE = 500;

/**
 * Refuses what cannot be meant. Throws `TIME_ZONE_UNKNOWN`, `SCHEDULE_INVALID`: not cron's five fields, a day of the month and of the week at once (cron takes
 * either, others take both), a day that never comes, more often than every five minutes.
 */
export function requirePossible(schedule: Schedule, timeZone: string, whose: string): void {
  requireTimeZone(timeZone, whose);
  const cron = cronOf(schedule);
  const invalid = (why: string): ModosuError =>
    new ModosuError('SCHEDULE_INVALID', `The schedule ${quoted(cron)} of ${whose} ${why}.`, { context: { schedule: cron } });
  const fields = cron.split(' ');
  if (fields.length !== 5) {
    throw invalid(`has ${fields.length} ${fields.length === 1 ? 'field' : 'fields'}: cron has five, minute, hour, day of the month, month, day of the week`);
  }
  // Extensions such as "L" mean different things to different programs.
  if (!fields.every((field) => /^(?:[0-9*,/-]|[a-z]{3}(?![a-z]))+$/i.test(field))) throw invalid('has signs that cron does not know');
  if (!fields[2]?.startsWith('*') && !fields[4]?.startsWith('*')) {
    throw invalid('names days of the month and days of the week: cron would take either, people often mean both');
  }
  let sample: readonly Date[];
  try {
    sample = parsed(cron, timeZone).nextRuns(SAMPLE, SAMPLE_FROM);
  } catch (error) {
    throw invalid(`cannot be read: ${error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error)}`);
  }
  if (sample.length === 0) throw invalid('never comes: no month has such a day');
  if (gapsOf(sample).some((gap) => gap < LEAST_MINUTES_APART * 60_000)) throw invalid(`comes more often than every ${LEAST_MINUTES_APART} minutes`);
}

/** Throws `TIME_ZONE_UNKNOWN`. */
export function requireTimeZone(timeZone: string, whose: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw new ModosuError('TIME_ZONE_UNKNOWN', `The time zone ${quoted(timeZone)} of ${whose} is not known here.`, { context: { timeZone } });
  }
}

/** The longest time between two moments that follow one another. For a schedule that is possible. */
export function longestGapMs(schedule: Schedule, timeZone: string): number {
  const sample = nextDue(schedule, timeZone, SAMPLE_FROM, SAMPLE);
  return gapsOf(sample).reduce((longest, gap) => Math.max(longest, gap), 0);
}

const gapsOf = (moments: readonly Date[]): readonly number[] => moments.slice(1).map((due, index) => due.getTime() - (moments[index]?.getTime() ?? 0));

/** A leap year is in it, and whole years of either half of the clock. */
const SAMPLE_FROM = new Date('2027-01-01T00:00:00Z');

const known = new Map<string, Cron>();
const KNOWN_AT_MOST = 1000;

/** Parsed once: the same few schedules are asked for again and again. */
function parsed(cron: string, timeZone: string): Cron {
  const key = `${cron}\n${timeZone}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const fresh = new Cron(cron, { timezone: timeZone, paused: true, mode: '5-part' });
  if (known.size >= KNOWN_AT_MOST) known.clear();
  known.set(key, fresh);
  return fresh;
}
