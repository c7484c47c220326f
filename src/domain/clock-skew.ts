/** Clocks of two machines differ by seconds; what lies further ahead was written by a clock that was wrong. */
export const SKEW_MS = 5 * 60_000;

export const isAhead = (moment: Date, now: Date): boolean => moment.getTime() > now.getTime() + SKEW_MS;
