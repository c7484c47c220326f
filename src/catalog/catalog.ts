import type { Decision, RunOutcome, StepRecord } from '../contracts/activities';
import type { ErrorSummary } from '../contracts/errors';
import type { PlanBody, RestorePlanView } from '../contracts/plan';
import type { DataManifest, DataSelection } from '../contracts/data';
import type { DataRecoveryPointView, ImageManifest, ImageRecoveryPointView, RecoveryPointState, RecoveryPointView } from '../contracts/recovery-point';
import type { AuditEntryView, AuditVerification, DecisionKind, RunKind, RunState, RunView, StepProgress } from '../contracts/run';
import type { StateBefore, WayBackFacts, WayBackState, WayBackView } from '../contracts/way-back';
import type { BackupSetInput, BackupSetView, ServerGroup } from '../contracts/backup-set';
import type { BackupMode, StartablePlan, StartableRun } from '../contracts/workflows';
import type { CatalogCopyPlace, CatalogCopyState } from '../contracts/catalog-copy';
import type { FindingsRequest } from '../domain/planning/accepted-findings';
import type { RoomSample } from '../contracts/capacity';
import type { DueBackupState, DueBackupView } from '../contracts/due-backup';
import type { Policy } from '../contracts/policy';
import type { KnownToRetention, Removal } from './retention-facts';
import type { ProtectionFacts } from '../contracts/protection-status';
import type { AlertChannel, AlertMessage, AlertState, AlertView } from '../contracts/alert';
import type { ApplyAgain, ChangeState, ChangeView, GenerationChanges } from '../contracts/change';
import type { ServerFacts } from '../contracts/facts';
import type { GenerationDetail, GenerationView } from '../contracts/generation';
import type { DueJudgements, Judgement, JudgementView, StoredState } from '../contracts/judgement';
import type { SideReadings } from '../contracts/reading';
import type { RestoreSetView, SetBasis } from '../contracts/restore-set';
import type { CandidatePoint } from '../domain/relations/restored-together';
import type { SetMove } from '../domain/restore-sets/restore-set';
import type { Relation } from '../contracts/relation';
import type { Estate, EstateChange, HypervisorDeclaration, OffsiteDeclaration, RepositoryDeclaration } from '../contracts/api/estate';
import type { ServerView } from '../contracts/api/server';
import type { TokenScope, TokenView } from '../contracts/api/token';
import type { FetchedPoint, MadeCopy, OffsiteRepositoryView, TransferInput, TransferOutcome, TransferState, TransferView } from '../contracts/offsite-copies';
import type { CatalogFigures } from '../contracts/figures';
import type { Damage, VerificationInput, VerificationOutcome, VerificationState, VerificationView } from '../contracts/verification';

/**
 * Port of the catalogue: inventory, recovery points, plans, runs, locks, tokens and audit in PostgreSQL. Implemented by `typeorm-catalog.ts`;
 * entities never leave this folder. Every method that changes something writes its audit entry in the same transaction.
 *
 * All methods throw `CATALOG_UNAVAILABLE` (retry later) when PostgreSQL does not answer.
 */

/** Who did it: a token's name, or a part of the system such as `worker`. */
export type Actor = string;

/** A server as it is kept is what the API shows of it. */
export type ServerRecord = ServerView;

/** An estate server together with the identity its hypervisor gave; made by whoever applies the estate. */
export interface ResolvedServer {
  readonly name: string;
  readonly uuid: string;
  readonly domainName: string;
}

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

/** How an estate is compared and applied. */
export interface EstateOptions {
  /** Policies, groups and relations that the file does not declare any more are deleted. Default: false. */
  readonly prune?: boolean;
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

export interface AcceptRunRequest {
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  /** SHA-256 of method, path and body: the same key with another digest is `IDEMPOTENCY_KEY_REUSED`. */
  readonly requestDigest: string;
  readonly serverId: string;
  readonly reason: string;
}

export interface AcceptBackupRequest extends AcceptRunRequest {
  readonly mode: BackupMode;
  readonly allowCrashConsistent: boolean;
  /** At most so many incrementals follow a full; 0: a whole image. Means nothing for a server that is stopped. */
  readonly maxIncrements: number;
  /** A whole image, although an incremental would do. */
  readonly full?: boolean;
}

/** One image of each server of a group, taken together. */
export interface AcceptBackupSetRequest {
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  readonly requestDigest: string;
  /** Name of the group. */
  readonly group: string;
  readonly reason: string;
  /** For all of its servers. */
  readonly allowCrashConsistent: boolean;
}

/** Carries out a plan, of a restore or of an undo. */
export interface AcceptPlannedRequest extends AcceptRunRequest {
  readonly planId: string;
  /** What the person typed; must be the server's name (`CONFIRMATION_MISMATCH`). */
  readonly confirm: string;
  /** Restores only: stop before go-live. */
  readonly hold: boolean;
  /** What of the plan's findings is accepted. Absent: nothing. */
  readonly findings?: FindingsRequest;
  /** The restore set by which it is carried out. A plan of a set is carried out by that alone (`PLAN_IN_SET`). Absent: by itself. */
  readonly restoreSetId?: string;
}

/** Plans of several servers that are restored together. */
export interface AcceptRestoreSetRequest {
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  readonly requestDigest: string;
  /** In the order in which they go live. `recoveryPointId` null: it is made anew from the first one, and has no plan. */
  readonly members: readonly { readonly serverId: string; readonly recoveryPointId: string | null }[];
  readonly basis: SetBasis;
  /** How they were chosen; for people. */
  readonly choice: readonly string[];
  readonly incidentAt: string | null;
  readonly leaveChanges: boolean;
}

/** Carries a restore set out. */
export interface RunRestoreSetRequest {
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  readonly requestDigest: string;
  readonly setId: string;
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
export interface AcceptUndoPlanRequest {
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  readonly requestDigest: string;
  readonly ofRunId: string;
}

export interface DecommissionRequest {
  readonly actor: Actor;
  readonly serverId: string;
  /** What the person typed; must be the server's name. */
  readonly confirm: string;
  readonly reason: string;
  /** For so many days its last recovery points stay protected. 1 to 36500. */
  readonly keepDays: number;
}

/** Registers a configuration change of a server. */
export interface OpenChangeRequest {
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  readonly requestDigest: string;
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

interface AcceptPlanRequestBase {
  /** Off-site repository from which it is fetched where it is not whole here; then it need not be usable. Absent: none. `OFFSITE_NOT_CONFIGURED`. */
  readonly from?: string;
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  readonly requestDigest: string;
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

export interface Catalog {
  /** Throws `CATALOG_UNAVAILABLE` or `CATALOG_SCHEMA_OUTDATED`. */
  check(): Promise<void>;
  close(): Promise<void>;

