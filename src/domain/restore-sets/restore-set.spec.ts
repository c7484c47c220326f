import type { Relation } from '../../contracts/relation';
import { forManyCases } from '../../../test/support/many-cases';
import { goLiveOrder } from './order';
import { nextOfSet, stateOfSet, type SetRun } from './restore-set';

const run = (name: string, changes: Partial<SetRun> = {}): SetRun => ({
  runId: `run_${name}`,
  serverName: name,
  state: 'running',
  waitingFor: null,
  cancelRequested: false,
  isDecided: false,
  isLive: false,
  ...changes,
});
const waits = { waitingFor: 'go-live' } as const;
const done = { state: 'succeeded', isDecided: true, isLive: true } as const;

const REST = 'what is live is proven to work with one that goes live, and with none that is cancelled.';
const NOT_PROVEN =
  ' That "a" works with "b" was proven by no run, not even what can be seen of "a" alone, and no later restore of "b" asks for it: `modosu relation list --server b` says what is declared between them, `modosu profile show PROFILE` what to look at by hand (its rules of the phase live).';

describe('a set of restores', () => {
  it.each<[string, readonly SetRun[], object]>([
    ['waits while one is still at work', [run('a', waits), run('b')], { kind: 'wait' }],
    ['waits while people have something to do', [run('a', waits), run('b', { waitingFor: 'sign-off' })], { kind: 'wait' }],
    ['lets the first go live when all wait', [run('a', waits), run('b', waits)], { kind: 'go-live', runId: 'run_a' }],
    ['decides once', [run('a', { ...waits, isDecided: true }), run('b', waits)], { kind: 'wait' }],
    ['waits until the first has succeeded', [run('a', { isDecided: true, isLive: true }), run('b', waits)], { kind: 'wait' }],
    ['then lets the next one go', [run('a', done), run('b', waits)], { kind: 'go-live', runId: 'run_b' }],
    ['ends when all have succeeded', [run('a', done), run('b', done)], { kind: 'end', state: 'succeeded', problem: null }],
    ['takes the others back when one fails before anything is live', [run('a', { state: 'failed' }), run('b', waits)], { kind: 'cancel', runIds: ['run_b'] }],
    ['and when one is cancelled', [run('a', { ...waits, cancelRequested: true }), run('b', waits)], { kind: 'cancel', runIds: ['run_b'] }],
    ['asks for that once', [run('a', { state: 'failed' }), run('b', { cancelRequested: true })], { kind: 'wait' }],
    ['and has failed when all have ended', [run('a', { state: 'failed' }), run('b', { state: 'cancelled' })], { kind: 'end', state: 'failed' }],
    ['waits with that while one may go live', [run('a', { ...waits, isDecided: true }), run('b', { state: 'failed' })], { kind: 'wait' }],
    ['also after another was live', [run('a', done), run('b', { ...waits, isDecided: true }), run('c', { state: 'failed' })], { kind: 'wait' }],
    ['stops when one fails after another was live', [run('a', done), run('b', { state: 'failed' }), run('c', waits)], { kind: 'end', state: 'stopped' }],
    [
      'stops when one is live and its peers do not accept it',
      [run('a', { state: 'failed', isLive: true }), run('b', waits)],
      { kind: 'end', state: 'stopped' },
    ],
  ])('%s', (_what, runs, move) => {
    expect(nextOfSet(runs)).toMatchObject(move);
  });

  it.each<[string, readonly SetRun[], string]>([
    ['nobody', [], ''],
    ['one', [run('c', waits)], ` "c" waits in quarantine: go live or cancel, each by itself; ${REST}`],
    ['two', [run('c', waits), run('d', waits)], ` "c", "d" wait in quarantine: go live or cancel, each by itself; ${REST}`],
  ])('says who is live and who waits for people when it stops: %s', (_who, waiting, rest) => {
    expect(nextOfSet([run('a', done), run('b', { state: 'failed' }), ...waiting])).toMatchObject({
      problem: `"b" did not come through. "a" had gone live.${rest}${NOT_PROVEN}`,
    });
  });

  it.each<[string, readonly SetRun[], string | null]>([
    ['of one that is being cancelled: it waits for nobody', [run('b', { ...waits, cancelRequested: true })], '"a" had gone live. That "a" works with "b" was'],
    [
      'of every one that was lost',
      [run('b', { cancelRequested: true }), run('c', { state: 'cancelled' })],
      'That "a" works with "b", "c" was proven by no run',
    ],
    [
      'with the relations of each',
      [run('b', { state: 'failed' }), run('c', { state: 'cancelled' })],
      'list --server b`, `modosu relation list --server c` says',
    ],
    ['of more that are live', [{ ...run('b'), ...done }, run('c', { state: 'failed' })], 'what can be seen of "a", "b" alone'],
    ['not of one that was live: its own run has asked', [run('b', { state: 'failed', isLive: true })], null],
  ])('says what of those that are live nobody has proven: %s', (_what, others, said) => {
    const move = nextOfSet([run('a', done), ...others]);
    const expected = said === null ? expect.not.stringContaining('was proven by no run') : expect.stringContaining(said);
    expect(move).toMatchObject({ kind: 'end', state: 'stopped', problem: expected as string });
  });

  it('lets nothing go live before all others wait or are live, in their order, and cancels nothing once one is', () => {
    forManyCases(2_000, (chance) => {
      const runs = Array.from({ length: 2 + chance.below(4) }, (_, index) =>
        run(String(index), {
          state: chance.one(['accepted', 'running', 'succeeded', 'failed', 'cancelled'] as const),
          waitingFor: chance.one([null, 'go-live', 'sign-off', 'sign-off-live'] as const),
          cancelRequested: chance.is(20),
          isDecided: chance.is(30),
          isLive: chance.is(20),
        }),
      );
      const move = nextOfSet(runs);
      if (move.kind === 'go-live') {
        const index = runs.findIndex(({ runId }) => runId === move.runId);
        expect(runs.slice(0, index).every(({ state }) => state === 'succeeded')).toBe(true);
        expect(runs.slice(index).every(({ state, waitingFor }) => state === 'succeeded' || waitingFor === 'go-live')).toBe(true);
      }
      if (move.kind === 'cancel') expect(runs.some(({ isLive, isDecided, state }) => isLive || (isDecided && state === 'running'))).toBe(false);
    });
  });
});

