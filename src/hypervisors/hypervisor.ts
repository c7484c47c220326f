import type { Fence, PowerState, ServerInspection, ServerRef } from '../contracts/server';
import type { ImageManifest } from '../contracts/recovery-point';
import type { KeptDisk, OldDisk, PlannedVolume, RestoreTargets } from '../contracts/plan';
import type { GuestAgent } from '../guests/guest-agent';
import type { OnlineBackupStart } from '../contracts/activities';
import type { OnlineBackupLimits, QuiesceHooks } from '../contracts/protection';
import type { WayBackFacts } from '../contracts/way-back';

/** Passed to every long operation. */
export interface TransferContext {
  /** Abort: the child process is killed, what was written is left for `discard…`, the promise rejects with the reason. */
  readonly signal: AbortSignal;
  /**
   * Called at least every 5 s while the copy is not considered stalled; `doneBytes` grows only with observed movement. Whoever implements a copy judges
   * whether it is stalled: long stretches of zeros and the last flush to stable storage show nothing for minutes and are no fault. When nothing has moved for the
   * adapter's stall time-out, the copy is ended with `COPY_STALLED`.
   */
  readonly onProgress: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;
  /** Upper bound for the copy; absent: none. */
  readonly rateLimitBytesPerSecond?: number;
}

export interface HypervisorInfo {
  readonly name: string;
  /** libvirt's and QEMU's versions, for `doctor` and manifests. */
  readonly versions: Readonly<Record<string, string>>;
  readonly domainTypes: readonly string[];
}

export interface ServerOnHypervisor {
  readonly uuid: string;
  readonly domainName: string;
  readonly powerState: PowerState;
}

export interface SwapRequest {
  readonly server: ServerRef;
  readonly fence: Fence;
  /** `present`: the stored definition with only the disks, NVRAM and generation id replaced. Else the file of the recovery point. */
  readonly definition: { readonly from: 'present' } | { readonly from: 'recovery-point'; readonly path: string };
  readonly volumes: readonly PlannedVolume[];
  /** Disks that keep exactly the file they have in the present definition; only with that definition. Absent: none. */
  readonly keptDisks?: readonly Pick<KeptDisk, 'target' | 'path'>[];
  readonly nvramNewPath: string | null;
  readonly renewGenerationId: boolean;
  /** MACs whose links are put down in the new definition; those that are down already stay as they are and are not raised by `goLive`. */
  readonly quarantinedMacs: readonly string[];
}

export interface OnlineBackupDisk {
  readonly target: string;
  /** The active file, as it was when the backup was examined: another one now is `DEFINITION_CHANGED`. */
  readonly path: string;
  /** Where QEMU writes a flat qcow2 image. Directories must be passable for QEMU's user (`REPOSITORY_NOT_TRAVERSABLE`). */
  readonly targetPath: string;
}

export interface OnlineBackupRequest {
  readonly server: ServerRef;
  readonly fence: Fence;
  readonly disks: readonly OnlineBackupDisk[];
  readonly definitionFingerprint: string;
  readonly quiesce: QuiesceHooks;
  /** True: an agent that is absent, silent or refuses to freeze is no reason to give up. */
  readonly allowCrashConsistent: boolean;
  readonly limits: OnlineBackupLimits;
}

/**
 * A host that runs servers. Implemented by `libvirt/` and, for tests, by a fake that passes the same contract suite
 * (`test/contract/hypervisor.contract.ts`).
 *
 * Every method may be called again after its caller died half-way: the semantics are stated per method. All of them throw
 * `HYPERVISOR_UNREACHABLE` (retry later) when the host does not answer and `HYPERVISOR_COMMAND_TIMED_OUT` when one call takes too long.
 * Methods that change a server take a `Fence`, read the fence in the domain's metadata right before they write, and
 * throw `FENCED_OFF` when it is not exactly the one given.
 */
export interface Hypervisor {
  readonly name: string;

  /** Versions and abilities. Read-only. */
  probe(): Promise<HypervisorInfo>;

  /** All persistent and running servers. Read-only. */
  listServers(): Promise<readonly ServerOnHypervisor[]>;