  // --- inventory ---------------------------------------------------------------------------------------------------------
  /**
   * What the estate would change. Read-only. Nothing is ever removed but policies, groups and relations, and these with `prune`; other absent things are listed as `kept`. Throws what a
   * policy that cannot be meant is refused with: `TIME_ZONE_UNKNOWN`, `SCHEDULE_INVALID`, `RETENTION_KEEPS_NOTHING`, `POLICY_INVALID`; of relations `RELATION_CYCLE`.
   */
  diffEstate(estate: Estate, resolved: readonly ResolvedServer[], options?: EstateOptions): Promise<readonly EstateChange[]>;
  /**
   * Applies it in one transaction; idempotent. A server keeps its id when its name stays. `ESTATE_CONFLICT`: another UUID under a known name, or two names
   * for one domain. A server that is not in `resolved` (its domain is gone) keeps the identity it has; `DOMAIN_NOT_FOUND` when it is new or gets another
   * domain.
   */
  applyEstate(actor: Actor, estate: Estate, resolved: readonly ResolvedServer[], options?: EstateOptions): Promise<readonly EstateChange[]>;
  listHypervisors(): Promise<readonly HypervisorDeclaration[]>;
  listRepositories(): Promise<readonly RepositoryDeclaration[]>;
  /** By name. */
  listOffsite(): Promise<readonly OffsiteDeclaration[]>;
  /** By name. */
  listPolicies(): Promise<readonly Policy[]>;
  /** Throws `POLICY_NOT_FOUND`. */
  getPolicy(name: string): Promise<Policy>;
  /** By name; `server`: those in which it is the server or a peer. */
  listRelations(filter?: { readonly server?: string }): Promise<readonly Relation[]>;
  /** By name. */
  listGroups(): Promise<readonly ServerGroup[]>;
  /** Throws `GROUP_NOT_FOUND`. */
  getGroup(name: string): Promise<ServerGroup>;
  listServers(): Promise<readonly ServerRecord[]>;
  /** By id or by name. Throws `SERVER_NOT_FOUND`. */
  getServer(idOrName: string): Promise<ServerRecord>;
  /**
   * The server is out of service for good: nothing is due for it any more (what waits is withdrawn), nothing is missed, verified or told of, and for `keepDays`
   * its recovery points stay as they do now; from then on no rule keeps them. It can still be restored. The same again changes nothing, whoever asks. Throws
   * `SERVER_NOT_FOUND`, `CONFIRMATION_MISMATCH`, `SERVER_BUSY` while a run is open, `SERVER_DECOMMISSIONED` where it is so already with other `keepDays`. Audited
   * as `server.decommissioned`; refusals as `server.decommission-refused`.
   */
  decommissionServer(request: DecommissionRequest): Promise<ServerRecord>;
  /**
   * It is in service again, from now on: what its policy would have asked for meanwhile is not made up for, and what has expired is had back where its policy
   * keeps it. Idempotent: one that is in service stays as it is. Throws `SERVER_NOT_FOUND`. Audited as `server.recommissioned`.
   */
  recommissionServer(actor: Actor, serverId: string, reason: string): Promise<ServerRecord>;

  // --- what the schedules ask for ------------------------------------------------------------------------------------------
  /**
   * Writes down the backups that the policies ask for by now, and that are not yet written down, and images that are due because of changes. Idempotent, and safe beside others that do the same. One that
   * still waits when the next one of its server and kind is due is superseded by it. Audited where times were missed or superseded. Gives what is new.
   */
  recordDueBackups(): Promise<readonly DueBackupView[]>;
  /**
   * Accepts the next due backup that may begin now, as `acceptBackup` and `acceptDataBackup` do, and names its run in it: one transaction. Null: none may
   * begin; what each of them waits for is written down. One whose server has another policy by now, or is decommissioned, is withdrawn.
   *
   * @param maxDataBackups how many may go into the data repository at the same time; the estate says it of hypervisors and image repositories
   */
  startNextDueBackup(maxDataBackups?: number): Promise<AcceptedRun | null>;
  /** Newest first. */
  listDueBackups(filter: { readonly serverId?: string; readonly state?: DueBackupState }, page: PageRequest): Promise<Page<DueBackupView>>;

