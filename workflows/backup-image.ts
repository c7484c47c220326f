import { isCancellation } from '@temporalio/workflow';
import type { BackupSubject, CopiedDisk } from '../src/contracts/activities';
import type { Consistency } from '../src/contracts/recovery-point';
import type { BackupImageInput, RunResult } from '../src/contracts/workflows';
import { backupSteps } from '../src/domain/steps/backup-steps';
import { planning, type Calls } from './runbook/activities';
import { carryOut, type Runbook } from './runbook/runbook';
import { forgetGuard, giveServerBack, stopServer, takeServer } from './runbook/server';

/** What was copied, and which moment it shows. */
interface Taken {
  readonly copied: readonly CopiedDisk[];
  readonly pointInTime: string;
  readonly consistency: Consistency;
  /** Why the server did not start again; null when it did, or never stopped. */
  readonly startProblem: unknown;
}

/**
 * Image backup. Offline: stop the server, copy every disk with the definition and the firmware variables, put the power state back. Online: freeze the file
 * systems for a moment, let QEMU write all disks as they were then, while the server runs on. Only then is anything published. A server that is off is imaged
 * as it lies.
 */
export async function backupImage(input: BackupImageInput): Promise<RunResult> {
  return carryOut(input, async (book, calls) => {
    const { host, undo } = calls;
    const subject = await book.step('examine', { do: () => host.examineForBackup(input), detail: describeSubject }, 'Examine the server and its disks');
    const wasRunning = subject.powerState === 'running';
    await book.announce(backupSteps({ mode: subject.mode, diskTargets: subject.disks.map(({ target }) => target), wasRunning }));

    await takeServer(book, calls, input);
    await book.step('reserve', { do: () => host.reserveRoom(input, subject.neededBytes), undo: () => undo.discardStaged(input) });

    const { copied, pointInTime, consistency, startProblem } =
      subject.mode === 'online' ? await takeOnline(book, calls, input, subject) : await takeOffline(book, calls, input, subject);

    await book.uninterrupted(async () => {
      const position = await planning.nextGeneration(input.serverId);
      const published = await book.step('publish', {
        do: () => host.publish({ input, subject, copied, pointInTime, consistency, ...position }),
        detail: ({ sizeBytes }) => ({ recoveryPointId: input.recoveryPointId, generation: position.generation, consistency, sizeBytes }),
      });
      book.settle('reserve');
      await book.step('catalogue', { do: () => host.recordRecoveryPoint(published) });
      book.result({ recoveryPointId: published.recoveryPointId });
      if (startProblem !== null) throw startProblem;
      book.settle('fence');
      await book.step('release', {
        do: async () => ({ ...(subject.mode === 'online' ? await forgetGuard(calls, input) : {}), ...(await giveServerBack(calls, input)) }),
        detail: (returned) => returned,
      });
    });
  });
}

/** The server runs all the time; QEMU itself writes the images. */
async function takeOnline(book: Runbook, { host, server, transfer, undo }: Calls, input: BackupImageInput, subject: BackupSubject): Promise<Taken> {
  const { pointInTime, consistency } = await book.step('begin', {
    do: () => server.beginOnlineBackup(input, subject),
    undo: () => undo.cancelOnlineBackup(input),
    detail: ({ note, ...begun }) => ({ ...begun, ...(note === null ? {} : { note }) }),
  });
  // While QEMU copies: the definition has to be that of this moment.
  await book.step('definition', { do: () => host.saveDefinition(input, subject) });

  // One job writes all disks; each has a step of its own for people.
  const written = transfer.followOnlineBackup(input, subject);
  const [sizes] = await Promise.all(subject.disks.map(({ target }) => book.step(`copy:${target}`, { do: () => written })));
  book.settle('begin');

  const copied: CopiedDisk[] = [];
  for (const disk of subject.disks) {
    const detail = (copy: CopiedDisk) => ({ storedBytes: copy.checksums.sizeBytes, sha256: copy.checksums.sha256 });
    copied.push(
      await book.step(`checksum:${disk.target}`, { do: () => transfer.hashStagedDisk(input, disk, sizes?.virtualSizeBytes[disk.target] ?? 0), detail }),
    );
  }
  return { copied, pointInTime, consistency, startProblem: null };
}

/** The server is shut down, or is off already, while its disks are copied. */
async function takeOffline(book: Runbook, calls: Calls, input: BackupImageInput, subject: BackupSubject): Promise<Taken> {
  const { host, server, transfer } = calls;
  const wasRunning = subject.powerState === 'running';

  if (wasRunning) await stopServer(book, calls, input, { how: 'ask-guest', wasOn: true });
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
  return { copied, pointInTime, consistency: 'offline', startProblem };
}

const describeSubject = (subject: BackupSubject) => ({
  mode: subject.mode,
  powerState: subject.powerState,
  agent: subject.agent,
  disks: subject.disks.length,
  neededBytes: subject.neededBytes,
});
