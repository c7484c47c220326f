import type { Fence, PowerState, ServerInspection, ServerRef, StopByRun } from '../contracts/server';
import type { DescribedDefinition } from '../contracts/definition';
import type { ImageManifest } from '../contracts/recovery-point';
import type { KeptDisk, OldDisk, PlannedVolume, RestoreTargets } from '../contracts/plan';
import type { GuestAgent } from '../guests/guest-agent';
import type { CheckpointSurvey, OnlineBackupStart } from '../contracts/activities/images';
import type { OnlineBackupLimits, QuiesceHooks } from '../contracts/protection';
import type { WayBackFacts } from '../contracts/way-back';

/** Passed to every long operation. */
export interface TransferContext {
  /** Abort: the child process is killed, what was written is left for `discard…`, the promise rejects with the reason. */
  readonly signal: AbortSignal;
  /**
   * Called at least every 5 s while the copy is not considered stalled; `doneBytes` grows only with observed movement. Whoever implements a copy judges
   * whether it is stalled: long stretches of zeros and the last flush to stable storage show nothing for minutes and are no fault. When nothing has moved for
   * the adapter's stall time-out, the copy is ended with `COPY_STALLED`.
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
  /** Where QEMU writes a qcow2 image. Directories must be passable for QEMU's user (`REPOSITORY_NOT_TRAVERSABLE`). */
  readonly targetPath: string;
  /**
   * For an image that holds only what has changed since the checkpoint `since`: the name of its backing file, which is written into its header as it stands. The
   * file itself is not opened. Absent: the image is flat, and holds all of the disk.
   */
  readonly backingName?: string;
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
  /** Name of the checkpoint that is made with the point in time, in every disk that can hold one. Absent: none. */
  readonly checkpoint?: string;
  /** Name of the checkpoint since which the images with a `backingName` hold what has changed. Absent: all are flat. */
  readonly since?: string;
}

export interface BootProofRequest {
  /** Id of the verification. */
  readonly proofId: string;
  /** Files of a recovery point: all of them have been checked. */
  readonly definitionPath: string;
  /** All files of each disk: the recovery point's own first, each before the one below it. */
  readonly disks: readonly { readonly target: string; readonly imageFiles: readonly string[] }[];
  readonly nvramPath: string | null;
}

export interface BootProof {
  /** For its guest agent. */
  readonly server: ServerRef;
  /** Aborts with an error when what it runs on is lost: then nothing that the guest does or leaves undone says anything about the image. */
  readonly lost: AbortSignal;
  /** Cuts the power, and removes everything that belongs to this attempt. Called again: nothing. */
  stop(): Promise<void>;
}

/**
 * A host that runs servers. Implemented by `libvirt/` and, for tests, by a fake that passes the same contract suite (`test/contract/hypervisor*.contract.ts`).
 *
 * Callers are activities, and those run at least once: a method may be called again after its caller died half-way, and beside an attempt that was given up
 * and does not know it yet. What a second call does stands with each method.
 *
 * "(later)" marks errors that may pass by themselves; every other code is final (`error-codes.ts`). Whatever asks the host throws `HYPERVISOR_UNREACHABLE`
 * (later) when it does not answer and `HYPERVISOR_COMMAND_TIMED_OUT` (later) when one call takes too long: the host may carry that call out all the same.
 * Errors of the operating system that nobody has judged pass as they are, and are tried again.
 *
 * Methods that change a server take a `Fence`, read it in the domain's metadata before they write, and throw `FENCED_OFF` when it is not exactly the one
 * given. New volumes need none: only names that end with `.<runId>` are written or deleted, and none that a server uses. Where the host does not tell what a
 * server uses, nothing is written or deleted: `HYPERVISOR_COMMAND_FAILED`. Copies out of a server need none either; their callers ask with `requireFence`.
 */
export interface Hypervisor {
  readonly name: string;

  /** Versions and abilities, for `doctor`. Read-only. Throws `PROGRAM_MISSING`. */
  probe(): Promise<HypervisorInfo>;

  /**
   * All persistent and running servers, in no order. `modosu apply` finds the UUIDs of declared servers with it. Read-only. Not one look but three: a server
   * that starts or stops meanwhile may show either state.
   */
  listServers(): Promise<readonly ServerOnHypervisor[]>;

