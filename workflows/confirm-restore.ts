import type { ConfirmInput, RunResult } from '../src/contracts/workflows';
import { CONFIRM_STEPS } from '../src/domain/steps/restore-steps';
import { catalogue, planning } from './runbook/activities';
import { hearLateCancel } from './runbook/late-cancel';
import { carryOut } from './runbook/runbook';
import { giveServerBack, takeServer } from './runbook/server';

/** Deletes the volumes and the definition, or the data, that an earlier run has replaced and kept. There is no way back afterwards. */
export async function confirmRestore(input: ConfirmInput): Promise<RunResult> {
  return carryOut(input, async (book, calls) => {
    await book.announce(CONFIRM_STEPS);
    const { data } = await book.step('check', {
      do: () => planning.requireConfirmable(input.ofRunId),
      detail: ({ volumes, expiresAt }) => ({ volumes: volumes.length, expiresAt }),
    });
    await takeServer(book, calls, input);
    await hearLateCancel(input.runId);
    // Half a deletion helps nobody: a cancel comes before, or too late.
    await book.uninterrupted(async () => {
      if (data == null) {
        await book.step('remove', {
          do: () => calls.server.discardKept(input),
          detail: ({ deleted }) => ({ deleted: deleted.length, files: deleted.join(', ') }),
        });
      } else {
        await book.step('remove', {
          do: () => calls.data.discardKeptData(input, data),
          detail: () => ({ dataSet: data.dataSet.name, keptBytes: data.kept.keptBytes }),
        });
      }
      await book.step('record', { do: () => catalogue.closeWayBack(input.runId, input.ofRunId) });
      book.settle('fence');
      await book.step('release', { do: () => giveServerBack(calls, input), detail: (returned) => returned });
    });
  });
}
