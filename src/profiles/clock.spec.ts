import { failed, judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('clock');
const plan = (peer: string) => judged(PROFILE, 'plan', { 'peer.clock.now': peer }).verdicts;

it('takes a clock for wrong that is two minutes off, either way', () => {
  expect(plan('2026-03-10T12:01:59Z')).toEqual(['ok RELATION_AGREES']);
  expect(plan('2026-03-10T12:02:00Z')).toEqual(['step PEER_CLOCK_OFF']);
  expect(plan('2026-03-10T11:57:00Z')).toEqual(['step PEER_CLOCK_OFF']);
});

it('wants the restored clock right before the network, and looks again', () => {
  const server = { 'server.clock.now': '2026-03-10T02:00:10Z', 'peer.clock.now': '2026-03-10T12:00:00Z' };
  expect(judged(PROFILE, 'quarantine', server).steps).toMatchObject([{ code: 'SERVER_CLOCK_OFF', on: 'server', when: 'quarantine' }]);
  expect(judged(PROFILE, 'live', server).verdicts).toEqual(['block SERVER_CLOCK_STILL_OFF']);
  expect(judged(PROFILE, 'quarantine', { 'server.clock.now': failed('PROBE_TIMEOUT', 'no answer') }).verdicts).toEqual(['unknown SERVER_UNKNOWN']);
});
