import type { OffsiteCopyState } from '../../contracts/offsite-copies';
import type { OffsitePolicy } from '../../contracts/policy';
import type { RecoveryPointState } from '../../contracts/recovery-point';
import { judgeRetention, type RetentionContext, type RetentionPoint } from '../retention/retention';

/** Which recovery points belong into an off-site repository, which of them is copied next, and which copies go. Pure. */

/** A recovery point with its copy in the one off-site repository that the policy of its server names. Of those that are deleted: only where there is a copy. */
export interface OffsitePoint extends RetentionPoint {
  readonly state: RecoveryPointState;
  readonly publishedAt: Date;
  /** Null: nobody has begun one. */
  readonly copy: { readonly state: OffsiteCopyState; readonly nextAttemptAt: Date | null } | null;
}

interface Rules {
  readonly offsite: OffsitePolicy;
  readonly timeZone: string;
  readonly now: Date;
}

const isCopied = ({ copy }: OffsitePoint): boolean => copy?.state === 'copied';

/** It may build on others: as long as it is being made, these stay. */
const isCopiedSoon = (point: OffsitePoint): boolean => isCopied(point) || point.copy?.state === 'copying';

/** What was only saved for safety before a restore belongs to that restore: it is not copied. */
const isCovered = ({ kind, isSafety }: OffsitePoint, { image, data }: OffsitePolicy): boolean => (kind === 'image' ? image : data) && !isSafety;

const contextOf = ({ offsite, timeZone, now }: Rules): RetentionContext => ({
  now,
  timeZone,
  rules: { image: offsite.image ? offsite.retention : null, data: offsite.data ? offsite.retention : null },
  clockTrusted: true,
  decommissioned: null,
});

/** A copy is as good as what was copied: what happens to the original says nothing about it. */
const keptOf = (points: readonly OffsitePoint[], rules: Rules): ReadonlySet<string> =>
  new Set(
    judgeRetention(
      points.map((point) => ({ ...point, usable: true, isAway: false, inheritsFrom: null, inUseBy: null })),
      contextOf(rules),
    ).flatMap(({ recoveryPointId, verdict }) => (verdict === 'keep' ? [recoveryPointId] : [])),
  );

/**
 * What is to lie in the off-site repository, of one server: what its rules would keep of all that is usable here or copied there. What they would not keep is not
 * copied at all. By id.
 */
export const wantedOffsite = (points: readonly OffsitePoint[], rules: Rules): ReadonlySet<string> =>
  keptOf(
    points.filter((point) => isCovered(point, rules.offsite) && (isCopiedSoon(point) || point.state === 'usable')),
    rules,
  );

/**
 * Copies that no rule keeps any more. Judged also by what is copied alone: as long as something newer has not arrived there, the last copies stay, whatever lies
 * here, or is on its way. Never one on which another copy builds, or one that is being made.
 */
export function outdatedCopies(points: readonly OffsitePoint[], rules: Rules): readonly string[] {
  const there = points.filter((point) => isCovered(point, rules.offsite) && isCopied(point));
  const kept = keptOf(there, rules);
  const wanted = wantedOffsite(points, rules);
  const needed = buildsOn(
    points.filter(({ copy }) => copy?.state === 'copying'),
    points,
  );
  return there.filter(({ id, inUseBy }) => !kept.has(id) && !wanted.has(id) && !needed.has(id) && inUseBy === null).map(({ id }) => id);
}

/** All that these build on. By id. */
function buildsOn(some: readonly OffsitePoint[], points: readonly OffsitePoint[]): ReadonlySet<string> {
  const parentOf = new Map(points.map(({ id, parentId }) => [id, parentId]));
  const below = new Set<string>();
  for (const { parentId } of some) for (let id = parentId; id !== null && !below.has(id); id = parentOf.get(id) ?? null) below.add(id);
  return below;
}

/**
 * What has to be copied so that this one is whole there: what it builds on first, without what is copied already. Null: that cannot be done now, because
 * something of it is not usable here, is being copied, or has failed and waits for its next attempt.
 */
export function chainToCopy(target: OffsitePoint, byId: ReadonlyMap<string, OffsitePoint>, now: Date): readonly string[] | null {
  const chain: string[] = [];
  for (let point: OffsitePoint | undefined = target; ; point = byId.get(point.parentId)) {
    if (point === undefined) return null;
    if (!isCopied(point)) {
      const { state, copy } = point;
      if (state !== 'usable' || copy?.state === 'copying' || (copy?.nextAttemptAt ?? now) > now) return null;
      chain.unshift(point.id);
    }
    if (point.parentId === null) return chain;
  }
}

export interface NextCopy {
  readonly recoveryPointId: string;
  /** Itself last. */
  readonly chain: readonly string[];
  readonly pointInTime: Date;
}

/** The newest one that is missing there and can be copied: protection comes soonest so. Null: there is none. */
export function nextCopy(points: readonly OffsitePoint[], rules: Rules): NextCopy | null {
  const byId = new Map(points.map((point) => [point.id, point]));
  for (const point of missing(points, rules)) {
    const chain = chainToCopy(point, byId, rules.now);
    if (chain !== null) return { recoveryPointId: point.id, chain, pointInTime: point.pointInTime };
  }
  return null;
}

/** Newest first. */
const missing = (points: readonly OffsitePoint[], rules: Rules): readonly OffsitePoint[] => {
  const wanted = wantedOffsite(points, rules);
  return points
    .filter((point) => wanted.has(point.id) && !isCopied(point) && point.state === 'usable')
    .toSorted((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1));
};

/** Beyond what is promised, what is to be copied is kept here for so long, should no rule keep it. */
const WAITS_FOR_COPY_MS = 7 * 86_400_000;
const HOUR_MS = 3_600_000;

/**
 * What stays here only because it is still to be copied: the newest of the images and of each data set, until it is; others as long as that may still be hoped
 * for. A medium that never comes back must not fill the repository. By id.
 */
export function waitsForCopy(points: readonly OffsitePoint[], rules: Rules): ReadonlySet<string> {
  const seen = new Set<string>();
  const stays = new Set<string>();
  for (const point of missing(points, rules)) {
    const group = `${point.kind} ${point.dataSet ?? ''}`;
    const until = point.publishedAt.getTime() + rules.offsite.withinHours * HOUR_MS + WAITS_FOR_COPY_MS;
    if (!seen.has(group) || rules.now.getTime() < until) stays.add(point.id);
    seen.add(group);
  }
  return stays;
}

const FIRST_PAUSE_MS = 5 * 60_000;
const LONGEST_PAUSE_MS = 6 * HOUR_MS;

/** How long after its `attempts`-th failure a copy is tried again: twice as long each time, up to six hours. */
export const pauseBeforeCopy = (attempts: number): number => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, Math.min(20, attempts - 1)));

/** A little less than a day: it must not come later each day. */
const CHECK_EVERY_MS = 23 * HOUR_MS;
/** After one that could not be carried out. */
const CHECK_AGAIN_MS = 6 * HOUR_MS;

/** @param last the last check that has ended; null: there was none */
export function isCheckDue(last: { readonly finishedAt: Date; readonly wasCarriedOut: boolean } | null, now: Date): boolean {
  if (last === null) return true;
  const ageMs = now.getTime() - last.finishedAt.getTime();
  return ageMs < 0 || ageMs >= (last.wasCarriedOut ? CHECK_EVERY_MS : CHECK_AGAIN_MS);
}
