import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Catalog } from '../catalog/catalog';
import type { Log } from '../config/log';
import { ModosuError, toModosuError } from '../contracts/errors';
import { isFinal, type Retrying, type RunView } from '../contracts/run';
import type { RunDispatcher } from './run-starter';

/** What is written down in PostgreSQL may differ from what runs in Temporal after a crash between the two. This loop makes them agree. */

export interface ReconcileDependencies {
  readonly catalog: Pick<
    Catalog,
    | 'listUndispatched'
    | 'listOpenSets'
    | 'runningRestoreSets'
    | 'advanceRestoreSet'
    | 'listUnfinishedPlans'
    | 'listOpenRuns'
    | 'listDecidedButWaiting'
    | 'listRunningVerifications'
    | 'getRun'
    | 'finishRun'
    | 'recordRetry'
    | 'getDispatchable'
    | 'failPlan'
    | 'getPlan'
    | 'recordPlanRetry'
    | 'finishVerification'
    | 'listRunningTransfers'
    | 'finishTransfer'
  >;
  readonly runs: Pick<
    RunDispatcher,
    | 'startRun'
    | 'startSet'
    | 'describeSet'
    | 'startPlan'
    | 'startCleanUp'
    | 'tellDecided'
    | 'cancelRun'
    | 'describeRun'
    | 'seeRun'
    | 'seePlan'
    | 'startVerification'
    | 'cancelVerification'
    | 'describeVerification'
    | 'startTransfer'
    | 'cancelTransfer'
    | 'describeTransfer'
  >;
  readonly log: Log;
  readonly now: () => Date;
}

/** Ids of what one pass has done. */
export interface ReconcileReport {
  readonly started: readonly string[];
  readonly cancelled: readonly string[];
  /** Told that a person has decided. */
  readonly told: readonly string[];
  /** Ended outside Modosu: their clean-up was started, or the plan marked as failed. */
  readonly ended: readonly string[];
}

/** The API starts a workflow within milliseconds after writing the run down; only what is older needs help. */
const UNDISPATCHED_AFTER_MS = 5_000;
const INTERVAL_MS = 3_000;

/**
 * One pass. Idempotent, and safe beside the API and beside other workers' passes. Throws `TEMPORAL_UNAVAILABLE` and `CATALOG_UNAVAILABLE` as soon as either
 * does not answer: what cannot be seen is not judged.
 */
