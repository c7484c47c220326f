import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import type { PlanBody } from '../contracts/plan';
import { stateBefore, type RetirementStep, type Retiring } from '../domain/retention/retirement';
import { AWAY } from '../domain/verification/verification';
import type { RecoveryPointRow, RestorePlanRow, WayBackRow } from './entities';
import type { KnownToRetention, Removal } from './port/retention';
import { provenAt } from './recovery-point-chain';

/** What retention needs to know of recovery points, from their rows and those of plans; and what it does to the rows. Pure. */

/** Who lets them go. */
export const RETENTION = 'retention';

/** Whoever has read a plan may still carry it out so long. */
export const PLAN_PINS_MS = 7 * 86_400_000;

/** A plan that is made for longer is made by nobody any more. */
export const PLANNING_MS = 60 * 60_000;

export type PlanUse = Pick<RestorePlanRow, 'id' | 'state' | 'createdAt' | 'recoveryPointId' | 'body' | 'runId'>;

/**
 * Recovery points that somebody counts on, and who: a plan that may still be carried out, a restore that runs, one whose way back is open.
 *
 * @param open what has not ended
 */
export function recoveryPointUses(plans: readonly PlanUse[], open: OpenUses, now: Date): ReadonlyMap<string, string> {
  const uses = new Map<string, string>();
  for (const { id, recoveryPointId } of open.verifications) if (recoveryPointId !== null) uses.set(recoveryPointId, `verification ${id} reads it`);
  for (const plan of plans) {
    const use = useOf(plan, open, now);
    if (use !== null) for (const id of recoveryPointsOf(plan)) uses.set(id, use);
  }
  return uses;
}

export interface OpenUses {
  /** Ids of runs. */
  readonly runs: ReadonlySet<string>;
  /** Ids of runs whose way back is open. */
  readonly wayBacks: ReadonlySet<string>;
  readonly verifications: readonly { readonly id: string; readonly recoveryPointId: string | null }[];
}

/** All that a plan restores from: the one that was asked for, the one that was chosen, data that comes back after the image. */
export function recoveryPointsOf({ recoveryPointId, body }: Pick<PlanUse, 'recoveryPointId' | 'body'>): readonly string[] {
  const plan = body === null ? null : (JSON.parse(body) as PlanBody);
  const chosen = plan === null || plan.scenario === 'undo' ? [] : [plan.recoveryPoint.id];
  const data = plan?.scenario === 'server' ? (plan.data ?? []).map(({ item }) => item.recoveryPointId) : [];
  return [...new Set([...(recoveryPointId === null ? [] : [recoveryPointId]), ...chosen, ...data])];
}

function useOf({ id, state, createdAt, runId }: PlanUse, { runs: openRuns, wayBacks: openWayBacks }: OpenUses, now: Date): string | null {
  if (runId !== null && openRuns.has(runId)) return `run ${runId} restores from it`;
  if (runId !== null && openWayBacks.has(runId)) return `run ${runId} has restored from it and can still be undone`;
  const isPending = state === 'planning' || state === 'ready';
  return isPending && now.getTime() - createdAt.getTime() < PLAN_PINS_MS ? `plan ${id} may still be carried out` : null;
}

/** Of a row, what its retention is judged by. */
export type RetentionColumns = Pick<
  RecoveryPointRow,
  | 'id'
  | 'kind'
  | 'dataSet'
  | 'pointInTime'
  | 'state'
  | 'purpose'
  | 'holdReason'
  | 'verifiedAt'
  | 'checkProblem'
  | 'damageOrigin'
  | 'bootAt'
  | 'bootProblem'
  | 'lineageId'
  | 'parentId'
  | 'expiredAt'
  | 'deletesAt'
  | 'publishedAt'
>;

/**
 * Images that a backup under way may build on: any usable one of the disks that the server has.
 *
 * @param runId the backup; null: there is none
 */
export const possibleParents = (rows: readonly RetentionColumns[], lineageId: string, runId: string | null): ReadonlyMap<string, string> =>
  new Map(
    runId === null
      ? []
      : rows.flatMap((row) =>
          row.kind === 'image' && row.state === 'usable' && row.lineageId === lineageId ? [[row.id, `run ${runId} may build on it`]] : [],
        ),
  );

/** The last look found its place away. */
const isAway = (row: Pick<RecoveryPointRow, 'state' | 'checkProblem'>): boolean =>
  stateBefore(row) === 'usable' && row.checkProblem !== null && AWAY.has(row.checkProblem.code);

/** By id, of all that are there. */
export type FindColumns = (id: string) => RetentionColumns | undefined;

/** It is damaged only because of one on which it builds, which is there, and may be well again. One that goes already goes all the same. */
const waitsForOrigin = (row: RetentionColumns, find: FindColumns): boolean =>
  row.state === 'damaged' && row.damageOrigin !== null && find(row.damageOrigin) !== undefined;

export type OpenWayBack = Pick<WayBackRow, 'runId' | 'lineageBefore' | 'data'>;

/** Lines of disks that count: the one that the server has, and those that undoing brings back, which the undo of data does not. By id, why. */
export const linesOf = ({ lineageId }: { readonly lineageId: string }, openWayBacks: readonly OpenWayBack[]): ReadonlyMap<string, string> =>
  new Map([
    ...openWayBacks.filter(({ data }) => data === null).map(({ runId, lineageBefore }) => [lineageBefore, `that undoing run ${runId} brings back`] as const),
    [lineageId, 'that the server has'],
  ]);

