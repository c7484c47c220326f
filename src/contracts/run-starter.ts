import type { BackupImageInput, PlanRestoreInput, RestoreServerInput } from './workflows';

/** A run that has been written down and whose workflow is to be started. Same shape as the catalogue's `DispatchableRun`. */
export type StartableRun =
  | { readonly kind: 'backup-image'; readonly input: BackupImageInput }
  | { readonly kind: 'restore-server'; readonly input: RestoreServerInput };

/**
 * Port through which the API starts and steers workflows; implemented with Temporal's client. Ids are fixed by the input, so every method is
 * idempotent: starting what already runs does nothing. All throw `TEMPORAL_UNAVAILABLE` (retry later).
 */
export interface RunStarter {
  /** Resolves when Temporal answers within a few seconds; otherwise `TEMPORAL_UNAVAILABLE`. Starts nothing. */
  check(): Promise<void>;
  startRun(run: StartableRun): Promise<void>;
  startPlan(input: PlanRestoreInput): Promise<void>;
  /** Asks the workflow to cancel. A workflow that has ended, or is not there yet, is fine. */
  cancelRun(runId: string, serverId: string): Promise<void>;
}
