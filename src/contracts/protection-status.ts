import type { RepositoryCapacity } from './capacity';
import type { DueBackupView } from './due-backup';
import type { Comeback, JudgementFacts } from './judgement';
import type { OffsiteRepositoryView } from './offsite-copies';
import type { RecoveryPointKind } from './recovery-point';
import type { RunOutcome } from './run';

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
  readonly state: RunOutcome;
  readonly finishedAt: string;
  readonly errorCode: string | null;
}

/** What booting images of a server has shown. Only of servers whose policy has them booted, and that have images. */
export interface BootEvidence {
  readonly serverId: string;
  /** The last proof that passed; null: none did. */
  readonly passed: { readonly at: string; readonly recoveryPointId: string; readonly seconds: number } | null;
  /** The last proof that was carried out, where it did not pass; null: it did, or there was none. */
  readonly failed: {
    readonly at: string;
    readonly verificationId: string;
    readonly recoveryPointId: string;
    readonly code: string;
    readonly message: string;
  } | null;
  /** Since when a proof is promised: the policy says so, and there is an image. ISO 8601. */
  readonly promisedSince: string;
}

/** What of a server's images, or of one of its data sets, lies elsewhere. Only where there are recovery points. */
export interface OffsiteEvidence {
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  /** Null: images. */
  readonly dataSet: string | null;
  /** Point in time of the newest one that can be restored from a copy, with all that it builds on, wherever that lies, ISO 8601; null: there is none. */
  readonly newestAt: string | null;
  /**
   * Since when something usable lies here that is newer than all that is copied where its policy wants it, not longer than the policy promises that; ISO 8601.
   * Null: the newest is copied, or nobody promises it.
   */
  readonly uncopiedSince: string | null;
  /** What keeps the newest that could not be copied from being so; null: nothing is known. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** An off-site repository, as far as promises depend on it. */
export type OffsitePlaceFacts = Pick<OffsiteRepositoryView, 'name' | 'media' | 'state' | 'seenAt' | 'askedForSince' | 'problem'>;

/** Configuration changes of one server that no image contains. */
export interface UnimagedChanges {
  readonly serverId: string;
  /** From when on the first of them was to be imaged, ISO 8601. */
  readonly since: string;
  readonly titles: readonly string[];
}

export interface ProtectionFacts {
  readonly copies: readonly OffsiteEvidence[];
  readonly offsite: readonly OffsitePlaceFacts[];
  readonly boots: readonly BootEvidence[];
  readonly newest: readonly NewestRecoveryPoint[];
  readonly lastRuns: readonly LastBackupRun[];
  /** Those that wait. */
  readonly waiting: readonly DueBackupView[];
  /** Servers with configuration changes that are complete, and that no image of their disks contains. */
  readonly changes: readonly UnimagedChanges[];
  /** What is known of whether servers could come back alone. */
  readonly judgements: readonly JudgementFacts[];
  /** Seconds of the newest measured restore of each server that has one. */
  readonly recoverySeconds: readonly { readonly serverId: string; readonly seconds: number }[];
}

export const BREACH_CODES = [
  /** Nobody has said how the server is protected. */
  'NO_POLICY',
  /** The policy promises images, or data, and there is no usable one. */
  'NO_RECOVERY_POINT',
  /** The newest usable one is older than the RPO. */
  'RPO_EXCEEDED',
  /** The disks were swapped by a restore or an undo, and have not been imaged since. */
  'NOT_BACKED_UP_SINCE_RESTORE',
  /** A newer recovery point than all verified ones has been lying there unverified for too long. */
  'NOT_VERIFIED',
  /** The image that was booted last for a proof did not come up. */
  'BOOT_PROOF_FAILED',
  /** No image was booted for a proof when the policy wanted it. */
  'BOOT_PROOF_OVERDUE',
  /** Something newer than all copies in the off-site repository of the policy has not been copied there for too long. */
  'NOT_COPIED_OFFSITE',
  /** A configuration change has been complete for an hour and more, and no image contains it. */
  'CHANGE_NOT_IMAGED',
  /** Its newest image was judged, and its peers would not accept it. */
  'CANNOT_COME_BACK_ALONE',
  /** Whether they would could not be found out for more than a night. */
  'COMEBACK_UNKNOWN',
  /** The last measured restore took longer than the RTO. */
  'RTO_EXCEEDED',
] as const;
export type BreachCode = (typeof BREACH_CODES)[number];

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
  /** Point in time of the newest that can be restored from a copy elsewhere; null: there is none. */
  readonly offsiteAt: string | null;
  /** As in `OffsiteEvidence`. */
  readonly uncopiedSince: string | null;
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
  /** The last boot of an image that passed; null: there was none, or its policy asks for none. */
  readonly booted: BootEvidence['passed'];
  /** Off-site repository that its policy names; null: none. */
  readonly offsite: string | null;
  /** Nothing of it lies elsewhere: what takes the site takes all of it. */
  readonly isOnSiteOnly: boolean;
  /** Whether it could come back alone; null: no rules judge that, or it has no usable image. */
  readonly comeback: Comeback | null;
  readonly breaches: readonly Breach[];
}

export interface EstateStatus {
  readonly at: string;
  /** Every server in service is protected as promised. */
  readonly isProtected: boolean;
  readonly breaches: number;
  /** Backups that are due and have not begun. */
  readonly dueWaiting: number;
  /** Servers that are out of service: nothing is promised for them, and they are not among `servers`. */
  readonly decommissioned: number;
  readonly servers: readonly ServerProtection[];
  readonly repositories: readonly RepositoryCapacity[];
}
