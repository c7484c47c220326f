import { isCancellation } from '@temporalio/workflow';
import type { BackupSubject, CopiedDisk } from '../src/contracts/activities';
import type { BackupImageInput, RunResult } from '../src/contracts/workflows';
import { backupSteps } from '../src/domain/backup-steps';
import { hostCalls, planning, serverCalls, transfers, undoCalls } from './runbook/activities';
import { giveServerBack } from './runbook/fence';
import { carryOut } from './runbook/runbook';

/**
 * Offline image backup: stop the server, copy every disk with the definition and the firmware variables, put the power state
 * back, and only then publish. A server that was off stays off.
 */
export async function backupImage(input: BackupImageInput): Promise<RunResult> {
  const host = hostCalls(input.hypervisor);
  const server = serverCalls(input.hypervisor);
  const transfer = transfers(input.hypervisor);
  const undo = undoCalls(input.hypervisor);

  return carryOut(input, async (book) => {
    const subject = await book.step('examine', { do: () => host.examineForBackup(input), detail: describeSubject }, 'Examine the server and its disks');
    const wasRunning = subject.powerState === 'running';
    await book.announce(backupSteps({ diskTargets: subject.disks.map(({ target }) => target), wasRunning }));

    await book.step('fence', { do: () => server.takeFence(input), undo: () => undo.releaseFence(input) });
    await book.step('reserve', { do: () => host.reserveRoom(input, subject.neededBytes), undo: () => undo.discardStaged(input) });

    let isOff = false;
    if (wasRunning) {
      await book.step('stop', {
        do: async () => {
          await server.shutDown(input);
          isOff = true;
        },
        undo: () => (isOff ? undo.start(input) : undo.startAfterShutdown(input)),
      });
    }
    const pointInTime = new Date().toISOString();

    const copied: CopiedDisk[] = [];
    for (const disk of subject.disks) {
      const detail = (copy: CopiedDisk) => ({ storedBytes: copy.checksums.sizeBytes, sha256: copy.checksums.sha256 });
      copied.push(await book.step(`copy:${disk.target}`, { do: () => transfer.copyDiskToRepository(input, disk), detail }));
    }
    await book.step('definition', { do: () => host.saveDefinition(input, subject) });

    // The service comes back before anything else is done: publishing needs only the copies. And a server that refuses to start is no
    // reason to throw its image away: it may be the best there is.
    let startProblem: unknown = null;
    if (wasRunning) {
      try {
        await book.step('power', { do: () => server.start(input) });
        book.settle('stop');
      } catch (thrown) {
        if (isCancellation(thrown)) throw thrown;
        startProblem = thrown;
      }
    }

    await book.uninterrupted(async () => {
      const position = await planning.nextGeneration(input.serverId);
      const published = await book.step('publish', {
        do: () => host.publish({ input, subject, copied, pointInTime, ...position }),
        detail: ({ sizeBytes }) => ({ recoveryPointId: input.recoveryPointId, generation: position.generation, sizeBytes }),
      });
      book.settle('reserve');
      await book.step('catalogue', { do: () => host.recordRecoveryPoint(published) });
      book.result({ recoveryPointId: published.recoveryPointId });
      if (startProblem !== null) throw startProblem;
      book.settle('fence');
      await book.step('release', { do: () => giveServerBack(server, input), detail: (returned) => returned });
    });
  });
}

const describeSubject = (subject: BackupSubject) => ({
  powerState: subject.powerState,
  agent: subject.agent,
  disks: subject.disks.length,
  neededBytes: subject.neededBytes,
});
