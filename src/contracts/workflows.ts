import type { SetMembership } from './backup-set';
import type { CredentialDeclaration } from './credential';
import type { DataContent, DataSelection, DataSet } from './data';
import type { OnlineBackupLimits, QuiesceHooks } from './protection';
import type { SetOfPlan } from './restore-set';
import type { RunState } from './run';

export type BackupMode = 'offline' | 'online';

/** Workflow types by name: the API starts them without importing their code. */
export const WORKFLOW_BACKUP_IMAGE = 'backupImage';
export const WORKFLOW_BACKUP_DATA = 'backupData';
export const WORKFLOW_PLAN_RESTORE = 'planRestore';
export const WORKFLOW_PLAN_DATA = 'planDataRestore';
export const WORKFLOW_RESTORE_SERVER = 'restoreServer';
export const WORKFLOW_RESTORE_DATA = 'restoreData';
export const WORKFLOW_PLAN_UNDO = 'planUndo';
export const WORKFLOW_UNDO = 'undoRestore';
export const WORKFLOW_CONFIRM = 'confirmRestore';
/** Puts in order what a run left behind that was ended outside Modosu. Takes the input of that run. */
export const WORKFLOW_CLEAN_UP = 'cleanUpRun';

/** Brings the members of a backup set together. Takes a `BackupSetInput`. */
export const WORKFLOW_BACKUP_SET = 'backupSet';

/** Reads a stored recovery point again. Takes a `VerificationInput`. */
export const WORKFLOW_VERIFY = 'verify';

/** Copies recovery points to an off-site repository, fetches, checks or removes them there. Takes a `TransferInput`. */
export const WORKFLOW_OFFSITE = 'offsiteTransfer';

/** A schedule's time has come: writes down which backups are due. */
export const WORKFLOW_BACKUPS_DUE = 'backupsDue';

/** Judges the newest images of all servers for which that is asked, beside their peers. */
export const WORKFLOW_JUDGE_ESTATE = 'judgeEstate';

/** What every run of a server knows. Ids and small values only: never bytes, never secrets. */
export interface RunInput {
  readonly runId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly uuid: string;
  readonly hypervisor: string;
  readonly repository: string;
  readonly fencingToken: number;
  /** When the request was accepted, ISO 8601 in UTC: recovery time is measured from here. */
  readonly acceptedAt: string;
  readonly stopTimeoutSeconds: number;
  readonly agentTimeoutSeconds: number;
}

export interface BackupImageInput extends RunInput {
  readonly recoveryPointId: string;
  readonly mode: BackupMode;
  /** Online only: go on without a frozen file system, and label the recovery point `crash`. */
  readonly allowCrashConsistent: boolean;
  /** Online only: so many incrementals may follow a full. Absent in runs that an earlier version has accepted: 0, every image is whole. */
  readonly maxIncrements?: number;
  /** Online only: whole images, although incremental ones would do. Absent: false. */
  readonly full?: boolean;
  /** The set it is frozen together with. Absent: it begins by itself. */
  readonly set?: SetMembership;
  readonly quiesce: QuiesceHooks;
  readonly onlineBackup: OnlineBackupLimits;
  readonly reason: string;
}

/** One data set of one backup. */
export interface DataBackupItem {
  readonly recoveryPointId: string;
  readonly dataSet: DataSet;
}

export interface BackupDataInput extends RunInput {
  readonly items: readonly DataBackupItem[];
  /** Of which a version is remembered. Absent: none is declared, or an earlier version has accepted the run. */
  readonly credentials?: readonly CredentialDeclaration[];
  readonly reason: string;
}

/** What comes back from one data recovery point into one server. */
export interface DataRestoreItem {
  /** As it was declared when the recovery point was taken: where the data lies in it. */
  readonly dataSet: DataSet;
  readonly recoveryPointId: string;
  readonly snapshotId: string;
  readonly content: DataContent;
  readonly selection: DataSelection;
}

export interface RestoreDataInput extends RunInput {
  readonly planId: string;
  readonly planHash: string;
  /** Id of the recovery point that is taken, if it can be, before anything is changed. */
  readonly safetyRecoveryPointId: string;
  /** What that recovery point remembers a version of, as of a backup. */
  readonly credentials?: readonly CredentialDeclaration[];
  readonly reason: string;
}

export interface RestoreServerInput extends RunInput {
  readonly planId: string;
  readonly planHash: string;
  /** Stop before go-live and wait for a person. */
  readonly hold: boolean;
  readonly reason: string;
  /** The set that it goes live with. Absent: none. */
  readonly restoreSetId?: string;
  /** What stood against the plan and was accepted with the request. Absent: nothing did. */
  readonly accepted?: AcceptedFindings;
}

