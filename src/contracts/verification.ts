import type { ErrorSummary } from './errors';
import type { QueuedWorkView } from './queued-work';
import type { RecoveryPointKind } from './recovery-point';

/** Reading stored recovery points again, to know before a restore whether they can be trusted. */

/**
 * `checksums`: every byte was read and is what was written. `structure`: all that the recovery points of the server need is there, and a part of the bytes
 * was read; the next time another part is.
 */
export const READING_METHODS = ['checksums', 'structure'] as const;
export type ReadingMethod = (typeof READING_METHODS)[number];

/** `boot`: the image was started without any network, its agent answered, and its health checks passed. Says nothing about bytes that no boot reads. */
export const VERIFICATION_METHODS = [...READING_METHODS, 'boot'] as const;
export type VerificationMethod = (typeof VERIFICATION_METHODS)[number];

/**
 * `failed`: stored bytes are not what was written; of a boot, the image did not come up. `not-run`: it could not be carried out, so that nothing is known by it: never counted as one that passed,
 * never as damage.
 */
export const VERIFICATION_STATES = ['waiting', 'running', 'passed', 'failed', 'not-run'] as const;
export type VerificationState = (typeof VERIFICATION_STATES)[number];

/** `requestedBy` is `schedule` where its policy asks for it; `error`: what is damaged, what did not come up, or why it could not be carried out. */
export interface VerificationView extends QueuedWorkView {
  readonly id: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly kind: RecoveryPointKind;
  /** Null: all data of the server. */
  readonly recoveryPointId: string | null;
  readonly method: VerificationMethod;
  readonly state: VerificationState;
  /** What a boot that passed has shown; null: it has not, or this is none. */
  readonly boot: BootResult | null;
}

/** What a boot has shown. */
export interface BootResult {
  /** From the start of its virtual machine until its agent answered. */
  readonly seconds: number;
  /** Health checks that passed, in their own words. */
  readonly checks: readonly { readonly name: string; readonly evidence: string }[];
  /** Names of health checks that cannot be made without a network. */
  readonly notMade: readonly string[];
}

/** The last time that a recovery point was booted. */
export interface RecoveryPointBoot {
  readonly state: 'passed' | 'failed';
  readonly at: string;
  /** As in `BootResult`; null: it did not come up. */
  readonly seconds: number | null;
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** What is known of one recovery point by reading it again, and by booting it. */
export interface RecoveryPointVerification {
  /** `unreachable`: the last look found its repository away; says nothing about its bytes. */
  readonly state: 'unverified' | 'verified' | 'corrupt' | 'unreachable';
  /** How and when it last passed; null: never. */
  readonly method: ReadingMethod | null;
  readonly at: string | null;
  /** Why the last look could not be carried out, or what is damaged; null: it passed, or there was none. */
  readonly problem: { readonly code: string; readonly message: string; readonly at: string | null } | null;
  /** Images; null: it was never booted. */
  readonly boot: RecoveryPointBoot | null;
}

/** A verification that has begun. */
export interface VerificationInput {
  readonly verificationId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly hypervisor: string;
  readonly kind: RecoveryPointKind;
  readonly method: VerificationMethod;
  /** Null: all data of the server. */
  readonly recoveryPointId: string | null;
  /** Images: where it lies. */
  readonly repository: string | null;
  /** Which part of the bytes is read, from 1; null: all of them. */
  readonly part: { readonly number: number; readonly of: number } | null;
  /** What the last verification of the same found damaged, in its words; null: nothing. */
  readonly knownDamage: string | null;
  /** How long the guest agent of the server is waited for, of a boot. */
  readonly agentTimeoutSeconds: number;
}

export interface VerificationOutcome {
  readonly state: Extract<VerificationState, 'passed' | 'failed' | 'not-run'>;
  readonly error: ErrorSummary | null;
  /** All data of a server: ids of the recovery points of which all that is needed was there. Absent: none. */
  readonly found?: readonly string[];
  /** Of a boot that has passed. */
  readonly boot?: BootResult;
}

/** What was read wrong of one recovery point. */
export interface Damage {
  readonly code: 'RECOVERY_POINT_CORRUPT' | 'RECOVERY_POINT_INCOMPLETE';
  readonly message: string;
  /** In which file, as its place in the recovery point: `domain.xml`, `disks/vda.qcow2`. Absent: not known. */
  readonly file?: string;
  /** Id of the recovery point whose bytes they are, in the words of whoever read them: in a chain not always the one that was read. Absent: that one. */
  readonly named?: string;
}
