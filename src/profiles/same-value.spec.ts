import { judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('same-value');
const line = (digit: string) => `${digit.repeat(64)}  /etc/shared/key`;
const plan = (server: string, peer: string, severity?: string) =>
  judged(
    PROFILE,
    'plan',
    { 'server.value.recovery-point': line(server), 'peer.value.now': line(peer) },
    { parameters: { argument: '/etc/shared/key', ...(severity === undefined ? {} : { severity }) } },
  ).verdicts;

it('warns of a value that has changed on the peer, or blocks as declared', () => {
  expect(plan('a', 'a')).toEqual(['ok RELATION_AGREES']);
  expect(plan('a', 'b')).toEqual(['warn VALUE_DIFFERS']);
  expect(plan('a', 'b', 'block')).toEqual(['block VALUE_MUST_NOT_DIFFER']);
  expect(plan('a', 'b', 'blok')).toEqual(['block VALUE_MUST_NOT_DIFFER']);
});

it('looks again after the restore', () => {
  const parameters = { argument: '/etc/shared/key' };
  const live = judged(PROFILE, 'live', { 'server.value.now': line('a'), 'peer.value.now': line('b') }, { parameters });
  expect(live.verdicts).toEqual(['warn VALUE_STILL_DIFFERS']);
});

it('tells what the peer said when both were captured, and that it is not known where it was not', () => {
  const message = (more: Readonly<Record<string, string>>) =>
    judged(PROFILE, 'plan', { 'server.value.recovery-point': 'old', 'peer.value.now': 'new', ...more }, { parameters: { argument: 'x' } }).findings[0]?.message;
  expect(message({ 'peer.value.recovery-point': 'old' })).toMatch(/When the recovery point was taken, "srv02" said "old"\.$/);
  expect(message({})).toMatch(/When the recovery point was taken, "srv02" said "\(not known\)"\.$/);
});
