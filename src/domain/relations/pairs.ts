import type { MarkerReference, Profile, Rule, RulePhase } from '../../contracts/profile';
import type { Relation, RelationPeer } from '../../contracts/relation';
import { fillIn, markerNamed, placeholdersOf } from '../../contracts/placeholders';
import { referencesOf } from '../consistency/conditions';
import { isDecidedByTexts } from '../consistency/decided-by-texts';

/** A server that would go back in time, and one of those that it is judged beside. */
export interface RelationPair {
  readonly relation: Relation;
  readonly peer: RelationPeer;
  readonly profile: Profile;
}

/** The relations in which a server is the one that goes back, one for each peer, by the profile they name. What names none, or one that is not there, is left out. */
export const judgedPairs = (relations: readonly Relation[], server: string, profiles: ReadonlyMap<string, Profile>): readonly RelationPair[] =>
  relations
    .filter((relation) => relation.server === server)
    .flatMap((relation) => {
      const profile = relation.profile === null ? undefined : profiles.get(relation.profile);
      return profile === undefined ? [] : relation.peers.map((peer) => ({ relation, peer, profile }));
    });

/** Which markers are read of each side. */
export interface WantedMarkers {
  readonly server: ReadonlySet<string>;
  readonly peer: ReadonlySet<string>;
}

/**
 * What is stored with every image. A program that the relation says is not there (`none`) is not run for it: it would only be one more that has failed. Nor is what only
 * rules ask that its texts decide, whichever of the two goes back: what is read for a relation is also compared in the one of the other direction.
 */
export function capturedMarkers(pair: RelationPair): WantedMarkers {
  const { relation, profile } = pair;
  const isNeeded = ({ name, isCaptured, probe }: Profile['markers'][number]): boolean =>
    isCaptured && !isKnownAnyway(probe) && !isDeclaredNone(relation, profile, probe) && !isAskedInVain(pair, name);
  const captured = profile.markers.filter(isNeeded);
  const of = (side: 'server' | 'peer') => new Set(captured.filter((marker) => marker.of === 'each' || marker.of === side).map(({ name }) => name));
  return { server: of('server'), peer: of('peer') };
}

/** What the rules of a phase ask of the two as they are now, and what their texts tell of. */
export function wantedMarkers(profile: Profile, phase: RulePhase): WantedMarkers {
  const references = referencesIn(profile, phase);
  return { server: markersOf(references, 'server', 'now'), peer: markersOf(references, 'peer', 'now') };
}

/** What a plan asks of two that go back together: of the server as it was captured, and of the peer in the place of what it says now. */
export function markersTogether(pair: RelationPair): WantedMarkers {
  const references = referencesIn(undecided(pair), 'plan');
  return { server: markersOf(references, 'server', 'recovery-point'), peer: markersOf(references, 'peer', 'now') };
}

const referencesIn = ({ rules }: Profile, phase: RulePhase): readonly MarkerReference[] =>
  rules.filter(({ phases }) => phases.includes(phase)).flatMap((rule) => [...rule.when.flatMap(referencesOf), ...toldIn(rule)]);

const markersOf = (references: readonly MarkerReference[], of: MarkerReference['of'], at: MarkerReference['at']): ReadonlySet<string> =>
  new Set(references.filter((reference) => reference.of === of && reference.at === at).map(({ marker }) => marker));

/** Whether rules ask for it, and all that do are decided by the texts of the relation, in both directions. What no rule asks for is captured because the profile says so. */
function isAskedInVain({ relation, peer, profile }: RelationPair, marker: string): boolean {
  const asking = profile.rules.filter((rule) => [...rule.when.flatMap(referencesOf), ...toldIn(rule)].some((reference) => reference.marker === marker));
  const isDecided = (rule: Rule, server: string, other: string): boolean =>
    isDecidedByTexts({ profile, parameters: relation.parameters, server, peer: other }, rule);
  return asking.length > 0 && asking.every((rule) => isDecided(rule, relation.server, peer.server) && isDecided(rule, peer.server, relation.server));
}

/** The same for one relation, but for what only rules ask that its own texts decide: no program is run for them. */
export const undecidedMarkers = (pair: RelationPair, phase: RulePhase): WantedMarkers => wantedMarkers(undecided(pair), phase);

/** What is read for a phase. In quarantine a program would be run in a server that has just been restored: there nothing is read that decides nothing. */
export function markersFor(pair: RelationPair, phase: RulePhase): WantedMarkers {
  if (phase === 'quarantine') return undecidedMarkers(pair, phase);
  const { server, peer } = wantedMarkers(pair.profile, phase);
  const needed = (markers: ReadonlySet<string>) => new Set([...markers].filter((name) => !isAskedInVain(pair, name)));
  return { server: needed(server), peer: needed(peer) };
}

/** Whether anything has to be asked for a judgement in this phase: rules that the texts of the relation decide are judged, and prove nothing. */
export const hasUndecidedRules = (pair: RelationPair, phase: RulePhase): boolean => hasRules(undecided(pair), phase);

/** Whether one of its rules could ever ask for this step: those that its texts decide never do. */
export const mayAskFor = (pair: RelationPair, code: string): boolean => undecided(pair).rules.some((rule) => rule.code === code && rule.step !== null);

function undecided({ relation, peer, profile }: RelationPair): Profile {
  const declared = { profile, parameters: relation.parameters, server: relation.server, peer: peer.server };
  return { ...profile, rules: profile.rules.filter((rule) => !isDecidedByTexts(declared, rule)) };
}

/** Whether anything is judged in this phase. */
export const hasRules = ({ rules }: Profile, phase: RulePhase): boolean => rules.some(({ phases }) => phases.includes(phase));

/** Whether a run has to ask it, in this part of it, what is to be done. */
export const asksForSteps = ({ rules }: Profile, phase: RulePhase): boolean => rules.some(({ phases, step }) => step !== null && phases.includes(phase));

const toldIn = ({ message, remedy, step, when }: Profile['rules'][number]): readonly MarkerReference[] =>
  [message, remedy ?? '', step?.title ?? '', ...when.map((condition) => ('compare' in condition ? (condition.from ?? '') : ''))]
    .flatMap(placeholdersOf)
    .flatMap((name) => markerNamed(name) ?? []);

type Probe = Profile['markers'][number]['probe'];

const isKnownAnyway = (probe: Probe): boolean => probe.kind === 'fact' && probe.fact === 'point-in-time';

/** What profiles take as the word for a program that there is not. */
const NO_PROGRAM = 'none';

function isDeclaredNone({ parameters }: Relation, profile: Profile, probe: Probe): boolean {
  if (probe.kind !== 'command') return false;
  const [program] = probe.argv;
  const valueOf = (name: string): string => parameters[name] ?? profile.parameters.find((parameter) => parameter.name === name)?.default ?? '';
  return fillIn(program, valueOf) === NO_PROGRAM;
}
