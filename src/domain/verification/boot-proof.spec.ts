import { ModosuError } from '../../contracts/errors';
import { bootOf, bootOutcomeOf, bootOverdueSince, isBootDue, isWithoutNetwork } from './boot-proof';

const NOW = new Date('2026-03-31T12:00:00Z');
const HOUR = 3_600_000;
const hoursAgo = (hours: number): Date => new Date(NOW.getTime() - hours * HOUR);
const summary = (code: ConstructorParameters<typeof ModosuError>[0]) => new ModosuError(code, 'why').summary();
/** Every night at three; the last time was nine hours ago. */
const NIGHTLY = { schedule: { every: 'day', at: '03:00' }, timeZone: 'UTC', since: hoursAgo(1000) } as const;

describe('how a boot ends that was stopped', () => {
  it.each(['START_FAILED', 'AGENT_SILENT', 'AGENT_ABSENT', 'HEALTH_CHECK_FAILED', 'GUEST_COMMAND_FORBIDDEN', 'RECOVERY_POINT_CORRUPT'] as const)(
    'by %s: it did not come up',
    (code) => {
      expect(bootOutcomeOf(summary(code))).toEqual({ state: 'failed', error: summary(code) });
    },
  );
  it.each(['NOT_ENOUGH_MEMORY', 'HYPERVISOR_UNREACHABLE', 'REPOSITORY_UNREACHABLE', 'RUN_CANCELLED', 'NO_WORKER', 'INTERNAL'] as const)(
    'by %s: it could not be tried, and nothing is known',
    (code) => {
      expect(bootOutcomeOf(summary(code)).state).toBe('not-run');
    },
  );
});

describe('when an image is booted', () => {
  const NEVER = { carriedOutAt: null, notTried: null } as const;
  const carriedOut = (hours: number) => ({ ...NEVER, carriedOutAt: hoursAgo(hours) });
  const notTried = (hours: number) => ({ carriedOutAt: hoursAgo(33), notTried: { startedAt: hoursAgo(hours), finishedAt: hoursAgo(hours - 0.1) } });
  /** An hour after its time. */
  const soon = hoursAgo(8);
  it.each<[string, Parameters<typeof isBootDue>[0], Date, boolean]>([
    ['never booted', NEVER, NOW, true],
    ['booted since the last time', carriedOut(8.9), NOW, false],
    ['booted before it', carriedOut(9.1), NOW, true],
    ['could not be tried the time before', notTried(33), NOW, true],
    ['could not be tried a moment ago', notTried(8.5), soon, false],
    ['could not be tried an hour ago', notTried(9), hoursAgo(7.8), true],
    ['could not be tried some hours ago: the next time is soon enough', notTried(5), NOW, false],
    ['was caught up late, and could not be tried', notTried(1), NOW, false],
  ])('%s', (_what, last, now, due) => {
    expect(isBootDue(last, NIGHTLY, now)).toBe(due);
  });
  /** From here on to the millisecond: it was due at 03:00. */
  const at = (time: string): Date => new Date(`2026-03-31T${time}Z`);
  it.each([
    ['could not be tried at its very time: that was the try', '03:00:00.000', '03:01:00.000', '03:30:00.000', false],
    ['an hour after it ended', '03:00:00.001', '03:01:00.000', '04:01:00.000', true],
    ['a millisecond less', '03:00:00.001', '03:01:00.000', '04:00:59.999', false],
    ['a millisecond less than six hours after its time', '03:00:00.001', '03:01:00.000', '08:59:59.999', true],
    ['six hours after its time', '03:00:00.001', '03:01:00.000', '09:00:00.000', false],
  ])('what could not be tried is tried again, or not: %s', (_when, startedAt, finishedAt, now, due) => {
    const last = { carriedOutAt: hoursAgo(33), notTried: { startedAt: at(startedAt), finishedAt: at(finishedAt) } };
    expect(isBootDue(last, NIGHTLY, at(now))).toBe(due);
  });
  it('not before the policy has said so, whatever was booted before', () => {
    for (const last of [NEVER, carriedOut(500)]) {
      expect(isBootDue(last, { ...NIGHTLY, since: hoursAgo(8) }, NOW)).toBe(false);
      expect(isBootDue(last, { ...NIGHTLY, since: hoursAgo(10) }, NOW)).toBe(true);
    }
  });
  it('never by a schedule that cannot be read', () => {
    expect(isBootDue(NEVER, { ...NIGHTLY, schedule: { cron: 'whenever' } }, NOW)).toBe(false);
    expect(bootOverdueSince(hoursAgo(1000), { schedule: { cron: 'whenever' }, timeZone: 'UTC' }, 24, NOW)).toBeNull();
  });
});

describe('since when a boot is overdue', () => {
  it('from as many hours after its time as new recovery points have', () => {
    // The first night after it began nine hours ago.
    expect(bootOverdueSince(hoursAgo(20), NIGHTLY, 9, NOW)).toBeNull();
    expect(bootOverdueSince(hoursAgo(20), NIGHTLY, 8, NOW)).toEqual(hoursAgo(1));
    expect(bootOverdueSince(hoursAgo(8), NIGHTLY, 1, NOW)).toBeNull();
  });
});

describe('what is known of an image by booting it', () => {
  it.each([
    [{ bootAt: null, bootSeconds: null, bootProblem: null }, null],
    [
      { bootAt: NOW, bootSeconds: 41, bootProblem: null },
      { state: 'passed', at: NOW.toISOString(), seconds: 41, problem: null },
    ],
    [
      { bootAt: NOW, bootSeconds: null, bootProblem: { code: 'AGENT_SILENT', message: 'no answer' } },
      { state: 'failed', at: NOW.toISOString(), seconds: null, problem: { code: 'AGENT_SILENT', message: 'no answer' } },
    ],
  ])('%j', (facts, known) => {
    expect(bootOf(facts)).toEqual(known);
  });
});

it('checks are made that need no network', () => {
  expect(['command', 'sql', 'tcp'].map((kind) => isWithoutNetwork({ kind: kind as 'tcp' }, false))).toEqual([true, true, false]);
  expect(['command', 'sql', 'tcp'].map((kind) => isWithoutNetwork({ kind: kind as 'tcp' }, true))).toEqual([false, false, false]);
});
