import { isCancellation } from '@temporalio/workflow';
import type { DataBackupItem, RestoreDataInput, RunResult } from '../src/contracts/workflows';
import { hasStep } from '../src/contracts/step-keys';
import { catalogue, type Calls } from './runbook/activities';
import { credentialsNow, dataRemembersCredentials } from './runbook/credentials';
import { markIfDamaged } from './runbook/damage';
import { discardSpool, keptInGuest, leftBehind, notesDetail, placedDetail, takeDataBack } from './runbook/data';
import { summarise } from './runbook/errors';
import { itemOf, loadPlanOf, replacedFilesIn, requireStillPossible } from './runbook/plan';
import { carryOut, type Runbook } from './runbook/runbook';
import { giveServerBack, secondsSince, takeServer } from './runbook/server';

/**
 * Brings data back into a running server, forward only unless more was asked for. What is fetched lies beside what is in use until it is complete and
 * checked; only then is it put in place. Until that moment a failure or a cancel leaves the guest as it was; afterwards what was replaced stays in the guest
 * as the way back.
 */
export async function restoreData(input: RestoreDataInput): Promise<RunResult> {
  return carryOut(input, async (book, calls) => {
    const { data, dataTransfer, undoData } = calls;
    const hasCredentials = dataRemembersCredentials(input);
    const plan = await loadPlanOf('data', input);
    const item = itemOf(plan);
    const markDamage = (thrown: unknown): Promise<never> => markIfDamaged(item.recoveryPointId, thrown);
    await book.announce(plan.steps);
    await book.step('check', {
      do: async () => {
        const found = await data.examineDataRestore(input, item);
        requireStillPossible(found.findings);
        return found;
      },
      detail: ({ restic, agentVersion }) => ({ restic, agentVersion }),
    });
    await takeServer(book, calls, input);
    await book.step('safety', {
      do: () => saveAsItIs(book, calls, input, { recoveryPointId: input.safetyRecoveryPointId, dataSet: item.dataSet }, hasCredentials),
      detail: (outcome) => outcome,
    });

    const fetched = await book.step('fetch', {
      do: () => dataTransfer.fetchData(input, item, 'fetch', replacedFilesIn(plan)).catch(markDamage),
      undo: () => leftBehind(data.discardFetched(input, item)),
      detail: ({ bytes }) => ({ bytes }),
    });
    if (hasStep(plan.steps, 'load')) {
      await book.step('load', {
        do: () => dataTransfer.loadData(input, item, 'load', 'running').catch(markDamage),
        undo: () => undoData.takeDataBack(input, item),
        detail: ({ notes }) => notesDetail(notes),
      });
    }
    await book.step('place', {
      do: async () => {
        const placed = await dataTransfer.placeData(input, item, fetched, 'place', replacedFilesIn(plan));
        await catalogue.openWayBack(input.runId, keptInGuest(placed.record), plan.before);
        return placed;
      },
      undo: () => takeDataBack(calls, input, item),
      detail: placedDetail,
    });
    const recoverySeconds = secondsSince(input.acceptedAt);
    book.result({ recoveryPointId: item.recoveryPointId, recoverySeconds, lostSeconds: plan.loss.seconds });
    // It is in place, and people use it: a cancel comes too late.
    book.settleAll();
    await book.uninterrupted(async () => {
      await book.step('tidy', { do: () => leftBehind(data.discardFetched(input, item)), detail: (outcome) => outcome });
      await book.step('record', { do: () => giveServerBack(calls, input), detail: (returned) => ({ recoverySeconds, ...returned }) });
    });
  });
}

/** A recovery point of what is there now. Data that is damaged already may not be savable: that is no reason not to mend it. */
async function saveAsItIs(
  book: Runbook,
  calls: Calls,
  input: RestoreDataInput,
  item: DataBackupItem,
  hasCredentials: boolean,
): Promise<Readonly<Record<string, string>>> {
  const { data, dataTransfer } = calls;
  let left: Readonly<Record<string, string>> = {};
  let outcome: Readonly<Record<string, string>>;
  try {
    const credentials = hasCredentials ? await credentialsNow(input.hypervisor, input) : undefined;
    const dumped = item.dataSet.kind === 'postgresql' ? await dataTransfer.dumpDataSet(input, item) : null;
    const saved = await dataTransfer.saveDataSet(input, item, dumped);
    await data.verifySavedData(input, item, saved);
    await data.publishData({ ...input, reason: `before the restore of run ${input.runId}` }, item, saved, 'safety', credentials);
    outcome = { recoveryPointId: item.recoveryPointId };
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    const { code, message } = summarise(thrown);
    outcome = { notSaved: `${code}: ${message}` };
  } finally {
    // Also after a cancel.
    if (item.dataSet.kind === 'postgresql') left = await book.uninterrupted(() => discardSpool(calls, input, item.dataSet));
  }
  return { ...outcome, ...left };
}
