import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowNotFoundError } from '@temporalio/common';
import { ModosuError } from '../contracts/errors';
import {
  backupSetWorkflowId,
  CONTROL_TASK_QUEUE,
  JUDGING_WORKFLOW_ID,
  offsiteWorkflowId,
  planWorkflowId,
  serverWorkflowId,
  verificationWorkflowId,
} from '../contracts/ids';
import type { Retrying } from '../contracts/run';
import type { RunStarter, StartableRun } from '../contracts/run-starter';
import {
  SIGNAL_DECIDED,
  WORKFLOW_BACKUP_DATA,
  WORKFLOW_BACKUP_IMAGE,
  WORKFLOW_BACKUP_SET,
  WORKFLOW_CLEAN_UP,
  WORKFLOW_CONFIRM,
  WORKFLOW_JUDGE_ESTATE,
  WORKFLOW_OFFSITE,
  WORKFLOW_PLAN_DATA,
  WORKFLOW_PLAN_RESTORE,
  WORKFLOW_PLAN_UNDO,
  WORKFLOW_RESTORE_DATA,
  WORKFLOW_RESTORE_SERVER,
  WORKFLOW_UNDO,
  WORKFLOW_VERIFY,
  type StartablePlan,
} from '../contracts/workflows';
import type { TransferInput } from '../contracts/offsite-copies';
import type { VerificationInput } from '../contracts/verification';
import type { TemporalClient } from './client';
import { retryingOf } from './retrying';
import { RUN_KEY, searchAttributesOf } from './search-attributes';

/**
 * `running`: the execution is open. `closed`: it has ended, however it ended. `absent`: the workflow id has no execution of this run or plan; it was
 * never started, or Temporal has lost or expired it.
 */
export type ExecutionState = 'running' | 'closed' | 'absent';

/** An execution, with what it tries again or what holds it up; null: it goes on, waits as it should, or is not open. */
export interface Seen {
  readonly state: ExecutionState;
  readonly retrying: Retrying | null;
}

/**
 * The port of the API, with what the worker's reconciler and `doctor` need besides. PostgreSQL has accepted runs and plans before; every method may be called
 * again. All of them throw `TEMPORAL_UNAVAILABLE` (retry later) when Temporal does not answer: then nothing is known about the run, and nothing may be
 * concluded.
 *
 * `startRun` also throws `SERVER_BUSY` (`runId` of the holder in the context) when the server's workflow still belongs to another run after a few seconds.
 * PostgreSQL has given the lock away, so that the accepted run stays accepted; the reconciler starts it later.
 */
export interface RunDispatcher extends RunStarter {
  /**
   * Starts the workflow that puts in order what a run left behind whose own workflow was ended from outside. It runs under the same workflow id and counts as
   * that run's. Already running: nothing.
   */
  startCleanUp(run: StartableRun): Promise<void>;
  describeRun(runId: string, serverId: string): Promise<ExecutionState>;
  seeRun(runId: string, serverId: string, now: Date): Promise<Seen>;
  seePlan(planId: string, now: Date): Promise<Seen>;
  describeSet(setId: string): Promise<ExecutionState>;
  startVerification(input: VerificationInput): Promise<void>;
  describeVerification(verificationId: string): Promise<ExecutionState>;
  startTransfer(input: TransferInput): Promise<void>;
  describeTransfer(transferId: string): Promise<ExecutionState>;
  /** True when a worker has polled the task queue in the last minutes. One that has just been killed still counts. */
  hasWorker(taskQueue: string): Promise<boolean>;
  close(): Promise<void>;
}

const WORKFLOW_TYPES = {
  'backup-image': WORKFLOW_BACKUP_IMAGE,
  'backup-data': WORKFLOW_BACKUP_DATA,
  'restore-server': WORKFLOW_RESTORE_SERVER,
  'restore-data': WORKFLOW_RESTORE_DATA,
  undo: WORKFLOW_UNDO,
  confirm: WORKFLOW_CONFIRM,
} as const satisfies Record<StartableRun['kind'], string>;

const PLAN_WORKFLOW_TYPES = { server: WORKFLOW_PLAN_RESTORE, data: WORKFLOW_PLAN_DATA, undo: WORKFLOW_PLAN_UNDO } as const satisfies Record<
  StartablePlan['scenario'],
  string
