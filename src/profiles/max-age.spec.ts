import { judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('max-age');
const plan = (pointInTime: string, parameters: Readonly<Record<string, string>>) => judged(PROFILE, 'plan', {}, { pointInTime, parameters });

it('warns from the declared age on, or blocks', () => {
  expect(plan('2026-03-09T12:00:01Z', { hours: '24' }).verdicts).toEqual(['ok RELATION_AGREES']);
  expect(plan('2026-03-09T12:00:00Z', { hours: '24' }).verdicts).toEqual(['warn RECOVERY_POINT_OLD']);
  expect(plan('2026-03-09T12:00:00Z', { hours: '24', severity: 'block' }).verdicts).toEqual(['block RECOVERY_POINT_TOO_OLD']);
});

it('puts back no restore that has taken its time: after the swap the age is not asked any more', () => {
  for (const phase of ['quarantine', 'live'] as const) {
    expect(judged(PROFILE, phase, {}, { pointInTime: '2026-03-09T12:00:00Z', parameters: { hours: '24', severity: 'block' } }).verdicts).toEqual([]);
  }
});

it('does not call an age well that nobody can tell', () => {
  expect(plan('2026-03-11T12:00:00Z', { hours: '24' }).verdicts).toEqual(['unknown CLOCKS_DISAGREE']);
  expect(plan('2026-03-09T12:00:00Z', {}).verdicts).toEqual(['unknown RULE_UNUSABLE']);
  expect(plan('2026-03-09T12:00:00Z', { hours: 'a day' }).findings[0]?.message).toBe(
    'Rules of max-age cannot be judged between "srv01" and "srv02", because of ${hours}: it is no number for a length of time',
  );
});
