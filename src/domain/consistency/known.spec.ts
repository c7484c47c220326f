import { madeUpProfile } from '../../../test/support/made-up-relations';
import { ModosuError } from '../../contracts/errors';
import type { MarkerReadings, ProbeFact } from '../../contracts/profile';
import { allKnown, known, markerOf, readable, textOf, unknown, type Cause, type Situation } from './known';

const POINT_IN_TIME = '2026-03-10T02:00:00.000Z';
const READ_AT = '2026-03-10T12:00:00.000Z';

const byFact = (name: string, type: 'text' | 'timestamp', fact: ProbeFact) =>
  ({ name, type, of: 'each', isCaptured: true, timeoutSeconds: 5, probe: { kind: 'fact', fact } }) as const;
const PROFILE = madeUpProfile(undefined, {
  markers: [byFact('taken', 'timestamp', 'point-in-time'), byFact('clock', 'timestamp', 'clock'), byFact('generation', 'text', 'generation-id')],
});
const situation = (values: Readonly<Record<string, string>>): Situation => ({
  profile: PROFILE,
  phase: 'plan',
  parameters: { primary: 'db01' },
  server: 'db01',
  peer: 'db02',
  readings: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { state: 'read', value, raw: value, at: READ_AT }])) as MarkerReadings,
  pointInTime: POINT_IN_TIME,
  now: new Date(READ_AT),
});
const cause = (what: string): Cause => ({ code: 'RULE_UNUSABLE', what, why: 'it is so', references: [] });

describe('a fact', () => {
  it.each<[string, string, string]>([
    ['clock', '2026-03-10T12:00:01Z', READ_AT],
    ['generation', 'a-generation', READ_AT],
    ['taken', '2026-03-10T02:00:00Z', POINT_IN_TIME],
  ])('is what was read, but for the point in time, which the judge knows: %s', (marker, value, at) => {
    const readings = { [`server.${marker}.now`]: marker === 'taken' ? '2020-01-01T00:00:00.000Z' : value };
    expect(markerOf(situation(readings), { marker, of: 'server', at: 'now' })).toMatchObject({ isKnown: true, value: { value, at } });
  });

  it.each(['clock', 'generation'])('is not known where it was not read: %s', (marker) => {
    expect(markerOf(situation({}), { marker, of: 'server', at: 'now' })).toMatchObject({ isKnown: false, causes: [{ code: 'SERVER_UNKNOWN', what: marker }] });
  });

  it('that cannot be read as its type is not known, of that marker and for that reason', () => {
    const reference = { marker: 'clock', of: 'peer', at: 'now' } as const;
    expect(markerOf(situation({ 'peer.clock.now': 'noon' }), reference)).toEqual({
      isKnown: false,
      causes: [
        { code: 'PEER_UNKNOWN', what: 'clock', why: expect.stringMatching(/^"noon" is no marker of type timestamp: /) as string, references: [reference] },
      ],
    });
  });
});

describe('several', () => {
  it('are known when each is, in their order', () => {
    expect(allKnown([known(1), known(2)])).toEqual(known([1, 2]));
    expect(allKnown([])).toEqual(known([]));
  });

  it('are not when one is not, because of all that is missing', () => {
    expect(allKnown([known(1), unknown(cause('a')), known(2), unknown(cause('b'), cause('c'))])).toEqual(unknown(cause('a'), cause('b'), cause('c')));
  });
});

describe('a text', () => {
  it('has everything filled in, the same more than once, and what is filled in stays as it is', () => {
    const values = { 'server.generation.now': '${peer}' };
    expect(textOf(situation(values), '${server}/${server.generation.now}/${primary}/${server}')).toEqual(known('db01/${peer}/db01/db01'));
    expect(textOf(situation({}), 'as it is')).toEqual(known('as it is'));
  });

  it('is not known without all of it, because of each that is missing', () => {
    const text = textOf(situation({}), '${server} ${nobody} ${peer.generation.now}');
    expect(text).toMatchObject({
      isKnown: false,
      causes: [
        { code: 'RULE_UNUSABLE', what: '${nobody}' },
        { code: 'PEER_UNKNOWN', what: 'generation' },
      ],
    });
  });
});

describe('what is made of values', () => {
  it('is what was made, or what is said of a value that cannot be read', () => {
    expect(readable(() => 1, String)).toBe(1);
    const unreadable = (): number => {
      throw new ModosuError('MARKER_UNREADABLE', 'Not this one.');
    };
    expect(readable(unreadable, (why) => `no: ${why}`)).toBe('no: Not this one.');
  });

  it.each([
    ['a fault of our own', new TypeError('Not a function.')],
    ['a fault that has the code, and is none of ours', Object.assign(new Error('Not ours.'), { code: 'MARKER_UNREADABLE' })],
    ['another error', new ModosuError('SERVER_NOT_FOUND', 'Not there.')],
  ])('never hides %s behind "not known"', (_, error) => {
    const broken = (): number => {
      throw error;
    };
    expect(() => readable(broken, String)).toThrow(error);
  });
});
