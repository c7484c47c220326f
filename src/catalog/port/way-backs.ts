import type { StateBefore, WayBackFacts, WayBackState, WayBackView } from '../../contracts/way-back';

/** What a restore has replaced, as long as it can be had back. */
export interface WayBackCatalog {
  /**
   * The run has swapped the volumes: what stood there is kept until `expiresAt`, and the server is on a new line of disk states. One transaction. Idempotent by
   * run. Audited as `lineage.started`. With `facts.data`, data was put in place inside the guest: the line goes on, and nothing waits for a go-live; audited as
   * `data.placed`.
   */
  openWayBack(runId: string, facts: WayBackFacts, before: StateBefore, expiresAt: Date): Promise<WayBackView>;
  /**
   * The run has returned to the volumes of `ofRunId`: that way back becomes `undone`, this run gets an open one, and the server is on the line it had before.
   * One transaction. Idempotent by run. Audited as `lineage.returned`. Throws `WAY_BACK_CLOSED`.
   */
  takeWayBack(runId: string, ofRunId: string, facts: WayBackFacts, before: StateBefore, expiresAt: Date): Promise<WayBackView>;
  /**
   * The run has put back what it swapped: its way back becomes `reverted`, the server returns to the line before, and a way back that it had taken is open
   * again. No open way back of this run: nothing. Audited.
   */
  revertWayBack(runId: string): Promise<void>;
  /** The volumes kept by `ofRunId` are deleted: `confirmed`, by `runId`. Idempotent by run. Audited as `way-back.confirmed`. */
  closeWayBack(runId: string, ofRunId: string): Promise<void>;
  /** Sets `wentLiveAt` of the run's way back, once. Audited as `run.went-live`. */
  recordGoLive(runId: string): Promise<void>;
  /** Throws `RUN_NOT_FOUND`, `WAY_BACK_NOT_FOUND`. */
  getWayBack(runId: string): Promise<WayBackView>;
  /** Newest first. */
  listWayBacks(filter: { readonly serverId?: string; readonly state?: WayBackState }): Promise<readonly WayBackView[]>;
  /** Open, gone live and beyond their time: to be confirmed by the system. */
  listExpiredWayBacks(now: Date): Promise<readonly WayBackView[]>;
}
