import { nearestName } from './nearest-name';

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
