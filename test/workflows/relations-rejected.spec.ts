import { findingAbout } from '../support/made-up-relations';
import { besideForTests } from '../support/temporal';
import { RESTORE, UNDO, UNDO_PLAN } from './cast';
import { openStage, Rehearsal, type RehearsedType, type Scripted } from './harness';
import { AGAINST, jobFor, judgedPlan, PUT_BACK, restoreJudged } from './relations';

/** Peers that do not change their mind: each run waits as long as it gives them, all of them at the same time. */
jest.setTimeout(300_000);
let stage: Awaited<ReturnType<typeof openStage>>;

const UNDO_PROVEN = { ...UNDO_PLAN, steps: UNDO_PLAN.steps.flatMap((step) => (step.key === 'record' ? [{ key: 'peers', title: 'Prove' }, step] : [step])) };
/** More than half a minute passes until the fifth question, and three minutes until the twelfth. */
const SILENT = 4;
const ASKED_IN_THREE_MINUTES = 12;
function afterSilence(then: typeof AGAINST | undefined): Parameters<typeof restoreJudged>[1] {
  let asked = 0;
  return (moment) => (moment !== 'quarantine' ? undefined : (asked += 1) <= SILENT ? { against: [findingAbout('PEER_UNKNOWN', 'unknown')] } : then);
}
const SCENES = {
  rejectedLive: ['restoreServer', RESTORE, restoreJudged(judgedPlan([]), (moment) => (moment === 'live' ? AGAINST : undefined))],
  silentInQuarantine: ['restoreServer', RESTORE, restoreJudged(judgedPlan([]), afterSilence(undefined))],
  silentForGood: [
    'restoreServer',
    RESTORE,
    restoreJudged(judgedPlan([]), (moment) => (moment === 'quarantine' ? { against: [findingAbout('PEER_UNKNOWN', 'unknown')] } : undefined)),
  ],
  blockedAfterSilence: ['restoreServer', RESTORE, restoreJudged(judgedPlan([]), afterSilence(AGAINST))],
  rejectedInQuarantine: ['restoreServer', RESTORE, restoreJudged(judgedPlan([]), (moment) => (moment === 'quarantine' ? AGAINST : undefined))],
  warned: [
    'restoreServer',
    RESTORE,
    restoreJudged(judgedPlan([]), (moment) => (moment === 'live' ? { warnings: [findingAbout('BEHIND', 'warn')] } : undefined)),
  ],
  undone: [
    'undoRestore',
    UNDO,
    { loadPlan: async () => UNDO_PROVEN, readingJobs: async () => [jobFor('db02')], judgeUndone: async () => ({ ...AGAINST, judged: 1, steps: [] }) },
  ],
} satisfies Record<string, readonly [RehearsedType, unknown, Scripted]>;

let playing: Readonly<Record<keyof typeof SCENES, Promise<{ readonly rehearsal: Rehearsal; readonly closed: string }>>>;
beforeAll(async () => {
  stage = await openStage();
  const play = async ([type, input, scripted]: (typeof SCENES)[keyof typeof SCENES]) => {
    const rehearsal = new Rehearsal({ ...stage, temporal: await besideForTests(stage.temporal) }, scripted as Scripted);
    return { rehearsal, closed: await rehearsal.play(type, input) };
  };
  playing = Object.fromEntries(Object.entries(SCENES).map(([name, scene]) => [name, play(scene)])) as unknown as typeof playing;
});
afterAll(async () => {
  await Promise.allSettled(Object.values(playing));
  await stage.close();
});

