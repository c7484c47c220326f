import type { RetentionRules } from '../../contracts/policy';
import type { RecoveryPointKind } from '../../contracts/recovery-point';
import type { ReasonToKeep, RetentionVerdict } from '../../contracts/retention';
import { Periods, type Period } from './periods';

/**
 * Which recovery points of one server stay, and why. Pure: nothing is deleted here, and the same points at the same moment give the same answer. Counted are
 * the recovery points themselves, not the calendar: a server that is not backed up any more loses nothing by the passing of time.
 */

export interface RetentionPoint {
  readonly id: string;
  readonly kind: RecoveryPointKind;
  /** Name of the data set; null for images. Each data set is counted by itself. */
  readonly dataSet: string | null;
  readonly pointInTime: Date;
  /** One that is damaged takes the place of no other. */
  readonly usable: boolean;
  /** Null: never proven. */
  readonly verifiedAt: Date | null;
  /** Incremental images only: what it builds on. */
  readonly parentId: string | null;
  /** Data only: taken of what was there before a restore. */
  readonly isSafety: boolean;
  /** A person's word that it stays; null: none. */
  readonly hold: { readonly reason: string } | null;
  /** What a run, or an open way back, needs it for; null: nothing. */
  readonly inUseBy: string | null;
}

export interface RetentionContext {
  readonly now: Date;
  readonly timeZone: string;
  /** By kind; null: no policy counts them, so that all stay. */
  readonly rules: Readonly<Record<RecoveryPointKind, RetentionRules | null>>;
  /** False: the time of day may be wrong, and nothing expires by it. */
  readonly clockTrusted: boolean;
  /** A server that is out of service for good: its last recovery points may go, too. */
  readonly decommissioned: boolean;
}

/** How long what was saved before a restore stays: as long as somebody may still find out that the restore was a mistake. */
export const SAFETY_DAYS = 30;
/** Clocks of two machines differ by seconds; more than that is a clock that was wrong. */
const SKEW_MS = 5 * 60_000;
const DAY_MS = 86_400_000;
const PERIODS: readonly Period[] = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'];

/** A verdict on every point, in the order given. */
export function judgeRetention(points: readonly RetentionPoint[], context: RetentionContext): readonly RetentionVerdict[] {
  const reasons = new Map<string, ReasonToKeep[]>(points.map(({ id }) => [id, []]));
  const keep = (id: string, reason: ReasonToKeep): void => void reasons.get(id)?.push(reason);
  const periods = new Periods(context.timeZone);

  for (const point of points) keepByItself(point, context, keep);
  for (const group of groupsOf(points)) {
    keepByRules(group, context, periods, keep);
    if (!context.decommissioned) keepTheLast(group, keep);
  }
  keepImagesUnderData(points, reasons, keep);
  keepParents(points, reasons, keep);

  return points.map(({ id }) => {
    const why = reasons.get(id) ?? [];
    return { recoveryPointId: id, verdict: why.length > 0 ? 'keep' : 'expire', reasons: why };
  });
}

type Keep = (id: string, reason: ReasonToKeep) => void;

/** What holds whatever the others are. */
function keepByItself(point: RetentionPoint, { now, rules, clockTrusted }: RetentionContext, keep: Keep): void {
  const { id, kind, pointInTime, hold, inUseBy, isSafety } = point;
  if (hold !== null) keep(id, { rule: 'hold', detail: hold.reason });
  if (inUseBy !== null) keep(id, { rule: 'in-use', detail: inUseBy });
  if (rules[kind] === null) keep(id, { rule: 'no-policy', detail: 'no policy says how long' });
  if (!clockTrusted) keep(id, { rule: 'clock', detail: 'the time of day may be wrong' });
  const ageMs = now.getTime() - pointInTime.getTime();
  if (ageMs < -SKEW_MS) keep(id, { rule: 'clock', detail: 'it lies in the future' });
  if (isSafety && ageMs <= SAFETY_DAYS * DAY_MS) keep(id, { rule: 'safety', detail: `saved before a restore, for ${SAFETY_DAYS} days` });
}

