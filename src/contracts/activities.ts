import type { GenerationChanges } from './change';
import type { CredentialDeclaration, CredentialReference } from './credential';
import type { DueJudgements } from './judgement';
import type { CollectedFacts } from './generation';
import type { DataPurpose, DataSelection, GuestArgv, FilesContent, PostgresqlContent } from './data';
import type { ErrorSummary } from './errors';
import type { DataSurvey, FactsNow, Finding, LostChanges, OldDisk, PlanBody, PlannedData, RestorePlanBody, RestoreSurvey, UndoSurvey } from './plan';
import type { HealthCheck, Protection } from './protection';
import type { AgentState, Decommissioning, DiskFormat, PowerState } from './server';
import type { Consistency, DataRecoveryPointView, StoredImage } from './recovery-point';
import type { BootResult, Damage, VerificationInput, VerificationOutcome } from './verification';
import type { ImageReadings, ProbeJob, ReadCounts, ReadingMoment, RunJudgement, StepProgram } from './reading';
import type { SetOfPlan } from './restore-set';
import type { FetchedPoint, MadeCopy, TransferInput, TransferOutcome, TransferPoint } from './offsite-copies';
import type { DecisionKind, RunKind, RunState, RunStepView } from './run';
import type { KeptDataRecord, StateBefore, WayBackFacts, WayBackView } from './way-back';
import type {
  BackupDataInput,
  BackupImageInput,
  BackupMode,
  ConfirmInput,
  DataBackupItem,
  DataRestoreItem,
  PlanDataInput,
  PlanRestoreInput,
  PlanUndoInput,
  RestoreServerInput,
  RunInput,
  UndoInput,
} from './workflows';

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
  /** What was lost, in seconds. */
  readonly lostSeconds?: number;
}

/** Short writes to PostgreSQL, run as local activities. Keyed: running one twice changes nothing. */
export interface CatalogueActivities {
  startRun(runId: string): Promise<void>;
  recordSteps(runId: string, steps: readonly StepRecord[]): Promise<void>;
  finishRun(runId: string, outcome: RunOutcome): Promise<void>;
  /**
   * Somebody who has read this one found stored bytes changed, or missing: nobody may restore from it again, or from the one whose bytes they are. `of`: what is
   * known of the damage; absent, as runbooks of earlier versions call it: `RECOVERY_POINT_CORRUPT`, of this one.
   */
  markDamaged(recoveryPointId: string, why: string, of?: Omit<Damage, 'message'>): Promise<void>;
  /** The volumes were swapped: what stood there is kept, and the server is on a new line of disk states. */
  openWayBack(runId: string, facts: WayBackFacts, before: StateBefore): Promise<void>;
  /** The volumes of `ofRunId` were returned to: its way back is used up, this run has one of its own, the server is on its old line again. */
  takeWayBack(runId: string, ofRunId: string, facts: WayBackFacts, before: StateBefore): Promise<void>;
  /** The run has put back what it swapped. No way back of this run: nothing. */
  revertWayBack(runId: string): Promise<void>;
  /** The old volumes that `ofRunId` has kept are deleted. */
  closeWayBack(runId: string, ofRunId: string): Promise<void>;
  /** The restored server has these configuration changes again. */
  recordApplied(runId: string, changeIds: readonly string[], by: string): Promise<void>;
  /** The production network of the swapped server is up. */
  recordGoLive(runId: string): Promise<void>;
  /** All bytes of a recovery point were read; `damage` null: they are what was written; otherwise it may be that of one on which it builds (`named`). */
  recordVerdict(verificationId: string, recoveryPointId: string, damage: Damage | null): Promise<void>;
  finishVerification(verificationId: string, outcome: VerificationOutcome): Promise<void>;
  /** A copy is whole, in an off-site repository. */
  recordCopied(transferId: string, recoveryPointId: string, made: MadeCopy): Promise<void>;
  /** A recovery point lies where it lay, and was read whole. */
  recordFetched(transferId: string, recoveryPointId: string, fetched: FetchedPoint): Promise<void>;
  /** A copy is not what was copied, or is not there. */
  recordCopyDamaged(transferId: string, recoveryPointId: string, why: { readonly code: string; readonly message: string }): Promise<void>;
  finishTransfer(transferId: string, outcome: TransferOutcome): Promise<void>;
  /** Writes down the backups that the schedules ask for by now; gives how many are new. */
  recordDueBackups(): Promise<number>;
}

