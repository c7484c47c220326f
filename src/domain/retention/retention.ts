import type { Policy, RetentionRules } from '../../contracts/policy';
import type { RecoveryPointKind } from '../../contracts/recovery-point';
import type { ReasonToKeep, RetentionVerdict } from '../../contracts/retention';
import type { Decommissioning } from '../../contracts/server';
import { isAhead } from '../clock-skew';
import { PERIODS, Periods } from './periods';

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
  /** One that is damaged, or away, takes the place of no other. */
  readonly usable: boolean;
  /** Null: never proven. */
  readonly verifiedAt: Date | null;
  /** Images: when it last came up in a boot proof; null: it did not, or nobody has tried. */
  readonly bootedAt: Date | null;
  /** Its repository was away when it was looked for: it stays, and takes the place of no other. */
  readonly isAway: boolean;
  /** It is damaged only because of this one, on which it builds, and may be well again: it stays, and takes the place of no other. Null, or absent: it is not. */
  readonly inheritsFrom?: string | null;
  /** Images: the disks that the server has, or may have again, of which this is one; null: of others. */
  readonly line: { readonly id: string; readonly why: string } | null;
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
  /** A server that is out of service for good: up to this moment all stays that stays of one in service, from then on no rule keeps anything. Null: it is in service. */
  readonly decommissioned: { readonly protectsUntil: Date } | null;
}

/** What a policy says, at this moment, of a server. `policy` null: nobody has said how long. `decommissioned` null: it is in service. */
export const retentionContext = (
  policy: Pick<Policy, 'timeZone' | 'image' | 'data'> | null,
  decommissioned: Pick<Decommissioning, 'protectsUntil'> | null,
  now: Date,
): RetentionContext => ({
  now,
  timeZone: policy?.timeZone ?? 'UTC',
  rules: { image: policy?.image?.retention ?? null, data: policy?.data?.retention ?? null },
  clockTrusted: true,
  decommissioned: decommissioned === null ? null : { protectsUntil: new Date(decommissioned.protectsUntil) },
});

/** How long what was saved before a restore stays: as long as somebody may still find out that the restore was a mistake. */
export const SAFETY_DAYS = 30;
const DAY_MS = 86_400_000;

/** A verdict on every point, in the order given. */
export function judgeRetention(points: readonly RetentionPoint[], context: RetentionContext): readonly RetentionVerdict[] {
  const reasons = new Map<string, readonly ReasonToKeep[]>();
  const keep = (id: string, reason: ReasonToKeep): void => void reasons.set(id, [...(reasons.get(id) ?? []), reason]);
  const periods = new Periods(context.timeZone);

  const ordered = [...points].sort(newestFirst);
  for (const point of points) keepOnPurpose(point, context, keep);
  if (!isProtectionOver(context)) {
    for (const point of points) keepByItself(point, context, keep);
    for (const group of groupsOf(ordered)) {
      keepByRules(group, context, periods, keep);
      keepTheLast(
        group.filter((point) => !isFuture(point, context.now)),
        untilTheEnd(context, keep),
      );
    }
  }
  const byId = new Map(points.map((point) => [point.id, point]));
  const parents = new Set<string>();
  keepParents(ordered, byId, reasons, parents, keep);
  keepImagesUnderData(ordered, reasons, keep);
  keepParents(ordered, byId, reasons, parents, keep);

  return points.map(({ id }) => {
    const why = reasons.get(id) ?? [];
    return { recoveryPointId: id, verdict: why.length > 0 ? 'keep' : 'expire', reasons: why };
  });
}

type Keep = (id: string, reason: ReasonToKeep) => void;

/** Such a one would move "the newest", and take the place of a real one: it stays, and counts for nothing. */
const isFuture = ({ pointInTime }: RetentionPoint, now: Date): boolean => isAhead(pointInTime, now);

/** Its server is out of service, and the time is over for which what was protected stays. */
const isProtectionOver = ({ now, decommissioned }: RetentionContext): boolean =>
  decommissioned !== null && decommissioned.protectsUntil.getTime() <= now.getTime();

/** What is protected whatever the rules of a policy say is so only for a time, when the server is out of service. */
function untilTheEnd({ decommissioned }: RetentionContext, keep: Keep): Keep {
  if (decommissioned === null) return keep;
  const end = `; until ${decommissioned.protectsUntil.toISOString()}, because the server is decommissioned`;
  return (id, { rule, detail }) => keep(id, { rule, detail: `${detail}${end}` });
}

/** What a person, a run or a doubt about the time keeps, of every server. */
function keepOnPurpose({ id, hold, inUseBy }: RetentionPoint, { clockTrusted }: RetentionContext, keep: Keep): void {
  if (hold !== null) keep(id, { rule: 'hold', detail: hold.reason });
  if (inUseBy !== null) keep(id, { rule: 'in-use', detail: inUseBy });
  if (!clockTrusted) keep(id, { rule: 'clock', detail: 'the time of day may be wrong' });
}

