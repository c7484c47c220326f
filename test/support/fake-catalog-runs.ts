import { refusalEvent, requestDetails, serverBusy, type RefusableRequest, type RunGrant } from '../../src/catalog/acceptance';
import type { AcceptedRun, AcceptRunRequest, Catalog, DispatchableRun, ServerRecord } from '../../src/catalog/catalog';
import type { RunRow, ServerLockRow } from '../../src/catalog/entities';
import { WORKER } from '../../src/catalog/recovery-point-store';
import { setOf } from '../../src/catalog/run-acceptance-store';
import { fencedOff, runNotFound } from '../../src/catalog/run-store';
import { storableError, storableRetrying } from '../../src/catalog/storable-error';
import { storableStep } from '../../src/catalog/storable-step';
import { runView, storedProgress, type RunContext } from '../../src/catalog/views';
import type { ModosuError } from '../../src/contracts/errors';
import { isFinal, type RunKind } from '../../src/contracts/run';
import { runFinished } from '../../src/domain/run-actions';
import { closeStep, isFinalStep, nextStep, stepAction, waitingAfter, type StoredStep } from '../../src/domain/steps/step-transition';
import type { FakeGround } from './fake-catalog-ground';

/** The rest of the catalogue in memory. */
export interface RunSurroundings {
  contextOf(run: RunRow): RunContext;
  ended(run: RunRow): void;
}

type Methods = Pick<
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

/** Runs, their steps, and who holds a server, in memory. */
export class FakeRuns implements Methods {
  private readonly rows = new Map<string, RunRow>();
  private readonly steps = new Map<string, Map<number, StoredStep>>();
  private readonly locks = new Map<string, ServerLockRow>();
  private lastFencingToken = 0;

  constructor(
    private readonly ground: FakeGround,
    private readonly around: RunSurroundings,
  ) {}

  listUndispatched: Catalog['listUndispatched'] = async (olderThan) =>
    this.all()
      .filter(({ state, requestedAt }) => state === 'accepted' && requestedAt < olderThan)
      .map(({ kind, input }) => ({ kind, input }) as DispatchableRun);

  getDispatchable: Catalog['getDispatchable'] = async (runId) => {
    const { kind, input } = this.run(runId);
    return { kind, input } as DispatchableRun;
  };

  listOpenRuns: Catalog['listOpenRuns'] = async () =>
    this.all()
      .filter(({ state }) => !isFinal(state))
      .map(({ id, serverId, state }) => ({ runId: id, serverId, state }));

  startRun: Catalog['startRun'] = async (runId) => {
    const run = this.requireHold(runId);
    if (run.state !== 'accepted') return;
    this.rows.set(runId, { ...run, state: 'running', startedAt: this.ground.now() });
    this.ground.append({ actor: WORKER, action: 'run.started', runId, serverId: run.serverId });
  };

  recordStep: Catalog['recordStep'] = async (runId, update) => {
    const run = this.run(runId);
    if (isFinal(run.state)) return;
    const steps = this.stepsOf(runId);
    const before = steps.get(update.seq) ?? null;
    const step = nextStep(before, storableStep(update), this.ground.now());
    if (step === null) return;
    steps.set(update.seq, step);
    this.rows.set(runId, { ...run, waitingFor: waitingAfter(run.waitingFor, step), retrying: null });
    const action = stepAction(before, step);
    if (action === null) return;
    const { seq, key, title, detail, error } = step;
    this.ground.append({
      actor: WORKER,
      action,
      runId,
      serverId: run.serverId,
      details: { seq, key, title, detail, code: error?.code, message: error?.message },
    });
  };

  recordProgress: Catalog['recordProgress'] = async (runId, stepKey, progress) => {
    this.ground.reach();
    for (const step of this.steps.get(runId)?.values() ?? []) {
      if (step.key === stepKey && !isFinalStep(step.state)) this.stepsOf(runId).set(step.seq, { ...step, progress: storedProgress(progress) });
    }
  };

  recordRetry: Catalog['recordRetry'] = async (runId, retrying) => {
    this.ground.reach();
    const run = this.rows.get(runId);
    if (run !== undefined && !isFinal(run.state)) this.rows.set(runId, { ...run, retrying: storableRetrying(retrying) });
  };

  finishRun: Catalog['finishRun'] = async (runId, outcome) => {
    const run = this.run(runId);
    if (isFinal(run.state)) return;
    const finishedAt = this.ground.now();
    const error = outcome.error === null ? null : storableError(outcome.error);
    const recoveryPointId = outcome.recoveryPointId ?? run.recoveryPointId;
    this.rows.set(runId, {
      ...run,
      state: outcome.state,
      finishedAt,
      error,
      recoveryPointId,
      recoverySeconds: outcome.recoverySeconds ?? null,
      lostSeconds: outcome.lostSeconds ?? null,
      waitingFor: null,
    });
    const steps = this.stepsOf(runId);
    if (outcome.state !== 'succeeded') for (const step of steps.values()) steps.set(step.seq, closeStep(step, finishedAt));
    if (this.locks.get(run.serverId)?.runId === runId) this.locks.delete(run.serverId);
    this.ground.append({
      actor: WORKER,
      action: `run.${outcome.state}`,
      runId,
      serverId: run.serverId,
      details: { code: error?.code, message: error?.message },
    });
    this.around.ended(run);
  };

