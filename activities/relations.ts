import type { Finding, RestorePlanBody } from '../src/contracts/plan';
import { RULE_PHASES, type Profile, type RulePhase } from '../src/contracts/profile';
import { occasionOf, type PlannedRelation, type ReadingMoment, type UnreadRelation } from '../src/contracts/reading';
import type { SetOfPlan } from '../src/contracts/restore-set';
import { canonicalJson } from '../src/domain/canonical-json';
import { sharedStateOf, type SharedState } from '../src/domain/planning/files-beside-peers';
import { chooseAgreeingPoints, setServer, type SetChoice, type SetServer } from '../src/domain/relations/agreeing-points';
import { declaredSince } from '../src/domain/relations/declared-since';
import type { JudgedBy } from '../src/domain/relations/find-compatible';
import {
  findingsOfUndo,
  judgeRelations,
  problemsOf,
  unjudgedFindings,
  type KnownProfiles,
  type RelationJudgement,
} from '../src/domain/relations/judge-relations';
import { asksForSteps, hasRules, hasUndecidedRules, judgedPairs, type RelationPair } from '../src/domain/relations/pairs';
import type { TogetherSide } from '../src/domain/relations/restored-together';
import { goesLiveLater, isProvenLater, isTogether, judgeMember, notMadeAnew, withoutPeer } from '../src/domain/relations/set-member';
import { isFinal } from '../src/contracts/run';
import { cleanWords, namesOf } from '../src/contracts/text';
import { sha256Of } from '../src/system/sha256';
import type { ActivityDependencies } from './dependencies';

/** What a plan is judged by, and what came of it. */
export interface PlanJudgement extends RelationJudgement {
  readonly relations: readonly PlannedRelation[];
  /** Whether any of them has something to ask before go-live: rules that their own texts do not decide. */
  readonly hasQuarantineRules: boolean;
  /** Whether any of their profiles has rules for after it. */
  readonly hasLiveRules: boolean;
}

/** An undo that is judged: `occasion` of what was read for it, the run that it undoes, and when that one replaced the server (ISO 8601). */
interface JudgedUndo {
  readonly occasion: string;
  readonly undoes: string;
  readonly swappedAt: string;
  readonly now: Date;
}

/** A relation as it is judged in a run, and the plan of the server that goes back in it. */
export interface JudgedPair {
  readonly pair: RelationPair;
  readonly plan: RestorePlanBody;
  /** Absent: what its rules say is a proof, or none. True: they are asked for steps alone, because the run of the peer, which goes live later, proves the rest. */
  readonly isForStepsOnly?: true;
}

/** The profiles themselves, for whoever judges by them. */
export interface LoadedProfiles extends KnownProfiles {
  readonly byName: ReadonlyMap<string, Profile>;
}

/** The relations of a server with their profiles: as they are declared, or as a plan has them. */
export class Relations {
  constructor(private readonly deps: Pick<ActivityDependencies, 'catalog' | 'profiles'>) {}

  /** Those in which this server goes back in time. A peer that is out of service is not asked. */
  async declaredFor(serverId: string): Promise<readonly RelationPair[]> {
    const { catalog } = this.deps;
    const { name } = await catalog.getServer(serverId);
    const relations = await catalog.listRelations({ server: name });
    if (relations.length === 0) return [];
    const retired = await this.outOfService();
    return judgedPairs(relations, name, (await this.profiles()).byName).filter(({ peer }) => !retired.has(peer.server));
  }