  /**
   * Everything a backup or a plan needs to know. Read-only; image headers are judged before any QEMU tool opens a file.
   * Throws `SERVER_GONE` when the host knows no server of this UUID. Problems that only forbid an image go into `refusals`. A disk whose
   * file is missing or was refused is listed all the same, with sizes of 0: a restore has to put a volume in its place.
   */
  inspect(server: ServerRef): Promise<ServerInspection>;

  /** Throws `SERVER_GONE`. Read-only. */
  powerState(server: ServerRef): Promise<PowerState>;

  /** The agent of a server. Cheap: nothing is called before a method of the result is. */
  guestAgent(server: ServerRef): GuestAgent;

  /**
   * Writes our fence into the domain's metadata (stored and live). Idempotent for the same fence. Throws `FENCED_OFF` when a higher token, or this one given back,
   * stands there. For a server that is gone: returns `false`, and the fence is written with the swap.
   */
  takeFence(server: ServerRef, fence: Fence): Promise<boolean>;

  /**
   * Gives the server back: the fence stays as a mark that its token is used up, so that a resurrected run of this or an older token never gets in again. Not ours: nothing. Idempotent; a
   * gone server is fine.
   */
  releaseFence(server: ServerRef, fence: Fence): Promise<void>;

  /** Starts a server. Already running: nothing. Throws `START_FAILED` with the host's message. */
  start(server: ServerRef, fence: Fence): Promise<void>;

  /**
   * Shuts the guest down through its agent (ACPI where no agent answers) and waits until it is off. Already off: nothing.
   * Throws `STOP_TIMED_OUT` after `deadlineMs` (the guest may still stop later), `SERVER_PAUSED` for one that cannot act. `onWaiting` is called at least every 5 s.
   */
  shutDown(server: ServerRef, fence: Fence, options: { readonly deadlineMs: number; readonly signal: AbortSignal; readonly onWaiting?: () => void }): Promise<void>;

  /** Cuts the power. Already off, or gone: nothing. */
  powerOff(server: ServerRef, fence: Fence): Promise<void>;

  /**
   * Copies one disk of a *stopped* server into a new qcow2 file (flattened; fsynced). Starts from scratch: a half-made `targetPath` of an
   * earlier attempt is replaced, a copy left running by a dead worker is ended first. The source is never opened for writing.
   * Throws `SERVER_NOT_STOPPED`, `SERVER_HAS_SAVED_STATE`, `COPY_FAILED`, `COPY_STALLED` (no progress for `stallTimeoutMs` of the adapter),
   * `DISK_FILE_MISSING`, `DISK_NOT_SUPPORTED`, `IMAGE_HEADER_REFUSED`, `REPOSITORY_UNREACHABLE`, `NOT_ENOUGH_SPACE`.
   */
  exportDisk(request: { readonly server: ServerRef; readonly target: string; readonly targetPath: string }, context: TransferContext): Promise<{ readonly virtualSizeBytes: number }>;

  /** Writes the stored definition (with what the host hides by default, such as console passwords: mode 0600; without any fence) to a new file, fsynced. Replaces a file of an earlier attempt. */
  exportDefinition(server: ServerRef, targetPath: string): Promise<void>;

  /** Copies the NVRAM file, fsynced. Replaces a file of an earlier attempt. */
  exportNvram(server: ServerRef, targetPath: string): Promise<void>;

  /**
   * Where a restore would put the new volumes: beside the old ones as `<file>.<runId>` (an earlier run's suffix is replaced, not added to), same format and directory.
   * `present` null: the server is gone, origin paths of the manifest are used. Throws `TARGET_UNREACHABLE` when a directory is missing,
   * `PATH_NOT_ALLOWED` for origins that are no plain absolute paths. `space` has one entry per file system, named by the first directory on it. Read-only.
   */
  restoreTargets(request: { readonly manifest: ImageManifest; readonly present: ServerInspection | null; readonly runId: string }): Promise<RestoreTargets>;

