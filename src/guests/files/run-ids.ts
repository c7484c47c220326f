import { ModosuError } from '../../contracts/errors';
import { cleanWords } from '../../contracts/text';

/** A run's id stands in names of files and processes: nothing but letters, digits, "_" and "-". */
export function checkedRunId(runId: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{3,63}$/.test(runId)) throw new ModosuError('REQUEST_INVALID', `"${cleanWords(runId, 80)}" is no id of a run.`);
  return runId;
}
