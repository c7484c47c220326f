import { ModosuError } from '../contracts/errors';

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

export const timedOut = (ms: number): ModosuError => new ModosuError('PROBE_TIMED_OUT', `There was no answer within ${seconds(ms)}.`);

/**
 * Does `work` within its time. Its signal is aborted when that is over, when `outer` is, and when it has ended; it is not waited for after that, because
 * some things (a name that is looked up, an agent) cannot be called back. Throws `PROBE_TIMED_OUT`, the outer signal's reason, and what `work` throws.
 */
export async function within<T>(ms: number, outer: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  outer?.throwIfAborted();
  const inner = new AbortController();
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    const giveUp = (reason: unknown): void => {
      reject(reason);
      inner.abort(reason);
    };
    timer = setTimeout(() => giveUp(timedOut(ms)), ms);
    outer?.addEventListener('abort', () => giveUp(outer.reason), { once: true, signal: ended.signal });
  });
  // The one that loses the race may still reject; nobody is interested any more.
  over.catch(() => undefined);
  try {
    const answer = work(inner.signal);
    answer.catch(() => undefined);
    return await Promise.race([answer, over]);
  } finally {
    clearTimeout(timer);
    ended.abort();
    inner.abort(timedOut(ms));
  }
}
