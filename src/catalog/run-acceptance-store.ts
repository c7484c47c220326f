import type { EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import type { RunKind } from '../contracts/run';
import { runKindOf } from '../domain/planning/usable-plan';
import {
  backupDataInput,
  backupInput,
  confirmInput,
  plannedRun,
  plannedRunId,
  refusalEvent,
  requestDetails,
  requireUsablePlan,
  serverBusy,
  type RefusableRequest,
  type RunGrant,
} from './acceptance';
import type { AcceptedRun, AcceptPlannedRequest, AcceptRunRequest, Catalog, DispatchableRun, ServerRecord } from './catalog';
import { chainOf, lockRecoveryPoints } from './chain-store';
import type { Database, Transaction } from './database';
import { requireInService } from '../domain/retention/decommissioning';
import { RestorePlanEntity, RunEntity, ServerLockEntity } from './entities';
import { claimIdempotencyKey } from './idempotency';
import { policyOf, requireServer } from './inventory-store';
import { planNotFound } from './plan-store';
import { recoveryPointsOf, requireKept } from './retention-facts';
import { requireConfirmableRun, requireUndoableRun } from './way-back-checks';

type AcceptanceMethods = Pick<Catalog, 'acceptBackup' | 'acceptDataBackup' | 'acceptPlanned' | 'acceptConfirm'>;

/**
 * Locks are taken in one order everywhere: plan, idempotency key, server's row, server lock, audit. Ways back change only under the server's lock; so what is read of them
 * after it was taken stays true until the run that now holds it changes it.
 */
export function runAcceptanceStore(database: Database, now: () => Date): AcceptanceMethods {
  return {
    acceptBackup: (request) => {
      const runId = newId('run');
      const recoveryPointId = newId('rp');
      return refusalsAudited(database, 'backup-image', request, async (transaction) => {
        const { manager } = transaction;
        const earlier = await claimIdempotencyKey(manager, request, runId, now());
        if (earlier !== null) return { runId: earlier, replayed: true };
        const server = await requireServerInService(manager, request.serverId);
        const grant = await lockServer(manager, server, runId, now());
        const input = backupInput(server, request, await policyOf(manager, server), grant, recoveryPointId);
        await insertRun(transaction, request, { kind: 'backup-image', input }, NOTHING_REFERRED_TO);
        return { runId, replayed: false };
      });
    },

    acceptDataBackup: (request) => {
      const runId = newId('run');
      return refusalsAudited(database, 'backup-data', request, async (transaction) => {
        const { manager } = transaction;
        const earlier = await claimIdempotencyKey(manager, request, runId, now());
        if (earlier !== null) return { runId: earlier, replayed: true };
        const server = await requireServerInService(manager, request.serverId);
        // First without the lock: that there is no such data set says more than that the server is busy.
        backupDataInput(server, request, { runId, fencingToken: 0, acceptedAt: now() });
        const grant = await lockServer(manager, server, runId, now());
        await insertRun(transaction, request, { kind: 'backup-data', input: backupDataInput(server, request, grant) }, NOTHING_REFERRED_TO);
        return { runId, replayed: false };
      });
    },

    acceptPlanned: async (request) => {
      const { planId, serverId } = request;
      const kind = await database.read((manager) => kindOfPlan(manager, planId, serverId));
      return refusalsAudited(database, kind, request, (transaction) => acceptPlannedIn(transaction, request, now()));
    },

    acceptConfirm: (request) => {
      const runId = newId('run');
      return refusalsAudited(database, 'confirm', request, async (transaction) => {
        const { manager } = transaction;
        const earlier = await claimIdempotencyKey(manager, request, runId, now());
        if (earlier !== null) return { runId: earlier, replayed: true };
        const server = await requireServer(manager, request.serverId);
        await requireConfirmableRun(manager, request.ofRunId, server);
        const grant = await lockServer(manager, server, runId, now());
        await requireConfirmableRun(manager, request.ofRunId, server);
        await insertRun(transaction, request, { kind: 'confirm', input: confirmInput(server, request, grant) }, NOTHING_REFERRED_TO);
        return { runId, replayed: false };
      });
    },
  };
}

/** Carries a plan out, in a transaction that may do more. */
export async function acceptPlannedIn(transaction: Transaction, request: AcceptPlannedRequest, now: Date): Promise<AcceptedRun> {
  const { manager } = transaction;
  const { planId, serverId } = request;
  const server = await requireServer(manager, serverId);
  const plan = await manager.findOne(RestorePlanEntity, { where: { id: planId, serverId }, lock: { mode: 'pessimistic_write' } });
  if (plan === null) throw planNotFound(planId);
  const runId = plannedRunId(plan);
  const earlier = await claimIdempotencyKey(manager, request, runId, now);
  if (earlier !== null) return { runId: earlier, replayed: true };
  const usable = requireUsablePlan(plan, server, request);
  const { body } = usable;
  // First without the lock: that a way back is closed says more than that the server is busy. Retention asks for the same recovery points, and for all that
  // they build on: whoever is first decides.
  if (body.scenario === 'undo') await requireUndoableRun(manager, body.undoes.runId, server);
  else requireKept(await lockRecoveryPoints(manager, await chainOf(manager, recoveryPointsOf(plan)), 'read'), planId);
  const grant = await lockServer(manager, server, runId, now);
  if (body.scenario === 'undo') await requireUndoableRun(manager, body.undoes.runId, server);
  const recoveryPointId = body.scenario === 'undo' ? null : body.recoveryPoint.id;
  await insertRun(transaction, request, plannedRun(server, request, usable, grant), { planId, recoveryPointId });
  await manager.update(RestorePlanEntity, { id: planId }, { state: 'used', runId });
  return { runId, replayed: false };
}

/** Nobody takes it out of service until the transaction ends. Throws `SERVER_DECOMMISSIONED`. */
async function requireServerInService(manager: EntityManager, serverId: string): Promise<ServerRecord> {
  const server = await holdInventory(manager, serverId);
  requireInService(server);
  return server;
}

/** The server as it is, and stays until the transaction ends: also whether it is in service. */
export async function holdInventory(manager: EntityManager, serverId: string): Promise<ServerRecord> {
  await manager.query('SELECT id FROM server WHERE id = $1 FOR SHARE', [serverId]);
  return requireServer(manager, serverId);
}

/** A plan never becomes one of another scenario. Throws `PLAN_NOT_FOUND`. */
async function kindOfPlan(manager: EntityManager, planId: string, serverId: string): Promise<RunKind> {
  await requireServer(manager, serverId);
  const plan = await manager.findOneBy(RestorePlanEntity, { id: planId, serverId });
  if (plan === null) throw planNotFound(planId);
  return runKindOf(plan);
}

/** A refusal undoes the transaction; its audit entry is written in one of its own. */
async function refusalsAudited(
  database: Database,
  kind: RunKind,
  request: RefusableRequest,
  work: (transaction: Transaction) => Promise<AcceptedRun>,
): Promise<AcceptedRun> {
  try {
    return await database.transaction(work);
  } catch (error) {
    const event = refusalEvent(kind, request, error);
    if (event !== null) await database.transaction(async ({ audit }) => audit(event));
    throw error;
  }
}

const LOCK_ATTEMPTS = 5;

/**
 * Takes the server's lock and gives the fencing token. The token is drawn after the lock row is ours: drawn before, a request that was slow to lock could come
 * with a lower token than a run that held the server meanwhile. Throws `SERVER_BUSY`.
 */
export async function lockServer(manager: EntityManager, server: ServerRecord, runId: string, acceptedAt: Date): Promise<RunGrant> {
  for (let attempt = 1; attempt <= LOCK_ATTEMPTS; attempt += 1) {
    const taken = (await manager.query(
      'INSERT INTO server_lock (server_id, run_id, fencing_token, acquired_at) VALUES ($1, $2, 0, $3) ON CONFLICT (server_id) DO NOTHING RETURNING run_id',
      [server.id, runId, acceptedAt],
    )) as readonly unknown[];
    if (taken.length > 0) {
      const [[row]] = (await manager.query(`UPDATE server_lock SET fencing_token = nextval('fencing_token_seq') WHERE server_id = $1 RETURNING fencing_token`, [
        server.id,
      ])) as [[{ readonly fencing_token: string }], number];
      return { runId, fencingToken: Number(row.fencing_token), acceptedAt };
    }
    const holder = await manager.findOneBy(ServerLockEntity, { serverId: server.id });
    if (holder !== null) throw serverBusy(server, { runId: holder.runId, since: holder.acquiredAt });
    // It was released between the two statements: try again.
  }
  throw new ModosuError('CATALOG_UNAVAILABLE', `The lock of server "${server.name}" changes hands too fast; try again.`, { context: { serverId: server.id } });
}

interface References {
  readonly planId: string | null;
  readonly recoveryPointId: string | null;
}

export const NOTHING_REFERRED_TO: References = { planId: null, recoveryPointId: null };

/** The backup set that a run belongs to. */
export const setOf = ({ kind, input }: DispatchableRun): string | null => (kind === 'backup-image' ? (input.set?.id ?? null) : null);

export async function insertRun(
  { manager, audit }: Transaction,
  request: Pick<AcceptRunRequest, 'actor'>,
  run: DispatchableRun,
  refersTo: References,
): Promise<void> {
  const { kind, input } = run;
  await manager.insert(RunEntity, {
    id: input.runId,
    kind,
    state: 'accepted',
    serverId: input.serverId,
    reason: input.reason,
    requestedBy: storableText(request.actor, 256),
    requestedAt: new Date(input.acceptedAt),
    startedAt: null,
    finishedAt: null,
    ...refersTo,
    setId: setOf(run),
    cancelRequested: false,
    waitingFor: null,
    retrying: null,
    error: null,
    recoverySeconds: null,
    lostSeconds: null,
    input,
  });
  audit({
    actor: request.actor,
    action: 'run.requested',
    runId: input.runId,
    serverId: input.serverId,
    details: { kind, server: input.serverName, reason: input.reason, fencingToken: input.fencingToken, ...requestDetails(run, refersTo.recoveryPointId) },
  });
}
