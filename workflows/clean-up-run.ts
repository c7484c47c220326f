import { patched } from '@temporalio/workflow';
import type { RunTrace } from '../src/contracts/activities/planning';
import { ModosuError } from '../src/contracts/errors';
import type { RestorePlanBody } from '../src/contracts/plan';
import type { StopByRun } from '../src/contracts/server';
import type { StepKey } from '../src/contracts/step-keys';
import type {
  BackupDataInput,
  BackupImageInput,
  CleanUpInput,
  ConfirmInput,
  RestoreDataInput,
  RestoreServerInput,
  RunInput,
  RunResult,
  UndoInput,
} from '../src/contracts/workflows';
import { usesNewVolumes } from '../src/domain/planning/restore-planning';
import { isTakenBack } from '../src/domain/planning/undo-planning';
import { dataSetSteps } from '../src/domain/steps/data-steps';
import { catalogue, planning, type Calls } from './runbook/activities';
import { leaveSet } from './runbook/backup-set';
import { discardSpool, takeDataBack } from './runbook/data';
import { summarise } from './runbook/errors';
import { itemOf, loadPlanOf } from './runbook/plan';
import { carryOut, persistently, RECORDED_LAST } from './runbook/runbook';
import { isOn, revertsSwap } from './runbook/server';

/** Since an undo that had swapped the volumes is taken for that only if the hypervisor says so, too. */
const CLEAN_UP_SURVEYS = 'clean-up-surveys';
/** Since a record that nobody can read keeps no server off that had to be on. */
const CLEAN_UP_UNREAD = 'clean-up-unread';
/** Since hypervisor and repository say whether a server was stopped, its volumes swapped, its image published: a database that took no writes has kept none of these steps. */
const CLEAN_UP_BY_HYPERVISOR = 'clean-up-by-hypervisor';

/**
 * Puts in order what a run left behind whose workflow was terminated or lost in Temporal: nothing of it was undone then. Runs under the lock and the fence of
 * that run, which it ends as failed. What a run does to undo itself is done here too, whether it is known to have been begun or not; all of it is idempotent.
 * Before go-live the old server comes back; after it the new one stays.
 */
export async function cleanUpRun(ended: CleanUpInput): Promise<RunResult> {
  const surveys = ended.kind === 'undo' && patched(CLEAN_UP_SURVEYS);
  const goesOnUnread = surveys && patched(CLEAN_UP_UNREAD);
  const asksHypervisor = STOPS_SERVERS.has(ended.kind) && patched(CLEAN_UP_BY_HYPERVISOR);
  const recordsLast = SWAPS_VOLUMES.has(ended.kind) && patched(RECORDED_LAST);
  if (ended.kind === 'backup-image' && ended.input.set !== undefined) {
    await leaveSet(ended.input.set, { runId: ended.input.runId, why: 'its workflow was ended in Temporal.' });
  }
  return carryOut(ended.input, async (book, calls) => {
    const trace = await planning.traceOfRun(ended.input.runId);
    book.adopt(trace.steps);
    const done = await book.uninterrupted(() =>
      book
        .step(
          'clean-up',
          {
            do: () => persistently(() => cleanUp(ended, calls, { ...trace, surveys, goesOnUnread, asksHypervisor, recordsLast })),
            detail: (outcome) => ({ outcome }),
          },
          'Put in order what the ended workflow left behind',
        )
        .catch((thrown: unknown) => `It could not be put in order: ${summarise(thrown).message}`),
    );
    throw new ModosuError('RUN_ENDED_OUTSIDE', `The workflow of this run was ended in Temporal before it had finished. ${done}`, {
      hint: 'Look at the server and at the step "clean-up" of the run, then start again.',
    });
  });
}

/** Runs that may leave a server off, or on other volumes. */
const STOPS_SERVERS: ReadonlySet<CleanUpInput['kind']> = new Set(['backup-image', 'restore-server', 'undo']);
const SWAPS_VOLUMES: ReadonlySet<CleanUpInput['kind']> = new Set(['restore-server', 'undo']);

interface Trace extends RunTrace {
  /** The hypervisor is asked what has become of an undo … */
  readonly surveys: boolean;
  /** … and it goes on where that finds a record that cannot be read. */
  readonly goesOnUnread: boolean;
  /** The hypervisor is asked what the run has done to its server, and the repository whether its image was published. */
  readonly asksHypervisor: boolean;
  /** The catalogue is told that the old volumes are back once the server was started with them. */
  readonly recordsLast: boolean;
}

/** What was done, in a sentence for people. */
async function cleanUp(ended: CleanUpInput, calls: Calls, trace: Trace): Promise<string> {
  const { input } = ended;
  const hasServer = await calls.undo.takeFence(input);
  const done = await afterKind(ended, calls, trace, hasServer);
  await calls.undo.releaseFence(input);
  return done;
}