  /**
   * The same for an image of it, and those of which nobody can say what there is to read: the profile that they name is not there. Both by the files as they were at one
   * moment.
   */
  async capturedFor(serverId: string): Promise<{ readonly pairs: readonly RelationPair[]; readonly unread: readonly UnreadRelation[] }> {
    const { catalog } = this.deps;
    const { name } = await catalog.getServer(serverId);
    const relations = (await catalog.listRelations({ server: name })).filter(({ server, profile }) => server === name && profile !== null);
    if (relations.length === 0) return { pairs: [], unread: [] };
    const [profiles, retired] = [await this.profiles(), await this.outOfService()];
    const unread = relations.flatMap(({ name: relation, profile, peers }) => {
      const asked = peers.map(({ server }) => server).filter((peer) => !retired.has(peer));
      return profile === null || asked.length === 0 || profiles.byName.has(profile) ? [] : [{ relation, peers: asked, ...whyNotLoaded(profile, profiles) }];
    });
    return { pairs: judgedPairs(relations, name, profiles.byName).filter(({ peer }) => !retired.has(peer.server)), unread };
  }

  /** Those that a plan was judged by, with the profiles as they are now. */
  async plannedIn({ server, relations = [] }: RestorePlanBody): Promise<readonly RelationPair[]> {
    if (relations.length === 0) return [];
    const { byName: profiles } = await this.profiles();
    return relations.flatMap(({ name, type, serverAddress, peer, address, parameters, profile: profileName }) => {
      const profile = profiles.get(profileName);
      const relation = { name, type, server: server.name, address: serverAddress, peers: [], strength: 'hard', profile: profileName, parameters } as const;
      return profile === undefined ? [] : [{ relation, peer: { server: peer, address }, profile }];
    });
  }

  /** All relations of two servers of a set with each other: first those of the one that the first plan is of. */
  async between(plan: RestorePlanBody, other: RestorePlanBody): Promise<readonly RelationPair[]> {
    const [own, theirs] = [await this.plannedIn(plan), await this.plannedIn(other)];
    return [...own.filter(({ peer }) => peer.server === other.server.name), ...theirs.filter(({ peer }) => peer.server === plan.server.name)];
  }

  /** Profiles that are not what a plan was judged by any more: its findings are not theirs. `pairs`: all of `plannedIn`. */
  changedSince({ relations = [] }: RestorePlanBody, pairs: readonly RelationPair[]): readonly Finding[] {
    return relations
      .filter((planned) => hashOf(pairOf(planned, pairs)?.profile ?? null) !== planned.profileSha256)
      .map((planned) => profileChanged(planned, 'was changed or taken away since the plan was made', 'Plan again.'));
  }

  /** What is declared of its server by now that a plan was made without, a clause each. */
  async declaredSince(plan: RestorePlanBody): Promise<readonly string[]> {
    const { catalog } = this.deps;
    const { name: server } = await catalog.getServer(plan.server.serverId);
    const relations = await catalog.listRelations({ server });
    if (relations.length === 0) return [];
    return declaredSince(plan, { server, relations, profiles: await this.profiles(), decommissioned: await this.outOfService() });
  }

  /** What a plan promised to prove in this phase, and what nothing can prove now: that no rule speaks does not mean that all is well. `pairs`: all of `plannedIn`. */
  withoutRules({ relations = [] }: RestorePlanBody, pairs: readonly RelationPair[], phase: RulePhase): readonly Finding[] {
    return relations
      .filter((planned) => planned.phases.includes(phase))
      .filter((planned) => !pairs.some((pair) => isOf(planned, pair) && hasRules(pair.profile, phase)))
      .map((planned) => profileChanged(planned, `cannot be read, or has no rules for this (${phase}) any more`, 'Put the profile back as it was.'));
  }

  /** What every recovery point of a server is judged by, with what was read on an occasion. */
  async judgedBy(serverId: string, occasion: string, now: Date): Promise<JudgedBy> {
    const { catalog } = this.deps;
    const { name } = await catalog.getServer(serverId);
    const declared = await catalog.listRelations({ server: name });
    if (declared.length === 0) return { pairs: [], standing: [], present: [], now };
    const [profiles, retired] = [await this.profiles(), await this.outOfService()];
    return {
      pairs: judgedPairs(declared, name, profiles.byName).filter(({ peer }) => !retired.has(peer.server)),
      standing: unjudgedFindings(declared, name, profiles, retired),
      present: await catalog.readingsOf(occasion),
      now,
    };
  }

