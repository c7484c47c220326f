import type { GenerationChanges } from '../change';
import type { CredentialDeclaration } from '../credential';
import type { DataSelection, GuestArgv } from '../data';
import type { ErrorSummary } from '../errors';
import type { DataSurvey, LostChanges, PlanBody, PlannedData, RestoreSurvey, UndoSurvey } from '../plan';
import type { Protection } from '../protection';
import type { DataRecoveryPointView } from '../recovery-point';
import type { SetOfPlan } from '../restore-set';
import type { DecisionKind, RunKind } from '../run';
import type { Decommissioning } from '../server';
import type { WayBackView } from '../way-back';
import type { BackupImageInput, DataRestoreItem, PlanDataInput, PlanRestoreInput, PlanUndoInput } from '../workflows';
import type { StepRecord } from './catalogue';
import type { ParentCandidates } from './images';

/**
 * What plans are made of, and what a run looks up of its own. Activity interfaces, shared by workflows (which call them) and `activities/` (which implement them). Arguments and results travel through Temporal's history: ids,
 * paths and small summaries only.
 */

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
  /** Whether somebody has asked for the run to stop: Temporal may not have heard of it yet. */
  isCancelRequested(runId: string): Promise<boolean>;
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

/** What every plan begins from: its own id and the one that its run would have, and which server it is for. */
export interface PlanSubject {
  readonly planId: string;
  readonly runId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly uuid: string;
  readonly hypervisor: string;
}

export interface PlanSource extends PlanSubject {
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

export interface DataPlanSource extends PlanSubject {
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

export interface UndoSource extends PlanSubject {
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

export interface RunTrace {
  readonly steps: readonly StepRecord[];
  readonly wayBack: WayBackView | null;
  readonly cancelRequested: boolean;
}
