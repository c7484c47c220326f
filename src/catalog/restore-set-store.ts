import { In, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import { isFinal } from '../contracts/run';
import { requireSuitable } from '../domain/planning/recovery-point-choice';
import { nextOfSet, type SetMove } from '../domain/restore-sets/restore-set';
import { requireUsablePlan } from './acceptance';
import type { AcceptRestoreSetRequest, Catalog, RunRestoreSetRequest } from './catalog';
import type { RestoreSetCatalog } from './port/restore-sets';
import type { Database, Transaction } from './database';
import { decideIn } from './decision-store';
import {
  RecoveryPointEntity,
  RestorePlanEntity,
  RestoreSetEntity,
  RunDecisionEntity,
  RunEntity,
  WayBackEntity,
  type RestorePlanRow,
  type RestoreSetRow,
} from './entities';
import { claimIdempotencyKey } from './idempotency';
import { requireServer, serverNames } from './inventory-store';
import { newestFirst } from './newest-first';
import { requireRecoveryPoint } from './recovery-point-store';
import {
  decisionReason,
  findingsFor,
  newRestoreSet,
  requireConfirmed,
  requireMeant,
  restoreSetNotFound,
  restoreSetRefused,
  restoreSetView,
  setBegun,
  setMoved,
  setPlanned,
  setRuns,
  setUsed,
  type RestoreSetContext,
} from './restore-set-rows';
import { acceptPlannedIn } from './run-acceptance-store';
import { askForCancel, lockRun } from './run-store';
import { planView } from './views';

export function restoreSetStore(database: Database, now: () => Date): RestoreSetCatalog {
  return {
    acceptRestoreSet: (request) => database.transaction((transaction) => acceptSet(transaction, request, now())),

    acceptRestoreSetRuns: async (request) => {
      try {
        return await database.transaction((transaction) => acceptRuns(transaction, request, now()));
      } catch (error) {
        // The refusal undoes the transaction; its audit entry is written in one of its own.
        const event = restoreSetRefused(request, error);
        if (event !== null) await database.transaction(async ({ audit }) => audit(event));
        throw error;
      }
    },

    runningRestoreSets: () =>
      database.read(async (manager) =>
        (await manager.find(RestoreSetEntity, { where: { state: 'running' }, order: { requestedAt: 'ASC', id: 'ASC' } })).map(({ id }) => id),
      ),

    advanceRestoreSet: (restoreSetId) => database.transaction((transaction) => advance(transaction, restoreSetId, now())),

    getRestoreSet: (id) =>
      database.read(async (manager) => {
        const row = await manager.findOneBy(RestoreSetEntity, { id });
        if (row === null) throw restoreSetNotFound(id);
        return restoreSetView(row, await contextOf(manager, [row]));
      }),

    listRestoreSets: (page) =>
      database.read((manager) =>
        newestFirst(manager, { entity: RestoreSetEntity, kind: 'restore-sets', by: 'requestedAt' }, {}, page, async (rows) => {
          const context = await contextOf(manager, rows);
          return rows.map((row) => restoreSetView(row, context));
        }),
      ),
  };
}

async function acceptSet({ manager, audit }: Transaction, request: AcceptRestoreSetRequest, now: Date): ReturnType<Catalog['acceptRestoreSet']> {
  const restoreSetId = newId('rset');
  const earlier = await claimIdempotencyKey(manager, request, restoreSetId, now);
  if (earlier !== null) return { restoreSetId: earlier, replayed: true };
  const names = new Map<string, string>();
  for (const { serverId, recoveryPointId } of request.members) {
    const server = await requireServer(manager, serverId);
    names.set(server.id, server.name);
    if (recoveryPointId !== null) requireSuitable(await requireRecoveryPoint(manager, recoveryPointId), server, 'image');
  }
  const planIds = request.members.filter(({ recoveryPointId }) => recoveryPointId !== null).map(() => newId('plan'));
  const { set, plans } = newRestoreSet(restoreSetId, planIds, request, names, now);
  await manager.insert(RestoreSetEntity, set);
  for (const plan of plans) await manager.insert(RestorePlanEntity, plan);
  audit(setPlanned(set, plans, names));
  return { restoreSetId, replayed: false };
}

/** The set, its plans, then the servers by their ids: so that two sets with the same servers never wait for each other. */
async function acceptRuns(transaction: Transaction, request: RunRestoreSetRequest, now: Date): ReturnType<Catalog['acceptRestoreSetRuns']> {
  const { manager, audit } = transaction;
  const { actor, restoreSetId, reason, findings } = request;
  const set = await holdSet(manager, restoreSetId);
  const { names, plans, runs } = await contextOf(manager, [set]);
  const earlier = await claimIdempotencyKey(manager, request, restoreSetId, now);
  if (earlier !== null) return { runIds: runs.map(({ id }) => id), replayed: true };
  if (set.state !== 'planned') throw setUsed(set);
  requireConfirmed(
    restoreSetId,
    plans.map((plan) => names.get(plan.serverId) ?? plan.serverId),
    request.confirm,
  );
  const views = new Map(plans.map((plan) => [plan.id, planView(plan, names.get(plan.serverId) ?? plan.serverId)]));
  requireMeant(restoreSetId, [...views.values()], findings);
  const requests = plans.map((plan) => ({
    actor,
    idempotencyKey: null,
    requestDigest: request.requestDigest,
    serverId: plan.serverId,
    reason,
    planId: plan.id,
    confirm: names.get(plan.serverId) ?? '',
    hold: true,
    findings: findingsFor(views.get(plan.id) ?? { body: null }, findings),
    restoreSetId,
  }));
  // In their order first, and without locks: what is refused is the same each time.
  for (const [index, plan] of plans.entries()) {
    const one = requests[index];
    if (one !== undefined) requireUsablePlan(plan, await requireServer(manager, plan.serverId), one);
  }
  const accepted = new Map<string, string>();
  for (const one of [...requests].sort((a, b) => (a.serverId < b.serverId ? -1 : 1))) {
    accepted.set(one.planId, (await acceptPlannedIn(transaction, one, now)).runId);
  }
  await manager.update(RestoreSetEntity, { id: restoreSetId }, { state: 'running', runBy: storableText(actor, 256), reason: storableText(reason), runAt: now });
  const runIds = plans.flatMap(({ id }) => accepted.get(id) ?? []);
  audit(setBegun(set, request, runIds));
  return { runIds, replayed: false };
}

async function advance(transaction: Transaction, restoreSetId: string, now: Date): Promise<SetMove> {
  const { manager, audit } = transaction;
  const set = await holdSet(manager, restoreSetId);
  const actor = set.runBy;
  if (set.state !== 'running' || actor === null) return { kind: 'wait' };
  const context = await contextOf(manager, [set]);
  const runIds = context.runs.map(({ id }) => id);
  const decisions = runIds.length === 0 ? [] : await manager.findBy(RunDecisionEntity, { runId: In(runIds), kind: 'go-live' });
  const move = nextOfSet(setRuns(set, context, new Set(decisions.map(({ runId }) => runId))));
  try {
    if (move.kind === 'go-live') {
      await decideIn(transaction, { actor, runId: move.runId, kind: 'go-live', reason: decisionReason(set), restoreSetId }, now);
    }
  } catch (error) {
    // It was cancelled, or has failed, since it was read: that is known the next time.
    if (error instanceof ModosuError && (error.code === 'RUN_NOT_WAITING' || error.code === 'RUN_FINISHED')) return { kind: 'wait' };
    throw error;
  }
  if (move.kind === 'cancel') {
    for (const runId of [...move.runIds].sort()) {
      const run = await lockRun(manager, runId);
      if (!isFinal(run.state)) await askForCancel(transaction, run, actor, `restore set ${restoreSetId}: ${move.why}`);
    }
  }
  if (move.kind === 'end') await manager.update(RestoreSetEntity, { id: restoreSetId }, { state: move.state, problem: move.problem, finishedAt: now });
  const event = setMoved(set, move, actor);
  if (event !== null) audit(event);
  return move;
}

async function holdSet(manager: EntityManager, id: string): Promise<RestoreSetRow> {
  const row = await manager.findOne(RestoreSetEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (row === null) throw restoreSetNotFound(id);
  return row;
}

/** For any number of sets in a handful of statements. Plans in the order of the members. */
async function contextOf(manager: EntityManager, sets: readonly RestoreSetRow[]): Promise<RestoreSetContext> {
  const members = sets.flatMap((set) => set.members);
  const planIds = members.flatMap(({ planId }) => planId ?? []);
  const pointIds = members.flatMap(({ recoveryPointId }) => recoveryPointId ?? []);
  const names = await serverNames(
    manager,
    members.map(({ serverId }) => serverId),
  );
  if (planIds.length === 0) return { names, plans: [], runs: [], wayBacks: [], points: [] };
  const plans = await manager.findBy(RestorePlanEntity, { id: In(planIds) });
  // Written with the run, by whoever accepts it. A set that is waited for is read twice a second: runs are found by their ids.
  const runIds = plans.flatMap(({ runId }) => runId ?? []);
  const runs = runIds.length === 0 ? [] : await manager.findBy(RunEntity, { id: In(runIds) });
  const wayBacks = runs.length === 0 ? [] : await manager.findBy(WayBackEntity, { runId: In(runIds) });
  const points = await manager.findBy(RecoveryPointEntity, { id: In(pointIds) });
  return { names, plans: planIds.flatMap((id): RestorePlanRow[] => plans.filter((plan) => plan.id === id)), runs, wayBacks, points };
}
