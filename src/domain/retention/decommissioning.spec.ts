import { protectionEnd, watchedProtectionEnd } from './decommissioning';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const at = new Date('2026-03-01T00:00Z');
const after = (ms: number): Date => new Date(at.getTime() + ms);
const decommissioned = {
  at: at.toISOString(),
  by: 'alice',
  reason: 'replaced by db02',
  keepDays: 90,
  protectsUntil: protectionEnd(90, at).toISOString(),
};
const daysLeft = (lastLook: Date | null, now: Date): number => (watchedProtectionEnd(decommissioned, lastLook, now).getTime() - at.getTime()) / DAY;

it('the days are counted from the decommissioning', () => {
  expect(protectionEnd(1, at)).toEqual(after(DAY));
  expect(protectionEnd(36_500, at)).toEqual(after(36_500 * DAY));
});

it.each<[string, Date | null, Date, number]>([
  ['from one look to the next', after(10 * DAY), after(10 * DAY + 60_000), 90],
  ['of an hour', after(10 * DAY), after(10 * DAY + HOUR), 90],
  ['of a weekend', after(10 * DAY), after(10 * DAY + 49 * HOUR), 92],
  ['of a year, by a clock that has jumped', after(10 * DAY), after(10 * DAY + 365 * DAY + HOUR), 455],
  ['before it was decommissioned', after(-300 * DAY), after(HOUR), 90],
  ['before the first look of all', null, after(2 * DAY + HOUR), 92],
  ['by a clock that went back', after(20 * DAY), after(10 * DAY), 90],
])('time that nobody has watched, %s, is added', (_which, lastLook, now, days) => {
  expect(daysLeft(lastLook, now)).toBe(days);
});

it('an end that a clock has given that was a year ahead begins anew, by five minutes of difference', () => {
  const year = 365 * DAY;
  const ahead = { ...decommissioned, at: after(year).toISOString(), protectsUntil: after(year + 90 * DAY).toISOString() };
  expect(watchedProtectionEnd(ahead, null, at)).toEqual(after(90 * DAY));
  const minutes = (count: number) => ({ ...decommissioned, protectsUntil: after(90 * DAY + count * 60_000).toISOString() });
  expect(watchedProtectionEnd(minutes(5), at, at)).toEqual(after(90 * DAY + 300_000));
  expect(watchedProtectionEnd(minutes(6), at, at)).toEqual(after(90 * DAY));
});
