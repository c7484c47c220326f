import { MARKER_TYPES, type Marker, type MarkerType } from '../../contracts/marker';
import { compareMarkers, type Order } from './compare';

const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const csn = (second: number): string => `2026010112000${second}.000000Z#000000#001#000000`;

it.each<[MarkerType, string, string, Order]>([
  ['counter', '10', '9', 'ahead'],
  ['lsn', '10/0', '9/0', 'ahead'],
  ['serial32', '0', '4294967295', 'ahead'],
  ['serial32', '0', '2147483648', 'incomparable'],
  ['timeline-history', '1@0/5,2', '1', 'ahead'],
  ['timeline-history', '1@0/5,2', '1@0/6,2', 'diverged'],
  ['gtid-set', `${UUID}:1-5`, `${UUID}:1-4`, 'ahead'],
  ['csn-set', csn(2), csn(1), 'ahead'],
  ['set', 'a\nb', 'a', 'ahead'],
  ['set', 'a', 'b', 'diverged'],
  ['timestamp', '2026-01-31T12:00:01Z', '2026-01-31T12:00:00Z', 'ahead'],
  ['hash', 'deadbeef', 'deadbeef', 'same'],
  ['hash', 'deadbeef', 'deadbeee', 'diverged'],
  ['text', 'b', 'a', 'diverged'],
  ['boolean', 'true', 'false', 'diverged'],
])('%s: %s beside %s is %s', (type, one, other, order) => expect(compareMarkers({ type, value: one }, { type, value: other })).toBe(order));

it('markers of two types are incomparable, whatever they say', () => {
  const all = MARKER_TYPES.map((type): Marker => ({ type, value: '1' }));
  for (const one of all) for (const other of all) if (one !== other) expect(compareMarkers(one, other)).toBe('incomparable');
});

it('what cannot be read is the same as nothing, not even as itself', () => {
  const broken: Marker = { type: 'lsn', value: 'unknown' };
  expect(() => compareMarkers(broken, broken)).toThrow('no marker of type lsn');
});
