import { In, IsNull, LessThan, Not, type EntityManager, type FindOptionsWhere } from 'typeorm';
import { ModosuError } from '../contracts/errors';
import { quoted } from '../contracts/text';
import { runFinished } from '../domain/run-actions';
import { closeStep, nextStep, stepAction, waitingAfter } from '../domain/steps/step-transition';
import { isFinal } from '../contracts/run';
import { closeSetOf } from './backup-set-views';
import type { Actor, Catalog, DispatchableRun } from './catalog';
import type { Database, Transaction } from './database';
import { RunEntity, RunStepEntity, ServerLockEntity, type RunRow, type ServerLockRow } from './entities';
import { newestFirst } from './newest-first';
import { WORKER } from './recovery-point-store';
import { readRunContexts } from './run-context';
import { storableError, storableRetrying } from './storable-error';
import { storableStep } from './storable-step';
import { runView, storedProgress } from './views';

type RunMethods = Pick<
  Catalog,
  | 'listUndispatched'
  | 'getDispatchable'
  | 'listOpenRuns'
  | 'startRun'
  | 'recordStep'
  | 'recordProgress'
  | 'recordRetry'
  | 'finishRun'
  | 'requestCancel'
  | 'getRun'
  | 'listRuns'
  | 'measuredRecoverySeconds'
>;

export function runStore(database: Database, now: () => Date): RunMethods {
  return {
    listUndispatched: (olderThan) =>
      database.read(async (manager) =>
        (
          await manager.find(RunEntity, {
            where: { state: 'accepted', requestedAt: LessThan(olderThan) },
            order: { requestedAt: 'ASC' },
          })
        ).map(dispatchable),
      ),

    getDispatchable: (runId) => database.read(async (manager) => dispatchable(await requireRun(manager, runId))),

    listOpenRuns: () =>
      database.read(async (manager) => {
        const rows = await manager.find(RunEntity, { where: { state: In(['accepted', 'running']) }, order: { requestedAt: 'ASC' } });
        return rows.map(({ id, serverId, state }) => ({ runId: id, serverId, state }));
      }),

    startRun: (runId) =>
      database.transaction(async ({ manager, audit }) => {
        const run = await lockRun(manager, runId);
        const lock = await requireHold(manager, run);
        if (run.state !== 'accepted') return;
        await manager.update(RunEntity, { id: runId }, { state: 'running', startedAt: now() });
        audit({ actor: WORKER, action: 'run.started', runId, serverId: run.serverId, details: { kind: run.kind, fencingToken: lock.fencingToken } });
      }),

    recordStep: (runId, update) =>
      database.transaction(async ({ manager, audit }) => {
        const run = await lockRun(manager, runId);
        if (isFinal(run.state)) return;
        const before = await manager.findOneBy(RunStepEntity, { runId, seq: update.seq });
        const step = nextStep(before, storableStep(update), now());
        if (step === null) return;
        await manager.upsert(RunStepEntity, { runId, ...step }, ['runId', 'seq']);
        const waitingFor = waitingAfter(run.waitingFor, step);
        if (waitingFor !== run.waitingFor || run.retrying !== null) await manager.update(RunEntity, { id: runId }, { waitingFor, retrying: null });
        const action = stepAction(before, step);
        if (action === null) return;
        const { seq, key, title, detail, error } = step;
        audit({ actor: WORKER, action, runId, serverId: run.serverId, details: { seq, key, title, detail, code: error?.code, message: error?.message } });
      }),

    recordProgress: (runId, stepKey, progress) =>
      database.read(async (manager) => {
        await manager.update(RunStepEntity, { runId, key: stepKey, state: In(['pending', 'running', 'waiting']) }, { progress: storedProgress(progress) });
      }),

    recordRetry: (runId, retrying) =>
      database.read(async (manager) => {
        await manager.update(RunEntity, { id: runId, state: In(['accepted', 'running']) }, { retrying: storableRetrying(retrying) });
      }),

    finishRun: (runId, outcome) =>
      database.transaction(async (transaction) => {
        const { manager, audit } = transaction;
        const run = await lockRun(manager, runId);
        if (isFinal(run.state)) return;
        const finishedAt = now();
        const error = outcome.error === null ? null : storableError(outcome.error);
        const recoveryPointId = outcome.recoveryPointId ?? run.recoveryPointId;
        const recoverySeconds = outcome.recoverySeconds ?? null;
        const lostSeconds = outcome.lostSeconds ?? null;
        await manager.update(
          RunEntity,
          { id: runId },
          { state: outcome.state, finishedAt, error, recoveryPointId, recoverySeconds, lostSeconds, waitingFor: null },
        );
        if (outcome.state !== 'succeeded') {
          const open = await manager.findBy(RunStepEntity, { runId, state: In(['pending', 'running', 'waiting']) });
          if (open.length > 0) {
            await manager.upsert(
              RunStepEntity,
              open.map((step) => ({ runId, ...closeStep(step, finishedAt) })),
              ['runId', 'seq'],
            );
          }
        }
        await manager.delete(ServerLockEntity, { runId });
        audit({
          actor: WORKER,
          action: `run.${outcome.state}`,
          runId,
          serverId: run.serverId,
          details: { kind: run.kind, code: error?.code, message: error?.message, recoveryPointId, recoverySeconds, lostSeconds },
        });
        if (run.setId !== null) await closeSetOf(transaction, run.setId);
      }),

    requestCancel: (actor, runId, reason) =>
      database.transaction(async (transaction) => {
        const run = await lockRun(transaction.manager, runId);
        if (isFinal(run.state)) throw runFinished(run);
        await askForCancel(transaction, run, actor, reason);
      }),

    getRun: (runId) =>
      database.read(async (manager) => {
        const run = await requireRun(manager, runId);
        const steps = await manager.find(RunStepEntity, { where: { runId }, order: { seq: 'ASC' } });
        const contextOf = await readRunContexts(manager, [run]);
        return runView(run, contextOf(run), steps, now());
      }),

    listRuns: ({ serverId, kind, state }, page) =>
      database.read((manager) =>
        newestFirst(manager, { entity: RunEntity, kind: 'runs', by: 'requestedAt' }, { serverId, kind, state }, page, async (runs) => {
          const contextOf = await readRunContexts(manager, runs);
          return runs.map((run) => runView(run, contextOf(run), null, now()));
        }),
      ),

    measuredRecoverySeconds: (serverId, kind) =>
      database.read(async (manager) => {
        const where: FindOptionsWhere<RunRow> = { serverId, kind, state: 'succeeded', recoverySeconds: Not(IsNull()) };
        const runs = await manager.find(RunEntity, { where, order: { requestedAt: 'DESC' }, take: 20 });
        return runs.flatMap(({ recoverySeconds }) => (recoverySeconds === null ? [] : [recoverySeconds]));
      }),
  };
}

