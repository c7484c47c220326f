import { readFile } from 'node:fs/promises';

const LOOK_MS = 5_000;

/**
 * Looks whether a program that only reads still reads: by what it has asked of the system, because it says nothing itself. Ends with the signal; calls
 * `onStalled` once when nothing has moved for so long. A process that cannot be looked at is taken for one that reads.
 */
export function watchReading(pid: number, stallMs: number, signal: AbortSignal, onStalled: () => void, lookMs = LOOK_MS): void {
  let last = '';
  let movedAt = performance.now();
  const timer = setInterval(() => {
    void readFile(`/proc/${pid}/io`, 'utf8').then(
      (text) => {
        const now = /^rchar: (\d+)$/m.exec(text)?.[1] ?? String(performance.now());
        if (now !== last) [last, movedAt] = [now, performance.now()];
        if (performance.now() - movedAt < stallMs || signal.aborted) return;
        clearInterval(timer);
        onStalled();
      },
      () => undefined,
    );
  }, lookMs);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
