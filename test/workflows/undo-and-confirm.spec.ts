import { toFailure } from '../../activities/failures';
import { aliveWithin } from '../../activities/heartbeat';
import type { RunTrace } from '../../src/contracts/activities/planning';
import type { StepRecord } from '../../src/contracts/activities/catalogue';
import { ModosuError } from '../../src/contracts/errors';
import type { CleanUpInput } from '../../src/contracts/workflows';
import { BACKUP, CONFIRM, KEPT, KEPT_DATA, ONLINE, RESTORE, UNDO, UNDO_PLAN, UNDO_SURVEY, WAY_BACK } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';
import { findingAbout } from '../support/made-up-relations';
import { jobFor } from './relations';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const rehearse = (scripted: Scripted = {}) => new Rehearsal(stage, scripted);

/** A cancel is written down, and comes only when the run has asked for it. */
async function cancelledLate(type: 'undoRestore' | 'confirmRestore', input: unknown, scripted: Scripted = {}): Promise<Rehearsal> {
  let reached!: () => void;
  const moment = new Promise<void>((resolve) => (reached = resolve));
  const rehearsal = rehearse({ ...scripted, isCancelRequested: async () => (reached(), true) });
  const closed = await rehearsal.play(type, input, async (handle) => {
    // Where nobody asks, it ends by itself.
    await Promise.race([moment.then(() => handle.cancel()), handle.result().catch(() => undefined)]);
  });
  expect(closed).toBe('CANCELLED');
  expect(rehearsal.outcome).toMatchObject({ state: 'cancelled' });
  return rehearsal;
}

