import { CONFIRM_STEPS } from '../src/domain/steps/restore-steps';
import type { ConfirmInput, RunResult } from '../src/contracts/workflows';
import { catalogue, dataCalls, planning, serverCalls, undoCalls } from './runbook/activities';
import { giveServerBack } from './runbook/fence';
import { carryOut } from './runbook/runbook';

/** Deletes the volumes and the definition, or the data, that an earlier run has replaced and kept. There is no way back afterwards. */
export async function confirmRestore(input: ConfirmInput): Promise<RunResult> {
  const server = serverCalls(input.hypervisor);
  const undo = undoCalls(input.hypervisor);

  return carryOut(input, async (book) => {
    await book.announce(CONFIRM_STEPS);
    const { data } = await book.step('check', { do: () => planning.requireConfirmable(input.ofRunId), detail: ({ volumes, expiresAt }) => ({ volumes: volumes.length, expiresAt }) });
    await book.step('fence', { do: () => server.takeFence(input), undo: () => undo.releaseFence(input) });
    // Half a deletion helps nobody: a cancel comes before, or too late.
    await book.uninterrupted(async () => {
      if (data == null) await book.step('remove', { do: () => server.discardKept(input), detail: ({ deleted }) => ({ deleted: deleted.length, files: deleted.join(', ') }) });
      else await book.step('remove', { do: () => dataCalls(input.hypervisor).discardKeptData(input, data), detail: () => ({ dataSet: data.dataSet.name, keptBytes: data.kept.keptBytes }) });
      await book.step('record', { do: () => catalogue.closeWayBack(input.runId, input.ofRunId) });
      book.settle('fence');
      await book.step('release', { do: () => giveServerBack(server, input), detail: (returned) => returned });
    });
  });
}
