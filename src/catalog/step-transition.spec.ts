import type { StepState } from '../contracts/run';
import { closeStep, nextStep, type StoredStep } from './step-transition';

const now = new Date('2026-03-01T00:00:05.000Z');
const earlier = new Date('2026-03-01T00:00:00.000Z');
const STATES: readonly StepState[] = ['pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'undone'];

const stored = (state: StepState): StoredStep => ({ seq: 1, key: 'copy:vda', title: 'Copy', state, startedAt: earlier, finishedAt: null, progress: null, detail: { a: 1 }, error: null });
const update = (state: StepState): Parameters<typeof nextStep>[1] => ({ seq: 1, key: 'copy:vda', title: 'Copy', state });

describe('nextStep', () => {
  it('allows exactly these changes', () => {
    const allowed = STATES.map((from) => `${from} -> ${STATES.filter((to) => nextStep(stored(from), update(to), now) !== null).join(' ')}`);
    expect(allowed).toEqual([
      'pending -> pending running waiting succeeded failed skipped undone',
      'running -> running waiting succeeded failed skipped undone',
      'waiting -> running waiting succeeded failed skipped undone',
      'succeeded -> undone',
      'failed -> undone',
      'skipped -> undone',
      'undone -> ',
    ]);
  });

  it('sets the times of a new step by what it says', () => {
    const times = STATES.map((state) => {
      const step = nextStep(null, update(state), now);
      return [state, step?.startedAt === now, step?.finishedAt === now];
    });
    expect(times).toEqual([
      ['pending', false, false],
      ['running', true, false],
      ['waiting', true, false],
      ['succeeded', true, true],
      ['failed', true, true],
      ['skipped', false, true],
      ['undone', false, true],
    ]);
  });

  it('adds evidence and keeps the error of a failed step that is undone', () => {
    const error = { code: 'COPY_FAILED', message: 'ended', hint: 'look' } as const;
    const failed = nextStep(stored('running'), { ...update('failed'), detail: { b: 2 }, error }, now);
    const undone = nextStep(failed, { ...update('undone'), detail: { removed: true }, error: null }, now);
    expect(undone).toMatchObject({ state: 'undone', detail: { a: 1, b: 2, removed: true }, error, startedAt: earlier });
  });
});

describe('closeStep', () => {
  it('ends what is open and leaves the rest', () => {
    expect(STATES.map((state) => closeStep(stored(state), now).state)).toEqual(['skipped', 'failed', 'failed', 'succeeded', 'failed', 'skipped', 'undone']);
    expect(closeStep(stored('succeeded'), now).finishedAt).toBeNull();
    expect(closeStep(stored('running'), now).finishedAt).toBe(now);
  });
});
