import type { ErrorSummary } from './errors';
import type { PlanState } from './plan';
import type { DecisionKind, RunState } from './run';

/** Servers that hold copies of each other's state and are restored together, to recovery points that agree with each other. */

/** How many servers one set may have. */
export const MAX_RESTORE_SET = 16;

/**
 * `planning`, `planned`: of its plans. `running`: its runs wait for each other before go-live, then go live one after another. `stopped`: one has failed after another
 * was live; what still waits is for people. `failed`: nothing went live, or a plan could not be made.
 */
export const RESTORE_SET_STATES = ['planning', 'planned', 'running', 'stopped', 'succeeded', 'failed'] as const;
export type RestoreSetState = (typeof RESTORE_SET_STATES)[number];

/**
 * Why the recovery points of a set may meet. `freeze`: they are of one backup set; that nothing came in between what was read of them and their freeze is not proven.
 * `readings`: each was read before its point in time and after it, and both agree with the others. `reseed`: no points agree: one server is restored, and the others are
 * made anew from it. `unrelated`: nothing declared is between them.
 */
export const SET_BASES = ['freeze', 'readings', 'reseed', 'unrelated'] as const;
export type SetBasis = (typeof SET_BASES)[number];

/** What a plan knows of the set that it belongs to. */
export interface SetOfPlan {
  readonly id: string;
  readonly basis: SetBasis;
  /** Those that are restored, in the order in which they go live. */
  readonly members: readonly SetPlan[];
}

export interface SetPlan {
  readonly server: string;
  readonly serverId: string;
  readonly planId: string;
  readonly recoveryPointId: string;
}

/** One server of a set. */
export interface RestoreSetMember {
  readonly serverId: string;
  readonly serverName: string;
  /** Null, as are those below: it is not restored, but made anew from the first one. */
  readonly recoveryPointId: string | null;
  readonly pointInTime: string | null;
  readonly planId: string | null;
  readonly planState: PlanState | null;
  readonly runId: string | null;
  readonly runState: RunState | null;
  readonly waitingFor: DecisionKind | null;
  readonly isLive: boolean;
  /** Why its plan or its run has failed. */
  readonly error: ErrorSummary | null;
}

export interface RestoreSetView {
  readonly id: string;
  readonly state: RestoreSetState;
  readonly basis: SetBasis;
  /** How its recovery points were chosen, and what was tried before; a line each. */
  readonly choice: readonly string[];
  readonly requestedBy: string;
  readonly requestedAt: string;
  /** Who has it carried out, why, and since when; null: nobody. */
  readonly run: { readonly by: string; readonly reason: string; readonly at: string } | null;
  readonly finishedAt: string | null;
  /** Why it has failed or stopped; null: it has not. */
  readonly problem: string | null;
  /** In the order in which they go live. */
  readonly members: readonly RestoreSetMember[];
}
