import { hasOpenPlaceholder, markerNamed, placeholdersOf } from '../placeholders';
import { JUDGE_CODES, type AgeLimit, type MarkerReference, type MarkerSpec, type Profile, type Rule, type RuleCondition } from '../profile';
import type { MarkerType } from '../marker';

/** What a profile of the right shape says that cannot be meant: names that nothing has, markers where they are not read, comparisons that never come out so. */

export interface ProfileFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Path = ProfileFault['path'];
type Report = (path: Path, message: string) => void;

/** Names that every relation has. */
const RELATION_NAMES = ['server', 'peer'];
const RESERVED_NAMES: readonly string[] = [...RELATION_NAMES, 'address'];
/** Of these, two are only the same or not. */
const UNORDERED: readonly MarkerType[] = ['hash', 'text', 'boolean'];
const FROM_SOURCES: readonly MarkerType[] = ['gtid-set', 'csn-set'];
const FACT_TYPES = { 'generation-id': 'text', 'point-in-time': 'timestamp', clock: 'timestamp' } as const;

/** In the order of the file; empty for a profile that can be judged by. */
export function findProfileFaults(profile: Profile): readonly ProfileFault[] {
  const faults: ProfileFault[] = [];
  const report: Report = (path, message) => void faults.push({ path, message });
  profile.parameters.forEach((parameter, index) => {
    if (RESERVED_NAMES.includes(parameter.name)) report(['parameters', index, 'name'], `every relation has a "${parameter.name}" of its own`);
    if (parameter.default?.includes('${') === true) report(['parameters', index, 'default'], 'nothing is filled into a default');
  });
  profile.markers.forEach((marker, index) => findMarkerFaults(profile, marker, ['markers', index], report));
  profile.rules.forEach((rule, index) => findRuleFaults(profile, rule, ['rules', index], report));
  return faults;
}

function findMarkerFaults(profile: Profile, { probe, ...marker }: MarkerSpec, path: Path, report: Report): void {
  const expect = (type: MarkerType, what: string): void => {
    if (marker.type !== type) report([...path, 'type'], `${what} is of type ${type}`);
  };
  if (probe.kind === 'dns') {
    if (probe.field !== undefined && probe.type !== 'SOA') report([...path, 'probe', 'field'], 'only a record of type SOA has a serial');
    if (probe.field === 'serial') expect('serial32', 'the serial of a zone');
  }
  if (probe.kind === 'sql' && probe.engine === 'mysql' && probe.port !== undefined) {
    report([...path, 'probe', 'port'], 'only a probe of postgresql has a port: the client of mysql takes its socket from its own files');
  }
  if (probe.kind === 'tcp') expect('boolean', 'whether a connection is accepted');
  if (probe.kind === 'fact') {
    expect(FACT_TYPES[probe.fact], `the fact "${probe.fact}"`);
    if (probe.fact === 'point-in-time' && (marker.of !== 'server' || !marker.isCaptured)) {
      report([...path, 'of'], 'only the recovery point of the server has a point in time: of: server, isCaptured: true');
    }
  }
  for (const [key, value] of Object.entries(probe)) {
    const texts = typeof value === 'string' ? [[[key], value] as const] : value.map((text: string, index: number) => [[key, index], text] as const);
    for (const [at, text] of texts) checkText(profile, text, [...path, 'probe', ...at], ['address'], report);
  }
}

function findRuleFaults(profile: Profile, rule: Rule, path: Path, report: Report): void {
  if ((JUDGE_CODES as readonly string[]).includes(rule.code)) report([...path, 'code'], `${rule.code} is a code of Modosu's own`);
  rule.when.forEach((condition, index) => findConditionFaults(profile, condition, [...path, 'when', index], report));
  checkText(profile, rule.message, [...path, 'message'], 'markers', report);
  if (rule.remedy !== null) checkText(profile, rule.remedy, [...path, 'remedy'], 'markers', report);
  if (rule.together === true && (rule.severity !== 'block' || !rule.phases.includes('plan'))) {
    report([...path, 'together'], 'only a rule that blocks a plan asks for a restore of both');
  }
  if (rule.severity === 'step' && rule.step === null) report([...path, 'severity'], 'the severity "step" needs a step');
  if (rule.step === null) return;
  if (rule.severity !== 'step') report([...path, 'step'], `only a rule of the severity "step" has a step, not one of "${rule.severity}"`);
  if (rule.step.when === 'quarantine' && rule.phases.every((phase) => phase === 'live')) {
    report([...path, 'step', 'when'], 'in the phase "live" the quarantine is over');
  }
  if (rule.step.reseeds === true && rule.step.on === 'server') report([...path, 'step', 'reseeds'], 'only the peer can be made anew from the server');
  checkText(profile, rule.step.title, [...path, 'step', 'title'], 'markers', report);
  rule.step.argv?.forEach((text, index) => checkText(profile, text, [...path, 'step', 'argv', index], [], report));
}

