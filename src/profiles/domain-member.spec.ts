import { judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('domain-member');

it('has the secure channel repaired when the secret was changed after the recovery point', () => {
  const plan = (secretSet: string) => judged(PROFILE, 'plan', { 'peer.secret-set.now': secretSet });
  expect(plan('2026-03-10T02:00:01Z').verdicts).toEqual(['step MACHINE_SECRET_CHANGED']);
  expect(plan('2026-03-10T02:00:01Z').steps).toMatchObject([{ on: 'server', when: 'live', argv: null }]);
  expect(plan('2026-02-20T08:00:00Z').verdicts).toEqual(['ok RELATION_AGREES']);
});

it('knows whether the domain lets it in again', () => {
  expect(judged(PROFILE, 'live', { 'server.secure-channel.now': 'False' }).verdicts).toEqual(['block SECURE_CHANNEL_BROKEN']);
  expect(judged(PROFILE, 'live', { 'server.secure-channel.now': 'True' }).verdicts).toEqual(['ok RELATION_AGREES']);
});
