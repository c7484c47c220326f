import type { RunOutcome, StepRecord } from '../contracts/activities';
import type { ErrorSummary } from '../contracts/errors';
import type { RestorePlanBody, RestorePlanView, RestoreScenario } from '../contracts/plan';
import type { ImageManifest, RecoveryPointState, RecoveryPointView } from '../contracts/recovery-point';
import type { AuditEntryView, AuditVerification, RunKind, RunState, RunView, StepProgress } from '../contracts/run';
import type { BackupImageInput, RestoreServerInput } from '../contracts/workflows';
import type { Estate, EstateChange, HypervisorDeclaration, RepositoryDeclaration } from '../contracts/api/estate';

/**
 * Port of the catalogue: inventory, recovery points, plans, runs, locks, tokens and audit in PostgreSQL. Implemented by `typeorm-catalog.ts`;
 * entities never leave this folder. Every method that changes something writes its audit entry in the same transaction.
 *
 * All methods throw `DATABASE_UNAVAILABLE` (retry later) when PostgreSQL does not answer.
 */

/** Who did it: a token's name, or a part of the system such as `worker`. */
export type Actor = string;

export interface ServerRecord {
  readonly id: string;
  readonly name: string;
  /** The domain's UUID: the identity on the hypervisor. */
  readonly uuid: string;
  readonly domainName: string;
  readonly hypervisor: string;
  readonly repository: string;
  readonly stopTimeoutSeconds: number;
  readonly agentTimeoutSeconds: number;
  /** The line of disk states the server is on now. A swap of volumes starts a new one. */
  readonly lineageId: string;
}

/** An estate server together with the identity its hypervisor gave; made by whoever applies the estate. */
export interface ResolvedServer {
  readonly name: string;
  readonly uuid: string;
  readonly domainName: string;
}

export type TokenScope = 'read' | 'operate' | 'admin';

export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly expiresAt: string | null;
}

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
  readonly mode: 'offline';
}

export interface AcceptRestoreRequest extends AcceptRunRequest {
  readonly planId: string;
  /** What the person typed; must be the server's name (`CONFIRMATION_MISMATCH`). */
  readonly confirm: string;
}

export interface AcceptPlanRequest {
  readonly actor: Actor;
  readonly idempotencyKey: string | null;
  readonly requestDigest: string;
  readonly serverId: string;
  readonly scenario: RestoreScenario;
  /** Null: the newest usable one. Unknown, or of another server: `RECOVERY_POINT_NOT_FOUND`. */
  readonly recoveryPointId: string | null;
}

