import type { KeptData } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import type { StagedPart } from '../../domain/file-comparison';
import type { GuestAgent } from '../guest-agent';
import type { GuestWork } from './guest-process';

export type KeptFiles = Extract<KeptData, { readonly kind: 'files' }>;

export interface PlacedFiles {
  readonly kept: KeptFiles;
  /** What was not put in place, because something stood there by then, or a directory above it had become another one: at most 20. It lies in the staging directory until `confirmFiles`. */
  readonly left: readonly string[];
  readonly leftCount: number;
}

/**
 * Makes the staging directory of a part (`.modosu-restore-<run>`, for root alone) and returns the directory in it that restic restores into. Idempotent.
 * Throws `DATA_RESTORE_FAILED` when something else stands there, `GUEST_DISK_FULL`.
 */
export function prepareStaging(_agent: GuestAgent, _part: Pick<StagedPart, 'base' | 'anchor'>, _runId: string, _work: GuestWork): Promise<string> {
  throw new ModosuError('INTERNAL', 'not yet');
}

/**
 * Puts what restic has staged in place, by renames. First everything expected is looked for, then a journal is written, then things move. Called again after its caller died, it finishes
 * what the journal says. Throws `DATA_RESTORE_FAILED` (nothing was moved, or `abandonFiles` puts it back), `GUEST_DISK_FULL`.
 */
export function placeFiles(_agent: GuestAgent, _request: { readonly runId: string; readonly parts: readonly StagedPart[] }, _work: GuestWork): Promise<PlacedFiles> {
  throw new ModosuError('INTERNAL', 'not yet');
}
