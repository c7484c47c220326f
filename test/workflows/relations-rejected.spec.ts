import { findingAbout } from '../support/made-up-relations';
import { openStage, Rehearsal, RESTORE, UNDO, UNDO_PLAN } from './harness';
import { AGAINST, jobFor, judgedPlan, PUT_BACK, restoreJudged } from './relations';

/** Peers that do not change their mind: each test waits as long as a run gives them. A file of its own, so that others go on beside it. */
jest.setTimeout(300_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

describe('a restore that its peers reject', () => {
  it('has failed when the peers reject it for good after go-live; the server stays, is given back, and keeps its way back', async () => {
    const rehearsal = new Rehearsal(
      stage,
      restoreJudged(judgedPlan([]), (moment) => (moment === 'live' ? AGAINST : undefined)),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', message: expect.stringContaining('The server is live') } });
    expect(rehearsal.outcome?.recoverySeconds).toEqual(expect.any(Number));
    expect([rehearsal.stateOf('peers'), rehearsal.stateOf('record')]).toEqual(['failed', 'succeeded']);
    const after = rehearsal.calls.slice(rehearsal.calls.indexOf('goLive') + 1);
    expect(after).toContain('releaseFence');
    for (const never of [...PUT_BACK, 'revertWayBack', 'closeWayBack', 'discardVolumes']) expect(after).not.toContain(never);
  });

  it('puts everything back when the restored server would not work with its peers', async () => {
    const rehearsal = new Rehearsal(
      stage,
      restoreJudged(judgedPlan([]), (moment) => (moment === 'quarantine' ? AGAINST : undefined)),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', hint: expect.stringContaining('Rebuild it.') } });
    expect(rehearsal.stateOf('peers-before')).toBe('failed');
    expect(rehearsal.calls).not.toContain('goLive');
    expect(rehearsal.calls).toEqual(expect.arrayContaining([...PUT_BACK]));
    expect(rehearsal.stateOf('go-live')).toBe('skipped');
  });

  it('has succeeded with a warning that does not pass, and shows it', async () => {
    const rehearsal = new Rehearsal(
      stage,
      restoreJudged(judgedPlan([]), (moment) => (moment === 'live' ? { warnings: [findingAbout('BEHIND', 'warn')] } : undefined)),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.steps.get('peers')).toMatchObject({ state: 'succeeded', detail: { judged: 1, warnings: 'BEHIND: BEHIND is so.' } });
  });
});

describe('an undo that its peers reject', () => {
  it('has failed; the server stays as it was put back, is given back, and the way to what was undone stays', async () => {
    const plan = { ...UNDO_PLAN, steps: UNDO_PLAN.steps.flatMap((step) => (step.key === 'record' ? [{ key: 'peers', title: 'Prove' }, step] : [step])) };
    const rehearsal = new Rehearsal(stage, {
      loadPlan: async () => plan,
      readingJobs: async () => [jobFor('db02')],
      judgeUndone: async () => ({ ...AGAINST, judged: 1, steps: [] }),
    });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', message: expect.stringContaining('The server is live') } });
    expect([rehearsal.stateOf('peers'), rehearsal.stateOf('record')]).toEqual(['failed', 'succeeded']);
    const after = rehearsal.calls.slice(rehearsal.calls.indexOf('waitForAgent') + 1);
    expect(after.filter((call) => call === 'judgeUndone').length).toBeGreaterThan(2);
    expect(after).toContain('releaseFence');
    for (const never of [...PUT_BACK, 'revertWayBack']) expect(after).not.toContain(never);
  });
});
