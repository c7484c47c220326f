/** The hours, days, weeks, months and years of a time zone, by name. Pure. */

export const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type Period = (typeof PERIODS)[number];

/** From the local time as ISO 8601, and as a moment that shows it in UTC. */
const NAMES: Readonly<Record<Period, (text: string, local: Date) => string>> = {
  hourly: (text) => text.slice(0, 13),
  daily: (text) => text.slice(0, 10),
  weekly: (_text, local) => weekOf(local),
  monthly: (text) => text.slice(0, 7),
  yearly: (text) => text.slice(0, 4),
};

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;

/**
 * Names the periods a moment lies in, such as `2026-11-27` or `2026-W48`. An hour that the clocks show twice has one name. Time zones are slow to ask: a day
 * (of UTC) that ends with the clocks it began with is asked once; of another day each quarter of an hour, because the clocks change on one.
 */
export class Periods {
  private readonly offsets = new Map<number, number>();
  private readonly format: Intl.DateTimeFormat;

  /** Throws a `RangeError` for a time zone that is not known. */
  constructor(timeZone: string) {
    this.format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /**
   * Names of the periods of a moment: of all, or of those that are wanted. Those of days, weeks, months and years sort as they follow one another; hours
   * mostly, there are clocks that go back by two.
   */
  of<Wanted extends Period = Period>(moment: Date, wanted: Iterable<Wanted> = PERIODS as unknown as Iterable<Wanted>): Readonly<Record<Wanted, string>> {
    const local = new Date(moment.getTime() + this.offset(moment.getTime()));
    const text = local.toISOString();
    const names: Partial<Record<Wanted, string>> = {};
    for (const period of wanted) names[period] = NAMES[period](text, local);
    return names as Record<Wanted, string>;
  }

  /** What the clocks are ahead of UTC, in milliseconds. */
  private offset(atMs: number): number {
    const day = Math.floor(atMs / DAY_MS) * DAY_MS;
    const morning = this.asked(day);
    return morning === this.asked(day + DAY_MS) ? morning : this.asked(Math.floor(atMs / QUARTER_MS) * QUARTER_MS);
  }

  private asked(start: number): number {
    const known = this.offsets.get(start);
    if (known !== undefined) return known;
    const [month = 1, day = 1, year = 1970, hour = 0, minute = 0, second = 0] = this.format.format(start).split(/\D+/).map(Number);
    const offset = Date.UTC(year, month - 1, day, hour, minute, second) - start;
    this.offsets.set(start, offset);
    return offset;
  }
}

/** ISO 8601: weeks begin on Monday, and belong to the year that has their Thursday. */
function weekOf(local: Date): string {
  const weekday = (local.getUTCDay() + 6) % 7;
  const thursday = new Date(local.getTime() + (3 - weekday) * DAY_MS);
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / DAY_MS / 7) + 1;
  return `${year}-W${String(week).padStart(2, '0')}`;
}
