import type { AuditEvent } from '../../src/audit/append-audit';
import { storableText } from '../../src/audit/storable';
import type { AcceptPlannedRequest, Catalog, DecisionRequest, Page, PageRequest, ServerRecord } from '../../src/catalog/catalog';
import type { RecoveryPointRow, RestorePlanRow, RestoreSetRow, RunRow, WayBackRow } from '../../src/catalog/entities';
import {
  decisionReason,
  findingsFor,
  newRestoreSet,
  requireConfirmed,
  requireMeant,
  restoreSetNotFound,
  restoreSetRefused,
  restoreSetView,
  setBegun,
  setMoved,
  setPlanned,
  setRuns,
  setUsed,
  type RestoreSetContext,
} from '../../src/catalog/restore-set-rows';
import { planView } from '../../src/catalog/views';
import { newId } from '../../src/contracts/ids';
import { isFinal } from '../../src/contracts/run';
import { requireSuitable } from '../../src/domain/planning/recovery-point-choice';
import { nextOfSet, type SetMove } from '../../src/domain/restore-sets/restore-set';

interface FakeWorld {
  now(): Date;
  server(serverId: string): ServerRecord;
  point(id: string): RecoveryPointRow;
  plan(planId: string): RestorePlanRow;
  setPlan(plan: RestorePlanRow): void;
  runs(): readonly RunRow[];
  wayBackOf(runId: string): WayBackRow | undefined;
  isDecided(runId: string): boolean;
  earlier(request: { readonly actor: string; readonly idempotencyKey: string | null; readonly requestDigest: string }, newResultId: string): string | null;
  claim(request: { readonly actor: string; readonly idempotencyKey: string | null; readonly requestDigest: string }, resultId: string): void;
  /** Whether all of these could be accepted now; throws what would refuse one. */
  requireAcceptable(requests: readonly AcceptPlannedRequest[]): void;
  acceptPlanned(request: AcceptPlannedRequest): Promise<{ readonly runId: string }>;
  decide(request: DecisionRequest): Promise<void>;
  cancel(actor: string, runId: string, reason: string): Promise<void>;
  page(
    rows: readonly RestoreSetRow[],
    page: PageRequest,
    view: (row: RestoreSetRow) => ReturnType<typeof restoreSetView>,
  ): Page<ReturnType<typeof restoreSetView>>;
  append(event: AuditEvent): void;
}

/** Restore sets of the catalogue in memory. */
export class FakeRestoreSets implements Pick<
  Catalog,
  'acceptRestoreSet' | 'acceptRestoreSetRuns' | 'runningRestoreSets' | 'advanceRestoreSet' | 'getRestoreSet' | 'listRestoreSets'
