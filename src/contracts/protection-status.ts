import type { RepositoryCapacity } from './capacity';
import type { DueBackupView } from './due-backup';
import type { RecoveryPointKind } from './recovery-point';
import type { RunState } from './run';

/** Whether servers are protected as their policies promise. */

/** What one server has of images, or of one data set. */
export interface NewestRecoveryPoint {
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  /** Null: images. */
  readonly dataSet: string | null;
  /** Point in time of the newest usable one, ISO 8601; null: there is none. */
  readonly newestAt: string | null;
  /** Images: of the newest usable one of the disks as they are now; null: they were swapped since, and not imaged again. Data: the same as above. */
  readonly newestOnLineAt: string | null;
  /**
   * Since when something that is newer than all verified ones lies there unverified, not longer than its policy promises verification; ISO 8601; null: the
   * newest is verified, or there is none.
   */
  readonly unverifiedSince: string | null;
}

/** The last backup of a kind that has ended. */
export interface LastBackupRun {
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  readonly runId: string;
  readonly state: Extract<RunState, 'succeeded' | 'failed' | 'cancelled'>;
  readonly finishedAt: string;
  readonly errorCode: string | null;
}

export interface ProtectionFacts {
  readonly newest: readonly NewestRecoveryPoint[];
  readonly lastRuns: readonly LastBackupRun[];
  /** Those that wait. */
  readonly waiting: readonly DueBackupView[];
  /** Seconds of the newest measured restore of each server that has one. */
  readonly recoverySeconds: readonly { readonly serverId: string; readonly seconds: number }[];
}

export type BreachCode =
  /** Nobody has said how the server is protected. */
  | 'NO_POLICY'
  /** The policy promises images, or data, and there is no usable one. */
  | 'NO_RECOVERY_POINT'
  /** The newest usable one is older than the RPO. */
  | 'RPO_EXCEEDED'
  /** The disks were swapped by a restore or an undo, and have not been imaged since. */
  | 'NOT_BACKED_UP_SINCE_RESTORE'
  /** A newer recovery point than all verified ones has been lying there unverified for too long. */
  | 'NOT_VERIFIED'
  /** The last measured restore took longer than the RTO. */
  | 'RTO_EXCEEDED';

export interface Breach {
  readonly code: BreachCode;
  readonly serverId: string;
  readonly serverName: string;
  readonly kind: RecoveryPointKind | null;
  readonly dataSet: string | null;
  /** Since when, ISO 8601, as far as that can be said. */
  readonly since: string | null;
  readonly message: string;
  readonly hint: string;
}

/** What a server has of images, or of one data set, and what was promised. */
export interface ProtectedThing {
  readonly kind: RecoveryPointKind;
  readonly dataSet: string | null;
  readonly newestAt: string | null;
  /** As in `NewestRecoveryPoint`. */
  readonly unverifiedSince: string | null;
  readonly ageSeconds: number | null;
  readonly rpoSeconds: number | null;
  /** When its schedule comes next, without jitter; null: it has none. */
  readonly nextDueAt: string | null;
  /** Why a backup that is due has not begun; null: none is due, or its time has not come. */
  readonly waitsFor: string | null;
  readonly lastRun: Omit<LastBackupRun, 'serverId' | 'kind'> | null;
}

export interface ServerProtection {
  readonly serverId: string;
  readonly serverName: string;
  readonly policy: string | null;
  readonly things: readonly ProtectedThing[];
  readonly breaches: readonly Breach[];
}

export interface EstateStatus {
  readonly at: string;
  /** Every server is protected as promised. */
  readonly isProtected: boolean;
  readonly breaches: number;
  /** Backups that are due and have not begun. */
  readonly dueWaiting: number;
  readonly servers: readonly ServerProtection[];
  readonly repositories: readonly RepositoryCapacity[];
}
