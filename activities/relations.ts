import { isModosuError } from '../src/contracts/errors';
import type { Finding, RestorePlanBody } from '../src/contracts/plan';
import { RULE_PHASES, type Profile, type RulePhase } from '../src/contracts/profile';
import type { PlannedRelation } from '../src/contracts/reading';
import { canonicalJson } from '../src/domain/canonical-json';
import { judgeRelations, unjudgedFindings, type RelationJudgement } from '../src/domain/relations/judge-relations';
import { hasRules, judgedPairs, type RelationPair } from '../src/domain/relations/pairs';
import { sha256Of } from '../src/system/sha256';
import type { ActivityDependencies } from './dependencies';

/** What a plan is judged by, and what came of it. */
export interface PlanJudgement extends RelationJudgement {
  readonly relations: readonly PlannedRelation[];
  /** Whether any of their profiles has rules for these parts of a run. */
  readonly hasQuarantineRules: boolean;
  readonly hasLiveRules: boolean;
}

/** Profiles by name, and why there are none. */
interface KnownProfiles {
  readonly byName: ReadonlyMap<string, Profile>;
  /** What is wrong with their files, a line each; null: nothing. */
  readonly problems: readonly string[] | null;
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

  /** Profiles that are not what a plan was judged by any more: its findings are not theirs. `pairs`: all of `plannedIn`. */
  changedSince({ relations = [] }: RestorePlanBody, pairs: readonly RelationPair[]): readonly Finding[] {
    return relations
      .filter((planned) => hashOf(pairOf(planned, pairs)?.profile ?? null) !== planned.profileSha256)
      .map((planned) => profileChanged(planned, 'was changed or taken away since the plan was made', 'Plan again.'));
  }

  /** What a plan promised to prove in this phase, and what nothing can prove now: that no rule speaks does not mean that all is well. `pairs`: all of `plannedIn`. */
  withoutRules({ relations = [] }: RestorePlanBody, pairs: readonly RelationPair[], phase: RulePhase): readonly Finding[] {
    return relations
      .filter((planned) => planned.phases.includes(phase))
      .filter((planned) => !pairs.some((pair) => isOf(planned, pair) && hasRules(pair.profile, phase)))
      .map((planned) => profileChanged(planned, `cannot be read, or has no rules for this (${phase}) any more`, 'Put the profile back as it was.'));
  }

  /** What all relations say of a server that goes back to `captured`, by what was read on an occasion. */
  async judgePlan(
    serverId: string,
    {
      occasion,
      captured,
      pointInTime,
      now,
    }: { readonly occasion: string; readonly captured: Parameters<typeof judgeRelations>[1]['captured']; readonly pointInTime: string; readonly now: Date },
  ): Promise<PlanJudgement> {
    const { catalog } = this.deps;
    const { name } = await catalog.getServer(serverId);
    const declared = await catalog.listRelations({ server: name });
    if (declared.length === 0) return NOTHING;
    const pairs = await this.declaredFor(serverId);
    const { findings, steps } = judgeRelations(pairs, { phase: 'plan', present: await catalog.readingsOf(occasion), captured, pointInTime, now });
    return {
      relations: pairs.map(plannedRelation),
      findings: [...findings, ...unjudgedFindings(declared, name, await this.profiles(), await this.outOfService())],
      steps,
      hasQuarantineRules: pairs.some(({ profile }) => hasRules(profile, 'quarantine')),
      hasLiveRules: pairs.some(({ profile }) => hasRules(profile, 'live')),
    };
  }

  /** A file with an error must not keep a server from being restored: what it would have judged is not known then. */
  private async profiles(): Promise<KnownProfiles> {
    try {
      return { byName: new Map((await this.deps.profiles.load()).map(({ profile }) => [profile.name, profile])), problems: null };
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'PROFILE_INVALID') throw error;
      return { byName: new Map(), problems: (error.context['errors'] as readonly string[] | undefined) ?? [error.message] };
    }
  }

  private async outOfService(): Promise<ReadonlySet<string>> {
    return new Set((await this.deps.catalog.listServers()).flatMap(({ name, decommissioned }) => (decommissioned === null ? [] : [name])));
  }
}

const NOTHING: PlanJudgement = { relations: [], findings: [], steps: [], hasQuarantineRules: false, hasLiveRules: false };

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
  parameters: relation.parameters,
});