  // --- configuration changes -----------------------------------------------------------------------------------------------
  /**
   * Writes down that a change of a server is being made. The same external id again gives the change that has it; `CHANGE_EXISTS` where that says otherwise.
   * Throws `SERVER_NOT_FOUND`, `SERVER_DECOMMISSIONED`. Audited as `change.opened`.
   */
  openChange(request: OpenChangeRequest): Promise<{ readonly change: ChangeView; readonly replayed: boolean }>;
  /**
   * It is complete, on the disks that the server has: an image is due from now on (`recordDueBackups`). Idempotent: one that is complete stays as it is. Throws
   * `CHANGE_NOT_FOUND`, `CHANGE_CLOSED` (it was cancelled), `SERVER_DECOMMISSIONED`, and `SERVER_GOES_BACK` while a restore of the server or an undo is under way.
   * Audited as `change.completed`; refusals as `change.refused`.
   */
  completeChange(request: { readonly actor: Actor; readonly id: string }): Promise<ChangeView>;
  /** It was not carried out, or was taken back. Idempotent. Throws `CHANGE_NOT_FOUND`, `CHANGE_CLOSED` (it is complete). Audited as `change.cancelled`. */
  cancelChange(request: { readonly actor: Actor; readonly id: string; readonly reason: string }): Promise<ChangeView>;
  /** The change that a tool has given this name; null: none has it. */
  findChange(serverId: string, externalId: string): Promise<ChangeView | null>;
  /**
   * The server that this run holds has these changes again, on the disks that it has now. Idempotent; what the catalogue does not know is left out. Throws
   * `FENCED_OFF`. Audited each, as `change.applied`.
   */
  recordApplied(runId: string, changeIds: readonly string[], by: Actor): Promise<void>;
  /** Throws `CHANGE_NOT_FOUND`. */
  getChange(id: string): Promise<ChangeView>;
  /** Newest first, by when they were opened. */
  listChanges(filter: { readonly serverId?: string; readonly state?: ChangeState }, page: PageRequest): Promise<Page<ChangeView>>;
  /**
   * Which changes the disks of a server held at a moment (ISO 8601; null: now): those that it has now, or those of another line that it had. Throws
   * `SERVER_NOT_FOUND`.
   */
  changesAt(serverId: string, at: string | null, lineageId?: string): Promise<GenerationChanges>;

  // --- markers -------------------------------------------------------------------------------------------------------------
  /** What was read on an occasion (`occasionOf`). What was read of the same markers of a side on it before is replaced; its other markers stay. */
  recordReadings(occasion: string, sides: readonly SideReadings[]): Promise<void>;
  /** By relation, peer and side. Empty: nothing was read. */
  readingsOf(occasion: string): Promise<readonly SideReadings[]>;
  /** What was stored with a recovery point. Empty: nothing was. */
  markersOf(recoveryPointId: string): Promise<readonly SideReadings[]>;
  /**
   * Usable images of a server with what was stored with each of them, the newest forty; also the one that is named, where it is none of them. Newest first. Throws
   * `SERVER_NOT_FOUND`.
   */
  candidatePoints(serverId: string, named?: string | null): Promise<readonly CandidatePoint[]>;

  // --- judgements, before they are needed -----------------------------------------------------------------------------------
  /**
   * Asks for a judgement of every server that was not judged since the hour `hourUtc` of a day came last; of one that was never judged, when it had an image by then. Only
   * servers in service are judged that have a usable image and, in a relation with a profile, go back. Gives for how many one is asked now, whoever asked. Idempotent.
   */
  askForNightly(hourUtc: number): Promise<number>;
  /** The same at once, for one server or all. Audited as `judgement.requested`. Throws `SERVER_NOT_FOUND`, and of one `SERVER_DECOMMISSIONED`, `NOTHING_TO_JUDGE`, `NO_RECOVERY_POINT`. */
  askForJudgement(request: { readonly actor: Actor; readonly serverId: string | null }): Promise<readonly JudgementView[]>;
  /** For whom a judgement is asked, those first that were asked for first. */
  dueJudgements(atMost: number): Promise<DueJudgements>;
  /** What these servers would be judged by. One that has no usable image is left out. */
  storedStates(serverIds: readonly string[]): Promise<readonly StoredState[]>;
  /**
   * What came of judging them; null: there was nothing to judge, and what was known before stays. What was asked for until `begunAt` (ISO 8601) is answered by it. The last
   * one of a server counts.
   */
  recordJudgements(begunAt: string, judged: readonly { readonly serverId: string; readonly judgement: Judgement | null }[]): Promise<void>;
  /** Of the servers that are judged, by name. Throws `SERVER_NOT_FOUND`. */
  listJudgements(filter?: { readonly serverId?: string }): Promise<readonly JudgementView[]>;

  // --- generations ---------------------------------------------------------------------------------------------------------
  /** Images of a server by their number, newest first, without those that are deleted. Throws `SERVER_NOT_FOUND`. */
  listGenerations(serverId: string, page: PageRequest): Promise<Page<GenerationView>>;
  /** One of them, also one that is deleted, with its facts. Throws `SERVER_NOT_FOUND`, `GENERATION_NOT_FOUND`. */
  getGeneration(serverId: string, generation: number): Promise<GenerationDetail>;

