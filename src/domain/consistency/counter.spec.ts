import { compareCounters, readCounter } from './counter';

it.each([
  ['0', '0'],
  ['000', '0'],
  ['0042', '42'],
  ['18446744073709551616', '18446744073709551616'],
])('%s is read as %s', (text, value) => expect(readCounter(text)).toBe(value));

it.each(['', '-1', '+1', '1.0', '1e5', '0x10', '1 2', '1,000', '١٢', 'NaN'])('"%s" is no counter', (text) =>
  expect(() => readCounter(text)).toThrow('no marker of type counter'),
);

it.each([
  ['9', '10', 'behind'],
  ['10', '9', 'ahead'],
  ['0009', '9', 'same'],
  ['18446744073709551616', '18446744073709551615', 'ahead'],
  ['99999999999999999998', '99999999999999999999', 'behind'],
] as const)('%s beside %s is %s', (one, other, order) => expect(compareCounters(one, other)).toBe(order));

it('what is no counter is beside nothing', () => expect(() => compareCounters('1', '-')).toThrow('no marker'));