export async function reconcile({ catalog, runs, log, now }: ReconcileDependencies): Promise<ReconcileReport> {
  const report = { started: [] as string[], cancelled: [] as string[], told: [] as string[], ended: [] as string[] };
  const olderThan = new Date(now().getTime() - UNDISPATCHED_AFTER_MS);

  // Before the runs: they look for it as soon as they are ready.
  for (const set of await catalog.listOpenSets(olderThan)) {
    const { setId: backupSetId } = set;
    await judged(log, { backupSetId }, async () => {
      // One that was ended is not begun again: those that have spoken to it would never be heard. Its runs know for how long they may wait.
      if ((await runs.describeSet(backupSetId)) !== 'absent') return;
      await runs.startSet(set);
      report.started.push(backupSetId);
      log.warn({ backupSetId }, 'accepted backup set had no workflow; started it');
    });
  }

  for (const run of await catalog.listUndispatched(olderThan)) {
    const { runId, serverId } = run.input;
    await judged(log, { runId, serverId }, async () => {
      if ((await runs.describeRun(runId, serverId)) !== 'absent') return;
      // A member of a backup set is started all the same: its workflow is what tells the others not to wait for it.
      const isAwaited = run.kind === 'backup-image' && run.input.set !== undefined;
      if (!isAwaited && (await isCancelledBeforeItsStart(catalog, runId))) {
        await catalog.finishRun(runId, { state: 'cancelled', error: new ModosuError('RUN_CANCELLED', 'The run was cancelled.').summary() });
        report.cancelled.push(runId);
        return;
      }
      await runs.startRun(run);
      report.started.push(runId);
      log.warn({ runId, serverId }, 'accepted run had no workflow; started it');
    });
  }

  // What it writes down is delivered below, as what people have decided is.
  for (const restoreSetId of await catalog.runningRestoreSets()) {
    await judged(log, { restoreSetId }, async () => {
      const move = await catalog.advanceRestoreSet(restoreSetId);
      if (move.kind !== 'wait') {
        log.info({ restoreSetId, move: move.kind }, move.kind === 'end' ? `restore set has ended: ${move.state}` : 'restore set goes on');
      }
    });
  }

  for (const { runId, serverId, state } of await catalog.listOpenRuns()) {
    await judged(log, { runId, serverId }, async () => {
      const { state: execution, retrying } = await runs.seeRun(runId, serverId, now());
      // Read after Temporal was asked: a workflow writes its end to PostgreSQL before it closes, so that a run still open now was not ended by its workflow.
      const run = await catalog.getRun(runId);
      if (isFinal(run.state)) return;
      if (execution === 'running') {
        // A cancel first: what people are shown must not stand in its way.
        if (run.cancelRequested) {
          await runs.cancelRun(runId, serverId);
          report.cancelled.push(runId);
        }
        const shown = retrying === null || hasComeThrough(retrying, run) ? null : retrying;
        if (!isDeepStrictEqual(shown, run.retrying)) await catalog.recordRetry(runId, shown);
        // The state from before Temporal was asked: a run that was only accepted then may have been started since, and is well. Nothing of an ended one was
        // undone, and it still holds the server.
      } else if (execution === 'closed' || state !== 'accepted') {
        await runs.startCleanUp(await catalog.getDispatchable(runId));
        report.ended.push(runId);
        log.error({ runId, serverId, execution }, 'run is open but its workflow is not; what it left behind is put in order');
      }
    });
  }

  for (const { runId, serverId } of await catalog.listDecidedButWaiting()) {
    await judged(log, { runId, serverId }, async () => {
      await runs.tellDecided(runId, serverId, { isReminder: true });
      report.told.push(runId);
    });
  }

  for (const plan of await catalog.listUnfinishedPlans(olderThan)) {
    const { planId, serverId } = plan.input;
    await judged(log, { planId, serverId }, async () => {
      const { state: execution, retrying } = await runs.seePlan(planId, now());
      if (execution === 'absent') {
        await runs.startPlan(plan);
        report.started.push(planId);
        log.warn({ planId, serverId }, 'accepted plan had no workflow; started it');
      } else if (execution === 'closed' && (await stillUnfinished(catalog, planId, now()))) {
        await catalog.failPlan(planId, endedOutside(planId));
        report.ended.push(planId);
        log.error({ planId, serverId }, 'plan is unfinished but its workflow has ended; marked it as failed');
      } else if (execution === 'running' && !isDeepStrictEqual(retrying, (await catalog.getPlan(planId)).retrying)) {
        await catalog.recordPlanRetry(planId, retrying);
      }
    });
  }

  for (const { input, cancelRequested } of await catalog.listRunningVerifications(olderThan)) {
    const { verificationId, serverId } = input;
    await judged(log, { verificationId, serverId }, async () => {
      const execution = await runs.describeVerification(verificationId);
      if (execution === 'absent' && cancelRequested) {
        await catalog.finishVerification(verificationId, {
          state: 'not-run',
          error: new ModosuError('RUN_CANCELLED', 'The verification was cancelled.').summary(),
        });
        report.cancelled.push(verificationId);
      } else if (execution === 'running') {
        if (!cancelRequested) return;
        await runs.cancelVerification(verificationId);
        report.cancelled.push(verificationId);
      } else if (execution === 'absent') {
        await runs.startVerification(input);
        report.started.push(verificationId);
        log.warn({ verificationId, serverId }, 'a verification that had begun had no workflow; started it');
      } else {
        // Its workflow writes its end to PostgreSQL before it closes: of one that did, this changes nothing.
        await catalog.finishVerification(verificationId, { state: 'not-run', error: verificationEndedOutside(verificationId) });
        report.ended.push(verificationId);
        log.error({ verificationId, serverId }, 'the workflow of a verification has ended before it did');
      }
    });
  }

  for (const { input, cancelRequested } of await catalog.listRunningTransfers(olderThan)) {
    const { transferId, offsite } = input;
    await judged(log, { transferId, offsite }, async () => {
      const execution = await runs.describeTransfer(transferId);
      if (execution === 'running') {
        if (!cancelRequested) return;
        await runs.cancelTransfer(transferId);
        report.cancelled.push(transferId);
      } else if (execution === 'absent' && cancelRequested) {
        await catalog.finishTransfer(transferId, { state: 'cancelled', error: new ModosuError('RUN_CANCELLED', 'The transfer was cancelled.').summary() });
        report.cancelled.push(transferId);
      } else if (execution === 'absent') {
        await runs.startTransfer(input);
        report.started.push(transferId);
        log.warn({ transferId, offsite }, 'a transfer that had begun had no workflow; started it');
      } else {
        // Its workflow writes its end to PostgreSQL before it closes: of one that did, this changes nothing.
        await catalog.finishTransfer(transferId, { state: 'failed', error: transferEndedOutside(transferId) });
        report.ended.push(transferId);
        log.error({ transferId, offsite }, 'the workflow of a transfer has ended before it did');
      }
    });
  }
  return report;
}

