import type { Damage, VerificationInput, VerificationOutcome, VerificationState, VerificationView } from '../../contracts/verification';
import type { Actor, Page, PageRequest } from './requests';

/** Looking whether recovery points are what they were, and whether images boot. */
export interface VerificationCatalog {
  /**
   * Writes down that a recovery point is to be read again, also one that is damaged, or all data of a server (`serverId`), or that an image is to be booted;
   * it begins when its repository, or the hypervisor of its server, is free. While one of the same waits or runs that one is given back. Audited. Throws
   * `RECOVERY_POINT_NOT_FOUND`, `SERVER_NOT_FOUND`; to be booted also `RECOVERY_POINT_NOT_USABLE`.
   */
  requestVerification(
    request: { readonly actor: Actor; readonly reason: string } & (
      { readonly method: 'checksums' | 'boot'; readonly recoveryPointId: string } | { readonly method: 'structure'; readonly serverId: string }
    ),
  ): Promise<VerificationView>;
  /**
   * One that waits has ended then, as `not-run`; of one that runs it is written down that it is to stop. Audited. Throws `VERIFICATION_NOT_FOUND`,
   * `VERIFICATION_FINISHED`.
   */
  cancelVerification(request: { readonly actor: Actor; readonly id: string; readonly reason: string }): Promise<VerificationView>;
  /**
   * Begins the next verification: one that somebody has asked for, else (`any`) what a policy asks for. One of an image repository at a time, two of data,
   * one boot on a hypervisor, none in what a run restores from or where it restores to; where a repository was away policies wait for some minutes. Null: nothing can begin. Audited.
   */
  startNextVerification(which: 'asked' | 'any'): Promise<VerificationInput | null>;
  /** Those that began before this moment and have not ended. */
  listRunningVerifications(olderThan: Date): Promise<readonly { readonly input: VerificationInput; readonly cancelRequested: boolean }[]>;
  /**
   * Data recovery points of a server that its repository has to hold, newest first: those that are usable, and those that were missing. `readAt`: when all
   * bytes were last read and well, ISO 8601; null: never.
   */
  dataToVerify(
    serverId: string,
  ): Promise<readonly { readonly recoveryPointId: string; readonly snapshotId: string; readonly isUsable: boolean; readonly readAt: string | null }[]>;
  /** For people; of one that does not run: ignored. */
  recordVerificationProgress(id: string, doneBytes: number, totalBytes: number): Promise<void>;
  /**
   * All bytes of a recovery point were read. `damage` null: they are what was written; it is verified, and usable again where it was held for damaged.
   * Otherwise it is damaged, or the one whose bytes they are, and with that all that builds on it (`markRecoveryPoint`). One that builds on a damaged one stays
   * damaged. Of a verification that has ended, and of what somebody else has found damaged since it began: ignored. Audited where that changes a state.
   */
  recordVerdict(verificationId: string, recoveryPointId: string, damage: Damage | null): Promise<void>;
  /**
   * The verification has ended; of all data of a server, what it has found is verified by that; of a boot, its recovery point says what came of it. One that
   * could not be carried out says nothing about bytes.
   * Called again: what was first stays. Audited. Throws `VERIFICATION_NOT_FOUND`.
   */
  finishVerification(id: string, outcome: VerificationOutcome): Promise<void>;
  /** Throws `VERIFICATION_NOT_FOUND`. */
  getVerification(id: string): Promise<VerificationView>;
  /** Newest first. */
  listVerifications(filter: { readonly serverId?: string; readonly state?: VerificationState }, page: PageRequest): Promise<Page<VerificationView>>;
}
