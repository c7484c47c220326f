import type { BackupSetInput } from './backup-set';
import type { StartablePlan, StartableRun } from './workflows';

export type { StartablePlan, StartableRun };

/**
 * Port through which the API starts and steers workflows; implemented with Temporal's client. Ids are fixed by the input, so every method is
 * idempotent: starting what already runs does nothing. All throw `TEMPORAL_UNAVAILABLE` (retry later).
 */
export interface RunStarter {
  /** Resolves when Temporal answers within a few seconds; otherwise `TEMPORAL_UNAVAILABLE`. Starts nothing. */
  check(): Promise<void>;
  startRun(run: StartableRun): Promise<void>;
  /** Starts what brings the members of a set together; before its runs. */
  startSet(set: BackupSetInput): Promise<void>;
  startPlan(plan: StartablePlan): Promise<void>;
  /** Starts judging all servers whose judgement is asked for. One that judges already takes them up, or the worker begins again when it has ended. */
  startJudging(): Promise<void>;
  /** Asks the workflow to cancel. A workflow that has ended, or is not there yet, is fine. */
  cancelRun(runId: string, serverId: string): Promise<void>;
  /** The same for a verification. */
  cancelVerification(verificationId: string): Promise<void>;
  /** The same for a transfer. */
  cancelTransfer(transferId: string): Promise<void>;
  /**
   * Tells a waiting workflow that a decision stands in PostgreSQL. Telling it twice is harmless; one that has ended is fine. `isReminder`: it was told before, and
   * is not told again while it has something else to do.
   */
  tellDecided(runId: string, serverId: string, options?: { readonly isReminder?: boolean }): Promise<void>;
}