/** Images, and each data set, newest first; without what was only saved for safety. */
function groupsOf(points: readonly RetentionPoint[]): readonly (readonly RetentionPoint[])[] {
  const groups = new Map<string, RetentionPoint[]>();
  for (const point of points) {
    if (point.isSafety) continue;
    const key = `${point.kind} ${point.dataSet ?? ''}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  return [...groups.values()].map((group) => group.sort(newestFirst));
}

const newestFirst = (a: RetentionPoint, b: RetentionPoint): number => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1);

function keepByRules(group: readonly RetentionPoint[], { now, rules }: RetentionContext, periods: Periods, keep: Keep): void {
  const rule = rules[group[0]?.kind ?? 'image'];
  if (rule === null) return;
  // One from the future would move "the newest", and take the place of a real one.
  const past = group.filter(({ pointInTime }) => pointInTime.getTime() <= now.getTime() + SKEW_MS);
  const counted = past.filter(({ usable }) => usable);
  counted.slice(0, rule.last).forEach(({ id }, index) => keep(id, { rule: 'last', detail: `${index + 1} of ${rule.last}` }));
  keepWithin(past, counted, rule.withinDays, keep);
  keepOneOfEach(counted, rule, periods, keep);
}

function keepWithin(past: readonly RetentionPoint[], counted: readonly RetentionPoint[], days: number, keep: Keep): void {
  const newest = counted[0];
  if (days === 0 || newest === undefined) return;
  const since = newest.pointInTime.getTime() - days * DAY_MS;
  // Also the damaged ones: somebody may want to see what is left in them.
  for (const { id, pointInTime } of past) if (pointInTime.getTime() >= since) keep(id, { rule: 'within', detail: `${days} days before the newest` });
}

/** The newest of each period stands for it. */
function keepOneOfEach(counted: readonly RetentionPoint[], rule: RetentionRules, periods: Periods, keep: Keep): void {
  const wanted = PERIODS.filter((period) => rule[period] > 0);
  const left = new Map(wanted.map((period) => [period, { taken: 0, before: '' }]));
  for (const { id, pointInTime } of counted) {
    if (left.size === 0) return;
    const names = periods.of(pointInTime);
    for (const [period, state] of left) {
      if (names[period] === state.before) continue;
      state.before = names[period];
      state.taken += 1;
      keep(id, { rule: period, detail: `${names[period]}, ${state.taken} of ${rule[period]}` });
      if (state.taken === rule[period]) left.delete(period);
    }
  }
}

/** Whatever the rules say: the newest that can be restored, the newest that is proven. */
function keepTheLast(group: readonly RetentionPoint[], keep: Keep): void {
  const newest = group.find(({ usable }) => usable);
  if (newest !== undefined) keep(newest.id, { rule: 'newest', detail: 'the newest that can be restored' });
  const verified = group.find(({ usable, verifiedAt }) => usable && verifiedAt !== null);
  if (verified !== undefined) keep(verified.id, { rule: 'last-verified', detail: 'the newest that is proven' });
}

/** Data goes into a server that is there: for each that stays, the newest usable image from before it stays, too. */
function keepImagesUnderData(points: readonly RetentionPoint[], reasons: ReadonlyMap<string, readonly ReasonToKeep[]>, keep: Keep): void {
  const images = points.filter(({ kind, usable }) => kind === 'image' && usable).sort(newestFirst);
  const data = points.filter(({ id, kind, usable }) => kind === 'data' && usable && (reasons.get(id)?.length ?? 0) > 0).sort(newestFirst);
  const under = new Map<string, { id: string; count: number }>();
  let next = 0;
  for (const point of data) {
    while (next < images.length && (images[next]?.pointInTime.getTime() ?? 0) > point.pointInTime.getTime()) next += 1;
    const image = images[next];
    if (image === undefined) break;
    const entry = under.get(image.id);
    if (entry === undefined) under.set(image.id, { id: point.id, count: 1 });
    else entry.count += 1;
  }
  for (const [imageId, { id, count }] of under) {
    keep(imageId, {
      rule: 'under-data',
      detail: count === 1 ? `data recovery point ${id} needs it` : `${count} data recovery points need it, the newest is ${id}`,
    });
  }
}

/** An incremental is nothing without the one it builds on, and that one without its own. */
function keepParents(points: readonly RetentionPoint[], reasons: ReadonlyMap<string, readonly ReasonToKeep[]>, keep: Keep): void {
  const byId = new Map(points.map((point) => [point.id, point]));
  const told = new Set<string>();
  for (const point of points) {
    if ((reasons.get(point.id)?.length ?? 0) === 0) continue;
    for (let child = point, parent = parentOf(child, byId); parent !== undefined && !told.has(parent.id); child = parent, parent = parentOf(child, byId)) {
      told.add(parent.id);
      keep(parent.id, { rule: 'parent', detail: `${child.id} builds on it` });
    }
  }
}

const parentOf = ({ parentId }: RetentionPoint, byId: ReadonlyMap<string, RetentionPoint>): RetentionPoint | undefined =>
  parentId === null ? undefined : byId.get(parentId);

/** Whether rules would keep no recovery point at all. */
export const keepsNothing = (rules: RetentionRules): boolean =>
  rules.last + rules.hourly + rules.daily + rules.weekly + rules.monthly + rules.yearly + rules.withinDays === 0;
