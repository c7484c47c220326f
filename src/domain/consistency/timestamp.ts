import { orderInLine, type Order } from './order';
import { unreadable } from './unreadable';

/**
 * Moments, as ISO 8601 (also as PostgreSQL writes them: a blank for the `T`, offsets in hours) or in seconds since 1970, with up to nine digits of a fraction.
 *
 * Refused is what can be taken for several moments: a time without a zone, and numbers of seconds before 1973, which are dates without separators (`20260101`)
 * or stand for "never". So are years before 1970, by which programs write the same, and leap seconds.
 *
 * Canonical: `2026-01-31T12:00:00Z`, with a fraction only if there is one, without zeros at its end.
 */

const ISO = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))? ?(?:Z|([+-])(\d\d)(?::?(\d\d))?)$/i;
const SECONDS = /^(\d{9,11})(?:\.(\d{1,9}))?$/;
const MINUTE_MS = 60_000;
const MAX_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Throws `MARKER_UNREADABLE`. */
export function readTimestamp(text: string): string {
  const { ms, fraction } = secondsOf(text) ?? isoOf(text) ?? { ms: -1, fraction: '' };
  if (ms < 0 || ms > MAX_MS) {
    throw unreadable('timestamp', text, 'it is not a moment with its zone, such as 2026-01-31T12:00:00Z, nor one in seconds since 1970');
  }
  const digits = fraction.replace(/0+$/, '');
  return `${new Date(ms).toISOString().slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z`;
}

/** The later one is ahead. Throws `MARKER_UNREADABLE`. */
export const compareTimestamps = (one: string, other: string): Order => orderInLine(comparable(one), comparable(other));

/** Without its last letter, so that a fraction sorts after none. */
const comparable = (text: string): string => readTimestamp(text).slice(0, -1);

interface Moment {
  /** Whole seconds, in milliseconds. */
  readonly ms: number;
  readonly fraction: string;
}

function secondsOf(text: string): Moment | null {
  const match = SECONDS.exec(text);
  return match === null ? null : { ms: Number(match[1]) * 1000, fraction: match[2] ?? '' };
}

function isoOf(text: string): Moment | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  // `Date.UTC` takes the 31st of February for a day of March, and an hour 24 for one of the next day.
  const isReal = new Date(local).toISOString().startsWith(text.slice(0, 10)) && minute < 60 && second < 60;
  const [offsetHours, offsetMinutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (!isReal || offsetHours > 15 || offsetMinutes > 59) return null;
  const offset = (offsetHours * 60 + offsetMinutes) * MINUTE_MS * (match[8] === '-' ? -1 : 1);
  return { ms: local - offset, fraction: match[7] ?? '' };
}
