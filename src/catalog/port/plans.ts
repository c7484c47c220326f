import type { ErrorSummary } from '../../contracts/errors';
import type { PlanBody, PlanState, RestorePlanSummary, RestorePlanView } from '../../contracts/plan';
import type { Retrying } from '../../contracts/run';
import type { StartablePlan } from '../../contracts/workflows';
import type { AcceptPlanRequest, AcceptUndoPlanRequest, Page, PageRequest } from './requests';

/** Plans of restores and of undos. */
export interface PlanCatalog {
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
  /** What making a plan tries again, or what holds it up; null: nothing any more. Not audited. Unknown plan, or one that is not `planning` any more: nothing. */
  recordPlanRetry(planId: string, retrying: Retrying | null): Promise<void>;
  /** Throws `PLAN_NOT_FOUND`. */
  getPlan(planId: string): Promise<RestorePlanView>;
  /** Newest first, of restores and of undos. */
  listPlans(filter: { readonly serverId?: string; readonly state?: PlanState }, page: PageRequest): Promise<Page<RestorePlanSummary>>;
  /** Plans in `planning` older than `olderThan`, for the dispatcher. */
  listUnfinishedPlans(olderThan: Date): Promise<readonly StartablePlan[]>;
}
