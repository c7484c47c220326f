import type { ReadingRequest, RelationActivities } from '../src/contracts/activities/relations';
import type { ErrorSummary } from '../src/contracts/errors';
import { isModosuError } from '../src/contracts/errors';
import type { Finding, RestorePlanBody } from '../src/contracts/plan';
import type { MarkerReading, MarkerSpec, RulePhase } from '../src/contracts/profile';
import {
  ALL_MARKERS,
  occasionOf,
  type ImageReadings,
  type PlannedRelationStep,
  type ProbeJob,
  type ReadingMoment,
  type RelationSide,
  type RunJudgement,
  type SideReadings,
} from '../src/contracts/reading';
import {
  judgeRelations,
  notProven,
  standingAgainst,
  warningsOf,
  worseThan,
  worseThanUndoPlan,
  type RelationJudgement,
} from '../src/domain/relations/judge-relations';
import { capturedMarkers, hasRules, markersFor, type RelationPair } from '../src/domain/relations/pairs';
import { fillIn } from '../src/probes/fill-in';
import type { ActivityDependencies } from './dependencies';
import { fromOtherSide, isTogether, withoutPeer } from '../src/domain/relations/set-member';
import { Relations } from './relations';

/** Which questions are asked of whom, and what rules make of the answers; see `RelationActivities`. */
export class RelationCalls implements RelationActivities {
  private readonly relations: Relations;

  constructor(private readonly deps: ActivityDependencies) {
    this.relations = new Relations(deps);
  }

  async readingJobs({ id, serverId, moment, planId, together = [] }: ReadingRequest): Promise<readonly ProbeJob[]> {
    const occasion = occasionOf(id, moment);
    const pairs = (planId === undefined ? await this.relations.declaredFor(serverId) : await this.pairsIn(planId, moment)).filter(
      ({ peer }) => !together.includes(peer.server),
    );
    return this.jobsFor(pairs, moment, occasion);
  }

  async readingsOfImage({ id, serverId }: Pick<ReadingRequest, 'id' | 'serverId'>): Promise<ImageReadings> {
    const occasion = occasionOf(id, 'capture');
    const { pairs, unread } = await this.relations.capturedFor(serverId);
    const sides = unread.flatMap(({ relation, peers, code, message }) =>
      peers.flatMap((peer) => (['server', 'peer'] as const).map((of) => ({ relation, peer, of, readings: { [ALL_MARKERS]: notRead(code, message) } }))),
    );
    if (sides.length > 0) await this.deps.catalog.recordReadings(occasion, sides);
    return { jobs: await this.jobsFor(pairs, 'capture', occasion), unread };
  }

  private async jobsFor(pairs: readonly RelationPair[], moment: ReadingMoment, occasion: string): Promise<readonly ProbeJob[]> {
    const { catalog } = this.deps;
    if (pairs.length === 0) return [];
    const servers = new Map((await catalog.listServers()).map((server) => [server.name, server]));
    const jobs = new Map<string, { readonly job: Omit<ProbeJob, 'sides'>; readonly sides: RelationSide[] }>();
    const unasked: SideReadings[] = [];
    for (const { pair, of, markers } of pairs.flatMap((one) => sidesOf(one, moment))) {
      const { name, address } =
        of === 'server' ? { name: pair.relation.server, address: pair.relation.address } : { name: pair.peer.server, address: pair.peer.address };
      const side: RelationSide = { relation: pair.relation.name, peer: pair.peer.server, of };
      const server = servers.get(name);
      const { specs, failed } = asDeclared(pair, markers, address);
      if (Object.keys(failed).length > 0) unasked.push({ ...side, readings: failed });
      if (server === undefined || specs.length === 0) continue;
      const { id: targetId, name: serverName, uuid, hypervisor } = server;
      const key = JSON.stringify([targetId, address, specs]);
      const job = jobs.get(key) ?? { job: { occasion, target: { serverId: targetId, serverName, uuid, hypervisor, address }, specs }, sides: [] };
      job.sides.push(side);
      jobs.set(key, job);
    }
    await catalog.recordReadings(occasion, unasked);
    return [...jobs.values()].map(({ job, sides }) => ({ ...job, sides }));
  }

  async recordUnread({ occasion, sides, specs }: ProbeJob, { code, message }: ErrorSummary): Promise<void> {
    const readings = Object.fromEntries(specs.map(({ name }) => [name, notRead(code, message)]));
    await this.deps.catalog.recordReadings(
      occasion,
      sides.map((side) => ({ ...side, readings })),
    );
  }

