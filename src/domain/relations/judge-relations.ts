import { nameOfMarker } from '../../contracts/placeholders';
import type { Finding } from '../../contracts/plan';
import type { MarkerReading, MarkerReadings, RulePhase } from '../../contracts/profile';
import type { PlannedRelationStep, SideReadings } from '../../contracts/reading';
import type { Relation } from '../../contracts/relation';
import { namesOf } from '../../contracts/text';
import { judge, planSteps, type JudgeContext } from '../consistency/judge';
import type { RelationPair } from './pairs';

/** What all relations of a server say of its going back in time. Pure. */

export interface JudgedState {
  readonly phase: RulePhase;
  /** Read now. */
  readonly present: readonly SideReadings[];
  /** Stored with what is restored. */
  readonly captured: readonly SideReadings[];
  /** Of what is restored, ISO 8601. */
  readonly pointInTime: string;
  readonly now: Date;
}

export interface RelationJudgement {
  readonly findings: readonly Finding[];
  readonly steps: readonly PlannedRelationStep[];
}

/** Every pair by its profile, in their order. */
export function judgeRelations(pairs: readonly RelationPair[], state: JudgedState): RelationJudgement {
  const readings = readingsByPair(state);
  const judged = pairs.map((pair) => judgePair(pair, state, readings.get(pairKey(pair.relation.name, pair.peer.server)) ?? {}));
  return { findings: judged.flatMap(({ findings }) => findings), steps: withOwnKeys(judged.flatMap(({ steps }) => steps)) };
}

function judgePair({ relation, peer, profile }: RelationPair, { phase, pointInTime, now }: JudgedState, readings: MarkerReadings): RelationJudgement {
  const context: JudgeContext = { phase, parameters: relation.parameters, server: relation.server, peer: peer.server, readings, pointInTime, now };
  const about = { name: relation.name, peer: peer.server, profile: profile.name };
  const findings = judge(profile, context);
  return {
    findings: findings.map((finding) => ({ ...finding, relation: about })),
    steps: planSteps(profile, context, findings).map((step) => ({
      ...step,
      key: `rule:${step.code}:${peer.server}` as const,
      relation: relation.name,
      peer: peer.server,
    })),
  };
}

const pairKey = (relation: string, peer: string): string => `${relation} ${peer}`;

/** A set of servers has thousands of readings: they are looked up, not searched. */
function readingsByPair({ present, captured }: JudgedState): ReadonlyMap<string, MarkerReadings> {
  const byPair = new Map<string, Record<string, MarkerReading>>();
  for (const [sides, at] of [
    [captured, 'recovery-point'],
    [present, 'now'],
  ] as const) {
    for (const { relation, peer, of, readings } of sides) {
      const key = pairKey(relation, peer);
      const known = byPair.get(key) ?? {};
      byPair.set(key, known);
      for (const [marker, reading] of Object.entries(readings)) known[nameOfMarker({ marker, of, at })] = reading;
    }
  }
  return byPair;
}

/** Two relations with one peer may ask for a step of the same name: the second and later ones get the name of their relation, too. */
export function withOwnKeys(steps: readonly PlannedRelationStep[]): readonly PlannedRelationStep[] {
  const taken = new Set<string>();
  return steps.map((step) => {
    const key = taken.has(step.key) ? (`${step.key}:${step.relation}` as const) : step.key;
    taken.add(key);
    return { ...step, key };
  });
}

/** What there is to judge by. */
export interface KnownProfiles {
  readonly byName: { has(name: string): boolean };
  /** What is wrong with their files, a line each, and why none is there; null: nothing. */
  readonly problems: readonly string[] | null;
}

/** What is said of relations that no rules judge. `decommissioned`: names of servers that are out of service. */
export function unjudgedFindings(
  relations: readonly Relation[],
  server: string,
  profiles: KnownProfiles,
  decommissioned: ReadonlySet<string>,
): readonly Finding[] {
  const own = relations.filter((relation) => relation.server === server);
  return [
    ...own.flatMap((relation) => withoutProfile(relation, profiles)),
    ...own.flatMap((relation) => relation.peers.filter((peer) => decommissioned.has(peer.server)).map((peer) => outOfService(relation, peer.server))),
    ...dependants(relations, server),
    ...oneWay(relations, server),
  ];
}

