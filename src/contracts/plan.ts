import type { ErrorSummary } from './errors';
import type { ImageManifest } from './recovery-point';
import type { DiskFormat, PowerState, ServerInspection } from './server';

export type RestoreScenario = 'server';
export type FindingSeverity = 'ok' | 'warn' | 'step' | 'block' | 'unknown';

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
}

/** Room in one directory that a restore writes to. */
export interface SpaceNeed {
  readonly directory: string;
  /** Sum of the stored images' sizes: raw and qcow2 volumes are both written sparsely. */
  readonly neededBytes: number;
  readonly freeBytes: number;
}

/** Where a restore would put its volumes, as its hypervisor says. */
export interface RestoreTargets {
  readonly volumes: readonly PlannedVolume[];
  readonly nvramNewPath: string | null;
  readonly space: readonly SpaceNeed[];
}

/** Everything a plan is made from: what stands on the hypervisor now and what the recovery point holds. */
export interface RestoreSurvey {
  /** Null: the hypervisor no longer knows the server. */
  readonly present: ServerInspection | null;
  readonly manifest: ImageManifest;
  readonly manifestSha256: string;
  readonly targets: RestoreTargets;
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

export interface PlannedStep {
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

/** The immutable content of a plan; its hash binds confirmation and run to exactly this. */
export interface RestorePlanBody {
  readonly planId: string;
  /** The id that the run which carries this plan out will have: its new volumes are named after it. */
  readonly runId: string;
  readonly scenario: RestoreScenario;
  readonly server: ServerIdentity;
  readonly recoveryPoint: {
    readonly id: string;
    readonly generation: number;
    readonly pointInTime: string;
    readonly consistency: string;
    readonly reason: string;
    readonly repository: string;
  };
  /** Which definition the restored server gets. */
  readonly definitionFrom: 'present' | 'recovery-point';
  readonly volumes: readonly PlannedVolume[];
  readonly nvramNewPath: string | null;
  readonly renewsGenerationId: boolean;
  readonly steps: readonly PlannedStep[];
  readonly findings: readonly Finding[];
  /** What goes back in time or is lost, in sentences. */
  readonly losses: readonly string[];
  readonly space: readonly SpaceNeed[];
  /** Restores measured before; null below three. Seconds. */
  readonly estimate: { readonly p50Seconds: number; readonly p90Seconds: number; readonly basedOnRuns: number } | null;
  readonly basis: PlanBasis;
  readonly createdAt: string;
}

export type PlanState = 'planning' | 'ready' | 'failed' | 'used';

export interface RestorePlanView {
  readonly id: string;
  readonly state: PlanState;
  readonly serverId: string;
  readonly serverName: string;
  readonly scenario: RestoreScenario;
  readonly requestedBy: string;
  readonly createdAt: string;
  /** SHA-256 of the canonical JSON of `body`; null until ready. */
  readonly hash: string | null;
  readonly body: RestorePlanBody | null;
  readonly error: ErrorSummary | null;
  /** The run that carried it out. */
  readonly runId: string | null;
}
