import { failed, NOW, POINT_IN_TIME, readingsOf } from '../../../test/support/judged-profile';
import { forManyCases, type Chance } from '../../../test/support/many-cases';
import { nameOfMarker } from '../../contracts/placeholders';
import type { Finding } from '../../contracts/plan';
import {
  RULE_ORDERS,
  type MarkerReading,
  type MarkerReadings,
  type MarkerReference,
  type Profile,
  type Rule,
  type RuleCondition,
} from '../../contracts/profile';
import { referencesOf } from './conditions';
import { isDecidedByTexts } from './decided-by-texts';
import { judge, planSteps, type JudgeContext } from './judge';
import { readable } from './known';
import { readMarker } from './markers';

/** What holds for all profiles and readings. */

const CASES = 1_000;

const MARKERS = [
  { name: 'usn', type: 'counter', values: ['1', '2', '3', 'x'] },
  { name: 'serial', type: 'serial32', values: ['0', '1', '2147483648', '4294967295'] },
  { name: 'flag', type: 'boolean', values: ['true', 'false'] },
  { name: 'moment', type: 'timestamp', values: ['2026-03-10T11:00:00Z', '2026-03-09T11:00:00Z', '2027-01-01T00:00:00Z'] },
  { name: 'lines', type: 'timeline-history', values: ['1', '1@0/5,2', '1@0/4,2', '1@0/5,2@0/9,3'] },
  { name: 'lsn', type: 'lsn', values: ['0/1', '0/5', '0/6', '0/A'] },
  { name: 'csns', type: 'csn-set', values: ['001', '002'].map((sid) => `20260101120000.000000Z#000000#${sid}#000000`) },
  { name: 'text', type: 'text', values: ['a', '${server}', '${peer.text.now}', '$&${constructor}'] },
] as const;

const PLACES = (['server', 'peer'] as const).flatMap((of) => (['now', 'recovery-point'] as const).map((at) => ({ of, at })));

const referenceTo = (name: string, chance: Chance): MarkerReference => ({ marker: name, ...chance.one(PLACES) });

function conditionBy(chance: Chance): RuleCondition {
  const { name, type } = chance.one(MARKERS);
  switch (chance.below(6)) {
    case 0:
      return {
        age: chance.is(50) ? 'recovery-point' : referenceTo('moment', chance),
        atLeast: limitBy(chance),
        unit: chance.one(['minutes', 'hours', 'days'] as const),
      };
    case 1:
      return { skew: referenceTo('moment', chance), atLeast: limitBy(chance), unit: 'hours' };
    case 2: {
      const place = chance.one(PLACES);
      return { position: { marker: 'lsn', ...place }, history: { marker: 'lines', ...place }, line: referenceTo('lines', chance), isOn: chance.is(50) };
    }
    case 3:
      return { value: referenceTo('flag', chance), [chance.one(['equals', 'differs'] as const)]: chance.one(['true', 'false']) };
    case 4:
      return { text: chance.one(['${server}', '${given}', '${missing}']), [chance.one(['equals', 'differs'] as const)]: 'srv01' };
    default: {
      const is = RULE_ORDERS.filter(() => chance.is(40));
      const from = type === 'csn-set' && chance.is(50) ? { from: chance.one(['001', '003', '${peer.text.now}']) } : {};
      return { compare: referenceTo(name, chance), with: referenceTo(name, chance), is: is.length === 0 ? ['ahead'] : is, ...from };
    }
  }
}

const limitBy = (chance: Chance) => chance.one([1, 30, { parameter: 'given' }, { marker: referenceTo('usn', chance) }]);

function profileBy(chance: Chance): Profile {
  const rules = Array.from({ length: 1 + chance.below(5) }, (_, index): Rule => {
    const severity = chance.one(['warn', 'step', 'block'] as const);
    return {
      code: `RULE_${index}`,
      phases: ['plan'],
      when: [conditionBy(chance), ...chance.some(2, () => conditionBy(chance))],
      severity,
      message: '<${server}|${peer.text.now}|${server.text.recovery-point}|${given}>',
      remedy: null,
      step: severity === 'step' ? { title: '<${peer.text.now}>', argv: ['run', '${given}'], on: 'peer', when: 'live' } : null,
    };
  });
  return {
    format: 'modosu-profile',
    version: 1,
    name: 'by-chance',
    title: 'By chance',
    status: chance.one(['proven', 'experimental']),
    description: 'For tests.',
    parameters: ['given', 'missing'].map((name) => ({ name, description: 'None.', default: null })),
    markers: MARKERS.map(({ name, type }) => ({ name, type, of: 'each', probe: { kind: 'command', argv: ['x'] }, timeoutSeconds: 1, isCaptured: true })),
    rules: rules as unknown as Profile['rules'],
  };
}

