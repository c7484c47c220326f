import { ApplicationFailure, CancelledFailure, ServerFailure, TimeoutFailure, type LoadedDataConverter } from '@temporalio/common';
import { encodeErrorToFailure } from '@temporalio/common/lib/internal-non-workflow';
import { loadDataConverter } from '@temporalio/common/lib/internal-non-workflow/data-converter-helpers';
import { msToTs } from '@temporalio/common/lib/time';
import { payloadKeysOf } from '../../test/support/payload-keys';
import { ModosuError } from '../contracts/errors';
import { createDataConverter } from './data-converter';
import { retryingOf } from './retrying';

const NOW = new Date('2026-03-01T03:10:00.000Z');
const ago = (seconds: number) => msToTs(NOW.getTime() - seconds * 1000);
const at = (seconds: number): string => new Date(NOW.getTime() - seconds * 1000).toISOString();
const [SCHEDULED, STARTED, CANCEL_REQUESTED, PAUSED] = [1, 2, 3, 4] as const;

const keyed = (fill: number): LoadedDataConverter => loadDataConverter(createDataConverter(payloadKeysOf('k1', { k1: Buffer.alloc(32, fill) })));
const converter = keyed(1);
const seen = (execution: object, by = converter) => retryingOf(execution as Parameters<typeof retryingOf>[0], by, NOW);
const activity = (id: number, state: number, seconds: number, more: object = {}) => ({
  activityId: String(id),
  state,
  scheduledTime: ago(seconds),
  activityType: { name: 'copyDiskToVolume' },
  attempt: 1,
  ...more,
});

it('nothing is said of a workflow that waits for a person', async () => {
  expect(await seen({})).toBeNull();
  expect(await seen({ pendingActivities: [], pendingWorkflowTask: null })).toBeNull();
});

describe('an activity that no worker has taken up', () => {
  it('for a minute is said, with what it is, where, and how often it was tried', async () => {
    const queued = { activityOptions: { taskQueue: { name: 'host.kvm2' } } };
    expect(await seen({ pendingActivities: [activity(1, SCHEDULED, 60, queued)] })).toEqual({
      attempt: 0,
      failedAt: null,
      nextAttemptAt: null,
      error: expect.objectContaining({
        code: 'NO_WORKER',
        message: 'No worker has taken up the next part (copyDiskToVolume) since 2026-03-01T03:09:00Z: none that serves "host.kvm2" is there, or all are busy.',
      }) as object,
    });
  });

  it('is said without what Temporal does not tell', async () => {
    const untold = { activityId: '1', state: SCHEDULED, scheduledTime: ago(61) };
    expect(await seen({ pendingActivities: [untold] })).toMatchObject({
      attempt: 0,
      error: { message: expect.stringMatching(/\(unknown\) since .*: none is there, or all are busy\.$/) as string },
    });
  });

  it('comes before what another one has met, and the first of several is named, in whatever order they come', async () => {
    const [ninth, tenth] = [activity(9, SCHEDULED, 61, { activityType: { name: 'ninth' } }), activity(10, SCHEDULED, 600, { attempt: 4 })];
    const failing = activity(1, SCHEDULED, -60, { attempt: 2 });
    for (const pendingActivities of [
      [failing, ninth, tenth],
      [tenth, ninth, failing],
    ]) {
      expect(await seen({ pendingActivities })).toMatchObject({ failedAt: null, error: { message: expect.stringContaining('(ninth)') as string } });
    }
    expect(await seen({ pendingActivities: [failing, tenth] })).toMatchObject({ attempt: 3, failedAt: null });
  });

  it.each([
    ['due for less', activity(1, SCHEDULED, 59)],
    ['carried out', activity(1, STARTED, 3600)],
    ['of which nobody knows since when', { activityId: '1', state: SCHEDULED, scheduledTime: null }],
  ])('is well where it is %s', async (_what, pending) => {
    expect(await seen({ pendingActivities: [pending] })).toBeNull();
  });
});

