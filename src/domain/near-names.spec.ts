import { nearestName, nearNames } from './near-names';

const NAMES = ['clock', 'dns-zone', 'ldap-contextcsn', 'postgresql-replication', 'max-age'];

it.each([
  ['clokc', 'clock'],
  ['dnszone', 'dns-zone'],
  ['postgres-replication', 'postgresql-replication'],
  ['postgresql', 'postgresql-replication'],
  ['ldap', 'ldap-contextcsn'],
  ['clock-of-all', 'clock'],
])('takes %s for %s', (typed, meant) => {
  expect(nearestName(typed, NAMES)).toBe(meant);
});

it.each(['kafka', '', 'x', 'generation-id'])('takes "%s" for none of them', (typed) => {
  expect(nearestName(typed, NAMES)).toBeNull();
});

it('decides nothing between two, and has nothing to offer where there is nothing', () => {
  expect(nearestName('mysql', ['mysql-gtid', 'mysql-group'])).toBeNull();
  expect(nearestName('clock', [])).toBeNull();
});

describe('a name that is not there', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['order', ['customers', 'orders'], ['orders']],
    ['ORDERS', ['orders'], ['orders']],
    ['orders', ['public.orders', 'ord'], ['ord', 'public.orders']],
    ['orders', ['odrers'], ['odrers']],
    ['ab', ['cd', 'xy', 'abc', 'b', 'ac'], ['abc', 'ac', 'b']],
    ['orders', ['orxxrs', 'orxxxs'], ['orxxrs']],
    ['customers', ['custoxxxs', 'cxxxxmers'], ['custoxxxs']],
    ['orders', ['orde', 'ordersxyz', 'rdersxy', 'xxorder', 'oxrdexrs'], ['orde', 'ordersxyz', 'oxrdexrs']],
    ['orders', ['orders9', 'orders3', 'orders7', 'orders1'], ['orders1', 'orders3', 'orders7']],
    ['orders', ['order_', 'xorder_'], ['order_', 'xorder_']],
    ['pqz', ['klq'], []],
    ['abcdef', ['uvwxyz', 'abcdefghi', ''], ['', 'abcdefghi']],
  ])('%s of %j may be %j', (wanted, candidates, near) => expect(nearNames(wanted, candidates)).toEqual(near));

  it('is looked for among as many as there may be', () => {
    const many = Array<string>(5_000).fill('something else');
    expect(nearNames('orders', [...many.slice(1), 'orders'])).toEqual(['orders']);
    expect(nearNames('orders', [...many, 'orders'])).toEqual([]);
  });
});
