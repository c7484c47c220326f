import { markerNamed } from '../../contracts/placeholders';
import type { MarkerReadings, MarkerReference, RuleCondition } from '../../contracts/profile';
import { madeUpProfile } from '../../../test/support/made-up-relations';
import { holds, limitIn, referencesOf } from './conditions';
import { isDecidedByTexts } from './decided-by-texts';
import type { Situation } from './known';

const NOW = new Date('2026-03-10T12:00:00.000Z');
const POINT_IN_TIME = '2026-03-10T02:00:00.000Z';
const marker = (name: string, type: 'lsn' | 'timeline-history' | 'timestamp' | 'counter') =>
  ({ name, type, of: 'each', isCaptured: true, timeoutSeconds: 5, probe: { kind: 'command', argv: ['/usr/bin/true'] } }) as const;
const PROFILE = madeUpProfile(undefined, {
  markers: [marker('lsn', 'lsn'), marker('history', 'timeline-history'), marker('moment', 'timestamp'), marker('count', 'counter')],
});
const of = (name: string, side: MarkerReference['of'] = 'server', at: MarkerReference['at'] = 'now'): MarkerReference => ({ marker: name, of: side, at });

const situation = (values: Readonly<Record<string, string>>, more: Partial<Situation> = {}): Situation => ({
  profile: PROFILE,
  phase: 'plan',
  parameters: { primary: 'db01' },
  server: 'db01',
  peer: 'db02',
  readings: Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { state: 'read', value, raw: value, at: NOW.toISOString() }]),
  ) as MarkerReadings,
  pointInTime: POINT_IN_TIME,
  now: NOW,
  ...more,
});
const answer = (condition: RuleCondition, values: Readonly<Record<string, string>> = {}, more: Partial<Situation> = {}): boolean | string => {
  const held = holds(situation(values, more), condition);
  return held.isKnown ? held.value : held.causes.map(({ code, why }) => `${code}: ${why}`).join('; ');
};

describe('the markers that a condition is asked of', () => {
  const [one, other, third] = [of('lsn'), of('history'), of('history', 'peer')];
  it.each<[string, RuleCondition, readonly MarkerReference[]]>([
    ['a comparison', { compare: one, with: other, is: ['ahead'] }, [one, other]],
    ['a position', { position: one, history: other, line: third, isOn: true }, [one, other, third]],
    ['a value', { value: one, equals: '1' }, [one]],
    ['texts', { text: '${primary}', equals: '${server}' }, []],
    ['the age of the recovery point', { age: 'recovery-point', atLeast: 3, unit: 'days' }, []],
    ['the same, by a marker', { age: 'recovery-point', atLeast: { marker: other }, unit: 'days' }, [other]],
    ['the same, by a parameter', { age: 'recovery-point', atLeast: { parameter: 'days' }, unit: 'days' }, []],
    ['the age of a moment, by a marker', { age: one, atLeast: { marker: other }, unit: 'days' }, [one, other]],
    ['a skew', { skew: one, atLeast: 3, unit: 'minutes' }, [one]],
    ['a skew, by a marker', { skew: one, atLeast: { marker: other }, unit: 'minutes' }, [one, other]],
  ])('%s', (_, condition, references) => {
    expect(referencesOf(condition)).toEqual(references);
  });
});

describe('a comparison', () => {
  const [one, other] = ['server.count.now', 'peer.count.now'];
  it.each([
    ['the one', { [other]: '1' }, ['server.count.now']],
    ['the other', { [one]: '2' }, ['peer.count.now']],
    ['both', {}, ['server.count.now', 'peer.count.now']],
  ])('is not known without %s, and says so of each that is missing', (_, values, missing) => {
    const held = holds(situation(values), { compare: of('count'), with: of('count', 'peer'), is: ['ahead'] });
    expect(held.isKnown ? [] : held.causes.flatMap(({ references }) => references)).toEqual(missing.map((name) => markerNamed(name)));
  });
});

describe('a value', () => {
  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['the value itself', {}, /^SERVER_UNKNOWN: it was not read; RULE_UNUSABLE: /],
    ['the text that it should be', { 'server.count.now': '1' }, /^RULE_UNUSABLE: the relation does not give this parameter$/],
  ])('is not judged without %s', (_, values, why) => {
    expect(answer({ value: of('count'), equals: '${nobody}' }, values)).toMatch(why);
    expect(answer({ value: of('count'), differs: '${nobody}' }, values)).toMatch(why);
  });
});

