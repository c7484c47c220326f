import { ModosuError } from '../../contracts/errors';
import { newId } from '../../contracts/ids';
import { damageOf, dueMoments, isDataDue, isDueForVerification, outcomeOf, partToRead, verificationOf, type VerificationFacts } from './verification';

const NOW = new Date('2026-03-31T00:00:00Z');
const daysAgo = (days: number): Date => new Date(NOW.getTime() - days * 86_400_000);
const summary = (code: ConstructorParameters<typeof ModosuError>[0]) => new ModosuError(code, 'why').summary();

describe('how a verification ends that was stopped', () => {
  it.each(['RECOVERY_POINT_CORRUPT', 'RECOVERY_POINT_INCOMPLETE'] as const)('by %s: it failed', (code) => {
    expect(outcomeOf(summary(code))).toEqual({ state: 'failed', error: summary(code) });
  });
  it.each(['REPOSITORY_UNREACHABLE', 'DATA_REPOSITORY_FAILED', 'NO_WORKER', 'RUN_CANCELLED', 'INTERNAL'] as const)(
    'by %s: it could not be carried out, and nothing is known',
    (code) => {
      expect(outcomeOf(summary(code)).state).toBe('not-run');
    },
  );
});

describe('what is known of a recovery point', () => {
  const NEVER: VerificationFacts = { state: 'usable', stateReason: null, verifiedAt: null, verifiedBy: null, checkedAt: null, checkProblem: null };
  const PASSED: VerificationFacts = { ...NEVER, verifiedAt: daysAgo(2), verifiedBy: 'checksums', checkedAt: daysAgo(2) };
  const away = { code: 'REPOSITORY_UNREACHABLE', message: 'not mounted' };

  it('that nobody has read: nothing', () => {
    expect(verificationOf(NEVER)).toEqual({ state: 'unverified', method: null, at: null, problem: null });
  });
  it('that has passed: when and how', () => {
    expect(verificationOf(PASSED)).toEqual({ state: 'verified', method: 'checksums', at: daysAgo(2).toISOString(), problem: null });
  });
  it('whose repository was away when it was looked for: that, and never that it is damaged', () => {
    const at = daysAgo(1).toISOString();
    expect(verificationOf({ ...PASSED, checkedAt: daysAgo(1), checkProblem: away })).toEqual({
      state: 'unreachable',
      method: 'checksums',
      at: daysAgo(2).toISOString(),
      problem: { ...away, at },
    });
    expect(verificationOf({ ...NEVER, checkedAt: daysAgo(1), checkProblem: away }).state).toBe('unreachable');
  });
  it('that could not be read for another reason: what was known before', () => {
    const checkProblem = { code: 'RUN_CANCELLED', message: 'cancelled' };
    expect(verificationOf({ ...NEVER, checkedAt: daysAgo(1), checkProblem }).state).toBe('unverified');
    expect(verificationOf({ ...PASSED, checkedAt: daysAgo(1), checkProblem })).toMatchObject({ state: 'verified', problem: { code: 'RUN_CANCELLED' } });
  });
  it('of which somebody has said a problem, but not when: nothing about that', () => {
    expect(verificationOf({ ...PASSED, checkedAt: null, checkProblem: away })).toMatchObject({ state: 'verified', problem: null });
  });
  it('that is damaged: what is, also where a restore has found it and nobody has looked since', () => {
    const checkProblem = { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 of vda differs' };
    expect(verificationOf({ ...PASSED, state: 'damaged', checkedAt: daysAgo(1), checkProblem })).toMatchObject({ state: 'corrupt', problem: checkProblem });
    expect(verificationOf({ ...NEVER, state: 'damaged', stateReason: 'segment 4 differs' }).problem).toEqual({
      code: 'RECOVERY_POINT_CORRUPT',
      message: 'segment 4 differs',
      at: null,
    });
    expect(verificationOf({ ...NEVER, state: 'damaged' }).problem?.message).toBe('It was found damaged.');
  });
});

describe('when it is read again', () => {
  it.each([
    ['never read', null, null, true],
    ['read 30 days ago', 30, 30, true],
    ['read 29.9 days ago', 29.9, 29.9, false],
    ['never read, and could not be 5 hours ago', null, 5 / 24, false],
    ['never read, and could not be 6 hours ago', null, 0.25, true],
    ['read by a clock that was a year ahead', -365, -365, true],
    ['read by a clock that is two minutes ahead', -2 / 1440, -2 / 1440, false],
  ])('%s', (_what, verified, checked, isDue) => {
    const facts = { verifiedAt: verified === null ? null : daysAgo(verified), checkedAt: checked === null ? null : daysAgo(checked) };
    expect(isDueForVerification(facts, 30, NOW)).toBe(isDue);
  });
});

it('is asked for by moments that others can compare with, too, to the millisecond', () => {
  const { latest, checkedUntil, verifiedUntil } = dueMoments(7, NOW);
  const due = (verifiedAt: Date, checkedAt: Date | null = null): boolean => isDueForVerification({ verifiedAt, checkedAt }, 7, NOW);
  const later = (moment: Date): Date => new Date(moment.getTime() + 1);
  expect([due(verifiedUntil), due(later(verifiedUntil)), due(latest), due(later(latest))]).toEqual([true, false, false, true]);
  const read = (checkedAt: Date): boolean => due(verifiedUntil, checkedAt);
  expect([read(checkedUntil), read(later(checkedUntil)), read(latest), read(later(latest))]).toEqual([true, false, false, true]);
  expect([daysAgo(7), daysAgo(0.25), daysAgo(-5 / 1440)]).toEqual([verifiedUntil, checkedUntil, latest]);
});

it('what was read once is never due where no policy asks for it', () => {
  expect(isDueForVerification({ verifiedAt: daysAgo(10_000), checkedAt: null }, Infinity, NOW)).toBe(false);
  expect(isDueForVerification({ verifiedAt: null, checkedAt: null }, Infinity, NOW)).toBe(true);
  expect(dueMoments(Infinity, NOW).verifiedUntil.getTime()).not.toBeNaN();
});

it('data is read part by part, in turn, all of it in so many days; restic knows 256 parts at most', () => {
  expect([0, 1, 28, 29, 30].map((read) => partToRead(read, 30).number)).toEqual([1, 2, 29, 30, 1]);
  expect(partToRead(5, 1)).toEqual({ number: 1, of: 1 });
  expect(partToRead(256, 366)).toEqual({ number: 1, of: 256 });
});

describe('when data of a server is looked at again', () => {
  const hoursAgo = (hours: number): Date => daysAgo(hours / 24);
  it.each<[string, number, number, boolean, boolean, number, boolean]>([
    ['begun 23 hours ago', 23, 20, true, false, 24, true],
    ['begun 22.9 hours ago', 22.9, 20, true, false, 24, false],
    ['something new since, begun 12 hours ago', 12, 11, true, true, 24, true],
    ['something new since, begun 11.9 hours ago', 11.9, 11, true, true, 24, false],
    ['one hour promised, something new since, begun half an hour ago', 0.5, 0.4, true, true, 1, true],
    ['not carried out, ended 6 hours ago', 7, 6, false, true, 24, true],
    ['not carried out, ended 5.9 hours ago', 7, 5.9, false, true, 24, false],
    ['not carried out, one hour promised, ended a quarter of an hour ago', 1, 0.25, false, true, 1, true],
    ['begun a minute ago', 1 / 60, 0, true, true, 24, false],
    ['by a clock that is five minutes ahead', -5 / 60, -4 / 60, true, false, 24, false],
    ['by a clock that was a day ahead', -24, -23, true, false, 24, true],
  ])('%s', (_what, started, finished, wasCarriedOut, hasNew, withinHours, isDue) => {
    const last = { startedAt: hoursAgo(started), finishedAt: hoursAgo(finished), wasCarriedOut };
    expect(isDataDue(last, { withinHours, hasNew }, NOW)).toBe(isDue);
  });
  it('was never looked at', () => {
    expect(isDataDue(null, { withinHours: 24, hasNew: false }, NOW)).toBe(true);
  });
});

describe('what is written down of an error', () => {
  const named = newId('rp');
  const error = (context?: Record<string, string | number>, code: 'RECOVERY_POINT_INCOMPLETE' | 'REPOSITORY_UNREACHABLE' = 'RECOVERY_POINT_INCOMPLETE') =>
    damageOf(new ModosuError(code, 'it is missing', { ...(context === undefined ? {} : { context }) }).summary());
  const damage = { code: 'RECOVERY_POINT_INCOMPLETE', message: 'it is missing' };

  it('is its code, whose bytes it speaks of and which file, where it says so', () => {
    expect(error({ recoveryPointId: named, file: 'disks/vda.qcow2' })).toEqual({ ...damage, file: 'disks/vda.qcow2', named });
  });
  it('names nothing that could not be a recovery point, or a file of one', () => {
    expect(error()).toEqual(damage);
    expect(error({ recoveryPointId: 'disks', file: '' })).toEqual(damage);
    expect(error({ recoveryPointId: 3, file: 3 })).toEqual(damage);
  });
  it('is nothing where it is no damage', () => expect(error({ recoveryPointId: named }, 'REPOSITORY_UNREACHABLE')).toBeNull());
});
