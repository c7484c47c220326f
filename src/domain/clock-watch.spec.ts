import { ClockWatch } from './clock-watch';

const DAY = 86_400_000;
const MINUTE = 60_000;

describe('ClockWatch', () => {
  let watch: ClockWatch;
  /** The time of day after so many ms, set ahead by so much. */
  const at = (runningMs: number, aheadMs = 0): boolean => watch.isSteady(1_700_000_000_000 + runningMs + aheadMs, runningMs);
  beforeEach(() => (watch = new ClockWatch()));

  it('believes a clock that runs, and steps of some minutes, one after the other', () => {
    expect([at(0), at(MINUTE), at(DAY), at(DAY, 5 * MINUTE), at(2 * DAY, 10 * MINUTE)]).toEqual([true, true, true, true, true]);
  });

  it('doubts one that has jumped ahead, until it is put right', () => {
    at(0);
    expect([at(MINUTE, 5 * MINUTE + 1), at(30 * MINUTE, 30 * DAY), at(31 * MINUTE)]).toEqual([false, false, true]);
  });

  it('believes it after an hour: it was not put right', () => {
    at(0);
    expect([at(MINUTE, DAY), at(61 * MINUTE - 1, DAY), at(61 * MINUTE, DAY), at(62 * MINUTE, DAY)]).toEqual([false, false, true, true]);
  });

  it('gives each jump an hour of its own', () => {
    at(0);
    at(MINUTE, DAY);
    expect([at(2 * MINUTE), at(62 * MINUTE, DAY), at(122 * MINUTE - 1, DAY), at(122 * MINUTE, DAY)]).toEqual([true, false, false, true]);
  });

  it('believes one that has gone back: nothing is deleted too early by that', () => {
    at(0);
    expect([at(MINUTE, -DAY), at(2 * MINUTE, -DAY)]).toEqual([true, true]);
  });
});
