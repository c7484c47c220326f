import { DefaultFailureConverter, defaultPayloadConverter, type ProtoFailure } from '@temporalio/common';
import { ActivityFailure, ApplicationFailure, CancelledFailure, TimeoutFailure } from '@temporalio/workflow';
import { ERROR_CODES } from '../../src/contracts/error-codes';
import { ModosuError } from '../../src/contracts/errors';
import { summarise } from './errors';

const failures = new DefaultFailureConverter();
const summary = { code: 'SPACE_MISSING', message: 'There is no room.', hint: 'Make room.' } as const;
const DETAIL = new ModosuError('TARGET_UNREACHABLE', 'It cannot be written.', { hint: 'Mount it.', context: { directory: '/srv/vm' } }).summary();

/** As the worker's failures arrive: encoded into the history, and decoded again. */
const recorded = (failure: Error): Error => failures.failureToError(failures.errorToFailure(failure, defaultPayloadConverter), defaultPayloadConverter);
const ofActivity = (cause?: Error): Error => new ActivityFailure('Activity task failed', 'copyDisk', '1', 'NON_RETRYABLE_FAILURE', 'worker', cause);
const timedOut = (type: 'HEARTBEAT' | 'SCHEDULE_TO_CLOSE' | undefined, last?: Error): TimeoutFailure => {
  const failure = new TimeoutFailure('it took too long', undefined, type as never);
  if (last !== undefined) failure.failure = { message: 'it took too long', cause: failures.errorToFailure(last, defaultPayloadConverter) } as ProtoFailure;
  return failure;
};

describe('what a step failed with', () => {
  it('is a cancel, however it arrives', () => {
    const expected = { code: 'RUN_CANCELLED', message: 'The run was cancelled.', hint: ERROR_CODES.RUN_CANCELLED.hint };
    expect(summarise(new CancelledFailure('now'))).toEqual(expected);
    expect(summarise(ofActivity(new CancelledFailure('now')))).toEqual(expected);
  });

  it.each(['verification', 'transfer'] as const)('is a cancel of the %s where that is what has ended', (of) => {
    expect(summarise(ofActivity(new CancelledFailure('now')), of)).toMatchObject({ code: 'RUN_CANCELLED', message: `The ${of} was cancelled.` });
    expect(summarise(new ModosuError('PLAN_STALE', 'The plan is old.'), of)).toMatchObject({ code: 'PLAN_STALE', message: 'The plan is old.' });
  });

  it('is what the activity says: its summary, whole, through the history', () => {
    const failure = recorded(ofActivity(ApplicationFailure.create({ type: DETAIL.code, message: DETAIL.message, nonRetryable: true, details: [DETAIL] })));
    expect(summarise(failure)).toEqual(DETAIL);
  });

  it('is an error of our own', () =>
    expect(summarise(new ModosuError('PLAN_STALE', 'The plan is old.', { hint: 'Make a new one.' }))).toEqual({
      code: 'PLAN_STALE',
      message: 'The plan is old.',
      hint: 'Make a new one.',
    }));

  it.each([
    ['nothing', []],
    ['null', [null]],
    ['a text', ['SERVER_GONE message hint']],
    ['no code', [{ message: 'm', hint: 'h' }]],
    ['a code nobody knows', [{ code: 'NO_SUCH_CODE', message: 'm', hint: 'h' }]],
    ['no message', [{ code: 'SERVER_GONE', hint: 'h' }]],
    ['no hint', [{ code: 'SERVER_GONE', message: 'm' }]],
  ] as const)("is its code with that code's own hint when its details are %s", (_what, details) => {
    expect(summarise(ApplicationFailure.create({ type: 'PLAN_STALE', message: 'The plan is old.', details: [...details] }))).toEqual({
      code: 'PLAN_STALE',
      message: 'The plan is old.',
      hint: ERROR_CODES.PLAN_STALE.hint,
    });
  });

  it('has a code of its own even if there are no details at all', () => {
    const bare = ApplicationFailure.create({ type: 'PLAN_STALE', message: 'The plan is old.' });
    Object.defineProperty(bare, 'details', { value: undefined });
    expect(summarise(bare)).toMatchObject({ code: 'PLAN_STALE' });
  });

  it.each([
    ['an activity without a cause', ofActivity(), 'Activity task failed'],
    [
      'a failure of a type that is no code',
      ApplicationFailure.create({ type: 'TypeError', message: 'x is not a function', details: [summary] }),
      'x is not a function',
    ],
    ['any error', new Error('it broke'), 'it broke'],
    ['any value', 'a text', 'a text'],
  ])('is a fault of ours: %s', (_what, thrown, message) => expect(summarise(thrown)).toEqual({ code: 'INTERNAL', message, hint: ERROR_CODES.INTERNAL.hint }));
});

describe('a step that took too long', () => {
  it('has failed with what its last attempt met', () => {
    const last = ApplicationFailure.create({ type: DETAIL.code, message: DETAIL.message, details: [DETAIL] });
    expect(summarise(timedOut('SCHEDULE_TO_CLOSE', last))).toEqual(DETAIL);
    expect(summarise(ofActivity(timedOut('HEARTBEAT', last)))).toEqual(DETAIL);
  });

  it('had a worker that died in the middle of it, or none that ever answered', () => {
    const silent = summarise(timedOut('HEARTBEAT'));
    expect(silent).toMatchObject({
      code: 'NO_WORKER',
      message: expect.stringContaining('stopped reporting') as string,
      hint: expect.stringContaining('the storage it works on') as string,
    });
    const absent = summarise(timedOut('SCHEDULE_TO_CLOSE'));
    expect(absent).toMatchObject({
      code: 'NO_WORKER',
      message: 'No answer from the worker in time (SCHEDULE_TO_CLOSE).',
      hint: expect.stringContaining('runs for this hypervisor') as string,
    });
    expect(summarise(timedOut(undefined)).message).toBe('No answer from the worker in time (time-out).');
    const empty = timedOut('SCHEDULE_TO_CLOSE');
    empty.failure = { message: 'no attempt' } as ProtoFailure;
    expect(summarise(empty).code).toBe('NO_WORKER');
  });
});