/** What a plan needs from an off-site repository. `dataSet` null: the image, and data of all data sets unless `noData`. */
export interface FetchForPlan {
  readonly planId: string;
  readonly serverId: string;
  readonly from: string;
  readonly recoveryPointId: string | null;
  readonly incidentAt: string | null;
  readonly dataSet: string | null;
  readonly noData: boolean;
}

/** Markers of which server are read, and for what. */
export interface ReadingRequest {
  /** Of the plan or the run. */
  readonly id: string;
  readonly serverId: string;
  readonly moment: ReadingMoment;
  /** The plan by whose relations they are read; absent: by those that are declared now. */
  readonly planId?: string;
  /** Names of servers that go back together with it: they are not asked. Absent: none. */
  readonly together?: readonly string[];
}

/** What servers say of each other; queue `control`. */
export interface RelationActivities {
  /**
   * Which servers are asked what, for the relations in which this server goes back in time. What cannot be asked as it is declared is written down as that. Servers
   * that are out of service are not asked. Empty: no rules judge it.
   */
  readingJobs(request: ReadingRequest): Promise<readonly ProbeJob[]>;
  /** The same for an image (`capture`), and of which relations nothing can be read, because their profiles are not there: these are written down as not read. */
  readingsOfImage(request: Pick<ReadingRequest, 'id' | 'serverId'>): Promise<ImageReadings>;
  /** Nobody could be asked: each of its markers is written down as not read. */
  recordUnread(job: ProbeJob, why: ErrorSummary): Promise<void>;
  /** Where the peers of a plan's relations are, and the other members of its set. */
  peersOf(planId: string): Promise<readonly ProbeJob['target'][]>;
  /** What rules make of what was read in this moment of a run, beside what was accepted with its plan. */
  judgeRun(request: { readonly runId: string; readonly planId: string; readonly moment: Exclude<ReadingMoment, 'capture' | 'plan'> }): Promise<RunJudgement>;
  /** What stands against the undo of a restore by what was read right before it (`recheck`), and that its plan does not say. Empty: nothing does. */
  judgeUndo(request: { readonly runId: string; readonly planId: string }): Promise<readonly Finding[]>;
  /** What rules make of a server that an undo has brought back, by what was read since (`live`), beside what was accepted with its plan. */
  judgeUndone(request: { readonly runId: string; readonly planId: string }): Promise<RunJudgement>;
}

/** Judging newest images before they are needed; queue `control`. */
export interface JudgementActivities {
  /** For whom a judgement is asked for now. */
  dueJudgements(): Promise<DueJudgements>;
  /** Judges these servers by what was read for them last, and writes it down. One that has no usable image any more is not judged. */
  judgeStored(request: { readonly begunAt: string; readonly serverIds: readonly string[] }): Promise<JudgedCounts>;
  /** It could not even be found out whom to ask: that is what is known of it. */
  recordUnjudged(request: { readonly begunAt: string; readonly serverId: string; readonly why: ErrorSummary }): Promise<void>;
}

/** So many servers were judged, and so many of these could not come back alone, or nobody knows. */
export interface JudgedCounts {
  readonly judged: number;
  readonly block: number;
  readonly unknown: number;
}

/** Asks servers near one hypervisor, by whatever relation; queue `host.<hypervisor>`. */
export interface PeerActivities {
  /** Asks, once more what did not answer in time, writes down what was answered or why not, and throws for nothing that the server does. Called again: asks again. */
  readMarkers(job: ProbeJob): Promise<ReadCounts>;
  /** Runs what a rule has done in the guest of a peer; as `applyChange`, without a fence: no run holds that server. */
  runInPeer(target: ProbeJob['target'], program: StepProgram): Promise<AppliedChange>;
}

