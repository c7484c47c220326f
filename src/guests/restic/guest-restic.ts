import type { DataAccess } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import type { GuestAgent } from '../guest-agent';
import type { GuestWork } from '../files/guest-process';

export interface ResticBackup {
  readonly access: DataAccess;
  /** Absolute, without `..` and doubled slashes. Each has to be there. */
  readonly paths: readonly [string, ...string[]];
  /** restic's patterns. */
  readonly excludes: readonly string[];
  /** The caller's; that of the run is added. */
  readonly tags: readonly string[];
  /** What restic takes for the host's name: the server's id, whatever the guest calls itself. */
  readonly host: string;
  readonly runId: string;
}

export interface ResticBackupResult {
  /** restic's full id. */
  readonly snapshotId: string;
  readonly files: number;
  readonly totalBytes: number;
  /** Bytes that were new to the repository, before compression. */
  readonly addedBytes: number;
  /** Files that changed while they were read, in words for people: at most 20, and one more that counts the rest. */
  readonly problems: readonly string[];
  readonly restic: string;
}

export interface ResticRestore {
  readonly access: DataAccess;
  readonly snapshotId: string;
  /** Absolute paths in the snapshot, each with everything below it; at least one. */
  readonly include: readonly [string, ...string[]];
  /** Directory in the guest, ours alone: its name, or that of a directory above it, has the run id in it. Removed first, and after a failure. Below it stand the full paths. */
  readonly target: string;
  readonly runId: string;
  /** What will be written: for progress, and whether reading it all again is cheap. */
  readonly expectedBytes: number;
}

/** Version of restic in the guest. Throws `RESTIC_MISSING`, `RESTIC_UNSUPPORTED` (older than 0.14, or not to be understood). */
export function probe(_agent: GuestAgent, _signal: AbortSignal): Promise<{ readonly version: string }> {
  throw new ModosuError('INTERNAL', 'not yet');
}
export function backup(_agent: GuestAgent, _request: ResticBackup, _work: GuestWork): Promise<ResticBackupResult> {
  throw new ModosuError('INTERNAL', 'not yet');
}
export function restore(_agent: GuestAgent, _request: ResticRestore, _work: GuestWork): Promise<void> {
  throw new ModosuError('INTERNAL', 'not yet');
}
