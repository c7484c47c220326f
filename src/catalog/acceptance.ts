import type { AuditEvent } from '../audit/append-audit';
import { storableText } from '../audit/storable';
import type { ErrorCode } from '../contracts/error-codes';
import { isModosuError, ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import type { RunKind } from '../contracts/run';
import type { PlanBody } from '../contracts/plan';
import type { Policy } from '../contracts/policy';
import { usablePlan, type PlanForAcceptance, type PlannedRequest, type UsablePlan } from '../domain/planning/usable-plan';
import { imageOptions } from '../domain/schedules/image-options';
import type { AcceptedFindings, BackupDataInput, BackupImageInput, ConfirmInput, RunInput, StartableRun } from '../contracts/workflows';
import { sha256Of } from '../system/sha256';
import type { AcceptBackupRequest, AcceptConfirmRequest, AcceptDataBackupRequest, AcceptPlannedRequest, AcceptRunRequest, ServerRecord } from './catalog';

/**
 * What the stores share when a run is accepted or refused: what the audit says of it, and the workflow input of an accepted one. Whether a plan may be carried out
 * is a rule (`domain/planning/usable-plan.ts`). Pure: the stores add the locking.
 */

/** Refusals that are written to the audit: somebody wanted to change a server and was not let. */
const AUDITED_REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SERVER_BUSY',
  'SERVER_DECOMMISSIONED',
  'CONFIRMATION_MISMATCH',
  'IDEMPOTENCY_KEY_REUSED',
  'PLAN_NOT_READY',
  'PLAN_FAILED',
  'PLAN_ALREADY_USED',
  'PLAN_BLOCKED',
  'PLAN_NOT_ACKNOWLEDGED',
  'PLAN_IN_SET',
  'PLAN_STALE',
  'RECOVERY_POINT_NOT_USABLE',
  'WAY_BACK_NOT_FOUND',
  'WAY_BACK_CLOSED',
  'WAY_BACK_NOT_NEWEST',
  'WAY_BACK_EMPTY',
  'RUN_NOT_LIVE',
]);

/** Whether a refusal with this code is written down. */
export const isAuditedRefusal = (code: ErrorCode): boolean => AUDITED_REFUSALS.has(code);

export type RefusableRequest = AcceptRunRequest & { readonly planId?: string; readonly ofRunId?: string };

/** The audit's entry for a refusal, or null when the error is not one. */
export function refusalEvent(kind: RunKind, request: RefusableRequest, error: unknown): AuditEvent | null {
  if (!isModosuError(error) || !isAuditedRefusal(error.code)) return null;
  const { planId, ofRunId, reason } = request;
  return {
    actor: request.actor,
    action: 'run.refused',
    serverId: request.serverId,
    details: {
      kind,
      code: error.code,
      message: error.message,
      reason,
      planId,
      ofRunId,
      holder: error.code === 'SERVER_BUSY' ? error.context['runId'] : undefined,
    },
  };
}

/** The gate of every run that carries out a plan, with the hash and the texts of this catalogue. */
export const requireUsablePlan = (plan: PlanForAcceptance, server: Pick<ServerRecord, 'name'>, request: PlannedRequest): UsablePlan =>
  usablePlan(plan, server, request, { hashOf: sha256Of, storableText });

/**
 * The id of the run that carries the plan out: chosen with the plan, because the new volumes are named after it. A plan that is not ready has none yet; its
 * request is refused, so any id will do.
 */
export const plannedRunId = ({ body }: Pick<PlanForAcceptance, 'body'>): string => (body === null ? newId('run') : (JSON.parse(body) as PlanBody).runId);

/** Says who holds the server. `since` is when it was locked. */
export function serverBusy(server: ServerRecord, holder: { readonly runId: string; readonly since: Date }): ModosuError {
  return new ModosuError('SERVER_BUSY', `Server "${server.name}" is held by run ${holder.runId} since ${holder.since.toISOString()}. Nothing was started.`, {
    hint: `Wait for it (modosu run watch ${holder.runId}) or cancel it (modosu run cancel ${holder.runId}).`,
    context: { runId: holder.runId, serverId: server.id, server: server.name },
  });
}

export const keyReused = (key: string): ModosuError =>
  new ModosuError('IDEMPOTENCY_KEY_REUSED', `Idempotency-Key "${storableText(key, 128)}" was used before for a different request. Nothing was started.`);

/** What the store gives an accepted run. */
export interface RunGrant {
  readonly runId: string;
  readonly fencingToken: number;
  readonly acceptedAt: Date;
}

const runInput = (server: ServerRecord, { runId, fencingToken, acceptedAt }: RunGrant): RunInput => ({
  runId,
  serverId: server.id,
  serverName: server.name,
  uuid: server.uuid,
  hypervisor: server.hypervisor,
  repository: server.repository,
  fencingToken,
  acceptedAt: acceptedAt.toISOString(),
  stopTimeoutSeconds: server.stopTimeoutSeconds,
  agentTimeoutSeconds: server.agentTimeoutSeconds,
});