  // --- recovery points ---------------------------------------------------------------------------------------------------
  /** Next generation number of a server: one more than the highest ever recorded. Read under the server's lock. */
  nextGeneration(serverId: string): Promise<number>;
  /**
   * Makes a published recovery point visible as `usable`, and names it in its run. Idempotent by id. Audited as `recovery-point.published`. Throws
   * `REPOSITORY_NOT_CONFIGURED`. An incremental whose parent is damaged or deleted is damaged from the beginning; one whose parent has expired has it back,
   * with all that it builds on. `manifestSha256`: of the manifest's bytes, as they were read where they lie; the first that is recorded stays. `facts`: what lies beside it of its server; null or absent: nothing that can be read.
   */
  recordRecoveryPoint(manifest: ImageManifest, repository: string, manifestSha256?: string, facts?: ServerFacts | null): Promise<ImageRecoveryPointView>;
  /** The checksum that its manifest had when it was recorded; null: nobody has recorded one, or there is no such recovery point. */
  manifestChecksum(recoveryPointId: string): Promise<string | null>;
  /** The same for a data recovery point. */
  recordDataRecoveryPoint(manifest: DataManifest): Promise<DataRecoveryPointView>;
  /** Newest first. */
  listRecoveryPoints(filter: { readonly serverId?: string; readonly state?: RecoveryPointState }, page: PageRequest): Promise<Page<RecoveryPointView>>;
  /** Throws `RECOVERY_POINT_NOT_FOUND`. */
  getRecoveryPoint(id: string): Promise<RecoveryPointView>;
  /** Newest `usable` image by point in time, of those not younger than `until` (ISO 8601; null: of all). Throws `NO_RECOVERY_POINT`. */
  newestUsable(serverId: string, until?: string | null): Promise<ImageRecoveryPointView>;
  /** The same, so many of them, newest first. Empty: there is none. Throws `SERVER_NOT_FOUND`. */
  usableImages(serverId: string, until: string | null, limit: number): Promise<readonly ImageRecoveryPointView[]>;
  /**
   * What the next incremental of a server could build on: ids of its usable images of the disks that it has now, in this repository; the newest ten, by
   * generation, newest first. Read under the server's lock. Throws `SERVER_NOT_FOUND`.
   */
  incrementalParents(serverId: string, repository: string): Promise<readonly string[]>;
  /** Usable ones of a data set that were taken as backups, newest first; at most a thousand. */
  usableData(serverId: string, dataSet: string): Promise<readonly DataRecoveryPointView[]>;
  /**
   * Whatever its policy says, it stays, until it is released. The same word of the same person again changes nothing; another one is
   * `RECOVERY_POINT_HELD`. One that has expired is had back, with all that it builds on. Throws `RECOVERY_POINT_NOT_FOUND`, `RECOVERY_POINT_NOT_USABLE` for one that is deleted. Audited
   * as `recovery-point.held`.
   */
  holdRecoveryPoint(actor: Actor, id: string, reason: string): Promise<RecoveryPointView>;
  /** Its policy says again how long it stays. Idempotent. Throws `RECOVERY_POINT_NOT_FOUND`. Audited as `recovery-point.released`. */
  releaseRecoveryPoint(actor: Actor, id: string, reason: string): Promise<RecoveryPointView>;
  /** All recovery points of a server that are not deleted, as retention judges them, oldest first, with what is held and what is in use. */
  retentionPoints(serverId: string): Promise<readonly KnownToRetention[]>;
  /**
   * Carries out what retention says, server by server: what no rule keeps expires; what has expired and is kept again (by a rule, a plan, a person) is what it
   * was before; one that has been expired for `keptMs` is deleted, unless one that stays builds on it: its row stays, its files are to be removed
   * (`listRemovals`). Data only where `removesData` says that its repository can let it go: where it cannot, what has expired stays. Audited each. By the
   * shared clock; nothing is done while `isTrusted` says no, and time in which nobody has called this counts for nothing. A server that cannot be judged keeps
   * the others from nothing. May be called by several workers at once.
   */
  retireRecoveryPoints(
    keptMs: number,
    isTrusted: (now: Date) => boolean,
    removesData?: boolean,
  ): Promise<{
    readonly expired: number;
    readonly returned: number;
    readonly deleted: number;
    readonly failed: readonly { readonly serverId: string; readonly error: unknown }[];
  }>;
  /** Deleted recovery points that may still be in their repository, or a part of them. One on which others build is given when those are gone. */
  listRemovals(): Promise<readonly Removal[]>;
  /**
   * Who may read or write the data repository of a server now: an open run other than a backup of its image, a plan that is being made, a verification that
   * reads its data, a transfer that copies it elsewhere or back. In words; null: nobody. What begins a moment later is not in it.
   */
  dataInUseBy(serverId: string): Promise<string | null>;
  /** A deleted one is not in its repository any more. Called again: nothing. Audited. */
  recordRemoved(recoveryPointId: string): Promise<void>;
  /** What is there of every server, for judging whether it is protected as promised. */
  protectionFacts(): Promise<ProtectionFacts>;
  /** What is free in a repository now. Kept once an hour, whoever measures; of one that is not declared nothing is kept. Not audited. */
  recordRepositoryRoom(repository: string, freeBytes: number): Promise<void>;
  /**
   * The place, of those that the caller reaches, that gets a copy of the catalogue next, which the caller is to make now: the one whose newest copy lacks what has
   * happened since, or is a day old, and that nobody has tried for `everyMs`. Places that are not declared are nobody's. Null: none is due. Of several workers that
   * ask at once one gets it. Not audited.
   */
  takeCatalogCopyTurn(everyMs: number, reachable: readonly CatalogCopyPlace[]): Promise<CatalogCopyPlace | null>;
  /** What came of it. Not audited: an entry would ask for the next copy. */
  recordCatalogCopy(
    place: CatalogCopyPlace,
    outcome: { readonly auditSeq: number; readonly copiedAt: Date } | { readonly problem: { readonly code: string; readonly message: string } },
  ): Promise<void>;
  /** Of every image repository, then of every off-site one, by name. */
  catalogCopies(): Promise<readonly CatalogCopyState[]>;
  /**
   * A server that its recovery points tell of: made under its id where it is not known, without a policy. One that is known goes on with the line of disks of
   * its newest image. Idempotent. Audited as `server.adopted`. Throws `HYPERVISOR_NOT_CONFIGURED`, `REPOSITORY_NOT_CONFIGURED`; `ESTATE_CONFLICT` where another
   * server has its name, or its UUID on that hypervisor.
   */
  adoptServer(actor: Actor, server: AdoptedServer): Promise<'added' | 'known'>;
  /**
   * As `recordRecoveryPoint`, of one that was found and that nobody had recorded. Audited as `recovery-point.adopted`.
   * @param missing why it is not usable: it does not lie in its repository, but elsewhere. Absent: it lies there
   */
  adoptRecoveryPoint(
    actor: Actor,
    manifest: ImageManifest,
    repository: string,
    manifestSha256: string,
    missing?: string,
    facts?: ServerFacts | null,
  ): Promise<ImageRecoveryPointView>;
  /** The same for a data recovery point. */
  adoptDataRecoveryPoint(actor: Actor, manifest: DataManifest, missing?: string): Promise<DataRecoveryPointView>;
  /**
   * A copy that was found off-site, of something that does not lie here, and that nobody had recorded or begun to make. What is known of another one stays: false;
   * a transfer proves more than a receipt tells. Audited as `offsite.copy-adopted`. Throws `RECOVERY_POINT_NOT_FOUND`, `OFFSITE_NOT_CONFIGURED`.
   */
  adoptOffsiteCopy(actor: Actor, offsite: string, recoveryPointId: string, found: MadeCopy): Promise<boolean>;
  /** What was measured in the last 61 days, by repository and time. */
  repositoryRoom(): Promise<readonly (RoomSample & { readonly repository: string })[]>;
  /**
   * Writes down that a recovery point is to be read again, also one that is damaged, or all data of a server (`serverId`), or that an image is to be booted;
   * it begins when its repository, or the hypervisor of its server, is free. While one of the same waits or runs that one is given back. Audited. Throws
   * `RECOVERY_POINT_NOT_FOUND`, `SERVER_NOT_FOUND`; to be booted also `RECOVERY_POINT_NOT_USABLE`.
   */
  requestVerification(
    request: { readonly actor: Actor; readonly reason: string } & (
      { readonly method: 'checksums' | 'boot'; readonly recoveryPointId: string } | { readonly method: 'structure'; readonly serverId: string }
    ),
  ): Promise<VerificationView>;
  /**
   * One that waits has ended then, as `not-run`; of one that runs it is written down that it is to stop. Audited. Throws `VERIFICATION_NOT_FOUND`,
   * `VERIFICATION_FINISHED`.
   */
  cancelVerification(request: { readonly actor: Actor; readonly id: string; readonly reason: string }): Promise<VerificationView>;
  /**
   * Begins the next verification: one that somebody has asked for, else (`any`) what a policy asks for. One of an image repository at a time, two of data,
   * one boot on a hypervisor, none in what a run restores from or where it restores to; where a repository was away policies wait for some minutes. Null: nothing can begin. Audited.
   */
  startNextVerification(which: 'asked' | 'any'): Promise<VerificationInput | null>;
  /** Those that began before this moment and have not ended. */
  listRunningVerifications(olderThan: Date): Promise<readonly { readonly input: VerificationInput; readonly cancelRequested: boolean }[]>;
  /**
   * Data recovery points of a server that its repository has to hold, newest first: those that are usable, and those that were missing. `readAt`: when all
   * bytes were last read and well, ISO 8601; null: never.
   */
  dataToVerify(
    serverId: string,
  ): Promise<readonly { readonly recoveryPointId: string; readonly snapshotId: string; readonly isUsable: boolean; readonly readAt: string | null }[]>;
  /** For people; of one that does not run: ignored. */
  recordVerificationProgress(id: string, doneBytes: number, totalBytes: number): Promise<void>;
  /**
   * All bytes of a recovery point were read. `damage` null: they are what was written; it is verified, and usable again where it was held for damaged.
   * Otherwise it is damaged, or the one whose bytes they are, and with that all that builds on it (`markRecoveryPoint`). One that builds on a damaged one stays
   * damaged. Of a verification that has ended, and of what somebody else has found damaged since it began: ignored. Audited where that changes a state.
   */
  recordVerdict(verificationId: string, recoveryPointId: string, damage: Damage | null): Promise<void>;
  /**
   * The verification has ended; of all data of a server, what it has found is verified by that; of a boot, its recovery point says what came of it. One that
   * could not be carried out says nothing about bytes.
   * Called again: what was first stays. Audited. Throws `VERIFICATION_NOT_FOUND`.
   */
  finishVerification(id: string, outcome: VerificationOutcome): Promise<void>;
  /** Throws `VERIFICATION_NOT_FOUND`. */
  getVerification(id: string): Promise<VerificationView>;
  /** Newest first. */
  listVerifications(filter: { readonly serverId?: string; readonly state?: VerificationState }, page: PageRequest): Promise<Page<VerificationView>>;

