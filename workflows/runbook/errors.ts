import { ActivityFailure, ApplicationFailure, TimeoutFailure, isCancellation } from '@temporalio/workflow';
import { isErrorCode } from '../../src/contracts/error-codes';
import { ModosuError, isModosuError, type ErrorSummary } from '../../src/contracts/errors';

/** What a step failed with, as people will read it. Understands errors of activities, time-outs and our own. */
export function summarise(thrown: unknown): ErrorSummary {
  if (isCancellation(thrown)) return new ModosuError('RUN_CANCELLED', 'The run was cancelled.').summary();
  if (thrown instanceof ActivityFailure) return summarise(thrown.cause ?? new Error(thrown.message));
  if (isModosuError(thrown)) return thrown.summary();
  if (thrown instanceof ApplicationFailure && isErrorCode(thrown.type)) {
    const detail = thrown.details?.[0];
    return isSummary(detail) ? detail : new ModosuError(thrown.type, thrown.message).summary();
  }
  if (thrown instanceof TimeoutFailure) {
    return new ModosuError('NO_WORKER', `No answer from the worker in time (${thrown.timeoutType ?? 'time-out'}).`, {
      hint: 'Check that `modosu worker` runs for this hypervisor and look at its log, then start again.',
    }).summary();
  }
  return new ModosuError('INTERNAL', thrown instanceof Error ? thrown.message : String(thrown)).summary();
}

const isSummary = (value: unknown): value is ErrorSummary =>
  typeof value === 'object' && value !== null && 'code' in value && isErrorCode(value.code) && 'message' in value && 'hint' in value;
