import type { ErrorSummary } from '../errors';
import type { FetchedPoint, MadeCopy, TransferOutcome } from '../offsite-copies';
import type { RunState, RunStepView } from '../run';
import type { Damage, VerificationOutcome } from '../verification';
import type { StateBefore, WayBackFacts } from '../way-back';

/**
 * Writes to the catalogue that every run makes. Activity interfaces, shared by workflows (which call them) and `activities/` (which implement them). Arguments and results travel through Temporal's history: ids,
 * paths and small summaries only.
 */

export interface StepRecord {
  readonly seq: number;
  readonly key: string;
  readonly title: string;
  readonly state: RunStepView['state'];
  readonly detail?: RunStepView['detail'];
  readonly error?: ErrorSummary | null;
}

export interface RunOutcome {
  readonly state: Extract<RunState, 'succeeded' | 'failed' | 'cancelled'>;
  readonly error: ErrorSummary | null;
  readonly recoveryPointId?: string;
  readonly recoverySeconds?: number;
  /** What was lost, in seconds. */
  readonly lostSeconds?: number;
}

/** Short writes to PostgreSQL, run as local activities. Keyed: running one twice changes nothing. */
export interface CatalogueActivities {
  startRun(runId: string): Promise<void>;
  recordSteps(runId: string, steps: readonly StepRecord[]): Promise<void>;
  finishRun(runId: string, outcome: RunOutcome): Promise<void>;
  /**
   * Somebody who has read this one found stored bytes changed, or missing: nobody may restore from it again, or from the one whose bytes they are. `of`: what is
   * known of the damage; absent, as runbooks of earlier versions call it: `RECOVERY_POINT_CORRUPT`, of this one.
   */
  markDamaged(recoveryPointId: string, why: string, of?: Omit<Damage, 'message'>): Promise<void>;
  /** The volumes were swapped: what stood there is kept, and the server is on a new line of disk states. */
  openWayBack(runId: string, facts: WayBackFacts, before: StateBefore): Promise<void>;
  /** The volumes of `ofRunId` were returned to: its way back is used up, this run has one of its own, the server is on its old line again. */
  takeWayBack(runId: string, ofRunId: string, facts: WayBackFacts, before: StateBefore): Promise<void>;
  /** The run has put back what it swapped. No way back of this run: nothing. */
  revertWayBack(runId: string): Promise<void>;
  /** The old volumes that `ofRunId` has kept are deleted. */
  closeWayBack(runId: string, ofRunId: string): Promise<void>;
  /** The restored server has these configuration changes again. */
  recordApplied(runId: string, changeIds: readonly string[], by: string): Promise<void>;
  /** The production network of the swapped server is up. */
  recordGoLive(runId: string): Promise<void>;
  /** All bytes of a recovery point were read; `damage` null: they are what was written; otherwise it may be that of one on which it builds (`named`). */
  recordVerdict(verificationId: string, recoveryPointId: string, damage: Damage | null): Promise<void>;
  finishVerification(verificationId: string, outcome: VerificationOutcome): Promise<void>;
  /** A copy is whole, in an off-site repository. */
  recordCopied(transferId: string, recoveryPointId: string, made: MadeCopy): Promise<void>;
  /** A recovery point lies where it lay, and was read whole. */
  recordFetched(transferId: string, recoveryPointId: string, fetched: FetchedPoint): Promise<void>;
  /** A copy is not what was copied, or is not there. */
  recordCopyDamaged(transferId: string, recoveryPointId: string, why: { readonly code: string; readonly message: string }): Promise<void>;
  finishTransfer(transferId: string, outcome: TransferOutcome): Promise<void>;
  /** Writes down the backups that the schedules ask for by now; gives how many are new. */
  recordDueBackups(): Promise<number>;
}
