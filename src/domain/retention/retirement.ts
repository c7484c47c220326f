import type { RecoveryPointState } from '../../contracts/recovery-point';
import type { RetentionVerdict } from '../../contracts/retention';
import { SKEW_MS } from '../clock-skew';
import { isDamage } from '../verification/verification';

/** How a recovery point goes: it expires, can be had back for some time, and is then deleted. Pure. */

interface Retired {
  readonly state: RecoveryPointState;
  readonly checkProblem: { readonly code: string; readonly message: string } | null;
}

/** What one that goes was before, and is when it comes back; any other: what it is. */
export function stateBefore({ state, checkProblem }: Retired): 'usable' | 'damaged' {
  if (state === 'usable' || state === 'damaged') return state;
  return checkProblem !== null && isDamage(checkProblem) ? 'damaged' : 'usable';
}

export interface Retiring extends Retired {
  readonly id: string;
  /** What it builds on; null: it is whole. */
  readonly parentId: string | null;
  /** When it is deleted; null: it has not expired, or stays for now although it has. */
  readonly deletesAt: Date | null;
  /** False: nobody can remove it from where it lies. It expires all the same, and stays there. */
  readonly canGo: boolean;
}

/** `expires`: no rule keeps it. `returns`: one does again. `waits`: its time begins anew, because it was given by a clock that was ahead, or was longer than it is now; or because only now it can go, or no longer can. `goes`: for good. */
export type RetirementStep = 'expires' | 'returns' | 'waits' | 'goes';

/**
 * The next step of each recovery point that has one. What others build on goes with the last of them, or after it.
 *
 * @param points all of a server that are not deleted
 * @param keptMs how long one that has expired can be had back
 */
export function retirementSteps(
  points: readonly Retiring[],
  verdicts: readonly RetentionVerdict[],
  keptMs: number,
  now: Date,
): ReadonlyMap<string, RetirementStep> {
  const keeps = new Map(verdicts.map(({ recoveryPointId, verdict }) => [recoveryPointId, verdict === 'keep']));
  const steps = new Map<string, RetirementStep>();
  for (const point of points) {
    // Of one that nobody has judged nothing is known: it stays.
    const step = stepOf(point, keeps.get(point.id) ?? true, keptMs, now);
    if (step !== null) steps.set(point.id, step);
  }
  for (const id of neededBelow(points, ({ id }) => steps.get(id) !== 'goes')) if (steps.get(id) === 'goes') steps.delete(id);
  return steps;
}

/** All on which those that stay build, directly or indirectly. */
function neededBelow(points: readonly Retiring[], stays: (point: Retiring) => boolean): ReadonlySet<string> {
  const parentOf = new Map(points.map(({ id, parentId }) => [id, parentId]));
  const needed = new Set<string>();
  for (const { parentId } of points.filter((point) => point.state !== 'deleted' && stays(point))) {
    for (let id = parentId; id !== null && !needed.has(id); id = parentOf.get(id) ?? null) needed.add(id);
  }
  return needed;
}

function stepOf({ state, deletesAt, canGo }: Retiring, stays: boolean, keptMs: number, now: Date): RetirementStep | null {
  if (state === 'deleted') return null;
  if (state !== 'expired') return stays ? null : 'expires';
  if (stays) return 'returns';
  if (deletesAt === null || !canGo) return (deletesAt !== null) === canGo ? null : 'waits';
  const leftMs = deletesAt.getTime() - now.getTime();
  if (leftMs > keptMs + SKEW_MS) return 'waits';
  return leftMs <= 0 ? 'goes' : null;
}

/** Between two looks more time than this has passed for nobody: everything was down, or a clock has jumped. */
const LOOKED_AWAY_MS = 60 * 60_000;

/** By how much later what has expired goes, because nobody could have had it back meanwhile. `lastLook` null: there was none. */
export function unwatchedMs(lastLook: Date | null, now: Date): number {
  return lastLook === null ? 0 : Math.max(0, now.getTime() - lastLook.getTime() - LOOKED_AWAY_MS);
}
