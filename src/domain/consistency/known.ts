import { isModosuError } from '../../contracts/errors';
import type { Marker, MarkerType } from '../../contracts/marker';
import { fillIn, markerNamed, nameOfMarker, placeholdersOf } from '../../contracts/placeholders';
import type { JudgeCode, MarkerReadings, MarkerReference, Profile, RulePhase } from '../../contracts/profile';
import { ALL_MARKERS } from '../../contracts/reading';
import { cleanWords } from '../../contracts/text';
import { readMarker } from './markers';

/** What rules are judged by, and what of it is known. */

export interface JudgeContext {
  readonly phase: RulePhase;
  /** Of the relation. Those it does not give have the profile's default. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Names of the server that is restored and of the one it is compared with. */
  readonly server: string;
  readonly peer: string;
  readonly readings: MarkerReadings;
  /** Of the recovery point that is restored; ISO 8601. */
  readonly pointInTime: string;
  readonly now: Date;
}

export interface Situation extends JudgeContext {
  readonly profile: Profile;
}

/** Why something is not known. Causes with the same code and the same `why` are one. */
export interface Cause {
  readonly code: JudgeCode;
  /** What is not known, such as "wal-position". */
  readonly what: string;
  /** In words for people. */
  readonly why: string;
  /** Of the markers it is about; their values, where they have any, are evidence. */
  readonly references: readonly MarkerReference[];
}

export type Known<T> = { readonly isKnown: true; readonly value: T } | { readonly isKnown: false; readonly causes: readonly Cause[] };

export const known = <T>(value: T): Known<T> => ({ isKnown: true, value });
export const unknown = (...causes: readonly Cause[]): Known<never> => ({ isKnown: false, causes });

/** All of them, or why not. */
export function allKnown<T>(items: readonly Known<T>[]): Known<readonly T[]> {
  const causes = items.flatMap((item) => (item.isKnown ? [] : item.causes));
  return causes.length > 0 ? unknown(...causes) : known(items.flatMap((item) => (item.isKnown ? [item.value] : [])));
}

export const unusable = (what: string, why: string, references: readonly MarkerReference[] = []): Known<never> =>
  unknown({ code: 'RULE_UNUSABLE', what, why, references });

/** A marker as it was read, and when: what the recovery point's manifest says was "read" at its point in time. */
export interface KnownMarker extends Marker {
  /** ISO 8601. */
  readonly at: string;
}

/** Never throws: a value that is not of the marker's type is not known. */
export function markerOf(situation: Situation, reference: MarkerReference): Known<KnownMarker> {
  const spec = situation.profile.markers.find(({ name }) => name === reference.marker);
  if (spec === undefined) return unusable(reference.marker, 'the profile has no such marker');
  const isPointInTime = spec.probe.kind === 'fact' && spec.probe.fact === 'point-in-time';
  const reading = isPointInTime
    ? ({ state: 'read', value: situation.pointInTime, at: situation.pointInTime } as const)
    : situation.readings[nameOfMarker(reference)];
  if (reading === undefined) return notRead(reference, reference.at === 'now' ? 'it was not read' : whyNotCaptured(situation, reference));
  if (reading.state === 'failed') return notRead(reference, `${cleanWords(reading.code, 50)}: ${cleanWords(reading.message)}`);
  const canonical = canonicalOf(spec.type, reading.value);
  return canonical.isKnown ? known({ type: spec.type, value: canonical.value, at: reading.at }) : notRead(reference, canonical.causes[0]?.why ?? '');
}

function whyNotCaptured({ readings }: Situation, reference: MarkerReference): string {
  const whole = readings[nameOfMarker({ ...reference, marker: ALL_MARKERS })];
  const because = whole?.state === 'failed' ? ` (${cleanWords(whole.code, 50)}: ${cleanWords(whole.message)})` : '';
  return `the recovery point has no value of it${because}`;
}

function notRead(reference: MarkerReference, why: string): Known<never> {
  const code = reference.at === 'recovery-point' ? 'MARKER_NOT_CAPTURED' : reference.of === 'peer' ? 'PEER_UNKNOWN' : 'SERVER_UNKNOWN';
  return unknown({ code, what: reference.marker, why, references: [reference] });
}

/** The canonical value of a text that the profile or a probe has. */
export const canonicalOf = (type: MarkerType, text: string, of: readonly MarkerReference[] = []): Known<string> =>
  readable(() => readMarker(type, text).value, of);

/** What is made from markers, or in whose words it cannot be made. `of`: these markers. */
export function readable<T>(make: () => T, of: readonly MarkerReference[] = []): Known<T> {
  try {
    return known(make());
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'MARKER_UNREADABLE') throw error;
    return unusable('', error.message, of);
  }
}

/** A parameter of the relation, or the profile's default for it. */
export function parameterOf({ profile, parameters }: Situation, name: string): Known<string> {
  const value = Object.hasOwn(parameters, name) ? parameters[name] : profile.parameters.find((parameter) => parameter.name === name)?.default;
  return value === undefined || value === null ? unusable(`\${${name}}`, 'the relation does not give this parameter') : known(value);
}

/** A text with everything filled in, markers too. For comparisons: nothing is cut. */
export function textOf(situation: Situation, text: string): Known<string> {
  const names = placeholdersOf(text);
  const values = allKnown(names.map((name) => valueNamed(situation, name)));
  if (!values.isKnown) return values;
  const byName = new Map(names.map((name, index) => [name, values.value[index] ?? '']));
  return known(fillIn(text, (name) => byName.get(name) ?? ''));
}

export function valueNamed(situation: Situation, name: string): Known<string> {
  if (name === 'server' || name === 'peer') return known(situation[name]);
  const reference = markerNamed(name);
  if (reference === null) return parameterOf(situation, name);
  const marker = markerOf(situation, reference);
  return marker.isKnown ? known(marker.value.value) : marker;
}