describe('an activity that has failed', () => {
  const AWAY = new ModosuError('TARGET_UNREACHABLE', 'The directory is not there.', { hint: 'Mount it.', context: { path: '/srv' } });
  const failure = (error: ModosuError, details: unknown[] = [error.summary()]) =>
    ApplicationFailure.create({ type: error.code, message: error.message, details });
  const failed = async (thrown: Error, more: object = {}, by = converter) => ({
    lastFailure: await encodeErrorToFailure(by, thrown),
    lastAttemptCompleteTime: ago(30),
    attempt: 4,
    ...more,
  });

  it('is said with what it has met, and when it is tried again', async () => {
    expect(await seen({ pendingActivities: [activity(1, SCHEDULED, -90, await failed(failure(AWAY)))] })).toEqual({
      attempt: 3,
      failedAt: at(30),
      nextAttemptAt: at(-90),
      error: { code: 'TARGET_UNREACHABLE', message: 'The directory is not there.', hint: 'Mount it.', context: { path: '/srv' } },
    });
  });

  it('is still said while it is tried again', async () => {
    expect(await seen({ pendingActivities: [activity(1, STARTED, 20, await failed(failure(AWAY)))] })).toMatchObject({ attempt: 3, nextAttemptAt: null });
  });

  it.each([
    ['cancelled', CANCEL_REQUESTED],
    ['paused', PAUSED],
  ])('has no next attempt to wait for while it is %s', async (_what, state) => {
    expect(await seen({ pendingActivities: [activity(1, state, 3600, await failed(failure(AWAY)))] })).toMatchObject({ failedAt: at(30), nextAttemptAt: null });
  });

  it('waits for its next attempt although the clock here says that it is due for long', async () => {
    const waiting = await failed(failure(AWAY), { nextAttemptScheduleTime: ago(90) });
    expect(await seen({ pendingActivities: [activity(1, SCHEDULED, 91, waiting)] })).toMatchObject({
      nextAttemptAt: at(90),
      error: { code: 'TARGET_UNREACHABLE' },
    });
  });

  it('has failed when its last attempt began, or now, where Temporal does not tell', async () => {
    const untold = await failed(failure(AWAY), { lastAttemptCompleteTime: null });
    expect(await seen({ pendingActivities: [activity(1, SCHEDULED, -1, { ...untold, lastStartedTime: ago(45) })] })).toMatchObject({ failedAt: at(45) });
    expect(await seen({ pendingActivities: [activity(1, SCHEDULED, -1, untold)] })).toMatchObject({ failedAt: at(0) });
  });

  it('and waits comes before one that is under way; else the first that was asked for', async () => {
    const other = new ModosuError('COPY_FAILED', 'no');
    const [underWay, waits] = [activity(1, STARTED, 5, await failed(failure(AWAY))), activity(2, SCHEDULED, -9, await failed(failure(other)))];
    expect(await seen({ pendingActivities: [underWay, waits] })).toMatchObject({ error: { code: 'COPY_FAILED' } });
    expect(await seen({ pendingActivities: [{ ...waits, state: STARTED }, underWay] })).toMatchObject({ error: { code: 'TARGET_UNREACHABLE' } });
  });

  it.each<[string, Error, object]>([
    [
      'with its code alone where it was too long for Temporal',
      failure(AWAY, []),
      { code: 'TARGET_UNREACHABLE', message: expect.stringContaining('too long') as string },
    ],
    [
      'the same where that stands behind an error of the server',
      new ServerFailure('Failure exceeds size limit.', false, failure(AWAY, [])),
      { code: 'TARGET_UNREACHABLE', message: expect.stringContaining('too long') as string },
    ],
    [
      'as a worker that fell silent',
      new TimeoutFailure('heartbeat', undefined, 'HEARTBEAT'),
      { code: 'NO_WORKER', message: expect.stringContaining('stopped') as string },
    ],
    [
      'as a worker that hung',
      new TimeoutFailure('time-out', undefined, 'START_TO_CLOSE'),
      { code: 'NO_WORKER', message: 'No answer from the worker in time (START_TO_CLOSE).' },
    ],
    [
      'as a worker that was ended',
      ApplicationFailure.create({ type: 'WorkerShutdown', message: 'Worker is shutting down' }),
      { code: 'NO_WORKER', message: 'The worker was ended in the middle of it.' },
    ],
    [
      'as nothing that Modosu says',
      ApplicationFailure.create({ type: 'ActivityReset', message: 'reset' }),
      { code: 'INTERNAL', message: 'reset', hint: expect.stringContaining('Temporal or its SDK') as string },
    ],
    ['as what it is', new CancelledFailure('stopped'), { code: 'INTERNAL', message: 'stopped' }],
  ])('is said %s', async (_what, thrown, error) => {
    expect(await seen({ pendingActivities: [activity(1, SCHEDULED, -1, await failed(thrown))] })).toMatchObject({ failedAt: at(30), error });
  });

  it('is said where nothing of it is kept, or nothing can be read with the keys that are here', async () => {
    expect(await seen({ pendingActivities: [activity(1, SCHEDULED, -1, { attempt: 2 })] })).toMatchObject({ attempt: 1, error: { code: 'INTERNAL' } });
    const foreign = await failed(failure(AWAY), {}, keyed(2));
    const retrying = await seen({ pendingActivities: [activity(1, SCHEDULED, -1, foreign)] });
    expect(retrying).toMatchObject({ attempt: 3, error: { code: 'PAYLOAD_UNREADABLE', hint: expect.stringContaining('key') as string } });
  });
});

describe('a task of the workflow', () => {
  it('that has failed three times in a row is said, before what no worker has taken up, and the same each time', async () => {
    const pendingActivities = [activity(1, SCHEDULED, 600)];
    const stuck = await seen({ pendingWorkflowTask: { attempt: 4, originalScheduledTime: ago(1) }, pendingActivities });
    expect(stuck).toEqual({ attempt: 3, failedAt: null, nextAttemptAt: null, error: expect.objectContaining({ code: 'WORKFLOW_STUCK' }) as object });
    const later = await seen({ pendingWorkflowTask: { attempt: 9, originalScheduledTime: ago(0) } });
    expect(later).toEqual({ ...stuck, attempt: 8 });
  });

  it.each([
    ['has failed twice', { attempt: 3 }],
    ['is not there', null],
  ])('that %s is well', async (_what, pendingWorkflowTask) => {
    expect(await seen({ pendingWorkflowTask })).toBeNull();
  });
});
