import type { ErrorSummary } from '../../contracts/errors';
import type {
  FetchedPoint,
  MadeCopy,
  OffsiteRepositoryView,
  TransferInput,
  TransferOutcome,
  TransferState,
  TransferView,
} from '../../contracts/offsite-copies';
import type { Actor, Page, PageRequest } from './requests';

/** Copies in off-site repositories, and their transfers. */
export interface OffsiteCatalog {
  /** Off-site repositories by name, with what is known of them. */
  offsiteRepositories(): Promise<readonly OffsiteRepositoryView[]>;
  /** Somebody has looked whether it can be used; `problem` null: it can. It is not asked for any more then. Of one that is not declared: nothing. Not audited. */
  recordOffsiteLook(name: string, problem: ErrorSummary | null): Promise<void>;
  /**
   * Writes down that a recovery point is to be copied to an off-site repository (null: the one that its policy names), or fetched from it, with what it builds on.
   * While one of the same waits or runs, that one is given back. Audited. Throws `RECOVERY_POINT_NOT_FOUND`, `RECOVERY_POINT_NOT_USABLE`,
   * `OFFSITE_NOT_CONFIGURED`, `OFFSITE_ALREADY_COPIED`, `OFFSITE_COPY_NOT_FOUND` (it, or something known to be lost that it builds on, has no whole copy there).
   */
  requestTransfer(request: {
    readonly actor: Actor;
    readonly reason: string;
    readonly kind: 'copy' | 'fetch';
    readonly recoveryPointId: string;
    readonly offsite: string | null;
  }): Promise<TransferView>;
  /**
   * One that waits has ended then; of one that runs it is written down that it is to stop. What a policy asks for comes again some hours later. Audited. Throws
   * `TRANSFER_NOT_FOUND`, `TRANSFER_FINISHED`.
   */
  cancelTransfer(request: { readonly actor: Actor; readonly id: string; readonly reason: string }): Promise<TransferView>;
  /**
   * Begins the next transfer: one that somebody has asked for, those that fetch first; else (`any`) what policies ask for: the newest recovery point that is
   * missing off-site, with what it builds on; copies that no rule keeps; a check. In an off-site repository one at a time, and beside it one that fetches. One that
   * is away is asked for from then on. Null: nothing can begin. Audited.
   */
  startNextTransfer(which: 'asked' | 'any'): Promise<TransferInput | null>;
  /** Those that began before this moment and have not ended. */
  listRunningTransfers(olderThan: Date): Promise<readonly { readonly input: TransferInput; readonly cancelRequested: boolean }[]>;
  /** For people; of one that does not run: ignored. */
  recordTransferProgress(id: string, doneBytes: number, totalBytes: number): Promise<void>;
  /** A copy is whole. Called again, or of a transfer that has ended: ignored. Audited. */
  recordCopied(transferId: string, recoveryPointId: string, made: MadeCopy): Promise<void>;
  /**
   * It lies where it lay, and every byte of it was read: it is usable again, with what is damaged only because of it. One that rules had let go is held by
   * whoever has fetched it. Of a transfer that has ended: ignored. Audited.
   */
  recordFetched(transferId: string, recoveryPointId: string, fetched: FetchedPoint): Promise<void>;
  /** A copy is not what was copied: it does not count any more, and is made again. Audited. */
  recordCopyDamaged(transferId: string, recoveryPointId: string, why: { readonly code: string; readonly message: string }): Promise<void>;
  /** Ids of the recovery points that have a whole copy there. */
  copiesIn(offsite: string): Promise<readonly string[]>;
  /**
   * What of a server can be restored from an off-site repository alone, of what is not younger than `until` (ISO 8601; null: of all): the newest image with all that
   * it builds on, and the newest of each data set that was taken as a backup. Throws `OFFSITE_NOT_CONFIGURED`.
   */
  newestCopied(
    serverId: string,
    offsite: string,
    until: string | null,
  ): Promise<{ readonly image: string | null; readonly data: readonly { readonly dataSet: string; readonly recoveryPointId: string }[] }>;
  /**
   * The transfer has ended. Copies that it has not made wait (where their place is away), or have failed and are tried again, later each time. Called again: what
   * was first stays. Audited. Throws `TRANSFER_NOT_FOUND`.
   */
  finishTransfer(id: string, outcome: TransferOutcome): Promise<void>;
  /** Throws `TRANSFER_NOT_FOUND`. */
  getTransfer(id: string): Promise<TransferView>;
  /** Newest first. */
  listTransfers(
    filter: { readonly serverId?: string; readonly state?: TransferState; readonly offsite?: string },
    page: PageRequest,
  ): Promise<Page<TransferView>>;
  /**
   * Copies that no off-site rule keeps are `deleted`, and are removed a day later by a transfer of their own; those that are kept again before that are what they
   * were. Never the last ones of a server, and never one on which another one builds. Audited.
   */
  retireCopies(): Promise<{ readonly expired: number; readonly returned: number }>;
}