  /** Servers in service that hold copies of this one's state, or of which it holds copies. By name. */
  async replicasOf(serverName: string): Promise<readonly string[]> {
    const relations = (await this.deps.catalog.listRelations({ server: serverName })).filter(({ type }) => type === 'replicates-with');
    const names = new Set(relations.flatMap(({ server, peers }) => (server === serverName ? peers.map((peer) => peer.server) : [server])));
    const retired = await this.outOfService();
    return [...names].filter((name) => name !== serverName && !retired.has(name)).sort();
  }

  /** In which it shares its state with others, from whichever side they are declared. By name of the server. */
  async sharedStateOf(serverName: string): Promise<readonly SharedState[]> {
    const relations = await this.deps.catalog.listRelations({ server: serverName });
    return relations.length === 0 ? [] : sharedStateOf(serverName, relations, await this.outOfService());
  }

  /** Usable images of these servers that agree with each other, as a restore of all of them would choose; nobody is asked. @param until ISO 8601: none of them is younger; null: any */
  async agreeingPoints(names: readonly string[], until: string | null, now: Date): Promise<SetChoice> {
    const { catalog } = this.deps;
    const servers: SetServer[] = [];
    for (const name of names) {
      const known = await catalog.candidatePoints((await catalog.getServer(name)).id, { until });
      servers.push(setServer(name, known, until));
    }
    return chooseAgreeingPoints({ servers, relations: await catalog.listRelations(), profiles: (await this.profiles()).byName, now });
  }

  /** What all relations say of a server that goes back to `captured`, by what was read on an occasion. */
  async judgePlan(
    serverId: string,
    {
      occasion,
      captured,
      pointInTime,
      now,
      set,
    }: {
      readonly occasion: string;
      readonly captured: Parameters<typeof judgeRelations>[1]['captured'];
      readonly pointInTime: string;
      readonly now: Date;
      /** Those that go back together with it. */
      readonly set?: SetOfPlan | undefined;
    },
  ): Promise<PlanJudgement> {
    const { pairs, standing, present } = await this.judgedBy(serverId, occasion, now);
    const alone = pairs.filter(({ peer }) => !isTogether({ ...(set === undefined ? {} : { restoreSet: set }) }, peer.server));
    const { findings, steps } = judgeRelations(alone, { phase: 'plan', present, captured, pointInTime, now });
    const { name } = await this.deps.catalog.getServer(serverId);
    const together = set === undefined ? ALONE : await this.judgeTogetherWith(name, set, now);
    const isProvenHere = ({ peer }: RelationPair): boolean => set === undefined || !goesLiveLater(set, peer.server, name);
    const anew = set?.basis === 'reseed' ? await this.leftAlone(serverId, set, pairs, steps) : [];
    return {
      relations: pairs.map(plannedRelation),
      findings: [...together.findings, ...anew, ...findings, ...standing],
      steps: [...together.steps, ...steps],
      hasQuarantineRules: pairs.some((pair) => hasUndecidedRules(pair, 'quarantine')),
      hasLiveRules: together.hasLiveRules || pairs.some((pair) => hasRules(pair.profile, 'live') && isProvenHere(pair)),
    };
  }

  /** What they say of a server that goes back to what it was right before the run `undoes` replaced it. By the readings of an occasion, and what that run has read. */
  async judgeUndo(serverId: string, { occasion, undoes, swappedAt, now }: JudgedUndo): Promise<PlanJudgement & { readonly asked: readonly Finding[] }> {
    const captured = await this.capturedBefore(undoes);
    const judgement = await this.judgePlan(serverId, { occasion, captured, pointInTime: swappedAt, now });
    return { ...judgement, findings: findingsOfUndo(judgement), steps: [], asked: judgement.findings };
  }

