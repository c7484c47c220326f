import type { GenerationChanges } from '../change';
import type { CredentialDeclaration, CredentialReference } from '../credential';
import type { ErrorSummary } from '../errors';
import type { CollectedFacts } from '../generation';
import type { FactsNow, OldDisk, RestorePlanBody, RestoreSurvey, UndoSurvey } from '../plan';
import type { HealthCheck } from '../protection';
import type { StepProgram } from '../reading';
import type { Consistency } from '../recovery-point';
import type { AgentState, DiskFormat, PowerState, StopByRun } from '../server';
import type { WayBackFacts } from '../way-back';
import type { BackupImageInput, BackupMode, ConfirmInput, RestoreServerInput, RunInput, UndoInput } from '../workflows';
import type { PlanSource, UndoSource } from './planning';
import type { AppliedChange } from './relations';

/**
 * Images of disks and the servers that they are taken of and restored to. Activity interfaces, shared by workflows (which call them) and `activities/` (which implement them). Arguments and results travel through Temporal's history: ids,
 * paths and small summaries only.
 */

export interface BackupDisk {
  readonly target: string;
  readonly path: string;
  readonly format: DiskFormat;
  readonly flattened: boolean;
  readonly allocatedBytes: number;
}

/** What the backup needs to remember of the server as it was found. */
export interface BackupSubject {
  readonly domainName: string;
  readonly powerState: PowerState;
  readonly agent: AgentState;
  readonly disks: readonly BackupDisk[];
  readonly neededBytes: number;
  readonly definitionFingerprint: string;
  readonly hasNvram: boolean;
  /** Of which a version is remembered. Absent: none. */
  readonly credentials?: readonly CredentialDeclaration[];
  /** `online` only for a server that runs: one that is off is imaged as it lies. */
  readonly mode: BackupMode;
}

/** A checkpoint that is whole: every disk that can hold one has it. */
export interface FoundCheckpoint {
  readonly name: string;
  /** What has changed since then, by target. An upper bound while the server writes. */
  readonly changedBytes: Readonly<Record<string, number>>;
}

export interface CheckpointSurvey {
  /** Targets of the disks that can hold a checkpoint; the others are flat every time. */
  readonly able: readonly string[];
  /** What the guest sees of each disk now. */
  readonly virtualSizeBytes: Readonly<Record<string, number>>;
  /** The first that is whole, in the order of the names asked for; null: none is. */
  readonly found: FoundCheckpoint | null;
  /** In words, why none was found; null: one was. */
  readonly problem: string | null;
}

/** What the images of an online backup build on. */
export interface ImageBasis {
  /** The recovery point that incremental images continue; null: all are whole. */
  readonly parentId: string | null;
  /** Disks whose images hold only what has changed, with the name of the backing file that stands in their header. */
  readonly incremental: readonly { readonly target: string; readonly backingName: string }[];
  /** What has changed on them. */
  readonly changedBytes: number;
  /** The chain is as long as it may be: each of these images is made whole from it, in the repository, and the recovery point is a full. Absent: false. */
  readonly merges?: boolean;
  /** Room that all images need. */
  readonly neededBytes: number;
  /** Why nothing is incremental, in words; null: something is. */
  readonly fullBecause: string | null;
  /** Disks that are whole each time, because they cannot hold a checkpoint. */
  readonly alwaysFull: readonly string[];
  /** False: no checkpoint is made, and none is left, because whole images are what the policy wants. */
  readonly leavesCheckpoint: boolean;
  /** The recovery point that was to be continued, and why it cannot be restored any more. Absent: nothing of the kind was found. */
  readonly damage?: { readonly recoveryPointId: string; readonly error: ErrorSummary };
}

/** Recovery points that an incremental could continue, the newest first. */
export interface ParentCandidates {
  readonly recoveryPointIds: readonly string[];
}

