import type { ErrorSummary } from './errors';
import type { OldDisk, PlanBody, RestorePlanBody, RestoreSurvey, UndoSurvey } from './plan';
import type { HealthCheck, Protection } from './protection';
import type { AgentState, DiskFormat, PowerState } from './server';
import type { DecisionKind, RunKind, RunState, RunStepView } from './run';
import type { Consistency } from './recovery-point';
import type { StateBefore, WayBackFacts, WayBackView } from './way-back';
import type { BackupImageInput, BackupMode, ConfirmInput, RestoreServerInput, RunInput, UndoInput } from './workflows';

/**
 * Activity interfaces, shared by workflows (which call them) and `activities/` (which implement them). Arguments and results travel through
 * Temporal's history: ids, paths and small summaries only.
 */

export interface StepRecord {
  readonly seq: number;
  readonly key: string;
  readonly title: string;
  readonly state: RunStepView['state'];
  readonly detail?: RunStepView['detail'];
  readonly error?: ErrorSummary | null;
}

export interface RunOutcome {
  readonly state: Extract<RunState, 'succeeded' | 'failed' | 'cancelled'>;
  readonly error: ErrorSummary | null;
  readonly recoveryPointId?: string;
  readonly recoverySeconds?: number;
}

/** Short writes to PostgreSQL, run as local activities. Keyed: running one twice changes nothing. */
export interface CatalogueActivities {
  startRun(runId: string): Promise<void>;
  recordSteps(runId: string, steps: readonly StepRecord[]): Promise<void>;
  finishRun(runId: string, outcome: RunOutcome): Promise<void>;
  /** A verification found stored bytes changed: nobody may restore from it again. */
  markDamaged(recoveryPointId: string, why: string): Promise<void>;
  /** The volumes were swapped: what stood there is kept, and the server is on a new line of disk states. */
  openWayBack(runId: string, facts: WayBackFacts, before: StateBefore): Promise<void>;
  /** The volumes of `ofRunId` were returned to: its way back is used up, this run has one of its own, the server is on its old line again. */
  takeWayBack(runId: string, ofRunId: string, facts: WayBackFacts, before: StateBefore): Promise<void>;
  /** The run has put back what it swapped. No way back of this run: nothing. */
  revertWayBack(runId: string): Promise<void>;
  /** The old volumes that `ofRunId` has kept are deleted. */
  closeWayBack(runId: string, ofRunId: string): Promise<void>;
  /** The production network of the swapped server is up. */
  recordGoLive(runId: string): Promise<void>;
}

/** Reads and judgements that need the catalogue; queue `control`. */
export interface PlanningActivities {
  /** Chooses the recovery point and says where it lies. */
  choosePlanSource(planId: string, serverId: string, recoveryPointId: string | null, keepDisks?: readonly string[], attachOldDisks?: readonly string[]): Promise<PlanSource>;
  /** Makes the plan from the survey, hashes and stores it. Idempotent. Throws `DISK_NOT_FOUND`, `DISK_NOT_KEEPABLE`, `OLD_DISK_NOT_ATTACHABLE` for disks with which what was asked for cannot be done. */
  composePlan(source: PlanSource, survey: RestoreSurvey): Promise<void>;
  failPlan(planId: string, error: ErrorSummary): Promise<void>;
  /** Finds the way back and what the catalogue knows about it. Throws `WAY_BACK_…`. */
  chooseUndoSource(planId: string, serverId: string, ofRunId: string): Promise<UndoSource>;
  composeUndoPlan(source: UndoSource, survey: UndoSurvey): Promise<void>;
  /** The stored plan, if it has this hash (`PLAN_STALE` otherwise). */
  loadPlan(planId: string, hash: string): Promise<PlanBody>;
  /** Whether a person has decided, and who. Workers believe decisions only from PostgreSQL. */
  readDecision(runId: string, kind: DecisionKind): Promise<Decision | null>;
  /** What the catalogue knows of a run that was ended from outside. */
  traceOfRun(runId: string): Promise<RunTrace>;
  /** The way back of `ofRunId`, if it may be confirmed now. Throws `WAY_BACK_…`, `RUN_NOT_LIVE`. */
  requireConfirmable(ofRunId: string): Promise<WayBackView>;
  /** Generation and lineage the recovery point of this run gets. Read under the server's lock. */
  nextGeneration(serverId: string): Promise<{ readonly generation: number; readonly lineageId: string }>;
}