  /**
   * Copies a stored qcow2 image into the new volume, fsynced, owned as the disk it replaces. The header is judged first. Starts from scratch after
   * an interrupted attempt. Throws `PATH_NOT_ALLOWED` for a name that is not this run's, `VOLUME_EXISTS` for a file that a server uses already, `RECOVERY_POINT_INCOMPLETE` (the image is missing from a directory that is there), `REPOSITORY_UNREACHABLE` (it cannot be read now), `COPY_FAILED`, `COPY_STALLED`,
   * `NOT_ENOUGH_SPACE`, `TARGET_UNREACHABLE`, `IMAGE_HEADER_REFUSED`.
   */
  importDisk(request: { readonly imagePath: string; readonly volume: PlannedVolume; readonly runId: string }, context: TransferContext): Promise<void>;

  /** Copies a stored NVRAM file to its new place, fsynced, owned as the one it replaces. Starts from scratch. */
  importNvram(request: { readonly sourcePath: string; readonly newPath: string; readonly replacesPath: string | null; readonly runId: string }): Promise<void>;

  /**
   * Puts the new volumes in place by one define of a stopped server (a gone one is defined anew). The old definition is kept first, per run, for
   * `revertSwap`. Idempotent: already swapped by this run: nothing. Throws `SWAP_REFUSED` with the old definition still in place (also when volumes with kept disks and
   * disks of the definition are not the same set, when a kept disk has another file than the one named, or a file is not there), `SERVER_NOT_STOPPED`, `SERVER_HAS_SAVED_STATE`.
   */
  swap(request: SwapRequest): Promise<{ readonly generationId: string | null; readonly kept: WayBackFacts }>;

  /** Defines the kept old definition again (undefines a server that was gone). A disk that the swap has left as it was keeps its present file. Not swapped by this run: nothing. Idempotent. The server must be off (`SERVER_NOT_STOPPED`). No file is deleted. */
  revertSwap(server: ServerRef, fence: Fence): Promise<void>;

  /** Throws `FENCED_OFF` unless exactly this fence stands in the definition. A server that is gone: nothing. Read-only. */
  requireFence(server: ServerRef, fence: Fence): Promise<void>;

  /**
   * Takes the point in time of all disks of a *running* server in one transaction: reserves room for the targets, arms a guard process that outlives this one,
   * freezes the guest's file systems, begins a push job for all disks, thaws at once (window of ten seconds at most). Called again after its caller died: a job that is
   * known to have begun inside the freeze is adopted; with any doubt it is cancelled and begun anew. Bound to `fence.runId`.
   * Throws `FENCED_OFF`, `DEFINITION_CHANGED` (disks or definition are not those examined), `BACKUP_JOB_LOST` (the server is off), `AGENT_ABSENT`, `AGENT_SILENT`, `QUIESCE_FAILED`,
   * `NOT_ENOUGH_SPACE`, `REPOSITORY_NOT_TRAVERSABLE`, `REPOSITORY_UNREACHABLE`, `BACKUP_JOB_FOREIGN`, `BACKUP_JOB_FAILED`, `SERVER_GONE`, and what `exportDisk` throws for image headers. After each of them nothing is frozen and no job of ours
   * runs; only `SERVER_FROZEN` says that a freeze could not be taken back yet, and the guard goes on trying.
   */
  beginOnlineBackup(request: OnlineBackupRequest, options: { readonly signal: AbortSignal }): Promise<OnlineBackupStart>;

  /**
   * Waits for the job of `runId` and reports each disk's progress. Adopts: may be called by another process than the one that began. Ends with the images complete and fsynced, their reserved room
   * given back. Throws `NOT_ENOUGH_SPACE` (the repository filled up; the guard has cancelled the job and resumed the guest, and the message says for how long it was paused), `GUEST_TOO_SLOW`, `COPY_STALLED`,
   * `SERVER_PAUSED_BY_STORAGE` (the guest's own disks, not the repository), `BACKUP_JOB_FAILED`, `BACKUP_JOB_LOST`. Aborting the signal only ends the waiting: the job goes on.
   */
  followOnlineBackup(
    request: { readonly server: ServerRef; readonly runId: string; readonly disks: readonly OnlineBackupDisk[] },
    context: { readonly signal: AbortSignal; readonly onProgress: (target: string, progress: { readonly doneBytes: number; readonly totalBytes: number }) => void },
  ): Promise<{ readonly virtualSizeBytes: Readonly<Record<string, number>> }>;