/** Reads and judgements that need the catalogue; queue `control`. */
export interface PlanningActivities {
  /**
   * Has what is restored back from an off-site repository, with what it builds on and the data that comes back after it, where it is not whole here; waits until
   * it is there. Gives the recovery point that is restored: the one that was asked for, else the newest that has a copy. Throws `OFFSITE_OFFLINE` and
   * `OFFSITE_UNREACHABLE` at once (a person waits for the plan), `NO_RECOVERY_POINT`, and what a fetch throws.
   */
  fetchForPlan(input: FetchForPlan): Promise<string>;
  /**
   * Chooses the recovery point and says where it lies. `findCompatible`: by what was read for this plan before; throws `NO_COMPATIBLE_RECOVERY_POINT`. Throws
   * `NO_RECOVERY_POINT`, and what a recovery point is refused with that was named.
   */
  choosePlanSource(input: PlanRestoreInput): Promise<PlanSource>;
  /**
   * Makes the plan from the survey, hashes and stores it. Idempotent. Throws `DISK_NOT_FOUND`, `DISK_NOT_KEEPABLE`, `OLD_DISK_NOT_ATTACHABLE` for disks with
   * which what was asked for cannot be done.
   */
  composePlan(source: PlanSource, survey: RestoreSurvey): Promise<void>;
  /** Chooses the data recovery point, and checks that it holds what is asked for. */
  chooseDataSource(input: PlanDataInput): Promise<DataPlanSource>;
  composeDataPlan(source: DataPlanSource, survey: DataSurvey): Promise<void>;
  failPlan(planId: string, error: ErrorSummary): Promise<void>;
  /** Finds the way back and what the catalogue knows about it. Throws `WAY_BACK_…`. */
  chooseUndoSource(input: PlanUndoInput): Promise<UndoSource>;
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
  /**
   * What has come since this plan that it does not name, a clause each: configuration changes that its run would take from the server, and of the plan of a server's restore
   * relations that nobody would be asked about.
   */
  changesSincePlan(planId: string): Promise<readonly string[]>;
  /** Which configuration changes the disks of the server held at a moment, ISO 8601. Read under the server's lock. */
  changesAt(serverId: string, at: string): Promise<GenerationChanges>;
  /** What an incremental of this run could continue: of the disks that the server has now, in the same repository. Read under the server's lock. */
  parentCandidates(input: BackupImageInput): Promise<ParentCandidates>;
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
  /** The newest data of each data set that is declared, and why one is not restored. Absent in histories of earlier versions. */
  readonly data?: readonly DataChoice[];
  readonly incidentAt?: string | null;
  /** The server is out of service. Absent: it is in service. */
  readonly decommissioned?: Decommissioning;
  /** Absent in histories of earlier versions. */
  readonly lostChanges?: LostChanges;
  /** They are not applied again. Absent: true. */
  readonly leaveChanges?: boolean;
  /** Passwords that were changed since are left as the image has them. Absent: false. */
  readonly leaveCredentials?: boolean;
  /** It was chosen because the peers accept it. Absent: no. */
  readonly findCompatible?: boolean;
  /** The servers that are restored together with it. Absent: none. */
  readonly set?: SetOfPlan;
}

/** What is restored of one data set after an image. */
export interface DataChoice {
  readonly dataSet: string;
  /** Null: nothing. */
  readonly planned: PlannedData | null;
  /**
   * `newest`: it is used. `none`: it has no usable recovery point. `older`: they are all older than the image. `left-out`: the image alone was asked for.
   * `disks-kept`: disks stay as they are, and what lies on them is newer than any recovery point.
   */
  readonly why: 'newest' | 'none' | 'older' | 'left-out' | 'disks-kept';
  /** Point in time of the newest usable one; null when there is none. */
  readonly newestAt: string | null;
  /** PostgreSQL: major version when the recovery point was taken, and the one that the last recovery point before the image says; null where nobody knows. */
  readonly engine: { readonly dump: number; readonly image: number | null } | null;
}

