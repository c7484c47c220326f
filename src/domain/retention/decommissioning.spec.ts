import type { ModosuError } from '../../contracts/errors';
import { isDecommissionedAlready, protectionEnd, requireInService, watchedProtectionEnd } from './decommissioning';

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

describe('a server that is out of service', () => {
  const [out, inService] = [
    { id: 'srv_1', name: 'db01', decommissioned },
    { id: 'srv_1', name: 'db01', decommissioned: null },
  ];
  const storable = (text: string, maxBytes: number): string => text.slice(0, maxBytes);
  const already = (server: typeof out | typeof inService, confirm = 'db01', keepDays = 90): boolean =>
    isDecommissionedAlready(server, { confirm, keepDays }, storable);

  it('is not backed up, and says since when, by whom, why, and how it comes back', () => {
    expect(() => requireInService(inService)).not.toThrow();
    const refusal = refusalOf(() => requireInService(out));
    expect(refusal).toMatchObject({ code: 'SERVER_DECOMMISSIONED', context: { serverId: 'srv_1', server: 'db01' } });
    expect(refusal.message).toBe(`Server "db01" was decommissioned by alice at ${decommissioned.at}: replaced by db02. Nothing was started.`);
    expect(refusal.hint).toContain('`modosu server recommission db01 --reason TEXT`');
  });

  it('is so already when the same is asked for again, and is refused for another time', () => {
    expect([already(inService), already(out)]).toEqual([false, true]);
    const refusal = refusalOf(() => already(out, 'db01', 30));
    expect(refusal).toMatchObject({ code: 'SERVER_DECOMMISSIONED', context: { server: 'db01' } });
    expect(refusal.message).toContain('keeps what is protected for 90 days, not 30. Nothing was changed.');
  });

  it.each([inService, out])('is not touched where another name was typed', (server) => {
    const refusal = refusalOf(() => already(server, 'x'.repeat(500), 30));
    expect(refusal).toMatchObject({ code: 'CONFIRMATION_MISMATCH', context: { server: 'db01' } });
    expect(refusal.message).toBe(`Server "db01" was to be decommissioned, but "${'x'.repeat(128)}" was typed. Nothing was changed.`);
  });
});

function refusalOf(act: () => unknown): ModosuError {
  try {
    act();
  } catch (error) {
    return error as ModosuError;
  }
  throw new Error('it was let through');
}
