import type { ErrorSummary } from './errors';
import type { OffsiteMedia } from './offsite';
import type { QueuedWorkView } from './queued-work';
import type { RecoveryPointKind } from './recovery-point';

/** Copies of recovery points in off-site repositories, and the transfers that make, fetch, check and remove them. */

/**
 * `waiting`: its turn, or its medium, has not come; nothing has gone wrong. `failed`: the last attempt did, and another one comes. `damaged`: it was whole once,
 * and is not what was copied. `deleted`: no off-site rule keeps it; it is removed, or will be.
 */
export const OFFSITE_COPY_STATES = ['waiting', 'copying', 'copied', 'failed', 'damaged', 'deleted'] as const;
export type OffsiteCopyState = (typeof OFFSITE_COPY_STATES)[number];

/** One copy of a recovery point, as people see it. */
export interface RecoveryPointCopy {
  readonly offsite: string;
  readonly state: OffsiteCopyState;
  /** When the copy was whole; null: it never was. */
  readonly copiedAt: string | null;
  readonly sizeBytes: number | null;
  /** When a check of its repository last found it well; null: never. */
  readonly verifiedAt: string | null;
  /** Why it is not there; null: nothing is wrong with it. */
  readonly problem: { readonly code: string; readonly message: string } | null;
  /** Failed: not before; null: as soon as its turn comes. */
  readonly nextAttemptAt: string | null;
}

/** `offline`: a medium that is absent by design. `unknown`: nobody has looked yet. */
export const OFFSITE_STATES = ['here', 'offline', 'unreachable', 'unknown'] as const;
export type OffsiteState = (typeof OFFSITE_STATES)[number];

/** What a look at an off-site repository has found. `problem` null: it can be used. */
export interface OffsiteLook {
  readonly problem: ErrorSummary | null;
}

/** An off-site repository with what is known of it. */
export interface OffsiteRepositoryView {
  readonly name: string;
  /** Without credentials: these never stand in it. */
  readonly location: string;
  readonly media: OffsiteMedia;
  readonly state: OffsiteState;
  /** When it was last found and could be used; null: never. */
  readonly seenAt: string | null;
  readonly lookedAt: string | null;
  /** Since when it is away although something is to be copied to it, or fetched from it; null: nobody asks for it. */
  readonly askedForSince: string | null;
  readonly problem: { readonly code: string; readonly message: string } | null;
  /** Whole ones, and the bytes of their recovery points before deduplication. */
  readonly copies: number;
  readonly bytes: number;
  /** Copies that are not what was copied: what they share with others may be damaged in those, too. */
  readonly damaged: number;
}

/** `copy` to it, `fetch` from it, `check` what lies there, `forget` what no rule keeps. */
export const TRANSFER_KINDS = ['copy', 'fetch', 'check', 'forget'] as const;
export type TransferKind = (typeof TRANSFER_KINDS)[number];
export const TRANSFER_STATES = ['waiting', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type TransferState = (typeof TRANSFER_STATES)[number];

/** `requestedBy` is `offsite` where a policy asks for it. */
export interface TransferView extends QueuedWorkView {
  readonly id: string;
  readonly kind: TransferKind;
  readonly offsite: string;
  /** Null: no recovery point was named. */
  readonly serverId: string | null;
  readonly serverName: string | null;
  /** The one that was asked for; null: none was named. */
  readonly recoveryPointId: string | null;
  readonly state: TransferState;
}

/** One recovery point that a transfer moves. */
export interface TransferPoint {
  readonly recoveryPointId: string;
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  /** Images: where it lies, or is published again. */
  readonly repository: string | null;
  readonly sizeBytes: number;
  /** Fetching: what the catalogue knows is not whole where it lies, or nobody keeps there any more. */
  readonly isLost: boolean;
}

/** A transfer that has begun. */
export interface TransferInput {
  readonly transferId: string;
  readonly kind: TransferKind;
  readonly offsite: string;
  /** Whose worker does it. */
  readonly hypervisor: string;
  readonly serverId: string | null;
  /** In the order in which they are moved: what others build on first. */
  readonly points: readonly TransferPoint[];
  /** Checking: which part of the bytes is read, from 1. */
  readonly part: { readonly number: number; readonly of: number } | null;
}

export interface TransferOutcome {
  readonly state: Extract<TransferState, 'succeeded' | 'failed' | 'cancelled'>;
  readonly error: ErrorSummary | null;
}

/** A copy that is whole. */
export interface MadeCopy {
  readonly snapshotIds: readonly string[];
  readonly copiedAt: string;
  readonly sizeBytes: number;
}

/** What a recovery point is after it was fetched. `snapshotId`: data only, as the data repository holds it now. */
export interface FetchedPoint {
  readonly manifestSha256: string | null;
  readonly snapshotId: string | null;
}
