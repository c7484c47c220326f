import type { DataAccess, DataManifest, SnapshotEntry } from '../../contracts/data';
import type { ResticSnapshot } from '../restic/restic-output';

export type { DataAccess, SnapshotEntry } from '../../contracts/data';

export type { ResticSnapshot as DataSnapshot };

export type DataRepositoryPresence = 'there' | 'gone' | 'never';

/**
 * The repository of all data recovery points, one restic repository for each server, as it is seen from outside the guests. Everything is asked of the
 * repository's server, nothing of a guest.
 *
 * Callers are activities, and those run at least once: each method may be called again after its caller died half-way. "(later)" marks errors that may pass
 * by themselves; every other code is final (`error-codes.ts`). All methods throw `DATA_REPOSITORY_UNREACHABLE` (later), `DATA_REPOSITORY_LOCKED` (later),
 * `DATA_REPOSITORY_KEY_WRONG`,
 * `DATA_REPOSITORY_MISSING` before `ensure`, `DATA_REPOSITORY_FAILED` (later) for what restic says and nobody knows, `PROGRAM_MISSING` and
 * `RESTIC_UNSUPPORTED` (restic on this host), `RECOVERY_POINT_CORRUPT` for stored bytes that are not what was written, or that no guest of ours has written.
 * What only reads goes on while the storage is full or read-only. Ids of servers and paths are jailed: `PATH_NOT_ALLOWED`.
 *
 * A restic whose server has gone is given up after half a minute: trying again is the caller's business. An error shows no secret.
 */
