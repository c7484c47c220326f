import { ModosuError } from '../contracts/errors';
import type { RestoreServerInput } from '../contracts/workflows';
import type { RunRow } from './entities';

/** The set that a run goes live with. */
export const restoreSetOf = ({ kind, input }: Pick<RunRow, 'kind' | 'input'>): string | null =>
  kind === 'restore-server' ? ((input as RestoreServerInput).restoreSetId ?? null) : null;

/** Why a member's go-live is not for people. */
export const goesLiveWithSet = (runId: string, restoreSetId: string): ModosuError =>
  new ModosuError('RUN_NOT_WAITING', `Run ${runId} belongs to restore set ${restoreSetId}, and goes live with it, when all others wait as it does.`, {
    hint: `See \`modosu restore-set show ${restoreSetId}\`. Cancelling one run before anything is live cancels the whole set.`,
    context: { runId, setId: restoreSetId },
  });