function contextBy(chance: Chance): JudgeContext {
  const values = MARKERS.flatMap(({ name, values: some }) =>
    PLACES.flatMap(({ of, at }): (readonly [string, string | MarkerReading])[] =>
      chance.is(10) ? [] : [[`${of}.${name}.${at}`, chance.is(8) ? failed('GONE', 'It is gone.') : chance.one<string>(some)]],
    ),
  );
  return {
    phase: 'plan',
    parameters: { given: chance.one(['1', 'srv01', '${missing}']) },
    server: 'srv01',
    peer: 'srv02',
    readings: readingsOf(Object.fromEntries(values)),
    pointInTime: chance.one([POINT_IN_TIME, '2026-01-01T00:00:00Z', '2026-12-31T00:00:00Z']),
    now: NOW,
  };
}

/** Some of what was read, was not: it failed, or is not there, or cannot be read. */
function withFailures(readings: MarkerReadings, chance: Chance): MarkerReadings {
  const entries = Object.entries(readings).flatMap(([name, reading]) => {
    if (!chance.is(20)) return [[name, reading] as const];
    const at = NOW.toISOString();
    const worse = chance.one<MarkerReading | undefined>([failed('GONE', 'It is gone.'), undefined, { state: 'read', value: '\u0007', raw: '\u0007', at }]);
    return worse === undefined ? [] : [[name, worse] as const];
  });
  return Object.fromEntries(entries);
}

const codesOf = (findings: readonly Finding[], of: (finding: Finding) => boolean): readonly string[] => findings.filter(of).map(({ code }) => code);
const isRule = ({ code }: Finding): boolean => /^RULE_\d$/.test(code);
const verdictOf = ({ code, severity, message }: Finding): string => `${severity} ${code}: ${message}`;
const isUnknown = ({ severity }: Finding): boolean => severity === 'unknown';

it('what fails to be read makes nothing better', () => {
  let changed = 0;
  forManyCases(CASES, (chance) => {
    const [profile, context] = [profileBy(chance), contextBy(chance)];
    const with_ = judge(profile, context);
    const without = judge(profile, { ...context, readings: withFailures(context.readings, chance) });
    const [held, holds] = [codesOf(with_, isRule), codesOf(without, isRule)];
    // No rule holds that did not, so that no verdict is made up of what was not read.
    expect(holds.filter((code) => !held.includes(code))).toEqual([]);
    // Each that is gone is left open by an unknown, which names it.
    const open = without.filter(isUnknown).flatMap(({ evidence }) => (evidence.at(-1) ?? '').replace('left open: ', '').split(', '));
    const gone = held.filter((code) => !holds.includes(code));
    changed += gone.length;
    expect(gone.filter((code) => !open.includes(code))).toEqual([]);
    // What was not known is not known, and an ok is one that was there before.
    if (with_.some(isUnknown)) expect(without.some(isUnknown)).toBe(true);
    if (without.some(({ severity }) => severity === 'ok')) expect(with_.some(({ severity }) => severity === 'ok')).toBe(true);
  });
  expect(changed).toBeGreaterThan(CASES / 20);
});

it('an unknown names what was not read, and says that nothing was only where that is so', () => {
  const seen = { some: 0, nothing: 0 };
  forManyCases(CASES, (chance) => {
    const [profile, context] = [profileBy(chance), contextBy(chance)];
    const readings = chance.is(30) ? Object.fromEntries(Object.entries(context.readings).filter(([name]) => !/^peer.*now$/.test(name))) : context.readings;
    const findings = judge(profile, { ...context, readings }).filter(({ code }) => code === 'PEER_UNKNOWN');
    const all = judge(profile, { ...context, readings: {} }).filter(({ code }) => code === 'PEER_UNKNOWN');
    const everything = new Set(all.flatMap(({ notKnown = [] }) => notKnown));
    for (const { notKnown = [], nothingKnown, evidence } of findings) {
      seen[nothingKnown === true ? 'nothing' : 'some'] += 1;
      expect(notKnown.length).toBeGreaterThan(0);
      expect(notKnown.filter((name) => !everything.has(name))).toEqual([]);
      expect(evidence.filter((line) => line.includes('not known')).length).toBe(notKnown.length);
      // A rule that is decided otherwise does not name what it could not read.
      const isReadable = (name: string): boolean => {
        const reading = readings[name];
        const type = MARKERS.find(({ name: marker }) => name.includes(`.${marker}.`))?.type;
        return (
          reading?.state === 'read' &&
          type !== undefined &&
          readable(
            () => readMarker(type, reading.value).type === type,
            () => false,
          )
        );
      };
      if (nothingKnown === true) expect([...everything].filter(isReadable)).toEqual([]);
    }
  });
  expect(Math.min(seen.some, seen.nothing)).toBeGreaterThan(CASES / 50);
});