describe('undoRestore', () => {
  it('returns to the kept volumes without copying anything', async () => {
    const rehearsal = rehearse();
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual([
      'surveyUndo',
      'judgeUndo',
      'takeFence',
      'powerOff',
      'returnVolumes',
      'takeWayBack',
      'start',
      'waitForAgent',
      'releaseFence',
    ]);
    expect(rehearsal.outcome).toEqual({ state: 'succeeded', error: null });
  });

  it.each([
    ['swap', 'returnVolumes', 'WAY_BACK_INCOMPLETE', ['revertSwap', 'start', 'releaseFence', 'revertWayBack']],
    ['start', 'start', 'START_FAILED', ['powerOff', 'revertSwap', 'start', 'releaseFence', 'revertWayBack']],
    ['agent', 'waitForAgent', 'RUN_FAILED', ['powerOff', 'revertSwap', 'start', 'releaseFence', 'revertWayBack']],
  ] as const)('when %s fails for good, the server is as it was before the undo', async (key, activity, code, undone) => {
    let attempts = 0;
    const rehearsal = rehearse({ [activity]: async () => ((attempts += 1) === 1 ? failing(code)() : undefined) } as Scripted);
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('FAILED');
    expect(rehearsal.stateOf(key)).toBe('failed');
    const failedAt = rehearsal.calls.findIndex((call) => call === activity);
    expect(rehearsal.calls.slice(failedAt + 1)).toEqual(undone);
  });

  it('starts the server again although the database is away: the catalogue is told of it when it is back', async () => {
    let isBack = false;
    const rehearsal = rehearse({
      waitForAgent: failing('RUN_FAILED'),
      revertWayBack: async () => {
        if (!isBack) throw new Error('connection refused');
      },
      releaseFence: async () => void (isBack = rehearsal.calls.includes('start')),
    });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('FAILED');
    expect(rehearsal.calls.slice(rehearsal.calls.indexOf('revertSwap'))).toEqual(['revertSwap', 'start', 'releaseFence', 'revertWayBack']);
    expect(rehearsal.stateOf('swap')).toBe('undone');
  });

  it('waits for the agent with what an attempt that libvirt has ended had not waited yet', async () => {
    const deadlines: number[] = [];
    let waitedMs = 0;
    const rehearsal = rehearse({
      waitForAgent: () =>
        aliveWithin(40_000, async ({ deadlineMs }) => {
          deadlines.push(deadlineMs);
          if (deadlines.length > 1) return;
          const beganAt = performance.now();
          while ((waitedMs = performance.now() - beganAt) < 50) await new Promise((resolve) => setImmediate(resolve));
          throw toFailure(new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirt on local does not answer.'));
        }),
    });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('COMPLETED');
    expect(deadlines).toEqual([40_000, expect.any(Number)]);
    expect(deadlines[1]).toBeLessThanOrEqual(Math.ceil(40_000 - waitedMs));
    expect(deadlines[1]).toBeGreaterThan(1_000);
  });

  it('is taken back by a cancel that is written down and arrives only when the server is back', async () => {
    const { calls } = await cancelledLate('undoRestore', UNDO);
    expect(calls.slice(calls.indexOf('waitForAgent') + 1)).toEqual(['powerOff', 'revertSwap', 'start', 'releaseFence', 'revertWayBack']);
  });

  it('returns no data after a cancel that is written down and arrives only later', async () => {
    const { calls } = await cancelledLate('undoRestore', UNDO, { loadPlan: async () => ({ ...UNDO_PLAN, data: { record: KEPT_DATA, changes: [] } }) });
    expect(calls).toEqual(['surveyDataUndo', 'takeFence', 'releaseFence']);
  });

  it('refuses a plan whose world has changed', async () => {
    const rehearsal = rehearse({ surveyUndo: async () => ({ ...UNDO_SURVEY, wayBack: null }) });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({ code: 'PLAN_STALE', message: expect.stringContaining('no longer kept') as string });
    expect(rehearsal.calls).toEqual(['surveyUndo']);
  });

  it('asks the peers again right before it, and refuses what they have come to since the plan', async () => {
    const against = findingAbout('PEER_AHEAD', 'block', { remedy: 'Rebuild it.' });
    const rehearsal = rehearse({ readingJobs: async () => [jobFor('db02')], judgeUndo: async () => [against] });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({
      code: 'PLAN_STALE',
      message: expect.stringContaining('PEER_AHEAD') as string,
      hint: 'Rebuild it. Then make a new plan of the undo.',
    });
    expect(rehearsal.calls).toEqual(['surveyUndo', 'readMarkers', 'judgeUndo']);
  });

  it('asks nobody about what was never live', async () => {
    const rehearsal = rehearse({ loadPlan: async () => ({ ...UNDO_PLAN, undoes: { ...UNDO_PLAN.undoes, wentLiveAt: null } }) });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('COMPLETED');
    expect(rehearsal.calls).not.toContain('judgeUndo');
  });

  it('proves once the server is back that its peers work with it, where its plan says so', async () => {
    const steps = UNDO_PLAN.steps.flatMap((step) => (step.key === 'record' ? [{ key: 'peers', title: 'Prove' }, step] : [step]));
    const rehearsal = rehearse({
      loadPlan: async () => ({ ...UNDO_PLAN, steps }),
      readingJobs: async () => [jobFor('db02')],
      judgeUndone: async () => ({ against: [], judged: 1, steps: [], warnings: [] }),
    });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('COMPLETED');
    expect(rehearsal.calls.slice(-4)).toEqual(['waitForAgent', 'readMarkers', 'judgeUndone', 'releaseFence']);
    expect(rehearsal.steps.get('peers')).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });
  });

  it('refuses a plan that does not name what was changed since', async () => {
    const rehearsal = rehearse({ changesSincePlan: async () => ['configuration change "kernel" (chg_1) was completed since'] });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({
      code: 'PLAN_STALE',
      message: 'The plan no longer holds: configuration change "kernel" (chg_1) was completed since. Nothing was changed.',
    });
    expect(rehearsal.calls).toEqual(['surveyUndo']);
  });

  it('is planned by looking at the server and at what is kept', async () => {
    const rehearsal = rehearse();
    await rehearsal.play('planUndo', { planId: UNDO.planId, serverId: UNDO.serverId, ofRunId: UNDO.ofRunId });
    expect(rehearsal.calls).toEqual(['chooseUndoSource', 'surveyUndo', 'composeUndoPlan']);
  });
});

