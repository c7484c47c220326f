import { storableObject, storableText } from '../audit/storable';
import type { ErrorContext, ErrorSummary } from '../contracts/errors';
import type { Retrying } from '../contracts/run';

/** An error in bounded form: its message may carry output of a guest or a tool. */
export function storableError({ code, message, hint, context }: ErrorSummary): ErrorSummary {
  const kept = context === undefined ? {} : { context: storableObject(context) as ErrorContext };
  return { code, message: storableText(message), hint: storableText(hint, 1024), ...kept };
}

export const storableRetrying = (retrying: Retrying | null): Retrying | null =>
  retrying === null ? null : { ...retrying, error: storableError(retrying.error) };