  /**
   * Everything a backup or a plan needs to know. Read-only; image headers are judged before any QEMU tool opens a file, and the guest agent gets a few
   * seconds to answer. Throws `SERVER_GONE` when the host knows no server of this UUID. Problems that only forbid an image go into `refusals`. A disk whose
   * file is missing or was refused is listed all the same, with sizes of 0: a restore has to put a volume in its place.
   */
  inspect(server: ServerRef): Promise<ServerInspection>;

  /** `off` only when the host has no process for the server: its disks are in nobody's hands then. Read-only. Throws `SERVER_GONE`. */
  powerState(server: ServerRef): Promise<PowerState>;

  /** The agent of a server. Cheap: nothing is called before a method of the result is. */
  guestAgent(server: ServerRef): GuestAgent;

  /**
   * Writes our fence into the domain's metadata. The stored definition is what counts; a running server gets it there too. Called again with the same fence:
   * nothing. That of an older run is replaced without a question. Throws `FENCED_OFF` when a higher token, the same token of another run, or this one given
   * back stands there, also when it was written in the same moment. For a server that is gone: returns `false`, and the fence is written with the swap.
   */
  takeFence(server: ServerRef, fence: Fence): Promise<boolean>;

  /**
   * Gives the server back: the fence stays as a mark that its token is used up, so that a resurrected run of this or an older token never gets in again. Not
   * ours: it is left alone. A gone server is fine. Afterwards what an online backup of this run has left is taken back as by `cancelOnlineBackup`, and throws
   * as that does: only then can no attempt of it that is still on its way begin anew. Called again: only what was left.
   */
  releaseFence(server: ServerRef, fence: Fence): Promise<void>;

  /**
   * Starts a server. Running already: nothing. Throws `SERVER_GONE`, or `START_FAILED` with the host's message: it is off again then, or paused as it was. A
   * start that was not answered in time (two minutes) may still succeed; the next call finds out.
   */
  start(server: ServerRef, fence: Fence): Promise<void>;

  /**
   * Asks the guest to shut down, through its agent (ACPI where no agent takes it), again every 30 s, and waits until it is off. Already off: nothing. Called
   * again: asks again, with a deadline of its own. The fence is read right before each request. Throws `STOP_TIMED_OUT` after `deadlineMs` (the guest may
   * still stop later),
   * `SERVER_PAUSED` for one that cannot act, `SERVER_GONE`, or the signal's reason.
   */
  shutDown(server: ServerRef, fence: Fence, options: { readonly deadlineMs: number; readonly signal: AbortSignal }): Promise<void>;

  /**
   * Cuts the power: what the guest holds only in its memory is lost. Already off, or gone: nothing, whoever holds the server. Throws
   * `HYPERVISOR_COMMAND_FAILED` when it runs on all the same.
   */
  powerOff(server: ServerRef, fence: Fence): Promise<void>;

  /**
   * Whether `shutDown` or `powerOff` of this run has found the server on and was the last to stop it: from before its guest or its power is touched, whatever
   * became of it since, also after a crash of either side. A server that was off already, or goes off by itself, was not stopped by the run. Also of a server
   * that is gone. Read-only.
   */
  stopBy(server: ServerRef, runId: string): Promise<StopByRun>;

  /**
   * Every file that the stored definition names, and the one it runs with: disks with the files below them as far as the host lists them (it does for a server
   * that runs), media, NVRAM. No file is opened and no guest is asked. A server that is gone names none. Read-only.
   */
  namedFiles(server: ServerRef): Promise<readonly string[]>;

  /**
   * Copies one disk of a *stopped* server into a new qcow2 file (flattened; fsynced; private). The source is never opened for writing. Always from scratch: a
   * half-made
   * `targetPath` of an earlier attempt is replaced, a copy left running by a dead worker is ended first. After a failure the half-made file stays, for the
   * next attempt or
   * `discardStaged`.
   * Throws `COPY_FAILED` (later; also when the source was written to meanwhile), `COPY_STALLED` (later; no progress for `stallTimeoutMs` of the adapter),
   * `REPOSITORY_UNREACHABLE` (later); `SERVER_NOT_STOPPED` (also when it was started meanwhile), `SERVER_HAS_SAVED_STATE`, `SERVER_GONE`, `DISK_FILE_MISSING`
   * (not there, or not readable), `DISK_NOT_SUPPORTED` (also for a target it does not have), `IMAGE_HEADER_REFUSED`, `NOT_ENOUGH_SPACE`, `VOLUME_EXISTS`
   * (something else than a file stands at `targetPath`).
   */
  exportDisk(
    request: { readonly server: ServerRef; readonly target: string; readonly targetPath: string },
    context: TransferContext,
  ): Promise<{ readonly virtualSizeBytes: number }>;

