import type { LostChange, RecordedChange } from './change';
import type { PlannedCredential, SurveyedCredential } from './credential';
import type { ErrorSummary } from './errors';
import type { DataChange, DataContent, DataSelection, DataSet } from './data';
import type { HealthCheck } from './protection';
import type { ImageManifest, RecoveryPointKind } from './recovery-point';
import type { Retrying, RunKind } from './run';
import type { DiskFormat, PowerState, ServerInspection } from './server';
import type { KeptDataRecord, StateBefore, WayBackFacts } from './way-back';
import type { PlannedRelation, PlannedRelationStep } from './reading';
import type { SetOfPlan } from './restore-set';
import type { DataRestoreItem } from './workflows';

export const RESTORE_SCENARIOS = ['server', 'data'] as const;
export type RestoreScenario = (typeof RESTORE_SCENARIOS)[number];
export const PLAN_SCENARIOS = [...RESTORE_SCENARIOS, 'undo'] as const;
export type PlanScenario = (typeof PLAN_SCENARIOS)[number];
/** What a restore begins with. */
export const RECOVERY_POINT_KIND_OF = { server: 'image', data: 'data' } as const satisfies Record<RestoreScenario, RecoveryPointKind>;
/** What carries a plan out. */
export const RUN_KIND_OF = { server: 'restore-server', data: 'restore-data', undo: 'undo' } as const satisfies Record<PlanScenario, RunKind>;
export const FINDING_SEVERITIES = ['ok', 'warn', 'step', 'block', 'unknown'] as const;
export type FindingSeverity = (typeof FINDING_SEVERITIES)[number];

/** What a rule or a pre-flight check says in a plan. `block` stops the run. */
export interface Finding {
  /** Stable, such as `DISK_SET_DIFFERS`. */
  readonly code: string;
  readonly severity: FindingSeverity;
  readonly message: string;
  /** What would make it good. */
  readonly remedy?: string;
  /** Facts behind it, one line each. */
  readonly evidence: readonly string[];
  /** The relation that it is about. What rules of a relation find may be overridden or acknowledged; nothing else may. Absent: none. */
  readonly relation?: FindingRelation;
  /** Of what is not known about a relation: codes of the rules that it leaves undecided, sorted. */
  readonly leavesOpen?: readonly string[];
  /**
   * Of what is not known about a relation: what it is, such as `peer.entries.now`, sorted. In quarantine and after go-live, who has acknowledged it in the plan has
   * acknowledged nothing else. Of a comparison that says nothing: the names of its markers. Absent: earlier versions have made the plan.
   */
  readonly notKnown?: readonly string[];
  /** And nothing that was asked of this side is known: who has acknowledged that has acknowledged that it does not answer, whatever it is asked later. Absent: something is. */
  readonly nothingKnown?: true;
  /** Of what a rule finds: restoring both servers, to recovery points that agree, settles it best. */
  readonly together?: true;
}

export interface FindingRelation {
  readonly name: string;
  readonly peer: string;
  /** Null: the relation names none. */
  readonly profile: string | null;
}

/** What going back to a generation does to the configuration of its server. */
export interface LostChanges {
  /** The server has them; the generation does not, or not wholly. In the order of their completion. */
  readonly changes: readonly LostChange[];
  /** They are being made: what was done of them on the disks that go is lost. In the order in which they were opened. Absent: none, or an earlier version has made the plan. */
  readonly open?: readonly RecordedChange[];
  /** The generation has them; the server does not. */
  readonly returning: readonly RecordedChange[];
  /** False: an earlier version has taken the generation, and what it contains is not known. */
  readonly isKnown: boolean;
  /** Against the newest image of the disks that the server has now; null: there is none but the one that is restored, or one of them has no facts. */
  readonly drift: { readonly of: number; readonly generation: number; readonly sentences: readonly string[] } | null;
  /** Absent: all of it was compared; or an undo or an earlier version has made the plan, and nobody has asked. */
  readonly notCompared?: FactsNotCompared;
  /** Against the server itself, which says more than any image of it. Absent: nobody has asked, because an undo or an earlier version has made the plan. */
  readonly now?: FactsNow;
}

