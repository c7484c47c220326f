import type { RetentionPoint } from '../domain/retention/retention';
import type { RecoveryPointRow, RestorePlanRow } from './entities';

/** What retention needs to know of recovery points, from their rows and those of plans. Pure. */

/** Whoever has read a plan may still carry it out so long. */
const PLAN_PINS_MS = 7 * 86_400_000;
const RECOVERY_POINT_ID = /rp_[0-9a-hjkmnp-tv-z]{26}/g;

export type PlanUse = Pick<RestorePlanRow, 'id' | 'state' | 'createdAt' | 'recoveryPointId' | 'body' | 'runId'>;

/**
 * Recovery points that somebody counts on, and who: a plan that may still be carried out, a restore that runs, one whose way back is open.
 *
 * @param openRuns ids of runs that have not ended
 * @param openWayBacks ids of runs whose way back is open
 */
export function recoveryPointUses(
  plans: readonly PlanUse[],
  openRuns: ReadonlySet<string>,
  openWayBacks: ReadonlySet<string>,
  now: Date,
): ReadonlyMap<string, string> {
  const uses = new Map<string, string>();
  for (const plan of plans) {
    const use = useOf(plan, openRuns, openWayBacks, now);
    if (use === null) continue;
    for (const id of [...(plan.recoveryPointId === null ? [] : [plan.recoveryPointId]), ...(plan.body?.match(RECOVERY_POINT_ID) ?? [])]) uses.set(id, use);
  }
  return uses;
}

function useOf({ id, state, createdAt, runId }: PlanUse, openRuns: ReadonlySet<string>, openWayBacks: ReadonlySet<string>, now: Date): string | null {
  if (runId !== null && openRuns.has(runId)) return `run ${runId} restores from it`;
  if (runId !== null && openWayBacks.has(runId)) return `run ${runId} has restored from it and can still be undone`;
  const isPending = state === 'planning' || state === 'ready';
  return isPending && now.getTime() - createdAt.getTime() < PLAN_PINS_MS ? `plan ${id} may still be carried out` : null;
}

export const retentionPoint = (
  row: Pick<RecoveryPointRow, 'id' | 'kind' | 'dataSet' | 'pointInTime' | 'state' | 'purpose' | 'holdReason' | 'verifiedAt'>,
  uses: ReadonlyMap<string, string>,
): RetentionPoint => ({
  id: row.id,
  kind: row.kind,
  dataSet: row.dataSet,
  pointInTime: row.pointInTime,
  usable: row.state === 'usable',
  verifiedAt: row.verifiedAt,
  parentId: null,
  isSafety: row.purpose === 'safety',
  hold: row.holdReason === null ? null : { reason: row.holdReason },
  inUseBy: uses.get(row.id) ?? null,
});