  /** The same once it is back and live: by how many relations it was judged, and what they say. That none can be judged any more is no proof. */
  async judgeUndone(
    serverId: string,
    { occasion, undoes, swappedAt, now }: JudgedUndo,
  ): Promise<{ readonly findings: readonly Finding[]; readonly judged: number }> {
    const [captured, { pairs, present }] = [await this.capturedBefore(undoes), await this.judgedBy(serverId, occasion, now)];
    const live = pairs.filter(({ profile }) => hasRules(profile, 'live'));
    const findings = findingsOfUndo(judgeRelations(live, { phase: 'live', present, captured, pointInTime: swappedAt, now }));
    return { findings: live.length === 0 ? [nothingToJudge] : findings, judged: live.length };
  }

  private async capturedBefore(undoes: string) {
    return (await this.deps.catalog.readingsOf(occasionOf(undoes, 'recheck'))).filter(({ of }) => of === 'server');
  }

  /** Members that were to be made anew from the server, and are not. */
  private async leftAlone(serverId: string, { id }: SetOfPlan, pairs: readonly RelationPair[], steps: RelationJudgement['steps']): Promise<readonly Finding[]> {
    const { catalog } = this.deps;
    const [{ name }, { members }] = [await catalog.getServer(serverId), await catalog.getRestoreSet(id)];
    const others = members.flatMap(({ serverName, recoveryPointId }) => (recoveryPointId === null ? [serverName] : []));
    return notMadeAnew(name, others, { pairs, declared: await catalog.listRelations({ server: name }) }, steps);
  }

  private async judgeTogetherWith(server: string, set: SetOfPlan, now: Date) {
    const { catalog } = this.deps;
    const sides = new Map<string, TogetherSide>();
    for (const member of set.members) {
      const others = await catalog.candidatePoints(member.serverId, { named: member.recoveryPointId });
      const point = others.find(({ id }) => id === member.recoveryPointId);
      if (point !== undefined) sides.set(member.server, { point, others });
    }
    return judgeMember({ server, set, relations: await catalog.listRelations(), profiles: (await this.profiles()).byName, sides, now });
  }

  /**
   * What is judged in one moment of a run, each by the plan of the server that it is about. A peer of the same set is looked at only once it is live: until then rules that
   * need it wait. Of two that are live the later one has all rules of the other, too: also what can be seen of the earlier one alone, such as that a standby streams, may
   * need both.
   */
  async judgedIn(plan: RestorePlanBody, moment: Exclude<ReadingMoment, 'capture' | 'plan'>): Promise<readonly JudgedPair[]> {
    const { restoreSet, server } = plan;
    const own = (await this.plannedIn(plan)).map((pair) => ({ pair, plan }));
    if (restoreSet === undefined) return own;
    if (moment !== 'live') return own.map(({ pair }) => ({ plan, pair: isTogether(plan, pair.peer.server) ? withoutPeer(pair) : pair }));
    const judged = own.flatMap(({ pair }): readonly JudgedPair[] => {
      if (!isProvenLater(plan, pair.peer.server)) return [{ plan, pair }];
      const alone = withoutPeer(pair);
      return asksForSteps(alone.profile, 'live') ? [{ plan, pair: alone, isForStepsOnly: true }] : [];
    });
    for (const body of await this.plansBefore(plan)) {
      const theirs = (await this.plannedIn(body)).filter(({ peer }) => peer.server === server.name);
      judged.push(...theirs.map((pair) => ({ pair, plan: body })));
    }
    return judged;
  }

  /** What was to be proven in this part of a run, and cannot be (`withoutRules`): after go-live also of those of a set that were live before, beside this one. */
  async unprovable(plan: RestorePlanBody, phase: Exclude<RulePhase, 'plan'>): Promise<readonly Finding[]> {
    const { relations = [] } = plan;
    const own = phase === 'live' ? relations.filter(({ peer }) => !isProvenLater(plan, peer)) : relations;
    const found = [...this.withoutRules({ ...plan, relations: own }, await this.plannedIn(plan), phase)];
    for (const body of phase === 'live' ? await this.plansBefore(plan) : []) {
      const theirs = (body.relations ?? []).filter(({ peer }) => peer === plan.server.name);
      found.push(...this.withoutRules({ ...body, relations: theirs }, await this.plannedIn(body), phase));
    }
    return found;
  }

