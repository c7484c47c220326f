import { LessThan } from 'typeorm';
import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import type { RestorePlanBody } from '../contracts/plan';
import { canonicalJson } from '../domain/canonical-json';
import type { Catalog } from './catalog';
import type { Database } from './database';
import { RestorePlanEntity, type RecoveryPointRow } from './entities';
import { claimIdempotencyKey } from './idempotency';
import { requireServer } from './inventory-store';
import { sha256 } from './plan-hash';
import { recoveryPointNotFound, requireRecoveryPoint, WORKER } from './recovery-point-store';
import { storableError } from './storable-error';
import { planView } from './views';

type PlanMethods = Pick<Catalog, 'acceptPlan' | 'completePlan' | 'failPlan' | 'getPlan' | 'listUnfinishedPlans'>;

export function planStore(database: Database, now: () => Date): PlanMethods {
  return {
    acceptPlan: (request) => {
      const planId = newId('plan');
      return database.transaction(async ({ manager, audit }) => {
        const earlier = await claimIdempotencyKey(manager, request, planId, now());
        if (earlier !== null) return { planId: earlier, replayed: true };
        const { actor, serverId, scenario, recoveryPointId } = request;
        const server = await requireServer(manager, serverId);
        if (recoveryPointId !== null) requireSuitable(await requireRecoveryPoint(manager, recoveryPointId), serverId);
        await manager.insert(RestorePlanEntity, {
          id: planId,
          state: 'planning',
          serverId,
          scenario,
          requestedBy: storableText(actor, 256),
          createdAt: now(),
          recoveryPointId,
          hash: null,
          body: null,
          error: null,
          runId: null,
        });
        audit({ actor, action: 'plan.requested', serverId, details: { planId, server: server.name, scenario, recoveryPointId } });
        return { planId, replayed: false };
      });
    },

    completePlan: (planId, body, hash) =>
      database.transaction(async ({ manager, audit }) => {
        const text = planText(planId, body, hash);
        const plan = await manager.findOne(RestorePlanEntity, { where: { id: planId }, lock: { mode: 'pessimistic_write' } });
        if (plan === null) throw planNotFound(planId);
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

    getPlan: (planId) =>
      database.read(async (manager) => {
        const plan = await manager.findOneBy(RestorePlanEntity, { id: planId });
        if (plan === null) throw planNotFound(planId);
        return planView(plan, (await requireServer(manager, plan.serverId)).name);
      }),

    listUnfinishedPlans: (olderThan) =>
      database.read(async (manager) => {
        const plans = await manager.find(RestorePlanEntity, { where: { state: 'planning', createdAt: LessThan(olderThan) }, order: { createdAt: 'ASC' } });
        return Promise.all(
          plans.map(async ({ id, serverId, recoveryPointId }) => ({ planId: id, serverId, hypervisor: (await requireServer(manager, serverId)).hypervisor, recoveryPointId })),
        );
      }),
  };
}

/** Throws `RECOVERY_POINT_NOT_FOUND` for one of another server, `RECOVERY_POINT_NOT_USABLE` for a damaged one. */
export function requireSuitable(point: Pick<RecoveryPointRow, 'id' | 'serverId' | 'state'>, serverId: string): void {
  if (point.serverId !== serverId) throw recoveryPointNotFound(point.id);
  if (point.state !== 'usable') {
    throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${point.id} is ${point.state}: it cannot be restored.`, { context: { recoveryPointId: point.id } });
  }
}

/** The text that is stored and hashed. Throws `INTERNAL` when id or hash belong to another plan: that would be a fault of the caller. */
export function planText(planId: string, body: RestorePlanBody, hash: string): string {
  const text = canonicalJson(body);
  if (body.planId !== planId || sha256(text) !== hash) {
    throw new ModosuError('INTERNAL', `The content given for plan ${planId} does not have the hash ${hash}.`, { context: { planId } });
  }
  return text;
}

export const readyDetails = (planId: string, body: RestorePlanBody, hash: string): Readonly<Record<string, unknown>> => ({
  planId,
  hash,
  recoveryPointId: body.recoveryPoint.id,
  blocking: body.findings.filter(({ severity }) => severity === 'block').map(({ code }) => code),
});

export const planNotFound = (planId: string): ModosuError =>
  new ModosuError('PLAN_NOT_FOUND', `There is no plan "${planId.slice(0, 128)}" for this server in the catalogue.`, { context: { planId: planId.slice(0, 128) } });
