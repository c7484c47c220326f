import type { AgeLimit, AgeUnit, MarkerReference, RuleCondition } from '../../contracts/profile';
import { isAhead } from '../clock-skew';
import { compareFrom } from './compare-from';
import { compareMarkers } from './compare';
import { allKnown, known, markerOf, parameterOf, readable, textOf, unknown, unusable, type Known, type Situation } from './known';
import { readMarker } from './markers';
import { compareTimelineHistories, contains, currentTimeline } from './timeline-history';

/**
 * Whether a condition holds: yes, no, or not known. The logic is Kleene's, and each condition is strict: if anything it is asked of is not known, neither is
 * its answer. So what was not read can make an answer unknown, and never turn yes into no or no into yes.
 */
export function holds(situation: Situation, condition: RuleCondition): Known<boolean> {
  if ('compare' in condition) return holdsComparison(situation, condition);
  if ('position' in condition) return holdsPosition(situation, condition);
  if ('value' in condition) return holdsValue(situation, condition);
  if ('text' in condition) return holdsText(situation, condition);
  if ('age' in condition) {
    return reaches(situation, condition, condition.age === 'recovery-point' ? ageOfRecoveryPoint(situation) : ageOf(situation, condition.age));
  }
  return reaches(situation, condition, skewOf(situation, condition.skew));
}

/** All markers that a condition is asked of, those in its texts not among them. */
export function referencesOf(condition: RuleCondition): readonly MarkerReference[] {
  if ('compare' in condition) return [condition.compare, condition.with];
  if ('position' in condition) return [condition.position, condition.history, condition.line];
  if ('value' in condition) return [condition.value];
  if ('text' in condition) return [];
  const limit = typeof condition.atLeast === 'object' && 'marker' in condition.atLeast ? [condition.atLeast.marker] : [];
  if ('skew' in condition) return [condition.skew, ...limit];
  return condition.age === 'recovery-point' ? limit : [condition.age, ...limit];
}

type Of<K extends string> = Extract<RuleCondition, Readonly<Record<K, unknown>>>;

const whereOf = ({ marker, of, at }: MarkerReference): string => `${marker} of the ${of} (${at === 'now' ? 'now' : 'recovery point'})`;

function holdsComparison(situation: Situation, condition: Of<'compare'>): Known<boolean> {
  const [one, other] = [markerOf(situation, condition.compare), markerOf(situation, condition.with)];
  const source = textOf(situation, condition.from ?? '');
  if (!one.isKnown || !other.isKnown || !source.isKnown) return unknownBy(one, other, source);
  const order = readableOf(condition, () =>
    condition.from === undefined ? compareMarkers(one.value, other.value) : compareFrom(one.value, other.value, source.value),
  );
  if (!order.isKnown) return order;
  if (order.value !== null) {
    if (condition.is.includes(order.value)) return known(true);
    if (order.value !== 'incomparable') return known(false);
  }
  return unknown({
    code: 'MARKERS_INCOMPARABLE',
    what: `${whereOf(condition.compare)} beside ${whereOf(condition.with)}`,
    why: order.value === null ? `neither has anything from the source "${source.value}"` : 'nothing can be said of how the one stands to the other',
    references: [condition.compare, condition.with],
  });
}

function holdsPosition(situation: Situation, condition: Of<'position'>): Known<boolean> {
  const position = valueOf(situation, condition.position);
  const history = valueOf(situation, condition.history);
  const line = valueOf(situation, condition.line);
  if (!position.isKnown || !history.isKnown || !line.isKnown) return unknownBy(position, history, line);
  return readableOf(condition, () => {
    const place = { timeline: currentTimeline(history.value), lsn: position.value };
    // A timeline of this number on the line may be another one.
    const isOn = compareTimelineHistories(history.value, line.value) !== 'diverged' && contains(line.value, place);
    return isOn === condition.isOn;
  });
}

