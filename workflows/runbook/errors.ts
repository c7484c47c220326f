import { DefaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { ActivityFailure, ApplicationFailure, TimeoutFailure, isCancellation } from '@temporalio/workflow';
import { isErrorCode } from '../../src/contracts/error-codes';
import { ModosuError, isModosuError, summaryIn, type ErrorSummary } from '../../src/contracts/errors';

/** What a step failed with, as people will read it. Understands errors of activities, time-outs and our own. `of`: what a cancel has ended. */
export function summarise(thrown: unknown, of: 'run' | 'verification' | 'transfer' = 'run'): ErrorSummary {
  if (isCancellation(thrown)) return new ModosuError('RUN_CANCELLED', `The ${of} was cancelled.`).summary();
  if (thrown instanceof ActivityFailure) return summarise(thrown.cause ?? new Error(thrown.message), of);
  if (isModosuError(thrown)) return thrown.summary();
  if (thrown instanceof ApplicationFailure && isErrorCode(thrown.type)) {
    return summaryIn(thrown.details?.[0]) ?? new ModosuError(thrown.type, thrown.message).summary();
  }
  if (thrown instanceof TimeoutFailure) {
    const last = lastAttempt(thrown);
    if (last !== null) return summarise(last, of);
    if (thrown.timeoutType === 'HEARTBEAT') {
      return new ModosuError('NO_WORKER', 'The worker stopped reporting in the middle of this step, and so did those that tried it again.', {
        hint: 'Look at the log of `modosu worker` and at the storage it works on, then start again.',
      }).summary();
    }
    return new ModosuError('NO_WORKER', `No answer from the worker in time (${thrown.timeoutType ?? 'time-out'}).`, {
      hint: 'Check that `modosu worker` runs for this hypervisor and look at its log, then start again.',
    }).summary();
  }
  return new ModosuError('INTERNAL', thrown instanceof Error ? thrown.message : String(thrown)).summary();
}

/** For work whose failure must not fail the run: nothing, or what went wrong under this name, for the step's detail. */
export async function tolerated<K extends string>(problem: K, work: Promise<unknown>): Promise<{ readonly [key in K]?: string }> {
  try {
    await work;
    return {};
  } catch (thrown) {
    return { [problem]: summarise(thrown).message } as { readonly [key in K]?: string };
  }
}

/**
 * The time may have been used up by attempts that failed: then what the last one met is the reason. The SDK drops this cause; it stands in the recorded
 * failure.
 */
function lastAttempt({ failure }: TimeoutFailure): Error | null {
  return failure?.cause ? failures.failureToError(failure.cause, defaultPayloadConverter) : null;
}

const failures = new DefaultFailureConverter();
