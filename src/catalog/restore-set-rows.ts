import type { AuditEvent } from '../audit/append-audit';
import { storableText } from '../audit/storable';
import { isModosuError, ModosuError } from '../contracts/errors';
import type { RestorePlanView } from '../contracts/plan';
import type { RestoreSetMember, RestoreSetView, SetOfPlan } from '../contracts/restore-set';
import { namesOf, quoted } from '../contracts/text';
import type { FindingsRequest } from '../domain/planning/accepted-findings';
import { stateOfSet, type SetMove, type SetRun } from '../domain/restore-sets/restore-set';
import { isAuditedRefusal } from './acceptance';
import type { AcceptRestoreSetRequest, RunRestoreSetRequest } from './catalog';
import type { RecoveryPointRow, RestorePlanRow, RestoreSetMemberRow, RestoreSetRow, RunRow, WayBackRow } from './entities';
import { newPlan } from './plan-store';

/** Restore sets between the port and their rows. Pure. */

/** A set that is accepted, and the plans that are to be made. `planIds`: of those of its members that are restored, in their order. */
export function newRestoreSet(
  id: string,
  planIds: readonly string[],
  request: AcceptRestoreSetRequest,
  names: ReadonlyMap<string, string>,
  now: Date,
): { readonly set: RestoreSetRow; readonly plans: readonly RestorePlanRow[] } {
  const ids = planIds.values();
  const members = request.members.map(({ serverId, recoveryPointId }): RestoreSetMemberRow => ({
    serverId,
    recoveryPointId,
    planId: recoveryPointId === null ? null : (ids.next().value ?? null),
  }));
  const set: SetOfPlan = {
    id,
    basis: request.basis,
    members: members.flatMap(({ serverId, recoveryPointId, planId }) =>
      recoveryPointId === null || planId === null ? [] : [{ server: names.get(serverId) ?? serverId, serverId, planId, recoveryPointId }],
    ),
  };
  const { actor, incidentAt, leaveChanges } = request;
  return {
    set: {
      id,
      state: 'planned',
      basis: request.basis,
      choice: request.choice.map((line) => storableText(line)),
      members,
      requestedBy: storableText(actor, 256),
      requestedAt: now,
      runBy: null,
      reason: null,
      runAt: null,
      finishedAt: null,
      problem: null,
    },
    plans: set.members.map(({ serverId, planId, recoveryPointId }) =>
      newPlan(
        {
          id: planId,
          serverId,
          scenario: 'server',
          actor,
          recoveryPointId,
          keepDisks: [],
          attachOldDisks: [],
          // Data that was saved after the image would be past what the others have.
          request: { noData: true, leaveChanges, incidentAt, set },
          undoesRunId: null,
        },
        now,
      ),
    ),
  };
}

/** What the view of a set shows of other rows, by id of the plan. */
export interface RestoreSetContext {
  readonly names: ReadonlyMap<string, string>;
  readonly plans: readonly RestorePlanRow[];
  readonly runs: readonly RunRow[];
  readonly wayBacks: readonly WayBackRow[];
  readonly points: readonly Pick<RecoveryPointRow, 'id' | 'pointInTime'>[];
}

export function restoreSetView(row: RestoreSetRow, context: RestoreSetContext): RestoreSetView {
  const members = row.members.map((member) => memberView(member, context));
  const { state, problem } = stateOfSet(row.state, members);
  return {
    id: row.id,
    state,
    basis: row.basis,
    choice: row.choice,
    requestedBy: row.requestedBy,
    requestedAt: row.requestedAt.toISOString(),
    run: row.runBy === null || row.reason === null || row.runAt === null ? null : { by: row.runBy, reason: row.reason, at: row.runAt.toISOString() },
    finishedAt: row.finishedAt?.toISOString() ?? null,
    problem: row.problem ?? problem,
    members,
  };
}

function memberView({ serverId, recoveryPointId, planId }: RestoreSetMemberRow, { names, plans, runs, wayBacks, points }: RestoreSetContext): RestoreSetMember {
  const plan = plans.find(({ id }) => id === planId);
  const run = plan === undefined ? undefined : runs.find((one) => one.planId === plan.id);
  return {
    serverId,
    serverName: names.get(serverId) ?? serverId,
    recoveryPointId,
    pointInTime: points.find(({ id }) => id === recoveryPointId)?.pointInTime.toISOString() ?? null,
    planId,
    planState: plan?.state ?? null,
    runId: run?.id ?? null,
    runState: run?.state ?? null,
    waitingFor: run?.waitingFor ?? null,
    isLive: isLive(run, wayBacks),
    error: run?.error ?? plan?.error ?? null,
  };
}

const isLive = (run: RunRow | undefined, wayBacks: readonly WayBackRow[]): boolean =>
  run !== undefined && wayBacks.some(({ runId, wentLiveAt, state }) => runId === run.id && wentLiveAt !== null && state !== 'reverted');

