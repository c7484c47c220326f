import type { RunAction } from '../contracts/run';
import { allowedRunActions, mustBeDecided, type RunSituation } from './run-actions';

const WAITING: RunSituation = {
  state: 'running',
  cancelRequested: false,
  waitingFor: 'go-live',
  decided: false,
  goesLiveWithSet: false,
  wayBack: { state: 'open', wasGone: false, wentLiveAt: null },
  isNewestOpen: true,
};
const LIVE = { state: 'open', wasGone: false, wentLiveAt: '2026-03-01T00:00:00.000Z' } as const;
const DONE: RunSituation = { ...WAITING, state: 'succeeded', waitingFor: null, wayBack: LIVE };

describe('allowedRunActions', () => {
  it.each<[string, RunSituation, readonly RunAction[]]>([
    ['a run that was just accepted', { ...WAITING, state: 'accepted', waitingFor: null, wayBack: null }, ['cancel']],
    ['a run in the middle, its swap done', { ...WAITING, waitingFor: null }, ['cancel']],
    ['a run that waits before go-live', WAITING, ['go-live', 'undo', 'cancel']],
    ['one whose decision has not reached it yet', { ...WAITING, decided: true }, ['cancel']],
    ['one that is being cancelled', { ...WAITING, cancelRequested: true }, []],
    ['a restore that went live', DONE, ['undo', 'confirm']],
    ['a restore that went live and failed afterwards', { ...DONE, state: 'failed' }, ['undo', 'confirm']],
    ['a run whose cancel came after go-live', { ...DONE, state: 'cancelled', cancelRequested: true }, ['undo', 'confirm']],
    ['a restore that never went live and could not be undone', { ...DONE, state: 'failed', wayBack: { ...LIVE, wentLiveAt: null } }, ['undo']],
    ['a restore with a newer one above it', { ...DONE, isNewestOpen: false }, ['confirm']],
    ['the restore of a server that was gone', { ...DONE, wayBack: { ...LIVE, wasGone: true } }, ['confirm']],
    ['a restore that was undone', { ...DONE, wayBack: { ...LIVE, state: 'undone' }, isNewestOpen: false }, []],
    ['a restore that was confirmed', { ...DONE, wayBack: { ...LIVE, state: 'confirmed' }, isNewestOpen: false }, []],
    ['a restore that has undone itself', { ...DONE, state: 'cancelled', wayBack: { ...LIVE, state: 'reverted', wentLiveAt: null }, isNewestOpen: false }, []],
    ['a backup that has ended', { ...DONE, wayBack: null, isNewestOpen: false }, []],
  ])('%s', (_what, situation, expected) => {
    expect(allowedRunActions(situation)).toEqual(expected);
  });
});

describe('mustBeDecided', () => {
  const run = { id: 'run_1', state: 'running', waitingFor: 'go-live', cancelRequested: false } as const;
  it('once', () => {
    expect(mustBeDecided(run, 'go-live', false)).toBe(true);
    expect(mustBeDecided({ ...run, waitingFor: null }, 'go-live', true)).toBe(false);
  });
  it.each([
    ['has ended', { ...run, state: 'succeeded' }, true, 'RUN_FINISHED', 'Run run_1 has ended already: succeeded.'],
    ['is being cancelled', { ...run, cancelRequested: true }, false, 'RUN_NOT_WAITING', 'Run run_1 is being cancelled: it does not go live any more.'],
    ['waits for nothing', { ...run, waitingFor: null }, false, 'RUN_NOT_WAITING', 'Run run_1 does not wait for "go-live".'],
  ] as const)('not of a run that %s', (_what, other, isDecided, code, message) => {
    expect(() => mustBeDecided(other, 'go-live', isDecided)).toThrow(
      expect.objectContaining({ code, message, context: { runId: 'run_1', state: other.state } }),
    );
  });
});
