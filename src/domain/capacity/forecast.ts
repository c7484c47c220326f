import type { CapacityForecast, RoomSample } from '../../contracts/capacity';

/** When a repository will be full, from what was measured. Pure. */

const DAY_MS = 86_400_000;
/** Less says nothing: one full backup in an hour looks like a disk that is full by evening. */
const LEAST_DAYS = 3;
const WEEK = 7;
/** Older ones tell of another estate. */
const LOOK_BACK_DAYS = 60;

/**
 * The trend is the median of what whole weeks have taken, because a week has its full backups on one day; before two weeks were measured, the median between all
 * pairs of days. So a night in which much was deleted, or one large server that was added, moves it little. Of each day (UTC) the least room counts.
 *
 * @param samples in any order; those from the future, or older than sixty days, are left out
 */
export function forecastRoom(samples: readonly RoomSample[], now: Date): CapacityForecast {
  const days = leastOfDays(samples, now);
  const spanDays = (days.at(-1)?.day ?? 0) - (days[0]?.day ?? 0);
  if (spanDays < LEAST_DAYS) return { bytesPerDay: null, fullAt: null, basedOnDays: days.length };
  const least = spanDays >= 2 * WEEK ? WEEK : 1;
  const most = least === WEEK ? WEEK : Number.POSITIVE_INFINITY;
  // Rounded to a sum that has a sign only where it is not 0.
  const bytesPerDay = Math.round(-median(slopes(days, least, most)) || 0);
  if (bytesPerDay <= 0) return { bytesPerDay, fullAt: null, basedOnDays: days.length };
  const leftMs = (newest(samples, now).freeBytes / bytesPerDay) * DAY_MS;
  const fullAt = new Date(now.getTime() + leftMs);
  return { bytesPerDay, fullAt: Number.isNaN(fullAt.getTime()) ? null : fullAt.toISOString(), basedOnDays: days.length };
}

/** Between days that are so far apart; days that were not measured may leave none, then between all. */
function slopes(days: readonly Day[], least: number, most: number): readonly number[] {
  const between = (from: Day, to: Day): readonly number[] => {
    const distance = to.day - from.day;
    return distance >= least && distance <= most ? [(to.freeBytes - from.freeBytes) / distance] : [];
  };
  const found = days.flatMap((from) => days.flatMap((to) => between(from, to)));
  return found.length > 0 ? found : slopes(days, 1, Number.POSITIVE_INFINITY);
}

const isUsed = ({ at }: RoomSample, now: Date): boolean => at.getTime() <= now.getTime() && at.getTime() > now.getTime() - LOOK_BACK_DAYS * DAY_MS;

interface Day {
  /** Days since 1970. */
  readonly day: number;
  readonly freeBytes: number;
}

function leastOfDays(samples: readonly RoomSample[], now: Date): readonly Day[] {
  const least = new Map<number, number>();
  for (const sample of samples) {
    if (!isUsed(sample, now)) continue;
    const day = Math.floor(sample.at.getTime() / DAY_MS);
    least.set(day, Math.min(least.get(day) ?? Number.POSITIVE_INFINITY, sample.freeBytes));
  }
  return [...least].sort(([a], [b]) => a - b).map(([day, freeBytes]) => ({ day, freeBytes }));
}

const newest = (samples: readonly RoomSample[], now: Date): RoomSample =>
  samples.filter((sample) => isUsed(sample, now)).reduce((latest, sample) => (sample.at.getTime() > latest.at.getTime() ? sample : latest));

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}