describe('confirmRestore', () => {
  it('deletes what is kept, then closes the way back', async () => {
    const rehearsal = rehearse();
    expect(await rehearsal.play('confirmRestore', CONFIRM)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual(['takeFence', 'discardKept', 'closeWayBack', 'releaseFence']);
  });

  it('deletes nothing after a cancel that is written down and arrives only later', async () => {
    const { calls } = await cancelledLate('confirmRestore', CONFIRM);
    expect(calls).toEqual(['takeFence', 'releaseFence']);
  });

  it('keeps the way back open when a volume cannot be deleted', async () => {
    const rehearsal = rehearse({ discardKept: failing('VOLUME_EXISTS', 'another server uses it') });
    expect(await rehearsal.play('confirmRestore', CONFIRM)).toBe('FAILED');
    expect(rehearsal.calls).toEqual(['takeFence', 'discardKept', 'releaseFence']);
  });
});

describe('cleanUpRun', () => {
  const steps = (...states: readonly (readonly [string, StepRecord['state']])[]): RunTrace => ({
    steps: states.map(([key, state], index) => ({ seq: index + 1, key, title: key, state })),
    wayBack: null,
    cancelRequested: false,
  });
  const clean = async (ended: CleanUpInput, trace: RunTrace, scripted: Scripted = {}) => {
    const rehearsal = rehearse({ traceOfRun: async () => trace, recordRecoveryPoint: failing('RECOVERY_POINT_NOT_FOUND'), ...scripted });
    expect(await rehearsal.play('cleanUpRun', ended)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'RUN_ENDED_OUTSIDE' } });
    return rehearsal;
  };

  const OLD = UNDO_SURVEY.present!.disks.map(({ path }) => path);
  const NEW = OLD.map((path) => `${path}.${RESTORE.runId}`);

  it('starts a server again that an offline backup had stopped', async () => {
    const { calls } = await clean(
      { kind: 'backup-image', input: BACKUP },
      steps(
        ['examine', 'succeeded'],
        ['fence', 'succeeded'],
        ['reserve', 'succeeded'],
        ['stop', 'succeeded'],
        ['copy:vda', 'running'],
        ['power', 'pending'],
        ['publish', 'pending'],
      ),
    );
    expect(calls).toEqual(['takeFence', 'cancelOnlineBackup', 'surveyEnded', 'startAfterShutdown', 'discardStaged', 'recordRecoveryPoint', 'releaseFence']);
  });

  it.each([
    ['starts a server again that an offline backup had stopped, although that was not written down', 'running', 'stopped', ['startAfterShutdown']],
    ['leaves a server off that people had switched off before its backup', 'running', 'none', []],
    ['leaves a server off that people have switched off since its backup has started it again', 'running', 'started-again', []],
    ['leaves it off also where only the stop was written down', 'succeeded', 'started-again', []],
    ['starts a server again as it was written down where nobody can tell more', 'succeeded', null, ['startAfterShutdown']],
  ] as const)('%s', async (_what, examine, stop, started) => {
    const { calls, outcome } = await clean({ kind: 'backup-image', input: BACKUP }, steps(['examine', examine], ['stop', 'pending']), {
      surveyEnded: async () => ({ files: OLD, stop }),
    });
    expect(calls).toEqual(['takeFence', 'cancelOnlineBackup', 'surveyEnded', ...started, 'discardStaged', 'recordRecoveryPoint', 'releaseFence']);
    expect(outcome?.error?.message.includes('The server was started again.')).toBe(started.length > 0);
    expect(outcome?.error?.message.includes('It had started the server again itself.')).toBe(stop === 'started-again');
  });

  it('starts no server again that its backup has started itself', async () => {
    const { calls } = await clean({ kind: 'backup-image', input: BACKUP }, steps(['stop', 'succeeded'], ['power', 'succeeded'], ['publish', 'running']), {
      surveyEnded: async () => ({ files: OLD, stop: 'stopped' }),
    });
    expect(calls).not.toContain('startAfterShutdown');
  });

  it('cancels the job of an online backup and never starts or stops the server', async () => {
    const { calls } = await clean(
      { kind: 'backup-image', input: ONLINE },
      steps(['examine', 'succeeded'], ['begin', 'running'], ['copy:vda', 'pending'], ['publish', 'pending']),
    );
    expect(calls).toEqual(['takeFence', 'cancelOnlineBackup', 'surveyEnded', 'discardStaged', 'recordRecoveryPoint', 'releaseFence']);
  });

  it.each([
    ['as it has written down', ['running', null], 1],
    ['although that was not written down', ['pending', null], 1],
    ['also when the repository was away meanwhile', ['pending', 'REPOSITORY_UNREACHABLE'], 2],
  ] as const)('lists a recovery point that had been published, %s', async (_what, [state, away], attempts) => {
    let attempt = 0;
    const { calls, outcome } = await clean({ kind: 'backup-image', input: ONLINE }, steps(['copy:vda', 'running'], ['publish', state]), {
      recordRecoveryPoint: async () => ((attempt += 1) === 1 && away !== null ? failing(away)() : undefined),
    });
    expect(calls.slice(-2 - attempts)).toEqual(['discardStaged', ...Array<string>(attempts).fill('recordRecoveryPoint'), 'releaseFence']);
    expect(outcome?.error?.message).toContain('is in the catalogue');
    expect(outcome?.error?.message).not.toContain('there is no recovery point');
  });

  const PUT_BACK = ['powerOff', 'revertSwap', 'startAfterShutdown', 'revertWayBack', 'discardVolumes'];
  const WRITTEN = [['recheck', 'succeeded'] as const, ['stop', 'succeeded'] as const, ['swap', 'succeeded'] as const, ['start', 'succeeded'] as const];
  /** The database took no writes any more, and the run has gone on. */
  const UNWRITTEN = [['fence', 'succeeded'] as const, ['copy:vda', 'pending'] as const, ['recheck', 'pending'] as const, ['stop', 'pending'] as const];
  it.each([
    ['as it has written down', WRITTEN, NEW],
    ['although none of it was written down', UNWRITTEN, NEW],
    ['also where it runs with the new volumes and somebody has defined it with the old ones', UNWRITTEN, [...OLD, ...NEW]],
    ['as it has written down where nobody can tell its volumes', WRITTEN, null],
  ])('puts the old server back when the restored one had not gone live, %s', async (_what, written, files) => {
    const { calls, outcome } = await clean({ kind: 'restore-server', input: RESTORE }, steps(...written), {
      surveyEnded: async () => ({ files, stop: 'stopped' }),
    });
    expect(calls).toEqual(['takeFence', 'surveyEnded', ...PUT_BACK, 'releaseFence']);
    expect(outcome?.error?.message).toContain('The old server was put back as it was.');
  });

  it('starts the old server again that a restore had only stopped, although that was not written down', async () => {
    const { calls, outcome } = await clean({ kind: 'restore-server', input: RESTORE }, steps(...UNWRITTEN), {
      surveyEnded: async () => ({ files: OLD, stop: 'stopped' }),
    });
    expect(calls).toEqual(['takeFence', 'surveyEnded', 'revertSwap', 'startAfterShutdown', 'revertWayBack', 'discardVolumes', 'releaseFence']);
    expect(outcome?.error?.message).toContain('The old server was put back as it was.');
  });

  it('never cuts the power of an old server, whatever the run has written down', async () => {
    const { calls } = await clean({ kind: 'restore-server', input: RESTORE }, steps(...WRITTEN), {
      surveyEnded: async () => ({ files: OLD, stop: 'stopped' }),
    });
    expect(calls).not.toContain('powerOff');
    expect(calls).toContain('revertSwap');
  });

  it('leaves an old server off that people had switched off before the run came to stop it', async () => {
    const { calls } = await clean({ kind: 'restore-server', input: RESTORE }, steps(...UNWRITTEN), {
      surveyEnded: async () => ({ files: NEW, stop: 'none' }),
    });
    expect(calls).toEqual(['takeFence', 'surveyEnded', 'powerOff', 'revertSwap', 'revertWayBack', 'discardVolumes', 'releaseFence']);
  });

  it('leaves a server alone that a restore had not touched yet: its swap can never come any more', async () => {
    const { calls, outcome } = await clean(
      { kind: 'restore-server', input: RESTORE },
      steps(['fence', 'succeeded'], ['copy:vda', 'running'], ['recheck', 'pending'], ['stop', 'pending'], ['swap', 'pending']),
    );
    expect(calls).toEqual(['takeFence', 'surveyEnded', 'revertSwap', 'revertWayBack', 'discardVolumes', 'releaseFence']);
    expect(outcome?.error?.message).toContain('had not been touched');
  });

  it('lets a restored server stay that had gone live', async () => {
    const { calls } = await clean({ kind: 'restore-server', input: RESTORE }, { ...steps(['swap', 'succeeded'], ['go-live', 'running']), wayBack: WAY_BACK });
    expect(calls).toEqual(['takeFence', 'goLive', 'releaseFence']);
  });

  it('says at once of one that somebody has given other volumes meanwhile that it could not be put in order, and not that it is live', async () => {
    const { calls, outcome } = await clean(
      { kind: 'restore-server', input: RESTORE },
      { ...steps(['swap', 'succeeded'], ['go-live', 'running']), wayBack: WAY_BACK },
      { goLive: failing('DEFINITION_CHANGED', 'Somebody has defined db01 with other volumes.') },
    );
    expect(calls).toEqual(['takeFence', 'goLive']);
    expect(outcome?.error?.message).toContain('It could not be put in order: Somebody has defined db01 with other volumes.');
    expect(outcome?.error?.message).not.toContain('had gone live');
  });

  it('goes on with an undo that had swapped, and takes one back that had not', async () => {
    const forward = await clean(
      { kind: 'undo', input: UNDO },
      { ...steps(['stop', 'succeeded'], ['swap', 'succeeded'], ['start', 'running']), wayBack: WAY_BACK },
    );
    expect(forward.calls).toEqual(['takeFence', 'surveyUndo', 'start', 'releaseFence']);
    const back = await clean({ kind: 'undo', input: UNDO }, steps(['stop', 'running'], ['swap', 'pending']));
    expect(back.calls).toEqual(['takeFence', 'revertSwap', 'startAfterShutdown', 'revertWayBack', 'releaseFence']);
  });

  it.each([
    ['starts a server again that an undo had stopped, although that was not written down', 'stopped', ['startAfterShutdown']],
    ['starts it also where the undo had started it with the volumes it returned to', 'started-again', ['startAfterShutdown']],
    ['leaves a server off that an undo had not stopped', 'none', []],
  ] as const)('%s', async (_what, stop, started) => {
    const { calls } = await clean(
      { kind: 'undo', input: UNDO },
      steps(['check', 'succeeded'], ['fence', 'running'], ['stop', 'pending'], ['swap', 'pending']),
      {
        surveyEnded: async () => ({ files: OLD, stop }),
      },
    );
    expect(calls).toEqual(['takeFence', 'revertSwap', 'surveyEnded', ...started, 'revertWayBack', 'releaseFence']);
  });

  const keptAgain = {
    ...UNDO_SURVEY,
    wayBack: { ...KEPT, volumes: (UNDO_SURVEY.present?.disks ?? []).map(({ target, path }) => ({ target, path, allocatedBytes: 1 })) },
  };
  it.each([
    ['nothing is kept for it any more', { ...UNDO_SURVEY, wayBack: null }],
    ['the server uses again what is kept', keptAgain],
  ])('does not go on with an undo that had been put back when it was ended, before the catalogue knew: %s', async (_what, survey) => {
    const asked: unknown[] = [];
    const { calls, outcome } = await clean(
      { kind: 'undo', input: UNDO },
      { ...steps(['stop', 'succeeded'], ['swap', 'succeeded'], ['start', 'failed'], ['agent', 'pending']), wayBack: WAY_BACK },
      { surveyUndo: async (_source, ofRunId) => (asked.push(ofRunId), survey) },
    );
    expect(calls).toEqual(['takeFence', 'surveyUndo', 'revertSwap', 'startAfterShutdown', 'revertWayBack', 'releaseFence']);
    // Of what this run itself has kept, not of what it returned to.
    expect(asked).toEqual([UNDO.runId]);
    expect(outcome?.error?.message).toContain('The undo had been taken back');
  });

  it.each([
    ['running', ['takeFence', 'surveyUndo', 'start', 'releaseFence'], 'The server was started with the volumes that its definition names now.'],
    ['off', ['takeFence', 'surveyUndo', 'releaseFence'], 'The server was not started'],
  ] as const)('starts the server where nobody can read whether the undo had been put back, and says so: %s', async (powerState, expected, words) => {
    const plan = { ...UNDO_PLAN, returnsTo: { ...UNDO_PLAN.returnsTo, powerState } };
    const { calls, outcome } = await clean(
      { kind: 'undo', input: UNDO },
      { ...steps(['stop', 'succeeded'], ['swap', 'succeeded'], ['start', 'running']), wayBack: WAY_BACK },
      { loadPlan: async () => plan, surveyUndo: failing('WAY_BACK_INCOMPLETE', 'The record /s/way-back.json cannot be read.') },
    );
    expect(calls).toEqual(expected);
    expect(outcome?.error?.message).toContain(`is not known: The record /s/way-back.json cannot be read. ${words}`);
    expect(outcome?.error?.message).not.toContain('the server uses them');
  });

  it('leaves a server off that was off before the undo that had been put back', async () => {
    const plan = { ...UNDO_PLAN, before: { ...UNDO_PLAN.before, powerState: 'off' as const } };
    const { calls } = await clean(
      { kind: 'undo', input: UNDO },
      { ...steps(['fence', 'succeeded'], ['swap', 'succeeded'], ['start', 'failed']), wayBack: WAY_BACK },
      { loadPlan: async () => plan, surveyUndo: async () => ({ ...UNDO_SURVEY, wayBack: null }) },
    );
    expect(calls).toEqual(['takeFence', 'surveyUndo', 'revertSwap', 'revertWayBack', 'releaseFence']);
  });

  it('ends a deletion that had begun, and begins none', async () => {
    const ended = await clean({ kind: 'confirm', input: CONFIRM }, steps(['fence', 'succeeded'], ['remove', 'running']));
    expect(ended.calls).toEqual(['takeFence', 'discardKept', 'closeWayBack', 'releaseFence']);
    const none = await clean({ kind: 'confirm', input: CONFIRM }, steps(['check', 'succeeded'], ['fence', 'running'], ['remove', 'pending']));
    expect(none.calls).toEqual(['takeFence', 'releaseFence']);
  });

  it('ends the run and gives the lock back although order could not be made', async () => {
    const { outcome } = await clean({ kind: 'backup-image', input: ONLINE }, steps(['begin', 'running']), {
      takeFence: failing('FENCED_OFF', 'a newer run has it'),
    });
    expect(outcome?.error?.message).toContain('a newer run has it');
  });
});
