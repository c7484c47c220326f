import { ModosuError } from '../../contracts/errors';
import type { ChecksumContext } from './image-repository';

type Progress = Parameters<NonNullable<ChecksumContext['onProgress']>>[0];

export interface Watch {
  /** What is being read, for the message. */
  readonly path: string;
  readonly signal: AbortSignal;
  readonly onProgress?: ChecksumContext['onProgress'];
  /** True while somebody else's work is waited for, who is watched by others: silence is then no fault, and nothing is repeated. */
  readonly isWaiting?: () => boolean;
  /** Longest time without progress. Default 5 minutes. */
  readonly stallTimeoutMs?: number;
}

const REPORT_MS = 3_000;
const STALL_TIMEOUT_MS = 5 * 60_000;

/**
 * Runs `work`, which reads storage for a long time, and judges whether it has stalled: storage under load may leave one read unanswered for longer than
 * a worker may be silent. Repeats the last progress every few seconds until then. Throws `REPOSITORY_UNREACHABLE` (retry later) when nothing has moved
 * for the stall time-out, even when the call into the storage never returns.
 */
export async function watched<T>(watch: Watch, work: (context: ChecksumContext) => Promise<T>): Promise<T> {
  const { path, signal, onProgress, isWaiting, stallTimeoutMs = STALL_TIMEOUT_MS } = watch;
  const stalled = new AbortController();
  let last: Progress = { doneBytes: 0, totalBytes: 0 };
  let movedAt = performance.now();

  const tick = (): void => {
    if (isWaiting?.() === true) {
      movedAt = performance.now();
      return;
    }
    const silentMs = performance.now() - movedAt;
    if (silentMs <= stallTimeoutMs) onProgress?.(last);
    else {
      stalled.abort(
        new ModosuError('REPOSITORY_UNREACHABLE', `The storage has not answered for ${Math.round(silentMs / 1000)} s while ${path} was read.`, {
          context: { path },
        }),
      );
    }
  };
  const gaveUp = new Promise<never>((_, reject) => {
    stalled.signal.addEventListener('abort', () => reject(stalled.signal.reason), { once: true });
  });
  const timer = setInterval(tick, REPORT_MS);
  try {
    return await Promise.race([
      work({
        signal: AbortSignal.any([signal, stalled.signal]),
        onProgress: (progress) => {
          movedAt = performance.now();
          last = progress;
          onProgress?.(progress);
        },
      }),
      gaveUp,
    ]);
  } finally {
    clearInterval(timer);
  }
}
