import { CancelledFailure, Context } from '@temporalio/activity';

const TICK_MS = 5_000;
const AT_LEAST_MS = 1_000;

/**
 * For calls that wait on something bounded by its own deadline (a guest that shuts down, a libvirt call): tells Temporal every few seconds that
 * this worker lives. Not for copies: their adapters report as long as bytes move or may still move, so that a hung one is noticed.
 */
export function whileAlive<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return aliveWith(() => undefined, work);
}

/** What a waiting attempt tells those after it. */
interface Waited {
  readonly waitedMs: number;
}

/**
 * `whileAlive` for waiting whose end is final: the first attempt has the whole deadline from when it begins to work, later ones what those before them have left
 * of it, and a second at least. Only time inside an attempt counts, by its own clock: neither a long queue nor the time between attempts, in which a worker is
 * dead or libvirt refuses, is a fault of the guest, and clocks that differ do not matter. All that an attempt waits for counts, also a call of libvirt or of
 * the catalogue that hangs before it fails. Of an attempt whose worker died Temporal knows what it had waited some seconds before.
 */
export function aliveWithin<T>(deadlineMs: number, work: (options: { readonly signal: AbortSignal; readonly deadlineMs: number }) => Promise<T>): Promise<T> {
  const beganAt = performance.now();
  const before = waitedBefore();
  const waited = (): Waited => ({ waitedMs: Math.round(before + performance.now() - beganAt) });
  return aliveWith(waited, async (signal) => {
    try {
      return await work({ signal, deadlineMs: Math.max(AT_LEAST_MS, deadlineMs - before) });
    } catch (thrown) {
      // It goes with the failure: between ticks, and between those of them that Temporal is told of, much may have been waited.
      Context.current().heartbeat(waited());
      throw thrown;
    }
  });
}

function waitedBefore(): number {
  const { attempt, heartbeatDetails } = Context.current().info;
  const waitedMs = attempt > 1 ? (heartbeatDetails as Partial<Waited> | null | undefined)?.waitedMs : 0;
  // Nothing is known of attempts of an earlier version.
  return typeof waitedMs === 'number' && waitedMs > 0 ? waitedMs : 0;
}

async function aliveWith<T>(details: () => Waited | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  context.heartbeat(details());
  const timer = setInterval(() => context.heartbeat(details()), TICK_MS);
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
