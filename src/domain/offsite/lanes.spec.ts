import type { TransferKind } from '../../contracts/offsite-copies';
import { givesWay, heldBackBy } from './lanes';

const HERE = { state: 'here', name: 'vault' } as const;
const running = (kind: TransferKind) => [{ id: 'trf_1', kind }];

it('one at a time uses an off-site repository, and beside it one that fetches; who removes is alone', () => {
  const kinds = ['copy', 'fetch', 'check', 'forget'] as const;
  const may = (kind: TransferKind) => kinds.filter((other) => heldBackBy(kind, running(other), HERE) === null);
  expect(Object.fromEntries(kinds.map((kind) => [kind, may(kind)]))).toEqual({ copy: ['fetch'], fetch: ['copy', 'check'], check: ['fetch'], forget: [] });
  expect(kinds.map((kind) => heldBackBy(kind, [], HERE))).toEqual([null, null, null, null]);
  expect(heldBackBy('copy', running('check'), HERE)).toBe('transfer trf_1 (check) uses vault');
});

it('nothing begins in one that is away', () => {
  expect(heldBackBy('fetch', [], { state: 'offline', name: 'disk' })).toBe('disk is offline');
  expect(heldBackBy('copy', [], { state: 'unknown', name: 'disk' })).toContain('nobody has looked');
});

it('only who removes gives way', () => {
  expect([givesWay(running('forget')), givesWay(running('copy'))]).toEqual([['trf_1'], []]);
});
