import type { Marker } from '../../contracts/marker';
import { compareFrom } from './compare-from';

const [A, B] = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', '00000000-71ca-11e1-9e33-c80aa9429562'];
const csn = (second: number, sid: string): string => `202601011200${String(second).padStart(2, '0')}.000000Z#000000#${sid}#000000`;
const gtids = (value: string): Marker => ({ type: 'gtid-set', value });
const csns = (value: string): Marker => ({ type: 'csn-set', value });

describe('of one source alone, whatever there is of others', () => {
  it.each([
    ['fewer transactions', gtids(`${A}:1-5,${B}:1-9`), gtids(`${A}:1-7`), A, 'behind'],
    ['more transactions', gtids(`${A}:1-7`), gtids(`${A}:1-5,${B}:1-9`), A, 'ahead'],
    ['the same transactions', gtids(`${A}:1-5`), gtids(`${A}:1-5,${B}:1-9`), A, 'same'],
    ['other transactions', gtids(`${A}:1-5:7`), gtids(`${A}:1-6`), A, 'diverged'],
    ['none, and the other has some', gtids(`${B}:1-9`), gtids(`${A}:1`), A, 'behind'],
    ['some, and the other has none', gtids(`${A}:1`), gtids(`${B}:1-9`), A, 'ahead'],
    ['none, as the other', gtids(`${B}:1-9`), gtids(`${B}:1-7`), A, null],
    ['an earlier change', csns(`${csn(1, '001')},${csn(9, '002')}`), csns(csn(2, '001')), '001', 'behind'],
    ['a later change', csns(csn(2, '001')), csns(`${csn(1, '001')},${csn(9, '002')}`), '001', 'ahead'],
    ['the same change', csns(csn(2, '001')), csns(`${csn(2, '001')},${csn(9, '002')}`), '001', 'same'],
    ['no change, and the other has one', csns(csn(9, '002')), csns(csn(1, '001')), '001', 'behind'],
    ['a change, and the other has none', csns(csn(1, '001')), csns(csn(9, '002')), '001', 'ahead'],
    ['no change, as the other', csns(csn(9, '002')), csns(csn(8, '002')), '001', null],
  ] as const)('%s', (_what, one, other, source, order) => expect(compareFrom(one, other, source)).toBe(order));

  it.each([
    ['a server id beside transactions', gtids(`${A}:1`), '001', 'it is not the UUID of a server'],
    ['a UUID beside changes of a directory', csns(csn(1, '001')), A, 'it is not the server id of a provider'],
    ['markers that have no sources', { type: 'lsn', value: '0/16B3740' } as const, '001', 'no marker of type csn-set'],
  ])('refuses %s', (_what, marker, source, message) => expect(() => compareFrom(marker, marker, source)).toThrow(message));
});