  async peersOf(planId: string): Promise<readonly ProbeJob['target'][]> {
    const { relations = [], restoreSet, server: own } = await this.planOf(planId);
    const servers = new Map((await this.deps.catalog.listServers()).map((server) => [server.name, server]));
    // A relation may be declared from the side of the other one alone.
    const members = (restoreSet?.members ?? []).filter(({ server }) => server !== own.name && !relations.some(({ peer }) => peer === server));
    return [...relations, ...members.map(({ server }) => ({ peer: server, address: null }))].flatMap(({ peer, address }) => {
      const server = servers.get(peer);
      return server === undefined ? [] : [{ serverId: server.id, serverName: server.name, uuid: server.uuid, hypervisor: server.hypervisor, address }];
    });
  }

  async judgeRun({ runId, planId, moment }: Parameters<RelationActivities['judgeRun']>[0]): Promise<RunJudgement> {
    const plan = await this.planOf(planId);
    const phase = PHASES[moment];
    const judged = (await this.relations.judgedIn(plan, moment)).filter(({ pair }) => hasRules(pair.profile, phase));
    const occasion = occasionOf(runId, moment);
    const against: Finding[] = [];
    const steps: PlannedRelationStep[] = [];
    const warnings: Finding[] = [];
    const asked = judged.filter(({ isForStepsOnly }) => isForStepsOnly === true).map(({ pair }) => pair);
    let isOpen = false;
    if (asked.length > 0) {
      const said = await this.judge(asked, plan, occasion, phase);
      steps.push(...said.steps);
      isOpen = maySoonAsk(said.findings, asked);
    }
    const proofs = judged.filter(({ isForStepsOnly }) => isForStepsOnly !== true);
    for (const of of new Set(proofs.map((one) => one.plan))) {
      const pairs = proofs.filter((one) => one.plan === of).map(({ pair }) => pair);
      const said = await this.judge(pairs, of, occasion, phase);
      warnings.push(...warningsOf(said.findings));
      if (phase === 'plan') {
        against.push(...worseThan(said.findings, of.findings));
        steps.push(...said.steps.filter(({ peer }) => !isTogether(plan, peer)));
      } else if (of === plan) {
        against.push(...notProven(said, phase, of));
        steps.push(...said.steps);
      } else {
        // What rules of another member ask for, its own run asks for: as far as they look at it alone, they are proven here. What takes both is asked for here.
        const isAskedThere = (code: string, relation: string | undefined): boolean =>
          pairs.some((pair) => pair.relation.name === relation && withoutPeer(pair).profile.rules.some((rule) => rule.code === code));
        against.push(...notProven(said, phase, of).filter(({ severity, code, relation }) => severity !== 'step' || isAskedThere(code, relation?.name)));
        const between = await this.relations.between(plan, of);
        const left = said.steps.filter(({ code, relation }) => !isAskedThere(code, relation));
        steps.push(...left.map((step) => fromOtherSide(step, of.server.name, between)));
      }
    }
    if (phase !== 'plan') against.unshift(...(await this.relations.unprovable(plan, phase)));
    else {
      against.unshift(...this.relations.changedSince(plan, await this.relations.plannedIn(plan)));
      // What was captured is what it was: nobody was asked again.
      steps.push(...(plan.relationSteps ?? []).filter(({ peer }) => isTogether(plan, peer)));
    }
    return { against, judged: proofs.length, steps, warnings, ...(isOpen ? { isOpen } : {}) };
  }

  async judgeUndo({ runId, planId }: Parameters<RelationActivities['judgeUndo']>[0]): Promise<readonly Finding[]> {
    const { body } = await this.deps.catalog.getPlan(planId);
    if (body?.scenario !== 'undo') throw new TypeError(`plan ${planId} undoes nothing`);
    const { runId: undoes, swappedAt } = body.undoes;
    const now = new Date();
    const { findings, asked } = await this.relations.judgeUndo(body.server.serverId, { occasion: occasionOf(runId, 'recheck'), undoes, swappedAt, now });
    return worseThanUndoPlan(asked, findings, body.findings);
  }

