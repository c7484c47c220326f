import { isCancellation } from '@temporalio/workflow';
import type { DataBackupItem, RestoreDataInput, RunResult } from '../src/contracts/workflows';
import { catalogue, dataCalls, dataTransfers, dataUndoCalls, serverCalls, undoCalls } from './runbook/activities';
import { markIfDamaged } from './runbook/damage';
import { summarise } from './runbook/errors';
import { giveServerBack } from './runbook/fence';
import { leftBehind } from './runbook/left-behind';
import { itemOf, loadPlanOf } from './runbook/plan';
import { placedDetail } from './runbook/placed';
import { carryOut } from './runbook/runbook';

/**
 * Brings data back into a running server, forward only unless more was asked for. What is fetched lies beside what is in use until it is complete and checked; only then is it put in place. Until that moment a
 * failure or a cancel leaves the guest as it was; afterwards what was replaced stays in the guest as the way back.
 */
export async function restoreData(input: RestoreDataInput): Promise<RunResult> {
  const data = dataCalls(input.hypervisor);
  const server = serverCalls(input.hypervisor);
  const transfer = dataTransfers(input.hypervisor);
  const undo = undoCalls(input.hypervisor);
  const undoData = dataUndoCalls(input.hypervisor);

  return carryOut(input, async (book) => {
    const plan = await loadPlanOf('data', input);
    const item = itemOf(plan);
    const markDamage = (thrown: unknown): Promise<never> => markIfDamaged(item.recoveryPointId, thrown);
    await book.announce(plan.steps);
    await book.step('check', { do: () => data.examineDataSets({ ...input, items: [{ recoveryPointId: item.recoveryPointId, dataSet: item.dataSet }] }), detail: ({ restic, agentVersion }) => ({ restic, agentVersion }) });
    await book.step('fence', { do: () => server.takeFence(input), undo: () => undo.releaseFence(input) });
    await book.step('safety', { do: () => saveAsItIs(input, { recoveryPointId: input.safetyRecoveryPointId, dataSet: item.dataSet }), detail: (outcome) => outcome });

    const fetched = await book.step('fetch', { do: () => transfer.fetchData(input, item, 'fetch').catch(markDamage), undo: () => leftBehind(data.discardFetched(input, item)), detail: ({ bytes }) => ({ bytes }) });
    if (plan.steps.some(({ key }) => key === 'load')) await book.step('load', { do: () => transfer.loadData(input, item, 'load').catch(markDamage), undo: () => undoData.takeDataBack(input, item) });
    await book.step('place', {
      do: async () => {
        const record = await transfer.placeData(input, item, fetched, 'place');
        await catalogue.openWayBack(input.runId, { wasGone: false, volumes: [], nvramPath: null, generationId: null, complete: true, data: record }, plan.before);
        return record;
      },
      undo: async () => {
        await undoData.takeDataBack(input, item);
        await catalogue.revertWayBack(input.runId);
      },
      detail: placedDetail,
    });
    const recoverySeconds = Math.round((Date.now() - Date.parse(input.acceptedAt)) / 100) / 10;
    book.result({ recoveryPointId: item.recoveryPointId, recoverySeconds, lostSeconds: plan.loss.seconds });
    // It is in place, and people use it: a cancel comes too late.
    book.settleAll();
    await book.uninterrupted(async () => {
      await book.step('tidy', { do: () => leftBehind(data.discardFetched(input, item)), detail: (outcome) => outcome });
      await book.step('record', { do: () => giveServerBack(server, input), detail: (returned) => ({ recoverySeconds, ...returned }) });
    });
  });
}

/** A recovery point of what is there now. Data that is damaged already may not be savable: that is no reason not to mend it. */
async function saveAsItIs(input: RestoreDataInput, item: DataBackupItem): Promise<Readonly<Record<string, string>>> {
  const data = dataCalls(input.hypervisor);
  const transfer = dataTransfers(input.hypervisor);
  try {
    const dumped = item.dataSet.kind === 'postgresql' ? await transfer.dumpDataSet(input, item) : null;
    const saved = await transfer.saveDataSet(input, item, dumped);
    await data.verifySavedData(input, item, saved);
    await data.publishData({ ...input, reason: `before the restore of run ${input.runId}` }, item, saved, 'safety');
    return { recoveryPointId: item.recoveryPointId };
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    const { code, message } = summarise(thrown);
    return { notSaved: `${code}: ${message}` };
  } finally {
    if (item.dataSet.kind === 'postgresql') await data.discardSpool(input, item.dataSet).catch(() => undefined);
  }
}