/** Findings of a plan that somebody has taken upon themselves. */
export interface AcceptedFindings {
  /** What would have stopped the run; with `why`. */
  readonly overridden: readonly AcceptedFinding[];
  /** Null: nothing was overridden. */
  readonly why: string | null;
  /** What is not known. */
  readonly acknowledged: readonly AcceptedFinding[];
}

export interface AcceptedFinding {
  readonly code: string;
  /** Name of the relation, and of the peer; null: it is about none. */
  readonly relation: string | null;
  readonly peer: string | null;
}

/** Returns to the volumes that another run has replaced. */
export interface UndoInput extends RunInput {
  readonly planId: string;
  readonly planHash: string;
  /** The run whose way back is taken. */
  readonly ofRunId: string;
  readonly reason: string;
  /** As of a restore. */
  readonly accepted?: AcceptedFindings;
}

/** Deletes the volumes that another run has replaced. */
export interface ConfirmInput extends RunInput {
  readonly ofRunId: string;
  readonly reason: string;
}

export interface PlanUndoInput {
  readonly planId: string;
  readonly serverId: string;
  readonly ofRunId: string;
}

/** Input of `cleanUpRun`: the run as it was accepted, and its kind. */
export type CleanUpInput = StartableRun;

/** A run that has been written down and whose workflow is to be started. */
export type StartableRun =
  | { readonly kind: 'backup-image'; readonly input: BackupImageInput }
  | { readonly kind: 'backup-data'; readonly input: BackupDataInput }
  | { readonly kind: 'restore-server'; readonly input: RestoreServerInput }
  | { readonly kind: 'restore-data'; readonly input: RestoreDataInput }
  | { readonly kind: 'undo'; readonly input: UndoInput }
  | { readonly kind: 'confirm'; readonly input: ConfirmInput };

/** A plan that has been written down and is to be made. */
export type StartablePlan =
  | { readonly scenario: 'server'; readonly input: PlanRestoreInput }
  | { readonly scenario: 'data'; readonly input: PlanDataInput }
  | { readonly scenario: 'undo'; readonly input: PlanUndoInput };

export interface PlanRestoreInput {
  readonly planId: string;
  readonly serverId: string;
  /** Null: the newest usable one, not younger than the incident. */
  readonly recoveryPointId: string | null;
  /** Targets of the disks that the server keeps as they are now. Absent in plans that an earlier version has started: none. */
  readonly keepDisks?: readonly string[];
  /** Targets of the disks whose old volumes are attached read-only to the restored server. Absent: none. */
  readonly attachOldDisks?: readonly string[];
  /** The image alone, without the data that was saved after it. */
  readonly noData?: boolean;
  /** Restores of a server: configuration changes that are lost are not applied again. Absent: true, as in plans of earlier versions. */
  readonly leaveChanges?: boolean;
  /** Restores of a server: passwords that were changed since are left as the image has them. Absent: false. */
  readonly leaveCredentials?: boolean;
  /**
   * When what is to be mended has happened, ISO 8601; null: now. What is lost is counted up to it. Absent in plans that an earlier version has started, as is
   * the one above.
   */
  readonly incidentAt?: string | null;
  /** Off-site repository from which what is restored is fetched first, where it is not whole here. Absent: nothing is fetched. */
  readonly from?: string;
  /** Not the newest one, but the newest that the peers accept; with `recoveryPointId` null, and without `from`. Absent: the newest. */
  readonly findCompatible?: boolean;
  /** The servers that are restored together with it. Absent: none. */
  readonly set?: SetOfPlan;
}

export interface PlanDataInput {
  readonly planId: string;
  readonly serverId: string;
  readonly dataSet: string;
  /** Null: the newest usable one of the data set, not younger than the incident. */
  readonly recoveryPointId: string | null;
  readonly selection: DataSelection;
  readonly incidentAt: string | null;
  /** As above. */
  readonly from?: string;
}

export interface RunResult {
  readonly state: Extract<RunState, 'succeeded' | 'failed' | 'cancelled'>;
}

/** Signal: a person has decided; the decision itself is read from PostgreSQL. */
export const SIGNAL_DECIDED = 'decided';

/** Query: the steps as the workflow sees them. */
export const QUERY_STEPS = 'steps';

/** Typed search attributes, registered at start. */
export const SEARCH_ATTRIBUTES = {
  ModosuServer: 'KEYWORD',
  ModosuHypervisor: 'KEYWORD',
  ModosuKind: 'KEYWORD',
  ModosuRun: 'KEYWORD',
} as const;