export interface DataPlanSource {
  readonly planId: string;
  readonly runId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly uuid: string;
  readonly hypervisor: string;
  readonly point: DataRecoveryPointView;
  readonly item: DataRestoreItem;
  readonly selection: DataSelection;
  readonly measuredRecoverySeconds: readonly number[];
  readonly incidentAt: string | null;
  /** As in `PlanSource`. */
  readonly decommissioned?: Decommissioning;
  /** Of the accounts that the recovery point remembers, where they are declared now. Absent: none is. */
  readonly credentials?: readonly CredentialDeclaration[];
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
  /** What the server has now, and the disks that it returns to have not. Absent in histories of earlier versions. */
  readonly lostChanges?: LostChanges;
}

export interface Decision {
  readonly actor: string;
  readonly reason: string;
  readonly at: string;
  /** Of a sign-off: ids of the changes that are not applied again. Absent: none. */
  readonly notApplied?: readonly string[];
}

/** A configuration change that a program in the guest applies again. */
export interface ProgrammedChange {
  readonly id: string;
  readonly title: string;
  readonly argv: GuestArgv;
  readonly timeoutSeconds: number;
}

/** What came of it. */
export interface AppliedChange {
  readonly isApplied: boolean;
  /** Exit code and the end of what the program said, for people; or why it did not end. */
  readonly evidence: string;
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

/** Dumps that lie in the guest's spool directory. */
export interface DumpedData {
  readonly content: PostgresqlContent;
  /** By the clock of the worker, before the first dump began. */
  readonly pointInTime: string;
}

/** What was fetched for one item of a restore. */
export interface FetchedData {
  readonly bytes: number;
  /** Files: what was compared, as a checksum. When the guest has changed until it is put in place, it is fetched again. Null: a dump. */
  readonly digest: string | null;
}

/** What was put in place, or put back. */
export interface PlacedData {
  readonly record: KeptDataRecord;
  /** Sentences for people: what is not as they may expect it, at most 20. */
  readonly notes: readonly string[];
  /** False: something that was restored could not be put in place, and lies with what is kept. */
  readonly complete: boolean;
}

/** What restic has saved of one data set. */
export interface SavedData {
  readonly snapshotId: string;
  /** From this moment on nothing is in it. */
  readonly pointInTime: string;
  readonly content: FilesContent | PostgresqlContent;
  readonly totalBytes: number;
  readonly addedBytes: number;
  readonly resticVersion: string;
}

/**
 * Calls about data, in the guest and in the data repository; queue `host.<hypervisor>`. Each looks before it acts; those that put back or give up data in the
 * guest ask for the run's fence first (`FENCED_OFF`).
 */
export interface DataActivities {
  /**
   * Agent, restic, database server and repository are there; makes the server's repository where it is missing. Throws the first reason why no data can be
   * saved.
   */
  examineDataSets(input: BackupDataInput): Promise<{ readonly restic: string; readonly agentVersion: string | null }>;
  /** The same for a restore, and what stands against it now: findings of a database, as in a plan. Files are compared again when they are fetched. */
  examineDataRestore(
    input: RunInput,
    item: DataRestoreItem,
  ): Promise<{ readonly restic: string; readonly agentVersion: string | null; readonly findings: readonly Finding[] }>;
  /**
   * Runs the declared program of a data set, once as far as that can be told: one that may have begun is not begun again after silence, only after the death
   * of a worker.
   */
  runDataHook(input: RunInput, item: DataBackupItem, which: 'before' | 'after'): Promise<{ readonly exitCode: number }>;
  /** From outside the guest: everything that was declared is in the snapshot, with the sizes that were reported. */
  verifySavedData(input: RunInput, item: DataBackupItem, saved: SavedData): Promise<{ readonly files: number; readonly totalBytes: number }>;
  /** Writes the manifest into the repository, then makes the recovery point visible as usable. Idempotent. `credentials` absent: none was declared. */
  publishData(
    input: RunInput & { readonly reason: string },
    item: DataBackupItem,
    saved: SavedData,
    purpose: DataPurpose,
    credentials?: readonly CredentialReference[],
  ): Promise<void>;
  /** Removes what the run has spooled in the guest. Idempotent. */
  discardSpool(input: RunInput, dataSet: DataBackupItem['dataSet']): Promise<void>;
  /** Everything the plan of a data restore is made from. Read-only. */
  surveyData(source: DataPlanSource): Promise<DataSurvey>;
  /**
   * Undoes what this run has fetched and put in place for the item. Nothing of it there: nothing. `leftBehind`: what others have written meanwhile stays in the
   * guest, and where.
   */
  takeDataBack(input: RunInput, item: DataRestoreItem): Promise<{ readonly leftBehind?: string }>;
  /** Removes what was fetched, once it is in place. Idempotent. */
  discardFetched(input: RunInput, item: DataRestoreItem): Promise<void>;
  /** What an undo of this would lose. Read-only. */
  surveyDataUndo(input: Pick<RunInput, 'serverId' | 'uuid' | 'serverName' | 'hypervisor'>, record: KeptDataRecord): Promise<NonNullable<UndoSurvey['data']>>;
  /** Deletes what a data restore has kept in the guest. Idempotent. */
  discardKeptData(input: RunInput, record: KeptDataRecord): Promise<void>;
}

/**
 * Long work on data in the guest; queue `host.<hypervisor>.transfer`. `stepKey`: the step whose progress people see. What a restore fetches, loads, puts in
 * place or returns is written under the run's fence (`FENCED_OFF`).
 */
export interface DataTransferActivities {
  /** Dumps the databases of a data set into its spool directory, and reads the dumps to their end. */
  dumpDataSet(input: RunInput, item: DataBackupItem): Promise<DumpedData>;
  /** Saves a data set, or its dumps (`dumped`), with restic. A snapshot that an earlier attempt has finished is adopted. */
  saveDataSet(input: RunInput, item: DataBackupItem, dumped: DumpedData | null): Promise<SavedData>;
  /**
   * Fetches what is selected into a directory beside its place; nothing in use is touched. `PLAN_STALE` when many more files would be replaced than the plan
   * says (`plannedReplaced`; null: nobody has counted).
   */
  fetchData(input: RunInput, item: DataRestoreItem, stepKey: string, plannedReplaced: number | null): Promise<FetchedData>;
  /**
   * Whole databases: loads the dump beside the live one, and checks it. Others: nothing. `restored`: the server has just come back from an image, its roles are
   * older than the recovery point and get to be as saved.
   */
  loadData(input: RunInput, item: DataRestoreItem, stepKey: string, server: 'running' | 'restored'): Promise<Pick<PlacedData, 'notes'>>;
  /** Puts it in place. Says what was kept of what stood there. `PLAN_STALE` as `fetchData`. */
  placeData(input: RunInput, item: DataRestoreItem, fetched: FetchedData, stepKey: string, plannedReplaced: number | null): Promise<PlacedData>;
  /** Puts back what a data restore has replaced, and keeps what stands there now. */
  returnData(input: UndoInput, record: KeptDataRecord): Promise<PlacedData>;
}

/** Long copies; queue `host.<hypervisor>.transfer`. They heartbeat as long as the adapter does not take them for stalled. */
export interface TransferActivities {
  copyDiskToRepository(input: BackupImageInput, disk: BackupDisk): Promise<CopiedDisk>;
  /** Waits until QEMU's job has written all disks; adopts a job that an earlier attempt had begun to follow. */
  followOnlineBackup(input: BackupImageInput, subject: BackupSubject): Promise<{ readonly virtualSizeBytes: Readonly<Record<string, number>> }>;
  /** Hashes an image that QEMU has written completely. */
  hashStagedDisk(input: BackupImageInput, disk: BackupDisk, virtualSizeBytes: number): Promise<CopiedDisk>;
  /**
   * Makes an image that holds what has changed whole, with what it builds on, and reads all of that to see that it is what was written. The server is not read
   * again. Called again: nothing, once it is whole.
   */
  mergeStagedDisk(input: BackupImageInput, disk: BackupDisk, basis: ImageBasis): Promise<void>;
  /** Copies one image into its new volume and checks every stored byte on the way. */
  copyDiskToVolume(input: RestoreServerInput, plan: RestorePlanBody, target: string): Promise<void>;
}

/** One image of a recovery point that is read. */
export interface ImageToRead {
  readonly target: string;
  readonly image: StoredImage;
}

/** Reading stored recovery points; queue `host.<hypervisor>.verification`. They change nothing, and heartbeat as long as bytes are read. */
export interface VerificationActivities {
  /** Manifest, definition and firmware variables of an image are what was written, and every file is there; gives the images to be read. */
  openForVerification(input: VerificationInput): Promise<readonly ImageToRead[]>;
  /** Reads one image. `before`: bytes of those that were read before it, for people. */
  readImage(input: VerificationInput, image: ImageToRead, progress: { readonly before: number; readonly total: number }): Promise<void>;
  /**
   * Which data recovery points of the server are in its repository, of those that the catalogue knows. Throws `DATA_REPOSITORY_FAILED` (later) where it holds
   * none of them: another repository was put in its place.
   */
  listData(input: VerificationInput): Promise<DataInRepository>;
  /** Everything that is needed is there, and a part of the bytes is what was written (`VerificationInput.part`). */
  checkData(input: VerificationInput): Promise<void>;
  /** Reads all that a data recovery point needs. */
  readData(input: VerificationInput, recoveryPointId: string): Promise<void>;
  /**
   * Boots an image without any network, waits for its agent, makes the declared health checks that need no network, and throws all of it away. What an attempt
   * that died has left is removed first. Throws `START_FAILED`, `AGENT_SILENT` and `AGENT_ABSENT` (both final here), `HEALTH_CHECK_FAILED`,
   * `NOT_ENOUGH_MEMORY` (later).
   */
  proveBoot(input: VerificationInput): Promise<BootResult>;
}

export interface DataInRepository {
  /** Usable ones that are there, newest first. */
  readonly found: readonly string[];
  /** Those of them of which all bytes were read before. */
  readonly readBefore: readonly string[];
  readonly missing: readonly { readonly recoveryPointId: string; readonly why: string }[];
  /** Those that were missing before, and are there. */
  readonly returned: readonly string[];
}

/**
 * Transfers to and from off-site repositories; queue `host.<hypervisor>.offsite`. They heartbeat as long as the adapter works, and are begun again where they
 * died: what is stored already is not moved twice. `before`, `total`: bytes moved before this one, and in all, for people.
 */
export interface OffsiteActivities {
  /** Copies one recovery point as it lies here, after a look that it is the one that was recorded and complete. */
  copyOffsite(input: TransferInput, point: TransferPoint, progress: { readonly before: number; readonly total: number }): Promise<MadeCopy>;
  /**
   * Has one back where it lay: fetched beside, every byte read and compared with its manifest, published under its own id. Null: it is there, as far as can be
   * seen without reading all of it, and was left alone.
   * Throws `NOT_ENOUGH_SPACE` before anything is fetched.
   */
  fetchOffsite(input: TransferInput, point: TransferPoint, progress: { readonly before: number; readonly total: number }): Promise<FetchedPoint | null>;
  /** What a fetch that has ended for good has left half-made. */
  discardOffsite(input: TransferInput): Promise<void>;
  /** Of the copies that the catalogue knows: which are there, and which are not. */
  listOffsite(input: TransferInput): Promise<{ readonly missing: readonly string[]; readonly there: readonly string[] }>;
  /** Nothing that any copy needs is missing, and a part of the bytes is what was written. */
  checkOffsite(input: TransferInput): Promise<void>;
  /** Reads all bytes of one copy. */
  readOffsite(input: TransferInput, recoveryPointId: string): Promise<void>;
  /** Removes copies for good. */
  forgetOffsite(input: TransferInput): Promise<void>;
}
