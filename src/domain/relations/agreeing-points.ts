import type { SetBasis } from '../../contracts/restore-set';
import type { Profile } from '../../contracts/profile';
import type { Relation } from '../../contracts/relation';
import { namesOf } from '../../contracts/text';
import { judgedPairs, type RelationPair } from './pairs';
import { agrees, judgeTogether, standing, wereFrozenTogether, type CandidatePoint, type TogetherJudgement } from './restored-together';

/** Which recovery points several servers go back to together. Pure. */

export interface SetServer {
  readonly name: string;
  /** Usable images that it could go back to, newest first. */
  readonly points: readonly CandidatePoint[];
  /** All of them, also what is younger than an incident: they tell how far it had come. */
  readonly known: readonly CandidatePoint[];
}

export interface SetSituation {
  /** The first is the one whose data counts most: its newest recovery points are tried first. */
  readonly servers: readonly SetServer[];
  readonly relations: readonly Relation[];
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly now: Date;
}

export interface SetChoice {
  /** Null: there is neither a set that agrees nor a profile that says how the others are made anew. */
  readonly basis: SetBasis | null;
  /** In the order of the servers; of `reseed` the first server's alone. */
  readonly points: readonly CandidatePoint[];
  /** The backup set that they are of; null: they are of none, or of several. */
  readonly setId: string | null;
  /** Codes of the rules between them that hold only with steps. */
  readonly steps: readonly string[];
  /** What was tried and why it did not agree, then what was chosen; for people, a line each. */
  readonly choice: readonly string[];
  /** What was tried alone. */
  readonly passedOver: readonly string[];
  /** Names of relations between them that no profile judges: of these, that they were frozen together is all that is known. */
  readonly unjudged: readonly string[];
}

/** A server of a set with what it could go back to. @param until ISO 8601: nothing younger; null: anything */
export const setServer = (name: string, known: readonly CandidatePoint[], until: string | null): SetServer => ({
  name,
  known,
  points: known.filter(({ pointInTime }) => until === null || Date.parse(pointInTime) <= Date.parse(until)),
});

/** So many pairs of recovery points are judged at most: a choice takes seconds. */
export const MAX_JUDGEMENTS = 5_000;
/** Combinations whose pairs are all judged already cost little, but their number grows with every server by a factor. */
export const MAX_COMBINATIONS = 20_000;
/** So many lines say what was tried; the rest is counted. */
const SHOWN = 8;

/**
 * Backup sets first, the newest first: nothing else was meant to be restored together. Then combinations of points of which readings prove that they agree: the newest of
 * the first server, then the newest of the second that agrees with it, and so on. Else the first server alone, where profiles say how every other one is made anew.
 */
export function chooseAgreeingPoints(situation: SetSituation): SetChoice {
  const { servers } = situation;
  const empty = servers.filter(({ points }) => points.length === 0);
  if (empty.length > 0) return none([`${namesOf(empty.map(({ name }) => name))} ${empty.length === 1 ? 'has' : 'have'} no usable image.`]);
  const judges = new Judges(onlyBetween(situation));
  if (judges.isUnrelated) {
    return {
      ...NOTHING_TRIED,
      basis: 'unrelated',
      points: servers.map(newest),
      choice: ['Nothing is declared between these servers that is judged: the newest of each was chosen.'],
    };
  }
  const tried: string[] = [];
  for (const set of backupSets(servers)) {
    const problem = judges.problemOf(set.points);
    if (problem === null) return { ...judges.judgedAs(set.points, set.id, shown(tried)), choice: [...shown(tried), `Backup set ${set.id} was chosen.`] };
    tried.push(`Backup set ${set.id} (${newestOf(set.points)}): ${problem}`);
  }
  const found = judges.combination();
  const combinations = `${judges.combinations} other ${judges.combinations === 1 ? 'combination' : 'combinations'} of recovery points ${judges.combinations === 1 ? 'was' : 'were'} tried${judges.isExhausted ? '; there are more, too many to try' : ''}.`;
  if (found !== null) {
    return {
      ...judges.judgedAs(found, null, [...shown(tried), combinations]),
      basis: 'readings',
      choice: [...shown(tried), combinations, `Chosen: ${found.map(({ server, id }) => `${server} ${id}`).join(', ')}.`],
    };
  }
  const left = [...shown(tried), combinations, ...(judges.lastProblem === null ? [] : [`The last one: ${judges.lastProblem}`])];
  const [source, ...others] = servers as readonly [SetServer, ...SetServer[]];
  const without = others.filter(({ name }) => !judges.canBeMadeAnew(source.name, name));
  if (without.length > 0) return none([...left, `No profile says how ${namesOf(without.map(({ name }) => name))} would be made anew from "${source.name}".`]);
  const how = `No recovery points agree: "${source.name}" is restored, and ${namesOf(others.map(({ name }) => name))} ${others.length === 1 ? 'is' : 'are'} made anew from it, as its plan says.`;
  return { ...NOTHING_TRIED, basis: 'reseed', points: [newest(source)], choice: [...left, how], passedOver: left };
}

const NOTHING_TRIED = { setId: null, steps: [], passedOver: [], unjudged: [] } as const;
const none = (choice: readonly string[]): SetChoice => ({ ...NOTHING_TRIED, basis: null, points: [], choice, passedOver: choice });
const newest = ({ points }: SetServer): CandidatePoint => points[0] as CandidatePoint;
const newestOf = (points: readonly CandidatePoint[]): string =>
  points
    .map(({ pointInTime }) => pointInTime)
    .sort()
    .at(-1) ?? '';
