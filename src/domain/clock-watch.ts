/** Steps of the time of day up to this are what keeps clocks right. */
const TOLERATED_MS = 5 * 60_000;
/** For so long people have time to put a wrong clock right; after it the time of day is believed: the host was asleep, or somebody has set it on purpose. */
const DOUBTED_FOR_MS = 60 * 60_000;

/**
 * Whether the time of day can be believed by whoever deletes what is old: not while it has jumped ahead, compared with a clock that does not jump. Keeps
 * state; ask regularly. A clock that was wrong from the start is not noticed.
 */
export class ClockWatch {
  /** Time of day minus the other clock, as it was when it was last believed. */
  private offsetMs: number | null = null;
  private doubtedSinceMs: number | null = null;

  /** Both in ms: the time of day (since 1970), and a clock that only runs. */
  isSteady(timeOfDayMs: number, runningMs: number): boolean {
    const offsetMs = timeOfDayMs - runningMs;
    const isAhead = this.offsetMs !== null && offsetMs - this.offsetMs > TOLERATED_MS;
    if (!isAhead) return this.believe(offsetMs);
    this.doubtedSinceMs ??= runningMs;
    return runningMs - this.doubtedSinceMs >= DOUBTED_FOR_MS ? this.believe(offsetMs) : false;
  }

  private believe(offsetMs: number): true {
    this.offsetMs = offsetMs;
    this.doubtedSinceMs = null;
    return true;
  }
}