describe('a position', () => {
  // The server ends timeline 2, which left timeline 1 at 0/3000000.
  const history = '1\t0/3000000\n2';
  const asked = (isOn: boolean, values: Readonly<Record<string, string>>) =>
    answer({ position: of('lsn'), history: of('history'), line: of('history', 'peer'), isOn }, { 'server.history.now': history, ...values });

  it('is on a line that is still on its timeline, or that left it later', () => {
    expect(asked(true, { 'server.lsn.now': '0/5000000', 'peer.history.now': history })).toBe(true);
    expect(asked(false, { 'server.lsn.now': '0/5000000', 'peer.history.now': history })).toBe(false);
    expect(asked(true, { 'server.lsn.now': '0/5000000', 'peer.history.now': `1\t0/3000000\n2\t0/6000000\n3` })).toBe(true);
  });

  it('is not on one that left its timeline before, nor on another one of the same number', () => {
    expect(asked(true, { 'server.lsn.now': '0/5000000', 'peer.history.now': `1\t0/3000000\n2\t0/4000000\n3` })).toBe(false);
    expect(asked(true, { 'server.lsn.now': '0/5000000', 'peer.history.now': '1\t0/2000000\n2' })).toBe(false);
    expect(asked(false, { 'server.lsn.now': '0/5000000', 'peer.history.now': '1\t0/2000000\n2' })).toBe(true);
  });

  it.each(['server.lsn.now', 'server.history.now', 'peer.history.now'])('is not known where %s is not', (missing) => {
    const { [missing]: _, ...values } = { 'server.lsn.now': '0/5000000', 'server.history.now': history, 'peer.history.now': history } as Record<string, string>;
    const held = holds(situation(values), { position: of('lsn'), history: of('history'), line: of('history', 'peer'), isOn: true });
    expect(held).toMatchObject({ isKnown: false, causes: [{ references: [markerNamed(missing)] }] });
  });
});

describe('an age', () => {
  it('of the recovery point counts from its point in time, to the unit', () => {
    expect(answer({ age: 'recovery-point', atLeast: 10, unit: 'hours' })).toBe(true);
    expect(answer({ age: 'recovery-point', atLeast: 601, unit: 'minutes' })).toBe(false);
    expect(answer({ age: 'recovery-point', atLeast: 1, unit: 'days' })).toBe(false);
  });

  it('of a recovery point that is to come is a matter of clocks, of which no marker is evidence', () => {
    const held = holds(situation({}, { pointInTime: '2026-03-11T02:00:00.000Z' }), { age: 'recovery-point', atLeast: 1, unit: 'days' });
    expect(held).toMatchObject({ isKnown: false, causes: [{ code: 'CLOCKS_DISAGREE', references: [] }] });
  });

  it('is measured by a marker, or by a parameter', () => {
    const byMarker: RuleCondition = { age: 'recovery-point', atLeast: { marker: of('count', 'peer') }, unit: 'hours' };
    expect(answer(byMarker, { 'peer.count.now': '10' })).toBe(true);
    expect(answer(byMarker, { 'peer.count.now': '11' })).toBe(false);
    expect(answer(byMarker)).toMatch(/^PEER_UNKNOWN/);
  });

  it.each([
    ['12', 12],
    ['1.25', 1.25],
    ['1000000', 1_000_000],
    ['1000001', null],
    ['-1', null],
    ['1e3', null],
    ['', null],
    ['1.', null],
  ])('is as long as "%s"', (text, number) => {
    expect(limitIn(text)).toBe(number);
  });
});

describe('a clock', () => {
  const condition: RuleCondition = { skew: of('moment'), atLeast: 5, unit: 'minutes' };
  it('is off by how far it is from the moment when it was read, in either direction', () => {
    expect(answer(condition, { 'server.moment.now': '2026-03-10T12:05:00.000Z' })).toBe(true);
    expect(answer(condition, { 'server.moment.now': '2026-03-10T11:55:00.000Z' })).toBe(true);
    expect(answer(condition, { 'server.moment.now': '2026-03-10T12:04:59.000Z' })).toBe(false);
    expect(answer(condition)).toMatch(/^SERVER_UNKNOWN/);
  });
});

describe('a rule that texts decide', () => {
  const rule = (...when: readonly RuleCondition[]) => ({ ...PROFILE.rules[0], when }) as (typeof PROFILE.rules)[number];
  const decided = (...when: readonly RuleCondition[]): boolean =>
    isDecidedByTexts({ profile: PROFILE, parameters: { primary: 'db01' }, server: 'db01', peer: 'db02' }, rule(...when));
  const asksMarker: RuleCondition = { value: of('count'), equals: '1' };

  it('is one of which a text says that it does not hold', () => {
    expect(decided(asksMarker, { text: '${primary}', equals: '${peer}' })).toBe(true);
    expect(decided({ text: '${primary}', differs: '${server}' })).toBe(true);
  });

  it('is not one whose texts hold, or that has none, or a text that nobody has given', () => {
    expect(decided(asksMarker, { text: '${primary}', equals: '${server}' })).toBe(false);
    expect(decided(asksMarker)).toBe(false);
    expect(decided({ text: '${nobody}', equals: '${server}' })).toBe(false);
    expect(decided({ age: 'recovery-point', atLeast: 1, unit: 'days' })).toBe(false);
  });
});