  /**
   * Writes the stored definition (with what the host hides by default, such as console passwords: mode 0600; without any fence) to a new file, fsynced.
   * Replaces a file of an earlier attempt; a death in between leaves a part of it, or none. Throws `SERVER_GONE`, `REPOSITORY_UNREACHABLE` (later),
   * `NOT_ENOUGH_SPACE`, `VOLUME_EXISTS`.
   */
  exportDefinition(server: ServerRef, targetPath: string): Promise<void>;

  /**
   * What a definition that was exported says, for people. Pure: the host is not asked, and need not be there. Nothing secret is in it but
   * `hiddenSha256`. `unreadable`: it is none; `too-large`: larger than any that is shown.
   */
  describeDefinition(definition: string): DescribedDefinition | 'unreadable' | 'too-large';

  /**
   * Copies the NVRAM file, fsynced. As `exportDefinition`; also throws `DISK_FILE_MISSING` for a server without NVRAM, or whose file is not there, and
   * `DISK_NOT_SUPPORTED` where the host does not tell the place of it.
   */
  exportNvram(server: ServerRef, targetPath: string): Promise<void>;

  /**
   * Where a restore would put the new volumes: beside the old ones as `<file>.<runId>` (an earlier run's suffix is replaced, not added to), same format and
   * directory. Names follow from the run and from what is present alone. `space` has one entry per file system, named by the first directory on it.
   * Read-only. `present` null: the server is gone, origin paths of the manifest are used. Throws `TARGET_UNREACHABLE` (later) when a directory is missing,
   * `PATH_NOT_ALLOWED` for origins that are no plain absolute paths.
   */
  restoreTargets(request: {
    readonly manifest: ImageManifest;
    readonly present: ServerInspection | null;
    readonly runId: string;
    /** Room that each disk takes at most, by target, where that is not the size of its image: an incremental is written with all that it builds on. */
    readonly neededBytes?: Readonly<Record<string, number>>;
  }): Promise<RestoreTargets>;

  /**
   * Copies a stored qcow2 image, with all that it builds on, into the new volume, fsynced, owned as the disk it replaces. `imageFiles`: its own file first, each
   * before the one below it; what headers say is not followed. The headers are judged first. Always from scratch: a half-made
   * volume of an earlier attempt is replaced, a copy left running by a dead worker is ended first. After a failure the half-made volume stays, for the next
   * attempt or `discardVolumes`. Throws `COPY_FAILED` (later), `COPY_STALLED` (later), `REPOSITORY_UNREACHABLE` (later; the image cannot be read now),
   * `TARGET_UNREACHABLE` (later); `PATH_NOT_ALLOWED` for a name that is not this run's, `VOLUME_EXISTS` for a file that a server uses already, or that is
   * none, `RECOVERY_POINT_INCOMPLETE` (the image is missing from a directory that is there), `IMAGE_HEADER_REFUSED` (also another size than planned),
   * `NOT_ENOUGH_SPACE` (with numbers before a byte is written, and in mid-copy).
   */
  importDisk(
    request: { readonly imageFiles: readonly string[]; readonly volume: PlannedVolume; readonly runId: string },
    context: TransferContext,
  ): Promise<void>;

  /**
   * Makes a qcow2 image that builds on others stand alone, with the same content: written in order to a new file beside it, compared, fsynced, and put in its
   * place by one rename. `imageFiles`: its own file first, each before the one below it; `backingName` is what the first one's header has to say, which need not
   * lead anywhere. Called again: nothing when it stands alone already, else from scratch. Throws `COPY_FAILED` (later; also when the two differ), `COPY_STALLED`
   * (later), `REPOSITORY_UNREACHABLE` (later), `IMAGE_HEADER_REFUSED`, `RECOVERY_POINT_INCOMPLETE`, `NOT_ENOUGH_SPACE`, the signal's reason.
   */
  mergeImage(request: { readonly imageFiles: readonly string[]; readonly backingName: string }, context: TransferContext): Promise<void>;

