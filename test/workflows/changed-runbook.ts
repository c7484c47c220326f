import type { BackupImageInput } from '../../src/contracts/workflows';
import { carryOut } from '../../workflows/runbook/runbook';

/** A backup with its steps in another order, as an unguarded change would make it: the replay has to refuse it. */
export async function backupImage(input: BackupImageInput): Promise<void> {
  await carryOut(input, async (book, { host, server }) => {
    await book.step('stop', { do: () => server.shutDown(input) });
    await book.step('examine', { do: () => host.examineForBackup(input) });
  });
}
