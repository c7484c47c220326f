import type {
  DataChoice,
  DataPlanSource,
  Decision,
  FetchForPlan,
  PlanningActivities,
  PlanSource,
  PlanSubject,
  RunTrace,
  UndoSource,
} from '../src/contracts/activities/planning';
import type { ParentCandidates } from '../src/contracts/activities/images';
import type { ChangeView, GenerationChanges, LostChange, RecordedChange } from '../src/contracts/change';
import type { GenerationDetail } from '../src/contracts/generation';
import { isModosuError, ModosuError, type ErrorSummary } from '../src/contracts/errors';
import { offsiteNotConfigured } from '../src/contracts/not-declared';
import { newId } from '../src/contracts/ids';
import type { DataSurvey, LostChanges, PlanBody, RestoreSurvey, UndoSurvey } from '../src/contracts/plan';
import type { DataRecoveryPointView } from '../src/contracts/recovery-point';
import type { DecisionKind } from '../src/contracts/run';
import type { WayBackView } from '../src/contracts/way-back';
import type { BackupImageInput, PlanDataInput, PlanRestoreInput, PlanUndoInput } from '../src/contracts/workflows';
import { setTimeout as delay } from 'node:timers/promises';
import type { Catalog, ServerRecord } from '../src/catalog/catalog';
import { planHash } from '../src/catalog/plan-hash';
import { changesLost, newlyLost, type ChangesLost } from '../src/domain/changes/contained';
import { chooseData, planDataRestore, requireSelectable } from '../src/domain/planning/data-planning';
import { driftBetween } from '../src/domain/planning/drift';
import { chooseCopied, newestData, requireDataPoint, requireImage } from '../src/domain/planning/recovery-point-choice';
import { planRestore } from '../src/domain/planning/restore-planning';
import { peersMayHaveFollowed, planUndo, type RelationsOfUndo } from '../src/domain/planning/undo-planning';
import { requireConfirmable, requireUndoable } from '../src/domain/way-back-rules';
import { CompatiblePoints } from './compatible-points';
import type { ActivityDependencies } from './dependencies';
import { finalFailure } from './failures';
import { whileAlive } from './heartbeat';
import { Relations } from './relations';

/** Judgements that need the catalogue; see `PlanningActivities`. */
export class PlanningJudgements implements PlanningActivities {
  private readonly relations: Relations;
  private readonly compatible: CompatiblePoints;

  constructor(private readonly deps: ActivityDependencies) {
    this.relations = new Relations(deps);
    this.compatible = new CompatiblePoints(deps.catalog, this.relations);
  }

  async fetchForPlan({ planId, serverId, from, recoveryPointId, incidentAt, dataSet, noData }: FetchForPlan): Promise<string> {
    const { catalog } = this.deps;
    return whileAlive(async (signal) => {
      await requireHere(catalog, from);
      const copied = await catalog.newestCopied(serverId, from, incidentAt);
      const chosen = chooseCopied(copied, { server: await catalog.getServer(serverId), from, dataSet, recoveryPointId });
      const { requestedBy } = await catalog.getPlan(planId);
      const later = dataSet !== null || noData ? [] : copied.data.map((one) => one.recoveryPointId);
      const transfers: string[] = [];
      for (const id of [chosen, ...later]) {
        const asked = { actor: requestedBy, reason: `plan ${planId}`, kind: 'fetch', recoveryPointId: id, offsite: from } as const;
        transfers.push((await catalog.requestTransfer(asked)).id);
      }
      for (const id of transfers) await ended(catalog, id, signal);
      return chosen;
    });
  }