  /**
   * Cancels the job of this run, *then* resumes a guest that it has paused, thaws what is frozen, ends the guard and forgets it. Idempotent; nothing there or a gone server: nothing. Needs no fence:
   * it only takes back what this run has begun. Throws `SERVER_FROZEN` when the guest could not be thawed.
   */
  cancelOnlineBackup(server: ServerRef, runId: string): Promise<void>;

  /**
   * For the janitor: thaws and resumes for guards that have died, and forgets those whose run is not in `openRunIds`. Returns what was done, in words.
   */
  sweepGuards(openRunIds: ReadonlySet<string>): Promise<readonly string[]>;

  /** Raises the links that the swap of `fence.runId` left down, in the stored and in the running definition. Idempotent. No swap of this run: nothing. */
  goLive(server: ServerRef, fence: Fence): Promise<{ readonly raised: readonly string[] }>;

  /**
   * Attaches what the swap of `fence.runId` has replaced, read-only and only while the server runs: cutting its power ends it, and `discardKept` detaches it. Returns the target it got. Idempotent. Throws
   * `PATH_NOT_ALLOWED` for a file that this run has not replaced, `HYPERVISOR_COMMAND_FAILED` for a server that is off, or without a free slot for one more disk; what `exportDisk` throws for image headers.
   */
  attachOldDisk(server: ServerRef, fence: Fence, disk: OldDisk): Promise<{ readonly target: string }>;

  /** What the swap of a run has kept; null when there is nothing. Read-only. */
  keptBy(server: ServerRef, runId: string): Promise<WayBackFacts | null>;

  /** Bytes QEMU has written to each disk since it was started; empty for a server that is off. Read-only. */
  writtenBytes(server: ServerRef): Promise<Readonly<Record<string, number>>>;

  /**
   * Defines what the swap of `ofRunId` had replaced, with its own generation id, and keeps the present definition under `fence.runId`, so that this can be undone in turn. A disk that that swap has left as it was
   * keeps its present file, whatever was written to it (`SWAP_REFUSED` when the server has it no more). A swap like any other:
   * `revertSwap` takes it back. The server must be off. Idempotent. Throws `WAY_BACK_NOT_FOUND`, `WAY_BACK_INCOMPLETE` (a kept file is missing or another one), `WAY_BACK_EMPTY`, `SERVER_NOT_STOPPED`, `SWAP_REFUSED`.
   */
  returnVolumes(server: ServerRef, fence: Fence, ofRunId: string): Promise<{ readonly generationId: string | null; readonly kept: WayBackFacts }>;

  /**
   * Deletes the volumes and the NVRAM that the swap of `ofRunId` has kept (not their backing files, which others may share, nor disks it has left as they were), and the record of it. None that any server uses, directly or as a backing file, or
   * that another run would still return to (`VOLUME_EXISTS`), and none that was exchanged since (`WAY_BACK_INCOMPLETE`). One that is attached to the server itself as an old disk is detached first (`OLD_DISK_IN_USE`: the guest does not let go of it, and nothing was deleted). A directory that is away: `TARGET_UNREACHABLE`, and nothing is forgotten. Idempotent: nothing kept (any more): nothing.
   */
  discardKept(server: ServerRef, fence: Fence, ofRunId: string): Promise<{ readonly deleted: readonly string[] }>;

  /** Deletes files this run has made, after ending a copy a dead worker left running. Only paths that end with `.<runId>` are accepted (`PATH_NOT_ALLOWED`), and none that a server uses, directly or as a backing file (`VOLUME_EXISTS`), or that the run has put into a server which is gone now (`SERVER_GONE`). Missing ones are fine; where the directory is missing too, a file may lie in it that comes back with it (`VOLUME_LEFT_BEHIND`, after the others were deleted). */
  discardVolumes(request: { readonly runId: string; readonly paths: readonly string[] }): Promise<void>;
}
