import { isModosuError } from '../../contracts/errors';
import type { Marker } from '../../contracts/marker';
import { fillIn, markerNamed, nameOfMarker } from '../../contracts/placeholders';
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
  /** What is not known, such as "wal-position"; empty where `why` says it, of markers that `references` names. */
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
  const values: T[] = [];
  const causes: Cause[] = [];
  for (const item of items) {
    if (item.isKnown) values.push(item.value);
    else causes.push(...item.causes);
  }
  return causes.length > 0 ? unknown(...causes) : known(values);
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
  return readable(
    () => known({ ...readMarker(spec.type, reading.value), at: reading.at }),
    (why) => notRead(reference, why),
  );
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

/** What is made of values of markers; where one cannot be read what `otherwise` makes of the reason. Whatever else goes wrong is thrown. */
export function readable<T, O>(make: () => T, otherwise: (why: string) => O): T | O {
  try {
    return make();
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'MARKER_UNREADABLE') throw error;
    return otherwise(error.message);
  }
}

/** A parameter of the relation, or the profile's default for it. */
export function parameterOf({ profile, parameters }: Situation, name: string): Known<string> {
  const value = Object.hasOwn(parameters, name) ? parameters[name] : profile.parameters.find((parameter) => parameter.name === name)?.default;
  return value === undefined || value === null ? unusable(`\${${name}}`, 'the relation does not give this parameter') : known(value);
}

/** A text with everything filled in, markers too. For comparisons: nothing is cut. */
export function textOf(situation: Situation, text: string): Known<string> {
  const causes: Cause[] = [];
  const filled = fillIn(text, (name) => {
    const value = valueNamed(situation, name);
    if (value.isKnown) return value.value;
    causes.push(...value.causes);
    // Nobody sees it: the text is not known then.
    return name;
  });
  return causes.length > 0 ? unknown(...causes) : known(filled);
}

export function valueNamed(situation: Situation, name: string): Known<string> {
  if (name === 'server' || name === 'peer') return known(situation[name]);
  const reference = markerNamed(name);
  if (reference === null) return parameterOf(situation, name);
  const marker = markerOf(situation, reference);
  return marker.isKnown ? known(marker.value.value) : marker;
}