  async choosePlanSource({
    planId,
    serverId,
    recoveryPointId,
    keepDisks = [],
    attachOldDisks = [],
    noData = false,
    leaveChanges = true,
    leaveCredentials = false,
    incidentAt = null,
    findCompatible = false,
    set,
  }: PlanRestoreInput): Promise<PlanSource> {
    const { catalog } = this.deps;
    const server = await catalog.getServer(serverId);
    const point = findCompatible
      ? await this.compatible.newest(server, { planId, incidentAt, keepDisks, attachOldDisks, leaveChanges, now: new Date() })
      : recoveryPointId === null
        ? await catalog.newestUsable(serverId, incidentAt)
        : await catalog.getRecoveryPoint(recoveryPointId);
    requireImage(point, server);
    return {
      ...subjectOf(planId, server),
      repository: point.repository,
      recoveryPointId: point.id,
      keepDisks,
      attachOldDisks,
      measuredRecoverySeconds: await catalog.measuredRecoverySeconds(serverId, 'restore-server'),
      protection: server.protection,
      openWayBacks: await catalog.listWayBacks({ serverId, state: 'open' }),
      data: await this.chooseData(server, point, { noData, incidentAt, keepsDisks: keepDisks.length > 0 }),
      incidentAt,
      ...decommissionedOf(server),
      lostChanges: await lostChanges(catalog, server, point.generation),
      leaveChanges,
      ...(leaveCredentials ? { leaveCredentials } : {}),
      ...(findCompatible ? { findCompatible } : {}),
      ...(set === undefined ? {} : { set }),
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
    const now = new Date();
    const { catalog } = this.deps;
    const captured = await catalog.markersOf(source.recoveryPointId);
    const { pointInTime } = survey.manifest;
    const judged = await this.relations.judgePlan(source.serverId, { occasion: source.planId, captured, pointInTime, now, set: source.set });
    // Of a set the points were chosen together: another one of this server alone is no better choice.
    const said = source.set === undefined ? await this.compatible.findings(source, survey.manifest, judged, now) : [];
    const replicas = await this.relations.replicasOf(source.serverName);
    const body = planRestore(source, survey, now, { ...judged, replicas, findings: [...judged.findings, ...said] });
    await catalog.completePlan(source.planId, body, planHash(body));
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
      ...subjectOf(planId, server),
      point,
      item: { dataSet: point.declared, recoveryPointId: point.id, snapshotId: point.snapshotId, content: point.content, selection },
      selection,
      measuredRecoverySeconds: await catalog.measuredRecoverySeconds(serverId, 'restore-data'),
      incidentAt,
      ...decommissionedOf(server),
      ...declaredOf(server, point),
    };
  }

  async composeDataPlan(source: DataPlanSource, survey: DataSurvey): Promise<void> {
    if ((await this.deps.catalog.getPlan(source.planId)).state !== 'planning') return;
    const body = planDataRestore(source, survey, new Date(), await this.relations.sharedStateOf(source.serverName));
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
      ...subjectOf(planId, server),
      lineageId: server.lineageId,
      wayBack,
      undoneRun: { kind: run.kind, reason: run.reason },
      ...(wayBack.data === null ? { lostChanges: await lostByUndo(catalog, serverId, wayBack.lineageBefore) } : {}),
    };
  }

  async composeUndoPlan(source: UndoSource, survey: UndoSurvey): Promise<void> {
    if ((await this.deps.catalog.getPlan(source.planId)).state !== 'planning') return;
    const now = new Date();
    const body = planUndo(source, survey, now, await this.relationsOfUndo(source, now));
    await this.deps.catalog.completePlan(source.planId, body, planHash(body));
  }

  /** Peers that have followed the restored server may reject the old one. What it was is known from right before it was replaced. */
  private async relationsOfUndo({ planId, serverId, wayBack, undoneRun }: UndoSource, now: Date): Promise<RelationsOfUndo> {
    if (!peersMayHaveFollowed(wayBack, undoneRun.kind)) return { findings: [], hasLiveRules: false };
    return this.relations.judgeUndo(serverId, { occasion: planId, undoes: wayBack.runId, swappedAt: wayBack.createdAt, now });
  }

  readDecision(runId: string, kind: DecisionKind): Promise<Decision | null> {
    return this.deps.catalog.getDecision(runId, kind);
  }

  async isCancelRequested(runId: string): Promise<boolean> {
    return (await this.deps.catalog.getRun(runId)).cancelRequested;
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

  async parentCandidates({ serverId, repository }: BackupImageInput): Promise<ParentCandidates> {
    return { recoveryPointIds: await this.deps.catalog.incrementalParents(serverId, repository) };
  }

  async changesSincePlan(planId: string): Promise<readonly string[]> {
    const { catalog } = this.deps;
    const { body } = await catalog.getPlan(planId);
    // A restore of data asks no peers; an undo is judged by what is declared when it begins.
    if (body === null || body.scenario === 'data') return [];
    const declared = body.scenario === 'server' ? await this.relations.declaredSince(body) : [];
    if (body.lostChanges === undefined) return declared;
    const { serverId } = body.server;
    const then =
      body.scenario === 'undo'
        ? await catalog.changesAt(serverId, null, body.lineage.then)
        : (await catalog.getGeneration(serverId, body.recoveryPoint.generation)).changes;
    return [...newlyLost(changesLost(await catalog.changesAt(serverId, null), then), body.lostChanges), ...declared];
  }

  changesAt(serverId: string, at: string): Promise<GenerationChanges> {
    return this.deps.catalog.changesAt(serverId, at);
  }

  async nextGeneration(serverId: string): Promise<{ generation: number; lineageId: string }> {
    const { lineageId } = await this.deps.catalog.getServer(serverId);
    return { generation: await this.deps.catalog.nextGeneration(serverId), lineageId };
  }
}

