import { forManyCases, type Chance } from '../../../test/support/many-cases';
import { compareSerials, MAX_SERIAL_STEP, nextSerialAbove, readSerial } from './serial32';

const CIRCLE = 2 ** 32;
const CASES = 5_000;

it.each([
  ['0', '0'],
  ['2026013101', '2026013101'],
  ['0000000007', '7'],
  ['4294967295', '4294967295'],
])('%s is read as %s', (text, value) => expect(readSerial(text)).toBe(value));

it.each(['', '4294967296', '-1', '1.5', '00000000001', '2026-01-31', '99999999999'])('"%s" is no serial', (text) =>
  expect(() => readSerial(text)).toThrow('no marker of type serial32'),
);

it.each([
  ['7', '7', 'same'],
  ['1', '0', 'ahead'],
  ['0', '1', 'behind'],
  ['0', '4294967295', 'ahead'],
  ['4294967295', '0', 'behind'],
  ['2147483647', '0', 'ahead'],
  ['2147483648', '0', 'incomparable'],
  ['0', '2147483648', 'incomparable'],
  ['2147483649', '0', 'behind'],
] as const)('%s beside %s is %s', (one, other, order) => expect(compareSerials(one, other)).toBe(order));

it.each<[string, readonly string[], string, string | null]>([
  ['nobody', [], '10', '11'],
  ['those that have the restored one', ['10', '10'], '10', '11'],
  ['one that is ahead', ['15'], '10', '16'],
  ['one that is behind', ['5'], '10', '11'],
  ['some on either side', ['5', '15', '12'], '10', '16'],
  ['one beyond the end of the circle', ['3'], '4294967290', '4'],
  ['one at the end of the circle', ['4294967295'], '4294967290', '0'],
  ['one at the last step but one', ['2147483646'], '0', '2147483647'],
  ['one at the last step', ['2147483647'], '0', null],
  ['one opposite', ['2147483648'], '0', null],
  ['one that is as far behind as can be followed', ['2147483650'], '0', '1'],
  ['one that is farther behind', ['2147483649'], '0', null],
  ['two that are too far apart', ['1073741824', '3221225471'], '0', null],
  ['two that are just not too far apart', ['1073741824', '3221225474'], '0', '1073741825'],
])('above %s', (_whom, serials, restored, next) => expect(nextSerialAbove(serials, restored)).toBe(next));

it('a serial that cannot be read is no reason to leave it out', () => {
  expect(() => nextSerialAbove(['5', 'SERVFAIL'], '1')).toThrow('no marker');
  expect(() => nextSerialAbove(['5'], '')).toThrow('no marker');
});

it('two steps, where one is not enough', () => {
  const restored = '2026013101';
  const mistaken = String((Number(restored) + MAX_SERIAL_STEP) % CIRCLE);
  expect(nextSerialAbove([mistaken, restored], restored)).toBeNull();
  // All that take it have it after the first step.
  const next = nextSerialAbove([mistaken, mistaken], mistaken);
  expect([compareSerials(String(next), mistaken), next]).toEqual(['ahead', String((Number(mistaken) + 1) % CIRCLE)]);
});

/** Anywhere, and often where it matters. */
const serialOf = (chance: Chance): number => (chance.one([0, 1, 2 ** 31 - 2, 2 ** 31, CIRCLE - 2, chance.below(CIRCLE)]) + chance.below(3)) % CIRCLE;
const plus = (serial: number, steps: number): string => String((serial + steps) % CIRCLE);

describe('for every serial', () => {
  it('each step of 1 to 2^31 - 1 goes forward, also over the end', () => {
    forManyCases(CASES, (chance) => {
      const serial = serialOf(chance);
      const steps = chance.one([1, MAX_SERIAL_STEP, 1 + chance.below(MAX_SERIAL_STEP)]);
      expect(compareSerials(plus(serial, steps), plus(serial, 0))).toBe('ahead');
      expect(compareSerials(plus(serial, 0), plus(serial, steps))).toBe('behind');
      expect(compareSerials(plus(serial, 0), plus(serial, 0))).toBe('same');
      expect(compareSerials(plus(serial, 2 ** 31), plus(serial, 0))).toBe('incomparable');
    });
  });

  it('the next one is above all, it is the nearest, and there is one whenever the successor of any would be', () => {
    const seen = { next: 0, none: 0 };
    forManyCases(CASES, (chance) => {
      const restored = serialOf(chance);
      const near = chance.one([10, 2 ** 29, CIRCLE]);
      const serials = chance.some(5, () => plus(restored, (CIRCLE + chance.below(near) - Math.floor(near / 2)) % CIRCLE));
      const all = [plus(restored, 0), ...serials];
      const isAbove = (serial: string): boolean => all.every((other) => compareSerials(serial, other) === 'ahead');
      const next = nextSerialAbove(serials, plus(restored, 0));
      if (next === null) {
        seen.none += 1;
        expect(all.filter((serial) => isAbove(plus(Number(serial), 1)))).toEqual([]);
      } else {
        seen.next += 1;
        expect(isAbove(next)).toBe(true);
        expect(isAbove(plus(Number(next), CIRCLE - 1))).toBe(false);
      }
    });
    expect(Math.min(seen.next, seen.none)).toBeGreaterThan(CASES / 20);
  });
});
