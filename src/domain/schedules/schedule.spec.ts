import { isModosuError } from '../../contracts/errors';
import type { Schedule } from '../../contracts/policy';
import { countDue, cronOf, longestGapMs, newestDue, nextDue, requirePossible, shortestGapMs } from './schedule';

const at = (text: string): Date => new Date(text);
const BERLIN = 'Europe/Berlin';
const daily = (time: string): Schedule => ({ every: 'day', at: time });
const cron = (text: string): Schedule => ({ cron: text });
const texts = (moments: readonly Date[]): readonly string[] => moments.map((moment) => moment.toISOString().slice(0, 16));

describe('cronOf', () => {
  it.each<[Schedule, string]>([
    [cron(' 5   4 * * 1-5 '), '5 4 * * 1-5'],
    [daily('02:30'), '30 2 * * *'],
    [{ every: 'week', on: ['wednesday', 'sunday'], at: '23:05' }, '5 23 * * 0,3'],
    [{ every: 'month', on: [15, 1], at: '00:00' }, '0 0 1,15 * *'],
  ])('turns %j into cron', (schedule, expected) => expect(cronOf(schedule)).toBe(expected));
});

describe('when it is due', () => {
  it('counts as the clocks of the time zone show it', () => {
    expect(texts(nextDue(daily('02:30'), 'Asia/Kolkata', at('2026-11-27T00:00:00Z'), 2))).toEqual(['2026-11-27T21:00', '2026-11-28T21:00']);
    expect(texts(nextDue({ every: 'week', on: ['friday'], at: '23:30' }, 'America/Los_Angeles', at('2026-11-27T00:00:00Z')))).toEqual(['2026-11-28T07:30']);
    expect(texts(nextDue({ every: 'month', on: [28], at: '12:00' }, 'UTC', at('2027-02-01T00:00:00Z'), 2))).toEqual(['2027-02-28T12:00', '2027-03-28T12:00']);
  });

  it('in the hour that the clocks skip in spring: when they go on', () => {
    expect(texts(nextDue(daily('02:30'), BERLIN, at('2027-03-27T12:00:00Z'), 2))).toEqual(['2027-03-28T01:00', '2027-03-29T00:30']);
    expect(newestDue(daily('02:30'), BERLIN, at('2027-03-27T12:00:00Z'), at('2027-03-28T12:00:00Z'))).toEqual(at('2027-03-28T01:00:00Z'));
  });

  it('in the hour that the clocks show twice in autumn: once, the first time', () => {
    expect(texts(nextDue(daily('02:30'), BERLIN, at('2026-10-24T12:00:00Z'), 2))).toEqual(['2026-10-25T00:30', '2026-10-26T01:30']);
    expect(countDue(daily('02:30'), BERLIN, at('2026-10-24T12:00:00Z'), at('2026-10-25T12:00:00Z'))).toBe(1);
  });

  it('every hour: in both hours that the clocks show alike', () => {
    expect(countDue(cron('15 * * * *'), BERLIN, at('2026-10-25T00:00:00Z'), at('2026-10-25T03:00:00Z'))).toBe(3);
  });
});

describe('newestDue', () => {
  const noon = daily('12:00');
  it('is the newest moment that has come, the present one included', () => {
    expect(newestDue(noon, 'UTC', at('2026-11-01T00:00:00Z'), at('2026-11-27T11:59:59.999Z'))).toEqual(at('2026-11-26T12:00:00Z'));
    expect(newestDue(noon, 'UTC', at('2026-11-01T00:00:00Z'), at('2026-11-27T12:00:00Z'))).toEqual(at('2026-11-27T12:00:00Z'));
    expect(newestDue(noon, 'UTC', at('2026-11-01T00:00:00Z'), at('2026-11-27T12:00:00.500Z'))).toEqual(at('2026-11-27T12:00:00Z'));
  });

  it('is nothing where none has come since the one that is known', () => {
    expect(newestDue(noon, 'UTC', at('2026-11-26T12:00:00Z'), at('2026-11-27T11:59:00Z'))).toBeNull();
    expect(newestDue(noon, 'UTC', at('2026-11-26T11:59:59Z'), at('2026-11-27T11:59:00Z'))).toEqual(at('2026-11-26T12:00:00Z'));
    expect(newestDue(noon, 'UTC', at('2027-11-26T12:00:00Z'), at('2026-11-27T11:59:00Z'))).toBeNull();
  });
});

