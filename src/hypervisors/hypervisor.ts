import type { Fence, PowerState, ServerInspection, ServerRef } from '../contracts/server';
import type { ImageManifest } from '../contracts/recovery-point';
import type { PlannedVolume, RestoreTargets } from '../contracts/plan';
import type { GuestAgent } from '../guests/guest-agent';

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
  readonly nvramNewPath: string | null;
  readonly renewGenerationId: boolean;
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
   * Writes our fence into the domain's metadata (stored and live). Idempotent for the same fence. Throws `FENCED_OFF` when a higher token
   * stands there. For a server that is gone: returns `false`, and the fence is written with the swap.
   */
  takeFence(server: ServerRef, fence: Fence): Promise<boolean>;

  /** Removes the fence if it is ours; otherwise nothing. Idempotent; a gone server is fine. */
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
   * `revertSwap`. Idempotent: already swapped by this run: nothing. Throws `SWAP_REFUSED` with the old definition still in place (also when volumes and
   * disks of the definition are not the same set, or a volume is not there), `SERVER_NOT_STOPPED`, `SERVER_HAS_SAVED_STATE`.
   */
  swap(request: SwapRequest): Promise<{ readonly generationId: string | null }>;

  /** Defines the kept old definition again (undefines a server that was gone). Not swapped by this run: nothing. Idempotent. The server must be off (`SERVER_NOT_STOPPED`). No file is deleted. */
  revertSwap(server: ServerRef, fence: Fence): Promise<void>;

  /** Deletes files this run has made, after ending a copy a dead worker left running. Only paths that end with `.<runId>` are accepted (`PATH_NOT_ALLOWED`), and none that a server uses, directly or as a backing file (`VOLUME_EXISTS`). Missing ones are fine; where the directory is missing too, a file may lie in it that comes back with it (`VOLUME_LEFT_BEHIND`, after the others were deleted). */
  discardVolumes(request: { readonly runId: string; readonly paths: readonly string[] }): Promise<void>;
}
