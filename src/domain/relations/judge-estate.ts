import type { Judgement, StoredState } from '../../contracts/judgement';
import type { Finding, FindingSeverity } from '../../contracts/plan';
import type { Profile, ProfileProblem } from '../../contracts/profile';
import type { Relation } from '../../contracts/relation';
import { judgeRelations, unjudgedFindings } from './judge-relations';
import { judgedPairs } from './pairs';

/** What many servers would be told if each of them were restored now, alone, to its newest image. Pure. */

export interface JudgedEstate {
  readonly servers: readonly { readonly id: string; readonly name: string; readonly isDecommissioned: boolean }[];
  readonly relations: readonly Relation[];
  readonly profiles: { readonly byName: ReadonlyMap<string, Profile>; readonly problems: readonly ProfileProblem[] };
}

export interface JudgedServer extends Judgement {
  readonly serverId: string;
}

/** As a plan would judge each of them: a peer that is out of service is not asked. One that is not in the estate is left out. */
export function judgeEstate({ servers, relations, profiles }: JudgedEstate, states: readonly StoredState[], now: Date): readonly JudgedServer[] {
  const nameOf = new Map(servers.map(({ id, name }) => [id, name]));
  const retired = new Set(servers.flatMap(({ name, isDecommissioned }) => (isDecommissioned ? [name] : [])));
  const concerning = relationsByServer(relations);
  return states.flatMap(({ serverId, recoveryPointId, pointInTime, captured, present }) => {
    const name = nameOf.get(serverId);
    if (name === undefined) return [];
    const own = concerning.get(name) ?? [];
    const pairs = judgedPairs(own, name, profiles.byName).filter(({ peer }) => !retired.has(peer.server));
    const { findings: judged } = judgeRelations(pairs, { phase: 'plan', present, captured, pointInTime, now });
    const findings = [...judged, ...unjudgedFindings(own, name, profiles, retired)];
    return [{ serverId, recoveryPointId, worst: worstOf(findings), findings }];
  });
}

/**
 * Whether its relations say anything of its going back: rules that judge it, or that one is missing (`unjudgedFindings`). That one server needs another says
 * nothing of what they have of each other.
 */
export const isJudged = (relations: readonly Relation[], name: string): boolean =>
  relations.some(
    ({ server, peers, type, profile }) =>
      (server === name && (profile !== null || type !== 'depends-on')) || (type !== 'depends-on' && peers.some((peer) => peer.server === name)),
  );

/** By the names of all that have a part in them. */
function relationsByServer(relations: readonly Relation[]): ReadonlyMap<string, readonly Relation[]> {
  const concerning = new Map<string, Relation[]>();
  for (const relation of relations) {
    for (const name of new Set([relation.server, ...relation.peers.map(({ server }) => server)])) {
      const known = concerning.get(name);
      if (known === undefined) concerning.set(name, [relation]);
      else known.push(relation);
    }
  }
  return concerning;
}

/** What is known to stop a restore is worse than what may; what is not known is worse than work that is named. */
const FROM_WORST = ['block', 'unknown', 'step', 'warn', 'ok'] as const satisfies readonly FindingSeverity[];

/** Of nothing: `ok`. */
export const worstOf = (findings: readonly Pick<Finding, 'severity'>[]): FindingSeverity =>
  FROM_WORST.find((severity) => findings.some((finding) => finding.severity === severity)) ?? 'ok';
