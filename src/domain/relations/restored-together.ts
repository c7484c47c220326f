import type { Finding } from '../../contracts/plan';
import type { MarkerReading } from '../../contracts/profile';
import type { PlannedRelationStep, SideReadings } from '../../contracts/reading';
import type { Consistency } from '../../contracts/recovery-point';
import type { Relation } from '../../contracts/relation';
import { judgeRelations } from './judge-relations';
import { markersTogether, wantedMarkers, type RelationPair } from './pairs';

/**
 * Two servers of a relation that go back together: what the peer will be is not asked of it, but taken from what was read of it beside its own recovery point. Pure.
 *
 * Markers of a server are read before its point in time, so they are the least that its image holds. For the server that a rule is about that is the safe side, as in any
 * plan; of its peer the most has to be known as well. Two ways lead there, and where neither does nothing is said to agree:
 *
 * `readings`: the peer was read again after its point in time, on the same line of disks. Its image lies between the two readings, and the rules are asked about both.
 *
 * `freeze`: both images are of one backup set, with frozen or stopped file systems. All of it was read before either was frozen; the rules are asked about the earliest
 * reading of the peer and the latest of the server. That nothing came in between is what the common freeze is for, and no marker proves it: that is said, as `unknown`.
 */

/** A recovery point that one server of a set could go back to, with what was read right before its point in time. */
export interface CandidatePoint {
  readonly id: string;
  readonly server: string;
  readonly pointInTime: string;
  readonly lineageId: string;
  /** The backup set that it was taken with. */
  readonly setId: string | null;
  readonly consistency: Consistency;
  readonly markers: readonly SideReadings[];
}

/** One of the two, with everything that could bound its state from above. */
export interface TogetherSide {
  readonly point: CandidatePoint;
  /** All that are usable of this server, in any order. */
  readonly others: readonly CandidatePoint[];
}

export interface TogetherJudgement {
  /** Null: neither of the two ways is open. */
  readonly basis: 'freeze' | 'readings' | null;
  readonly findings: readonly Finding[];
  readonly steps: readonly PlannedRelationStep[];
  /** Codes of the rules that a plan does not ask, and only names where the recovery point lacks what they need. */
  readonly askedLater: readonly string[];
}

/** Two workers may have read the one and frozen the other. */
const CLOCKS_DIFFER_MS = 60_000;

/**
 * What the rules say of a server that goes back together with its peer.
 *
 * @param relations all that are declared: what the peer said of itself was read for the relation that is declared from its side
 */
export function judgeTogether(pair: RelationPair, relations: readonly Relation[], server: TogetherSide, peer: TogetherSide, now: Date): TogetherJudgement {
  const sides = sidesOf(pair, relations, server, peer);
  const askedLater = pair.profile.rules.filter(({ phases }) => !phases.includes('plan')).map(({ code }) => code);
  const judged = (ofServer: Readings | null, ofPeer: Readings | null) => {
    const { findings, steps } = judgeRelations([pair], {
      phase: 'plan',
      captured: [...server.point.markers.filter(({ of }) => of === 'peer'), ...asSide(pair, 'server', ofServer)],
      present: asSide(pair, 'peer', ofPeer),
      pointInTime: server.point.pointInTime,
      now,
    });
    return { findings: findings.map(nobodyWasAsked), steps };
  };
  // A rule that looks at one of them alone is the same as in any plan.
  if (wantedMarkers(pair.profile, 'plan').peer.size === 0) return { basis: 'readings', askedLater, ...judged(sides.own, null) };
  if (wereFrozenTogether(server.point, peer.point)) {
    const { findings, steps } = judged(latest([sides.own, ...sides.seenByPeer]), earliest(sides.peer));
    return { basis: 'freeze', findings: [...withoutOk(findings), restsOnFreeze(pair, server.point)], steps, askedLater };
  }
  const least = ownOf(pair, relations, peer.point);
  const most = earliest(sides.peerAfter);
  const atLeast = judged(sides.own, least);
  if (least === null || most === null) {
    return { basis: null, findings: [...withoutOk(atLeast.findings), notBounded(pair, peer.point, least === null)], steps: atLeast.steps, askedLater };
  }
  const atMost = judged(sides.own, most);
  return {
    basis: 'readings',
    findings: [...ofBoth(atLeast.findings, atMost.findings), restoredTogether(pair, peer.point)],
    steps: allOf(atLeast.steps, atMost.steps, (one, other) => one.key === other.key),
    askedLater,
  };
}

