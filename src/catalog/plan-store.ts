import { LessThan, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { quoted } from '../contracts/text';
import { newId } from '../contracts/ids';
import { RECOVERY_POINT_KIND_OF, type PlanBody, type PlanScenario } from '../contracts/plan';
import type { StartablePlan } from '../contracts/workflows';
import { canonicalJson } from '../domain/canonical-json';
import { requireSuitable } from '../domain/planning/recovery-point-choice';
import { isBodyOf } from '../domain/planning/usable-plan';
import { sha256Of } from '../system/sha256';
import type { AcceptPlanRequest, Actor } from './catalog';
import type { PlanCatalog } from './port/plans';
import type { Database } from './database';
import { OffsiteRepositoryEntity, RestorePlanEntity, type PlanRequest, type RecoveryPointRow, type RestorePlanRow } from './entities';
import { claimIdempotencyKey } from './idempotency';
import { requireServer, serverNames } from './inventory-store';
import { newestFirst } from './newest-first';
import { offsiteNotConfigured } from '../contracts/not-declared';
import { requireRecoveryPoint, WORKER } from './recovery-point-store';
import { requireRun } from './run-store';
import { storableError, storableRetrying } from './storable-error';
import { planSummary, planView } from './views';
import { requireUndoableRun } from './way-back-checks';

export function planStore(database: Database, now: () => Date): PlanCatalog {
  return {
    acceptPlan: (request) => {
      const planId = newId('plan');
      return database.transaction(async ({ manager, audit }) => {
        const earlier = await claimIdempotencyKey(manager, request, planId, now());
        if (earlier !== null) return { planId: earlier, replayed: true };
        const { actor, serverId, scenario, recoveryPointId } = request;
        const keepDisks = request.scenario === 'server' ? (request.keepDisks ?? []) : [];
        const attachOldDisks = request.scenario === 'server' ? (request.attachOldDisks ?? []) : [];
        const server = await requireServer(manager, serverId);
        if (request.from !== undefined && (await manager.findOneBy(OffsiteRepositoryEntity, { name: request.from })) === null) {
          throw offsiteNotConfigured(request.from);
        }
        if (recoveryPointId !== null) {
          requireSuitable(asFetched(await requireRecoveryPoint(manager, recoveryPointId), request), server, RECOVERY_POINT_KIND_OF[scenario]);
        }
        const asked = planRequest(request);
        await manager.insert(
          RestorePlanEntity,
          newPlan({ id: planId, serverId, scenario, actor, recoveryPointId, keepDisks, attachOldDisks, request: asked, undoesRunId: null }, now()),
        );
        audit({
          actor,
          action: 'plan.requested',
          serverId,
          details: {
            planId,
            server: server.name,
            scenario,
            recoveryPointId,
            ...(keepDisks.length === 0 ? {} : { keepDisks }),
            ...(attachOldDisks.length === 0 ? {} : { attachOldDisks }),
            ...asked,
          },
        });
        return { planId, replayed: false };
      });
    },

    acceptUndoPlan: (request) => {
      const planId = newId('plan');
      return database.transaction(async ({ manager, audit }) => {
        const { actor, ofRunId } = request;
        const earlier = await claimIdempotencyKey(manager, request, planId, now());
        if (earlier !== null) return { planId: earlier, serverId: (await requirePlan(manager, earlier)).serverId, replayed: true };
        const { serverId } = await requireRun(manager, ofRunId);
        const server = await requireServer(manager, serverId);
        await requireUndoableRun(manager, ofRunId, server);
        await manager.insert(
          RestorePlanEntity,
          newPlan(
            { id: planId, serverId, scenario: 'undo', actor, recoveryPointId: null, keepDisks: [], attachOldDisks: [], request: null, undoesRunId: ofRunId },
            now(),
          ),
        );
        audit({ actor, action: 'plan.requested', serverId, details: { planId, server: server.name, scenario: 'undo', ofRunId } });
        return { planId, serverId, replayed: false };
      });
    },

    getDispatchablePlan: (planId) => database.read(async (manager) => startablePlan(await requirePlan(manager, planId))),

    completePlan: (planId, body, hash) =>
      database.transaction(async ({ manager, audit }) => {
        const plan = await manager.findOne(RestorePlanEntity, { where: { id: planId }, lock: { mode: 'pessimistic_write' } });
        if (plan === null) throw planNotFound(planId);
        const text = planText(plan, body, hash);
        if (plan.state !== 'planning') return;
        await manager.update(RestorePlanEntity, { id: planId }, { state: 'ready', hash, body: text });
        audit({ actor: WORKER, action: 'plan.ready', serverId: plan.serverId, details: readyDetails(planId, body, hash) });
      }),

    failPlan: (planId, error) =>
      database.transaction(async ({ manager, audit }) => {
        const plan = await manager.findOne(RestorePlanEntity, { where: { id: planId }, lock: { mode: 'pessimistic_write' } });
        if (plan === null) throw planNotFound(planId);
        if (plan.state !== 'planning') return;
        const stored = storableError(error);
        await manager.update(RestorePlanEntity, { id: planId }, { state: 'failed', error: stored });
        audit({ actor: WORKER, action: 'plan.failed', serverId: plan.serverId, details: { planId, code: stored.code, message: stored.message } });
      }),

    recordPlanRetry: (planId, retrying) =>
      database.read(async (manager) => {
        await manager.update(RestorePlanEntity, { id: planId, state: 'planning' }, { retrying: storableRetrying(retrying) });
      }),

    getPlan: (planId) =>
      database.read(async (manager) => {
        const plan = await requirePlan(manager, planId);
        return planView(plan, (await requireServer(manager, plan.serverId)).name);
      }),

    listPlans: ({ serverId, state }, page) =>
      database.read((manager) =>
        newestFirst(
          manager,
          { entity: RestorePlanEntity, kind: 'restore-plans', by: 'createdAt', columns: SUMMARY_COLUMNS },
          { serverId, state },
          page,
          async (rows) => {
            const names = await serverNames(
              manager,
              rows.map((row) => row.serverId),
            );
            return rows.map((row) => planSummary(row, names.get(row.serverId) ?? ''));
          },
        ),
      ),

    listUnfinishedPlans: (olderThan) =>
      database.read(async (manager) => {
        const plans = await manager.find(RestorePlanEntity, { where: { state: 'planning', createdAt: LessThan(olderThan) }, order: { createdAt: 'ASC' } });
        return plans.map(startablePlan);
      }),
  };
}

/** All that a list needs: a body is long, and a page has many. */
const SUMMARY_COLUMNS: readonly (keyof RestorePlanRow)[] = [
  'id',
  'state',
  'serverId',
  'scenario',
  'requestedBy',
  'createdAt',
  'hash',
  'error',
  'runId',
  'undoesRunId',
  'request',
];

/** What is stored of a request besides the recovery point. */
export const planRequest = (request: AcceptPlanRequest): PlanRequest =>
  request.scenario === 'server'
    ? {
        noData: request.noData ?? false,
        leaveChanges: request.leaveChanges ?? false,
        ...leftCredentials(request),
        incidentAt: request.incidentAt ?? null,
        ...fromOf(request),
        ...searchOf(request),
      }
    : { dataSet: request.dataSet, selection: request.selection, incidentAt: request.incidentAt ?? null, ...fromOf(request) };

/** Only where it was asked for. */
const leftCredentials = ({ leaveCredentials }: { readonly leaveCredentials?: boolean }): { readonly leaveCredentials?: true } =>
  leaveCredentials === true ? { leaveCredentials } : {};

const fromOf = ({ from }: { readonly from?: string }): { readonly from?: string } => (from === undefined ? {} : { from });

const searchOf = ({ findCompatible }: { readonly findCompatible?: boolean }): { readonly findCompatible?: true } =>
  findCompatible === true ? { findCompatible } : {};

/** What is fetched first will be usable, whatever it is now. */
export const asFetched = <Row extends Pick<RecoveryPointRow, 'state'>>(row: Row, { from }: { readonly from?: string }): Row =>
  from === undefined ? row : { ...row, state: 'usable' };

/** The text that is stored and hashed. Throws `INTERNAL` when content or hash belong to another plan: that would be a fault of the caller. */
export function planText(plan: Pick<RestorePlanRow, 'id' | 'scenario' | 'undoesRunId'>, body: PlanBody, hash: string): string {
  const text = canonicalJson(body);
  if (!isBodyOf(plan, body) || sha256Of(text) !== hash) {
    throw new ModosuError('INTERNAL', `The content given for plan ${plan.id} is not its own, or does not have the hash ${hash}.`, {
      context: { planId: plan.id },
    });
  }
  return text;
}

export interface PlanDraft {
  readonly id: string;
  readonly serverId: string;
  readonly scenario: PlanScenario;
  readonly actor: Actor;
  readonly recoveryPointId: string | null;
  readonly request: PlanRequest | null;
  readonly keepDisks: readonly string[];
  readonly attachOldDisks: readonly string[];
  readonly undoesRunId: string | null;
}

/** A plan that is yet to be made. */
export const newPlan = ({ actor, ...draft }: PlanDraft, now: Date): RestorePlanRow => ({
  ...draft,
  state: 'planning',
  requestedBy: storableText(actor, 256),
  createdAt: now,
  hash: null,
  body: null,
  error: null,
  retrying: null,
  runId: null,
});

/** What the workflow of a plan is started with. The database holds that an undo names its run. */
export function startablePlan({
  id: planId,
  serverId,
  recoveryPointId,
  keepDisks,
  attachOldDisks,
  request,
  undoesRunId,
}: Pick<RestorePlanRow, 'id' | 'serverId' | 'recoveryPointId' | 'keepDisks' | 'attachOldDisks' | 'request' | 'undoesRunId'>): StartablePlan {
  if (undoesRunId !== null) return { scenario: 'undo', input: { planId, serverId, ofRunId: undoesRunId } };
  if (request !== null && 'selection' in request) {
    return {
      scenario: 'data',
      input: { planId, serverId, recoveryPointId, dataSet: request.dataSet, selection: request.selection, incidentAt: request.incidentAt, ...fromOf(request) },
    };
  }
  return {
    scenario: 'server',
    input: {
      planId,
      serverId,
      recoveryPointId,
      keepDisks,
      attachOldDisks,
      noData: request?.noData ?? false,
      leaveChanges: request?.leaveChanges ?? false,
      ...leftCredentials(request ?? {}),
      incidentAt: request?.incidentAt ?? null,
      ...fromOf(request ?? {}),
      ...searchOf(request ?? {}),
      ...(request === null || !('set' in request) || request.set === undefined ? {} : { set: request.set }),
    },
  };
}

async function requirePlan(manager: EntityManager, planId: string): Promise<RestorePlanRow> {
  const plan = await manager.findOneBy(RestorePlanEntity, { id: planId });
  if (plan === null) throw planNotFound(planId);
  return plan;
}

export const readyDetails = (planId: string, body: PlanBody, hash: string): Readonly<Record<string, unknown>> => ({
  planId,
  hash,
  ...(body.scenario === 'undo' ? { ofRunId: body.undoes.runId } : { recoveryPointId: body.recoveryPoint.id }),
  blocking: body.findings.filter(({ severity }) => severity === 'block').map(({ code }) => code),
});

export const planNotFound = (planId: string): ModosuError =>
  new ModosuError('PLAN_NOT_FOUND', `There is no plan ${quoted(planId)} in the catalogue.`, { context: { planId: planId.slice(0, 128) } });