function afterKind(ended: CleanUpInput, calls: Calls, trace: Trace, hasServer: boolean): Promise<string> {
  switch (ended.kind) {
    case 'backup-image':
      return afterBackup(ended.input, calls, trace);
    case 'backup-data':
      return afterDataBackup(ended.input, calls, trace);
    case 'restore-data':
      return afterDataRestore(ended.input, calls, trace);
    case 'restore-server':
      return afterRestore(ended.input, calls, trace, hasServer);
    case 'undo':
      return afterUndo(ended.input, calls, trace);
    case 'confirm':
      return afterConfirm(ended.input, calls, trace);
  }
}

async function afterBackup(input: BackupImageInput, calls: Calls, trace: Trace): Promise<string> {
  const { undo } = calls;
  await undo.cancelOnlineBackup(input);
  const stop = succeeded(trace, 'power') ? 'none' : await stopByRun(input, calls, trace);
  if (stop === 'stopped') await undo.startAfterShutdown(input);
  await undo.discardStaged(input);
  // Whatever was written down: the repository says whether it was published. Only now, when nothing is staged any more that could still be.
  const published = (trace.asksHypervisor || begun(trace, 'publish')) && (await recordIfPublished(input, calls));
  return [
    published ? 'Its recovery point had been published and is in the catalogue.' : 'What it had written was removed; there is no recovery point of it.',
    ...(stop === 'stopped' ? ['The server was started again.'] : []),
    ...(stop === 'started-again' ? ['It had started the server again itself.'] : []),
  ].join(' ');
}

/** Between the publication and the catalogue's row: the repository is the truth. */
async function recordIfPublished(input: BackupImageInput, { host }: Calls): Promise<boolean> {
  try {
    await host.recordRecoveryPoint({ recoveryPointId: input.recoveryPointId, serverId: input.serverId, repository: input.repository, sizeBytes: 0 });
    return true;
  } catch (thrown) {
    if (summarise(thrown).code === 'RECOVERY_POINT_NOT_FOUND') return false;
    throw thrown;
  }
}

async function afterRestore(input: RestoreServerInput, calls: Calls, trace: Trace, hasServer: boolean): Promise<string> {
  const { undo } = calls;
  if (trace.wayBack?.wentLiveAt != null) {
    await undo.goLive(input);
    return 'The restored server had gone live and stays; the way back is kept.';
  }
  const plan = await loadPlanOf('server', input);
  if (trace.asksHypervisor) return takeRestoreBack(input, calls, trace, plan);
  const stopped = begun(trace, 'stop');
  if (stopped || begun(trace, 'swap')) {
    if (hasServer && begun(trace, 'start')) await undo.powerOff(input);
    await putBack(input, calls, trace, async () => stopped && isOn(plan.before));
  }
  await undo.discardVolumes(input, plan);
  return stopped ? 'The old server was put back as it was.' : 'The server had not been touched; the new volumes were removed.';
}

/**
 * By what the server is now, where that can be told: somebody may have defined it with its old volumes while it runs with the new ones. Its power is cut only while
 * it has the new volumes: what it has written to them goes with them. With its old ones it may never have noticed anything, or an earlier attempt of this clean-up
 * has started it again.
 */
async function takeRestoreBack(input: RestoreServerInput, calls: Calls, trace: Trace, plan: RestorePlanBody): Promise<string> {
  const { undo } = calls;
  const { files, stop } = await undo.surveyEnded(input);
  const isRestored = files === null ? begun(trace, 'start') : usesNewVolumes(plan, files);
  if (isRestored) await undo.powerOff(input);
  const stopped = hasStopped(stop) || begun(trace, 'stop');
  await putBack(input, calls, trace, async () => stopped && isOn(plan.before));
  await undo.discardVolumes(input, plan);
  return stopped || isRestored ? 'The old server was put back as it was.' : 'The server had not been touched; the new volumes were removed.';
}

/** As an undo in the run itself: a database that is away keeps no server off. */
async function putBack(input: RunInput, calls: Calls, { recordsLast }: Trace, starts: () => Promise<boolean>): Promise<void> {
  const { undo, recordUndo } = revertsSwap(calls, input);
  await undo();
  if (!recordsLast) await recordUndo();
  if (await starts()) await calls.undo.startAfterShutdown(input);
  if (recordsLast) await recordUndo();
}

/**
 * Also where the step could not be written down. A server that people had switched off the run has not stopped. Where the hypervisor knows of nothing, as of a stop
 * by an earlier version, what was written down counts.
 */
async function stopByRun(input: RunInput, { undo }: Calls, trace: Trace): Promise<StopByRun> {
  const { stop } = trace.asksHypervisor ? await undo.surveyEnded(input) : { stop: null };
  return hasStopped(stop) ? stop : begun(trace, 'stop') ? 'stopped' : 'none';
}

/** Also what it has started again: a restore starts the server with what it has put in place, and once more when that is taken back. */
const hasStopped = (stop: StopByRun | null): stop is 'stopped' | 'started-again' => stop === 'stopped' || stop === 'started-again';

