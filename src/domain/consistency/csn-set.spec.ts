import { compareCsnSets, newerThan, ofProvider, readCsnSet } from './csn-set';

const csn = (second: number, sid: string, count = '000000'): string => `202601011200${String(second).padStart(2, '0')}.000000Z#${count}#${sid}#000000`;

describe('reading', () => {
  it.each([
    ['one provider', csn(1, '001'), csn(1, '001')],
    ['providers in any order, a line each', `${csn(2, '0ab')}\n${csn(9, '001')}\n`, `${csn(9, '001')},${csn(2, '0ab')}`],
    ['blanks around lines', ` ${csn(1, '001')}\t\n  ${csn(2, '002')} `, `${csn(1, '001')},${csn(2, '002')}`],
    ['upper case', csn(1, '0AB', '00000F'), csn(1, '0ab', '00000f')],
    ['the canonical form', `${csn(9, '001')},${csn(2, '0ab')}`, `${csn(9, '001')},${csn(2, '0ab')}`],
  ])('%s', (_what, text, value) => expect(readCsnSet(text)).toBe(value));

  it.each([
    ['nothing', ''],
    ['separators alone', ',\n,'],
    ['a provider twice', `${csn(1, '001')}\n${csn(2, '001')}`],
    ['the form of OpenLDAP 2.3', '20260101120000Z#000000#00#000000'],
    ['the name of the attribute', `contextCSN: ${csn(1, '001')}`],
    ['what runs on', `${csn(1, '001')}0`],
    ['a server id that is too long', csn(1, '0001')],
  ])('refuses %s', (_what, text) => expect(() => readCsnSet(text)).toThrow('no marker of type csn-set'));
});

it('tells of which providers one has newer changes', () => {
  const one = `${csn(1, '00a')}\n${csn(5, '002')}\n${csn(3, '001')}\n${csn(1, '003')}`;
  const other = `${csn(4, '002')}\n${csn(3, '001')}\n${csn(2, '003')}`;
  expect(newerThan(one, other)).toEqual([
    { sid: '002', csn: csn(5, '002'), than: csn(4, '002') },
    { sid: '00a', csn: csn(1, '00a'), than: null },
  ]);
  expect(newerThan(other, one)).toEqual([{ sid: '003', csn: csn(2, '003'), than: csn(1, '003') }]);
});

it.each([
  [csn(1, '001'), csn(1, '001'), 'same'],
  [csn(2, '001'), csn(1, '001'), 'ahead'],
  [csn(1, '001', '000001'), csn(1, '001', '00000a'), 'behind'],
  [`${csn(1, '001')},${csn(1, '002')}`, csn(1, '001'), 'ahead'],
  [`${csn(1, '001')},${csn(1, '002')}`, csn(2, '001'), 'diverged'],
  [csn(1, '001'), csn(1, '002'), 'diverged'],
] as const)('%s beside %s is %s', (one, other, order) => expect(compareCsnSets(one, other)).toBe(order));

it('has one CSN of a provider, or nothing', () => {
  const set = `${csn(9, '001')},${csn(2, '0ab')}`;
  expect([ofProvider(set, '0AB'), ofProvider(set, '002')]).toEqual([csn(2, '0ab'), '']);
  for (const sid of ['1', '0001', 'xyz', '']) expect(() => ofProvider(set, sid)).toThrow(/no marker of type csn-set.*it is not the server id of a provider/);
});