/** The server as it was while the plan was made, beside the generation that is restored. */
export type FactsNow =
  | {
      readonly state: 'compared';
      /** The generation. */
      readonly of: number;
      /** ISO 8601: when its guest agent began to tell. */
      readonly at: string;
      /** In what the server differs from the generation, a line for each kind, with some names: what it told is kept nowhere. Empty: in nothing that was compared. */
      readonly sentences: readonly string[];
      /** What could not be compared, a line each. */
      readonly gaps: readonly string[];
    }
  | {
      readonly state: 'not-compared';
      /**
       * `gone`: its hypervisor does not know it. `off`: it does not run. `no-agent`: its guest agent does not answer. `no-facts`: there are none of the generation. `failed`:
       * it was asked, or was to be asked, and has told nothing in time.
       */
      readonly why: 'gone' | 'off' | 'no-agent' | 'no-facts' | 'failed';
      /** A clause, without a full stop. */
      readonly reason: string;
    };

/** Why nobody can say, or not of everything, in what the server differs from a generation beside its registered changes. */
export interface FactsNotCompared {
  /**
   * `newest`: no later image of the disks that the server has now tells what has become of it. `no-image`: there is no image of those disks at all. `no-facts`: what the
   * server was when an image was taken could not be collected. `in-part`: some of it could not.
   */
  readonly why: 'newest' | 'no-image' | 'no-facts' | 'in-part';
  /** Those that it is about. */
  readonly generations: readonly number[];
  /** What is missing, a line each. */
  readonly sentences: readonly string[];
}

/** Room in one directory that a restore writes to. */
export interface SpaceNeed {
  readonly directory: string;
  /** Sum of the stored images' sizes: raw and qcow2 volumes are both written sparsely. */
  readonly neededBytes: number;
  readonly freeBytes: number;
}

/** Where a restore would put its volumes, as its hypervisor says. Without those of the disks that are kept. */
export interface RestoreTargets {
  readonly volumes: readonly PlannedVolume[];
  readonly nvramNewPath: string | null;
  readonly space: readonly SpaceNeed[];
  /** Of the media in CD-ROM and floppy drives, in the present definition or the recovery point's: files that are not on the host. */
  readonly missingMedia: readonly string[];
}

/** Everything a plan is made from: what stands on the hypervisor now and what the recovery point holds. */
export interface RestoreSurvey {
  /** Null: the hypervisor no longer knows the server. */
  readonly present: ServerInspection | null;
  readonly manifest: ImageManifest;
  readonly manifestSha256: string;
  readonly targets: RestoreTargets;
  /** What a restore reads of the images. Absent in histories of earlier versions. */
  readonly reads?: ReadsOfRestore;
  /** What secret stores say now. Absent: nobody has asked, because there is nothing to ask for. */
  readonly credentials?: readonly SurveyedCredential[];
  /** The server itself beside what is restored. Absent: nobody has asked. */
  readonly factsNow?: FactsNow;
}

/** An incremental is read with all that it builds on. */
export interface ReadsOfRestore {
  readonly recoveryPoints: number;
  readonly bytes: number;
}

/** One disk's way from the recovery point to its new volume. */
export interface PlannedVolume {
  readonly target: string;
  /** Null when the server has no such disk now. */
  readonly replacesPath: string | null;
  readonly newPath: string;
  readonly format: DiskFormat;
  readonly virtualSizeBytes: number;
  readonly flattened: boolean;
}

/** A disk that stays as it is now: the same file, with everything that is written to it. */
export interface KeptDisk {
  readonly target: string;
  readonly path: string;
  /** What the guest sees. */
  readonly virtualSizeBytes: number;
}

/**
 * The present volume of a disk that is restored, attached read-only to the restored server while it runs, so that people can copy from it what is missing. It
 * is the way back's file all the time.
 */
export interface OldDisk {
  readonly target: string;
  readonly path: string;
  readonly format: DiskFormat;
}

export interface PlannedStep {
  /** A `StepKey` of the version that made the plan. */
  readonly key: string;
  readonly title: string;
}

/** Identity card: what the responder compares before typing the server's name. */
export interface ServerIdentity {
  readonly serverId: string;
  readonly name: string;
  readonly uuid: string;
  readonly hypervisor: string;
  readonly domainName: string | null;
  readonly macs: readonly string[];
  /** Null when the hypervisor no longer knows the server. */
  readonly powerState: PowerState | null;
}

