import type { Finding, RestorePlanBody } from '../../contracts/plan';
import type { Profile } from '../../contracts/profile';
import type { PlannedRelation } from '../../contracts/reading';
import type { Relation } from '../../contracts/relation';
import { canonicalJson } from '../canonical-json';
import { unjudgedFindings, type KnownProfiles } from './judge-relations';
import { judgedPairs, type RelationPair } from './pairs';

/** What is declared of a server by now that the plan of its restore was made without: its run would ask nobody about it, not even after go-live. Pure. */

export interface DeclaredNow {
  readonly server: string;
  readonly relations: readonly Relation[];
  readonly profiles: KnownProfiles & { readonly byName: ReadonlyMap<string, Profile> };
  /** Names of servers that are out of service: they are not asked. */
  readonly decommissioned: ReadonlySet<string>;
}

/** A clause each, without a full stop. What was taken out of the estate since is not among them: the plan has it, and its run is judged by more than has to be. */
export function declaredSince(plan: Pick<RestorePlanBody, 'relations' | 'findings'>, declared: DeclaredNow): readonly string[] {
  const { server, relations, profiles, decommissioned } = declared;
  const pairs = judgedPairs(relations, server, profiles.byName).filter(({ peer }) => !decommissioned.has(peer.server));
  const unjudged = unjudgedFindings(relations, server, profiles, decommissioned).filter(({ severity }) => severity === 'unknown');
  return [
    ...pairs.flatMap((pair) => judgedOtherwise(pair, plannedFor(plan, pair.relation.name, pair.peer.server)) ?? []),
    ...unjudged.filter((finding) => !isInPlan(finding, plan) && !wasUntold(finding, declared)).map(({ message }) => message.replace(/\.$/, '')),
  ];
}

const plannedFor = ({ relations = [] }: Pick<RestorePlanBody, 'relations'>, name: string, peer: string): PlannedRelation | undefined =>
  relations.find((one) => one.name === name && one.peer === peer);

/** Null: as in the plan. */
function judgedOtherwise({ relation, peer, profile }: RelationPair, planned: PlannedRelation | undefined): string | null {
  const which = `the relation "${relation.name}" of "${relation.server}" with "${peer.server}"`;
  if (planned === undefined) return `${which} is not in the plan, and is judged by the profile "${profile.name}" now`;
  if (planned.profile !== profile.name) return `${which} is judged by the profile "${profile.name}" now, and was by "${planned.profile}"`;
  if (canonicalJson(planned.parameters) !== canonicalJson(relation.parameters)) return `${which} has other parameters now`;
  if (planned.serverAddress !== relation.address || planned.address !== peer.address) return `${which} has other addresses now`;
  return null;
}

/** Of a relation that the plan was judged by and that names no profile any more, it has the rules. */
function isInPlan({ relation: about }: Finding, plan: Pick<RestorePlanBody, 'relations' | 'findings'>): boolean {
  if (about === undefined) return false;
  const planned = plannedFor(plan, about.name, about.peer);
  if (planned !== undefined && (about.profile === null || about.profile === planned.profile)) return true;
  return plan.findings.some(
    ({ severity, relation }) => (severity === 'unknown' || severity === 'block') && relation?.name === about.name && relation.peer === about.peer,
  );
}

/** Beside an own relation of whatever kind, plans of earlier versions have not told of one that is declared from the other side alone: that it is not in a plan says nothing. */
const wasUntold = ({ code, relation: about }: Finding, { server, relations }: DeclaredNow): boolean =>
  code === 'RELATION_ONE_WAY' && relations.some((own) => own.server === server && own.peers.some((peer) => peer.server === about?.peer));
