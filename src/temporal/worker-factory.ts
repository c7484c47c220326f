import { NativeConnection, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import type { DataConverter } from '@temporalio/common';
import { ModosuError } from '../contracts/errors';
import { CONTROL_TASK_QUEUE, hostTaskQueue, offsiteTaskQueue, transferTaskQueue, verificationTaskQueue } from '../contracts/ids';

/** Activities by name, as `activities/registry.ts` binds them. */
export type ActivityMap = Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;

export interface WorkerFactoryOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly dataConverter: DataConverter;
}

/**
 * What a running call may still take after SIGTERM before it is cancelled. Short calls mostly finish; copies cannot, and are begun again elsewhere.
 */
const CONTROL_GRACE_MS = 10_000;
const TRANSFER_GRACE_MS = 2_000;
/** Beyond the grace: for a cancelled activity to end its child process. After that the worker ends anyway. */
const FORCE_AFTER_GRACE_MS = 10_000;
/**
 * A cancellation reaches an activity with the answer to a heartbeat. The SDK holds heartbeats back for 80 % of the heartbeat time-out (24 s of 30 s):
 * so long a person would wait for a copy to stop.
 */
const HEARTBEATS = { maxHeartbeatThrottleInterval: '5s', defaultHeartbeatThrottleInterval: '5s' } as const;

/** Makes the Temporal workers of one process. A worker polls from `run()` on; `shutdown()` lets `run()` end. */
export class WorkerFactory {
  constructor(private readonly options: WorkerFactoryOptions) {}

  /** Workflows, and the activities that need only the catalogue. */
  control(workflowBundle: WorkflowBundleOption, activities: ActivityMap): Promise<Worker> {
    return Worker.create({
      ...this.common(CONTROL_TASK_QUEUE, activities, CONTROL_GRACE_MS),
      workflowBundle,
      maxConcurrentWorkflowTaskExecutions: 40,
      maxConcurrentWorkflowTaskPolls: 4,
      maxConcurrentActivityTaskExecutions: 40,
      maxConcurrentActivityTaskPolls: 2,
      // After the death of a worker its runs wait this long for it before another one takes them.
      stickyQueueScheduleToStartTimeout: '5s',
    });
  }

  /** Short calls to one hypervisor. Slots of their own: a thaw or a stop never waits behind a copy. */
  host(hypervisor: string, activities: ActivityMap): Promise<Worker> {
    return Worker.create({
      ...this.common(hostTaskQueue(hypervisor), activities, CONTROL_GRACE_MS),
      ...HEARTBEATS,
      maxConcurrentActivityTaskExecutions: 20,
      maxConcurrentActivityTaskPolls: 2,
    });
  }

  /** Long copies of one hypervisor: as many at a time as `slots`. */
  transfer(hypervisor: string, slots: number, activities: ActivityMap): Promise<Worker> {
    return Worker.create({
      ...this.common(transferTaskQueue(hypervisor), activities, TRANSFER_GRACE_MS),
      ...HEARTBEATS,
      maxConcurrentActivityTaskExecutions: slots,
      maxConcurrentActivityTaskPolls: 1,
    });
  }

  /** Reading what is stored, of one hypervisor's servers: an image, data and a boot beside each other, and never in the place of a copy. */
  verification(hypervisor: string, activities: ActivityMap): Promise<Worker> {
    return Worker.create({
      ...this.common(verificationTaskQueue(hypervisor), activities, TRANSFER_GRACE_MS),
      ...HEARTBEATS,
      maxConcurrentActivityTaskExecutions: 4,
      maxConcurrentActivityTaskPolls: 1,
    });
  }

  /** Copies elsewhere and back, of one hypervisor's servers: never in the place of a backup or a restore. */
  offsite(hypervisor: string, activities: ActivityMap): Promise<Worker> {
    return Worker.create({
      ...this.common(offsiteTaskQueue(hypervisor), activities, TRANSFER_GRACE_MS),
      ...HEARTBEATS,
      maxConcurrentActivityTaskExecutions: 4,
      maxConcurrentActivityTaskPolls: 1,
    });
  }

  private common(taskQueue: string, activities: ActivityMap, shutdownGraceTime: number) {
    const { connection, namespace, dataConverter } = this.options;
    return { connection, namespace, dataConverter, taskQueue, activities, shutdownGraceTime, shutdownForceTime: shutdownGraceTime + FORCE_AFTER_GRACE_MS };
  }
}

/** Connection of workers. Throws `TEMPORAL_UNAVAILABLE`; the SDK's own deadline is about 10 s. */
export async function connectWorkers(address: string): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect({ address });
  } catch (error) {
    throw new ModosuError('TEMPORAL_UNAVAILABLE', `Temporal at ${address} does not answer: ${error instanceof Error ? error.message : String(error)}.`, {
      context: { address },
      cause: error,
    });
  }
}