const dispatchable = ({ kind, input }: RunRow): DispatchableRun => ({ kind, input }) as DispatchableRun;

/** Throws `RUN_NOT_FOUND`. */
export async function requireRun(manager: EntityManager, runId: string): Promise<RunRow> {
  const run = await manager.findOneBy(RunEntity, { id: runId });
  if (run === null) throw runNotFound(runId);
  return run;
}

/** Of a run whose row is held. */
export async function askForCancel({ manager, audit }: Transaction, run: RunRow, actor: Actor, reason: string | null): Promise<void> {
  if (run.cancelRequested) return;
  await manager.update(RunEntity, { id: run.id }, { cancelRequested: true });
  audit({ actor, action: 'run.cancel-requested', runId: run.id, serverId: run.serverId, details: { kind: run.kind, reason } });
}

/** Everything that changes a run or its steps goes one after another. */
export async function lockRun(manager: EntityManager, runId: string): Promise<RunRow> {
  const run = await manager.findOne(RunEntity, { where: { id: runId }, lock: { mode: 'pessimistic_write' } });
  if (run === null) throw runNotFound(runId);
  return run;
}

/** The lock of the server, when this run holds it; it keeps it as long as the run's row is held. Throws `FENCED_OFF`. */
export async function requireHold(manager: EntityManager, run: Pick<RunRow, 'id' | 'state' | 'serverId'>): Promise<ServerLockRow> {
  const lock = await manager.findOneBy(ServerLockEntity, { runId: run.id });
  if (lock === null) throw fencedOff(run);
  return lock;
}

export const runNotFound = (runId: string): ModosuError =>
  new ModosuError('RUN_NOT_FOUND', `There is no run ${quoted(runId)} in the catalogue.`, { context: { runId: runId.slice(0, 128) } });

export const fencedOff = ({ id, state, serverId }: Pick<RunRow, 'id' | 'state' | 'serverId'>): ModosuError =>
  new ModosuError('FENCED_OFF', `Run ${id} (${state}) does not hold its server any more and must not change it.`, { context: { runId: id, serverId } });