> {
  private readonly sets = new Map<string, RestoreSetRow>();

  constructor(private readonly world: FakeWorld) {}

  isRunning(restoreSetId: string | null): boolean {
    return this.sets.get(restoreSetId ?? '')?.state === 'running';
  }

  acceptRestoreSet: Catalog['acceptRestoreSet'] = async (request) => {
    const { world } = this;
    const restoreSetId = newId('rset');
    const earlier = world.earlier(request, restoreSetId);
    if (earlier !== null) return { restoreSetId: earlier, replayed: true };
    const names = new Map<string, string>();
    for (const { serverId, recoveryPointId } of request.members) {
      const server = world.server(serverId);
      names.set(server.id, server.name);
      if (recoveryPointId !== null) requireSuitable(world.point(recoveryPointId), server, 'image');
    }
    const planIds = request.members.filter(({ recoveryPointId }) => recoveryPointId !== null).map(() => newId('plan'));
    const { set, plans } = newRestoreSet(restoreSetId, planIds, request, names, world.now());
    this.sets.set(restoreSetId, set);
    for (const plan of plans) world.setPlan(plan);
    world.append(setPlanned(set, plans, names));
    world.claim(request, restoreSetId);
    return { restoreSetId, replayed: false };
  };

  acceptRestoreSetRuns: Catalog['acceptRestoreSetRuns'] = async (request) => {
    const { world } = this;
    const { actor, restoreSetId, reason, findings } = request;
    try {
      const set = this.set(restoreSetId);
      const { names, plans, runs } = this.contextOf(set);
      if (world.earlier(request, restoreSetId) !== null) return { runIds: runs.map(({ id }) => id), replayed: true };
      if (set.state !== 'planned') throw setUsed(set);
      requireConfirmed(
        restoreSetId,
        plans.map((plan) => names.get(plan.serverId) ?? plan.serverId),
        request.confirm,
      );
      const views = plans.map((plan) => planView(plan, names.get(plan.serverId) ?? plan.serverId));
      requireMeant(restoreSetId, views, findings);
      const requests = views.map((plan): AcceptPlannedRequest => ({
        actor,
        idempotencyKey: null,
        requestDigest: request.requestDigest,
        serverId: plan.serverId,
        reason,
        planId: plan.id,
        confirm: plan.serverName,
        hold: true,
        findings: findingsFor(plan, findings),
        restoreSetId,
      }));
      world.requireAcceptable(requests);
      const runIds: string[] = [];
      for (const one of requests) runIds.push((await world.acceptPlanned(one)).runId);
      this.sets.set(restoreSetId, { ...set, state: 'running', runBy: storableText(actor, 256), reason: storableText(reason), runAt: world.now() });
      world.append(setBegun(set, request, runIds));
      world.claim(request, restoreSetId);
      return { runIds, replayed: false };
    } catch (error) {
      const event = restoreSetRefused(request, error);
      if (event !== null) world.append(event);
      throw error;
    }
  };

  runningRestoreSets: Catalog['runningRestoreSets'] = async () => [...this.sets.values()].filter(({ state }) => state === 'running').map(({ id }) => id);

  advanceRestoreSet: Catalog['advanceRestoreSet'] = async (restoreSetId) => {
    const set = this.set(restoreSetId);
    return set.state === 'running' && set.runBy !== null ? this.advance(set, set.runBy) : { kind: 'wait' };
  };

  private async advance(set: RestoreSetRow, actor: string): Promise<SetMove> {
    const { world } = this;
    const context = this.contextOf(set);
    const decided = new Set(context.runs.map(({ id }) => id).filter((id) => world.isDecided(id)));
    const move = nextOfSet(setRuns(set, context, decided));
    if (move.kind === 'go-live') await world.decide({ actor, runId: move.runId, kind: 'go-live', reason: decisionReason(set), restoreSetId: set.id });
    if (move.kind === 'cancel') {
      const open = move.runIds.filter((id) => context.runs.some((run) => run.id === id && !isFinal(run.state)));
      for (const runId of open) await world.cancel(actor, runId, `restore set ${set.id}: ${move.why}`);
    }
    if (move.kind === 'end') this.sets.set(set.id, { ...set, state: move.state, problem: move.problem, finishedAt: world.now() });
    const event = setMoved(set, move, actor);
    if (event !== null) world.append(event);
    return move;
  }

  getRestoreSet: Catalog['getRestoreSet'] = async (id) => this.view(this.set(id));

  listRestoreSets: Catalog['listRestoreSets'] = async (page) => this.world.page([...this.sets.values()], page, (row) => this.view(row));

  private readonly view = (row: RestoreSetRow): ReturnType<typeof restoreSetView> => restoreSetView(row, this.contextOf(row));

  private set(id: string): RestoreSetRow {
    const row = this.sets.get(id);
    if (row === undefined) throw restoreSetNotFound(id);
    return row;
  }

  private contextOf({ members }: RestoreSetRow): RestoreSetContext {
    const { world } = this;
    const plans = members.flatMap(({ planId }) => (planId === null ? [] : [world.plan(planId)]));
    const runs = world.runs().filter(({ planId }) => plans.some(({ id }) => id === planId));
    return {
      names: new Map(members.map(({ serverId }) => [serverId, world.server(serverId).name])),
      plans,
      runs,
      wayBacks: runs.flatMap(({ id }) => world.wayBackOf(id) ?? []),
      points: members.flatMap(({ recoveryPointId }) => (recoveryPointId === null ? [] : [world.point(recoveryPointId)])),
    };
  }
}
