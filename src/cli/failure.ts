import { isModosuError, toModosuError } from '../contracts/errors';
import { exitCodeOf } from './exit-codes';
import { line, type CliIo } from './io';
import { plain } from './output/text';

/** Tells people what went wrong and what to do, on standard error. Gives the exit code that scripts may rely on. */
export function tellFailure({ stderr, env }: Pick<CliIo, 'stderr' | 'env'>, thrown: unknown): number {
  const failure = toModosuError(thrown);
  line(stderr, `error: ${failure.code}: ${plain(failure.message)}`);
  const { errors, runId, requestId } = failure.context;
  if (Array.isArray(errors)) for (const text of errors as readonly string[]) line(stderr, `  ${plain(text)}`);
  if (typeof runId === 'string') line(stderr, `run:   ${plain(runId)}`);
  if (typeof requestId === 'string') line(stderr, `request: ${plain(requestId)}`);
  line(stderr, `hint:  ${plain(failure.hint)}`);
  if (!isModosuError(thrown) && env['MODOSU_DEBUG'] === '1' && thrown instanceof Error) line(stderr, thrown.stack ?? '');
  return exitCodeOf(failure.code);
}
