import { tsToMs } from '@temporalio/common/lib/time';
import type { temporal } from '@temporalio/proto';
import { ModosuError } from '../contracts/errors';
import type { Retrying } from '../contracts/run';

type Execution = Pick<temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse, 'pendingActivities' | 'pendingWorkflowTask'>;

/** What nobody has taken up for so long is no matter of a busy moment any more. */
const HELD_UP_AFTER_MS = 60_000;
/** A task of a workflow that failed once or twice may have met a worker that was just ending. */
const STUCK_FROM_ATTEMPT = 3;
/** `PendingActivityState`: due, or waiting until it is; no worker is at it. */
const SCHEDULED = 1;

/**
 * Why an open workflow does not go on although nothing of it has failed; null: it goes on, or waits as it should. Of this only Temporal knows: whoever would
 * report it is the one that is not there.
 *
 * @param hypervisor near which its activities are carried out; null: not known
 */
export function heldUpBy({ pendingActivities, pendingWorkflowTask }: Execution, hypervisor: string | null, now: Date): Retrying | null {
  const since = (at: Parameters<typeof tsToMs>[0]): number | null => (at == null || now.getTime() - tsToMs(at) < HELD_UP_AFTER_MS ? null : tsToMs(at));
  const failedAt = now.toISOString();

  const tasks = pendingWorkflowTask?.attempt ?? 0;
  const stuckSince = since(pendingWorkflowTask?.originalScheduledTime);
  if (tasks >= STUCK_FROM_ATTEMPT && stuckSince !== null) {
    const error = new ModosuError(
      'WORKFLOW_STUCK',
      `The workflow of the run cannot go on since ${utc(stuckSince)}: its workers fail at the same place each time.`,
    );
    return { attempt: tasks - 1, failedAt, error: error.summary() };
  }

  for (const { state, scheduledTime, activityType, attempt } of pendingActivities ?? []) {
    const dueSince = state === SCHEDULED ? since(scheduledTime) : null;
    if (dueSince === null) continue;
    const where = hypervisor === null ? 'none' : `none near the hypervisor ${hypervisor}`;
    const error = new ModosuError(
      'NO_WORKER',
      `No worker has taken up what the step asks for (${activityType?.name ?? 'unknown'}) since ${utc(dueSince)}: ${where} is there, or all are busy.`,
      { hint: '`modosu doctor` says which workers are there; start one with `modosu worker`. Where all are busy, it is taken up by itself.' },
    );
    return { attempt: Math.max(0, (attempt ?? 1) - 1), failedAt, error: error.summary() };
  }
  return null;
}

const utc = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