/** Passes until the signal aborts. Errors are logged once per change, not once per pass. */
export async function reconcileUntil(signal: AbortSignal, dependencies: ReconcileDependencies, intervalMs = INTERVAL_MS): Promise<void> {
  let problem: string | null = null;
  while (!signal.aborted) {
    try {
      await reconcile(dependencies);
      if (problem !== null) dependencies.log.info({}, 'reconciling runs works again');
      problem = null;
    } catch (thrown) {
      const error = toModosuError(thrown);
      if (error.code !== problem && !signal.aborted) dependencies.log.warn({ code: error.code, error: thrown }, 'reconciling runs failed; it is tried again');
      problem = error.code;
    }
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Temporal keeps what the last attempt has met until the next one has ended, which may take hours: bytes that move in it say that it came through. None is only its beginning. */
const hasComeThrough = ({ failedAt, nextAttemptAt }: Retrying, { steps }: RunView): boolean =>
  failedAt !== null &&
  nextAttemptAt === null &&
  steps.some(({ state, progress }) => state === 'running' && progress !== null && progress.doneBytes > 0 && progress.updatedAt > failedAt);

/** Read after Temporal was asked, as for open runs. Where a workflow is started in this very moment after all, it finds its lock gone, and ends before its first step. */
async function isCancelledBeforeItsStart(catalog: ReconcileDependencies['catalog'], runId: string): Promise<boolean> {
  const { state, cancelRequested } = await catalog.getRun(runId);
  return state === 'accepted' && cancelRequested;
}

const stillUnfinished = async (catalog: ReconcileDependencies['catalog'], planId: string, now: Date): Promise<boolean> =>
  (await catalog.listUnfinishedPlans(now)).some((plan) => plan.input.planId === planId);

/**
 * One run or plan must not stop the pass for the others. Only a service that does not answer ends it. A server whose workflow still belongs to a run that has
 * just ended in PostgreSQL gets its turn in the next pass.
 */
async function judged(log: Log, ids: Readonly<Record<string, string>>, judge: () => Promise<void>): Promise<void> {
  try {
    await judge();
  } catch (thrown) {
    const error = toModosuError(thrown);
    if (error.code === 'TEMPORAL_UNAVAILABLE' || error.code === 'CATALOG_UNAVAILABLE') throw thrown;
    if (error.code === 'SERVER_BUSY') {
      log.warn({ ...ids, holder: error.context.runId ?? null }, "accepted run waits: the server's workflow still belongs to another run");
    } else log.error({ ...ids, code: error.code, error: thrown }, 'this one could not be reconciled; the others are');
  }
}

const verificationEndedOutside = (verificationId: string) => ({
  code: 'RUN_ENDED_OUTSIDE' as const,
  message: `The workflow of ${verificationId} was ended in Temporal before it could write down what it has found.`,
  hint: 'Nothing was changed: `modosu verify` begins another one.',
});

const transferEndedOutside = (transferId: string) => ({
  code: 'RUN_ENDED_OUTSIDE' as const,
  message: `The workflow of ${transferId} was ended in Temporal before it could write down what has come of it.`,
  hint: 'What was sent is not sent again: what a policy asks for is begun anew, and what somebody has asked for can be asked for again.',
});

const endedOutside = (planId: string) => ({
  code: 'RUN_ENDED_OUTSIDE' as const,
  message: `The workflow of ${planId} was ended in Temporal before it could write down its result.`,
  hint: 'Planning changes nothing on the server: plan again.',
});