/** How the point in time of an online backup was taken. */
export interface OnlineBackupStart {
  readonly pointInTime: string;
  readonly consistency: Consistency;
  /** How long the guest's file systems were frozen; null: they were not. */
  readonly frozenMs: number | null;
  /** Why nothing was frozen, or what else people should know. */
  readonly note: string | null;
  /** Name of the checkpoint since which images with a backing file hold what has changed. Absent, or null: all images are whole. */
  readonly since?: string | null;
}

/** With what its images turned out to build on: the parent of the basis, or nothing after all. Absent where an earlier version has begun it. */
export interface BegunOnlineBackup extends OnlineBackupStart {
  readonly basis?: ImageBasis;
}

export interface CopiedDisk {
  readonly target: string;
  readonly virtualSizeBytes: number;
  /** Absent: false. */
  readonly incremental?: boolean;
  readonly origin: { readonly path: string; readonly format: DiskFormat; readonly flattened: boolean };
  readonly checksums: { readonly sizeBytes: number; readonly sha256: string; readonly segmentSizeBytes: number };
}

export interface PublishRequest {
  readonly input: BackupImageInput;
  readonly subject: BackupSubject;
  readonly copied: readonly CopiedDisk[];
  readonly pointInTime: string;
  readonly consistency: Consistency;
  readonly generation: number;
  readonly lineageId: string;
  /** Absent: null. */
  readonly parentId?: string | null;
  /** Absent: nobody has asked. */
  readonly changes?: GenerationChanges;
  /** Absent: none was declared. */
  readonly credentials?: readonly CredentialReference[];
}

export interface PublishedImage {
  readonly recoveryPointId: string;
  readonly serverId: string;
  readonly repository: string;
  readonly sizeBytes: number;
}

/** Short calls to one hypervisor and its image repositories; queue `host.<hypervisor>`. */
export interface HostActivities {
  /** Throws the first reason why no image of this server can be taken. */
  examineForBackup(input: BackupImageInput): Promise<BackupSubject>;
  /** Chooses what an online backup builds on. What is in doubt is no reason to fail: then the images are whole. Read-only. */
  chooseBasis(input: BackupImageInput, subject: BackupSubject, candidates: ParentCandidates): Promise<ImageBasis>;
  /** Refuses for lack of room, then makes the staging directory. */
  reserveRoom(input: BackupImageInput, neededBytes: number): Promise<void>;
  discardStaged(input: BackupImageInput): Promise<void>;
  saveDefinition(input: BackupImageInput, subject: BackupSubject): Promise<void>;
  /**
   * What the guest's agent tells of the server, written beside the images. What a guest does or says fails none of it: what could not be collected is named.
   * Called again: collects anew.
   */
  collectFacts(input: BackupImageInput): Promise<CollectedFacts>;
  publish(request: PublishRequest): Promise<PublishedImage>;
  /** Makes the published recovery point visible as usable, from the manifest that lies in the repository. Idempotent. */
  recordRecoveryPoint(published: PublishedImage): Promise<void>;

  /** Everything the plan of an undo is made from. Read-only. */
  surveyUndo(source: Pick<UndoSource, 'serverName' | 'uuid' | 'hypervisor'>, ofRunId: string): Promise<UndoSurvey>;
  /**
   * What the hypervisor knows of a run that was ended from outside, however much of it was written down. Neither the guest nor a file of the server is needed for it.
   * Read-only.
   */
  surveyEnded(input: RunInput): Promise<EndedSurvey>;
  surveyRestore(
    source: Pick<PlanSource, 'serverId' | 'serverName' | 'uuid' | 'hypervisor' | 'repository' | 'recoveryPointId' | 'runId' | 'keepDisks'>,
  ): Promise<RestoreSurvey>;
  /**
   * The server itself, as its guest agent tells now, beside the generation that is restored. Gives the difference alone: facts are large. Ends within a minute. What keeps it from
   * being compared is an answer; throws where catalogue or hypervisor do not answer. Read-only.
   */
  compareFacts(source: Pick<PlanSource, 'serverId' | 'serverName' | 'uuid' | 'hypervisor' | 'recoveryPointId'>): Promise<FactsNow>;
  discardVolumes(input: RestoreServerInput, plan: RestorePlanBody): Promise<void>;
  restoreNvram(input: RestoreServerInput, plan: RestorePlanBody): Promise<void>;
}

