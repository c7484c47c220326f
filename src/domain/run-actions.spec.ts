import type { RunAction } from '../contracts/run';
import type { LostChange } from '../contracts/change';
import type { PlanBody } from '../contracts/plan';
import { allowedRunActions, changesToSignOff, decisionMeant, mustBeDecided, notAppliedWith, type RunSituation } from './run-actions';

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
    ['one that waits after go-live', { ...WAITING, waitingFor: 'sign-off-live', wayBack: LIVE }, ['sign-off']],
    ['one that waits after go-live, and somebody has tried to cancel', { ...WAITING, waitingFor: 'sign-off-live', cancelRequested: true }, ['sign-off']],
    ['one whose sign-off after go-live has not reached it yet', { ...WAITING, waitingFor: 'sign-off-live', decided: true }, []],
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

describe('a sign-off', () => {
  const live = { id: 'run_1', state: 'running', waitingFor: 'sign-off-live', cancelRequested: true } as const;
  it('is of what the run waits for: before go-live, or after it, where a cancel has come too late', () => {
    expect(decisionMeant({ waitingFor: 'sign-off' }, 'sign-off', false)).toBe('sign-off');
    expect(decisionMeant(live, 'sign-off', false)).toBe('sign-off-live');
    expect(decisionMeant(live, 'go-live', false)).toBe('go-live');
    expect(mustBeDecided(live, 'sign-off-live', false)).toBe(true);
    expect(() => mustBeDecided(live, 'go-live', false)).toThrow(expect.objectContaining({ code: 'RUN_NOT_WAITING' }));
  });

  it('says which changes were not applied before go-live alone', () => {
    expect(notAppliedWith('run_1', 'sign-off', ['chg_1'], ['chg_1', 'chg_2'])).toEqual(['chg_1']);
    expect(notAppliedWith('run_1', 'sign-off', [], [])).toEqual([]);
    expect([notAppliedWith('run_1', 'sign-off-live', [], []), notAppliedWith('run_1', 'go-live', undefined, [])]).toEqual([null, null]);
    expect(() => notAppliedWith('run_1', 'sign-off-live', ['chg_1'], ['chg_1'])).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }));
  });

  it('names no change that is not waited for', () => {
    const refused = (notApplied: readonly string[], asked: readonly string[]) => () => notAppliedWith('run_1', 'sign-off', notApplied, asked);
    expect(refused(['chg_1', 'chg_3'], ['chg_1', 'chg_2'])).toThrow('Run run_1 waits for no "chg_3": it waits for "chg_1", "chg_2".');
    expect(refused(['chg_1'], [])).toThrow('Run run_1 waits for no "chg_1": of configuration changes it waits for none.');
  });

  it('is waited for of changes that the plan applies again, and no program has applied', () => {
    const change = (id: string): LostChange => ({ id, title: id, ticket: null, completedAt: null, how: 'missing', applyAgain: null });
    const lostChanges = { changes: [change('chg_1'), change('chg_2')], returning: [], isKnown: true, drift: null };
    const body = (changes: object): PlanBody => ({ scenario: 'server', lostChanges, appliesChanges: true, ...changes }) as unknown as PlanBody;
    expect(changesToSignOff(body({}), [])).toEqual(['chg_1', 'chg_2']);
    expect(changesToSignOff(body({}), ['chg_1', 'chg_3'])).toEqual(['chg_2']);
    for (const none of [
      null,
      body({ appliesChanges: false }),
      body({ appliesChanges: undefined }),
      body({ scenario: 'undo' }),
      body({ lostChanges: undefined }),
    ]) {
      expect(changesToSignOff(none, [])).toEqual([]);
    }
  });
});