  // --- copies elsewhere ----------------------------------------------------------------------------------------------------
  /** Off-site repositories by name, with what is known of them. */
  offsiteRepositories(): Promise<readonly OffsiteRepositoryView[]>;
  /** Somebody has looked whether it can be used; `problem` null: it can. It is not asked for any more then. Of one that is not declared: nothing. Not audited. */
  recordOffsiteLook(name: string, problem: ErrorSummary | null): Promise<void>;
  /**
   * Writes down that a recovery point is to be copied to an off-site repository (null: the one that its policy names), or fetched from it, with what it builds on.
   * While one of the same waits or runs, that one is given back. Audited. Throws `RECOVERY_POINT_NOT_FOUND`, `RECOVERY_POINT_NOT_USABLE`,
   * `OFFSITE_NOT_CONFIGURED`, `OFFSITE_ALREADY_COPIED`, `OFFSITE_COPY_NOT_FOUND` (it, or something known to be lost that it builds on, has no whole copy there).
   */
  requestTransfer(request: {
    readonly actor: Actor;
    readonly reason: string;
    readonly kind: 'copy' | 'fetch';
    readonly recoveryPointId: string;
    readonly offsite: string | null;
  }): Promise<TransferView>;
  /**
   * One that waits has ended then; of one that runs it is written down that it is to stop. What a policy asks for comes again some hours later. Audited. Throws
   * `TRANSFER_NOT_FOUND`, `TRANSFER_FINISHED`.
   */
  cancelTransfer(request: { readonly actor: Actor; readonly id: string; readonly reason: string }): Promise<TransferView>;
  /**
   * Begins the next transfer: one that somebody has asked for, those that fetch first; else (`any`) what policies ask for: the newest recovery point that is
   * missing off-site, with what it builds on; copies that no rule keeps; a check. In an off-site repository one at a time, and beside it one that fetches. One that
   * is away is asked for from then on. Null: nothing can begin. Audited.
   */
  startNextTransfer(which: 'asked' | 'any'): Promise<TransferInput | null>;
  /** Those that began before this moment and have not ended. */
  listRunningTransfers(olderThan: Date): Promise<readonly { readonly input: TransferInput; readonly cancelRequested: boolean }[]>;
  /** For people; of one that does not run: ignored. */
  recordTransferProgress(id: string, doneBytes: number, totalBytes: number): Promise<void>;
  /** A copy is whole. Called again, or of a transfer that has ended: ignored. Audited. */
  recordCopied(transferId: string, recoveryPointId: string, made: MadeCopy): Promise<void>;
  /**
   * It lies where it lay, and every byte of it was read: it is usable again, with what is damaged only because of it. One that rules had let go is held by
   * whoever has fetched it. Of a transfer that has ended: ignored. Audited.
   */
  recordFetched(transferId: string, recoveryPointId: string, fetched: FetchedPoint): Promise<void>;
  /** A copy is not what was copied: it does not count any more, and is made again. Audited. */
  recordCopyDamaged(transferId: string, recoveryPointId: string, why: { readonly code: string; readonly message: string }): Promise<void>;
  /** Ids of the recovery points that have a whole copy there. */
  copiesIn(offsite: string): Promise<readonly string[]>;
  /**
   * What of a server can be restored from an off-site repository alone, of what is not younger than `until` (ISO 8601; null: of all): the newest image with all that
   * it builds on, and the newest of each data set that was taken as a backup. Throws `OFFSITE_NOT_CONFIGURED`.
   */
  newestCopied(
    serverId: string,
    offsite: string,
    until: string | null,
  ): Promise<{ readonly image: string | null; readonly data: readonly { readonly dataSet: string; readonly recoveryPointId: string }[] }>;
  /**
   * The transfer has ended. Copies that it has not made wait (where their place is away), or have failed and are tried again, later each time. Called again: what
   * was first stays. Audited. Throws `TRANSFER_NOT_FOUND`.
   */
  finishTransfer(id: string, outcome: TransferOutcome): Promise<void>;
  /** Throws `TRANSFER_NOT_FOUND`. */
  getTransfer(id: string): Promise<TransferView>;
  /** Newest first. */
  listTransfers(
    filter: { readonly serverId?: string; readonly state?: TransferState; readonly offsite?: string },
    page: PageRequest,
  ): Promise<Page<TransferView>>;
  /**
   * Copies that no off-site rule keeps are `deleted`, and are removed a day later by a transfer of their own; those that are kept again before that are what they
   * were. Never the last ones of a server, and never one on which another one builds. Audited.
   */
  retireCopies(): Promise<{ readonly expired: number; readonly returned: number }>;

