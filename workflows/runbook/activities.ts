import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { CatalogueActivities } from '../../src/contracts/activities/catalogue';
import type { DataActivities, DataTransferActivities } from '../../src/contracts/activities/data';
import type { HostActivities, ServerActivities } from '../../src/contracts/activities/images';
import type { JudgementActivities, PeerActivities, RelationActivities } from '../../src/contracts/activities/relations';
import type { OffsiteActivities, TransferActivities, VerificationActivities } from '../../src/contracts/activities/repositories';
import type { PlanningActivities } from '../../src/contracts/activities/planning';
import type { CredentialActivities } from '../../src/contracts/activities/credentials';
import { CONTROL_TASK_QUEUE, hostTaskQueue, offsiteTaskQueue, transferTaskQueue, verificationTaskQueue } from '../../src/contracts/ids';

/**
 * One group per risk class. A group says how long a call may take, how a dead worker is noticed and how often it is tried again;
 * errors marked "never" end at once whatever the group says.
 */

/** Start and end of a run, in PostgreSQL. Tried until the database is back: a run must not lose its own history. */
export const catalogue = proxyLocalActivities<CatalogueActivities>({
  startToCloseTimeout: '15 s',
  localRetryThreshold: '30 s',
  retry: { initialInterval: '200 ms', backoffCoefficient: 2, maximumInterval: '10 s' },
});

/**
 * What people see of the steps. Bounded: a database that is away must not keep a stopped server off; what could not be written is written before the run
 * ends.
 */
export const display = proxyLocalActivities<Pick<CatalogueActivities, 'recordSteps'>>({
  startToCloseTimeout: '5 s',
  // By attempts: local activities go on being retried past a schedule-to-close time-out. Six take about 6 s.
  retry: { initialInterval: '200 ms', backoffCoefficient: 2, maximumInterval: '5 s', maximumAttempts: 6 },
});

/** Reads and judgements with the catalogue. */
export const planning = proxyActivities<PlanningActivities>({
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '30 s',
  retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s' },
});

/** What servers say of each other, as the catalogue has it. */
export const relations = proxyActivities<RelationActivities>({
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '30 s',
  retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s' },
});

/** Judging many servers by what was read, with the catalogue alone. */
export const judging = proxyActivities<JudgementActivities>({
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '2 min',
  retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s' },
});

/** One server is asked; it has two minutes. Where nobody asks it soon, that is the answer: a person waits for the plan, and the image of a backup does not wait for markers. */
export const peerAsks = (hypervisor: string): Pick<PeerActivities, 'readMarkers'> =>
  proxyActivities<PeerActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    scheduleToStartTimeout: '30 s',
    startToCloseTimeout: '3 min',
    scheduleToCloseTimeout: '5 min',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumAttempts: 2 },
  });

/** A program in a peer: what it does is not done twice where that can be told. Where nobody is near the peer people do it: the restored server waits meanwhile. */
export const peerPrograms = (hypervisor: string): Pick<PeerActivities, 'runInPeer'> =>
  proxyActivities<PeerActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    scheduleToStartTimeout: '10 min',
    startToCloseTimeout: '3 h',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s', maximumAttempts: 10 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/** Waits for what a plan has fetched: hours. Who waits may die: another one goes on waiting. */
export const fetching = proxyActivities<Pick<PlanningActivities, 'fetchForPlan'>>({
  taskQueue: CONTROL_TASK_QUEUE,
  startToCloseTimeout: '7 days',
  heartbeatTimeout: '30 s',
  retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s' },
});

/**
 * Looks at a server or a repository, makes and removes what belongs to the run. Gives up after ten tries, that is after more than a minute: nothing is lost by it yet,
 * or a server stands still meanwhile.
 */
const hostCalls = (hypervisor: string): HostActivities =>
  proxyActivities<HostActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '10 min',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s', maximumAttempts: 10 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * The same once hours of copies lie behind the run, while no server stands still for it: a libvirtd that is being updated, or a store that boots, must not throw them
 * away. Patient (about ten minutes).
 */
