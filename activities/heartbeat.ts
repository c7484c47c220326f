import { CancelledFailure, Context } from '@temporalio/activity';

const TICK_MS = 5_000;

/**
 * For calls that wait on something bounded by its own deadline (a guest that shuts down, a libvirt call): tells Temporal every few seconds that
 * this worker lives. Not for copies: their adapters report as long as bytes move or may still move, so that a hung one is noticed.
 */
export async function whileAlive<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  context.heartbeat();
  const timer = setInterval(() => context.heartbeat(), TICK_MS);
  try {
    return await work(context.cancellationSignal);
  } catch (thrown) {
    // An aborted call may reject with its own error: Temporal must see the cancellation, or the run would end "failed".
    if (context.cancellationSignal.aborted) throw cancellation(context);
    throw thrown;
  } finally {
    clearInterval(timer);
  }
}

export const cancellation = (context: Context): Error => {
  const reason: unknown = context.cancellationSignal.reason;
  return reason instanceof CancelledFailure ? reason : new CancelledFailure('The run was cancelled');
};
