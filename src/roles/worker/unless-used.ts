import { setTimeout as delay } from 'node:timers/promises';
import { withinDeadline } from '../../contracts/deadline';
import { ModosuError } from '../../contracts/errors';

/**
 * Together less than what reads a repository without a lock waits before it believes that something is damaged (five seconds; `workflows/verify.ts`): until then
 * nothing is removed any more.
 */
const LOOK_MS = 1_000;
const ANSWER_MS = 2_000;

interface Use {
  /** In words; null: nobody. */
  readonly inUseBy: () => Promise<string | null>;
  readonly signal: AbortSignal;
  /** Default 1 s. */
  readonly lookMs?: number;
}

/**
 * Does work that gives way: it is not begun while somebody uses what it works on, and its signal aborts as soon as somebody does, or nobody can tell. Null: it
 * was done; else who uses it, and then it was begun or not. Throws what the work throws, and the signal's reason.
 */
export async function unlessUsed({ inUseBy, signal, lookMs = LOOK_MS }: Use, work: (signal: AbortSignal) => Promise<void>): Promise<string | null> {
  const before = await inUseBy();
  if (before !== null) return before;
  signal.throwIfAborted();
  const ended = new AbortController();
  const given = new AbortController();
  let use: string | null = null;
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await delay(lookMs, undefined, { signal: ended.signal }).catch(() => undefined);
      if (ended.signal.aborted) return;
      const late = (): ModosuError => new ModosuError('CATALOG_UNAVAILABLE', 'The catalogue does not answer in time.');
      use = await withinDeadline(inUseBy(), ANSWER_MS, late).catch(() => 'nobody can tell');
      if (use === null) continue;
      given.abort(new Error(`given up for ${use}`));
      return;
    }
  };
  const watching = watch();
  try {
    await work(AbortSignal.any([signal, given.signal]));
    return null;
  } catch (error) {
    if (given.signal.aborted && !signal.aborted) return use;
    throw error;
  } finally {
    ended.abort();
    await watching;
  }
}