const lateHostCalls = (hypervisor: string): HostActivities =>
  proxyActivities<HostActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '10 min',
    heartbeatTimeout: '30 s',
    // What hangs each time is given up after an hour, not after forty times ten minutes.
    scheduleToCloseTimeout: '1 h',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s', maximumAttempts: 40 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * The row of what is published, from small files: what does not answer within two minutes hangs. More than a minute of a part that is away, and at most some twenty
 * minutes of one that hangs: `recorded` in `backup-image.ts` says what comes then.
 */
export const recording = (hypervisor: string): Pick<HostActivities, 'recordRecoveryPoint'> =>
  proxyActivities<HostActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '2 min',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s', maximumAttempts: 10 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/** The same looks for a plan. A person waits for it: what stays away for some seconds is the answer, and asking for another plan costs nothing. */
export const hostLooks = (hypervisor: string): Pick<HostActivities, 'surveyRestore' | 'surveyUndo'> =>
  proxyActivities<HostActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '10 min',
    heartbeatTimeout: '30 s',
    scheduleToCloseTimeout: '30 min',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumAttempts: 5 },
  });

/** What a server is now, for a plan: it is made without, when nobody tells that within a minute. Not asked twice: the guest may be the reason. */
export const factLooks = (hypervisor: string): Pick<HostActivities, 'compareFacts'> =>
  proxyActivities<HostActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    scheduleToCloseTimeout: '60 s',
    heartbeatTimeout: '30 s',
    retry: { maximumAttempts: 1 },
  });

/**
 * Calls that change a server. Each reads the fence right before it writes and looks before it acts, so that a second try is harmless. The heartbeat is what
 * notices a worker that died while it waited for a guest. Patient (about ten minutes): a libvirtd that is being updated must not undo a restore.
 */
const serverCalls = (hypervisor: string): ServerActivities =>
  proxyActivities<ServerActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '3 h',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s', maximumAttempts: 40 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * The moment of a set: as close to that of the others as can be, or not at all. A queue that nobody serves, or a worker that dies at this moment and does not
 * come back, must not take a point in time much later.
 */
export const setBegins = (hypervisor: string): Pick<ServerActivities, 'beginOnlineBackup'> =>
  proxyActivities<ServerActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    scheduleToStartTimeout: '1 min',
    startToCloseTimeout: '10 min',
    scheduleToCloseTimeout: '10 min',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '5 s', maximumAttempts: 10 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * Copies: hours, with heartbeats as long as the adapter does not take them for stalled. A worker's death shows after the heartbeat time-out and the copy
 * starts again; a copy that stands still is ended by its own watchdog, and given up after five times. Cancelling waits until the copying program is gone, so that
 * nothing writes into what is then removed. What is away for some minutes is waited for (about ten): all that was copied before would be thrown away.
 */
