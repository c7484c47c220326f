import { isModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import { BackupJob } from './backup-job';
import { Checkpoints } from './checkpoints';
import { GuardProcess } from './guard-process';
import { GuardFiles, guardedRuns } from './guard-state';
import type { OnlineBackupParts } from './online-backup';
import { ServerControl } from './server-control';
import { takeBack } from './take-back';

/** See `Hypervisor.cancelOnlineBackup`. */
export async function cancelBackup({ settings, virsh }: OnlineBackupParts, server: ServerRef, runId: string): Promise<void> {
  const files = GuardFiles.of(settings.stateDirectory, runId);
  await takeBack(virsh, server, files, { waitForLateFreezes: true, stateDirectory: settings.stateDirectory });
  // libvirt's records of ours, also those that were left before anything was written down about the run, and in a server that is off.
  await new Checkpoints(virsh, server, settings.stateDirectory).forgetAll();
  await new GuardProcess(files, settings.guardCommand).forget();
}

/** See `Hypervisor.settleOnlineBackup`. */
export async function settleBackup({ settings, virsh }: OnlineBackupParts, server: ServerRef, runId: string): Promise<void> {
  const files = GuardFiles.of(settings.stateDirectory, runId);
  const order = await files.readOrder();
  if (order === null) return;
  const checkpoints = new Checkpoints(virsh, server, settings.stateDirectory);
  const kept = order.checkpoints?.name ?? order.settled;
  if (kept !== null) await checkpoints.forget(kept);
  // First: whatever else goes wrong, what is published keeps its checkpoint.
  await files.writeOrder({ ...order, checkpoints: null, settled: kept });
  const isOff = (await new ServerControl(virsh, server).standing()) === 'off';
  // Each one that stays costs the server a little with every write. Bitmaps of a server that is off go after its next backup.
  if (isOff) await checkpoints.forgetAll();
  else await checkpoints.removeOthers(kept, order.disks);
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