function shown(tried: readonly string[]): readonly string[] {
  const older = tried.length - SHOWN;
  return older <= 0 ? tried : [...tried.slice(0, SHOWN), `${older} older backup ${older === 1 ? 'set' : 'sets'} did not agree either.`];
}

/** Those of which every server still has its recovery point, the newest first. */
function backupSets(servers: readonly SetServer[]): readonly { readonly id: string; readonly points: readonly CandidatePoint[] }[] {
  const ids = new Set(servers[0]?.points.flatMap(({ setId }) => setId ?? []));
  return [...ids]
    .map((id) => ({ id, points: servers.flatMap(({ points }) => points.find(({ setId }) => setId === id) ?? []) }))
    .filter(({ points }) => points.length === servers.length)
    .sort((a, b) => (newestOf(a.points) < newestOf(b.points) ? 1 : -1));
}

/** Relations to others say nothing of a set, and of a large estate all of them would be looked through for each pair of recovery points. */
function onlyBetween(situation: SetSituation): SetSituation {
  const names = new Set(situation.servers.map(({ name }) => name));
  const relations = situation.relations.filter(({ server, peers }) => names.has(server) && peers.some((peer) => names.has(peer.server)));
  return { ...situation, relations };
}

/** Judges pairs of recovery points, each once. */
class Judges {
  combinations = 0;
  lastProblem: string | null = null;
  private judged = new Map<string, TogetherJudgement>();
  private readonly pairs: readonly RelationPair[];
  /** No profile says whether these accept each other: only what was frozen together may meet. */
  private readonly unjudged: readonly Relation[];

  constructor(private readonly situation: SetSituation) {
    this.pairs = situation.servers.flatMap(({ name }) => judgedPairs(situation.relations, name, situation.profiles));
    this.unjudged = situation.relations.filter(({ type, profile }) => type !== 'depends-on' && !situation.profiles.has(profile ?? ''));
  }

  get isUnrelated(): boolean {
    return this.pairs.length === 0 && this.unjudged.length === 0;
  }

  get isExhausted(): boolean {
    return this.judged.size >= MAX_JUDGEMENTS || this.combinations >= MAX_COMBINATIONS;
  }

  /** What is said of points that agree. */
  judgedAs(points: readonly CandidatePoint[], setId: string | null, passedOver: readonly string[]): Omit<SetChoice, 'choice'> {
    const judged = this.judgementsOf(points);
    const steps = judged.flatMap(({ findings }) => findings).flatMap(({ code, severity }) => (severity === 'step' ? [code] : []));
    return {
      basis: this.unjudged.length > 0 || judged.some(({ basis }) => basis === 'freeze') ? 'freeze' : 'readings',
      points,
      setId,
      steps: [...new Set(steps)].sort(),
      passedOver,
      unjudged: this.unjudged.map(({ name }) => name),
    };
  }

  /** Why these do not agree, for people; null: they do. */
  problemOf(points: readonly CandidatePoint[]): string | null {
    const [unjudged] = this.unjudged;
    if (unjudged !== undefined && points.some((point) => point.setId === null || point.setId !== points[0]?.setId)) {
      return `No profile says whether "${unjudged.server}" and its peers accept each other (relation "${unjudged.name}").`;
    }
    for (const judgement of this.judgementsOf(points)) {
      if (agrees(judgement)) continue;
      return standing(judgement)
        .map(({ code, message }) => `${code}: ${message}`)
        .join(' ');
    }
    return null;
  }

  /** Depth first: what does not agree with the points before it is left at once. */
  combination(chosen: readonly CandidatePoint[] = []): readonly CandidatePoint[] | null {
    const server = this.situation.servers[chosen.length];
    if (server === undefined) return chosen;
    for (const point of server.points) {
      if (this.isExhausted) return null;
      // As a whole set they were tried before.
      if (chosen.some((other) => wereFrozenTogether(other, point))) continue;
      const next = [...chosen, point];
      if (chosen.length > 0) this.combinations += 1;
      const problem = this.problemOf(next);
      if (problem !== null) {
        this.lastProblem = problem;
        continue;
      }
      const whole = this.combination(next);
      if (whole !== null) return whole;
    }
    return null;
  }

  /** Whether a profile of the source has a step by which the other one is made anew from it. */
  canBeMadeAnew(source: string, other: string): boolean {
    return this.pairs.some(
      ({ relation, peer, profile }) => relation.server === source && peer.server === other && profile.rules.some(({ step }) => step?.reseeds === true),
    );
  }

  private judgementsOf(points: readonly CandidatePoint[]): readonly TogetherJudgement[] {
    return this.pairs.flatMap((pair) => {
      const server = points.find((point) => point.server === pair.relation.server);
      const peer = points.find((point) => point.server === pair.peer.server);
      return server === undefined || peer === undefined ? [] : [this.judge(pair, server, peer)];
    });
  }

  private judge(pair: RelationPair, server: CandidatePoint, peer: CandidatePoint): TogetherJudgement {
    const key = JSON.stringify([pair.relation.name, server.id, peer.id]);
    const known = this.judged.get(key);
    if (known !== undefined) return known;
    const { relations, now } = this.situation;
    const judgement = judgeTogether(pair, relations, this.sideOf(server), this.sideOf(peer), now);
    this.judged.set(key, judgement);
    return judgement;
  }

  private sideOf(point: CandidatePoint): { readonly point: CandidatePoint; readonly others: readonly CandidatePoint[] } {
    const others = this.situation.servers.find(({ name }) => name === point.server)?.known ?? [];
    return { point, others };
  }
}