  /** Those of the same set that go live before this one. One that was put back is what it was before: its plan says nothing of that. */
  private async plansBefore({ restoreSet, server }: RestorePlanBody): Promise<readonly RestorePlanBody[]> {
    const bodies: RestorePlanBody[] = [];
    for (const { planId, server: other } of restoreSet?.members ?? []) {
      if (restoreSet === undefined || !goesLiveLater(restoreSet, server.name, other)) continue;
      const { body, runId } = await this.deps.catalog.getPlan(planId);
      if (body?.scenario === 'server' && !(runId !== null && (await this.wasPutBack(runId)))) bodies.push(body);
    }
    return bodies;
  }

  private async wasPutBack(runId: string): Promise<boolean> {
    const { state, wayBack } = await this.deps.catalog.getRun(runId);
    return isFinal(state) && (wayBack === null || wayBack.state === 'undone' || wayBack.state === 'reverted');
  }

  /** A file with an error must not keep a server from being restored: what it would have judged is not known then, and what others judge is. */
  async profiles(): Promise<LoadedProfiles> {
    const { profiles, problems } = await this.deps.profiles.find();
    return { byName: new Map(profiles.map(({ profile }) => [profile.name, profile])), problems };
  }

  private async outOfService(): Promise<ReadonlySet<string>> {
    return new Set((await this.deps.catalog.listServers()).flatMap(({ name, decommissioned }) => (decommissioned === null ? [] : [name])));
  }
}

/** So many lines say of a file what is wrong with it. */
const SHOWN_PROBLEMS = 5;
const MAX_WORDS = 1000;

function whyNotLoaded(profile: string, profiles: KnownProfiles): Pick<UnreadRelation, 'code' | 'message'> {
  const problems = problemsOf(profile, profiles);
  return problems.length === 0
    ? { code: 'PROFILE_NOT_FOUND', message: `Its profile ${namesOf([profile])} is not there.` }
    : {
        code: 'PROFILE_INVALID',
        message: `Its profile ${namesOf([profile])} was not loaded: ${cleanWords(problems.slice(0, SHOWN_PROBLEMS).join('; '), MAX_WORDS)}`,
      };
}

const ALONE: RelationJudgement & { readonly hasLiveRules: boolean } = { findings: [], steps: [], hasLiveRules: false };

const isOf = (planned: PlannedRelation, { relation, peer }: RelationPair): boolean => planned.name === relation.name && planned.peer === peer.server;

const pairOf = (planned: PlannedRelation, pairs: readonly RelationPair[]): RelationPair | undefined => pairs.find((pair) => isOf(planned, pair));

const profileChanged = ({ name, peer, profile }: PlannedRelation, what: string, remedy: string): Finding => ({
  code: 'PROFILE_CHANGED',
  severity: 'block',
  message: `The profile "${profile}" ${what} (relation "${name}").`,
  remedy,
  evidence: [],
  relation: { name, peer, profile },
});

const nothingToJudge: Finding = {
  code: 'PROFILE_CHANGED',
  severity: 'block',
  message: 'No relation of the server has rules for this any more (live): profiles or relations were changed since the undo was planned, or cannot be read.',
  remedy: 'Find out by hand whether the server works with its peers; put the profiles back as they were.',
  evidence: [],
};

const hashOf = (profile: Profile | null): string => sha256Of(canonicalJson(profile));

const plannedRelation = ({ relation, peer, profile }: RelationPair): PlannedRelation => ({
  name: relation.name,
  type: relation.type,
  serverAddress: relation.address,
  peer: peer.server,
  address: peer.address,
  profile: profile.name,
  profileSha256: hashOf(profile),
  phases: RULE_PHASES.filter((phase) => hasRules(profile, phase)),
  asksIn: (['quarantine', 'live'] as const).filter((phase) => asksForSteps(profile, phase)),
  parameters: relation.parameters,
});