/** The runs of a set as what comes next is decided by. `decided`: ids of those whose go-live stands. */
export const setRuns = (row: RestoreSetRow, { names, runs, wayBacks }: RestoreSetContext, decided: ReadonlySet<string>): readonly SetRun[] =>
  row.members.flatMap(({ planId, serverId }) => {
    const run = planId === null ? undefined : runs.find((one) => one.planId === planId);
    if (run === undefined) return [];
    const { id: runId, state, waitingFor, cancelRequested } = run;
    return [
      { runId, serverName: names.get(serverId) ?? serverId, state, waitingFor, cancelRequested, isDecided: decided.has(runId), isLive: isLive(run, wayBacks) },
    ];
  });

/** The names of exactly those that are restored have to be typed. Throws `CONFIRMATION_MISMATCH`. */
export function requireConfirmed(restoreSetId: string, names: readonly string[], typed: readonly string[]): void {
  if (names.length === typed.length && names.every((name) => typed.includes(name))) return;
  throw new ModosuError(
    'CONFIRMATION_MISMATCH',
    `Restore set ${restoreSetId} changes the servers ${namesOf(names, names.length)}, but ${typed.length === 0 ? 'nothing' : namesOf(typed, names.length)} was typed. Nothing was started.`,
    {
      hint: `Type each name: ${names.map((name) => `--confirm ${name}`).join(' ')}.`,
      context: { setId: restoreSetId },
    },
  );
}

/** What was overridden for a set, as far as it stands in one of its plans. */
export function findingsFor({ body }: Pick<RestorePlanView, 'body'>, { override, acknowledgeUnknown }: FindingsRequest): FindingsRequest {
  if (override === null) return { override, acknowledgeUnknown };
  const blocking = (body?.findings ?? []).filter(({ severity }) => severity === 'block').map(({ code }) => code);
  const codes = override.codes.filter((code) => blocking.includes(code));
  return { override: codes.length === 0 ? null : { ...override, codes }, acknowledgeUnknown };
}

/** Whoever overrides what blocks in none of the plans means something else. Throws `REQUEST_INVALID`. */
export function requireMeant(restoreSetId: string, plans: readonly Pick<RestorePlanView, 'body'>[], { override }: FindingsRequest): void {
  const blocking = new Set(plans.flatMap(({ body }) => (body?.findings ?? []).filter(({ severity }) => severity === 'block').map(({ code }) => code)));
  const wrong = (override?.codes ?? []).find((code) => !blocking.has(code));
  if (wrong === undefined) return;
  throw new ModosuError('REQUEST_INVALID', `${quoted(wrong)} blocks nothing in the plans of restore set ${restoreSetId}.`, {
    context: { setId: restoreSetId },
  });
}

/** The set is under way, or over. */
export const setUsed = ({ id, state }: Pick<RestoreSetRow, 'id' | 'state'>): ModosuError =>
  new ModosuError('PLAN_ALREADY_USED', `Restore set ${id} was carried out: it is ${state}.`, {
    hint: `See \`modosu restore-set show ${id}\`; plan a new one where it has to be done again.`,
    context: { setId: id },
  });

export const decisionReason = ({ id, reason }: Pick<RestoreSetRow, 'id' | 'reason'>): string => `restore set ${id}: ${reason ?? ''}`;

// --- audit --------------------------------------------------------------------------------------------------------------------

export const setPlanned = (
  { id, basis, choice, requestedBy }: RestoreSetRow,
  plans: readonly RestorePlanRow[],
  names: ReadonlyMap<string, string>,
): AuditEvent => ({
  actor: requestedBy,
  action: 'restore-set.requested',
  details: {
    setId: id,
    basis,
    choice,
    members: plans.map(({ serverId, id: planId, recoveryPointId }) => ({ server: names.get(serverId), planId, recoveryPointId })),
  },
});

export const setBegun = (row: RestoreSetRow, { actor, reason }: RunRestoreSetRequest, runIds: readonly string[]): AuditEvent => ({
  actor,
  action: 'restore-set.started',
  details: { setId: row.id, reason, runIds },
});

export const setMoved = ({ id }: RestoreSetRow, move: SetMove, actor: string): AuditEvent | null => {
  if (move.kind === 'end') return { actor, action: `restore-set.${move.state}`, details: { setId: id, problem: move.problem } };
  if (move.kind === 'cancel') return { actor, action: 'restore-set.cancelling', details: { setId: id, runIds: move.runIds, why: move.why } };
  return null;
};

/** The audit's entry for a refusal, or null when the error is not one. */
export function restoreSetRefused({ actor, restoreSetId, reason }: RunRestoreSetRequest, error: unknown): AuditEvent | null {
  if (!isModosuError(error) || !isAuditedRefusal(error.code)) return null;
  return { actor, action: 'restore-set.refused', details: { setId: restoreSetId, reason, code: error.code, message: error.message } };
}

export const restoreSetNotFound = (id: string): ModosuError =>
  new ModosuError('RESTORE_SET_NOT_FOUND', `There is no restore set ${quoted(id)} in the catalogue.`, { context: { setId: id.slice(0, 128) } });
