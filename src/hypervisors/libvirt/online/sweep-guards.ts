import { isModosuError } from '../../../contracts/errors';
import { BackupJob } from './backup-job';
import { GuardProcess } from './guard-process';
import { GuardFiles, guardedRuns } from './guard-state';
import type { OnlineBackupParts } from './online-backup';
import { takeBack } from './take-back';

/** See `Hypervisor.cancelOnlineBackup`. */
export async function cancelBackup(
  { settings, virsh }: OnlineBackupParts,
  server: { readonly uuid: string; readonly name: string },
  runId: string,
): Promise<void> {
  const files = GuardFiles.of(settings.stateDirectory, runId);
  await takeBack(virsh, server, files, { waitForLateFreezes: true });
  await new GuardProcess(files, settings.guardCommand).forget();
}

/** See `Hypervisor.sweepGuards`. One run that cannot be swept now does not keep the others from it. */
export async function sweepGuards(parts: OnlineBackupParts, openRunIds: ReadonlySet<string>): Promise<readonly string[]> {
  const done: string[] = [];
  for (const runId of await guardedRuns(parts.settings.stateDirectory)) {
    try {
      done.push(...(await sweepOne(parts, runId, openRunIds.has(runId))));
    } catch (error) {
      if (!isModosuError(error)) throw error;
      done.push(`run ${runId}: could not be cleared up: ${error.message}`);
    }
  }
  return done;
}

async function sweepOne(parts: OnlineBackupParts, runId: string, isOpen: boolean): Promise<readonly string[]> {
  const files = GuardFiles.of(parts.settings.stateDirectory, runId);
  const guard = new GuardProcess(files, parts.settings.guardCommand);
  const [order, word] = [await files.readOrder(), await files.readWord()];
  if (order === null || word === null) {
    // Its worker died before it had asked the server for anything.
    if (isOpen) return [];
    await guard.forget();
    return [];
  }
  const name = order.server.name;
  if (!isOpen) {
    const wasOurs = await new BackupJob(parts.virsh, order.server, order.disks).isOurs().catch(() => false);
    await cancelBackup(parts, order.server, runId);
    return wasOurs ? [`run ${runId} is over: cancelled its backup job of ${name}`] : [];
  }
  if (await guard.isWatching()) return [];
  const settled = (await files.readState())?.outcome ?? null;
  const hasOpenFreeze = word.freezes.some((freeze) => !freeze.thawed);
  if (word.job === 'over' || (settled !== null && !hasOpenFreeze)) return [];
  if (word.job === 'none' && !hasOpenFreeze && !word.afterHookOwed) return [];
  // A guard does all that is to be done for a worker that is dead or late, and goes on watching.
  await guard.arm();
  return [`run ${runId}: the guard of ${name} had died, and there is a new one`];
}
