import { ModosuError } from '../../contracts/errors';
import type { GuestAgent } from '../guest-agent';
import type { GuestWork } from './guest-process';
import type { KeptFiles } from './place-files';

export interface UndoneFiles {
  readonly added: number;
  readonly replaced: number;
  /** What could not be moved, at most 20. */
  readonly left: readonly string[];
  readonly leftCount: number;
}

/** Moves what was added away, and puts back what was replaced; what stands there by then is kept, never deleted. Idempotent, and itself undone by `redoFiles`. Throws `WAY_BACK_INCOMPLETE` without a journal. */
export function undoFiles(_agent: GuestAgent, _kept: KeptFiles, _runId: string, _work: GuestWork): Promise<UndoneFiles> {
  throw new ModosuError('INTERNAL', 'not yet');
}

/** The other direction. Idempotent. */
export function redoFiles(_agent: GuestAgent, _kept: KeptFiles, _runId: string, _work: GuestWork): Promise<UndoneFiles> {
  throw new ModosuError('INTERNAL', 'not yet');
}

/** Which placed files were written since, or made inside placed directories: an undo takes them away. Reads only. `atLeast`: there were more than could be listed. */
export function surveyUndoFiles(
  _agent: GuestAgent,
  _kept: KeptFiles,
  _runId: string,
  _work: GuestWork,
): Promise<{ readonly changed: number; readonly examples: readonly string[]; readonly atLeast: boolean }> {
  throw new ModosuError('INTERNAL', 'not yet');
}

/** Removes the staging directories with everything that is kept in them. Idempotent. Throws `PATH_NOT_ALLOWED` for any directory that is not a run's own. */
export function confirmFiles(_agent: GuestAgent, _kept: Pick<KeptFiles, 'directories'>, _runId: string, _work: GuestWork): Promise<void> {
  throw new ModosuError('INTERNAL', 'not yet');
}

/**
 * After a failed run: puts everything back, then removes the staging directories. A directory stays, and is named, when in it lies what somebody has written since, or what could not be put back.
 * Idempotent; directories that are not there are fine.
 */
export function abandonFiles(_agent: GuestAgent, _runId: string, _directories: readonly string[], _work: GuestWork): Promise<{ readonly kept: readonly string[] }> {
  throw new ModosuError('INTERNAL', 'not yet');
}
