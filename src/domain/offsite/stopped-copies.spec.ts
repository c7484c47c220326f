import { afterStop, isDamagedCopy } from './stopped-copies';

const NOW = new Date('2026-03-10T00:00:00.000Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const UNTOUCHED = { attempts: 2, problem: null };
const because = (code: string, message = `because of ${code}`) => ({ code, message });
const pauseMs = (nextAttemptAt: Date | null) => (nextAttemptAt === null ? null : nextAttemptAt.getTime() - NOW.getTime());

describe('a copy whose transfer has ended before it was whole', () => {
  it.each(['OFFSITE_OFFLINE', 'OFFSITE_UNREACHABLE', 'OFFSITE_LOCKED', 'RUN_CANCELLED', 'RUN_ENDED_OUTSIDE'])(
    'waits, and no failure is counted, after %s: that is no fault of it',
    (code) => {
      expect(afterStop(UNTOUCHED, because(code), NOW)).toEqual({ state: 'waiting', attempts: 2, nextAttemptAt: null, problem: because(code) });
    },
  );

  it('waits where nothing has failed', () => {
    expect(afterStop(UNTOUCHED, null, NOW)).toEqual({ state: 'waiting', attempts: 2, nextAttemptAt: null, problem: null });
  });

  it('has failed once more after anything else, and is tried again later each time', () => {
    const first = afterStop({ attempts: 0, problem: null }, because('OFFSITE_FAILED'), NOW);
    expect(first).toMatchObject({ state: 'failed', attempts: 1, problem: because('OFFSITE_FAILED') });
    const second = afterStop(first, because('OFFSITE_FAILED'), NOW);
    expect([first, second].map(({ nextAttemptAt }) => pauseMs(nextAttemptAt))).toEqual([5 * MINUTE, 10 * MINUTE]);
  });

  it('is read again only a day after it was found damaged: each attempt reads all of it', () => {
    expect(pauseMs(afterStop(UNTOUCHED, because('RECOVERY_POINT_CORRUPT'), NOW).nextAttemptAt)).toBe(24 * HOUR);
  });
});

describe('the damage of a copy', () => {
  const DAMAGED = { attempts: 1, problem: because('RECOVERY_POINT_CORRUPT', 'A pack is damaged.') };

  it('stays known when it could not be made anew, with why, said once', () => {
    const again = afterStop(DAMAGED, because('OFFSITE_FAILED', 'restic said no'), NOW);
    expect(again.problem).toEqual(because('RECOVERY_POINT_CORRUPT', 'A pack is damaged. It could not be made anew: OFFSITE_FAILED: restic said no'));
    expect(afterStop(again, because('OFFSITE_OFFLINE', 'away'), NOW).problem?.message).toBe(
      'A pack is damaged. It could not be made anew: OFFSITE_OFFLINE: away',
    );
    expect(afterStop(again, null, NOW).problem).toEqual(DAMAGED.problem);
  });

  it('is told in the words of who has found it last', () => {
    const found = because('RECOVERY_POINT_CORRUPT', 'Another pack is damaged.');
    expect(afterStop(DAMAGED, found, NOW).problem).toEqual(found);
  });

  it('is what a check says, or an attempt to make it again, until it is deleted', () => {
    const { problem } = DAMAGED;
    expect(isDamagedCopy({ state: 'damaged', problem: null })).toBe(true);
    expect(isDamagedCopy({ state: 'waiting', problem })).toBe(true);
    expect(isDamagedCopy({ state: 'deleted', problem })).toBe(false);
    expect(isDamagedCopy({ state: 'failed', problem: because('OFFSITE_FAILED') })).toBe(false);
    expect(isDamagedCopy({ state: 'copied', problem: null })).toBe(false);
  });
});