describe('a restore that its peers reject', () => {
  it('has failed when the peers reject it for good after go-live; the server stays, is given back, and keeps its way back', async () => {
    const { rehearsal, closed } = await playing.rejectedLive;
    expect(closed).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', message: expect.stringContaining('The server is live') } });
    expect(rehearsal.outcome?.recoverySeconds).toEqual(expect.any(Number));
    expect([rehearsal.stateOf('peers'), rehearsal.stateOf('record')]).toEqual(['failed', 'succeeded']);
    const after = rehearsal.calls.slice(rehearsal.calls.indexOf('goLive') + 1);
    expect(after).toContain('releaseFence');
    for (const never of [...PUT_BACK, 'revertWayBack', 'closeWayBack', 'discardVolumes']) expect(after).not.toContain(never);
  });

  it('puts everything back when the restored server would not work with its peers', async () => {
    const { rehearsal, closed } = await playing.rejectedInQuarantine;
    expect(closed).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', hint: expect.stringContaining('Rebuild it.') } });
    expect(rehearsal.stateOf('peers-before')).toBe('failed');
    expect(rehearsal.calls).not.toContain('goLive');
    expect(rehearsal.calls).toEqual(expect.arrayContaining([...PUT_BACK]));
    expect(rehearsal.stateOf('go-live')).toBe('skipped');
    // What is known to be wrong is given half a minute, in which it is asked at most so often.
    expect(rehearsal.calls.filter((call) => call === 'judgeRun').length).toBeLessThanOrEqual(1 + SILENT);
  });

  it('gives a peer that is silent before go-live as long as after it: it may just be restarting', async () => {
    const { rehearsal, closed } = await playing.silentInQuarantine;
    expect(closed).toBe('COMPLETED');
    expect(rehearsal.stateOf('peers-before')).toBe('succeeded');
    // Right before the swap, in quarantine until it spoke, and after go-live.
    expect(rehearsal.calls.filter((call) => call === 'judgeRun')).toHaveLength(1 + SILENT + 1 + 1);
    expect(rehearsal.calls).not.toContain('revertSwap');
  });

  it('puts everything back as soon as one that was silent speaks, and something is known to be wrong', async () => {
    const { rehearsal, closed } = await playing.blockedAfterSilence;
    expect(closed).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT' } });
    expect(rehearsal.calls.filter((call) => call === 'judgeRun')).toHaveLength(1 + SILENT + 1);
    expect(rehearsal.calls).not.toContain('goLive');
    expect(rehearsal.calls).toEqual(expect.arrayContaining([...PUT_BACK]));
  });

  it('puts everything back when a peer says nothing for three minutes', async () => {
    const { rehearsal, closed } = await playing.silentForGood;
    expect(closed).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', message: expect.stringContaining('PEER_UNKNOWN') } });
    const asked = rehearsal.calls.filter((call) => call === 'judgeRun').length - 1;
    expect([asked > SILENT + 1, asked <= ASKED_IN_THREE_MINUTES]).toEqual([true, true]);
    expect(rehearsal.calls).toEqual(expect.arrayContaining([...PUT_BACK]));
  });

  it('has succeeded with a warning that does not pass, and shows it', async () => {
    const { rehearsal, closed } = await playing.warned;
    expect(closed).toBe('COMPLETED');
    expect(rehearsal.calls.filter((call) => call === 'judgeRun').length).toBeGreaterThan(4);
    expect(rehearsal.steps.get('peers')).toMatchObject({ state: 'succeeded', detail: { judged: 1, warnings: 'BEHIND: BEHIND is so.' } });
  });
});

describe('an undo that its peers reject', () => {
  it('has failed; the server stays as it was put back, is given back, and the way to what was undone stays', async () => {
    const { rehearsal, closed } = await playing.undone;
    expect(closed).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'PEERS_REJECT', message: expect.stringContaining('The server is live') } });
    expect([rehearsal.stateOf('peers'), rehearsal.stateOf('record')]).toEqual(['failed', 'succeeded']);
    const after = rehearsal.calls.slice(rehearsal.calls.indexOf('waitForAgent') + 1);
    expect(after.filter((call) => call === 'judgeUndone').length).toBeGreaterThan(2);
    expect(after).toContain('releaseFence');
    for (const never of [...PUT_BACK, 'revertWayBack']) expect(after).not.toContain(never);
  });
});
