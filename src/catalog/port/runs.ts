import type { Decision } from '../../contracts/activities/planning';
import type { RunOutcome, StepRecord } from '../../contracts/activities/catalogue';
import type { DecisionKind, Retrying, RunKind, RunState, RunView, StepProgress } from '../../contracts/run';
import type {
  AcceptBackupRequest,
  AcceptConfirmRequest,
  AcceptDataBackupRequest,
  AcceptPlannedRequest,
  AcceptedRun,
  Actor,
  DecisionRequest,
  DispatchableRun,
  Page,
  PageRequest,
} from './requests';

/** Runs: accepted, dispatched, their steps and decisions, their end; and with each the lock of its server. */
export interface RunCatalog {
  /**
   * In one transaction: idempotency key, run row (`accepted`), the server's lock row with a new, higher fencing token, audit `run.requested`. Throws
   * `SERVER_BUSY` with the holder's run id in the context (`runId`), and `SERVER_DECOMMISSIONED`; the refusal is audited too, in a transaction of its own.
   */
  acceptBackup(request: AcceptBackupRequest): Promise<AcceptedRun>;
  /** The same for data. Throws `DATA_SET_NOT_FOUND`, also when none is declared. */
  acceptDataBackup(request: AcceptDataBackupRequest): Promise<AcceptedRun>;
  /**
   * The same for a plan, of a restore or of an undo. The run gets the id that the plan reserved (`body.runId`), and the plan is marked `used`. Also throws
   * `PLAN_NOT_FOUND` (also for a plan of another server), `PLAN_NOT_READY`, `PLAN_FAILED`, `PLAN_ALREADY_USED`, `PLAN_STALE` (the stored plan was edited),
   * `PLAN_BLOCKED`, `PLAN_NOT_ACKNOWLEDGED`, `CONFIRMATION_MISMATCH`.
   */
  acceptPlanned(request: AcceptPlannedRequest): Promise<AcceptedRun>;
  /**
   * The same for the deletion of kept volumes. Throws `RUN_NOT_FOUND`, `WAY_BACK_NOT_FOUND`, `WAY_BACK_CLOSED`, `RUN_NOT_LIVE` (never went live),
   * `SERVER_BUSY`.
   */
  acceptConfirm(request: AcceptConfirmRequest): Promise<AcceptedRun>;
  /**
   * Writes a person's decision down, once: asking twice changes nothing. Only for a run that waits for it: `RUN_FINISHED`, `RUN_NOT_WAITING`. Audited as
   * `run.decided`; refusals as `run.decision-refused`. The caller then tells the workflow.
   */
  decide(request: DecisionRequest): Promise<void>;
  /** Null: nobody has decided. Throws `RUN_NOT_FOUND`. */
  getDecision(runId: string, kind: DecisionKind): Promise<Decision | null>;
  /** Open runs that wait although the decision stands: their workflow may not have been told. */
  listDecidedButWaiting(): Promise<readonly { readonly runId: string; readonly serverId: string }[]>;
  /** Runs still `accepted` since before `olderThan`: their workflow may not have been started. */
  listUndispatched(olderThan: Date): Promise<readonly DispatchableRun[]>;
  /** The workflow input of a run. Throws `RUN_NOT_FOUND`. */
  getDispatchable(runId: string): Promise<DispatchableRun>;
  /** Runs in `accepted` or `running`. */
  listOpenRuns(): Promise<readonly { readonly runId: string; readonly serverId: string; readonly state: RunState }[]>;
  /** `accepted` becomes `running`. Idempotent. Throws `FENCED_OFF` when the server's lock is not this run's. Audited as `run.started`. */
  startRun(runId: string): Promise<void>;
  /**
   * Insert or update by (run, seq). Idempotent; a final state never goes back to an earlier one except to `undone`; detail is added to, also to a step that has
   * ended when its state is given again. Sets startedAt/finishedAt. For a run that has ended nothing happens. Audited as `step.<state>` for final
   * states, as `step.detail` for what is added to one later.
   */
  recordStep(runId: string, update: StepRecord): Promise<void>;
  /** Progress of the step with this key; not audited. Unknown step: nothing. */
  recordProgress(runId: string, stepKey: string, progress: StepProgress): Promise<void>;
  /** What an open run tries again, or what holds it up, until its next step is recorded; null: nothing any more. Not audited. Unknown or ended run: nothing. */
  recordRetry(runId: string, retrying: Retrying | null): Promise<void>;
  /**
   * Final state, error, lock released, audit `run.succeeded|failed|cancelled`: one transaction. Idempotent: a final run stays as it is. Unless the run
   * succeeded, its open steps are closed: what was running has failed, what was pending is skipped. With the last run of a set what came of the set is audited,
   * as `backup-set.complete|incomplete|failed`, with its spread.
   */
  finishRun(runId: string, outcome: RunOutcome): Promise<void>;
  /**
   * Written first; the caller then cancels the workflow. Throws `RUN_NOT_FOUND`, `RUN_FINISHED`. Idempotent; audited with the reason of whoever asked first.
   *
   * @param reason null: none was given
   */
  requestCancel(actor: Actor, runId: string, reason: string | null): Promise<void>;
  /** Throws `RUN_NOT_FOUND`. */
  getRun(runId: string): Promise<RunView>;
  /** Newest first; without steps. */
  listRuns(filter: { readonly serverId?: string; readonly kind?: RunKind; readonly state?: RunState }, page: PageRequest): Promise<Page<RunView>>;
  /** Seconds of the last measured restores of this kind of a server that succeeded (at most 20, newest first), for estimates. */
  measuredRecoverySeconds(serverId: string, kind: 'restore-server' | 'restore-data'): Promise<readonly number[]>;
}