/** What the plan was made from; the run compares it with the world again before it touches anything. */
export interface PlanBasis {
  readonly definitionFingerprint: string | null;
  readonly disks: readonly { readonly target: string; readonly path: string }[];
  readonly recoveryPointId: string;
  /** Checksum of the recovery point's manifest as it lies in the repository. */
  readonly manifestSha256: string;
}

/** What is lost: from the point in time of what is restored to the incident. */
export interface RecoveryLoss {
  readonly incidentAt: string;
  /** Of the oldest recovery point that is used. */
  readonly pointInTime: string;
  readonly seconds: number;
}

/** A data recovery point that is restored into the server after its image. */
export interface PlannedData {
  readonly item: DataRestoreItem;
  readonly pointInTime: string;
}

export type Estimate = { readonly p50Seconds: number; readonly p90Seconds: number; readonly basedOnRuns: number } | null;

/** The immutable content of a plan; its hash binds confirmation and run to exactly this. */
export interface RestorePlanBody {
  readonly planId: string;
  /** The id that the run which carries this plan out will have: its new volumes are named after it. */
  readonly runId: string;
  readonly scenario: 'server';
  readonly server: ServerIdentity;
  readonly recoveryPoint: {
    readonly id: string;
    readonly generation: number;
    readonly pointInTime: string;
    readonly consistency: string;
    readonly reason: string;
    readonly repository: string;
    /** Absent in plans of earlier versions. */
    readonly reads?: ReadsOfRestore;
  };
  /** Which definition the restored server gets. */
  readonly definitionFrom: 'present' | 'recovery-point';
  readonly volumes: readonly PlannedVolume[];
  /** Absent in plans of earlier versions: none. See `keptDisksOf`. */
  readonly keptDisks?: readonly KeptDisk[];
  /** Absent in plans of earlier versions: none. */
  readonly oldDisks?: readonly OldDisk[];
  readonly nvramNewPath: string | null;
  readonly renewsGenerationId: boolean;
  /** MACs whose links are down until go-live. */
  readonly quarantinedMacs: readonly string[];
  readonly healthChecks: readonly HealthCheck[];
  /** Restored in quarantine, after the image. Absent in plans of earlier versions. */
  readonly data?: readonly PlannedData[];
  /** Absent in plans of earlier versions. */
  readonly loss?: RecoveryLoss;
  /** How the server was when the plan was made. */
  readonly before: StateBefore;
  readonly steps: readonly PlannedStep[];
  readonly findings: readonly Finding[];
  /** What goes back in time or is lost, in sentences. */
  readonly losses: readonly string[];
  /** Absent in plans of earlier versions. */
  readonly lostChanges?: LostChanges;
  /** Whether the changes that are lost are applied again before go-live, by programs and by people. Absent: no. */
  readonly appliesChanges?: boolean;
  /** What rules were judged by: they are judged again before the server is replaced, before go-live and after it. Absent: none. */
  readonly relations?: readonly PlannedRelation[];
  /** What rules ask to be done, beside the restore itself. Absent: nothing. */
  readonly relationSteps?: readonly PlannedRelationStep[];
  /** Of each account that is declared now, or that the image remembers. Absent: none is. */
  readonly credentials?: readonly PlannedCredential[];
  /** The servers that are restored together with this one. Absent: it is restored alone. */
  readonly restoreSet?: SetOfPlan;
  readonly space: readonly SpaceNeed[];
  /** Restores measured before; null below three. Seconds. */
  readonly estimate: Estimate;
  readonly basis: PlanBasis;
  readonly createdAt: string;
}

export const keptDisksOf = ({ keptDisks }: Pick<RestorePlanBody, 'keptDisks'>): readonly KeptDisk[] => keptDisks ?? [];

/** What stands in the guest now and in the recovery point, for the plan of a data restore. */
export interface DataSurvey {
  readonly present: ServerInspection;
  readonly changes: readonly DataChange[];
  readonly findings: readonly Finding[];
  readonly losses: readonly string[];
  /** As in `RestoreSurvey`. */
  readonly credentials?: readonly SurveyedCredential[];
}

