import type { DataAccess, DataManifest } from '../../contracts/data';
import type { ImageManifest, RecoveryPointKind } from '../../contracts/recovery-point';

export interface OffsiteCopy {
  readonly recoveryPointId: string;
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  /** restic's full ids: what was copied, and the receipt that says so. */
  readonly snapshotIds: readonly string[];
  /** When the copy was complete and proven, ISO 8601 in UTC. */
  readonly copiedAt: string;
  /** Bytes of the recovery point's files, before deduplication. */
  readonly sizeBytes: number;
  /** Of its manifest, as `openImage` and `openData` read it; of an image that of `manifest.json`, to the byte. Lower-case hex. */
  readonly manifestSha256: string;
}

export interface OffsiteContext {
  readonly signal: AbortSignal;
  /** At least once, and then as often as something is known. Of the bytes of the recovery point, before deduplication. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;
}

/** What is copied is found by the id and the server of its manifest. */
export interface OffsiteDataSource {
  /** As `DataRepository.open` has given it: proven to be Modosu's own. */
  readonly manifest: DataManifest;
  /** As this machine reaches the data repository: `DataRepository.accessFromHere`, not the one for guests. */
  readonly access: DataAccess;
}

export interface OffsiteImageSource {
  readonly serverId: string;
  readonly recoveryPointId: string;
  /** The published directory, absolute. Its name and place do not matter later. */
  readonly directory: string;
}

/**
 * A second place for recovery points, far from the first: one restic repository for all servers, encrypted and deduplicated, with a password of its own. What
 * lies in it is documented in docs/OFFSITE.md and can be read with restic alone.
 *
 * Callers are activities, and those run at least once: each method may be called again after its caller died half-way. "(later)" marks errors that may pass by
 * themselves; every other code is final (`error-codes.ts`). All methods throw
 * `OFFSITE_OFFLINE` (later: a removable medium that is not there; that is no fault), `OFFSITE_UNREACHABLE` (later), `OFFSITE_CREDENTIALS_WRONG`,
 * `OFFSITE_FOREIGN` (another repository stands where ours was), `OFFSITE_MISSING` before `ensure`, `OFFSITE_LOCKED` (later; stale locks are removed, live ones
 * never), `OFFSITE_FAILED` (later) for what restic says and nobody knows, `NOT_ENOUGH_SPACE` when the storage is full, `RECOVERY_POINT_CORRUPT` for stored
 * bytes that are not what was written, `CONFIG_INVALID` for a file of environment variables that cannot be used, `PROGRAM_MISSING` and `RESTIC_UNSUPPORTED`.
 * What only reads goes on while the storage is full or read-only. Ids that are none are `PATH_NOT_ALLOWED`. No error shows a secret.
 *
 * The signal ends restic with all that it has started, and the method rejects with its reason. Whatever was half-made does not count as a copy and stands in
 * nobody's way; the next call goes on with what is stored already. Of several calls at once those that add and those that read do not disturb each other;
 * `forget` wants to be alone (`OFFSITE_LOCKED`), and `check` beside it may believe something missing: the caller keeps them apart.
 */
export interface OffsiteRepository {
  readonly name: string;

  /**
   * Looks whether it can be used now: reachable, opened by our password, and the repository that it was. `copies` counts whole ones. Read-only. Throws
   * `OFFSITE_MISSING` when none was made yet.
   */
  probe(): Promise<{ readonly restic: string; readonly copies: number }>;

  /**
   * Makes the repository where none was ever made, for `modosu apply`. The directory itself is never made, and has to be empty (`OFFSITE_FOREIGN`); of a
   * removable medium it has to lie on a file system of its own (`OFFSITE_OFFLINE`: an empty directory of the system's disk is a mount point without its
   * medium). Called again: nothing. One that has been there and is gone is `OFFSITE_UNREACHABLE` or `OFFSITE_OFFLINE`, never made anew.
   */
  ensure(): Promise<void>;

  /** Copies that are there, whole ones only, oldest copy first; of one server, or of all. Read-only, without a lock. */
  list(serverId?: string): Promise<readonly OffsiteCopy[]>;

  /**
   * Copies the published directory of an image recovery point as it is (files of a chain as they are: each copy of an incremental needs the copies of what it
   * builds on). Before it is given back it is proven: every file is in the snapshot with its size, and `manifest.json` read back is the same. Called again:
   * a copy that is there already stays and is given back (`REQUEST_INVALID` when that was made of another manifest). Throws `RECOVERY_POINT_INCOMPLETE` when
   * the directory is not there or holds no manifest, `RECOVERY_POINT_CORRUPT` when it is that of another recovery point or a file could not be read whole,
   * `PATH_NOT_ALLOWED` for one that is not absolute.
   */
  copyImage(source: OffsiteImageSource, context: OffsiteContext): Promise<OffsiteCopy>;

