import { describeRetention, describeSchedule, type Schedule } from './policy';

const cron = (text: string): Schedule => ({ cron: text });
const daily = (at: string): Schedule => ({ every: 'day', at });

describe('describeSchedule', () => {
  it.each<[Schedule, string]>([
    [cron('5 4 * * *'), 'cron 5 4 * * *'],
    [daily('02:30'), 'every day at 02:30'],
    [{ every: 'week', on: ['sunday', 'monday'], at: '23:05' }, 'every sunday, monday at 23:05'],
    [{ every: 'month', on: [1, 15], at: '00:00' }, 'every month on day 1, 15 at 00:00'],
  ])('says %j in words', (schedule, expected) => expect(describeSchedule(schedule)).toBe(expected));
});

it('describeRetention names the rules that count', () => {
  const none = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 };
  expect(describeRetention({ ...none, last: 2, monthly: 6, withinDays: 7 })).toBe('last 2, monthly 6, all within 7 days');
  expect(describeRetention(none)).toBe('');
});
