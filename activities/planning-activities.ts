import type { DataChoice, DataPlanSource, Decision, PlanningActivities, PlanSource, RunTrace, UndoSource } from '../src/contracts/activities';
import { ModosuError, type ErrorSummary } from '../src/contracts/errors';
import { newId } from '../src/contracts/ids';
import type { DataSurvey, PlanBody, RestoreSurvey, UndoSurvey } from '../src/contracts/plan';
import type { DecisionKind } from '../src/contracts/run';
import type { WayBackView } from '../src/contracts/way-back';
import type { PlanDataInput, PlanRestoreInput, PlanUndoInput } from '../src/contracts/workflows';
import type { ServerRecord } from '../src/catalog/catalog';
import { planHash } from '../src/catalog/plan-hash';
import { chooseData, planDataRestore, requireSelectable } from '../src/domain/planning/data-planning';
import { newestData, requireDataPoint, requireImage } from '../src/domain/planning/recovery-point-choice';
import { planRestore } from '../src/domain/planning/restore-planning';
import { planUndo } from '../src/domain/planning/undo-planning';
import { requireConfirmable, requireUndoable } from '../src/domain/way-back-rules';
import type { ActivityDependencies } from './dependencies';

/** Judgements that need the catalogue; see `PlanningActivities`. */
export class PlanningJudgements implements PlanningActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  async choosePlanSource({
    planId,
    serverId,
    recoveryPointId,
    keepDisks = [],
    attachOldDisks = [],
    noData = false,
    incidentAt = null,
  }: PlanRestoreInput): Promise<PlanSource> {
    const { catalog } = this.deps;
    const server = await catalog.getServer(serverId);
    const point = recoveryPointId === null ? await catalog.newestUsable(serverId, incidentAt) : await catalog.getRecoveryPoint(recoveryPointId);
    requireImage(point, server);
    return {
      planId,
      runId: newId('run'),
      serverId,
      serverName: server.name,
      uuid: server.uuid,
      hypervisor: server.hypervisor,
      repository: point.repository,
      recoveryPointId: point.id,
      keepDisks,
      attachOldDisks,
      measuredRecoverySeconds: await catalog.measuredRecoverySeconds(serverId, 'restore-server'),
      protection: server.protection,
      openWayBacks: await catalog.listWayBacks({ serverId, state: 'open' }),
      data: await this.chooseData(server, point, { noData, incidentAt, keepsDisks: keepDisks.length > 0 }),
      incidentAt,
    };
  }

  private async chooseData(
    server: ServerRecord,
    image: { readonly pointInTime: string },
    request: Parameters<typeof chooseData>[3],
  ): Promise<readonly DataChoice[]> {
    const choices: DataChoice[] = [];
    for (const dataSet of server.protection.dataSets) {
      choices.push(...chooseData(dataSet.name, await this.deps.catalog.usableData(server.id, dataSet.name), image, request));
    }
    return choices;
  }

  async composePlan(source: PlanSource, survey: RestoreSurvey): Promise<void> {
    // A second attempt after the answer was lost must not make a second plan: its moment, and so its hash, would differ.
    if ((await this.deps.catalog.getPlan(source.planId)).state !== 'planning') return;
    const body = planRestore(source, survey, new Date());
    await this.deps.catalog.completePlan(source.planId, body, planHash(body));
  }

  async chooseDataSource({ planId, serverId, dataSet, recoveryPointId, selection, incidentAt }: PlanDataInput): Promise<DataPlanSource> {
    const { catalog } = this.deps;
    const server = await catalog.getServer(serverId);
    const usable = await catalog.usableData(serverId, dataSet);
    const point =
      recoveryPointId === null ? newestData(usable, { dataSet, serverName: server.name, incidentAt }) : await catalog.getRecoveryPoint(recoveryPointId);
    requireDataPoint(point, server, dataSet);
    requireSelectable(point, selection);
    return {
      planId,
      runId: newId('run'),
      serverId,
      serverName: server.name,
      uuid: server.uuid,
      hypervisor: server.hypervisor,
      point,
      item: { dataSet: point.declared, recoveryPointId: point.id, snapshotId: point.snapshotId, content: point.content, selection },
      selection,
      measuredRecoverySeconds: await catalog.measuredRecoverySeconds(serverId, 'restore-data'),
      incidentAt,
    };
  }

  async composeDataPlan(source: DataPlanSource, survey: DataSurvey): Promise<void> {
    if ((await this.deps.catalog.getPlan(source.planId)).state !== 'planning') return;
    const body = planDataRestore(source, survey, new Date());
    await this.deps.catalog.completePlan(source.planId, body, planHash(body));
  }

  async chooseUndoSource({ planId, serverId, ofRunId }: PlanUndoInput): Promise<UndoSource> {
    const { catalog } = this.deps;
    const [server, wayBack, run, open] = await Promise.all([
      catalog.getServer(serverId),
      catalog.getWayBack(ofRunId),
      catalog.getRun(ofRunId),
      catalog.listWayBacks({ serverId, state: 'open' }),
    ]);
    requireUndoable(wayBack, open);
    return {
      planId,
      runId: newId('run'),
      serverId,
      serverName: server.name,
      uuid: server.uuid,
      hypervisor: server.hypervisor,
      lineageId: server.lineageId,
      wayBack,
      undoneRun: { kind: run.kind, reason: run.reason },
    };
  }

  async composeUndoPlan(source: UndoSource, survey: UndoSurvey): Promise<void> {
    if ((await this.deps.catalog.getPlan(source.planId)).state !== 'planning') return;
    const body = planUndo(source, survey, new Date());
    await this.deps.catalog.completePlan(source.planId, body, planHash(body));
  }

  readDecision(runId: string, kind: DecisionKind): Promise<Decision | null> {
    return this.deps.catalog.getDecision(runId, kind);
  }

  async traceOfRun(runId: string): Promise<RunTrace> {
    const { steps, wayBack, cancelRequested } = await this.deps.catalog.getRun(runId);
    return { steps: steps.map(({ seq, key, title, state, detail, error }) => ({ seq, key, title, state, detail, error })), wayBack, cancelRequested };
  }

  async requireConfirmable(ofRunId: string): Promise<WayBackView> {
    const wayBack = await this.deps.catalog.getWayBack(ofRunId);
    requireConfirmable(wayBack);
    return wayBack;
  }

  async failPlan(planId: string, error: ErrorSummary): Promise<void> {
    await this.deps.catalog.failPlan(planId, error);
  }

  async loadPlan(planId: string, hash: string): Promise<PlanBody> {
    const plan = await this.deps.catalog.getPlan(planId);
    if (plan.body === null || planHash(plan.body) !== hash) {
      throw new ModosuError('PLAN_STALE', `Plan ${planId} is not the one that was accepted: its hash differs.`);
    }
    return plan.body;
  }

  async nextGeneration(serverId: string): Promise<{ generation: number; lineageId: string }> {
    const { lineageId } = await this.deps.catalog.getServer(serverId);
    return { generation: await this.deps.catalog.nextGeneration(serverId), lineageId };
  }
}