  /**
   * Makes a copy of an image anew although one is there, which was found damaged: what is gone from the storage is struck from the index, every file is read and
   * stored where it is missing, and the copy before goes. Others that shared what was gone are whole again. What is stored and *not what was written* is
   * believed by restic, and stays: read the copy afterwards. Wants to be alone (`OFFSITE_LOCKED`). Otherwise as `copyImage`; called again it begins anew.
   */
  mendImage(source: OffsiteImageSource, context: OffsiteContext): Promise<OffsiteCopy>;

  /**
   * Copies the snapshot of a data recovery point from its restic repository (`restic copy`), and its manifest. The copy has a new id of its own; that it is the
   * same tree is proven before it is given back. Called again: as `copyImage`. Throws `RECOVERY_POINT_INCOMPLETE` when the data repository does not hold the
   * snapshot, and what the data repository throws (`DATA_REPOSITORY_UNREACHABLE`, `DATA_REPOSITORY_KEY_WRONG` …) when it is that which does not answer.
   */
  copyData(source: OffsiteDataSource, context: OffsiteContext): Promise<OffsiteCopy>;

  /**
   * Makes a copy of data anew although one is there, which was found damaged: as `mendImage`, but the copy before goes first, so that until the new one is proven
   * there is none. The caller has read the original whole, and the copy twice. Where nothing is gone from the storage that would mend nothing: throws
   * `RECOVERY_POINT_CORRUPT`, and the copy stays. Otherwise as `copyData`; called again it begins anew, or makes what is not there.
   */
  mendData(source: OffsiteDataSource, context: OffsiteContext): Promise<OffsiteCopy>;

  /** The manifest of an image recovery point, from the copy alone. Read-only. Throws `RECOVERY_POINT_NOT_FOUND` when there is no whole copy of this server. */
  openImage(serverId: string, recoveryPointId: string): Promise<ImageManifest>;

  /** The manifest of a data recovery point, from the copy alone. `snapshotId` is that in the data repository it was copied from. Throws as `openImage`. */
  openData(serverId: string, recoveryPointId: string): Promise<DataManifest>;

  /**
   * Writes an image recovery point's files into `directory` (absolute, there, empty), exactly as they were copied, on stable storage when it returns. Called
   * again: what an earlier call has left half-made is removed and begun anew; what is there whole stays. Throws `REQUEST_INVALID` when it holds anything else,
   * `RECOVERY_POINT_NOT_FOUND`, `NOT_ENOUGH_SPACE`, `TARGET_UNREACHABLE` when it is not there.
   */
  fetchImage(serverId: string, recoveryPointId: string, directory: string, context: OffsiteContext): Promise<void>;

  /**
   * Copies a data recovery point back into the data repository of its server (`restic copy` the other way), which has been made (`DataRepository.ensure`).
   * Returns the manifest to be published there: its `snapshotId` is the one that the data repository holds now. Called again, or with the original still
   * there: nothing is copied, and the same is returned. Throws `RECOVERY_POINT_NOT_FOUND`, and what the data repository throws.
   */
  returnData(serverId: string, recoveryPointId: string, access: DataAccess, context: OffsiteContext): Promise<DataManifest>;

  /**
   * Nothing that any snapshot needs is missing; with `part`, the packs of this part (from 1) of `of` are read and are what was written. As long as it takes,
   * while it goes on reading. Takes no lock. Read-only. Throws `RECOVERY_POINT_CORRUPT`, whoever needs what is damaged; the signal's reason.
   */
  check(options: { readonly part: { readonly number: number; readonly of: number } | null; readonly signal?: AbortSignal }): Promise<void>;

  /** Reads every byte of one copy back, and its manifest. As long as it takes. Read-only. Throws `RECOVERY_POINT_CORRUPT`, `RECOVERY_POINT_NOT_FOUND`. */
  readAll(recoveryPointId: string, context: OffsiteContext): Promise<void>;

  /**
   * Removes copies for good, by explicit ids of snapshots, receipts first, and then what only they needed; also what interrupted attempts at them have left.
   * Called again, and of what is not there: makes room all the same. Throws `RECOVERY_POINT_CORRUPT` when anything is missing or damaged: nothing is removed
   * then; `OFFSITE_DELETE_REFUSED` where the storage lets nothing be removed (append-only, object lock): nothing is lost, and all copies are still there.
   */
  forget(recoveryPointIds: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<void>;
}