async function afterDataBackup(input: BackupDataInput, calls: Calls, trace: RunTrace): Promise<string> {
  const problems: string[] = [];
  for (const item of input.items) {
    const { dataSet } = item;
    const [first] = dataSetSteps(dataSet);
    // What "before" has stopped must not stay stopped.
    const isOwed = dataSet.after !== null && first !== undefined && begun(trace, first.key) && !succeeded(trace, `after:${dataSet.name}`);
    if (isOwed) {
      await calls.data
        .runDataHook(input, item, 'after')
        .catch((thrown: unknown) => problems.push(`The program after "${dataSet.name}" did not do its work: ${summarise(thrown).message}`));
    }
    const { leftBehind: left } = await discardSpool(calls, input, dataSet);
    if (left !== undefined) problems.push(`What it had spooled for "${dataSet.name}" is still in the guest: ${left}`);
  }
  return ['Recovery points that it had published stay.', ...(problems.length === 0 ? ['What it had spooled in the guest was removed.'] : problems)].join(' ');
}

async function afterDataRestore(input: RestoreDataInput, calls: Calls, trace: RunTrace): Promise<string> {
  const { undoData } = calls;
  const item = itemOf(await loadPlanOf('data', input));
  if (trace.wayBack?.state === 'open') {
    await undoData.discardFetched(input, item);
    return 'The data had been put in place and stays; the way back is kept.';
  }
  const { leftBehind: left } = await takeDataBack(calls, input, item);
  await undoData.discardFetched(input, item);
  await undoData.discardSpool(input, item.dataSet);
  return ['The data in the guest is as it was before.', ...(left === undefined ? [] : [left])].join(' ');
}

/**
 * Forward once the volumes are swapped: that is what was asked for, and both states are whole. Unless the run has put the server back already: it tells the
 * hypervisor first, and may have been ended before the catalogue knew. Where nobody can tell because the record is broken, it is forward, too: volumes are
 * swapped by one definition, so whichever the server has now is whole, and nothing but its power is touched.
 */
async function afterUndo(input: UndoInput, calls: Calls, trace: Trace): Promise<string> {
  const { undo } = calls;
  const plan = await loadPlanOf('undo', input);
  const isSwapped = trace.wayBack?.state === 'open';
  const returned = isSwapped && plan.data == null && trace.surveys ? await wasReturned(input, calls, trace) : false;
  if (isSwapped && returned !== true) {
    const starts = plan.data == null && isOn(plan.returnsTo);
    if (starts) await undo.start(input);
    return returned === false ? 'The old volumes had been put back; the server uses them.' : unread(returned.unread, starts);
  }
  if (plan.data != null) return 'Undo it again if the data is not as it should be: what had been begun is continued by that.';
  await putBack(input, calls, trace, async () => isOn(plan.before) && (begun(trace, 'stop') || hasStopped(await stopByRun(input, calls, trace))));
  return returned === true ? 'The undo had been taken back: the server uses the volumes it had before it.' : 'The volumes had not been changed.';
}

/** By what the hypervisor says; why nobody can say it where the record of what was kept cannot be read. */
async function wasReturned(input: UndoInput, { host }: Calls, { goesOnUnread }: Trace): Promise<boolean | { readonly unread: string }> {
  try {
    return isTakenBack(await host.surveyUndo(input, input.runId));
  } catch (thrown) {
    const { code, message } = summarise(thrown);
    if (!goesOnUnread || code !== 'WAY_BACK_INCOMPLETE') throw thrown;
    return { unread: message };
  }
}

const unread = (why: string, started: boolean): string =>
  [
    `Whether the undo had been taken back before it was ended is not known: ${why}`,
    started
      ? 'The server was started with the volumes that its definition names now.'
      : 'The server was not started: it was off in the state to which the undo returns.',
    'No volume was changed or deleted. Look which of them it uses before you undo or confirm anything.',
  ].join(' ');

async function afterConfirm(input: ConfirmInput, { undo, undoData }: Calls, trace: RunTrace): Promise<string> {
  if (!begun(trace, 'remove')) return 'No volume had been deleted.';
  const { data } = await planning.requireConfirmable(input.ofRunId);
  if (data == null) await undo.discardKept(input);
  else await undoData.discardKeptData(input, data);
  await catalogue.closeWayBack(input.runId, input.ofRunId);
  return 'The kept volumes were deleted, as it had begun to.';
}

const stateOf = (trace: RunTrace, key: StepKey): string | undefined => trace.steps.find((step) => step.key === key)?.state;
/** What is shown lags behind what was done: a step that had not begun for people may have. Whoever undoes must not rely on more than its predecessor. */
const begun = (trace: RunTrace, key: StepKey): boolean => !['pending', 'skipped', undefined].includes(stateOf(trace, key)) || predecessorEnded(trace, key);
const succeeded = (trace: RunTrace, key: StepKey): boolean => stateOf(trace, key) === 'succeeded';

function predecessorEnded(trace: RunTrace, key: StepKey): boolean {
  const index = trace.steps.findIndex((step) => step.key === key);
  return index > 0 && trace.steps[index - 1]?.state === 'succeeded' && trace.steps[index]?.state === 'pending';
}
