import type { StepState } from '../../contracts/run';
import { closeStep, nextStep, stepAction, waitingAfter, type StoredStep } from './step-transition';

const now = new Date('2026-03-01T00:00:05.000Z');
const earlier = new Date('2026-03-01T00:00:00.000Z');
const STATES: readonly StepState[] = ['pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'undone'];

const stored = (state: StepState): StoredStep => ({
  seq: 1,
  key: 'copy:vda',
  title: 'Copy',
  state,
  startedAt: earlier,
  finishedAt: null,
  progress: null,
  detail: { a: 1 },
  error: null,
});
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

describe('evidence for a step that has ended', () => {
  const later = new Date('2026-03-01T00:10:00.000Z');
  const error = { code: 'COPY_FAILED', message: 'ended', hint: 'look' } as const;
  const failed: StoredStep = { ...stored('failed'), finishedAt: now, error };

  it('is added and changes nothing else', () => {
    const undone = nextStep(
      failed,
      { ...update('failed'), title: 'Other', detail: { undone: false, undoProblem: 'libvirt is away' }, error: { ...error, message: 'other' } },
      later,
    );
    expect(undone).toEqual({ ...failed, detail: { a: 1, undone: false, undoProblem: 'libvirt is away' } });
    expect(stepAction(failed, undone as StoredStep)).toBe('step.detail');
  });

  it('counts once, and only in the same state', () => {
    expect(nextStep(failed, { ...update('failed'), detail: { a: 1 } }, later)).toBeNull();
    for (const state of ['running', 'succeeded', 'skipped'] as const) expect(nextStep(failed, { ...update(state), detail: { b: 2 } }, later)).toBeNull();
    expect(nextStep({ ...failed, state: 'undone' }, { ...update('undone'), detail: { b: 2 } }, later)?.detail).toEqual({ a: 1, b: 2 });
  });
});

describe('stepAction', () => {
  it('names ends, and nothing before', () => {
    expect(STATES.map((state) => stepAction(null, stored(state)))).toEqual([null, null, null, 'step.succeeded', 'step.failed', 'step.skipped', 'step.undone']);
    expect(stepAction(stored('failed'), stored('undone'))).toBe('step.undone');
  });
});

describe('waitingAfter', () => {
  it('follows the step that waits for a person, and no other', () => {
    expect(STATES.filter((state) => waitingAfter(null, { key: 'go-live', state }) === 'go-live')).toEqual(['waiting']);
    expect(STATES.filter((state) => waitingAfter('go-live', { key: 'go-live', state }) === 'go-live')).toEqual(['waiting']);
    expect(STATES.every((state) => waitingAfter('go-live', { key: 'copy:vda', state }) === 'go-live')).toBe(true);
    expect(STATES.every((state) => waitingAfter(null, { key: 'copy:vda', state }) === null)).toBe(true);
  });
});

describe('closeStep', () => {
  it('ends what is open and leaves the rest', () => {
    expect(STATES.map((state) => closeStep(stored(state), now).state)).toEqual(['skipped', 'failed', 'failed', 'succeeded', 'failed', 'skipped', 'undone']);
    expect(closeStep(stored('succeeded'), now).finishedAt).toBeNull();
    expect(closeStep(stored('running'), now).finishedAt).toBe(now);
  });
});