/** The immutable content of the plan of a data restore into a running server. */
export interface DataRestorePlanBody {
  readonly planId: string;
  readonly runId: string;
  readonly scenario: 'data';
  readonly server: ServerIdentity;
  readonly recoveryPoint: {
    readonly id: string;
    readonly dataSet: DataSet;
    readonly pointInTime: string;
    readonly snapshotId: string;
    readonly reason: string;
    readonly content: DataContent;
  };
  readonly selection: DataSelection;
  readonly changes: readonly DataChange[];
  readonly before: StateBefore;
  readonly steps: readonly PlannedStep[];
  readonly findings: readonly Finding[];
  readonly losses: readonly string[];
  readonly loss: RecoveryLoss;
  /** Of each account that the recovery point remembers; none is set. Absent: it remembers none. */
  readonly credentials?: readonly PlannedCredential[];
  readonly estimate: Estimate;
  readonly createdAt: string;
}

/** One disk's way from the present volume to the kept one. */
export interface ReturnedVolume {
  readonly target: string;
  /** Kept, so that undoing the undo brings it back. Null: the server has no such disk now. */
  readonly presentPath: string | null;
  /** Null: the kept definition has no such disk. The present path: the swap that is undone has left this disk as it was, and the undo does too. */
  readonly returnsToPath: string | null;
  /** Bytes QEMU has written to the present volume since the server was started; null when it is off. */
  readonly writtenBytes: number | null;
}

/** What stands on the hypervisor now, and what would be returned to. */
export interface UndoSurvey {
  /** Null: the hypervisor no longer knows the server. */
  readonly present: ServerInspection | null;
  /** Null: the hypervisor's host has kept nothing of this run. */
  readonly wayBack: WayBackFacts | null;
  /** By target; empty for a server that is off. */
  readonly writtenBytes: Readonly<Record<string, number>>;
  /** Undo of a data restore only: what would go back. */
  readonly data?: { readonly changes: readonly DataChange[]; readonly findings: readonly Finding[]; readonly losses: readonly string[] } | null;
}

/** The immutable content of the plan of an undo. */
export interface UndoPlanBody {
  readonly planId: string;
  readonly runId: string;
  readonly scenario: 'undo';
  readonly server: ServerIdentity;
  readonly undoes: {
    readonly runId: string;
    readonly kind: RunKind;
    readonly swappedAt: string;
    /** Null: it has never had its production network, and nothing is lost. */
    readonly wentLiveAt: string | null;
    readonly reason: string;
  };
  readonly volumes: readonly ReturnedVolume[];
  readonly generationId: { readonly now: string | null; readonly then: string | null };
  readonly lineage: { readonly now: string; readonly then: string };
  /** How the server was before the swap that is undone. */
  readonly returnsTo: StateBefore;
  /** How it was when this plan was made: the way back of the undo itself. */
  readonly before: StateBefore;
  readonly steps: readonly PlannedStep[];
  readonly findings: readonly Finding[];
  readonly losses: readonly string[];
  /** Configuration changes that were made since, and those that return. Absent in plans of earlier versions, and of data. */
  readonly lostChanges?: LostChanges;
  /** Undo of a data restore: the volumes stay, the server runs on. */
  readonly data?: { readonly record: KeptDataRecord; readonly changes: readonly DataChange[] } | null;
  readonly basis: Pick<PlanBasis, 'definitionFingerprint' | 'disks'>;
  readonly createdAt: string;
}

export type PlanBody = RestorePlanBody | DataRestorePlanBody | UndoPlanBody;

export const PLAN_STATES = ['planning', 'ready', 'failed', 'used'] as const;
export type PlanState = (typeof PLAN_STATES)[number];

export interface RestorePlanView {
  readonly id: string;
  readonly state: PlanState;
  readonly serverId: string;
  readonly serverName: string;
  readonly scenario: PlanScenario;
  readonly requestedBy: string;
  readonly createdAt: string;
  /** SHA-256 of the canonical JSON of `body`; null until ready. */
  readonly hash: string | null;
  readonly body: PlanBody | null;
  readonly error: ErrorSummary | null;
  /** What its making tries again, or what holds it up; null: nothing, and once it is made. */
  readonly retrying: Retrying | null;
  /** The run that carried it out. */
  readonly runId: string | null;
}

/** A plan in a list: what it is about, not what it says. */
export interface RestorePlanSummary extends Omit<RestorePlanView, 'body' | 'retrying'> {
  /** The run whose swap it undoes; null: it restores. */
  readonly undoesRunId: string | null;
  /** It is carried out with the other plans of this set; null: alone. */
  readonly restoreSetId: string | null;
}
