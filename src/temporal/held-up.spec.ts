import { msToTs } from '@temporalio/common/lib/time';
import { heldUpBy } from './held-up';

const NOW = new Date('2026-03-01T03:10:00.000Z');
const ago = (seconds: number) => msToTs(NOW.getTime() - seconds * 1000);
const [SCHEDULED, STARTED] = [1, 2] as const;
const activity = (state: number, seconds: number, more: object = {}) => ({
  state,
  scheduledTime: ago(seconds),
  activityType: { name: 'copyDiskToVolume' },
  ...more,
});
const seen = (execution: object) => heldUpBy(execution as Parameters<typeof heldUpBy>[0], 'kvm1', NOW);

describe('an activity', () => {
  it('that was due a minute ago and that no worker has taken up is said, with what it is, where, and how often it was tried', () => {
    expect(seen({ pendingActivities: [activity(SCHEDULED, 60, { attempt: 1 })] })).toEqual({
      attempt: 0,
      failedAt: NOW.toISOString(),
      error: expect.objectContaining({
        code: 'NO_WORKER',
        message:
          'No worker has taken up what the step asks for (copyDiskToVolume) since 2026-03-01T03:09:00Z: none near the hypervisor kvm1 is there, or all are busy.',
      }) as object,
    });
    expect(seen({ pendingActivities: [activity(STARTED, 900), activity(SCHEDULED, 61, { attempt: 4 })] })).toMatchObject({ attempt: 3 });
    expect(heldUpBy({ pendingActivities: [{ state: SCHEDULED, scheduledTime: ago(61) }] } as never, null, NOW)).toMatchObject({
      attempt: 0,
      error: { message: expect.stringMatching(/\(unknown\) since .*: none is there, or all are busy\.$/) as string },
    });
  });

  it.each([
    ['due for less', activity(SCHEDULED, 59)],
    ['due only later: it waits for its next try', activity(SCHEDULED, -3600, { attempt: 5 })],
    ['carried out', activity(STARTED, 3600)],
    ['of which nobody knows since when', { state: SCHEDULED, scheduledTime: null }],
  ])('that is %s is well', (_what, pending) => {
    expect(seen({ pendingActivities: [pending] })).toBeNull();
  });
});

describe('a task of the workflow', () => {
  const task = (attempt: number, seconds: number) => ({ attempt, originalScheduledTime: ago(seconds) });

  it('that has failed again and again is said, before what no worker has taken up', () => {
    expect(seen({ pendingWorkflowTask: task(3, 60), pendingActivities: [activity(SCHEDULED, 600)] })).toEqual({
      attempt: 2,
      failedAt: NOW.toISOString(),
      error: expect.objectContaining({
        code: 'WORKFLOW_STUCK',
        message: 'The workflow of the run cannot go on since 2026-03-01T03:09:00Z: its workers fail at the same place each time.',
      }) as object,
    });
  });

  it.each([
    ['that failed once', task(2, 3600)],
    ['that failed twice just now', task(3, 59)],
    ['that is not there', null],
  ])('%s is well', (_what, pendingWorkflowTask) => {
    expect(seen({ pendingWorkflowTask })).toBeNull();
  });
});

it('nothing is said of a workflow that waits for a person', () => {
  expect(seen({})).toBeNull();
  expect(seen({ pendingActivities: [], pendingWorkflowTask: null })).toBeNull();
});