  requestCancel: Catalog['requestCancel'] = async (actor, runId, reason) => {
    const run = this.run(runId);
    if (isFinal(run.state)) throw runFinished(run);
    if (run.cancelRequested) return;
    this.rows.set(runId, { ...run, cancelRequested: true });
    this.ground.append({ actor, action: 'run.cancel-requested', runId, serverId: run.serverId, details: { kind: run.kind, reason } });
  };

  getRun: Catalog['getRun'] = async (runId) => {
    const run = this.run(runId);
    const steps = [...this.stepsOf(runId).values()].sort((a, b) => a.seq - b.seq);
    return runView(run, this.around.contextOf(run), steps, this.ground.now());
  };

  listRuns: Catalog['listRuns'] = async ({ serverId, kind, state }, page) => {
    const rows = this.all().filter(
      (run) => (serverId ?? run.serverId) === run.serverId && (kind ?? run.kind) === run.kind && (state ?? run.state) === run.state,
    );
    return this.ground.newestFirst(
      'runs',
      rows,
      page,
      ({ requestedAt }) => requestedAt,
      (run) => runView(run, this.around.contextOf(run), null, this.ground.now()),
    );
  };

  measuredRecoverySeconds: Catalog['measuredRecoverySeconds'] = async (serverId, kind) =>
    this.all()
      .filter((run) => run.serverId === serverId && run.kind === kind && run.state === 'succeeded')
      .sort((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime())
      .flatMap(({ recoverySeconds }) => (recoverySeconds === null ? [] : [recoverySeconds]))
      .slice(0, 20);

  /** As the real one does: what came of the same request before, or `work`; what refuses it is audited. */
  accept(kind: RunKind, request: RefusableRequest, runId: string, work: (runId: string) => void): AcceptedRun {
    this.ground.reach();
    try {
      const earlier = this.ground.earlier(request, runId);
      if (earlier !== null) return { runId: earlier, replayed: true };
      work(runId);
      this.ground.claim(request, runId);
      return { runId, replayed: false };
    } catch (error) {
      const event = refusalEvent(kind, request, error);
      if (event !== null) this.ground.append(event);
      throw error;
    }
  }

  lock(server: ServerRecord, runId: string): RunGrant {
    this.requireFree(server);
    this.lastFencingToken += 1;
    const acceptedAt = this.ground.now();
    this.locks.set(server.id, { serverId: server.id, runId, fencingToken: this.lastFencingToken, acquiredAt: acceptedAt });
    return { runId, fencingToken: this.lastFencingToken, acceptedAt };
  }

  /** `SERVER_BUSY`; null: nobody holds it. */
  busy(server: ServerRecord): ModosuError | null {
    const holder = this.locks.get(server.id);
    return holder === undefined ? null : serverBusy(server, { runId: holder.runId, since: holder.acquiredAt });
  }

  requireFree(server: ServerRecord): void {
    const busy = this.busy(server);
    if (busy !== null) throw busy;
  }

  lockOf(serverId: string): ServerLockRow | undefined {
    return this.locks.get(serverId);
  }

  /** The run, if it holds its server. Throws `FENCED_OFF`. */
  requireHold(runId: string): RunRow {
    const run = this.run(runId);
    if (this.locks.get(run.serverId)?.runId !== runId) throw fencedOff(run);
    return run;
  }

  addRun(request: Pick<AcceptRunRequest, 'actor'>, run: DispatchableRun, planId: string | null, recoveryPointId: string | null): void {
    const { kind, input } = run;
    const { runId, serverId, reason, fencingToken } = input;
    this.rows.set(runId, {
      id: runId,
      kind,
      state: 'accepted',
      serverId,
      reason,
      requestedBy: request.actor,
      requestedAt: new Date(input.acceptedAt),
      startedAt: null,
      finishedAt: null,
      planId,
      recoveryPointId,
      setId: setOf(run),
      cancelRequested: false,
      waitingFor: null,
      retrying: null,
      error: null,
      recoverySeconds: null,
      lostSeconds: null,
      input,
    });
    this.ground.append({
      actor: request.actor,
      action: 'run.requested',
      runId,
      serverId,
      details: { kind, reason, fencingToken, ...requestDetails(run, recoveryPointId) },
    });
  }

  all(): RunRow[] {
    this.ground.reach();
    return [...this.rows.values()];
  }

  find(id: string): RunRow | undefined {
    return this.rows.get(id);
  }

  put(row: RunRow): void {
    this.rows.set(row.id, row);
  }

  run(id: string): RunRow {
    return this.ground.found(this.rows.get(id), () => runNotFound(id));
  }

  stepsOf(runId: string): Map<number, StoredStep> {
    const steps = this.steps.get(runId) ?? new Map<number, StoredStep>();
    this.steps.set(runId, steps);
    return steps;
  }
}