/** What holds whatever the others are. */
function keepByItself(point: RetentionPoint, { now, rules }: RetentionContext, keep: Keep): void {
  const { id, kind, pointInTime, isSafety, isAway, inheritsFrom = null } = point;
  if (isAway) keep(id, { rule: 'unreachable', detail: 'its repository was away when it was looked for' });
  if (inheritsFrom !== null) keep(id, { rule: 'inherited', detail: `only ${inheritsFrom}, on which it builds, is damaged, and may be well again` });
  if (rules[kind] === null) keep(id, { rule: 'no-policy', detail: 'no policy says how long' });
  const ageMs = now.getTime() - pointInTime.getTime();
  if (isFuture(point, now)) keep(id, { rule: 'clock', detail: 'it lies in the future' });
  if (isSafety && ageMs <= SAFETY_DAYS * DAY_MS) keep(id, { rule: 'safety', detail: `saved before a restore, for ${SAFETY_DAYS} days` });
}

/** Images, and each data set, in the order given; without what was only saved for safety. */
function groupsOf(points: readonly RetentionPoint[]): readonly (readonly RetentionPoint[])[] {
  const groups = new Map<string, RetentionPoint[]>();
  for (const point of points) {
    if (point.isSafety) continue;
    const key = `${point.kind} ${point.dataSet ?? ''}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  return [...groups.values()];
}

const newestFirst = (a: RetentionPoint, b: RetentionPoint): number => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1);

function keepByRules(group: readonly RetentionPoint[], { now, rules }: RetentionContext, periods: Periods, keep: Keep): void {
  const rule = rules[group[0]?.kind ?? 'image'];
  if (rule === null) return;
  const past = group.filter((point) => !isFuture(point, now));
  const counted = past.filter(({ usable }) => usable);
  counted.slice(0, rule.last).forEach(({ id }, index) => keep(id, { rule: 'last', detail: `${index + 1} of ${rule.last}` }));
  // All usable ones may lie in the future of a clock that went back: then nothing is older than before.
  keepWithin(past, counted[0] ?? group.find(({ usable }) => usable), rule.withinDays, keep);
  keepOneOfEach(counted, rule, periods, keep);
}

function keepWithin(past: readonly RetentionPoint[], newest: RetentionPoint | undefined, days: number, keep: Keep): void {
  if (days === 0 || newest === undefined) return;
  const since = newest.pointInTime.getTime() - days * DAY_MS;
  // Also the damaged ones: somebody may want to see what is left in them.
  for (const { id, pointInTime } of past) if (pointInTime.getTime() >= since) keep(id, { rule: 'within', detail: `${days} days before the newest` });
}

/** The newest of each period stands for it. */
function keepOneOfEach(counted: readonly RetentionPoint[], rule: RetentionRules, periods: Periods, keep: Keep): void {
  const wanted = PERIODS.filter((period) => rule[period] > 0);
  // By name, not one after the other: there are zones whose clocks show two hours again, one after the other.
  const left = new Map(wanted.map((period) => [period, new Set<string>()]));
  for (const { id, pointInTime } of counted) {
    if (left.size === 0) return;
    const names = periods.of(pointInTime, left.keys());
    for (const [period, taken] of left) {
      if (taken.has(names[period])) continue;
      taken.add(names[period]);
      keep(id, { rule: period, detail: `${names[period]}, ${taken.size} of ${rule[period]}` });
      if (taken.size === rule[period]) left.delete(period);
    }
  }
}

/** Whatever the rules say: the newest that can be restored (of each line of disks that counts), what is damaged and newer, the newest that is proven, or came up. */
function keepTheLast(group: readonly RetentionPoint[], keep: Keep): void {
  const index = group.findIndex(({ usable }) => usable);
  const newest = group[index];
  // Somebody may have to be content with what is left in them.
  for (const { id } of group.slice(0, index === -1 ? group.length : index)) keep(id, { rule: 'newest', detail: 'damaged, but nothing as new can be restored' });
  if (newest === undefined) return;
  const lines = new Set<string>();
  for (const { id, usable, line } of group) {
    if (!usable || line === null || lines.has(line.id)) continue;
    lines.add(line.id);
    if (id !== newest.id) keep(id, { rule: 'newest', detail: `the newest of the disks ${line.why}` });
  }
  keep(newest.id, { rule: 'newest', detail: 'the newest that can be restored' });
  const verified = group.find(({ usable, verifiedAt }) => usable && verifiedAt !== null);
  if (verified !== undefined) keep(verified.id, { rule: 'last-verified', detail: 'the newest that is proven' });
  const booted = group.find(({ usable, bootedAt }) => usable && bootedAt !== null);
  if (booted !== undefined) keep(booted.id, { rule: 'last-booted', detail: 'the newest that came up when it was booted' });
}

/** Data goes into a server that is there: for each that stays, the newest usable image from before it stays, too. Newest first. */
function keepImagesUnderData(points: readonly RetentionPoint[], reasons: ReadonlyMap<string, readonly ReasonToKeep[]>, keep: Keep): void {
  const images = points.filter(({ kind, usable }) => kind === 'image' && usable);
  const data = points.filter(({ id, kind }) => kind === 'data' && reasons.has(id));
  const under = new Map<string, { id: string; count: number }>();
  let next = 0;
  for (const point of data) {
    while ((images[next]?.pointInTime.getTime() ?? Number.NEGATIVE_INFINITY) > point.pointInTime.getTime()) next += 1;
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

/** An incremental is nothing without the one it builds on, and that one without its own. `told`: of whom that was said before. Newest first. */
function keepParents(
  points: readonly RetentionPoint[],
  byId: ReadonlyMap<string, RetentionPoint>,
  reasons: ReadonlyMap<string, readonly ReasonToKeep[]>,
  told: Set<string>,
  keep: Keep,
): void {
  for (const point of points) {
    if (!reasons.has(point.id)) continue;
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