  /**
   * Copies a stored NVRAM file to its new place, fsynced, owned as the one it replaces. Always from scratch. Throws as `importDisk`, without the copy's own
   * errors.
   */
  importNvram(request: { readonly sourcePath: string; readonly newPath: string; readonly replacesPath: string | null; readonly runId: string }): Promise<void>;

  /**
   * Puts the new volumes in place by one define of a stopped server (a gone one is defined anew). The old definition is kept first, per run, for
   * `revertSwap`. Called again: what was kept is kept anew as long as the define has not come, and when it has, the first call's result is returned, if the
   * links are as they were asked for; otherwise the old definition is put back (`SWAP_REFUSED`). Once `revertSwap` was called for the run it is refused for
   * good, also to an attempt that was on its way then. Throws `SWAP_REFUSED` with the old definition still in place (also when volumes with kept disks and
   * disks of the definition are not the same set, when a kept disk has another file than the one named, or a file cannot be found); `SERVER_NOT_STOPPED`,
   * `SERVER_HAS_SAVED_STATE`, `SERVER_GONE` (its present definition was asked for),
   * `PATH_NOT_ALLOWED`; for a definition from a recovery point `REPOSITORY_UNREACHABLE` (later) and `RECOVERY_POINT_INCOMPLETE`; `WAY_BACK_NOT_FOUND` where
   * the volumes are in place and what was kept is lost.
   */
  swap(request: SwapRequest): Promise<{ readonly generationId: string | null; readonly kept: WayBackFacts }>;

  /**
   * Defines the kept old definition again (undefines a server that was gone). A disk that the swap has left as it was keeps its present file. No file is
   * deleted. Not swapped by this run: nothing is defined. What the run has kept, if it has, is marked as taken back, and no swap of it is carried out from
   * then on, also by an attempt that is still on its way. Called again: nothing. Throws `SERVER_NOT_STOPPED`, `SERVER_HAS_SAVED_STATE`, `SERVER_GONE` when
   * somebody has removed the server since, `SWAP_REFUSED` when the host does not take the old definition.
   */
  revertSwap(server: ServerRef, fence: Fence): Promise<void>;

  /**
   * Throws `FENCED_OFF` unless exactly this fence stands in the definition. A server that is gone: nothing. Read-only. Asked before copies and before a
   * publication.
   */
  requireFence(server: ServerRef, fence: Fence): Promise<void>;

  /**
   * Takes the point in time of all disks of a *running* server in one transaction: reserves room for the targets, arms a guard process that outlives this
   * one, freezes the guest's file systems, begins a push job for all disks, thaws at once (window of ten seconds at most). Bound to `fence.runId`. Called
   * again after its caller died: a job that is known to have begun inside the freeze is adopted; with any doubt it is cancelled and begun anew, and hooks run
   * again. An attempt that has been overtaken gets
   * `FENCED_OFF`. Throws `DEFINITION_CHANGED` (disks or definition are not those examined), `BACKUP_JOB_LOST` (the server is off), `AGENT_ABSENT`,
   * `AGENT_SILENT` (later; it has waited itself), `QUIESCE_FAILED`, `CHECKPOINT_LOST` (nothing has begun; without `since`, or without a `checkpoint`, it could),
   * `NOT_ENOUGH_SPACE`, `REPOSITORY_NOT_TRAVERSABLE`, `REPOSITORY_UNREACHABLE` (later),
   * `BACKUP_JOB_FOREIGN`, `BACKUP_JOB_FAILED`,
   * `SERVER_GONE`, and what `exportDisk` throws for images. After each of them nothing is frozen and no job of ours runs, as far as host and agent have
   * answered. What is not certain the guard goes on with: `QUIESCE_FAILED` says so of a freeze of this call, `SERVER_FROZEN` (later) of one of an earlier
   * attempt. `cancelOnlineBackup` makes sure of it.
   */
  beginOnlineBackup(request: OnlineBackupRequest, options: { readonly signal: AbortSignal }): Promise<OnlineBackupStart>;

  /**
   * Does beforehand what of `beginOnlineBackup` takes long and asks nothing of the guest: makes the targets and reserves their room, arms the guard. Nothing is
   * frozen and no job begins; the server is not held up, however long the begin is waited for. A begin of the same request goes on from there, once; one of
   * another request, or after the preparation was lost, begins from the beginning. Called again: prepared anew; after a begin: nothing. Throws as
   * `beginOnlineBackup`, also what would keep the file systems from being frozen, and leaves nothing behind then. `cancelOnlineBackup` takes it back.
   */
  prepareOnlineBackup(request: OnlineBackupRequest, options: { readonly signal: AbortSignal }): Promise<void>;

