import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import type { RecoveryPointRow, RestorePlanRow, RunRow } from '../../src/catalog/entities';
import { asFetched, newPlan, planNotFound, planRequest, planText, readyDetails, startablePlan } from '../../src/catalog/plan-store';
import { WORKER } from '../../src/catalog/recovery-point-store';
import { storableError, storableRetrying } from '../../src/catalog/storable-error';
import { planSummary, planView } from '../../src/catalog/views';
import { newId } from '../../src/contracts/ids';
import { RECOVERY_POINT_KIND_OF } from '../../src/contracts/plan';
import { requireSuitable } from '../../src/domain/planning/recovery-point-choice';
import type { FakeGround } from './fake-catalog-ground';

/** The rest of the catalogue in memory. */
export interface PlanSurroundings {
  server(serverId: string): ServerRecord;
  point(id: string): RecoveryPointRow;
  run(id: string): RunRow;
  /** Throws `OFFSITE_NOT_CONFIGURED`. */
  requireOffsite(name: string): void;
  requireUndoable(runId: string, server: ServerRecord): void;
}

type Methods = Pick<
  Catalog,
  'acceptPlan' | 'acceptUndoPlan' | 'getDispatchablePlan' | 'completePlan' | 'failPlan' | 'recordPlanRetry' | 'getPlan' | 'listUnfinishedPlans' | 'listPlans'
>;

/** Plans of restores and of undos, in memory. */
export class FakePlans implements Methods {
  private readonly rows = new Map<string, RestorePlanRow>();

  constructor(
    private readonly ground: FakeGround,
    private readonly around: PlanSurroundings,
  ) {}

  acceptPlan: Catalog['acceptPlan'] = async (request) => {
    this.ground.reach();
    const { actor, serverId, scenario, recoveryPointId } = request;
    const keepDisks = request.scenario === 'server' ? (request.keepDisks ?? []) : [];
    const attachOldDisks = request.scenario === 'server' ? (request.attachOldDisks ?? []) : [];
    const planId = newId('plan');
    const earlier = this.ground.earlier(request, planId);
    if (earlier !== null) return { planId: earlier, replayed: true };
    const server = this.around.server(serverId);
    if (request.from !== undefined) this.around.requireOffsite(request.from);
    if (recoveryPointId !== null) requireSuitable(asFetched(this.around.point(recoveryPointId), request), server, RECOVERY_POINT_KIND_OF[scenario]);
    this.rows.set(
      planId,
      newPlan(
        { id: planId, serverId, scenario, actor, recoveryPointId, keepDisks, attachOldDisks, request: planRequest(request), undoesRunId: null },
        this.ground.now(),
      ),
    );
    this.ground.claim(request, planId);
    this.ground.append({
      actor,
      action: 'plan.requested',
      serverId,
      details: {
        planId,
        server: server.name,
        scenario,
        recoveryPointId,
        ...(keepDisks.length === 0 ? {} : { keepDisks }),
        ...(attachOldDisks.length === 0 ? {} : { attachOldDisks }),
        ...planRequest(request),
      },
    });
    return { planId, replayed: false };
  };

  acceptUndoPlan: Catalog['acceptUndoPlan'] = async (request) => {
    this.ground.reach();
    const { actor, ofRunId } = request;
    const planId = newId('plan');
    const earlier = this.ground.earlier(request, planId);
    if (earlier !== null) return { planId: earlier, serverId: this.plan(earlier).serverId, replayed: true };
    const { serverId } = this.around.run(ofRunId);
    this.around.requireUndoable(ofRunId, this.around.server(serverId));
    this.rows.set(
      planId,
      newPlan(
        { id: planId, serverId, scenario: 'undo', actor, recoveryPointId: null, keepDisks: [], attachOldDisks: [], request: null, undoesRunId: ofRunId },
        this.ground.now(),
      ),
    );
    this.ground.claim(request, planId);
    this.ground.append({ actor, action: 'plan.requested', serverId, details: { planId, scenario: 'undo', ofRunId } });
    return { planId, serverId, replayed: false };
  };

  getDispatchablePlan: Catalog['getDispatchablePlan'] = async (planId) => startablePlan(this.plan(planId));

  completePlan: Catalog['completePlan'] = async (planId, body, hash) => {
    const plan = this.plan(planId);
    const text = planText(plan, body, hash);
    if (plan.state !== 'planning') return;
    this.rows.set(planId, { ...plan, state: 'ready', hash, body: text });
    this.ground.append({ actor: WORKER, action: 'plan.ready', serverId: plan.serverId, details: readyDetails(planId, body, hash) });
  };

  failPlan: Catalog['failPlan'] = async (planId, error) => {
    const plan = this.plan(planId);
    if (plan.state !== 'planning') return;
    this.rows.set(planId, { ...plan, state: 'failed', error: storableError(error) });
    this.ground.append({ actor: WORKER, action: 'plan.failed', serverId: plan.serverId, details: { planId, code: error.code } });
  };

  recordPlanRetry: Catalog['recordPlanRetry'] = async (planId, retrying) => {
    this.ground.reach();
    const plan = this.rows.get(planId);
    if (plan?.state === 'planning') this.rows.set(planId, { ...plan, retrying: storableRetrying(retrying) });
  };

  getPlan: Catalog['getPlan'] = async (planId) => {
    const plan = this.plan(planId);
    return planView(plan, this.around.server(plan.serverId).name);
  };

  listUnfinishedPlans: Catalog['listUnfinishedPlans'] = async (olderThan) => {
    this.ground.reach();
    return this.all()
      .filter(({ state, createdAt }) => state === 'planning' && createdAt < olderThan)
      .map(startablePlan);
  };

  listPlans: Catalog['listPlans'] = async ({ serverId, state }, page) => {
    const rows = this.all().filter((plan) => (serverId ?? plan.serverId) === plan.serverId && (state ?? plan.state) === plan.state);
    return this.ground.newestFirst(
      'restore-plans',
      rows,
      page,
      ({ createdAt }) => createdAt,
      (plan) => planSummary(plan, this.around.server(plan.serverId).name),
    );
  };

  all(): readonly RestorePlanRow[] {
    return [...this.rows.values()];
  }

  find(id: string): RestorePlanRow | undefined {
    return this.rows.get(id);
  }

  put(row: RestorePlanRow): void {
    this.rows.set(row.id, row);
  }

  plan(id: string): RestorePlanRow {
    return this.ground.found(this.rows.get(id), () => planNotFound(id));
  }
}
