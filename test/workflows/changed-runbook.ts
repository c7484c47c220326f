import type { BackupImageInput } from '../../src/contracts/workflows';
import { hostCalls, serverCalls } from '../../workflows/runbook/activities';
import { carryOut } from '../../workflows/runbook/runbook';

/** A backup with its steps in another order, as an unguarded change would make it: the replay has to refuse it. */
export async function backupImage(input: BackupImageInput): Promise<void> {
  await carryOut(input, async (book) => {
    await book.step('stop', { do: () => serverCalls(input.hypervisor).shutDown(input) });
    await book.step('examine', { do: () => hostCalls(input.hypervisor).examineForBackup(input) });
  });
}
