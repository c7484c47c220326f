import { isCancellation } from '@temporalio/workflow';
import type { CredentialReference } from '../src/contracts/credential';
import type { BackupDataInput, DataBackupItem, RunResult } from '../src/contracts/workflows';
import { dataBackupSteps } from '../src/domain/steps/data-steps';
import type { Calls } from './runbook/activities';
import { dataRemembersCredentials, rememberCredentials } from './runbook/credentials';
import { discardSpool } from './runbook/data';
import { carryOut, type Runbook } from './runbook/runbook';
import { giveServerBack, takeServer } from './runbook/server';

/**
 * Saves the data sets of a server from inside its guest, one recovery point each. A data set that cannot be saved does not keep the others from it: the run
 * goes on, and ends as its worst step. The server is not stopped and its disks are not touched.
 */
export async function backupData(input: BackupDataInput): Promise<RunResult> {
  return carryOut(input, async (book, calls) => {
    const hasCredentials = dataRemembersCredentials(input);
    await book.announce(dataBackupSteps(input.items, { hasCredentials }));
    await book.step('examine', { do: () => calls.data.examineDataSets(input), detail: ({ restic, agentVersion }) => ({ restic, agentVersion }) });
    await takeServer(book, calls, input);
    // Before anything is read: asked later, they could be newer than what the data holds.
    const credentials = hasCredentials ? await rememberCredentials(book, input.hypervisor, input) : undefined;

    const problems: unknown[] = [];
    for (const item of input.items) {
      try {
        await saveOne(book, calls, input, item, credentials);
      } catch (thrown) {
        if (isCancellation(thrown)) throw thrown;
        problems.push(thrown);
      }
    }
    if (problems.length > 0) throw problems[0];
    await book.uninterrupted(async () => {
      book.settle('fence');
      await book.step('release', { do: () => giveServerBack(calls, input), detail: (returned) => returned });
    });
  });
}

async function saveOne(
  book: Runbook,
  calls: Calls,
  input: BackupDataInput,
  item: DataBackupItem,
  credentials: readonly CredentialReference[] | undefined,
): Promise<void> {
  const { data, dataTransfer } = calls;
  const { dataSet, recoveryPointId } = item;
  const { name } = dataSet;

  let saved;
  let spool: Awaited<ReturnType<typeof discardSpool>> = {};
  try {
    if (dataSet.before !== null) await book.step(`before:${name}`, { do: () => data.runDataHook(input, item, 'before'), detail: (ended) => ended });
    const dumped =
      dataSet.kind === 'postgresql'
        ? await book.step(`dump:${name}`, {
            do: () => dataTransfer.dumpDataSet(input, item),
            undo: () => discardSpool(calls, input, dataSet),
            detail: ({ content: { engineVersion, databases } }) => ({
              engineVersion,
              databases: databases.length,
              tables: sum(databases.map(({ tables }) => tables)),
              rows: sum(databases.map(({ rows }) => rows)),
            }),
          })
        : null;
    saved = await book.step(`save:${name}`, {
      do: () => dataTransfer.saveDataSet(input, item, dumped),
      detail: ({ snapshotId, totalBytes, addedBytes, content }) => ({
        snapshotId,
        totalBytes,
        addedBytes,
        ...(content.kind === 'files' ? { files: content.files, changedWhileRead: content.problems.length } : {}),
      }),
    });
  } finally {
    // What "before" has stopped must not stay stopped, whatever became of the data, or of the program itself: it may have done half of its work.
    if (dataSet.after !== null) {
      await book.uninterrupted(() => book.step(`after:${name}`, { do: () => data.runDataHook(input, item, 'after'), detail: (ended) => ended }));
    }
    if (dataSet.kind === 'postgresql') {
      spool = await book.uninterrupted(() => discardSpool(calls, input, dataSet));
      if (spool.leftBehind === undefined) book.settle(`dump:${name}`);
    }
  }
  const whole = saved;
  await book.step(`verify:${name}`, { do: () => data.verifySavedData(input, item, whole), detail: (proven) => proven });
  await book.uninterrupted(() =>
    book.step(`publish:${name}`, {
      do: () => data.publishData(input, item, whole, 'backup', credentials),
      detail: () => ({ recoveryPointId, pointInTime: whole.pointInTime, ...spool }),
    }),
  );
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
