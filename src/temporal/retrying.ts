import { ApplicationFailure, TimeoutFailure, type LoadedDataConverter } from '@temporalio/common';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow';
import { tsToMs } from '@temporalio/common/lib/time';
import type { temporal } from '@temporalio/proto';
import { isErrorCode } from '../contracts/error-codes';
import { ModosuError, summaryIn, toModosuError, type ErrorSummary } from '../contracts/errors';
import type { Retrying } from '../contracts/run';

type Execution = Pick<temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse, 'pendingActivities' | 'pendingWorkflowTask'>;
type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;
type Timestamp = Parameters<typeof tsToMs>[0];

/** What nobody has taken up for so long is no matter of a busy moment any more. */
const HELD_UP_AFTER_MS = 60_000;
/**
 * A task of a workflow that failed once or twice may have met a worker that was just ending. Each lasts ten seconds, also where its worker fails at once: only the first
 * failure is reported. When it began is not kept: each try counts as scheduled anew.
 */
const STUCK_FROM_ATTEMPT = 4;
/** `PendingActivityState`: due, or waiting for its next attempt. In any other a worker is at it, or somebody has paused it. */
const SCHEDULED = 1;

/**
 * What an open workflow tries again, or what holds it up although nothing has failed; null: it goes on, or waits as it should. Temporal alone knows of both what is so
 * now: a worker that is gone reports nothing, and one that has tried again with success says that to Temporal.
 *
 * Where there are several, who is held up comes first, then what waits for its next attempt; of each the one that was asked for first.
 */
export async function retryingOf({ pendingActivities, pendingWorkflowTask }: Execution, converter: LoadedDataConverter, now: Date): Promise<Retrying | null> {
  const tasks = pendingWorkflowTask?.attempt ?? 0;
  if (tasks >= STUCK_FROM_ATTEMPT) {
    const error = new ModosuError('WORKFLOW_STUCK', 'The workflow cannot go on: its workers fail at the same place each time.');
    return { attempt: tasks - 1, failedAt: null, nextAttemptAt: null, error: error.summary() };
  }
  const pending = [...(pendingActivities ?? [])].sort((one, other) => Number(one.activityId) - Number(other.activityId));
  const unserved = pending.find((activity) => isUnserved(activity, now));
  if (unserved !== undefined) return heldUp(unserved);
  const failed = pending.filter(({ attempt }) => (attempt ?? 1) > 1);
  const tried = failed.find(({ state }) => state === SCHEDULED) ?? failed[0];
  return tried === undefined ? null : triedAgain(tried, converter, now);
}

/** `nextAttemptScheduleTime`: it waits for its next attempt, whatever the clock here says. */
const isUnserved = ({ state, scheduledTime, nextAttemptScheduleTime }: PendingActivity, now: Date): boolean =>
  state === SCHEDULED && scheduledTime != null && nextAttemptScheduleTime == null && now.getTime() - tsToMs(scheduledTime) >= HELD_UP_AFTER_MS;

function heldUp({ activityType, attempt, scheduledTime, activityOptions }: PendingActivity): Retrying {
  const queue = activityOptions?.taskQueue?.name;
  const error = new ModosuError(
    'NO_WORKER',
    `No worker has taken up the next part (${activityType?.name ?? 'unknown'}) since ${utc(tsToMs(scheduledTime))}: none ${queue ? `that serves "${queue}" ` : ''}is there, or all are busy.`,
    { hint: '`modosu doctor` says which workers are there; start one with `modosu worker`. Where all are busy, it is taken up by itself.' },
  );
  return { attempt: Math.max(0, (attempt ?? 1) - 1), failedAt: null, nextAttemptAt: null, error: error.summary() };
}

async function triedAgain(
  { attempt, state, scheduledTime, nextAttemptScheduleTime, lastAttemptCompleteTime, lastStartedTime, lastFailure }: PendingActivity,
  converter: LoadedDataConverter,
  now: Date,
): Promise<Retrying> {
  return {
    attempt: (attempt ?? 1) - 1,
    failedAt: iso(lastAttemptCompleteTime) ?? iso(lastStartedTime) ?? now.toISOString(),
    nextAttemptAt: state === SCHEDULED ? iso(nextAttemptScheduleTime ?? scheduledTime) : null,
    error: await decodeOptionalFailureToOptionalError(converter, lastFailure).then(summaryOf, unreadable),
  };
}

/** Nothing else about the run must wait for a key that is missing here. */
const unreadable = (thrown: unknown): ErrorSummary => toModosuError(thrown).summary();

/** What an attempt has met. Temporal keeps a few kilobytes of it while it is tried again: of what is longer, the code alone. */
function summaryOf(failure: Error | undefined): ErrorSummary {
  if (failure instanceof ApplicationFailure && isErrorCode(failure.type)) {
    const kept = summaryIn(failure.details?.[0]);
    return (
      kept ?? new ModosuError(failure.type, 'What it has met is too long to be shown while it is tried again: the log of `modosu worker` has it.').summary()
    );
  }
  if (failure instanceof ApplicationFailure && failure.type === WORKER_SHUTDOWN) return begunAgain('The worker was ended in the middle of it.');
  if (failure instanceof TimeoutFailure) {
    return begunAgain(
      failure.timeoutType === 'HEARTBEAT'
        ? 'The worker stopped reporting in the middle of it.'
        : `No answer from the worker in time (${failure.timeoutType ?? 'time-out'}).`,
    );
  }
  if (failure?.cause instanceof Error) return summaryOf(failure.cause);
  return new ModosuError('INTERNAL', failure?.message ?? 'What it has met is not known.', {
    hint: 'That is not said by Modosu, but by Temporal or its SDK: the log of `modosu worker` may say more.',
  }).summary();
}

/** What the SDK reports for activities that its worker gives up when it is ended. */
const WORKER_SHUTDOWN = 'WorkerShutdown';

const begunAgain = (message: string): ErrorSummary =>
  new ModosuError('NO_WORKER', message, {
    hint: 'It is begun again by whichever worker is there. If nobody has ended that worker, look at the log of `modosu worker`, and at the storage it works on.',
  }).summary();

const iso = (at: Timestamp): string | null => (at == null ? null : new Date(tsToMs(at)).toISOString());
const utc = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
