import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ErrorCode } from '../src/contracts/error-codes';
import { isModosuError, toModosuError, type ModosuError } from '../src/contracts/errors';
import type { ActivityDependencies } from './dependencies';
import { attempt, runOf, serverOfRun } from './log-fields';

type Activity = (...args: never[]) => Promise<unknown>;

/**
 * The one place where errors become Temporal failures: the code is the failure's type, "never" means that Temporal does not try again, the summary travels
 * in the details (encrypted like every payload). Cancellation passes through as it is.
 */
export function toFailure(thrown: unknown): Error {
  if (thrown instanceof CancelledFailure || thrown instanceof ApplicationFailure) return thrown;
  const error = toModosuError(thrown);
  return failureOf(error, isModosuError(thrown) && error.retry === 'never');
}

/** Of what has had its time already, whatever its code advises: a person waits, or has waited. */
export const finalFailure = (error: ModosuError): ApplicationFailure => failureOf(error, true);

function failureOf(error: ModosuError, nonRetryable: boolean): ApplicationFailure {
  const failure = ApplicationFailure.create({
    type: error.code,
    message: error.message,
    nonRetryable,
    details: [error.summary()],
    // No cause: causes may hold command lines and outputs, which belong into the log, not into the history.
  });
  // It would only lead here, and Temporal keeps no more than 4 KiB of what is tried again, which people are shown.
  failure.stack = '';
  return failure;
}

/**
 * For calls that have waited themselves: a code that may pass "later" as a rule has had its time here, and a run must not stand still for minutes of further
 * attempts before it is undone.
 */
export async function finalWhen<T>(code: ErrorCode, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    if (!isModosuError(thrown) || thrown.code !== code) throw thrown;
    throw finalFailure(thrown);
  }
}

/**
 * For calls that are tried more often than some of their errors are worth: from this attempt on they are final, whatever their codes advise.
 *
 * @param isMeant which of them; all where absent
 */
export async function finalFrom<T>(attempts: number, work: Promise<T>, isMeant: (error: ModosuError) => boolean = () => true): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    const error = toModosuError(thrown);
    if (thrown instanceof CancelledFailure || thrown instanceof ApplicationFailure || (attempt().attempt ?? 1) < attempts || !isMeant(error)) throw thrown;
    throw finalFailure(error);
  }
}

/** Wraps every activity of a group: translates its errors, and logs them with run and attempt. */
export function translateFailures<T extends object>(group: T, { log }: Pick<ActivityDependencies, 'log'>): T {
  const wrapped = Object.entries(group).map(([name, activity]) => [
    name,
    async (...args: never[]) => {
      try {
        return await (activity as Activity)(...args);
      } catch (thrown) {
        const failure = toFailure(thrown);
        if (!(failure instanceof CancelledFailure)) {
          const cause = thrown instanceof Error ? thrown.cause : undefined;
          log.warn(
            {
              activity: name,
              ...serverOfRun(),
              ...runOf(args),
              ...attempt(),
              code: failure instanceof ApplicationFailure ? failure.type : undefined,
              error: failure.message,
              cause: cause instanceof Error ? cause.message : undefined,
            },
            'activity failed',
          );
        }
        throw failure;
      }
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}