  /**
   * Compares what is so now (breaches of policies, failed runs, runs that wait, damaged recovery points) with the open alerts: raises those that are new,
   * clears those that are over, and writes down a message for each: that it began to every channel given which has none of it yet, that it is over to every
   * channel that was told. One process at a time; where another compares, nothing is done. Not audited: alerts are a history of their own.
   *
   * @param isBelieved asked with the time it would go by, which is the same for all processes; false: nothing is done
   */
  reviewAlerts(channels: readonly AlertChannel[], isBelieved?: (now: Date) => boolean): Promise<{ readonly raised: number; readonly cleared: number }>;
  /**
   * Takes the channel's next message whose time has come; null: there is none. Nobody else is given it until its pause is over. What a condition
   * was (it began, it is over, it began again) is told in this order: one that waits keeps the later ones.
   */
  nextAlertMessage(channel: AlertChannel): Promise<AlertMessage | null>;
  /** How the attempt went; `problem` null: it was delivered. After a day of attempts, or more, it is given up, and nobody is told of its end. Of one that has ended: ignored. */
  recordAlertAttempt(deliveryId: string, problem: string | null): Promise<void>;
  /** Newest first. */
  listAlerts(filter: { readonly serverId?: string; readonly state?: AlertState }, page: PageRequest): Promise<Page<AlertView>>;
  /**
   * What somebody has found who has read it for another purpose. Idempotent; audited. With a damaged one all that builds on it is damaged (not where only its
   * definition or NVRAM is), and with one that is well again all is usable that was damaged only because of it: in the same transaction, audited each. One that
   * builds on a damaged one stays damaged.
   *
   * @param id the one that was read
   * @param of of damage: its code (`RECOVERY_POINT_CORRUPT` where it is absent), its file, and whose it is. An id is believed of one that `id` builds on, by what
   * the catalogue knows; whatever else is named, the one that was read is damaged
   */
  markRecoveryPoint(id: string, state: 'usable' | 'damaged', why: string, of?: Partial<Omit<Damage, 'message'>>): Promise<void>;

  // --- plans -------------------------------------------------------------------------------------------------------------
  /** Writes the plan down as `planning`; the caller starts the workflow `plan/<id>` afterwards. Also throws `RECOVERY_POINT_NOT_USABLE`. */
  acceptPlan(request: AcceptPlanRequest): Promise<{ readonly planId: string; readonly replayed: boolean }>;
  /**
   * The same for the plan of an undo. Throws `RUN_NOT_FOUND`, `WAY_BACK_NOT_FOUND` (the run has swapped nothing, or has put it back), `WAY_BACK_CLOSED` (undone
   * or confirmed: says by which run and when), `WAY_BACK_NOT_NEWEST` (a later swap of the same server is still open; its run id in the context),
   * `WAY_BACK_EMPTY`.
   */
  acceptUndoPlan(request: AcceptUndoPlanRequest): Promise<{ readonly planId: string; readonly serverId: string; readonly replayed: boolean }>;
  /** What the workflow of a plan is started with. Throws `PLAN_NOT_FOUND`. */
  getDispatchablePlan(planId: string): Promise<StartablePlan>;
  /**
   * Stores the immutable body and its hash (`INTERNAL` when they do not fit). The first body stays: for a plan that is not `planning` any more nothing happens.
   * Audited as `plan.ready`.
   */
  completePlan(planId: string, body: PlanBody, hash: string): Promise<void>;
  failPlan(planId: string, error: ErrorSummary): Promise<void>;
  /** Throws `PLAN_NOT_FOUND`. */
  getPlan(planId: string): Promise<RestorePlanView>;
  /** Plans in `planning` older than `olderThan`, for the dispatcher. */
  listUnfinishedPlans(olderThan: Date): Promise<readonly StartablePlan[]>;