function holdsValue(situation: Situation, condition: Of<'value'>): Known<boolean> {
  const marker = markerOf(situation, condition.value);
  const expected = textOf(situation, expectedBy(condition));
  if (!marker.isKnown || !expected.isKnown) return unknownBy(marker, expected);
  const { type, value } = marker.value;
  return readableOf(condition, () => (value === readMarker(type, expected.value).value) === (condition.equals !== undefined));
}

function holdsText(situation: Situation, condition: Of<'text'>): Known<boolean> {
  const texts = allKnown([condition.text, expectedBy(condition)].map((text) => textOf(situation, text)));
  return texts.isKnown ? known((texts.value[0] === texts.value[1]) === (condition.equals !== undefined)) : texts;
}

const expectedBy = ({ equals, differs }: Of<'value'> | Of<'text'>): string => equals ?? differs ?? '';

const UNIT_MS: Readonly<Record<AgeUnit, number>> = { minutes: 60_000, hours: 3_600_000, days: 86_400_000 };
/** Of any unit; nobody means a longer time. */
const MAX_LIMIT = 1_000_000;

function reaches(situation: Situation, { atLeast, unit }: { readonly atLeast: AgeLimit; readonly unit: AgeUnit }, distanceMs: Known<number>): Known<boolean> {
  const limit = limitOf(situation, atLeast);
  if (!distanceMs.isKnown || !limit.isKnown) return unknownBy(distanceMs, limit);
  return known(distanceMs.value >= limit.value * UNIT_MS[unit]);
}

export const NO_LIMIT = 'it is no number for a length of time';

/** Null: it is none. */
export function limitIn(text: string): number | null {
  const number = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : MAX_LIMIT + 1;
  return number > MAX_LIMIT ? null : number;
}

function limitOf(situation: Situation, limit: AgeLimit): Known<number> {
  if (typeof limit === 'number') return known(limit);
  const [what, text] =
    'parameter' in limit
      ? ([`\${${limit.parameter}}`, parameterOf(situation, limit.parameter)] as const)
      : ([whereOf(limit.marker), valueOf(situation, limit.marker)] as const);
  if (!text.isKnown) return text;
  const number = limitIn(text.value);
  return number === null ? unusable(what, NO_LIMIT) : known(number);
}

function valueOf(situation: Situation, reference: MarkerReference): Known<string> {
  const marker = markerOf(situation, reference);
  return marker.isKnown ? known(marker.value.value) : marker;
}

function ageOfRecoveryPoint({ pointInTime, now }: Situation): Known<number> {
  const moment = new Date(pointInTime);
  if (!Number.isFinite(moment.getTime())) return unusable('the point in time of the recovery point', 'it is no moment');
  if (!isAhead(moment, now)) return known(now.getTime() - moment.getTime());
  const why = `it is of ${moment.toISOString()}, and now is ${now.toISOString()}`;
  return unknown({ code: 'CLOCKS_DISAGREE', what: 'the age of the recovery point', why, references: [] });
}

function ageOf(situation: Situation, reference: MarkerReference): Known<number> {
  const marker = markerOf(situation, reference);
  return marker.isKnown ? known(situation.now.getTime() - Date.parse(marker.value.value)) : marker;
}

function skewOf(situation: Situation, reference: MarkerReference): Known<number> {
  const marker = markerOf(situation, reference);
  if (!marker.isKnown) return marker;
  const distance = Math.abs(Date.parse(marker.value.value) - Date.parse(marker.value.at));
  return Number.isFinite(distance) ? known(distance) : unusable(whereOf(reference), 'when it was read is not known');
}

/** Why they are not all known. */
const unknownBy = (...items: readonly Known<unknown>[]): Known<never> => unknown(...items.flatMap((item) => (item.isKnown ? [] : item.causes)));

/** What is made from values of the markers that a condition is asked of. */
const readableOf = <T>(condition: RuleCondition, make: () => T): Known<T> =>
  readable(
    () => known(make()),
    (why) => unusable('', why, referencesOf(condition)),
  );