/** Null: what the hypervisor cannot be brought to tell. */
export interface EndedSurvey {
  /** The files that the server's definitions name, stored and live; none of a server that is gone. */
  readonly files: readonly string[] | null;
  /** Whether the run has stopped the server, which was on until then, and whether it has started it again. */
  readonly stop: StopByRun | null;
}

/** Calls that change a server; queue `host.<hypervisor>`. Each reads the fence right before it writes and looks before it acts. */
export interface ServerActivities {
  takeFence(input: RunInput): Promise<boolean>;
  releaseFence(input: RunInput): Promise<void>;
  /** Through the guest's own shutdown, within the server's stop time-out. */
  shutDown(input: RunInput): Promise<void>;
  powerOff(input: RunInput): Promise<void>;
  start(input: RunInput): Promise<void>;
  /**
   * Undoes a shutdown that may still be under way: waits until the guest is off, at least as long as it was given to stop, then starts it. A guest that does
   * not go off is left running; `mayStillStop` then says that it was asked to and may still do so.
   */
  startAfterShutdown(input: RunInput): Promise<{ readonly mayStillStop: boolean }>;
  waitForAgent(input: RunInput): Promise<void>;
  /** The restored server gets its volumes; its production links are down. Says what was replaced and kept. */
  swapVolumes(input: RestoreServerInput, plan: RestorePlanBody): Promise<{ readonly generationId: string | null; readonly kept: WayBackFacts }>;
  revertSwap(input: RunInput): Promise<void>;
  /** Puts the definition back that `ofRunId` had replaced, and keeps the present one. */
  returnVolumes(input: UndoInput): Promise<{ readonly generationId: string | null; readonly kept: WayBackFacts }>;
  /** Deletes the volumes and the definition that `ofRunId` has kept. */
  discardKept(input: ConfirmInput): Promise<{ readonly deleted: readonly string[] }>;
  /** Attaches one volume that the swap of this run has replaced, read-only, until the power goes off. */
  attachOldDisk(input: RunInput, disk: OldDisk): Promise<{ readonly target: string }>;
  /** Raises the links that the swap of this run left down. */
  goLive(input: RunInput): Promise<{ readonly raised: readonly string[] }>;
  /**
   * Runs a program of the plan in the restored guest, such as one that applies a configuration change again, once as far as that can be told. What it does or says throws nothing: a change that was not
   * applied is one for people. Throws what keeps anything from being run in the guest, and `FENCED_OFF`.
   */
  applyChange(input: RunInput, program: StepProgram): Promise<AppliedChange>;
  /** Tries one declared check until it passes or its time is over (`HEALTH_CHECK_FAILED`). */
  checkHealth(input: RunInput, check: HealthCheck): Promise<{ readonly evidence: string }>;
  /**
   * All of `beginOnlineBackup` that takes long and asks nothing of the guest that would have to be undone: the files to write to, their room, the guard. The
   * basis it could prepare, which is the one to begin with. Taken back by `cancelOnlineBackup`.
   */
  prepareOnlineBackup(input: BackupImageInput, subject: BackupSubject, basis: ImageBasis): Promise<ImageBasis>;
  /** Arms the guard, freezes, begins the push job of all disks, thaws. Where the hypervisor refuses the basis, whole images are begun instead. */
  beginOnlineBackup(input: BackupImageInput, subject: BackupSubject, basis?: ImageBasis): Promise<BegunOnlineBackup>;
  /** The images are published: the checkpoint stays, older ones go, and so does the guard. */
  settleOnlineBackup(input: RunInput): Promise<void>;
  /** Cancels the job, thaws, resumes a guest the job has paused, ends the guard. Nothing of it there: nothing. */
  cancelOnlineBackup(input: RunInput): Promise<void>;
}
