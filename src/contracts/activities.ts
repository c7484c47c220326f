import type { ErrorSummary } from './errors';
import type { RestorePlanBody, RestoreSurvey } from './plan';
import type { AgentState, DiskFormat, PowerState } from './server';
import type { RunState, RunStepView } from './run';
import type { BackupImageInput, RestoreServerInput, RunInput } from './workflows';

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
  startLineage(runId: string, serverId: string): Promise<void>;
}

/** Reads and judgements that need the catalogue; queue `control`. */
export interface PlanningActivities {
  /** Chooses the recovery point and says where it lies. */
  choosePlanSource(planId: string, serverId: string, recoveryPointId: string | null): Promise<PlanSource>;
  /** Makes the plan from the survey, hashes and stores it. Idempotent. */
  composePlan(source: PlanSource, survey: RestoreSurvey): Promise<void>;
  failPlan(planId: string, error: ErrorSummary): Promise<void>;
  /** The stored plan, if it has this hash (`PLAN_STALE` otherwise). */
  loadPlan(planId: string, hash: string): Promise<RestorePlanBody>;
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
  readonly measuredRecoverySeconds: readonly number[];
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
  examineForBackup(input: RunInput): Promise<BackupSubject>;
  /** Refuses for lack of room, then makes the staging directory. */
  reserveRoom(input: BackupImageInput, neededBytes: number): Promise<void>;
  discardStaged(input: BackupImageInput): Promise<void>;
  saveDefinition(input: BackupImageInput, subject: BackupSubject): Promise<void>;
  publish(request: PublishRequest): Promise<PublishedRecoveryPoint>;
  /** Makes the published recovery point visible as usable, from the manifest that lies in the repository. Idempotent. */
  recordRecoveryPoint(published: PublishedRecoveryPoint): Promise<void>;

  surveyRestore(source: Pick<PlanSource, 'serverId' | 'serverName' | 'uuid' | 'hypervisor' | 'repository' | 'recoveryPointId' | 'runId'>): Promise<RestoreSurvey>;
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
  swapVolumes(input: RestoreServerInput, plan: RestorePlanBody): Promise<{ readonly generationId: string | null }>;
  revertSwap(input: RestoreServerInput): Promise<void>;
}

/** Long copies; queue `host.<hypervisor>.transfer`. They heartbeat as long as the adapter does not take them for stalled. */
export interface TransferActivities {
  copyDiskToRepository(input: BackupImageInput, disk: BackupDisk): Promise<CopiedDisk>;
  /** Copies one image into its new volume and checks every stored byte on the way. */
  copyDiskToVolume(input: RestoreServerInput, plan: RestorePlanBody, target: string): Promise<void>;
}