export interface DataRepository {
  /**
   * Version of restic here, and where the repository's server answers; for `doctor`. Read-only. Throws `CONFIG_INVALID` when it lets in whoever has no login.
   */
  probe(): Promise<{ readonly restic: string; readonly address: string }>;
  /**
   * Makes login, password and repository of a server, where they are missing. Called again: goes on where it stopped, then nothing. For one server one
   * process at a time: two that make the same repository leave a key that opens nothing, and whoever calls holds the server's lock. A repository that has
   * been there and is gone (storage that is not mounted) is `DATA_REPOSITORY_UNREACHABLE`: never made anew. The repository's server gets ten seconds to learn
   * a new login (`DATA_REPOSITORY_KEY_WRONG`).
   */
  ensure(serverId: string): Promise<void>;
  /**
   * Whether the server's repository is where it is expected. `gone`: it was there, and its place answers that it is not (storage that is lost, or not mounted);
   * `never`: none is expected. Read-only.
   */
  presence(serverId: string): Promise<DataRepositoryPresence>;
  /**
   * Of one that is `gone`: it is not expected any more, and `ensure` makes a new one, with another password. The old one's is kept, for whoever finds its storage
   * again. Nothing that is stored is touched. Called again, and where none is expected: nothing. Throws `REQUEST_INVALID` where it is there, or a part of it.
   */
  giveUp(serverId: string): Promise<void>;
  /**
   * Throws `NOT_ENOUGH_SPACE`, with numbers, when its storage is on this machine and nearly full. A look: nothing is kept free. What a server elsewhere has
   * left nobody says: it then shows in the backup.
   */
  requireRoom(): Promise<void>;
  /**
   * For restic in the guest: address, login and password, which are secrets. Makes nothing: `ensure` comes first. The same answer each time, except for
   * `canLock`, which follows from the room there is.
   */
  access(serverId: string): Promise<DataAccess>;
  /** The same for restic on this machine. */
  accessFromHere(serverId: string): Promise<DataAccess>;
  /**
   * Removes locks whose owner is gone, or that are older than half an hour, a hundred at most in one call. A live lock stays, and all do where nobody can lock
   * (`DataAccess.canLock`). Called again: nothing. Comes before each restic in a guest: one that was killed has left its lock.
   */
  removeStaleLocks(serverId: string): Promise<void>;
  /**
   * Snapshots with all these tags, oldest first by the time they say (a guest's clock). One that is damaged is left out. A backup that was tried twice has
   * left two. Read-only. Throws `REQUEST_INVALID` for a tag with a comma.
   */
  snapshots(serverId: string, tags: readonly string[]): Promise<readonly ResticSnapshot[]>;
  /**
   * What lies at and below these paths in a snapshot, sorted by path. Read-only. Throws `DATA_NOT_IN_RECOVERY_POINT` for a path that is not in it (whether it
   * should be, the caller knows), `RECOVERY_POINT_INCOMPLETE` for a snapshot that is not there, `REQUEST_INVALID` when there are more than `maxEntries` or
   * the snapshot is not named by its full id, the signal's reason.
   */
  list(
    serverId: string,
    snapshotId: string,
    paths: readonly string[],
    options: { readonly maxEntries: number; readonly signal?: AbortSignal },
  ): Promise<readonly SnapshotEntry[]>;
  /** A small file of a snapshot, whole. Read-only. Throws `RECOVERY_POINT_INCOMPLETE` when it is not there, is no regular file, or has more than `maxBytes`. */
  read(serverId: string, snapshotId: string, path: string, options: { readonly maxBytes: number }): Promise<Buffer>;
  /**
   * Number of regular files in a snapshot, and the bytes a restore of all of them writes (hard links count once). Lists the whole snapshot: not cheap.
   * Read-only. Throws
   * `RECOVERY_POINT_INCOMPLETE` for a snapshot that is not there.
   */
  sizeOf(serverId: string, snapshotId: string): Promise<{ readonly files: number; readonly totalBytes: number }>;
  /**
   * All that the server's recovery points need is there; with `part`, the packs of this part (from 1) of `of` are read and are what was written. As long as it
   * takes, while it goes on reading. Takes no lock: beside a backup it may find what is not written yet, and is then asked again. Read-only. Throws `RECOVERY_POINT_CORRUPT` for what is
   * missing or damaged, whoever needs it; the signal's reason.
   */
  check(serverId: string, options: { readonly part: { readonly number: number; readonly of: number } | null; readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Reads everything that a snapshot needs. As long as it takes, while it goes on reading. Read-only. Throws
   * `RECOVERY_POINT_CORRUPT`, `RECOVERY_POINT_INCOMPLETE` for a snapshot that is not there, `REQUEST_INVALID` when it is not named by its full id; the
   * signal's reason.
   */
  readAll(serverId: string, snapshotId: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Brings what was sent to stable storage, writes the manifest as a snapshot of its own, reads it back and compares. From then on the recovery point exists.
   * Called again: what was published first stays, and is returned; one that names another snapshot is `REQUEST_INVALID`. That holds for calls one after the
   * other: of two at once that write different bytes (their `publishedAt`) one may get `RECOVERY_POINT_CORRUPT`, although the recovery point is there. Throws
   * `DATA_BACKUP_FAILED` (later) for what restic says while it writes, `NOT_ENOUGH_SPACE`.
   */
  publish(manifest: DataManifest): Promise<DataManifest>;
  /**
   * The manifest of a recovery point. Read-only. Throws `RECOVERY_POINT_NOT_FOUND`; `RECOVERY_POINT_CORRUPT` when there is only one that Modosu has not
   * written, or one that is damaged.
   */
  open(serverId: string, recoveryPointId: string): Promise<DataManifest>;
  /** Whether anything can ever be removed: false where the storage is elsewhere and only an endpoint is known that takes additions. */
  canForget(): boolean;
  /**
   * Removes recovery points for good: their snapshots and manifests, found by their tags and named by their full ids, and then what only they needed. Nobody
   * else can be in the repository meanwhile (`DATA_REPOSITORY_LOCKED` when somebody is; a live lock is never removed). As long as it takes; what is given up
   * by the signal, or dies anywhere, has lost nothing that stays.
   *
   * Called again: what is not there is fine, and room is made all the same, so that a call goes on where an earlier one has died. Of what shares a file with
   * something that stays a little may remain until a later call. A snapshot that says it is also of another recovery point stays.
   *
   * Throws `NOT_ENOUGH_SPACE`, with numbers, when less than a tenth of a storage on this machine is free: nothing is removed then; the same when it becomes
   * full meanwhile: the next call goes on. `RECOVERY_POINT_CORRUPT` when anything is missing or damaged: nothing is removed. `CONFIG_INVALID` where nothing
   * can be removed, or the files belong to another user; `PATH_NOT_ALLOWED` for what is no id; the signal's reason.
   */
  forget(serverId: string, recoveryPointIds: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** Tags of snapshots: how what belongs together is found again, whatever host names the guests have. */
export const recoveryPointTag = (recoveryPointId: string): string => `modosu-recovery-point=${recoveryPointId}`;
export const dataSetTag = (dataSet: string): string => `modosu-data-set=${dataSet}`;
export const DATA_TAG = 'modosu-data';
export const MANIFEST_TAG = 'modosu-manifest';