function withoutProfile(relation: Relation, profiles: KnownProfiles): readonly Finding[] {
  const { name, type, profile, peers, server } = relation;
  const names = namesOf(peers.map((peer) => peer.server));
  if (profile !== null && !profiles.byName.has(profile)) {
    return peers.map((peer) => ({
      code: profiles.problems === null ? 'PROFILE_NOT_FOUND' : 'PROFILE_INVALID',
      severity: 'unknown',
      message: `The profile "${profile}", by which "${server}" is compared with "${peer.server}", ${profiles.problems === null ? 'is not there' : 'was not loaded: the profiles have errors'} (relation "${name}").`,
      remedy:
        'Put its file back, or mend the errors (`modosu profile check FILE`), or name another one (`modosu profile list`), and plan again; or find out by hand whether the two will work together, and acknowledge that it is not known.',
      evidence: profiles.problems?.slice(0, SHOWN_PROBLEMS) ?? [],
      relation: { name, peer: peer.server, profile },
    }));
  }
  // That one needs the other says nothing of what they have of each other.
  if (profile !== null || type === 'depends-on') return [];
  return peers.map((peer) => ({
    code: 'RELATION_NOT_JUDGED',
    severity: 'unknown',
    message: `"${server}" ${type === 'replicates-with' ? 'replicates with' : 'is a member with'} ${names}, and no profile says whether they will accept it (relation "${name}").`,
    remedy:
      'Name a profile for the relation (`modosu profile list`) and plan again; or find out by hand whether they will work together, and acknowledge that it is not known.',
    evidence: [],
    relation: { name, peer: peer.server, profile: null },
  }));
}

const SHOWN_PROBLEMS = 5;

const outOfService = ({ name, profile }: Relation, peer: string): Finding => ({
  code: 'PEER_DECOMMISSIONED',
  severity: 'warn',
  message: `"${peer}" is out of service: it was not asked (relation "${name}").`,
  remedy: 'Take it out of the relation.',
  evidence: [],
  relation: { name, peer, profile },
});

/** Who misses the server while it is away. */
function dependants(relations: readonly Relation[], server: string): readonly Finding[] {
  const hard = relations.filter(({ type, strength, peers }) => type === 'depends-on' && strength === 'hard' && peers.some((peer) => peer.server === server));
  if (hard.length === 0) return [];
  const names = [...new Set(hard.map((relation) => relation.server))].sort();
  return [
    {
      code: 'DEPENDANTS_INTERRUPTED',
      severity: 'warn',
      message: `${namesOf(names)} cannot work without "${server}", from the moment it is stopped until it is live again.`,
      remedy: 'Look at them when it is live: some have to be started again.',
      evidence: hard.map(({ name, server: dependant }) => `${dependant} depends on ${server} (relation ${name})`),
    },
  ];
}

/** Declared from the other side alone. */
function oneWay(relations: readonly Relation[], server: string): readonly Finding[] {
  return relations
    .filter(({ type, peers }) => type !== 'depends-on' && peers.some((peer) => peer.server === server))
    .filter((other) => !relations.some((own) => own.server === server && own.peers.some((peer) => peer.server === other.server)))
    .map((other) => ({
      code: 'RELATION_ONE_WAY',
      severity: 'unknown',
      message: `"${other.server}" is declared to hold copies of what "${server}" has, and nothing is declared for "${server}" going back (relation "${other.name}").`,
      remedy: `Declare the relation for "${server}" as well and plan again; or find out by hand whether the two will work together, and acknowledge that it is not known.`,
      evidence: [],
      relation: { name: other.name, peer: other.server, profile: other.profile },
    }));
}

/** What a run may not go on with: what stops it, or is not known, and was not accepted with its plan. `accepted`: the findings of the plan. */
export const standingAgainst = (found: readonly Finding[], accepted: readonly Finding[]): readonly Finding[] =>
  found.filter((finding) => (finding.severity === 'block' || finding.severity === 'unknown') && !accepted.some((known) => isAcceptedBy(known, finding)));

/** What stands in the way right before the server is replaced: also a step that the plan does not have. */
export const worseThan = (found: readonly Finding[], planned: readonly Finding[]): readonly Finding[] =>
  found.filter(
    ({ severity, ...finding }) => severity !== 'ok' && severity !== 'warn' && !planned.some((known) => isAcceptedBy(known, { severity, ...finding })),
  );

/** The same rule about the same peer, as bad or worse. */
const isAcceptedBy = (known: Finding, finding: Finding): boolean =>
  known.code === finding.code && known.relation?.name === finding.relation?.name && known.relation?.peer === finding.relation?.peer;
