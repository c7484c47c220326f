import type { RunState } from '../../contracts/run';
import { decideSet, judgeSet } from './backup-set';

const SET = {
  deadline: '2026-03-02T12:10:00.000Z',
  members: ['a', 'b', 'c'].map((name) => ({ runId: `run_${name}`, serverId: `srv_${name}`, serverName: name })),
};
const heard = (ready: readonly string[], left: Readonly<Record<string, string>> = {}, isOver = false) => ({
  ready: new Set(ready),
  left: new Map(Object.entries(left)),
  isOver,
});

describe('the members of a set begin together, or not at all', () => {
  it('waits until the last one is ready', () => {
    expect(decideSet(SET, heard([]))).toEqual({ kind: 'wait' });
    expect(decideSet(SET, heard(['run_a', 'run_b']))).toEqual({ kind: 'wait' });
    expect(decideSet(SET, heard(['run_a', 'run_b', 'run_c']))).toEqual({ kind: 'go' });
  });

  it('is given up as soon as one will not come, also one that had been ready', () => {
    const why = 'c is not in it: its agent is silent.';
    expect(decideSet(SET, heard(['run_a'], { run_c: 'its agent is silent.' }))).toEqual({ kind: 'give-up', why });
    expect(decideSet(SET, heard(['run_a', 'run_b', 'run_c'], { run_c: 'its agent is silent.' }))).toEqual({ kind: 'give-up', why });
  });

  it('says of each one that will not come why, in the order of the set', () =>
    expect(decideSet(SET, heard(['run_b'], { run_c: 'its agent is silent.', run_a: 'it was cancelled.' }))).toEqual({
      kind: 'give-up',
      why: 'a is not in it: it was cancelled. c is not in it: its agent is silent.',
    }));

  it('is given up at the deadline, and says who was missing', () =>
    expect(decideSet(SET, heard(['run_b'], {}, true))).toEqual({ kind: 'give-up', why: 'a, c had not become ready by 2026-03-02T12:10:00.000Z.' }));

  it('goes when all are ready at the very deadline', () => expect(decideSet(SET, heard(['run_a', 'run_b', 'run_c'], {}, true))).toEqual({ kind: 'go' }));

  it('does not count runs of others', () => expect(decideSet(SET, heard(['run_a', 'run_b', 'run_x'], { run_y: 'no' }))).toEqual({ kind: 'wait' }));
});

describe('how a set stands', () => {
  const member = (runState: RunState, pointInTime: string | null) => ({ runState, pointInTime, recoveryPointId: pointInTime === null ? null : 'rp_1' });

  it('runs as long as one of its runs does', () =>
    expect(judgeSet([member('succeeded', '2026-03-02T12:00:00.000Z'), member('running', null)])).toEqual({ state: 'running', spreadMs: null }));

  it('is complete with a recovery point of every server, and says how far they lie apart', () =>
    expect(
      judgeSet([
        member('succeeded', '2026-03-02T12:00:00.250Z'),
        member('succeeded', '2026-03-02T12:00:00.000Z'),
        member('succeeded', '2026-03-02T12:00:01.100Z'),
      ]),
    ).toEqual({ state: 'complete', spreadMs: 1100 }));

  it('is incomplete when one is missing: what is there lies that far apart', () => {
    expect(judgeSet([member('succeeded', '2026-03-02T12:00:00.000Z'), member('failed', null)])).toEqual({ state: 'incomplete', spreadMs: null });
    expect(judgeSet([member('succeeded', '2026-03-02T12:00:00.000Z'), member('cancelled', null), member('succeeded', '2026-03-02T12:00:00.007Z')])).toEqual({
      state: 'incomplete',
      spreadMs: 7,
    });
  });

  it('counts a recovery point that was published before its run failed', () =>
    expect(judgeSet([member('failed', '2026-03-02T12:00:00.000Z'), member('succeeded', '2026-03-02T12:00:00.000Z')])).toEqual({
      state: 'complete',
      spreadMs: 0,
    }));

  it('has failed when there is none', () => expect(judgeSet([member('failed', null), member('cancelled', null)])).toEqual({ state: 'failed', spreadMs: null }));
});