  // --- runs, steps, lock -------------------------------------------------------------------------------------------------
  /**
   * In one transaction: idempotency key, run row (`accepted`), the server's lock row with a new, higher fencing token, audit `run.requested`. Throws
   * `SERVER_BUSY` with the holder's run id in the context (`runId`), and `SERVER_DECOMMISSIONED`; the refusal is audited too, in a transaction of its own.
   */
  acceptBackup(request: AcceptBackupRequest): Promise<AcceptedRun>;
  /** The same for data. Throws `DATA_SET_NOT_FOUND`, also when none is declared. */
  acceptDataBackup(request: AcceptDataBackupRequest): Promise<AcceptedRun>;
  /**
   * The same for a set: one run of each server of the group, online, all with the locks they need or none, and audited as `backup-set.requested` too. Throws
   * `GROUP_NOT_FOUND`, `SERVER_BUSY` (names every server that is held; nothing was started).
   */
  acceptBackupSet(request: AcceptBackupSetRequest): Promise<{ readonly setId: string; readonly replayed: boolean }>;
  /** What the workflows of a set and its runs are started with. Throws `BACKUP_SET_NOT_FOUND`. */
  getDispatchableSet(setId: string): Promise<{ readonly set: BackupSetInput; readonly runs: readonly DispatchableRun[] }>;
  /** Sets of which a run is open, accepted before `olderThan`. */
  listOpenSets(olderThan: Date): Promise<readonly BackupSetInput[]>;
  /** Throws `BACKUP_SET_NOT_FOUND`. */
  getSet(setId: string): Promise<BackupSetView>;
  /** Newest first. */
  listSets(filter: { readonly group?: string }, page: PageRequest): Promise<Page<BackupSetView>>;
  /** The newest set of each of these groups that has one, in no order. */
  newestSets(groups: readonly string[]): Promise<readonly BackupSetView[]>;
  /**
   * The same for a plan, of a restore or of an undo. The run gets the id that the plan reserved (`body.runId`), and the plan is marked `used`. Also throws
   * `PLAN_NOT_FOUND` (also for a plan of another server), `PLAN_NOT_READY`, `PLAN_FAILED`, `PLAN_ALREADY_USED`, `PLAN_STALE` (the stored plan was edited),
   * `PLAN_BLOCKED`, `PLAN_NOT_ACKNOWLEDGED`, `CONFIRMATION_MISMATCH`.
   */
  acceptPlanned(request: AcceptPlannedRequest): Promise<AcceptedRun>;
  /**
   * Writes a restore set down with a plan for each server that is restored, all as `planning`; the caller then starts their workflows. Audited as
   * `restore-set.requested`. Throws `SERVER_NOT_FOUND`, `RECOVERY_POINT_NOT_FOUND`, `RECOVERY_POINT_NOT_USABLE`.
   */
  acceptRestoreSet(request: AcceptRestoreSetRequest): Promise<{ readonly setId: string; readonly replayed: boolean }>;
  /**
   * Accepts a run for each plan of the set, as `acceptPlanned` does, each to stop before go-live: all with the locks they need, or none. Audited as
   * `restore-set.started`; refusals as `restore-set.refused`. Throws `RESTORE_SET_NOT_FOUND`, `PLAN_ALREADY_USED`, `CONFIRMATION_MISMATCH`, and what `acceptPlanned`
   * throws.
   */
  acceptRestoreSetRuns(request: RunRestoreSetRequest): Promise<{ readonly runIds: readonly string[]; readonly replayed: boolean }>;
  /** Ids of those that are under way, oldest first. */
  runningRestoreSets(): Promise<readonly string[]>;
  /**
   * Takes a set that is under way one move further (`nextOfSet`): writes a go-live down as a decision of whoever has the set carried out, asks for cancels, or
   * ends the set. What is written down is delivered to the workflows as any decision and cancel is. Gives what was done. May be called by several workers at once.
   * Audited. Throws `RESTORE_SET_NOT_FOUND`.
   */
  advanceRestoreSet(setId: string): Promise<SetMove>;
  /** Throws `RESTORE_SET_NOT_FOUND`. */
  getRestoreSet(id: string): Promise<RestoreSetView>;
  /** Newest first. */
  listRestoreSets(page: PageRequest): Promise<Page<RestoreSetView>>;
  /**
   * The same for the deletion of kept volumes. Throws `RUN_NOT_FOUND`, `WAY_BACK_NOT_FOUND`, `WAY_BACK_CLOSED`, `RUN_NOT_LIVE` (never went live),
   * `SERVER_BUSY`.
   */
  acceptConfirm(request: AcceptConfirmRequest): Promise<AcceptedRun>;
  /**
   * Writes a person's decision down, once: asking twice changes nothing. Only for a run that waits for it: `RUN_FINISHED`, `RUN_NOT_WAITING`. Audited as
   * `run.decided`; refusals as `run.decision-refused`. The caller then tells the workflow.
   */
  decide(request: DecisionRequest): Promise<void>;
  /** Null: nobody has decided. Throws `RUN_NOT_FOUND`. */
  getDecision(runId: string, kind: DecisionKind): Promise<Decision | null>;
  /** Open runs that wait although the decision stands: their workflow may not have been told. */
  listDecidedButWaiting(): Promise<readonly { readonly runId: string; readonly serverId: string }[]>;
  /** Runs still `accepted` since before `olderThan`: their workflow may not have been started. */
  listUndispatched(olderThan: Date): Promise<readonly DispatchableRun[]>;
  /** The workflow input of a run. Throws `RUN_NOT_FOUND`. */
  getDispatchable(runId: string): Promise<DispatchableRun>;
  /** Runs in `accepted` or `running`. */
  listOpenRuns(): Promise<readonly { readonly runId: string; readonly serverId: string; readonly state: RunState }[]>;
  /** `accepted` becomes `running`. Idempotent. Throws `FENCED_OFF` when the server's lock is not this run's. Audited as `run.started`. */
  startRun(runId: string): Promise<void>;
  /**
   * Insert or update by (run, seq). Idempotent; a final state never goes back to an earlier one except to `undone`; detail is added to, also to a step that has
   * ended when its state is given again. Sets startedAt/finishedAt. For a run that has ended nothing happens. Audited as `step.<state>` for final
   * states, as `step.detail` for what is added to one later.
   */
  recordStep(runId: string, update: StepRecord): Promise<void>;
  /** Progress of the step with this key; not audited. Unknown step: nothing. */
  recordProgress(runId: string, stepKey: string, progress: StepProgress): Promise<void>;
  /**
   * Final state, error, lock released, audit `run.succeeded|failed|cancelled`: one transaction. Idempotent: a final run stays as it is. Unless the run
   * succeeded, its open steps are closed: what was running has failed, what was pending is skipped. With the last run of a set what came of the set is audited,
   * as `backup-set.complete|incomplete|failed`, with its spread.
   */
  finishRun(runId: string, outcome: RunOutcome): Promise<void>;
  /**
   * Written first; the caller then cancels the workflow. Throws `RUN_NOT_FOUND`, `RUN_FINISHED`. Idempotent; audited with the reason of whoever asked first.
   *
   * @param reason null: none was given
   */
  requestCancel(actor: Actor, runId: string, reason: string | null): Promise<void>;

