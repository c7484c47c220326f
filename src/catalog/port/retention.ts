import type { RecoveryPointView } from '../../contracts/recovery-point';
import type { RetentionPoint } from '../../domain/retention/retention';
import type { Actor } from './requests';

/** What the catalogue knows of one, for retention. */
export interface KnownToRetention extends RetentionPoint {
  /** Since when no rule keeps it; null: it has not expired. */
  readonly expiredAt: Date | null;
}

/** A deleted recovery point that is to be removed from where it lies: files of an image repository, snapshots of the server's data repository. */
export type Removal = { readonly recoveryPointId: string; readonly serverId: string } & (
  { readonly kind: 'image'; readonly repository: string } | { readonly kind: 'data' }
);

/** How long recovery points are kept: holds, expiry, removal. */
export interface RetentionCatalog {
  /**
   * Whatever its policy says, it stays, until it is released. The same word of the same person again changes nothing; another one is
   * `RECOVERY_POINT_HELD`. One that has expired is had back, with all that it builds on. Throws `RECOVERY_POINT_NOT_FOUND`, `RECOVERY_POINT_NOT_USABLE` for one that is deleted. Audited
   * as `recovery-point.held`.
   */
  holdRecoveryPoint(actor: Actor, id: string, reason: string): Promise<RecoveryPointView>;
  /** Its policy says again how long it stays. Idempotent. Throws `RECOVERY_POINT_NOT_FOUND`. Audited as `recovery-point.released`. */
  releaseRecoveryPoint(actor: Actor, id: string, reason: string): Promise<RecoveryPointView>;
  /** All recovery points of a server that are not deleted, as retention judges them, oldest first, with what is held and what is in use. */
  retentionPoints(serverId: string): Promise<readonly KnownToRetention[]>;
  /**
   * Carries out what retention says, server by server: what no rule keeps expires; what has expired and is kept again (by a rule, a plan, a person) is what it
   * was before; one that has been expired for `keptMs` is deleted, unless one that stays builds on it: its row stays, its files are to be removed
   * (`listRemovals`). Data only where `removesData` says that its repository can let it go: where it cannot, what has expired stays. Audited each. By the
   * shared clock; nothing is done while `isTrusted` says no, and time in which nobody has called this counts for nothing. A server that cannot be judged keeps
   * the others from nothing. May be called by several workers at once.
   */
  retireRecoveryPoints(
    keptMs: number,
    isTrusted: (now: Date) => boolean,
    removesData?: boolean,
  ): Promise<{
    readonly expired: number;
    readonly returned: number;
    readonly deleted: number;
    readonly failed: readonly { readonly serverId: string; readonly error: unknown }[];
  }>;
  /** Deleted recovery points that may still be in their repository, or a part of them. One on which others build is given when those are gone. */
  listRemovals(): Promise<readonly Removal[]>;
  /**
   * Who may read or write the data repository of a server now: an open run other than a backup of its image, a plan that is being made, a verification that
   * reads its data, a transfer that copies it elsewhere or back. In words; null: nobody. What begins a moment later is not in it.
   */
  dataInUseBy(serverId: string): Promise<string | null>;
  /** A deleted one is not in its repository any more. Called again: nothing. Audited. */
  recordRemoved(recoveryPointId: string): Promise<void>;
}