function findConditionFaults(profile: Profile, condition: RuleCondition, path: Path, report: Report): void {
  const typeOf = (key: string, reference: MarkerReference): MarkerType | null => checkReference(profile, reference, [...path, key], report);
  const expect = (key: string, reference: MarkerReference, type: MarkerType): void => {
    const found = typeOf(key, reference);
    if (found !== null && found !== type) report([...path, key, 'marker'], `must be a marker of type ${type}, and is one of type ${found}`);
  };
  if ('compare' in condition) {
    const [one, other] = [typeOf('compare', condition.compare), typeOf('with', condition.with)];
    if (isSame(condition.compare, condition.with)) report([...path, 'with'], 'is compared with itself');
    if (one === null || other === null) return;
    if (one !== other) report([...path, 'with', 'marker'], `markers of type ${one} and ${other} cannot be compared`);
    if (UNORDERED.includes(one)) {
      condition.is.forEach((order, index) => {
        if (order !== 'same' && order !== 'diverged') report([...path, 'is', index], `two markers of type ${one} are "same" or "diverged"`);
      });
    }
    if (condition.from === undefined) return;
    if (!FROM_SOURCES.includes(one)) report([...path, 'from'], `only of a gtid-set or a csn-set a part can be compared, not of a ${one}`);
    checkText(profile, condition.from, [...path, 'from'], 'markers', report);
  } else if ('position' in condition) {
    const { position, history } = condition;
    expect('position', position, 'lsn');
    expect('history', history, 'timeline-history');
    expect('line', condition.line, 'timeline-history');
    if (position.of !== history.of || position.at !== history.at) report([...path, 'history'], 'must be of the same server and time as the position');
  } else if ('value' in condition) {
    const type = typeOf('value', condition.value);
    checkComparedText(profile, condition, path, report);
    for (const key of ['equals', 'differs'] as const) {
      const text = condition[key];
      if (type === 'boolean' && text !== undefined && !['true', 'false'].includes(text)) report([...path, key], 'a boolean is "true" or "false", in quotes');
    }
  } else if ('text' in condition) {
    checkText(profile, condition.text, [...path, 'text'], [], report);
    checkComparedText(profile, condition, path, report);
  } else if ('age' in condition) {
    if (condition.age !== 'recovery-point') expect('age', condition.age, 'timestamp');
    checkLimit(profile, condition.atLeast, path, report);
  } else {
    expect('skew', condition.skew, 'timestamp');
    checkLimit(profile, condition.atLeast, path, report);
  }
}

function checkComparedText(profile: Profile, condition: { readonly equals?: string; readonly differs?: string }, path: Path, report: Report): void {
  for (const key of ['equals', 'differs'] as const) {
    const text = condition[key];
    if (text !== undefined) checkText(profile, text, [...path, key], [], report);
  }
}

function checkLimit(profile: Profile, limit: AgeLimit, path: Path, report: Report): void {
  if (typeof limit === 'number') return;
  const at = [...path, 'atLeast'];
  if ('parameter' in limit) {
    if (!profile.parameters.some(({ name }) => name === limit.parameter)) report([...at, 'parameter'], `no parameter is named "${limit.parameter}"`);
    return;
  }
  const type = checkReference(profile, limit.marker, [...at, 'marker'], report);
  if (type !== null && type !== 'counter') report([...at, 'marker', 'marker'], `must be a marker of type counter, and is one of type ${type}`);
}

const isSame = (one: MarkerReference, other: MarkerReference): boolean => one.marker === other.marker && one.of === other.of && one.at === other.at;

/** The type of the marker; null: it cannot be meant, and that was said. */
function checkReference(profile: Profile, reference: MarkerReference, path: Path, report: Report): MarkerType | null {
  const fault = faultOfReference(profile, reference);
  if (fault === null) return profile.markers.find(({ name }) => name === reference.marker)?.type ?? null;
  report([...path, fault.key], fault.message);
  return null;
}

function faultOfReference(
  profile: Profile,
  { marker: name, of, at }: MarkerReference,
): { readonly key: keyof MarkerReference; readonly message: string } | null {
  const marker = profile.markers.find((one) => one.name === name);
  if (marker === undefined) return { key: 'marker', message: `no marker is named "${name}"` };
  if (marker.of !== 'each' && marker.of !== of) return { key: 'of', message: `the marker "${name}" is read at the ${marker.of}, not at the ${of}` };
  if (at === 'recovery-point' && !marker.isCaptured) return { key: 'at', message: `the marker "${name}" is not captured with recovery points` };
  if (at === 'now' && marker.probe.kind === 'fact' && marker.probe.fact === 'point-in-time') {
    return { key: 'at', message: 'only a recovery point has a point in time' };
  }
  return null;
}

/** @param also names beside parameters, server and peer; `markers`: references to markers */
function checkText(profile: Profile, text: string, path: Path, also: 'markers' | readonly string[], report: Report): void {
  if (hasOpenPlaceholder(text)) report(path, 'a "${" does not end');
  const names = [...profile.parameters.map(({ name }) => name), ...RELATION_NAMES, ...(also === 'markers' ? [] : also)];
  for (const name of placeholdersOf(text)) {
    if (names.includes(name)) continue;
    const reference = markerNamed(name);
    if (reference !== null && also !== 'markers') report(path, `\${${name}}: what a marker holds is not filled in here`);
    else if (reference === null) {
      report(path, `\${${name}} is none of ${names.join(', ')}${also === 'markers' ? ', nor a marker such as server.NAME.now' : ''}`);
    } else {
      const fault = faultOfReference(profile, reference);
      if (fault !== null) report(path, `\${${name}}: ${fault.message}`);
    }
  }
}