>;

/** A finished run gives its lock back a moment before its workflow closes: the next one waits that long instead of failing. */
const HANDOVER_MS = 3000;
const HANDOVER_POLL_MS = 100;

export function createRunStarter(temporal: TemporalClient, { handoverMs = HANDOVER_MS }: { readonly handoverMs?: number } = {}): RunDispatcher {
  const describe = (workflowId: string): Promise<WorkflowExecutionDescription | null> =>
    temporal.call(async (client) => {
      try {
        return await client.workflow.getHandle(workflowId).describe();
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return null;
        throw error;
      }
    });

  const see = async (workflowId: string, id: string, now: Date): Promise<Seen> => {
    const found = await describe(workflowId);
    const state = stateFor(found, id);
    const { loadedDataConverter } = temporal.client.options;
    return { state, retrying: found === null || state !== 'running' ? null : await retryingOf(found.raw, loadedDataConverter, now) };
  };

  const cancel = async (found: WorkflowExecutionDescription | null, id: string): Promise<void> => {
    if (found === null || stateFor(found, id) !== 'running') return;
    await temporal.call(async (client) => {
      try {
        // The execution's own id too: it may close, and another run's may open under the same workflow id.
        await client.workflow.getHandle(found.workflowId, found.runId).cancel();
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error; // it has ended in between
      }
    });
  };

  const startOnce = (run: StartableRun, as: 'run' | 'clean-up'): Promise<boolean> => {
    const { input } = run;
    return startUnlessOpen(temporal, (client) =>
      client.workflow.start(as === 'run' ? WORKFLOW_TYPES[run.kind] : WORKFLOW_CLEAN_UP, {
        workflowId: serverWorkflowId(input.serverId),
        taskQueue: CONTROL_TASK_QUEUE,
        args: [as === 'run' ? input : run],
        typedSearchAttributes: searchAttributesOf({ serverId: input.serverId, hypervisor: input.hypervisor, kind: run.kind, runId: input.runId }),
        ...OPEN_ONCE,
      }),
    );
  };

  return {
    async startRun(run) {
      const { runId, serverId, serverName } = run.input;
      const giveUpAt = Date.now() + handoverMs;
      for (;;) {
        if (await startOnce(run, 'run')) return;
        const holder = await describe(serverWorkflowId(serverId));
        if (runIdOf(holder) === runId) return;
        if (Date.now() >= giveUpAt) {
          const holderRunId = runIdOf(holder);
          throw new ModosuError('SERVER_BUSY', `The workflow of the server ${serverName} still belongs to the run ${holderRunId ?? '(unknown)'}.`, {
            context: { serverId, ...(holderRunId === null ? {} : { runId: holderRunId }) },
          });
        }
        await delay(HANDOVER_POLL_MS);
      }
    },

    async startSet(set) {
      await startUnlessOpen(temporal, (client) =>
        client.workflow.start(WORKFLOW_BACKUP_SET, {
          workflowId: backupSetWorkflowId(set.setId),
          taskQueue: CONTROL_TASK_QUEUE,
          args: [set],
          typedSearchAttributes: searchAttributesOf({ kind: 'backup-set', runId: set.setId }),
          ...OPEN_ONCE,
        }),
      );
    },

    async startCleanUp(run) {
      await startOnce(run, 'clean-up');
    },

    async tellDecided(runId, serverId, { isReminder = false } = {}) {
      const found = await describe(serverWorkflowId(serverId));
      if (found === null || stateFor(found, runId) !== 'running') return;
      // A signal for a workflow that cannot go on counts as news: its attempts would begin at one each time, and nobody would see that it is stuck.
      if (isReminder && found.raw.pendingWorkflowTask != null) return;
      await temporal.call(async (client) => {
        try {
          await client.workflow.getHandle(found.workflowId, found.runId).signal(SIGNAL_DECIDED);
        } catch (error) {
          if (!(error instanceof WorkflowNotFoundError)) throw error; // it has ended in between
        }
      });
    },

    async startPlan({ scenario, input }) {
      await startUnlessOpen(temporal, (client) =>
        client.workflow.start(PLAN_WORKFLOW_TYPES[scenario], {
          workflowId: planWorkflowId(input.planId),
          taskQueue: CONTROL_TASK_QUEUE,
          args: [input],
          typedSearchAttributes: searchAttributesOf({
            serverId: input.serverId,
            kind: scenario === 'undo' ? 'plan-undo' : 'plan-restore',
            runId: input.planId,
          }),
          ...OPEN_ONCE,
        }),
      );
    },

    async startJudging() {
      await startUnlessOpen(temporal, (client) =>
        client.workflow.start(WORKFLOW_JUDGE_ESTATE, {
          workflowId: JUDGING_WORKFLOW_ID,
          taskQueue: CONTROL_TASK_QUEUE,
          args: [],
          typedSearchAttributes: searchAttributesOf({ kind: 'judgement', runId: JUDGING_WORKFLOW_ID }),
          ...OPEN_ONCE,
        }),
      );
    },

    async cancelRun(runId, serverId) {
      await cancel(await describe(serverWorkflowId(serverId)), runId);
    },

    describeRun: async (runId, serverId) => stateFor(await describe(serverWorkflowId(serverId)), runId),
    seeRun: (runId, serverId, now) => see(serverWorkflowId(serverId), runId, now),
    describeSet: async (setId) => stateFor(await describe(backupSetWorkflowId(setId)), setId),
    seePlan: (planId, now) => see(planWorkflowId(planId), planId, now),
    describeVerification: async (id) => stateFor(await describe(verificationWorkflowId(id)), id),

    async startVerification(input) {
      await startUnlessOpen(temporal, (client) =>
        client.workflow.start(WORKFLOW_VERIFY, {
          workflowId: verificationWorkflowId(input.verificationId),
          taskQueue: CONTROL_TASK_QUEUE,
          args: [input],
          typedSearchAttributes: searchAttributesOf({
            serverId: input.serverId,
            hypervisor: input.hypervisor,
            kind: 'verification',
            runId: input.verificationId,
          }),
          ...OPEN_ONCE,
        }),
      );
    },

    async startTransfer(input) {
      await startUnlessOpen(temporal, (client) =>
        client.workflow.start(WORKFLOW_OFFSITE, {
          workflowId: offsiteWorkflowId(input.transferId),
          taskQueue: CONTROL_TASK_QUEUE,
          args: [input],
          typedSearchAttributes: searchAttributesOf({
            ...(input.serverId === null ? {} : { serverId: input.serverId }),
            hypervisor: input.hypervisor,
            kind: 'offsite',
            runId: input.transferId,
          }),
          ...OPEN_ONCE,
        }),
      );
    },

    describeTransfer: async (id) => stateFor(await describe(offsiteWorkflowId(id)), id),

    async cancelTransfer(id) {
      await cancel(await describe(offsiteWorkflowId(id)), id);
    },

    async cancelVerification(id) {
      await cancel(await describe(verificationWorkflowId(id)), id);
    },

    hasWorker: (taskQueue) =>
      temporal.call(async (client) => {
        const answer = await client.workflowService.describeTaskQueue({
          namespace: temporal.namespace,
          taskQueue: { name: taskQueue },
          taskQueueType: ACTIVITY_QUEUE,
        });
        return (answer.pollers ?? []).length > 0;
      }),

    check: () => temporal.check(),
    close: () => temporal.close(),
  };
}

const ACTIVITY_QUEUE = 2;

/** A second open execution is refused; a closed one under the same id is no obstacle. */
const OPEN_ONCE = { workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL, workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE };

async function startUnlessOpen(temporal: TemporalClient, start: (client: Client) => Promise<unknown>): Promise<boolean> {
  return temporal.call(async (client) => {
    try {
      await start(client);
      return true;
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
      throw error;
    }
  });
}

const runIdOf = (found: WorkflowExecutionDescription | null): string | null => found?.typedSearchAttributes.get(RUN_KEY) ?? null;

function stateFor(found: WorkflowExecutionDescription | null, id: string): ExecutionState {
  if (found === null || runIdOf(found) !== id) return 'absent';
  return found.status.name === 'RUNNING' || found.status.name === 'PAUSED' ? 'running' : 'closed';
}