it('a set is planned when all its plans are, and fails with one of them', () => {
  const members = (...states: readonly ('planning' | 'ready' | 'failed' | null)[]) =>
    states.map((planState, index) => ({ planState, serverName: `s${index}` }));
  expect(stateOfSet('planned', members('ready', 'planning')).state).toBe('planning');
  expect(stateOfSet('planned', members('ready', null)).state).toBe('planned');
  expect(stateOfSet('planned', members('failed', 'planning'))).toEqual({ state: 'failed', problem: 'The plan of "s0" could not be made.' });
  expect(stateOfSet('stopped', members('ready')).state).toBe('stopped');
});

it('servers go live after what they cannot work without, else in the order that was given', () => {
  const needs = (server: string, peer: string, strength: 'hard' | 'soft' = 'hard'): Relation => ({
    name: `${server}-${peer}`,
    type: 'depends-on',
    server,
    address: null,
    peers: [{ server: peer, address: null }],
    strength,
    profile: null,
    parameters: {},
  });
  expect(goLiveOrder(['web', 'app', 'db'], [needs('web', 'app'), needs('app', 'db'), needs('db', 'elsewhere')])).toEqual(['db', 'app', 'web']);
  expect(goLiveOrder(['b', 'a'], [needs('b', 'a', 'soft')])).toEqual(['b', 'a']);
  expect(goLiveOrder(['b', 'a'], [{ ...needs('b', 'a'), type: 'replicates-with' }])).toEqual(['b', 'a']);
  expect(goLiveOrder(['other', 'web', 'db'], [needs('web', 'db')])).toEqual(['other', 'db', 'web']);
  expect(goLiveOrder(['a', 'b'], [needs('a', 'b'), needs('b', 'a')])).toEqual(['b', 'a']);
});
