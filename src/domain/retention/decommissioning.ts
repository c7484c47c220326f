import type { Decommissioning } from '../../contracts/server';
import { SKEW_MS } from '../clock-skew';
import { unwatchedMs } from './retirement';

/** Until when the last recovery points of a server that is out of service are protected. Pure. */

const DAY_MS = 86_400_000;

/** When the days are over, counted from `now`. */
export const protectionEnd = (keepDays: number, now: Date): Date => new Date(now.getTime() + keepDays * DAY_MS);

/**
 * The same after a look at it: time that nobody has watched since it was decommissioned counts for nothing, and an end that lies further ahead than all its
 * days was given by a clock that was wrong.
 *
 * @param lastLook null: nobody has looked before
 */
export function watchedProtectionEnd({ at, keepDays, protectsUntil }: Decommissioning, lastLook: Date | null, now: Date): Date {
  const watchedSince = new Date(Math.max(Date.parse(at), lastLook?.getTime() ?? Number.NEGATIVE_INFINITY));
  const endMs = Date.parse(protectsUntil) + unwatchedMs(watchedSince, now);
  const latest = protectionEnd(keepDays, now);
  return endMs > latest.getTime() + SKEW_MS ? latest : new Date(endMs);
}
