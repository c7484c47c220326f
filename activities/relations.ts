import { isModosuError } from '../src/contracts/errors';
import type { Finding, RestorePlanBody } from '../src/contracts/plan';
import type { Profile } from '../src/contracts/profile';
import type { PlannedRelation } from '../src/contracts/reading';
import { canonicalJson } from '../src/domain/canonical-json';
import type { JudgedBy } from '../src/domain/relations/find-compatible';
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
export interface KnownProfiles {
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
      .filter((planned) => !pairs.some(({ relation, peer, profile }) => isOf(planned, relation.name, peer.server) && hashOf(profile) === planned.profileSha256))
      .map(({ name, peer, profile }) => ({
        code: 'PROFILE_CHANGED',
        severity: 'block',
        message: `The profile "${profile}" was changed or taken away since the plan was made (relation "${name}").`,
        remedy: 'Plan again.',
        evidence: [],
        relation: { name, peer, profile },
      }));
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
    const { pairs, standing, present } = await this.judgedBy(serverId, occasion, now);
    const { findings, steps } = judgeRelations(pairs, { phase: 'plan', present, captured, pointInTime, now });
    return {
      relations: pairs.map(plannedRelation),
      findings: [...findings, ...standing],
      steps,
      hasQuarantineRules: pairs.some(({ profile }) => hasRules(profile, 'quarantine')),
      hasLiveRules: pairs.some(({ profile }) => hasRules(profile, 'live')),
    };
  }

  /** A file with an error must not keep a server from being restored: what it would have judged is not known then. */
  async profiles(): Promise<KnownProfiles> {
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

const isOf = (planned: PlannedRelation, relation: string, peer: string): boolean => planned.name === relation && planned.peer === peer;

const hashOf = (profile: Profile): string => sha256Of(canonicalJson(profile));

const plannedRelation = ({ relation, peer, profile }: RelationPair): PlannedRelation => ({
  name: relation.name,
  type: relation.type,
  serverAddress: relation.address,
  peer: peer.server,
  address: peer.address,
  profile: profile.name,
  profileSha256: hashOf(profile),
  parameters: relation.parameters,
});
