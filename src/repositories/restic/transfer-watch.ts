import { readFile } from 'node:fs/promises';

const LOOK_MS = 2_000;

/**
 * Tells how far a restic is that does not say so itself: by the bytes it has read (`rchar`) or written (`wchar`). Ends with the signal. A process that cannot be
 * looked at is told nothing of.
 */
export function watchTransfer(pid: number, what: 'rchar' | 'wchar', signal: AbortSignal, onBytes: (bytes: number) => void, lookMs = LOOK_MS): void {
  const timer = setInterval(() => {
    void readFile(`/proc/${pid}/io`, 'utf8').then(
      (text) => {
        const bytes = new RegExp(`^${what}: (\\d+)$`, 'm').exec(text)?.[1];
        if (bytes !== undefined && !signal.aborted) onBytes(Number(bytes));
      },
      () => undefined,
    );
  }, lookMs);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
