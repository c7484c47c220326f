import { openStage, Rehearsal, RESTORE } from './harness';
import { AGAINST, judgedPlan, PUT_BACK, restoreJudged } from './relations';

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
});
