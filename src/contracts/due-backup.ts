import type { RecoveryPointKind } from './recovery-point';

/**
 * `waiting`: not begun yet. `started`: has a run. `superseded`: the next one was due before it could begin. `withdrawn`: its server has another policy by now, or
 * none.
 */
export const DUE_BACKUP_STATES = ['waiting', 'started', 'superseded', 'withdrawn'] as const;
export type DueBackupState = (typeof DUE_BACKUP_STATES)[number];

/**
 * `schedule`: its time has come. `restore`: the server is live with disks that a restore has put in place, and there is no image of them. `change`: a
 * configuration change is complete that no image contains. `baseline`: there was never an image of it; the first one is what all others are compared with.
 */
export const DUE_CAUSES = ['schedule', 'restore', 'change', 'baseline'] as const;
export type DueCause = (typeof DUE_CAUSES)[number];

/** A backup that nobody has to ask for. */
export interface DueBackupView {
  readonly id: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly kind: RecoveryPointKind;
  /** Null: the server has none; only an image because of a change is due all the same. */
  readonly policy: string | null;
  readonly cause: DueCause;
  /** What the schedule says, when the server went live, or when the change was complete. */
  readonly dueAt: string;
  /** With the server's part of the policy's jitter, or the time in which further changes may join. */
  readonly notBefore: string;
  readonly state: DueBackupState;
  /** Why it has not begun, in words; null: its time has not come, or it has begun. */
  readonly waitsFor: string | null;
  /** How many earlier times it stands for that passed while nothing ran here. */
  readonly missedBefore: number;
  readonly runId: string | null;
}

/** Backups that run at the same time on one hypervisor, or into one repository, where the estate says nothing. */
export const DEFAULT_MAX_BACKUPS = 2;
/** Into the data repository, from all hypervisors together. */
export const DEFAULT_MAX_DATA_BACKUPS = 4;
