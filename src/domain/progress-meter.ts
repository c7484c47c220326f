import type { StepProgress } from '../contracts/run';

/** Rates are taken over this long: short enough to follow a change, long enough not to jump. */
const WINDOW_MS = 20_000;
/** No byte for this long, and people are told that it stands still. */
export const STALLED_AFTER_MS = 10_000;

/** Turns observations of one copy into what people want to know. Pure: the clock is the caller's. */
export class ProgressMeter {
  private samples: { readonly atMs: number; readonly doneBytes: number }[] = [];

  /** `nowMs`: when the bytes were seen, in milliseconds since the epoch. */
  see({ doneBytes, totalBytes }: { readonly doneBytes: number; readonly totalBytes: number }, nowMs: number): StepProgress {
    const last = this.samples.at(-1);
    // A copy that begins again after a crash starts at zero: its old speed says nothing.
    if (last !== undefined && doneBytes < last.doneBytes) this.samples = [];
    // Only bytes that moved count as movement: adapters repeat their numbers as a sign of life.
    if (last === undefined || doneBytes !== last.doneBytes) {
      this.samples = [...this.samples.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS), { atMs: nowMs, doneBytes }];
    }
    const movedAtMs = this.samples.at(-1)?.atMs ?? nowMs;
    const updatedAt = new Date(movedAtMs).toISOString();
    const stalled = doneBytes < totalBytes && nowMs - movedAtMs >= STALLED_AFTER_MS;
    const bytesPerSecond = stalled ? null : this.rate(nowMs);
    const secondsLeft = bytesPerSecond === null || bytesPerSecond === 0 ? null : Math.ceil(Math.max(0, totalBytes - doneBytes) / bytesPerSecond);
    return { doneBytes, totalBytes, updatedAt, bytesPerSecond, secondsLeft, stalledSince: stalled ? updatedAt : null };
  }

  private rate(nowMs: number): number | null {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || last === first) return null;
    // Up to now, not up to the last movement: a copy that moves in bursts is not as fast as its bursts.
    const elapsedMs = Math.max(nowMs, last.atMs) - first.atMs;
    return elapsedMs <= 0 ? null : Math.round(((last.doneBytes - first.doneBytes) * 1000) / elapsedMs);
  }
}
