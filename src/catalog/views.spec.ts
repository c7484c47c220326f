import type { StepState } from '../contracts/run';
import { progressView, storedProgress } from './views';

const progress = { doneBytes: 5, totalBytes: 10, updatedAt: '2026-03-01T00:00:00.000Z', bytesPerSecond: 2, secondsLeft: 3, stalledSince: null };
const at = (seconds: number): Date => new Date(Date.UTC(2026, 2, 1, 0, 0, seconds));

describe('progressView', () => {
  it('passes on what was recorded as long as it is news', () => {
    expect(progressView({ state: 'running', progress }, at(10))).toEqual(progress);
    expect(progressView({ state: 'running', progress: null }, at(10))).toBeNull();
  });

  it('says since when a running step stands still, whoever stopped reporting', () => {
    const stalled = { ...progress, bytesPerSecond: null, secondsLeft: null, stalledSince: progress.updatedAt };
    expect(progressView({ state: 'running', progress }, at(11))).toEqual(stalled);
    expect(progressView({ state: 'running', progress: stalled }, at(3))).toEqual(stalled);
  });

  it('gives a step that has ended neither speed nor standstill', () => {
    const ended: readonly StepState[] = ['succeeded', 'failed', 'skipped', 'undone'];
    for (const state of ended) {
      expect(progressView({ state, progress }, at(60))).toEqual({ ...progress, bytesPerSecond: null, secondsLeft: null, stalledSince: null });
    }
  });

  it('does not blame a step that waits for a person', () => {
    expect(progressView({ state: 'waiting', progress }, at(3600))?.stalledSince).toBeNull();
  });

  it('reads what an earlier version has stored', () => {
    const { doneBytes, totalBytes, updatedAt } = progress;
    expect(storedProgress({ doneBytes, totalBytes, updatedAt } as typeof progress)).toEqual({ ...progress, bytesPerSecond: null, secondsLeft: null });
  });
});