  /**
   * Looks for the newest checkpoint that is whole, in the order of the names, in the disks of a *running* server. They live in the disks themselves: a disk that
   * was exchanged or copied, or whose QEMU was killed, has none any more, and one that comes back has its own. Nothing is left behind; checkpoints of others are
   * neither used nor touched. Throws `SERVER_GONE`; a server that is off has none.
   */
  findCheckpoints(server: ServerRef, names: readonly string[]): Promise<CheckpointSurvey>;

  /**
   * The images of this run are published: the checkpoint that its job has made is kept, all others of ours in these disks are removed (also where it has made
   * none), and what was written down about the run is forgotten. Called again, or for a run that has begun nothing: nothing. From its first moment on
   * `cancelOnlineBackup` leaves the kept one alone. One that cannot be removed now is no harm, costs the server a little, and goes the next time.
   */
  settleOnlineBackup(server: ServerRef, runId: string): Promise<void>;

  /**
   * Waits for the job of `runId` and reports each disk's progress. Adopts: may be called by another process than the one that began. Ends with the images
   * complete and fsynced, their reserved room given back. Called again after that: the same result; after a job that has failed: the same error. A host that
   * is away is waited for (one minute). Aborting the signal only ends the waiting: the job goes on. Throws `NOT_ENOUGH_SPACE` (the repository filled up; the
   * guard has cancelled the job and resumed the guest, and the message says for how long it was paused),
   * `GUEST_TOO_SLOW`, `COPY_STALLED` (later, but only a slow last flush is worth it: a job that stood still was cancelled), `SERVER_PAUSED_BY_STORAGE` (the
   * guest's own disks, not the repository), `BACKUP_JOB_FAILED`, `BACKUP_JOB_LOST` (also when none has begun).
   */
  followOnlineBackup(
    request: { readonly server: ServerRef; readonly runId: string; readonly disks: readonly OnlineBackupDisk[] },
    context: {
      readonly signal: AbortSignal;
      readonly onProgress: (target: string, progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;
    },
  ): Promise<{ readonly virtualSizeBytes: Readonly<Record<string, number>> }>;

  /**
   * Cancels the job of this run, *then* resumes a guest that it has paused, thaws what is frozen, removes the checkpoint that was made with it, ends
   * the guard and forgets it. A freeze that was never
   * answered is looked after for a minute. Called again, nothing there, or a gone server: nothing. Of two at once the later one goes on, the earlier gets
   * `FENCED_OFF`. Needs no fence: it only takes back what this run has begun. Throws `SERVER_FROZEN` (later) when the guest could not be thawed,
   * `HYPERVISOR_COMMAND_TIMED_OUT` (later) also when the job does not end within a minute.
   */
  cancelOnlineBackup(server: ServerRef, runId: string): Promise<void>;

  /**
   * For the janitor, every minute: takes back, as `cancelOnlineBackup`, what runs have left that are not in `openRunIds`, and gives an open run a new guard
   * for one that has died. The list has to be fresh: a run that is missing from it counts as over. Idempotent. Returns what was done, in words, also what
   * could not be done now.
   */
  sweepGuards(openRunIds: ReadonlySet<string>): Promise<readonly string[]>;

  /**
   * Raises the links that the swap of `fence.runId` left down, in the stored and then in the running definition. Called again: raises what is still down;
   * `raised` names all of them each time. No swap of this run, or it was taken back: nothing. Throws `DEFINITION_CHANGED` when somebody else has put other
   * volumes in its place, `HYPERVISOR_COMMAND_FAILED` when an interface is there no more, `SERVER_GONE`.
   */
  goLive(server: ServerRef, fence: Fence): Promise<{ readonly raised: readonly string[] }>;

  /**
   * Attaches what the swap of `fence.runId` has replaced, read-only and only while the server runs: cutting its power ends it, and `discardKept` detaches it.
   * Returns the target it got. Attached already: its target. Throws `PATH_NOT_ALLOWED` for a file that this run has not replaced, `HYPERVISOR_COMMAND_FAILED`
   * for a server that is off, or without a free slot for one more disk, `SERVER_GONE`; what `exportDisk` throws for images.
   */
  attachOldDisk(server: ServerRef, fence: Fence, disk: OldDisk): Promise<{ readonly target: string }>;

  /**
   * What the swap of a run has kept, as it is now; null when there is nothing, or it was taken back. Read-only. Throws `WAY_BACK_INCOMPLETE` when the record
   * of it cannot be read, `SWAP_REFUSED` when it is of another server.
   */
  keptBy(server: ServerRef, runId: string): Promise<WayBackFacts | null>;

  /** Bytes QEMU has written to each disk since it was started, by target; empty for a server that is off or gone. Read-only. */
  writtenBytes(server: ServerRef): Promise<Readonly<Record<string, number>>>;

  /**
   * Defines what the swap of `ofRunId` had replaced, with its own generation id, and keeps the present definition under `fence.runId`, so that this can be
   * undone in turn. A disk that that swap has left as it was keeps its present file, whatever was written to it (`SWAP_REFUSED` when the server has it no
   * more). A swap like any other: called again it returns the first call's result, and `revertSwap` takes it back. Throws `WAY_BACK_NOT_FOUND`,
   * `WAY_BACK_INCOMPLETE` (a kept file is missing or another one), `WAY_BACK_EMPTY`, `SERVER_NOT_STOPPED`, `SERVER_HAS_SAVED_STATE`, `SERVER_GONE`,
   * `SWAP_REFUSED`.
   */
  returnVolumes(server: ServerRef, fence: Fence, ofRunId: string): Promise<{ readonly generationId: string | null; readonly kept: WayBackFacts }>;

  /**
   * Deletes the volumes and the NVRAM that the swap of `ofRunId` has kept (not their backing files, which others may share, nor disks it has left as they
   * were), and the record of it. For good. All are judged before the first is deleted: none that any server uses, directly or as a backing file, or that
   * another run would still return to (`VOLUME_EXISTS`), none that was exchanged since (`WAY_BACK_INCOMPLETE`), none that is no regular file
   * (`PATH_NOT_ALLOWED`). One that is attached to the server itself as an old disk is detached first (`OLD_DISK_IN_USE`: the guest does not let go of it, and
   * nothing was deleted). A directory that is away: `TARGET_UNREACHABLE` (later), and nothing is forgotten. The record goes last: called again it goes on
   * where it stopped, and `deleted` names what this call has deleted. Nothing kept (any more): nothing.
   */
  discardKept(server: ServerRef, fence: Fence, ofRunId: string): Promise<{ readonly deleted: readonly string[] }>;

  /**
   * Deletes files this run has made, after ending copies a dead worker left running into them. Only paths that end with `.<runId>` are accepted
   * (`PATH_NOT_ALLOWED`), and none that a server uses, directly or as a backing file (`VOLUME_EXISTS`), or that the run has put into a server which is gone
   * now (`SERVER_GONE`): nothing is deleted then. Called again, or missing: fine. Where the directory is missing too, a file may lie in it that comes back
   * with it (`VOLUME_LEFT_BEHIND`, after the others were deleted). `COPY_STALLED` (later) when a copy cannot be ended. A server whose definition libvirt does
   * not show, also one that it is only busy with: `HYPERVISOR_COMMAND_FAILED`, and nothing is deleted.
   */
  discardVolumes(request: { readonly runId: string; readonly paths: readonly string[] }): Promise<void>;

  /**
   * Boots an image of a server to see whether it does: beside everything else, without any network, under a name of its own, with as much memory as it is
   * defined with. The image's files are opened for reading alone and keep their owner; what the guest writes is thrown away. What an earlier attempt with the
   * same id has left is removed first. `stop` comes in any case. Throws `START_FAILED` for what the definition or the image asks for and cannot have; of the host
   * `NOT_ENOUGH_MEMORY` (later), `NOT_ENOUGH_SPACE`, `HYPERVISOR_COMMAND_FAILED`; the signal's reason. Nothing is left then.
   */
  startProof(request: BootProofRequest, options: { readonly signal: AbortSignal }): Promise<BootProof>;

  /** Removes what is there of a proof, also where its worker has died. Nothing there: nothing. */
  endProof(proofId: string): Promise<void>;

  /** Ids of proofs of which something is there. For the janitor. Read-only. */
  listProofs(): Promise<readonly string[]>;
}