/** @param policy the server's */
export const backupInput = (
  server: ServerRecord,
  request: Pick<AcceptBackupRequest, 'mode' | 'allowCrashConsistent' | 'full' | 'reason'>,
  policy: Pick<Policy, 'image'> | null,
  grant: RunGrant,
  recoveryPointId: string,
): BackupImageInput => ({
  ...runInput(server, grant),
  recoveryPointId,
  mode: request.mode,
  allowCrashConsistent: request.allowCrashConsistent,
  maxIncrements: imageOptions(policy).maxIncrements,
  ...(request.full === true ? { full: true } : {}),
  quiesce: server.protection.quiesce,
  onlineBackup: server.protection.onlineBackup,
  reason: storableText(request.reason),
});

/** What carries a plan out. */
export function plannedRun(
  server: ServerRecord,
  request: AcceptPlannedRequest,
  plan: UsablePlan,
  grant: RunGrant,
): Extract<StartableRun, { readonly kind: 'restore-server' | 'restore-data' | 'undo' }> {
  const planned = { ...runInput(server, grant), planId: request.planId, planHash: plan.hash, reason: storableText(request.reason) };
  const { body } = plan;
  const accepted = plan.accepted === null ? {} : { accepted: storableAccepted(plan.accepted) };
  if (body.scenario === 'undo') return { kind: 'undo', input: { ...planned, ...accepted, ofRunId: body.undoes.runId } };
  if (body.scenario === 'data') return { kind: 'restore-data', input: { ...planned, safetyRecoveryPointId: newId('rp'), ...declaredCredentials(server) } };
  // The repository that holds the plan's recovery point need not be the one new backups go to.
  const set = request.restoreSetId === undefined ? {} : { restoreSetId: request.restoreSetId };
  return { kind: 'restore-server', input: { ...planned, ...accepted, ...set, repository: body.recoveryPoint.repository, hold: request.hold } };
}

const storableAccepted = ({ why, ...accepted }: AcceptedFindings): AcceptedFindings => ({ ...accepted, why: why === null ? null : storableText(why) });

/** The declared data sets of these names, all where null. Throws `DATA_SET_NOT_FOUND`. */
export function backupDataInput(server: ServerRecord, request: AcceptDataBackupRequest, grant: RunGrant): BackupDataInput {
  const { dataSets } = server.protection;
  const unknown = (request.dataSets ?? []).filter((name) => !dataSets.some((dataSet) => dataSet.name === name));
  if (unknown.length > 0 || dataSets.length === 0) {
    const declared = dataSets.length === 0 ? 'none is declared' : `declared are ${dataSets.map(({ name }) => name).join(', ')}`;
    throw new ModosuError(
      'DATA_SET_NOT_FOUND',
      `Server "${server.name}" has no data set${unknown.length === 0 ? '' : ` "${storableText(unknown[0] ?? '', 64)}"`}: ${declared}. Nothing was started.`,
      { context: { server: server.name } },
    );
  }
  const chosen = dataSets.filter(({ name }) => request.dataSets?.includes(name) ?? true);
  return {
    ...runInput(server, grant),
    items: chosen.map((dataSet) => ({ recoveryPointId: newId('rp'), dataSet })),
    ...declaredCredentials(server),
    reason: storableText(request.reason),
  };
}

/** Of which data recovery points remember a version. */
const declaredCredentials = ({ protection: { credentials = [] } }: ServerRecord): Pick<BackupDataInput, 'credentials'> =>
  credentials.length === 0 ? {} : { credentials };

export const confirmInput = (server: ServerRecord, request: AcceptConfirmRequest, grant: RunGrant): ConfirmInput => ({
  ...runInput(server, grant),
  ofRunId: request.ofRunId,
  reason: storableText(request.reason),
});

/** Who carries a plan out in spite of what stands against it has to answer for that. */
const acceptedDetails = ({ accepted }: { readonly accepted?: AcceptedFindings }) => (accepted === undefined ? {} : { accepted });

/** What the audit says about an accepted run besides who, why and on which server. */
export function requestDetails({ kind, input }: StartableRun, recoveryPointId: string | null): Readonly<Record<string, unknown>> {
  switch (kind) {
    case 'backup-image':
      return {
        mode: input.mode,
        allowCrashConsistent: input.allowCrashConsistent,
        maxIncrements: input.maxIncrements ?? 0,
        ...(input.full === true ? { full: true } : {}),
        recoveryPointId: input.recoveryPointId,
        ...(input.set === undefined ? {} : { setId: input.set.id }),
      };
    case 'backup-data':
      return { dataSets: input.items.map(({ dataSet }) => dataSet.name) };
    case 'restore-data':
      return { planId: input.planId, planHash: input.planHash, recoveryPointId };
    case 'restore-server':
      return {
        planId: input.planId,
        planHash: input.planHash,
        recoveryPointId,
        hold: input.hold,
        ...(input.restoreSetId === undefined ? {} : { restoreSetId: input.restoreSetId }),
        ...acceptedDetails(input),
      };
    case 'undo':
      return { planId: input.planId, planHash: input.planHash, ofRunId: input.ofRunId, ...acceptedDetails(input) };
    case 'confirm':
      return { ofRunId: input.ofRunId };
  }
}
