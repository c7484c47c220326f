import type { ServerView } from '../../contracts/server';
import type { TokenScope, TokenView } from '../../contracts/api/token';
import type { ApplyAgain } from '../../contracts/change';
import type { DataSelection } from '../../contracts/data';
import type { SetBasis } from '../../contracts/restore-set';
import type { DecisionKind } from '../../contracts/run';
import type { BackupMode, StartableRun } from '../../contracts/workflows';
import type { FindingsRequest } from '../../domain/planning/accepted-findings';
import type { PlannedRequest } from '../../domain/planning/usable-plan';

/** Who did it: a token's name, or a part of the system such as `worker`. */
export type Actor = string;

/** A server as it is kept is what the API shows of it. */
export type ServerRecord = ServerView;

/** A server as its images describe it. */
export interface AdoptedServer {
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  readonly hypervisor: string;
  readonly repository: string;
  /** Of its newest image. */
  readonly lineageId: string;
}

/** A token as everybody may see it: its secret is nowhere. */
export type TokenRecord = TokenView;
export type { TokenScope };

/** What the API sends back for a request that starts something; stored so that the same request gives the same answer. */
export interface AcceptedRun {
  readonly runId: string;
  /** True when this Idempotency-Key had started the run before. */
  readonly replayed: boolean;
}

export interface KeyedRequest {
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  /** SHA-256 of method, path and body: the same key with another digest is `IDEMPOTENCY_KEY_REUSED`. */
  readonly requestDigest: string;
}

export interface AcceptRunRequest extends KeyedRequest {
  readonly serverId: string;
  readonly reason: string;
}

export interface AcceptBackupRequest extends AcceptRunRequest {
  readonly mode: BackupMode;
  readonly allowCrashConsistent: boolean;
  /** A whole image, although an incremental would do. How many may follow a full is the word of the server's policy. */
  readonly full?: boolean;
}

/** One image of each server of a group, taken together. */
export interface AcceptBackupSetRequest extends KeyedRequest {
  /** Name of the group. */
  readonly group: string;
  readonly reason: string;
  /** For all of its servers. */
  readonly allowCrashConsistent: boolean;
}

/** Carries out a plan, of a restore or of an undo. */
export interface AcceptPlannedRequest extends AcceptRunRequest, PlannedRequest {
  readonly planId: string;
}

/** Plans of several servers that are restored together. */
export interface AcceptRestoreSetRequest extends KeyedRequest {
  /** In the order in which they go live. `recoveryPointId` null: it is made anew from the first one, and has no plan. */
  readonly members: readonly { readonly serverId: string; readonly recoveryPointId: string | null }[];
  readonly basis: SetBasis;
  /** How they were chosen; for people. */
  readonly choice: readonly string[];
  readonly incidentAt: string | null;
  readonly leaveChanges: boolean;
}

/** Carries a restore set out. */
export interface RunRestoreSetRequest extends KeyedRequest {
  readonly restoreSetId: string;
  readonly reason: string;
  /** What the person typed: the names of all servers that are restored. */
  readonly confirm: readonly string[];
  /** Of all plans. */
  readonly findings: FindingsRequest;
}

export interface AcceptConfirmRequest extends AcceptRunRequest {
  readonly ofRunId: string;
}

/** A request for the plan of an undo. */
export interface AcceptUndoPlanRequest extends KeyedRequest {
  readonly ofRunId: string;
}

/** Takes a server out of service. */
export interface DecommissionServerRequest {
  readonly actor: Actor;
  readonly serverId: string;
  /** What the person typed; must be the server's name. */
  readonly confirm: string;
  readonly reason: string;
  /** For so many days its last recovery points stay protected. 1 to 36500. */
  readonly keepDays: number;
}

/** Registers a configuration change of a server. */
export interface OpenChangeRequest extends KeyedRequest {
  readonly serverId: string;
  readonly title: string;
  readonly ticket: string | null;
  /** Who makes it; null: whoever registers it. */
  readonly author: string | null;
  readonly applyAgain: ApplyAgain | null;
  readonly externalId: string | null;
}

export interface DecisionRequest {
  readonly actor: Actor;
  readonly runId: string;
  readonly kind: DecisionKind;
  readonly reason: string;
  /** Of a sign-off: ids of the changes that are not applied again. */
  readonly notApplied?: readonly string[];
  /** The restore set of the run lets it go live; nobody else may while that is under way. Absent: a person decides. */
  readonly restoreSetId?: string;
}

export interface AcceptDataBackupRequest extends AcceptRunRequest {
  /** Names of declared data sets; null: all of them. */
  readonly dataSets: readonly string[] | null;
}

interface AcceptPlanRequestBase extends KeyedRequest {
  /** Off-site repository from which it is fetched where it is not whole here; then it need not be usable. Absent: none. `OFFSITE_NOT_CONFIGURED`. */
  readonly from?: string;
  readonly serverId: string;
  /** Null: the newest usable one. Unknown, or of another server: `RECOVERY_POINT_NOT_FOUND`. */
  readonly recoveryPointId: string | null;
  /** ISO 8601; null or absent: now. */
  readonly incidentAt?: string | null;
}

export type AcceptPlanRequest =
  | (AcceptPlanRequestBase & {
      readonly scenario: 'server';
      readonly noData?: boolean;
      /** Configuration changes that are lost are not applied again; absent: they are. */
      readonly leaveChanges?: boolean;
      /** Passwords that were changed since are left as the image has them; absent: false. */
      readonly leaveCredentials?: boolean;
      /** Not the newest one, but the newest that the peers accept; absent: the newest. */
      readonly findCompatible?: boolean;
      /** Targets of the disks that stay as they are now; absent: none. Whether they may is judged when the plan is made. */
      readonly keepDisks?: readonly string[];
      /** Targets of the disks whose old volumes are attached read-only to the restored server; absent: none. */
      readonly attachOldDisks?: readonly string[];
    })
  | (AcceptPlanRequestBase & { readonly scenario: 'data'; readonly dataSet: string; readonly selection: DataSelection });

/** A run as the dispatcher needs it: everything to start its workflow again under the same id. */
export type DispatchableRun = StartableRun;

export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; null on the last page. */
  readonly nextCursor: string | null;
}

export interface PageRequest {
  /** 1 to 500; `REQUEST_INVALID` otherwise. */
  readonly limit: number;
  /** From `nextCursor` of the same list; anything else is `REQUEST_INVALID`. */
  readonly cursor: string | null;
}
