import { readFile } from 'node:fs/promises';

const LOOK_MS = 5_000;

/**
 * Looks whether a program still reads: by what it has asked of the system, because it says nothing itself. Ends with the signal; calls `onStill` at each look at
 * which nothing has moved since the one before, with how long that has been so (milliseconds). A process that cannot be looked at is taken for one that reads.
 */
export function watchReading(pid: number, signal: AbortSignal, onStill: (forMs: number) => void, lookMs = LOOK_MS): void {
  let last = '';
  let movedAt = performance.now();
  const timer = setInterval(() => {
    void readFile(`/proc/${pid}/io`, 'utf8').then(
      (text) => {
        const now = /^rchar: (\d+)$/m.exec(text)?.[1] ?? String(performance.now());
        if (now !== last) [last, movedAt] = [now, performance.now()];
        else if (!signal.aborted) onStill(performance.now() - movedAt);
      },
      () => undefined,
    );
  }, lookMs);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