describe('countDue', () => {
  it('counts what lies after the one and not after the other', () => {
    expect(countDue(daily('12:00'), 'UTC', at('2026-11-20T12:00:00Z'), at('2026-11-25T12:00:00Z'))).toBe(5);
    expect(countDue(daily('12:00'), 'UTC', at('2026-11-25T12:00:00Z'), at('2026-11-25T12:00:00Z'))).toBe(0);
    expect(countDue(cron('*/5 * * * *'), 'UTC', at('2026-01-01T00:00:00Z'), at('2026-11-25T12:00:00Z'), 100)).toBe(100);
  });
});

it('what never comes was never due, counts as nothing and has no gaps', () => {
  const never = cron('0 0 30 2 *');
  expect(newestDue(never, 'UTC', new Date(0), at('2026-11-27T00:00:00Z'))).toBeNull();
  expect(countDue(never, 'UTC', new Date(0), at('2026-11-27T00:00:00Z'))).toBe(0);
  expect([longestGapMs(never), shortestGapMs(never)]).toEqual([0, 0]);
});

describe('longestGapMs', () => {
  it.each<[Schedule, number]>([
    [daily('12:00'), 24],
    [cron('0 6,18 * * *'), 12],
    [cron('0 8-10 * * *'), 22],
    [{ every: 'week', on: ['monday', 'friday'], at: '12:00' }, 96],
    [{ every: 'month', on: [1], at: '12:00' }, 31 * 24],
    // The year 2100 has no such day.
    [cron('0 0 29 2 *'), (8 * 365 + 1) * 24],
    [cron('*/5 * * * 0-4'), 48 + 1 / 12],
    [cron('*/15 * 1-15 * *'), 16 * 24 + 1 / 4],
    [cron('0 * 1-25 1 *'), (365 - 25 + 1) * 24 + 1],
    [cron('0 */5 * * *'), 5],
  ])('of %j is %d hours', (schedule, hours) => expect(longestGapMs(schedule) / 3_600_000).toBeCloseTo(hours, 6));
});

it.each<[Schedule, number]>([
  [daily('12:00'), 24],
  [cron('0 22,23 * * *'), 1],
  [cron('0 0,23 * * *'), 1],
  [{ every: 'week', on: ['monday', 'wednesday'], at: '12:00' }, 48],
])('the shortest time between two of %j is %d hours', (schedule, hours) => expect(shortestGapMs(schedule)).toBe(hours * 3_600_000));

