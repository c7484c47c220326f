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

/** The same of a schedule that was declared somewhere else, and may not be readable here: then none. */
export function knownNextDue(schedule: Schedule, timeZone: string, after: Date, count = 1): readonly Date[] {
  try {
    return nextDue(schedule, timeZone, after, count);
  } catch {
    return [];
  }
}

/** The same of a schedule that may not be readable here: then none. */
export function knownNewestDue(schedule: Schedule, timeZone: string, since: Date, now: Date): Date | null {
  try {
    return newestDue(schedule, timeZone, since, now);
  } catch {
    return null;
  }
}

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
const LEAST_MINUTES_APART = 5;

/**
 * Refuses what cannot be meant. Throws `TIME_ZONE_UNKNOWN`, `SCHEDULE_INVALID`: not cron's five fields, days of the month and of the week at once (some programs
 * take either, others both), a day that never comes, more often than every five minutes.
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
  if (fields[2] !== '*' && fields[4] !== '*') throw invalid('names days of the month and days of the week: some programs take either, people often mean both');
  let gaps: Gaps | null;
  try {
    gaps = gapsOf(cron);
  } catch (error) {
    throw invalid(`cannot be read: ${error instanceof Error ? error.message.replace('CronPattern: ', '') : String(error)}`);
  }
  if (gaps === null) throw invalid('never comes: no month has such a day');
  if (gaps.shortestMs < LEAST_MINUTES_APART * 60_000) throw invalid(`comes more often than every ${LEAST_MINUTES_APART} minutes`);
}

/** The longest time between two moments that follow one another, of a schedule that is possible; by clocks that are never changed. */
export const longestGapMs = (schedule: Schedule): number => gapsOf(cronOf(schedule))?.longestMs ?? 0;

/** The shortest, likewise. */
export const shortestGapMs = (schedule: Schedule): number => gapsOf(cronOf(schedule))?.shortestMs ?? 0;

interface Gaps {
  readonly shortestMs: number;
  readonly longestMs: number;
}

/** A whole day of what comes every five minutes is in it. */
const MOMENTS = 300;
/** Years of days, and the leap years among them. */
const DAYS = 500;
const SAMPLE_FROM = new Date('2026-12-31T23:59:59Z');
const DAY_MS = 86_400_000;

/** Null: it never comes. Moments of one day are alike on all its days; so the first day tells of them, and its first moment alone of the days. */
function gapsOf(cron: string): Gaps | null {
  const known = knownGaps.get(cron);
  if (known !== undefined) return known;
  const moments = parsed(cron, 'UTC').nextRuns(MOMENTS, SAMPLE_FROM);
  const [first, ...rest] = moments;
  if (first === undefined) return null;
  const sameDay = [first, ...rest.filter((due) => Math.floor(due.getTime() / DAY_MS) === Math.floor(first.getTime() / DAY_MS))];
  const onceADay = [first.getUTCMinutes(), first.getUTCHours(), ...cron.split(' ').slice(2)].join(' ');
  const days = parsed(onceADay, 'UTC').nextRuns(DAYS, SAMPLE_FROM);
  const daySpan = (sameDay.at(-1) ?? first).getTime() - first.getTime();
  const gaps: Gaps = {
    shortestMs: Math.min(...between(moments)),
    longestMs: Math.max(...between(sameDay), ...between(days).map((gap) => gap - daySpan)),
  };
  if (knownGaps.size >= KNOWN_AT_MOST) knownGaps.clear();
  knownGaps.set(cron, gaps);
  return gaps;
}

const knownGaps = new Map<string, Gaps>();

const between = (moments: readonly Date[]): readonly number[] => moments.slice(1).map((due, index) => due.getTime() - (moments[index]?.getTime() ?? 0));

/** Throws `TIME_ZONE_UNKNOWN`. */
export function requireTimeZone(timeZone: string, whose: string): void {
  let name: string;
  try {
    name = new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone;
  } catch {
    throw new ModosuError('TIME_ZONE_UNKNOWN', `The time zone ${quoted(timeZone)} of ${whose} is not known here.`, { context: { timeZone } });
  }
  // Not every program that reads it takes it in any spelling.
  if (name !== timeZone && name.toLowerCase() === timeZone.toLowerCase()) {
    throw new ModosuError('TIME_ZONE_UNKNOWN', `The time zone ${quoted(timeZone)} of ${whose} is spelt ${quoted(name)}.`, {
      hint: `Write ${name}.`,
      context: { timeZone },
    });
  }
}

const known = new Map<string, Cron>();
const KNOWN_AT_MOST = 1000;

/** Parsed once: the same few schedules are asked for again and again. */
function parsed(cron: string, timeZone: string): Cron {
  const key = `${cron}\n${timeZone}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const fresh = new Cron(cron, { timezone: timeZone, mode: '5-part' });
  if (known.size >= KNOWN_AT_MOST) known.clear();
  known.set(key, fresh);
  return fresh;
}
