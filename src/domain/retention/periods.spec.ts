import { Periods } from './periods';

const HOUR = 3_600_000;
const DAY = 86_400_000;
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'Asia/Tokyo',
  'America/Los_Angeles',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Chatham',
  'Pacific/Apia',
  'America/Havana',
  'Asia/Beirut',
  'America/Nuuk',
];
const SORTED_ZONES = ['UTC', 'Europe/Berlin', 'America/Los_Angeles', 'Australia/Lord_Howe', 'America/Havana', 'Asia/Beirut', 'America/Nuuk'];

const of = (timeZone: string, moment: string) => new Periods(timeZone).of(new Date(moment));
const all = (timeZone: string, period: 'hourly' | 'daily' | 'weekly', moments: readonly string[]): string[] => {
  const periods = new Periods(timeZone);
  return moments.map((moment) => periods.of(new Date(moment))[period]);
};
/** The different names of a period, asked for every quarter of an hour. */
const namesBetween = (timeZone: string, period: 'hourly' | 'daily', from: string, to: string): string[] => {
  const periods = new Periods(timeZone);
  const names = new Set<string>();
  for (let at = Date.parse(from); at < Date.parse(to); at += HOUR / 4) names.add(periods.of(new Date(at))[period]);
  return [...names];
};

describe('the periods of a moment', () => {
  it('are its hour, day, week, month and year', () => {
    expect(of('UTC', '2026-11-27T13:45:59.999Z')).toEqual({
      hourly: '2026-11-27T13',
      daily: '2026-11-27',
      weekly: '2026-W48',
      monthly: '2026-11',
      yearly: '2026',
    });
  });

  it('are those of the time zone, ahead of UTC or behind it', () => {
    const moment = '2026-12-31T23:30:00Z';
    expect(of('Asia/Tokyo', moment)).toEqual({ hourly: '2027-01-01T08', daily: '2027-01-01', weekly: '2026-W53', monthly: '2027-01', yearly: '2027' });
    expect(of('America/Los_Angeles', moment)).toEqual({ hourly: '2026-12-31T15', daily: '2026-12-31', weekly: '2026-W53', monthly: '2026-12', yearly: '2026' });
  });

  it.each([
    ['UTC', '2026-06-15T00:00:00.000Z'],
    ['Asia/Tokyo', '2026-06-14T15:00:00.000Z'],
    ['America/Los_Angeles', '2026-06-15T07:00:00.000Z'],
    ['America/Los_Angeles', '2026-01-15T08:00:00.000Z'],
    ['Asia/Kolkata', '2026-06-14T18:30:00.000Z'],
    ['Asia/Kathmandu', '2026-06-14T18:15:00.000Z'],
    ['Pacific/Chatham', '2026-01-14T10:15:00.000Z'],
  ])('change at midnight in %s, at %s and not a millisecond before', (timeZone, midnight) => {
    const [before, after] = all(timeZone, 'daily', [new Date(Date.parse(midnight) - 1).toISOString(), midnight]);
    expect(after?.slice(8)).toBe('15');
    expect(before?.slice(8)).toBe('14');
  });

  it('change at the full hour of the zone, not at that of UTC', () => {
    expect(all('Asia/Kolkata', 'hourly', ['2026-06-15T04:29:59Z', '2026-06-15T04:30:00Z', '2026-06-15T05:29:59Z'])).toEqual([
      '2026-06-15T09',
      '2026-06-15T10',
      '2026-06-15T10',
    ]);
  });

  it('are 23 hours on the day that clocks go forward', () => {
    const hours = namesBetween('Europe/Berlin', 'hourly', '2026-03-28T23:00Z', '2026-03-29T22:00Z');
    expect(hours).toHaveLength(23);
    expect([hours[0], hours.at(-1), hours.includes('2026-03-29T02')]).toEqual(['2026-03-29T00', '2026-03-29T23', false]);
    expect(namesBetween('Europe/Berlin', 'daily', '2026-03-28T23:00Z', '2026-03-29T22:00Z')).toEqual(['2026-03-29']);
  });

  it('are 24 hours on the day that clocks go back: the one they show twice counts once', () => {
    const hours = namesBetween('Europe/Berlin', 'hourly', '2026-10-24T22:00Z', '2026-10-25T23:00Z');
    expect(hours).toHaveLength(24);
    expect(all('Europe/Berlin', 'hourly', ['2026-10-25T00:30Z', '2026-10-25T01:30Z'])).toEqual(['2026-10-25T02', '2026-10-25T02']);
    expect(namesBetween('Europe/Berlin', 'daily', '2026-10-24T22:00Z', '2026-10-25T23:00Z')).toEqual(['2026-10-25']);
  });

  it('follow clocks that change by half an hour', () => {
    expect(all('Australia/Lord_Howe', 'hourly', ['2026-04-04T14:45Z', '2026-04-04T15:15Z', '2026-04-04T15:45Z'])).toEqual([
      '2026-04-05T01',
      '2026-04-05T01',
      '2026-04-05T02',
    ]);
  });

  it('follow clocks that change while it is half past in UTC', () => {
    const moments = ['2026-10-03T16:15Z', '2026-10-03T16:45Z', '2026-04-04T16:15Z', '2026-04-04T16:45Z', '2026-04-04T17:15Z', '2026-04-04T17:45Z'];
    expect(all('Australia/Adelaide', 'hourly', moments)).toEqual([
      '2026-10-04T01',
      '2026-10-04T03',
      '2026-04-05T02',
      '2026-04-05T02',
      '2026-04-05T02',
      '2026-04-05T03',
    ]);
  });

  it('leave out a day that a zone has never had', () => {
    expect(namesBetween('Pacific/Apia', 'daily', '2011-12-30T00:00Z', '2011-12-31T00:00Z')).toEqual(['2011-12-29', '2011-12-31']);
  });

  it.each([
    ['2024-12-29', '2024-W52'],
    ['2024-12-30', '2025-W01'],
    ['2025-12-28', '2025-W52'],
    ['2025-12-29', '2026-W01'],
    ['2026-12-28', '2026-W53'],
    ['2027-01-03', '2026-W53'],
    ['2027-01-04', '2027-W01'],
    ['2021-01-03', '2020-W53'],
    ['2022-01-01', '2021-W52'],
    ['2023-01-01', '2022-W52'],
    ['2024-01-01', '2024-W01'],
  ])('put %s into the ISO week %s, from its first millisecond to its last', (day, week) => {
    expect(all('UTC', 'weekly', [`${day}T00:00:00.000Z`, `${day}T23:59:59.999Z`])).toEqual([week, week]);
  });

  it('begin a week on Monday as the zone has it', () => {
    expect(all('Asia/Tokyo', 'weekly', ['2024-12-29T14:59:59Z', '2024-12-29T15:00:00Z'])).toEqual(['2024-W52', '2025-W01']);
    expect(all('America/Los_Angeles', 'weekly', ['2024-12-30T07:59:59Z', '2024-12-30T08:00:00Z'])).toEqual(['2024-W52', '2025-W01']);
    expect(all('Asia/Kolkata', 'weekly', ['2027-01-03T18:29:59Z', '2027-01-03T18:30:00Z'])).toEqual(['2026-W53', '2027-W01']);
  });

  it('give every week seven days from a Monday, and 4 January to the first of the year, for sixty years', () => {
    const periods = new Periods('UTC');
    const faults: string[] = [];
    for (let monday = Date.UTC(2000, 0, 3), before = '1999-W52'; monday < Date.UTC(2060, 0, 1); monday += 7 * DAY) {
      const days = Array.from({ length: 7 }, (_, day) => new Date(monday + day * DAY));
      const names = days.map((day) => periods.of(day).weekly);
      const [year = '', number = ''] = (names[0] ?? '').split('-W');
      const isFirst = days.some((day) => day.getUTCMonth() === 0 && day.getUTCDate() === 4);
      const [yearBefore = '', numberBefore = ''] = before.split('-W');
      const expected = isFirst ? `${days[6]?.getUTCFullYear()}-W01` : `${yearBefore}-W${String(Number(numberBefore) + 1).padStart(2, '0')}`;
      if (new Set(names).size !== 1 || names[0] !== expected || Number(number) > 53 || year === '') faults.push(`${days[0]?.toISOString()}: ${names.join()}`);
      before = names[0] ?? '';
    }
    expect(faults).toEqual([]);
  });

  it.each(ZONES)('are what the clocks show in %s, for moments of seventy years', (timeZone) => {
    const periods = new Periods(timeZone);
    const shown = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
    const faults: string[] = [];
    // A step that falls into another minute, hour, weekday and month each time.
    for (let at = Date.UTC(1971, 0, 1); at < Date.UTC(2040, 0, 1); at += 37 * DAY + 5 * HOUR + 1_234_567) {
      const clock = shown.format(at).replace(' ', 'T');
      const { hourly, daily, monthly, yearly } = periods.of(new Date(at));
      const expected = [13, 10, 7, 4].map((length) => clock.slice(0, length));
      if ([hourly, daily, monthly, yearly].join() !== expected.join()) faults.push(`${hourly} instead of ${clock}`);
    }
    expect(faults).toEqual([]);
  });

  it.each(SORTED_ZONES)('sort as they follow one another in %s, through a year', (timeZone) => {
    const periods = new Periods(timeZone);
    const faults: string[] = [];
    let before = periods.of(new Date('2026-12-20T00:00Z'));
    for (let at = Date.parse('2026-12-20T00:30Z'); at < Date.parse('2028-01-10T00:00Z'); at += HOUR / 2) {
      const names = periods.of(new Date(at));
      for (const period of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
        if (names[period] < before[period]) faults.push(`${names[period]} after ${before[period]}`);
      }
      before = names;
    }
    expect(faults).toEqual([]);
  });

  it('do not depend on what was asked before', () => {
    const around = ['2026-10-25T00:59:59.999Z', '2026-10-25T01:00:00.000Z', '2026-03-29T00:59:59.999Z', '2026-03-29T01:00:00.000Z'];
    const alone = around.map((moment) => of('Europe/Berlin', moment).hourly);
    expect(alone).toEqual(['2026-10-25T02', '2026-10-25T02', '2026-03-29T01', '2026-03-29T03']);
    expect(all('Europe/Berlin', 'hourly', around)).toEqual(alone);
    expect(all('Europe/Berlin', 'hourly', around.toReversed())).toEqual(alone.toReversed());
    expect(all('UTC', 'daily', ['2026-11-27T00:05:00.999Z', '2026-11-27T00:00:00.000Z'])).toEqual(['2026-11-27', '2026-11-27']);
  });

  it('of the time before 1970 are right, too', () => {
    expect(of('UTC', '1969-12-31T23:59:59.999Z')).toEqual({
      hourly: '1969-12-31T23',
      daily: '1969-12-31',
      weekly: '1970-W01',
      monthly: '1969-12',
      yearly: '1969',
    });
  });

  it('are not made up for a time zone that is not known', () => expect(() => new Periods('Europe/Atlantis')).toThrow(RangeError));
});
