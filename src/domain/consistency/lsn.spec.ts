import { compareLsns, formatLsn, parseLsn, readLsn } from './lsn';

it.each([
  ['16/B374D848', '16/B374D848'],
  ['16/b374d848', '16/B374D848'],
  ['0/03000000', '0/3000000'],
  ['00000001/0000000A', '1/A'],
  ['0/0', '0/0'],
  ['FFFFFFFF/FFFFFFFF', 'FFFFFFFF/FFFFFFFF'],
])('%s is read as %s', (text, value) => expect(readLsn(text)).toBe(value));

it.each(['', '16', '/', '16/', '/16', '123456789/0', '0/123456789', '0/G', '0x1/2', '-1/0', '1/2/3', '1 /2'])('"%s" is no position', (text) => {
  expect(parseLsn(text)).toBeNull();
  expect(() => readLsn(text)).toThrow('no marker of type lsn');
});

it('has 64 bits', () => {
  expect(parseLsn('16/B374D848')).toBe(0x16_b374_d848n);
  expect(formatLsn(0x16_b374_d848n)).toBe('16/B374D848');
  expect(parseLsn('1/0')).toBe(2n ** 32n);
});

it.each([
  ['9/0', '10/0', 'behind'],
  ['1/0', '0/FFFFFFFF', 'ahead'],
  ['0/0A', '0/a', 'same'],
  ['FFFFFFFF/FFFFFFFE', 'FFFFFFFF/FFFFFFFF', 'behind'],
] as const)('%s beside %s is %s', (one, other, order) => expect(compareLsns(one, other)).toBe(order));