const transfers = (hypervisor: string): Omit<TransferActivities, 'copyDiskToRepository'> =>
  proxyActivities<TransferActivities>({
    taskQueue: transferTaskQueue(hypervisor),
    startToCloseTimeout: '24 h',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s', maximumAttempts: 25 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/** Copies of a server that stands still for them: what stays away for a quarter of a minute is a reason to start it again. */
const offlineTransfers = (hypervisor: string): Pick<TransferActivities, 'copyDiskToRepository'> =>
  proxyActivities<TransferActivities>({
    taskQueue: transferTaskQueue(hypervisor),
    startToCloseTimeout: '24 h',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s', maximumAttempts: 5 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * Reading what is stored: hours, with heartbeats as long as bytes are read. Given up after some minutes of a repository that does not answer: the next time is
 * soon enough.
 */
export const verifications = (hypervisor: string): VerificationActivities =>
  proxyActivities<VerificationActivities>({
    taskQueue: verificationTaskQueue(hypervisor),
    // A queue that nobody serves keeps its place for nothing.
    scheduleToStartTimeout: '12 h',
    startToCloseTimeout: '48 h',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s', maximumAttempts: 5 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/** Booting an image: some minutes, or as long as its agent and its checks are waited for. What cannot begin soon comes at its next time. */
export const boots = (hypervisor: string): Pick<VerificationActivities, 'proveBoot'> =>
  proxyActivities<VerificationActivities>({
    taskQueue: verificationTaskQueue(hypervisor),
    scheduleToStartTimeout: '2 h',
    startToCloseTimeout: '6 h',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s', maximumAttempts: 5 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * Moving recovery points to another place and back: hours, or days for the first of a large server over a thin line, with heartbeats as long as the adapter works.
 * What was sent is not sent again by the next attempt. A place that stays away for some minutes is left alone until it is seen again.
 */
export const offsiteCalls = (hypervisor: string): OffsiteActivities =>
  proxyActivities<OffsiteActivities>({
    taskQueue: offsiteTaskQueue(hypervisor),
    // A queue that nobody serves keeps its place for nothing.
    scheduleToStartTimeout: '12 h',
    startToCloseTimeout: '7 days',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s', maximumAttempts: 5 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/** Calls about data, in a guest and in the data repository. As patient as those that look at a server; each looks before it acts. */
const dataCalls = (hypervisor: string): DataActivities =>
  proxyActivities<DataActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '1 h',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s', maximumAttempts: 10 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/** The looks for a plan: a person waits for it. */
export const dataLooks = (hypervisor: string): Pick<DataActivities, 'surveyData' | 'surveyDataUndo'> =>
  proxyActivities<DataActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '30 min',
    heartbeatTimeout: '30 s',
    scheduleToCloseTimeout: '1 h',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumAttempts: 5 },
  });

/**
 * Long work on data in a guest: hours, with heartbeats as long as the program in the guest lives. A worker's death shows after the heartbeat time-out; the
 * next attempt ends what was left in the guest and goes on from what is there. A data repository that is away for some minutes is waited for (about ten).
 */
const dataTransfers = (hypervisor: string): DataTransferActivities =>
  proxyActivities<DataTransferActivities>({
    taskQueue: transferTaskQueue(hypervisor),
    startToCloseTimeout: '24 h',
    heartbeatTimeout: '30 s',
    retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s', maximumAttempts: 25 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * Calls to secret stores, and to a guest for them. Stores are not tried again: what they do not say is an answer. What is tried again is a call whose worker
 * died.
 */
export const credentialCalls = (hypervisor: string): CredentialActivities =>
  proxyActivities<CredentialActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '10 min',
    heartbeatTimeout: '30 s',
    scheduleToCloseTimeout: '30 min',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '15 s', maximumAttempts: 5 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/**
 * What takes back what a run has done to data: tried for about ten minutes, however long one attempt takes (rows of a large table are moved). A guest that is
 * off cannot be asked, and what may bring it back waits for this run's lock.
 */
const dataUndoCalls = (hypervisor: string): DataActivities =>
  proxyActivities<DataActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '24 h',
    heartbeatTimeout: '30 s',
    scheduleToCloseTimeout: '48 h',
    retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '1 min', maximumAttempts: 15 },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/** The way back: tried for a day, because what it undoes must not stay half-made. */
const undoCalls = (hypervisor: string): HostActivities & ServerActivities =>
  proxyActivities<HostActivities & ServerActivities>({
    taskQueue: hostTaskQueue(hypervisor),
    startToCloseTimeout: '30 min',
    heartbeatTimeout: '30 s',
    scheduleToCloseTimeout: '24 h',
    retry: { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '1 min' },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  });

/** Everything a run asks of the workers near one hypervisor, by risk class. */
export interface Calls {
  readonly host: HostActivities;
  /** The same for a run that has much to lose, while no server stands still for it. */
  readonly lateHost: HostActivities;
  readonly server: ServerActivities;
  readonly transfer: Omit<TransferActivities, 'copyDiskToRepository'>;
  /** While the server stands still. */
  readonly offlineTransfer: Pick<TransferActivities, 'copyDiskToRepository'>;
  readonly data: DataActivities;
  readonly dataTransfer: DataTransferActivities;
  /** What puts back what was done to the server and its image. */
  readonly undo: HostActivities & ServerActivities;
  /** What puts back what was done to data in its guest. */
  readonly undoData: DataActivities;
}

export const callsTo = (hypervisor: string): Calls => ({
  host: hostCalls(hypervisor),
  lateHost: lateHostCalls(hypervisor),
  server: serverCalls(hypervisor),
  transfer: transfers(hypervisor),
  offlineTransfer: offlineTransfers(hypervisor),
  data: dataCalls(hypervisor),
  dataTransfer: dataTransfers(hypervisor),
  undo: undoCalls(hypervisor),
  undoData: dataUndoCalls(hypervisor),
});
