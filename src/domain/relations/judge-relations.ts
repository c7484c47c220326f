import { nameOfMarker } from '../../contracts/placeholders';
import type { Finding, FindingSeverity, RestorePlanBody } from '../../contracts/plan';
import type { MarkerReading, MarkerReadings, ProfileProblem, RulePhase } from '../../contracts/profile';
import type { PlannedRelationStep, SideReadings } from '../../contracts/reading';
import type { Relation } from '../../contracts/relation';
import { namesOf } from '../../contracts/text';
import { judge, planSteps, type JudgeContext } from '../consistency/judge';
import { mayAskFor, type RelationPair } from './pairs';

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

/**
 * Every pair by its profile, in their order.
 *
 * @param all that the server is judged by in any phase, with these among them: by what they may ask for, steps have their keys
 */
export function judgeRelations(pairs: readonly RelationPair[], state: JudgedState, all = pairs): RelationJudgement {
  const readings = readingsByPair(state);
  const judged = pairs.map((pair) => judgePair(pair, all, state, readings.get(pairKey(pair.relation.name, pair.peer.server)) ?? {}));
  return { findings: judged.flatMap(({ findings }) => findings), steps: judged.flatMap(({ steps }) => steps) };
}

function judgePair(pair: RelationPair, all: readonly RelationPair[], { phase, pointInTime, now }: JudgedState, readings: MarkerReadings): RelationJudgement {
  const { relation, peer, profile } = pair;
  const context: JudgeContext = { phase, parameters: relation.parameters, server: relation.server, peer: peer.server, readings, pointInTime, now };
  const about = { name: relation.name, peer: peer.server, profile: profile.name };
  const findings = judge(profile, context);
  return {
    findings: findings.map((finding) => ({ ...finding, relation: about })),
    steps: planSteps(profile, context, findings).map((step) =>
      keyed(
        { ...step, relation: relation.name, peer: peer.server },
        all.filter((other) => other.peer.server === peer.server),
      ),
    ),
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

/**
 * Two relations between the same servers may ask for a step of the same name: that of the later one has the name of its relation, too, whether or not the earlier one
 * asks for it this time, or in this phase. What a plan shows and what is judged again later has to be the same step, and must not hide what the other one asks for only then.
 *
 * @param between in their order: all relations of the server with that peer; in a set, those of the peer with the server after them
 */
export function keyed(step: Omit<PlannedRelationStep, 'key'>, between: readonly RelationPair[]): PlannedRelationStep {
  const first = between.find((pair) => mayAskFor(pair, step.code));
  const name = `rule:${step.code}:${step.peer}` as const;
  return { ...step, key: first === undefined || first.relation.name === step.relation ? name : `${name}:${step.relation}` };
}

/** What there is to judge by. */
export interface KnownProfiles {
  readonly byName: { has(name: string): boolean };
  /** Why others were not loaded. */
  readonly problems: readonly ProfileProblem[];
}

/** Why this one is not there, a line each; empty: nobody has put it there. */
export const problemsOf = (profile: string, { problems }: Pick<KnownProfiles, 'problems'>): readonly string[] =>
  problems.filter((problem) => problem.profile === null || problem.profile === profile).flatMap(({ errors }) => errors);

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
    const problems = problemsOf(profile, profiles);
    return peers.map((peer) => ({
      code: problems.length === 0 ? 'PROFILE_NOT_FOUND' : 'PROFILE_INVALID',
      severity: 'unknown',
      message: `The profile "${profile}", by which "${server}" is compared with "${peer.server}", ${problems.length === 0 ? 'is not there' : 'was not loaded'} (relation "${name}").`,
      remedy:
        'Put its file back, or mend the errors (`modosu profile check FILE`), or name another one (`modosu profile list`), and plan again; or find out by hand whether the two will work together, and acknowledge that it is not known.',
      evidence: problems.slice(0, SHOWN_PROBLEMS),
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

/** Declared from the other side alone. That one needs the other says nothing of what it has of it, unless the same rules judge that. */
function oneWay(relations: readonly Relation[], server: string): readonly Finding[] {
  return relations
    .filter(({ type, peers }) => type !== 'depends-on' && peers.some((peer) => peer.server === server))
    .filter((other) => !relations.some((own) => own.server === server && own.peers.some((peer) => peer.server === other.server) && isOtherWay(own, other)))
    .map((other) => ({
      code: 'RELATION_ONE_WAY',
      severity: 'unknown',
      message: `"${other.server}" is declared to hold copies of what "${server}" has, and nothing is declared for "${server}" going back (relation "${other.name}").`,
      remedy: `Declare the relation for "${server}" as well and plan again; or find out by hand whether the two will work together, and acknowledge that it is not known.`,
      evidence: [],
      relation: { name: other.name, peer: other.server, profile: other.profile },
    }));
}

/** A need may have rules of something else, such as clocks; what holds copies is told of by itself where its rules are missing. */
const isOtherWay = (own: Relation, other: Relation): boolean =>
  own.type !== 'depends-on' || (own.profile !== null && (other.profile === null || own.profile === other.profile));

/** What a run may not go on with: what stops it, or is not known, and was not accepted with its plan. `accepted`: the findings of the plan. */
export const standingAgainst = (found: readonly Finding[], accepted: readonly Finding[]): readonly Finding[] =>
  found.filter((finding) => (finding.severity === 'block' || finding.severity === 'unknown') && !isAccepted(finding, accepted));

/**
 * What is not known is accepted as what it is: another marker of the same peer is not, unless nothing of that peer was known. Whoever has acknowledged that it does not
 * answer has to be able to restore beside it. A plan of an earlier version does not say what it was.
 */
function isAccepted(finding: Finding, accepted: readonly Finding[]): boolean {
  const known = accepted.filter((one) => covers(one, finding));
  const { notKnown } = finding;
  if (known.length === 0 || notKnown === undefined) return known.length > 0;
  const named = new Set<string>();
  for (const one of known) {
    if (one.notKnown === undefined || one.nothingKnown === true) return true;
    for (const name of one.notKnown) named.add(name);
  }
  return notKnown.every((name) => named.has(name));
}

/**
 * What of a run is not proven in the quarantine or after go-live: what stands against it, and what rules still ask for although it should have been done by now. That a
 * plan has a step is a promise to do it, and accepts nothing. Only relations whose rules the run has asked for steps (`asksIn` of the plan's relations) are held to them:
 * of others nobody was told to do anything.
 */
export function notProven(
  { findings, steps }: RelationJudgement,
  phase: Exclude<RulePhase, 'plan'>,
  { findings: accepted, relations = [] }: Pick<RestorePlanBody, 'findings' | 'relations'>,
): readonly Finding[] {
  const against = standingAgainst(findings, accepted);
  const wasAsked = ({ relation }: Finding): boolean =>
    relations.some(({ name, peer, asksIn = [] }) => name === relation?.name && peer === relation.peer && asksIn.includes(phase));
  const isUnmet = (finding: Finding): boolean => finding.severity === 'step' && wasAsked(finding) && stepOf(finding, steps)?.when !== laterThan(phase);
  return findings.filter((finding) => against.includes(finding) || isUnmet(finding));
}

/** Of steps, the part of the run that is still to come. */
const laterThan = (phase: Exclude<RulePhase, 'plan'>): PlannedRelationStep['when'] | null => (phase === 'quarantine' ? 'live' : null);

const stepOf = ({ code, relation }: Finding, steps: readonly PlannedRelationStep[]): PlannedRelationStep | undefined =>
  steps.find((step) => step.code === code && step.relation === relation?.name && step.peer === relation.peer);

/** What has to be seen and stops nothing. That a profile is experimental stands in the plan. */
export const warningsOf = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ severity, code }) => severity === 'warn' && code !== 'PROFILE_EXPERIMENTAL');

/**
 * What relations say of an undo. It carries out no steps of rules, and the server is where its peers reach it from the moment it starts: what should be done before that
 * stands against it; what is done afterwards is left to people.
 */
export const findingsOfUndo = ({ findings, steps }: RelationJudgement): readonly Finding[] =>
  findings.map((finding) => {
    const step = finding.severity === 'step' ? stepOf(finding, steps) : undefined;
    if (step === undefined) return finding;
    const { title, when } = step;
    const own = finding.remedy === undefined ? '' : ` ${finding.remedy}`;
    return when === 'quarantine'
      ? {
          ...finding,
          severity: 'block',
          remedy: `An undo does none of this, and its server has no quarantine: "${title}" would have to be done before the server starts. Keep its production network away by hand until that is done, and override this; or do not undo.${own}`,
        }
      : { ...finding, severity: 'warn', remedy: `An undo does none of this. When the server is back, do it yourself: ${title}${own}` };
  });

/**
 * What stands in the way right before an undo: what is worse than its plan says; and what is left to people now, and its plan does not name, or only as what comes
 * afterwards. `found`: of `findingsOfUndo`, made from the `asked`. A plan of an earlier version has it as a step.
 */
export function worseThanUndoPlan(asked: readonly Finding[], found: readonly Finding[], planned: readonly Finding[]): readonly Finding[] {
  const steps = asked.filter(({ severity }) => severity === 'step');
  const isStep = (finding: Finding): boolean => steps.some((step) => isSame(step, finding));
  const isPlanned = (finding: Finding): boolean => planned.some((known) => (known.severity === 'step' ? isSame(known, finding) : covers(known, finding)));
  return [...worseThan(found, planned).filter((one) => !isStep(one)), ...found.filter((one) => isStep(one) && !isPlanned(one))];
}

/** The same rule about the same peer. */
const isSame = (one: Finding, other: Finding): boolean =>
  one.code === other.code && one.relation?.name === other.relation?.name && one.relation?.peer === other.relation?.peer;

/** What stands in the way right before the server is replaced: also a step that the plan does not have, and what leaves more rules open than the plan says. */
export const worseThan = (found: readonly Finding[], planned: readonly Finding[]): readonly Finding[] =>
  found.filter(({ severity }) => severity !== 'ok' && severity !== 'warn').filter((finding) => !isInPlan(finding, planned));

function isInPlan(finding: Finding, planned: readonly Finding[]): boolean {
  const known = planned.filter((one) => covers(one, finding));
  // What the recovery point lacks is what it lacked then. A plan of an earlier version did not name what later parts of the run lack of it.
  if (finding.code === 'MARKER_NOT_CAPTURED' && known.some(({ notKnown }) => notKnown === undefined)) return true;
  const leftOpen = new Set(known.flatMap(({ leavesOpen = [] }) => leavesOpen));
  return known.length > 0 && (finding.leavesOpen ?? []).every((code) => leftOpen.has(code));
}

const RANK: Readonly<Record<FindingSeverity, number>> = { ok: 0, warn: 1, step: 2, unknown: 3, block: 4 };

/** The same rule about the same peer, as bad or worse. */
const covers = (known: Finding, finding: Finding): boolean => isSame(known, finding) && RANK[known.severity] >= RANK[finding.severity];