/** That nothing was read of the peer at its recovery point does not say that it will not answer when it is back. */
function nobodyWasAsked(finding: Finding): Finding {
  if (finding.code !== 'PEER_UNKNOWN') return finding;
  const { nothingKnown: _, ...rest } = finding;
  return rest;
}

/** Whether nothing speaks against it: no rule blocks, and all that a plan asks are decided. */
export const agrees = (judgement: TogetherJudgement): boolean => judgement.basis !== null && standing(judgement).length === 0;

/**
 * What keeps two recovery points from being chosen. That they rest on a common freeze is none of it, nor that one of them lacks what rules ask only later: that says nothing
 * of how the two stand to each other, and an older set would lose more. The plan of the set names both.
 */
export const standing = ({ findings, askedLater }: TogetherJudgement): readonly Finding[] =>
  findings.filter(({ code, severity, leavesOpen = [] }) => {
    if (severity !== 'unknown') return severity === 'block';
    if (code === RESTS_ON_FREEZE) return false;
    return leavesOpen.length === 0 || leavesOpen.some((code) => !askedLater.includes(code));
  });

/** A file system that nobody has frozen may have been written to between the two. */
export const wereFrozenTogether = (one: CandidatePoint, other: CandidatePoint): boolean =>
  one.setId !== null && one.setId === other.setId && one.consistency !== 'crash' && other.consistency !== 'crash';

type Readings = Readonly<Record<string, MarkerReading>>;

interface Sides {
  /** What the server said of itself right before its point in time: the least that its image holds. Null: it was not read. */
  readonly own: Readings | null;
  /** What was read of the server before the peer's point in time. Without a common freeze that may be far later than its own, and says nothing of what it goes back to. */
  readonly seenByPeer: readonly (Readings | null)[];
  /** What was read of the peer before the freeze. */
  readonly peer: readonly Readings[];
  /** What was read of it after its point in time, on the same line of disks. */
  readonly peerAfter: readonly Readings[];
}

function sidesOf(pair: RelationPair, relations: readonly Relation[], server: TogetherSide, peer: TogetherSide): Sides {
  const asked = markersTogether(pair);
  const own = readingsIn(server.point, pair.relation.name, pair.peer.server, 'server', asked.server);
  const seenByPeer = backwards(pair, relations).map(({ name }) => readingsIn(peer.point, name, pair.relation.server, 'peer', asked.server));
  const ownOfPeer = ownOf(pair, relations, peer.point);
  const seen = readingsIn(server.point, pair.relation.name, pair.peer.server, 'peer', asked.peer);
  return {
    own,
    seenByPeer,
    peer: [seen, ownOfPeer].filter(isThere),
    peerAfter: peer.others
      .filter(({ lineageId }) => lineageId === peer.point.lineageId)
      .map((later) => ownOf(pair, relations, later))
      .filter(isThere)
      .filter((readings) => firstOf(readings) >= Date.parse(peer.point.pointInTime) + CLOCKS_DIFFER_MS),
  };
}

/** What the peer said of itself right before its point in time: for the relation from its side, by the same profile. Null: there is none. */
const ownOf = (pair: RelationPair, relations: readonly Relation[], point: CandidatePoint): Readings | null =>
  backwards(pair, relations)
    .map(({ name }) => readingsIn(point, name, pair.relation.server, 'server', markersTogether(pair).peer))
    .find(isThere) ?? null;

const backwards = ({ relation, peer }: RelationPair, relations: readonly Relation[]): readonly Relation[] =>
  relations.filter((one) => one.server === peer.server && one.profile === relation.profile && one.peers.some(({ server }) => server === relation.server));

/**
 * Null where anything of it that is asked was not read: half an answer would be compared with half another one. What no rule asks of it may have failed, such as a
 * program that only the other one has.
 */
