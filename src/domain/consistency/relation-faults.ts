import type { MarkerType } from '../../contracts/marker';
import { placeholdersOf } from '../../contracts/placeholders';
import type { AgeLimit, Profile, Rule, RuleCondition } from '../../contracts/profile';
import { compareFrom } from './compare-from';
import { holds, limitIn, NO_LIMIT } from './conditions';
import { parameterOf, readable, textOf, type Situation } from './known';
import { readMarker } from './markers';
import { sentenceOf } from './rule-texts';

/** What is wrong with a relation beside its profile. */
export interface ParameterFault {
  /** Null: of no parameter that the relation gives. */
  readonly parameter: string | null;
  readonly message: string;
  /** Which part of the profile is in the way of it, such as `rule STANDBY_AHEAD`; null: none. */
  readonly part: string | null;
}

type Parameters = Readonly<Record<string, string>>;

/** Parameters that the profile does not know, and those that it needs and that are not given. Pure. */
export function parameterFaults(profile: Profile, parameters: Parameters): readonly ParameterFault[] {
  const known = profile.parameters.map(({ name }) => name);
  const list = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
  return [
    ...Object.keys(parameters)
      .filter((name) => !known.includes(name))
      .map((name) => ({ parameter: name, message: `the profile ${profile.name} has no parameter "${name}": ${list}`, part: null })),
    ...missing(profile, parameters).map(({ name, description }) => ({
      parameter: null,
      message: `the profile ${profile.name} needs the parameter "${name}": ${description}`,
      part: null,
    })),
  ];
}

/**
 * Values with which rules could never be judged, whatever is read, and would be `RULE_UNUSABLE` in every plan; and those with which a rule blocks whatever is
 * read, as where the primary is none of the two. What cannot be told before something is read, or lacks a parameter, is not looked at. Pure.
 */
export function ruleFaults(profile: Profile, parameters: Parameters, { server, peer }: Pick<Situation, 'server' | 'peer'>): readonly ParameterFault[] {
  const epoch = new Date(0);
  const situation: Situation = { profile, parameters, server, peer, readings: {}, phase: 'plan', pointInTime: epoch.toISOString(), now: epoch };
  return profile.rules.flatMap((rule) =>
    [...rule.when.map((condition) => faultOf(situation, condition)), blockFault(situation, rule)].flatMap((fault) => {
      if (fault === null) return [];
      const parameter = fault.names.find((name) => Object.hasOwn(parameters, name)) ?? null;
      return [{ parameter, message: fault.why, part: `rule ${rule.code}` }];
    }),
  );
}

const missing = ({ parameters: declared }: Profile, parameters: Parameters): Profile['parameters'] =>
  declared.filter((parameter) => parameter.default === null && !Object.hasOwn(parameters, parameter.name));

/** A set of these is never empty; one of GTIDs may be. */
const ANY_CSN = '20260101000000.000000Z#000000#000#000000';

interface Fault {
  /** What is filled in where it is wrong. */
  readonly names: readonly string[];
  readonly why: string;
}

function faultOf(situation: Situation, condition: RuleCondition): Fault | null {
  if ('atLeast' in condition) return limitFault(situation, condition.atLeast);
  if ('compare' in condition && condition.from !== undefined) {
    const type = typeOf(situation, condition.compare.marker);
    const any = { type, value: type === 'csn-set' ? ANY_CSN : '' };
    return textFault(situation, condition.from, (source) => void compareFrom(any, any, source));
  }
  if (!('value' in condition)) return null;
  const type = typeOf(situation, condition.value.marker);
  return textFault(situation, condition.equals ?? condition.differs ?? '', (expected) => void readMarker(type, expected));
}

/** That it blocks for ever: it asks nothing but texts of the relation, and they are so. */
function blockFault(situation: Situation, { severity, when, message }: Rule): Fault | null {
  const texts = when.filter((condition) => 'text' in condition);
  if (severity !== 'block' || texts.length < when.length) return null;
  const isSo = texts.map((condition) => holds(situation, condition)).every((answer) => answer.isKnown && answer.value);
  const names = texts.flatMap((condition) => Object.values(condition)).flatMap((text) => placeholdersOf(text));
  return isSo ? { names, why: sentenceOf(situation, message) } : null;
}

function limitFault(situation: Situation, limit: AgeLimit): Fault | null {
  if (typeof limit !== 'object' || !('parameter' in limit)) return null;
  const text = parameterOf(situation, limit.parameter);
  return text.isKnown && limitIn(text.value) === null ? { names: [limit.parameter], why: `\${${limit.parameter}}: ${NO_LIMIT}` } : null;
}

/** Null also for a text of which something is not known before anything is read. */
function textFault(situation: Situation, text: string, read: (filled: string) => void): Fault | null {
  const filled = textOf(situation, text);
  if (!filled.isKnown) return null;
  return readable(
    () => {
      read(filled.value);
      return null;
    },
    (why) => ({ names: placeholdersOf(text), why }),
  );
}

/** A profile that has passed its schema has every marker that it refers to. */
const typeOf = ({ profile }: Situation, marker: string): MarkerType => profile.markers.find(({ name }) => name === marker)?.type ?? 'text';
