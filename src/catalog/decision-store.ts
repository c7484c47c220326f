import type { EntityManager } from 'typeorm';
import type { AuditEvent } from '../audit/append-audit';
import { storableText } from '../audit/storable';
import type { Decision } from '../contracts/activities/planning';
import { isModosuError } from '../contracts/errors';
import type { PlanBody } from '../contracts/plan';
import { changesToSignOff, decisionMeant, mustBeDecided, notAppliedWith } from '../domain/run-actions';
import type { Catalog, DecisionRequest } from './catalog';
import type { Database, Transaction } from './database';
import { AppliedChangeEntity, RestorePlanEntity, RestoreSetEntity, RunDecisionEntity, RunEntity, type RunDecisionRow, type RunRow } from './entities';
import { goesLiveWithSet, restoreSetOf } from './restore-set-of';
import { lockRun, requireRun } from './run-store';

type DecisionMethods = Pick<Catalog, 'decide' | 'getDecision' | 'listDecidedButWaiting'>;

export function decisionStore(database: Database, now: () => Date): DecisionMethods {
  return {
    decide: async (request) => {
      try {
        await database.transaction((transaction) => decideIn(transaction, request, now()));
      } catch (error) {
        const event = decisionRefusal(request, error);
        if (event !== null) await database.transaction(async ({ audit }) => audit(event));
        throw error;
      }
    },

    getDecision: (runId, kind) =>
      database.read(async (manager) => {
        await requireRun(manager, runId);
        const row = await manager.findOneBy(RunDecisionEntity, { runId, kind });
        return row === null ? null : decisionView(row);
      }),

    listDecidedButWaiting: () =>
      database.read(async (manager) => {
        const runs = await manager
          .createQueryBuilder(RunEntity, 'run')
          .innerJoin('run_decision', 'decision', 'decision.runId = run.id AND decision.kind = run.waitingFor')
          .where('run.waitingFor IS NOT NULL')
          .orderBy('run.requestedAt', 'ASC')
          .getMany();
        return runs.map(({ id, serverId }) => ({ runId: id, serverId }));
      }),
  };
}

/** Writes it down, in a transaction that may do more. */
export async function decideIn({ manager, audit }: Transaction, request: DecisionRequest, now: Date): Promise<void> {
  const { actor, runId } = request;
  // With the run's row held: the step cannot stop waiting, and nobody cancels, until the decision stands.
  const run = await lockRun(manager, runId);
  const kind = decisionMeant(run, request.kind, await manager.existsBy(RunDecisionEntity, { runId, kind: 'sign-off-live' }));
  const isDecided = await manager.existsBy(RunDecisionEntity, { runId, kind });
  if (!mustBeDecided(run, kind, isDecided)) return;
  const restoreSetId = restoreSetOf(run);
  if (
    kind === 'go-live' &&
    restoreSetId !== null &&
    restoreSetId !== request.restoreSetId &&
    (await manager.existsBy(RestoreSetEntity, { id: restoreSetId, state: 'running' }))
  ) {
    throw goesLiveWithSet(runId, restoreSetId);
  }
  const notApplied = notAppliedWith(runId, kind, request.notApplied, request.notApplied === undefined ? [] : await changesAskedOf(manager, run));
  const reason = storableText(request.reason);
  await manager.insert(RunDecisionEntity, { runId, kind, actor: storableText(actor, 256), reason, decidedAt: now, notApplied });
  audit({ actor, action: 'run.decided', runId, serverId: run.serverId, details: { kind, reason, ...(notApplied === null ? {} : { notApplied }) } });
}

/** Ids of the changes that people apply again in this run. */
async function changesAskedOf(manager: EntityManager, { id, planId }: Pick<RunRow, 'id' | 'planId'>): Promise<readonly string[]> {
  const plan = planId === null ? null : await manager.findOne(RestorePlanEntity, { select: { id: true, body: true }, where: { id: planId } });
  if (plan?.body == null) return [];
  const applied = await manager.find(AppliedChangeEntity, { select: { changeId: true, lineageId: true }, where: { runId: id } });
  return changesToSignOff(
    JSON.parse(plan.body) as PlanBody,
    applied.map(({ changeId }) => changeId),
  );
}

export const decisionView = ({ actor, reason, decidedAt, notApplied }: RunDecisionRow): Decision => ({
  actor,
  reason,
  at: decidedAt.toISOString(),
  ...(notApplied === null ? {} : { notApplied }),
});

/** The audit's entry for a refused decision, or null when the error is not a refusal. */
export function decisionRefusal({ actor, runId, kind, reason }: DecisionRequest, error: unknown): AuditEvent | null {
  if (!isModosuError(error) || (error.code !== 'RUN_FINISHED' && error.code !== 'RUN_NOT_WAITING')) return null;
  return { actor, action: 'run.decision-refused', runId, details: { kind, code: error.code, message: error.message, reason } };
}