function readingsIn({ markers }: CandidatePoint, relation: string, peer: string, of: SideReadings['of'], asked: ReadonlySet<string>): Readings | null {
  const side = Object.entries(markers.find((one) => one.relation === relation && one.peer === peer && one.of === of)?.readings ?? {});
  const read = side.filter(([, { state }]) => state === 'read');
  return read.length === 0 || side.some(([name, { state }]) => state !== 'read' && asked.has(name)) ? null : Object.fromEntries(read);
}

const isThere = <T>(one: T | null): one is T => one !== null;
const firstOf = (readings: Readings): number => Math.min(...Object.values(readings).map(({ at }) => Date.parse(at)));
const lastOf = (readings: Readings): number => Math.max(...Object.values(readings).map(({ at }) => Date.parse(at)));
/** A side may lack a marker that is read from the other side alone: that one is taken from there. */
const overlaid = (sides: readonly Readings[]): Readings | null => (sides.length === 0 ? null : (Object.assign({}, ...sides) as Readings));
const earliest = (sides: readonly Readings[]): Readings | null => overlaid([...sides].sort((a, b) => firstOf(b) - firstOf(a)));
const latest = (sides: readonly (Readings | null)[]): Readings | null => overlaid(sides.filter(isThere).sort((a, b) => lastOf(a) - lastOf(b)));

const whereOf = ({ id, pointInTime }: CandidatePoint): string => `${id} (${pointInTime})`;

const asSide = ({ relation, peer }: RelationPair, of: SideReadings['of'], readings: Readings | null): readonly SideReadings[] =>
  readings === null ? [] : [{ relation: relation.name, peer: peer.server, of, readings }];

const withoutOk = (findings: readonly Finding[]): readonly Finding[] => findings.filter(({ severity }) => severity !== 'ok');

/** What either of two judgements says; that nothing speaks against it only where both do. */
const ofBoth = (first: readonly Finding[], second: readonly Finding[]): readonly Finding[] =>
  allOf(first, second, sameFinding).filter(
    (finding) => finding.severity !== 'ok' || [first, second].every((said) => said.some((one) => sameFinding(one, finding))),
  );

const sameFinding = (one: Finding, other: Finding): boolean => one.code === other.code && one.message === other.message;

function allOf<T>(first: readonly T[], second: readonly T[], isSame: (one: T, other: T) => boolean): readonly T[] {
  return [...first, ...second.filter((one) => !first.some((known) => isSame(known, one)))];
}

const RESTS_ON_FREEZE = 'SET_RESTS_ON_FREEZE';

const about = ({ relation, peer, profile }: RelationPair): Finding['relation'] => ({ name: relation.name, peer: peer.server, profile: profile.name });

const restsOnFreeze = (pair: RelationPair, point: CandidatePoint): Finding => ({
  code: RESTS_ON_FREEZE,
  severity: 'unknown',
  message: `"${pair.relation.server}" is restored together with "${pair.peer.server}", to recovery points of backup set ${point.setId ?? ''}. Both were read before they were frozen together; that nothing went from one to the other between is not proven.`,
  remedy: 'Look at both in quarantine, before they go live, and acknowledge that it is not known; or choose a set of points of which it is proven.',
  evidence: [],
  relation: about(pair),
});

const restoredTogether = (pair: RelationPair, point: CandidatePoint): Finding => ({
  code: 'RESTORED_TOGETHER',
  severity: 'ok',
  message: `"${pair.relation.server}" is restored together with "${pair.peer.server}", which goes back to ${whereOf(point)}: it was read before that and after it, and the rules were asked about both.`,
  evidence: [],
  relation: about(pair),
});

const notBounded = (pair: RelationPair, point: CandidatePoint, isUnread: boolean): Finding => ({
  code: 'SET_NOT_PROVEN',
  severity: 'unknown',
  message: isUnread
    ? `What "${pair.peer.server}" said of itself right before ${whereOf(point)} is not known, or not for a relation with "${pair.relation.server}" by the profile ${pair.profile.name}.`
    : `How far "${pair.peer.server}" had come at ${whereOf(point)} is not known: it was read before that, and not again after it.`,
  remedy: 'Take both from one backup set, or an older recovery point, after which another one was taken.',
  evidence: [],
  relation: about(pair),
});
