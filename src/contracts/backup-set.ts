import type { ErrorSummary } from './errors';
import type { Consistency } from './recovery-point';
import type { RunState } from './run';

/** Servers that depend on each other, and are backed up as a set. */
export interface ServerGroup {
  readonly name: string;
  /** Names, in the order in which they were declared. */
  readonly servers: readonly string[];
}

/** How long the members of a set may take until all of them are ready to be frozen, counted from the accepted request. */
export const BACKUP_SET_DEADLINE_MS = 10 * 60_000;

/**
 * `complete`: every server has its recovery point. `incomplete`: some of them have none; those that are there are ordinary ones, but no set. `failed`: there is
 * none.
 */
export const BACKUP_SET_STATES = ['running', 'complete', 'incomplete', 'failed'] as const;
export type BackupSetState = (typeof BACKUP_SET_STATES)[number];

/** One server of a set. */
export interface BackupSetMember {
  readonly serverId: string;
  readonly serverName: string;
  readonly runId: string;
  readonly runState: RunState;
  /** Null: none was published, or not yet; as are the two below. */
  readonly recoveryPointId: string | null;
  /** The moment of the freeze, ISO 8601 in UTC, as it stands in the manifest. */
  readonly pointInTime: string | null;
  readonly consistency: Consistency | null;
  /** Why its run has failed. */
  readonly error: ErrorSummary | null;
}

export interface BackupSetView {
  readonly id: string;
  /** Name of the group as it was when the set was asked for. */
  readonly group: string;
  readonly state: BackupSetState;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  /** Until then all members have to be ready, or none is taken. */
  readonly deadline: string;
  /** When its last run ended. */
  readonly finishedAt: string | null;
  /** From the first to the last point in time of its recovery points, in milliseconds; null: it goes on, or fewer than two are there. */
  readonly spreadMs: number | null;
  /** By name of the server. */
  readonly members: readonly BackupSetMember[];
}

/** Input of the workflow that brings the members of a set together. */
export interface BackupSetInput {
  readonly setId: string;
  readonly group: string;
  readonly deadline: string;
  readonly members: readonly { readonly runId: string; readonly serverId: string; readonly serverName: string }[];
}

/** What a run knows of the set that it belongs to. */
export interface SetMembership {
  readonly id: string;
  readonly group: string;
  readonly deadline: string;
}

/** Signal to the workflow of a set: this member has done all that takes long. */
export const SIGNAL_MEMBER_READY = 'memberReady';
export interface MemberReady {
  readonly runId: string;
}

/** Signal to the workflow of a set: this member will not come. */
export const SIGNAL_MEMBER_LEFT = 'memberLeft';
export interface MemberLeft extends MemberReady {
  readonly why: string;
}

/** Signal to each member: all begin now, or none. */
export const SIGNAL_SET_DECIDED = 'setDecided';
export interface SetDecided {
  readonly setId: string;
  /** Null: go. Else why the set is given up, for people. */
  readonly givenUp: string | null;
}
