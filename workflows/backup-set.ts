import { CancellationScope, condition, getExternalWorkflowHandle, isCancellation, setHandler } from '@temporalio/workflow';
import type { BackupSetInput } from '../src/contracts/backup-set';
import { serverWorkflowId } from '../src/contracts/ids';
import { decideSet } from '../src/domain/backup-sets/backup-set';
import { memberLeft, memberReady, setDecided } from './runbook/backup-set';

/** For whoever looks into Temporal; null: all were let go. */
export interface BackupSetOutcome {
  readonly givenUp: string | null;
}

/**
 * Brings the runs of a backup set together. Each of them does all that takes long and then waits, right before it freezes its server; when the last one has come,
 * all are let go at once. One that will not come, or the deadline, lets all of them go home: what is not whole is not taken. Changes nothing itself.
 */
export async function backupSet(input: BackupSetInput): Promise<BackupSetOutcome> {
  const ready = new Set<string>();
  const left = new Map<string, string>();
  setHandler(memberReady, ({ runId }) => void ready.add(runId));
  setHandler(memberLeft, ({ runId, why }) => void left.set(runId, why));
  const remainingMs = (): number => Math.max(1, Date.parse(input.deadline) - Date.now());
  const decide = (isOver: boolean) => decideSet(input, { ready, left, isOver });

  let givenUp: string | null;
  let cancelled: unknown = null;
  try {
    await condition(() => decide(false).kind !== 'wait', remainingMs());
    const decision = decide(true);
    givenUp = decision.kind === 'give-up' ? decision.why : null;
  } catch (thrown) {
    if (!isCancellation(thrown)) throw thrown;
    givenUp = 'its coordination was cancelled in Temporal.';
    cancelled = thrown;
  }

  const told = new Set<string>();
  const tell = ({ runId, serverId }: BackupSetInput['members'][number]): Promise<void> =>
    getExternalWorkflowHandle(serverWorkflowId(serverId))
      .signal(setDecided, { setId: input.setId, givenUp })
      .then(() => void told.add(runId))
      // It has ended, or is not started yet.
      .catch(() => undefined);
  await CancellationScope.nonCancellable(() => Promise.all(input.members.map(tell)));
  if (cancelled !== null) throw cancelled;

  // Whoever comes late hears at once that nobody waits for it.
  const isExpected = (runId: string): boolean => givenUp !== null && !told.has(runId) && !left.has(runId);
  const late = () => input.members.filter(({ runId }) => isExpected(runId) && ready.has(runId));
  while (input.members.some(({ runId }) => isExpected(runId))) {
    const heard = await condition(() => late().length > 0 || !input.members.some(({ runId }) => isExpected(runId)), remainingMs());
    if (!heard) break;
    await Promise.all(late().map(tell));
    // Gone again meanwhile: there is nobody to tell.
    for (const { runId } of late()) left.set(runId, 'it has ended');
  }
  return { givenUp };
}