it('what only rules ask that texts decide need not be read', () => {
  let left = 0;
  forManyCases(CASES, (chance) => {
    const [profile, context] = [profileBy(chance), contextBy(chance)];
    const undecided = profile.rules.filter((rule) => !isDecidedByTexts({ profile, ...context }, rule));
    // Their messages, and the sources of sets.
    const told = ['peer.text.now', 'server.text.recovery-point'];
    const needed = new Set([...told, ...undecided.flatMap(({ when }) => when.flatMap((condition) => referencesOf(condition)).map(nameOfMarker))]);
    const readings = Object.fromEntries(Object.entries(context.readings).filter(([name]) => needed.has(name)));
    left += undecided.length < profile.rules.length ? 1 : 0;
    const [all, some] = [judge(profile, context), judge(profile, { ...context, readings })];
    expect(some.map(verdictOf)).toEqual(all.map(verdictOf));
    expect(planSteps(profile, context, some)).toEqual(planSteps(profile, context, all));
    // What was left out is not told as if it had failed.
    if (some.some(({ severity }) => severity === 'ok')) expect(some[0]?.evidence.filter((line) => !(all[0]?.evidence ?? []).includes(line))).toEqual([]);
  });
  expect(left).toBeGreaterThan(CASES / 20);
});

it('an ok stands alone, and only where every rule is decided', () => {
  const seen = new Set<string>();
  forManyCases(CASES, (chance) => {
    const findings = judge(profileBy(chance), contextBy(chance)).filter(({ code }) => code !== 'PROFILE_EXPERIMENTAL');
    for (const { severity } of findings) seen.add(severity);
    expect(findings.length).toBeGreaterThan(0);
    if (findings.some(({ severity }) => severity === 'ok')) expect(findings).toHaveLength(1);
    for (const { evidence } of findings.filter(({ severity }) => severity !== 'ok')) expect(new Set(evidence).size).toBe(evidence.length);
  });
  expect([...seen].sort()).toEqual(['block', 'ok', 'step', 'unknown', 'warn']);
});

it('the order of rules and of conditions does not matter', () => {
  const sorted = (findings: readonly unknown[]): readonly string[] => findings.map((finding) => JSON.stringify(finding)).sort();
  forManyCases(CASES, (chance) => {
    const [profile, context] = [profileBy(chance), contextBy(chance)];
    const rules = chance.shuffled(profile.rules).map((rule) => ({ ...rule, when: chance.shuffled(rule.when) as unknown as Rule['when'] }));
    const shuffled: Profile = { ...profile, rules };
    const [one, other] = [judge(profile, context), judge(shuffled, context)];
    expect(sorted(other)).toEqual(sorted(one));
    expect(sorted(planSteps(shuffled, context, other))).toEqual(sorted(planSteps(profile, context, one)));
  });
});

it('what is filled in is not filled in again', () => {
  let seen = 0;
  forManyCases(CASES, (chance) => {
    const [profile, context] = [profileBy(chance), contextBy(chance)];
    const value = (name: string): string => {
      const reading = context.readings[name];
      return reading?.state === 'read' ? reading.value : '(not known)';
    };
    const findings = judge(profile, context);
    for (const { message } of findings.filter(isRule)) {
      seen += 1;
      expect(message).toBe(`<srv01|${value('peer.text.now')}|${value('server.text.recovery-point')}|${context.parameters['given'] ?? ''}>`);
    }
    for (const { title, argv } of planSteps(profile, context, findings)) {
      expect([title, argv]).toEqual([`<${value('peer.text.now')}>`, ['run', context.parameters['given']]]);
    }
  });
  expect(seen).toBeGreaterThan(CASES / 10);
});