export const retentionPoint = (
  row: RetentionColumns,
  uses: ReadonlyMap<string, string>,
  lines: ReadonlyMap<string, string>,
  find: FindColumns,
): KnownToRetention => ({
  id: row.id,
  kind: row.kind,
  dataSet: row.dataSet,
  pointInTime: row.pointInTime,
  usable: stateBefore(row) === 'usable' && !isAway(row),
  isAway: isAway(row),
  inheritsFrom: waitsForOrigin(row, find) ? row.damageOrigin : null,
  bootedAt: row.bootProblem === null ? row.bootAt : null,
  line: row.lineageId !== null && lines.has(row.lineageId) ? { id: row.lineageId, why: lines.get(row.lineageId) ?? '' } : null,
  verifiedAt: provenAt(row, find),
  parentId: row.parentId,
  isSafety: row.purpose === 'safety',
  hold: row.holdReason === null ? null : { reason: row.holdReason },
  inUseBy: uses.get(row.id) ?? null,
  expiredAt: row.expiredAt,
});

type RetiredColumns = Pick<RecoveryPointRow, 'state' | 'expiredAt' | 'deletesAt' | 'deletedAt' | 'removedAt' | 'checkProblem'>;

/** @param removesData whether the data repository can remove anything: where it cannot, no time is given that nobody could keep */
export const retiring = <Row extends RetentionColumns>(row: Row, removesData: boolean): Row & Retiring => ({
  ...row,
  canGo: row.kind === 'image' || removesData,
});

/** The columns of one after a step. */
export function retired(row: RecoveryPointRow & Retiring, step: RetirementStep, keptMs: number, now: Date): Partial<RetiredColumns> {
  if (step === 'returns') return returned(row);
  if (step === 'goes') return { state: 'deleted', deletedAt: now };
  const deletesAt = row.canGo ? new Date(now.getTime() + keptMs) : null;
  if (step === 'waits') return { deletesAt };
  // One that a restore has found damaged, long ago, says so nowhere else: it must not come back as a usable one.
  const found = row.state === 'damaged' && row.checkProblem === null ? { code: 'RECOVERY_POINT_CORRUPT', message: row.stateReason ?? '' } : row.checkProblem;
  return { state: 'expired', expiredAt: now, deletesAt, checkProblem: found };
}

/** One that has expired is what it was before; any other stays what it is. */
export const returned = (row: RecoveryPointRow): Partial<RetiredColumns> =>
  row.state === 'expired' ? { state: stateBefore(row), expiredAt: null, deletesAt: null } : {};

export const removal = ({ id, kind, serverId, repository }: Pick<RecoveryPointRow, 'id' | 'kind' | 'serverId' | 'repository'>): Removal => ({
  recoveryPointId: id,
  serverId,
  ...(kind === 'image' ? { kind, repository: repository ?? '' } : { kind }),
});

export const retiredDetails = ({ id, kind, generation, repository, dataSet, pointInTime }: RecoveryPointRow): Readonly<Record<string, unknown>> => ({
  recoveryPointId: id,
  kind,
  generation,
  repository,
  ...(dataSet === null ? {} : { dataSet }),
  pointInTime: pointInTime.toISOString(),
});

/** By what the audit says that one is judged. `decommissionedAt` absent: its server is in service. */
export const retiredBy = (policy: string | null, decommissionedAt: string | undefined): Readonly<Record<string, unknown>> => ({
  policy,
  ...(decommissionedAt === undefined ? {} : { decommissionedAt }),
});

/** What a plan needs must not be on its way out. Throws `RECOVERY_POINT_NOT_USABLE`. */
export function requireKept(points: readonly Pick<RecoveryPointRow, 'id' | 'state'>[], planId: string): void {
  const gone = points.find(({ state }) => state === 'expired' || state === 'deleted');
  if (gone === undefined) return;
  throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Plan ${planId} needs recovery point ${gone.id}, which is ${gone.state} by now. Nothing was started.`, {
    hint: 'Make a new plan.',
    context: { planId, recoveryPointId: gone.id },
  });
}

/** Throws `RECOVERY_POINT_NOT_USABLE` for one whose files are gone, or going. */
export function requireThere({ id, state, deletedAt }: RecoveryPointRow): void {
  if (state !== 'deleted') return;
  throw new ModosuError(
    'RECOVERY_POINT_NOT_USABLE',
    `Recovery point ${id} was deleted at ${deletedAt?.toISOString() ?? ''}: no rule kept it. Nothing was changed.`,
    {
      context: { recoveryPointId: id },
    },
  );
}

/** One word of one person is kept: a second one must not be taken for it. Throws `RECOVERY_POINT_HELD`. */
export function isHeldAlready({ id, heldAt, heldBy, holdReason }: RecoveryPointRow, actor: string, reason: string): boolean {
  if (heldAt === null) return false;
  if (heldBy === storableText(actor, 256) && holdReason === storableText(reason)) return true;
  throw new ModosuError(
    'RECOVERY_POINT_HELD',
    `Recovery point ${id} is held by ${heldBy ?? ''} since ${heldAt.toISOString()}: ${holdReason ?? ''}. Nothing was changed.`,
    {
      context: { recoveryPointId: id, heldBy },
    },
  );
}