/** Against what the server holds now, and against its newest image. */
async function lostChanges(catalog: Catalog, { id }: ServerRecord, number: number): Promise<LostChanges> {
  const generation = await catalog.getGeneration(id, number);
  const now = await catalog.changesAt(id, null);
  return {
    ...(await describedLoss(catalog, changesLost(now, generation.changes))),
    isKnown: generation.changes !== null || now.contained.length + now.partly.length === 0,
    ...driftBetween(generation, await newestOnPresentLine(catalog, id)),
  };
}

/** With what is known of how each of them is applied again. */
async function describedLoss(
  catalog: Catalog,
  { missing, partly, returning, begun }: ChangesLost,
): Promise<Pick<LostChanges, 'changes' | 'returning' | 'open'>> {
  const known = async (change: RecordedChange): Promise<ChangeView | null> => {
    try {
      return await catalog.getChange(change.id);
    } catch (thrown) {
      // The catalogue was rebuilt from images alone: they name it, and say no more.
      if (isModosuError(thrown) && thrown.code === 'CHANGE_NOT_FOUND') return null;
      throw thrown;
    }
  };
  const lost = [...missing.map((change) => ({ change, how: 'missing' as const })), ...partly.map((change) => ({ change, how: 'partly' as const }))];
  const changes: LostChange[] = [];
  for (const { change, how } of lost) changes.push({ ...change, how, applyAgain: (await known(change))?.applyAgain ?? null });
  const open: RecordedChange[] = [];
  for (const change of begun) if ((await known(change))?.state === 'open') open.push(change);
  return { changes, returning, ...(open.length === 0 ? {} : { open }) };
}

/** What an undo takes away: made on the disks that the server has now. What these and the ones it returns to differ in beside that, nobody has collected. */
async function lostByUndo(catalog: Catalog, serverId: string, returnsTo: string): Promise<LostChanges> {
  const lost = changesLost(await catalog.changesAt(serverId, null), await catalog.changesAt(serverId, null, returnsTo));
  return { ...(await describedLoss(catalog, lost)), isKnown: true, drift: null };
}

/** Null: none of its newest images is of the disks that it has now. */
async function newestOnPresentLine(catalog: Catalog, serverId: string): Promise<GenerationDetail | null> {
  const { items } = await catalog.listGenerations(serverId, { limit: 50, cursor: null });
  const newest = items.find(({ isOnPresentLine }) => isOnPresentLine);
  return newest === undefined ? null : catalog.getGeneration(serverId, newest.generation);
}

/** Accounts of which a recovery point of data says nothing have nothing to do with it. */
function declaredOf({ protection }: ServerRecord, { credentials: remembered = [] }: DataRecoveryPointView): Pick<DataPlanSource, 'credentials'> {
  const credentials = (protection.credentials ?? []).filter(({ account }) => remembered.some((one) => one.account === account));
  return credentials.length === 0 ? {} : { credentials };
}

const subjectOf = (planId: string, { id, name, uuid, hypervisor }: ServerRecord): PlanSubject => ({
  planId,
  runId: newId('run'),
  serverId: id,
  serverName: name,
  uuid,
  hypervisor,
});

const decommissionedOf = ({ decommissioned }: ServerRecord): Pick<PlanSource, 'decommissioned'> => (decommissioned === null ? {} : { decommissioned });

/** A person waits for the plan: that a medium has to be brought is said at once. Throws `OFFSITE_OFFLINE`, `OFFSITE_UNREACHABLE`, `OFFSITE_NOT_CONFIGURED`. */
async function requireHere(catalog: Catalog, name: string): Promise<void> {
  const found = (await catalog.offsiteRepositories()).find((one) => one.name === name);
  if (found === undefined) throw offsiteNotConfigured(name);
  const { state, seenAt, problem } = found;
  if (state !== 'offline' && state !== 'unreachable') return;
  const seen = seenAt === null ? 'it was never seen' : `it was last seen at ${seenAt}`;
  const error = new ModosuError(
    state === 'offline' ? 'OFFSITE_OFFLINE' : 'OFFSITE_UNREACHABLE',
    `Off-site repository ${name} is ${state}: ${seen}${problem === null ? '' : ` (${problem.code}: ${problem.message})`}.`,
    { hint: `Connect and mount it; when \`modosu offsite list\` shows it as "here", plan again.` },
  );
  throw finalFailure(error);
}

const FETCH_POLL_MS = 1_000;

/** Until it has ended. Throws what it has failed with. */
async function ended(catalog: Catalog, transferId: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { finishedAt, error } = await catalog.getTransfer(transferId);
    if (error !== null) throw finalFailure(ModosuError.fromSummary(error));
    if (finishedAt !== null) return;
    await delay(FETCH_POLL_MS, undefined, { signal });
  }
}
