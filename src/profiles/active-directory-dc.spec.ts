import type { MarkerReading } from '../contracts/profile';
import { wantedMarkers } from '../domain/relations/pairs';
import { failed, judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('active-directory-dc');
const THEN = '3d6f9a2e-0b1c-4d5e-8f70-112233445566';
const INVOCATION = '5f1d2c3b-4a59-4687-9a0b-c1d2e3f40516';

const plan = (more: Readonly<Record<string, string | MarkerReading>>, pointInTime = '2026-03-10T02:00:00Z') =>
  judged(
    PROFILE,
    'plan',
    {
      'server.generation-id.recovery-point': THEN,
      'server.knows-generation-id.recovery-point': 'True',
      'server.highest-usn.recovery-point': '41873',
      'server.invocation-id.recovery-point': INVOCATION,
      'peer.seen-usn.now': '41870',
      'peer.tombstone-days.now': '180',
      ...more,
    },
    { pointInTime },
  );

it('blocks a rollback that nothing would prevent: the peer has seen more, and there was no generation id', () => {
  const { verdicts, findings } = plan({ 'server.generation-id.recovery-point': 'none', 'peer.seen-usn.now': '42001' });
  expect(verdicts).toEqual(['block USN_ROLLBACK', 'block GENERATION_ID_NOT_CAPTURED']);
  expect(findings[0]?.message).toContain('up to 42001; the restored "srv01" would begin again at 41873');
  expect(findings[0]?.remedy).toContain('HKLM\\SYSTEM\\CurrentControlSet\\Services\\NTDS\\Parameters');
});

it('has the new invocation id looked for where there was one', () => {
  expect(plan({ 'peer.seen-usn.now': '42001' }).steps).toMatchObject([{ code: 'INVOCATION_ID_TO_CHECK', on: 'server', when: 'quarantine' }]);
  expect(plan({}).verdicts).toEqual(['ok RELATION_AGREES']);
});

it('blocks from the tombstone lifetime on', () => {
  expect(plan({ 'peer.tombstone-days.now': '60' }, '2026-01-09T12:00:00Z').verdicts).toEqual(['block TOMBSTONE_LIFETIME_REACHED']);
  expect(plan({ 'peer.tombstone-days.now': '60' }, '2026-01-09T12:00:01Z').verdicts).toEqual(['ok RELATION_AGREES']);
});

it('asks no partner before go-live: one that is silent just then puts back no controller that is well', () => {
  expect([...wantedMarkers(PROFILE, 'quarantine').peer]).toEqual([]);
  const now = { 'server.generation-id.now': 'new', 'server.invocation-id.now': 'new', 'server.not-writable.now': 'False' };
  const then = { 'server.generation-id.recovery-point': THEN, 'server.invocation-id.recovery-point': INVOCATION };
  const silent = { 'peer.tombstone-days.now': failed('PEER_UNREACHABLE', 'no answer') };
  expect(judged(PROFILE, 'quarantine', { ...then, ...now, ...silent }).verdicts).toEqual(['ok RELATION_AGREES']);
});

it('says with the plan that the image has no invocation id: nothing would prove before go-live that it was changed', () => {
  const { verdicts, findings } = plan({ 'server.invocation-id.recovery-point': failed('PROBE_TIMEOUT', 'No answer within 30 s.') });
  expect(verdicts).toEqual(['unknown MARKER_NOT_CAPTURED']);
  expect(findings[0]).toMatchObject({ leavesOpen: ['INVOCATION_ID_NOT_CHANGED'], notKnown: ['server.invocation-id.recovery-point'] });
});

it('blocks a system that looks at no generation id', () => {
  expect(plan({ 'server.knows-generation-id.recovery-point': 'False' }).verdicts).toEqual(['block GENERATION_ID_NOT_KNOWN_TO_SYSTEM']);
});

it('asks the peer for all partitions: the default one alone would hide a change of the configuration or the schema', () => {
  const { probe } = PROFILE.markers.find(({ name }) => name === 'seen-usn') ?? {};
  expect(probe).toMatchObject({ kind: 'command', argv: expect.arrayContaining([expect.stringContaining(' -Partition * |')]) });
});

it('does not take a peer that has no entry for one that has seen nothing', () => {
  expect(plan({ 'peer.seen-usn.now': failed('PROBE_FAILED', 'exit code 1') }).verdicts).toEqual(['unknown PEER_UNKNOWN']);
});

it('blocks the way to the network when the controller does not know that it was restored', () => {
  const quarantine = (id: string, invocation: string, notWritable: string) =>
    judged(PROFILE, 'quarantine', {
      'server.generation-id.recovery-point': THEN,
      'server.invocation-id.recovery-point': INVOCATION,
      'server.generation-id.now': id,
      'server.invocation-id.now': invocation,
      'server.not-writable.now': notWritable,
    }).verdicts;
  expect(quarantine(THEN, INVOCATION, 'True')).toEqual(['block GENERATION_ID_NOT_RENEWED', 'block INVOCATION_ID_NOT_CHANGED', 'block DSA_NOT_WRITABLE']);
  expect(quarantine('9b2c7d10-5e4f-4a3b-9c8d-665544332211', '00112233-4455-4677-8899-aabbccddeeff', 'False')).toEqual(['ok RELATION_AGREES']);
});