describe('requirePossible', () => {
  const problem = (schedule: Schedule, timeZone = 'UTC'): string => {
    try {
      requirePossible(schedule, timeZone, 'policy "p"');
    } catch (error) {
      if (isModosuError(error)) return `${error.code}: ${error.message}`;
      throw error;
    }
    return 'none';
  };

  it.each(['30 2 * * *', '0 0 * * MON-FRI', '0 0 1 JAN,jul *', '*/5 * * * *', '0 0 29 2 *', '5,10,15 0-23/2 * 1-12 *'])('takes %j', (text) =>
    expect(problem(cron(text))).toBe('none'),
  );

  it.each<[string, string]>([
    ['61 0 * * *', 'SCHEDULE_INVALID: The schedule "61 0 * * *" of policy "p" cannot be read: Invalid value for minute: 61.'],
    ['0 0 30 2 *', 'SCHEDULE_INVALID: The schedule "0 0 30 2 *" of policy "p" never comes: no month has such a day.'],
    ['0 0 31 4,6 *', 'SCHEDULE_INVALID: The schedule "0 0 31 4,6 *" of policy "p" never comes: no month has such a day.'],
    ['*/4 * * * *', 'SCHEDULE_INVALID: The schedule "*/4 * * * *" of policy "p" comes more often than every 5 minutes.'],
    ['0,4 12 * * *', 'SCHEDULE_INVALID: The schedule "0,4 12 * * *" of policy "p" comes more often than every 5 minutes.'],
    [
      '0 0 1 * 1',
      'SCHEDULE_INVALID: The schedule "0 0 1 * 1" of policy "p" names days of the month and days of the week: some programs take either, people often mean both.',
    ],
    ['0 0 * *', 'SCHEDULE_INVALID: The schedule "0 0 * *" of policy "p" has 4 fields: cron has five, minute, hour, day of the month, month, day of the week.'],
    [
      '0 0 0 * * *',
      'SCHEDULE_INVALID: The schedule "0 0 0 * * *" of policy "p" has 6 fields: cron has five, minute, hour, day of the month, month, day of the week.',
    ],
    ['@daily', 'SCHEDULE_INVALID: The schedule "@daily" of policy "p" has 1 field: cron has five, minute, hour, day of the month, month, day of the week.'],
    ['0 0 L * *', 'SCHEDULE_INVALID: The schedule "0 0 L * *" of policy "p" has signs that cron does not know.'],
    ['0 0 * * 1#2', 'SCHEDULE_INVALID: The schedule "0 0 * * 1#2" of policy "p" has signs that cron does not know.'],
    ['0 0 ? * *', 'SCHEDULE_INVALID: The schedule "0 0 ? * *" of policy "p" has signs that cron does not know.'],
  ])('refuses %j', (text, expected) => expect(problem(cron(text))).toBe(expected));

  it('refuses days of the week that nobody has', () => {
    expect(problem(cron('0 0 * * 8'))).toMatch(/^SCHEDULE_INVALID: .* cannot be read: /);
    expect(problem(cron('0 0 * XYZ *'))).toMatch(/^SCHEDULE_INVALID: .* cannot be read: /);
  });

  it('refuses a time zone that nobody knows', () => {
    expect(problem(daily('02:30'), 'Mars/Phobos')).toBe('TIME_ZONE_UNKNOWN: The time zone "Mars/Phobos" of policy "p" is not known here.');
    expect(problem(daily('02:30'), '')).toMatch(/^TIME_ZONE_UNKNOWN/);
    expect(problem(daily('02:30'), 'europe/berlin')).toBe('TIME_ZONE_UNKNOWN: The time zone "europe/berlin" of policy "p" is spelt "Europe/Berlin".');
    expect(problem(daily('02:30'), 'UTC')).toBe('none');
  });

  // Of each pair one is what the other is called now; which of them, libraries do not agree on.
  it.each(['Asia/Calcutta', 'Asia/Kolkata', 'US/Pacific', 'America/Los_Angeles', 'Europe/Kiev', 'Europe/Kyiv'])('takes the time zone %s', (timeZone) =>
    expect(problem(daily('02:30'), timeZone)).toBe('none'),
  );

  it.each<[string, Schedule, string, object]>([
    ['the schedule', cron('61 0 * * *'), 'UTC', { context: { schedule: '61 0 * * *' } }],
    ['the time zone', daily('02:30'), 'Mars/Phobos', { context: { timeZone: 'Mars/Phobos' } }],
    ['the time zone, and how it is spelt', daily('02:30'), 'europe/berlin', { hint: 'Write Europe/Berlin.', context: { timeZone: 'europe/berlin' } }],
  ])('names %s that is refused', (_what, schedule, timeZone, said) => {
    expect(() => requirePossible(schedule, timeZone, 'policy "p"')).toThrow(expect.objectContaining(said));
  });
});
