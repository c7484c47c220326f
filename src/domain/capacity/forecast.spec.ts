import type { RoomSample } from '../../contracts/capacity';
import { forecastRoom } from './forecast';

const DAY = 86_400_000;
const GIB = 1024 ** 3;
const NOW = new Date('2026-11-27T12:00:00Z');
/** So much was free so many days ago, at noon. */
const free = (daysAgo: number, gib: number, hours = 0): RoomSample => ({
  at: new Date(NOW.getTime() - daysAgo * DAY + hours * 3_600_000),
  freeBytes: gib * GIB,
});
const falling = (days: number, from: number, each: number): readonly RoomSample[] =>
  Array.from({ length: days }, (_, day) => free(days - 1 - day, from - day * each));

describe('forecastRoom', () => {
  it('goes on as it went', () => {
    expect(forecastRoom(falling(11, 120, 2), NOW)).toEqual({ bytesPerDay: 2 * GIB, fullAt: new Date(NOW.getTime() + 50 * DAY).toISOString(), basedOnDays: 11 });
  });

  it.each<[string, readonly RoomSample[], number]>([
    ['nothing was measured', [], 0],
    ['one day was measured', [free(0, 100), free(0, 50, -3)], 1],
    ['three days were measured', falling(3, 100, 10), 3],
  ])('says nothing when %s', (_what, samples, basedOnDays) => expect(forecastRoom(samples, NOW)).toEqual({ bytesPerDay: null, fullAt: null, basedOnDays }));

  it('says something from the fourth day on, also with days between that were not measured', () => {
    expect(forecastRoom(falling(4, 100, 10), NOW)).toMatchObject({ bytesPerDay: 10 * GIB, basedOnDays: 4 });
    expect(forecastRoom([free(10, 100), free(0, 80)], NOW)).toMatchObject({ bytesPerDay: 2 * GIB, fullAt: new Date(NOW.getTime() + 40 * DAY).toISOString() });
  });

  it('is never full where it does not fill', () => {
    expect(forecastRoom(falling(10, 100, 0), NOW)).toMatchObject({ bytesPerDay: 0, fullAt: null });
    expect(forecastRoom(falling(10, 100, -1), NOW)).toMatchObject({ bytesPerDay: -GIB, fullAt: null });
  });

  it('is not misled by one night in which much was deleted, nor by one large server', () => {
    const deleted = falling(50, 200, 2).map((sample, day) => (day >= 25 ? { ...sample, freeBytes: sample.freeBytes + 100 * GIB } : sample));
    expect(forecastRoom(deleted, NOW).bytesPerDay).toBe(2 * GIB);
    const outlier = falling(21, 200, 2).map((sample, day) => (day === 10 ? { ...sample, freeBytes: GIB } : sample));
    expect(forecastRoom(outlier, NOW).bytesPerDay).toBe(2 * GIB);
  });

  it('spreads what comes once a week over the week', () => {
    const weekly = Array.from({ length: 29 }, (_, day) => free(28 - day, 500 - Math.floor(day / 7) * 70));
    expect(forecastRoom(weekly, NOW).bytesPerDay).toBe(10 * GIB);
  });

  it.each<[string, readonly (readonly [day: number, gib: number])[], number]>([
    [
      'the middle one of three slopes',
      [
        [0, 200],
        [1, 198],
        [3, 170],
      ],
      10,
    ],
    [
      'halfway between the middle two of six',
      [
        [0, 200],
        [1, 190],
        [2, 188],
        [4, 180],
      ],
      4.5,
    ],
    [
      'of all slopes before two weeks were measured',
      [
        [0, 350],
        [4, 120],
        [7, 160],
        [12, 110],
      ],
      15,
    ],
    [
      'of those of a week from the very day on that is two weeks after the first',
      [
        [0, 380],
        [4, 390],
        [7, 360],
        [14, 100],
      ],
      20,
    ],
  ])('is %s', (_what, days, gib) => {
    const last = days.at(-1)?.[0] ?? 0;
    const samples = days.map(([day, left]) => free(last - day, left));
    expect(forecastRoom(samples, NOW).bytesPerDay).toBe(gib * GIB);
  });

  it('goes by what it has where no two days are a week apart', () => {
    expect(forecastRoom([free(20, 100), free(0, 60)], NOW).bytesPerDay).toBe(2 * GIB);
  });

  it('counts the least room of each day, and what is left from the newest', () => {
    const samples = falling(11, 120, 2).flatMap((sample) => [
      sample,
      { at: new Date(sample.at.getTime() - 3_600_000), freeBytes: sample.freeBytes + 30 * GIB },
    ]);
    expect(forecastRoom(samples, NOW)).toMatchObject({ bytesPerDay: 2 * GIB, fullAt: new Date(NOW.getTime() + 50 * DAY).toISOString() });
  });

  it('leaves out what lies in the future, and what is older than sixty days', () => {
    expect(forecastRoom([...falling(11, 120, 2), free(-3, 1), free(60, 9000), free(400, 1)], NOW)).toEqual(forecastRoom(falling(11, 120, 2), NOW));
  });

  it('does not depend on the order of the samples', () => {
    expect(forecastRoom([...falling(11, 120, 2)].reverse(), NOW)).toEqual(forecastRoom(falling(11, 120, 2), NOW));
  });

  it('knows no day so far away that nobody can write it down', () => {
    const samples = falling(5, 1, 0).map((sample, day) => ({ ...sample, freeBytes: 2 ** 50 - day }));
    expect(forecastRoom(samples, NOW)).toMatchObject({ bytesPerDay: 1, fullAt: null });
  });
});