  async judgeUndone({ runId, planId }: Parameters<RelationActivities['judgeUndone']>[0]): Promise<RunJudgement> {
    const { body } = await this.deps.catalog.getPlan(planId);
    if (body?.scenario !== 'undo') throw new TypeError(`plan ${planId} undoes nothing`);
    const { runId: undoes, swappedAt } = body.undoes;
    const { judged, findings } = await this.relations.judgeUndone(body.server.serverId, {
      occasion: occasionOf(runId, 'live'),
      undoes,
      swappedAt,
      now: new Date(),
    });
    return { against: standingAgainst(findings, body.findings), judged, steps: [], warnings: warningsOf(findings) };
  }

  private async pairsIn(planId: string, moment: ReadingMoment): Promise<readonly RelationPair[]> {
    const plan = await this.planOf(planId);
    if (moment === 'capture' || moment === 'plan') return this.relations.plannedIn(plan);
    return (await this.relations.judgedIn(plan, moment)).map(({ pair }) => pair);
  }

  private async judge(pairs: readonly RelationPair[], plan: RestorePlanBody, occasion: string, phase: RulePhase): Promise<RelationJudgement> {
    const { catalog } = this.deps;
    const { recoveryPoint } = plan;
    const [present, captured] = await Promise.all([catalog.readingsOf(occasion), catalog.markersOf(recoveryPoint.id)]);
    const state = { phase, present, captured, pointInTime: recoveryPoint.pointInTime, now: new Date() };
    return judgeRelations(pairs, state, await this.relations.plannedIn(plan));
  }

  private async planOf(planId: string): Promise<RestorePlanBody> {
    const { body } = await this.deps.catalog.getPlan(planId);
    if (body?.scenario !== 'server') throw new TypeError(`plan ${planId} restores no server`);
    return body;
  }
}

/** Whether rules that ask for steps are left open by what may be known a moment later. What a recovery point lacks stays so. */
const maySoonAsk = (findings: readonly Finding[], pairs: readonly RelationPair[]): boolean =>
  findings.some(
    ({ severity, code, relation, leavesOpen = [] }) =>
      severity === 'unknown' &&
      code !== 'MARKER_NOT_CAPTURED' &&
      pairs.some(
        (pair) =>
          pair.relation.name === relation?.name &&
          pair.peer.server === relation.peer &&
          pair.profile.rules.some((rule) => rule.step !== null && leavesOpen.includes(rule.code)),
      ),
  );

const PHASES = { recheck: 'plan', quarantine: 'quarantine', live: 'live' } as const satisfies Record<Exclude<ReadingMoment, 'capture' | 'plan'>, RulePhase>;

/**
 * Which markers of each side are read in a moment. Right before the server is replaced its own are read, too, where they would be stored with a recovery point: an undo
 * goes back to what it is then.
 */
function sidesOf(
  pair: RelationPair,
  moment: ReadingMoment,
): readonly { readonly pair: RelationPair; readonly of: RelationSide['of']; readonly markers: ReadonlySet<string> }[] {
  const captured = capturedMarkers(pair);
  const wanted = moment === 'capture' ? captured : markersFor(pair, moment === 'plan' ? 'plan' : PHASES[moment]);
  const server = moment === 'recheck' ? new Set([...wanted.server, ...captured.server]) : wanted.server;
  return [
    { pair, of: 'server', markers: server },
    { pair, of: 'peer', markers: wanted.peer },
  ];
}

/** What is asked of a server; and what cannot be, because a parameter of the relation does not fit where it should stand. */
function asDeclared(
  { relation, peer, profile }: RelationPair,
  markers: ReadonlySet<string>,
  address: string | null,
): { readonly specs: readonly MarkerSpec[]; readonly failed: Readonly<Record<string, MarkerReading>> } {
  const defaults = profile.parameters.flatMap(({ name, default: value }) => (value === null ? [] : [[name, value] as const]));
  const values = {
    ...Object.fromEntries(defaults),
    ...relation.parameters,
    server: relation.server,
    peer: peer.server,
    ...(address === null ? {} : { address }),
  };
  const specs: MarkerSpec[] = [];
  const failed: Record<string, MarkerReading> = {};
  for (const spec of profile.markers.filter(({ name }) => markers.has(name))) {
    try {
      specs.push(fillIn(spec, values));
    } catch (error) {
      if (!isModosuError(error)) throw error;
      failed[spec.name] = notRead(error.code, error.message);
    }
  }
  return { specs, failed };
}

const notRead = (code: string, message: string): MarkerReading => ({ state: 'failed', code, message, at: new Date().toISOString() });