export interface PlanSource {
  readonly planId: string;
  readonly runId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly uuid: string;
  readonly hypervisor: string;
  readonly repository: string;
  readonly recoveryPointId: string;
  /** Targets of the disks that the server is to keep as they are now. Absent: none. */
  readonly keepDisks?: readonly string[];
  /** Targets of the disks whose old volumes are to be attached read-only. Absent: none. */
  readonly attachOldDisks?: readonly string[];
  readonly measuredRecoverySeconds: readonly number[];
  readonly protection: Protection;
  /** Volumes that earlier restores have kept and nobody has confirmed. */
  readonly openWayBacks: readonly WayBackView[];
}

export interface UndoSource {
  readonly planId: string;
  readonly runId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly uuid: string;
  readonly hypervisor: string;
  readonly lineageId: string;
  readonly wayBack: WayBackView;
  readonly undoneRun: { readonly kind: RunKind; readonly reason: string };
}

export interface Decision {
  readonly actor: string;
  readonly reason: string;
  readonly at: string;
}

export interface RunTrace {
  readonly steps: readonly StepRecord[];
  readonly wayBack: WayBackView | null;
  readonly cancelRequested: boolean;
}

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
  /** `online` only for a server that runs: one that is off is imaged as it lies. */
  readonly mode: BackupMode;
}

/** How the point in time of an online backup was taken. */
export interface OnlineBackupStart {
  readonly pointInTime: string;
  readonly consistency: Consistency;
  /** How long the guest's file systems were frozen; null: they were not. */
  readonly frozenMs: number | null;
  /** Why nothing was frozen, or what else people should know. */
  readonly note: string | null;
}

export interface CopiedDisk {
  readonly target: string;
  readonly virtualSizeBytes: number;
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
}

export interface PublishedRecoveryPoint {
  readonly recoveryPointId: string;
  readonly serverId: string;
  readonly repository: string;
  readonly sizeBytes: number;
}

/** Short calls to one hypervisor and its image repositories; queue `host.<hypervisor>`. */
export interface HostActivities {
  /** Throws the first reason why no image of this server can be taken. */
  examineForBackup(input: BackupImageInput): Promise<BackupSubject>;
  /** Refuses for lack of room, then makes the staging directory. */
  reserveRoom(input: BackupImageInput, neededBytes: number): Promise<void>;
  discardStaged(input: BackupImageInput): Promise<void>;
  saveDefinition(input: BackupImageInput, subject: BackupSubject): Promise<void>;
  publish(request: PublishRequest): Promise<PublishedRecoveryPoint>;
  /** Makes the published recovery point visible as usable, from the manifest that lies in the repository. Idempotent. */
  recordRecoveryPoint(published: PublishedRecoveryPoint): Promise<void>;

  /** Everything the plan of an undo is made from. Read-only. */
  surveyUndo(source: Pick<UndoSource, 'serverName' | 'uuid' | 'hypervisor'>, ofRunId: string): Promise<UndoSurvey>;
  surveyRestore(source: Pick<PlanSource, 'serverId' | 'serverName' | 'uuid' | 'hypervisor' | 'repository' | 'recoveryPointId' | 'runId' | 'keepDisks'>): Promise<RestoreSurvey>;
  discardVolumes(input: RestoreServerInput, plan: RestorePlanBody): Promise<void>;
  restoreNvram(input: RestoreServerInput, plan: RestorePlanBody): Promise<void>;
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
  /** Tries one declared check until it passes or its time is over (`HEALTH_CHECK_FAILED`). */
  checkHealth(input: RunInput, check: HealthCheck): Promise<{ readonly evidence: string }>;
  /** Arms the guard, freezes, begins the push job of all disks, thaws. */
  beginOnlineBackup(input: BackupImageInput, subject: BackupSubject): Promise<OnlineBackupStart>;
  /** Cancels the job, thaws, resumes a guest the job has paused, ends the guard. Nothing of it there: nothing. */
  cancelOnlineBackup(input: RunInput): Promise<void>;
}

/** Long copies; queue `host.<hypervisor>.transfer`. They heartbeat as long as the adapter does not take them for stalled. */
export interface TransferActivities {
  copyDiskToRepository(input: BackupImageInput, disk: BackupDisk): Promise<CopiedDisk>;
  /** Waits until QEMU's job has written all disks; adopts a job that an earlier attempt had begun to follow. */
  followOnlineBackup(input: BackupImageInput, subject: BackupSubject): Promise<{ readonly virtualSizeBytes: Readonly<Record<string, number>> }>;
  /** Hashes an image that QEMU has written completely. */
  hashStagedDisk(input: BackupImageInput, disk: BackupDisk, virtualSizeBytes: number): Promise<CopiedDisk>;
  /** Copies one image into its new volume and checks every stored byte on the way. */
  copyDiskToVolume(input: RestoreServerInput, plan: RestorePlanBody, target: string): Promise<void>;
}