/** A run as the dispatcher needs it: everything to start its workflow again under the same id. */
export type DispatchableRun =
  | { readonly kind: 'backup-image'; readonly input: BackupImageInput }
  | { readonly kind: 'restore-server'; readonly input: RestoreServerInput };

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
  /** Throws `DATABASE_UNAVAILABLE` or `DATABASE_SCHEMA_OUTDATED`. */
  check(): Promise<void>;
  close(): Promise<void>;

  // --- inventory ---------------------------------------------------------------------------------------------------------
  /** What the estate would change. Read-only. Nothing is ever removed without prune (later); absent things are listed as `kept`. */
  diffEstate(estate: Estate, resolved: readonly ResolvedServer[]): Promise<readonly EstateChange[]>;
  /**
   * Applies it in one transaction; idempotent. A server keeps its id when its name stays. `ESTATE_CONFLICT`: another UUID under a known name, or two names for one domain.
   * A server that is not in `resolved` (its domain is gone) keeps the identity it has; `DOMAIN_NOT_FOUND` when it is new or gets another domain.
   */
  applyEstate(actor: Actor, estate: Estate, resolved: readonly ResolvedServer[]): Promise<readonly EstateChange[]>;
  listHypervisors(): Promise<readonly HypervisorDeclaration[]>;
  listRepositories(): Promise<readonly RepositoryDeclaration[]>;
  listServers(): Promise<readonly ServerRecord[]>;
  /** By id or by name. Throws `SERVER_NOT_FOUND`. */
  getServer(idOrName: string): Promise<ServerRecord>;

  // --- recovery points ---------------------------------------------------------------------------------------------------
  /** Next generation number of a server: one more than the highest ever recorded. Read under the server's lock. */
  nextGeneration(serverId: string): Promise<number>;
  /** Makes a published recovery point visible as `usable`, and names it in its run. Idempotent by id. Audited as `recovery-point.published`. Throws `REPOSITORY_NOT_CONFIGURED`. */
  recordRecoveryPoint(manifest: ImageManifest, repository: string): Promise<RecoveryPointView>;
  /** Newest first. */
  listRecoveryPoints(filter: { readonly serverId?: string }, page: PageRequest): Promise<Page<RecoveryPointView>>;
  /** Throws `RECOVERY_POINT_NOT_FOUND`. */
  getRecoveryPoint(id: string): Promise<RecoveryPointView>;
  /** Newest `usable` one by point in time. Throws `NO_RECOVERY_POINT`. */
  newestUsable(serverId: string): Promise<RecoveryPointView>;
  /** After a failed verification. Idempotent; audited. */
  markRecoveryPoint(id: string, state: RecoveryPointState, why: string): Promise<void>;

  // --- plans -------------------------------------------------------------------------------------------------------------
  /** Writes the plan down as `planning`; the caller starts the workflow `plan/<id>` afterwards. Also throws `RECOVERY_POINT_NOT_USABLE`. */
  acceptPlan(request: AcceptPlanRequest): Promise<{ readonly planId: string; readonly replayed: boolean }>;
  /** Stores the immutable body and its hash (`INTERNAL` when they do not fit). The first body stays: for a plan that is not `planning` any more nothing happens. Audited as `plan.ready`. */
  completePlan(planId: string, body: RestorePlanBody, hash: string): Promise<void>;
  failPlan(planId: string, error: ErrorSummary): Promise<void>;
  /** Throws `PLAN_NOT_FOUND`. */
  getPlan(planId: string): Promise<RestorePlanView>;
  /** Plans in `planning` older than `olderThan`, for the dispatcher. */
  listUnfinishedPlans(olderThan: Date): Promise<readonly { readonly planId: string; readonly serverId: string; readonly hypervisor: string; readonly recoveryPointId: string | null }[]>;

  // --- runs, steps, lock -------------------------------------------------------------------------------------------------
  /**
   * In one transaction: idempotency key, run row (`accepted`), the server's lock row with a new, higher fencing token, audit `run.requested`. Throws `SERVER_BUSY` with
   * the holder's run id in the context (`runId`); the refusal is audited too, in a transaction of its own.
   */
  acceptBackup(request: AcceptBackupRequest): Promise<AcceptedRun>;
  /**
   * The same for a restore. The run gets the id that the plan reserved (`body.runId`), and the plan is marked `used`. Also throws `PLAN_NOT_FOUND` (also for a plan of another server),
   * `PLAN_NOT_READY`, `PLAN_FAILED`, `PLAN_ALREADY_USED`, `PLAN_STALE` (the stored plan was edited), `PLAN_BLOCKED`, `CONFIRMATION_MISMATCH`.
   */
  acceptRestore(request: AcceptRestoreRequest): Promise<AcceptedRun>;
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
   * Final state, error, lock released, audit `run.succeeded|failed|cancelled`: one transaction. Idempotent: a final run stays as it is. Unless the run succeeded, its open
   * steps are closed: what was running has failed, what was pending is skipped.
   */
  finishRun(runId: string, outcome: RunOutcome): Promise<void>;
  /** Written first; the caller then cancels the workflow. Throws `RUN_NOT_FOUND`, `RUN_FINISHED`. Idempotent; audited. */
  requestCancel(actor: Actor, runId: string): Promise<void>;
  /** The volumes were swapped: the server is on a new line of disk states. Idempotent by run. Audited. */
  startLineage(runId: string, serverId: string): Promise<{ readonly lineageId: string }>;
  /** Throws `RUN_NOT_FOUND`. */
  getRun(runId: string): Promise<RunView>;
  /** Newest first; without steps. */
  listRuns(filter: { readonly serverId?: string; readonly kind?: RunKind; readonly state?: RunState }, page: PageRequest): Promise<Page<RunView>>;
  /** Seconds of the last measured restores of a server that succeeded (at most 20, newest first), for estimates. */
  measuredRecoverySeconds(serverId: string): Promise<readonly number[]>;

  // --- tokens ------------------------------------------------------------------------------------------------------------
  /** Stores only a SHA-256 of the token. The secret is returned once. Audited (name and scopes, never the token). */
  createToken(actor: Actor, name: string, scopes: readonly TokenScope[], expiresAt: Date | null): Promise<{ readonly record: TokenRecord; readonly secret: string }>;
  /** Throws `TOKEN_INVALID` for unknown and expired ones, in constant time with respect to the content. */
  authenticate(secret: string): Promise<TokenRecord>;

  // --- audit -------------------------------------------------------------------------------------------------------------
  /** For events that change nothing else, such as a refused request. */
  audit(entry: { readonly actor: Actor; readonly action: string; readonly runId?: string | null; readonly serverId?: string | null; readonly details?: Readonly<Record<string, unknown>> }): Promise<void>;
  /** Oldest first. */
  listAudit(filter: { readonly runId?: string }, page: PageRequest): Promise<Page<AuditEntryView>>;
  /** Walks the whole chain in batches and names the first bad entry. */
  verifyAudit(): Promise<AuditVerification>;
}