  // --- the way back ------------------------------------------------------------------------------------------------------
  /**
   * The run has swapped the volumes: what stood there is kept until `expiresAt`, and the server is on a new line of disk states. One transaction. Idempotent by
   * run. Audited as `lineage.started`. With `facts.data`, data was put in place inside the guest: the line goes on, and nothing waits for a go-live; audited as
   * `data.placed`.
   */
  openWayBack(runId: string, facts: WayBackFacts, before: StateBefore, expiresAt: Date): Promise<WayBackView>;
  /**
   * The run has returned to the volumes of `ofRunId`: that way back becomes `undone`, this run gets an open one, and the server is on the line it had before.
   * One transaction. Idempotent by run. Audited as `lineage.returned`. Throws `WAY_BACK_CLOSED`.
   */
  takeWayBack(runId: string, ofRunId: string, facts: WayBackFacts, before: StateBefore, expiresAt: Date): Promise<WayBackView>;
  /**
   * The run has put back what it swapped: its way back becomes `reverted`, the server returns to the line before, and a way back that it had taken is open
   * again. No open way back of this run: nothing. Audited.
   */
  revertWayBack(runId: string): Promise<void>;
  /** The volumes kept by `ofRunId` are deleted: `confirmed`, by `runId`. Idempotent by run. Audited as `way-back.confirmed`. */
  closeWayBack(runId: string, ofRunId: string): Promise<void>;
  /** Sets `wentLiveAt` of the run's way back, once. Audited as `run.went-live`. */
  recordGoLive(runId: string): Promise<void>;
  /** Throws `RUN_NOT_FOUND`, `WAY_BACK_NOT_FOUND`. */
  getWayBack(runId: string): Promise<WayBackView>;
  /** Newest first. */
  listWayBacks(filter: { readonly serverId?: string; readonly state?: WayBackState }): Promise<readonly WayBackView[]>;
  /** Open, gone live and beyond their time: to be confirmed by the system. */
  listExpiredWayBacks(now: Date): Promise<readonly WayBackView[]>;
  /** Throws `RUN_NOT_FOUND`. */
  getRun(runId: string): Promise<RunView>;
  /** Newest first; without steps. */
  listRuns(filter: { readonly serverId?: string; readonly kind?: RunKind; readonly state?: RunState }, page: PageRequest): Promise<Page<RunView>>;
  /** Seconds of the last measured restores of this kind of a server that succeeded (at most 20, newest first), for estimates. */
  measuredRecoverySeconds(serverId: string, kind: 'restore-server' | 'restore-data'): Promise<readonly number[]>;
  /** Counts over everything that is stored. Its cost grows with the history: callers ask every few seconds at most. */
  figures(): Promise<CatalogFigures>;

  // --- tokens ------------------------------------------------------------------------------------------------------------
  /** Stores only a SHA-256 of the token. The secret is returned once. Audited (name and scopes, never the token). */
  createToken(
    actor: Actor,
    name: string,
    scopes: readonly TokenScope[],
    expiresAt: Date | null,
  ): Promise<{ readonly record: TokenRecord; readonly secret: string }>;
  /** Throws `TOKEN_INVALID` for unknown and expired ones, in constant time with respect to the content. */
  authenticate(secret: string): Promise<TokenRecord>;
  /** Newest first, also those whose time is over. */
  listTokens(): Promise<readonly TokenRecord[]>;
  /**
   * Ends a token's time now; its row stays, because the audit names it. Throws `TOKEN_NOT_FOUND`. Idempotent: one whose time is over stays as it is. Audited.
   */
  revokeToken(actor: Actor, tokenId: string): Promise<TokenRecord>;

  // --- audit -------------------------------------------------------------------------------------------------------------
  /** For events that change nothing else, such as a refused request. */
  audit(entry: {
    readonly actor: Actor;
    readonly action: string;
    readonly runId?: string | null;
    readonly serverId?: string | null;
    readonly details?: Readonly<Record<string, unknown>>;
  }): Promise<void>;
  /** Oldest first. */
  listAudit(filter: { readonly runId?: string }, page: PageRequest): Promise<Page<AuditEntryView>>;
  /** Walks the whole chain in batches and names the first bad entry. */
  verifyAudit(): Promise<AuditVerification>;
}
