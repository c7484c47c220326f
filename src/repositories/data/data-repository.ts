import type { DataAccess, DataManifest, SnapshotEntry } from '../../contracts/data';

export type { DataAccess, SnapshotEntry } from '../../contracts/data';

export interface DataSnapshot {
  /** restic's full id. */
  readonly id: string;
  readonly time: string;
  readonly hostname: string;
  readonly tags: readonly string[];
  readonly paths: readonly string[];
}

/**
 * The repository of all data recovery points, one restic repository for each server, as it is seen from outside the guests. Everything is asked of the repository's server, nothing of a guest.
 *
 * All methods throw `DATA_REPOSITORY_UNREACHABLE` (later), `DATA_REPOSITORY_LOCKED` (later), `DATA_REPOSITORY_KEY_WRONG`, `PROGRAM_MISSING` (no restic on this host), `RECOVERY_POINT_CORRUPT` for stored
 * bytes that are not what was written. Each may be called again after its caller died half-way.
 */
export interface DataRepository {
  /** Versions of restic here, and whether the repository's server answers. */
  probe(): Promise<{ readonly restic: string; readonly address: string }>;
  /** Makes login, password and repository of a server, where they are missing. Idempotent. */
  ensure(serverId: string): Promise<void>;
  /** For restic in the guest. Throws `DATA_REPOSITORY_MISSING` before `ensure`. */
  access(serverId: string): Promise<DataAccess>;
  /** Removes locks whose owner is gone, or that are older than half an hour. A live lock stays. Idempotent. */
  removeStaleLocks(serverId: string): Promise<void>;
  /** Snapshots with all these tags, oldest first. */
  snapshots(serverId: string, tags: readonly string[]): Promise<readonly DataSnapshot[]>;
  /** What lies at and below these paths in a snapshot, sorted by path. Throws `RECOVERY_POINT_INCOMPLETE` for a path that is not in it, `REQUEST_INVALID` when there are more than `maxEntries`. */
  list(serverId: string, snapshotId: string, paths: readonly string[], options: { readonly maxEntries: number; readonly signal?: AbortSignal }): Promise<readonly SnapshotEntry[]>;
  /** A small file of a snapshot. Throws `RECOVERY_POINT_INCOMPLETE` when it is not there or larger. */
  read(serverId: string, snapshotId: string, path: string, options: { readonly maxBytes: number }): Promise<Buffer>;
  /** Size and number of the files in a snapshot. */
  sizeOf(serverId: string, snapshotId: string): Promise<{ readonly files: number; readonly totalBytes: number }>;
  /** Writes the manifest as a snapshot of its own, reads it back and compares. Idempotent by recovery point. */
  publish(manifest: DataManifest): Promise<void>;
  /** Throws `RECOVERY_POINT_NOT_FOUND`. */
  open(serverId: string, recoveryPointId: string): Promise<DataManifest>;
}

/** Tags of snapshots: how what belongs together is found again, whatever host names the guests have. */
export const recoveryPointTag = (recoveryPointId: string): string => `modosu-recovery-point=${recoveryPointId}`;
export const dataSetTag = (dataSet: string): string => `modosu-data-set=${dataSet}`;
export const DATA_TAG = 'modosu-data';
export const MANIFEST_TAG = 'modosu-manifest';
