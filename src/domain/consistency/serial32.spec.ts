import { forManyCases, type Chance } from '../../../test/support/many-cases';
import { compareSerials, readSerial } from './serial32';

const CIRCLE = 2 ** 32;
const CASES = 5_000;
/** The largest step that goes forward for certain. */
const MAX_SERIAL_STEP = 2 ** 31 - 1;

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
});
