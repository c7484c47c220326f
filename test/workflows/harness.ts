import { Worker } from '@temporalio/worker';
import { WorkflowClient, type WorkflowHandle } from '@temporalio/client';
import type { CatalogueActivities, RunOutcome, StepRecord } from '../../src/contracts/activities/catalogue';
import type { CopiedDisk, HostActivities, ServerActivities } from '../../src/contracts/activities/images';
import type { DataActivities, DataTransferActivities } from '../../src/contracts/activities/data';
import type { JudgementActivities, PeerActivities, RelationActivities } from '../../src/contracts/activities/relations';
import type { OffsiteActivities, TransferActivities, VerificationActivities } from '../../src/contracts/activities/repositories';
import type { PlanningActivities } from '../../src/contracts/activities/planning';
import type { CredentialActivities } from '../../src/contracts/activities/credentials';
import { ModosuError } from '../../src/contracts/errors';
import { toFailure } from '../../activities/failures';
import { CONTROL_TASK_QUEUE, hostTaskQueue, offsiteTaskQueue, serverWorkflowId, transferTaskQueue, verificationTaskQueue } from '../../src/contracts/ids';
import { NO_PROTECTION } from '../../src/contracts/protection';
import { eventually } from '../support/processes';
import { createDataConverter } from '../../src/temporal/data-converter';
import { payloadKeysOf } from '../support/payload-keys';
import { bundleWorkflowsForTests, startTemporalForTests, type TestTemporal } from '../support/temporal';
import {
  HYPERVISOR,
  RUN,
  BACKUP,
  UNDO,
  inspection,
  SURVEY,
  PLAN,
  KEPT,
  WAY_BACK,
  UNDO_SURVEY,
  UNDO_PLAN,
  POSTGRESQL_CONTENT,
  SAVED,
  DATA_ITEM,
  DATA_POINT,
  RESTORE_DATA,
  DATA_SURVEY,
  DATA_PLAN,
  KEPT_DATA,
} from './cast';

/** Key of the recorded histories: it protects nothing, it only lets the replay read them. */
export const HISTORY_KEYS = payloadKeysOf('histories', { histories: Buffer.alloc(32, 7) });

/** An activity that fails with this code, as the real ones do. */
export const failing =
  (code: ConstructorParameters<typeof ModosuError>[0], message = 'it broke', context: Readonly<Record<string, string>> = {}) =>
  async (): Promise<never> => {
    throw toFailure(new ModosuError(code, message, { context }));
  };

type AllActivities = CatalogueActivities &
  RelationActivities &
  PeerActivities &
  JudgementActivities &
  PlanningActivities &
  HostActivities &
  ServerActivities &
  TransferActivities &
  DataActivities &
  DataTransferActivities &
  VerificationActivities &
  OffsiteActivities &
  CredentialActivities;
/** What an activity does instead: throw, wait, or answer something else. */
export type Scripted = { [K in keyof AllActivities]?: (...args: Parameters<AllActivities[K]>) => Promise<Awaited<ReturnType<AllActivities[K]>>> };

/** One workflow of several that are played together. */
export interface Role {
  readonly type: RehearsedType;
  readonly input: unknown;
  readonly workflowId: string;
}

export type RehearsedType =
  | 'backupSet'
  | 'backupData'
  | 'restoreData'
  | 'planDataRestore'
  | 'backupImage'
  | 'restoreServer'
  | 'planRestore'
  | 'planUndo'
  | 'undoRestore'
  | 'confirmRestore'
  | 'cleanUpRun'
  | 'verify'
  | 'offsiteTransfer'
  | 'judgeEstate';

/** Runs one workflow against scripted activities on a real Temporal server, and remembers every call in order. */
export class Rehearsal {
  /** Calls of host, server and transfer activities, such as `copyDiskToVolume vda`. */
  readonly calls: string[] = [];
  readonly steps = new Map<string, StepRecord>();
  outcome: RunOutcome | null = null;

  constructor(
    private readonly stage: Stage,
    private readonly scripted: Scripted,
  ) {}

  /** Starts it, lets `meanwhile` interfere, and waits until the workflow has closed. Returns how it closed. */
  async play(type: RehearsedType, input: unknown, meanwhile?: (handle: WorkflowHandle) => Promise<void>): Promise<string> {
    const workflowId = `${serverWorkflowId(RUN.serverId)}/${Math.random()}`;
    const [closed] = await this.playTogether([{ type, input, workflowId }], async ([handle]) => {
      if (handle !== undefined) await meanwhile?.(handle);
    });
    return closed ?? '';
  }

  /** The same with several workflows that know each other by their ids, started one after another. The first one is `handle`. */
  async playTogether(cast: readonly Role[], meanwhile?: (handles: readonly WorkflowHandle[]) => Promise<void>): Promise<readonly string[]> {
    const { temporal, bundle } = this.stage;
    const { environment, namespace } = temporal;
    const dataConverter = createDataConverter(HISTORY_KEYS);
    const common = { connection: environment.nativeConnection, namespace, dataConverter };
    const activities = this.activities();
    const workers = await Promise.all([
      Worker.create({ ...common, taskQueue: CONTROL_TASK_QUEUE, workflowBundle: bundle, activities }),
      Worker.create({ ...common, taskQueue: hostTaskQueue(HYPERVISOR), activities }),
      Worker.create({ ...common, taskQueue: transferTaskQueue(HYPERVISOR), activities }),
      Worker.create({ ...common, taskQueue: verificationTaskQueue(HYPERVISOR), activities }),
      Worker.create({ ...common, taskQueue: offsiteTaskQueue(HYPERVISOR), activities }),
    ]);
    const client = new WorkflowClient({ connection: environment.connection, namespace, dataConverter });
    const running = workers.map((worker) => worker.run());
    try {
      const handles: WorkflowHandle[] = [];
      for (const { type, input, workflowId } of cast) handles.push(await client.start(type, { workflowId, taskQueue: CONTROL_TASK_QUEUE, args: [input] }));
      this.handle = handles[0] ?? null;
      await meanwhile?.(handles);
      const closed: string[] = [];
      for (const handle of handles) {
        await handle.result().catch(() => undefined);
        closed.push((await handle.describe()).status.name);
      }
      return closed;
    } finally {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
    }
  }

  handle: WorkflowHandle | null = null;

  /** How often Temporal was told to try each activity at most, in their order; 0: without end. */
  async attempts(): Promise<readonly string[]> {
    const { events = [] } = (await this.handle?.fetchHistory()) ?? {};
    return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) =>
      scheduled == null ? [] : [`${scheduled.activityType?.name} ${scheduled.retryPolicy?.maximumAttempts}`],
    );
  }

  stateOf = (key: string): string | undefined => this.steps.get(key)?.state;

  private activities(): AllActivities {
    const copied = (target: string): CopiedDisk => ({
      target,
      virtualSizeBytes: 1024,
      origin: { path: `/srv/vm/${target}.qcow2`, format: 'qcow2', flattened: false },
      checksums: { sizeBytes: 512, sha256: 'b'.repeat(64), segmentSizeBytes: 16 },
    });
    const usual: AllActivities = {
      startRun: async () => undefined,
      recordSteps: async (_runId, steps) => void steps.forEach((step) => this.steps.set(step.key, step)),
      finishRun: async (_runId, outcome) => void (this.outcome = outcome),
      recordRecoveryPoint: async () => undefined,
      markDamaged: async () => undefined,
      openWayBack: async () => undefined,
      takeWayBack: async () => undefined,
      revertWayBack: async () => undefined,
      closeWayBack: async () => undefined,
      recordGoLive: async () => undefined,
      recordDueBackups: async () => 0,
      recordVerdict: async () => undefined,
      finishVerification: async () => undefined,
      recordCopied: async () => undefined,
      recordFetched: async () => undefined,
      recordCopyDamaged: async () => undefined,
      finishTransfer: async () => undefined,
      copyOffsite: async (_input, { recoveryPointId, sizeBytes }) => ({ snapshotIds: [recoveryPointId], copiedAt: '2026-03-02T12:00:00.000Z', sizeBytes }),
      fetchForPlan: async ({ recoveryPointId }) => recoveryPointId ?? BACKUP.recoveryPointId,
      fetchOffsite: async () => ({ manifestSha256: 'a'.repeat(64), snapshotId: null }),
      discardOffsite: async () => undefined,
      listOffsite: async () => ({ missing: [], there: [] }),
      checkOffsite: async () => undefined,
      readOffsite: async () => undefined,
      forgetOffsite: async () => undefined,
      parentCandidates: async () => ({ recoveryPointIds: [] }),
      chooseBasis: async (_input, subject) => ({
        parentId: null,
        incremental: [],
        changedBytes: 0,
        neededBytes: subject.neededBytes,
        fullBecause: 'there is none yet',
        alwaysFull: [],
        leavesCheckpoint: true,
      }),
      settleOnlineBackup: async () => undefined,
      openForVerification: async () => SURVEY.manifest.disks.map(({ target, image }) => ({ target, image })),
      readImage: async () => undefined,
      checkData: async () => undefined,
      readData: async () => undefined,
      proveBoot: async () => ({ seconds: 41, checks: [], notMade: [] }),
      listData: async () => ({ found: ['rp_2', 'rp_1'], readBefore: [], missing: [], returned: [] }),
      choosePlanSource: async ({ planId }) => ({
        planId,
        runId: RUN.runId,
        serverId: RUN.serverId,
        serverName: 'db01',
        uuid: RUN.uuid,
        hypervisor: HYPERVISOR,
        repository: 'main',
        recoveryPointId: BACKUP.recoveryPointId,
        measuredRecoverySeconds: [],
        protection: NO_PROTECTION,
        openWayBacks: [],
      }),
      composePlan: async () => undefined,
      chooseUndoSource: async ({ planId }) => ({
        planId,
        runId: RUN.runId,
        serverId: RUN.serverId,
        serverName: 'db01',
        uuid: RUN.uuid,
        hypervisor: HYPERVISOR,
        lineageId: 'l1',
        wayBack: WAY_BACK,
        undoneRun: { kind: 'restore-server', reason: 'it no longer starts' },
      }),
      composeUndoPlan: async () => undefined,
      readDecision: async () => null,
      isCancelRequested: async () => false,
      traceOfRun: async () => ({ steps: [], wayBack: null, cancelRequested: false }),
      requireConfirmable: async () => WAY_BACK,
      failPlan: async () => undefined,
      loadPlan: async (planId) => (planId === UNDO.planId ? UNDO_PLAN : planId === RESTORE_DATA.planId ? DATA_PLAN : PLAN),
      nextGeneration: async () => ({ generation: 2, lineageId: 'l1' }),
      readingJobs: async () => [],
      readingsOfImage: async (request) => ({ jobs: await (this.scripted.readingJobs?.({ ...request, moment: 'capture' }) ?? []), unread: [] }),
      recordUnread: async () => undefined,
      peersOf: async () => [],
      judgeRun: async () => ({ against: [], judged: 1, steps: [] }),
      judgeUndo: async () => [],
      judgeUndone: async () => ({ against: [], judged: 1, steps: [], warnings: [] }),
      readMarkers: async ({ specs }) => ({ read: specs.length, failed: 0 }),
      dueJudgements: async () => ({ begunAt: '2026-03-03T04:00:00.000Z', serverIds: [], areMore: false }),
      judgeStored: async ({ serverIds }) => ({ judged: serverIds.length, block: 0, unknown: 0 }),
      recordUnjudged: async () => undefined,
      runInPeer: async () => ({ isApplied: true, evidence: 'exit code 0' }),
      recordApplied: async () => undefined,
      applyChange: async () => ({ isApplied: true, evidence: 'exit code 0' }),
      rememberCredentials: async (declared) =>
        declared.map(({ account, store, path }) => ({ account, store, path, version: '1', createdAt: '2026-03-01T00:00:00.000Z', problem: null })),
      surveyCredentials: async () => [],
      setCredential: async () => ({ isSet: true, version: '2', evidence: 'the guest accepts it' }),
      collectFacts: async () => ({ state: 'collected', collectedAt: '2026-03-01T00:00:00.000Z', family: 'debian', entries: 12, failed: [], truncated: [] }),
      compareFacts: async () => ({ state: 'compared', of: 1, at: '2026-03-02T12:00:00.000Z', sentences: [], gaps: [] }),
      changesAt: async () => ({ contained: [], partly: [], more: 0 }),
      changesSincePlan: async () => [],
      examineForBackup: async ({ mode }) => ({
        mode,
        domainName: 'db01',
        powerState: 'running',
        agent: 'answering',
        neededBytes: 1024,
        definitionFingerprint: 'f1',
        hasNvram: true,
        disks: ['vda', 'vdb'].map((target) => ({ target, path: `/srv/vm/${target}.qcow2`, format: 'qcow2', flattened: false, allocatedBytes: 512 })),
      }),
      reserveRoom: async () => undefined,
      discardStaged: async () => undefined,
      saveDefinition: async () => undefined,
      publish: async ({ input }) => ({ recoveryPointId: input.recoveryPointId, serverId: input.serverId, repository: 'main', sizeBytes: 1024 }),
      surveyRestore: async () => SURVEY,
      surveyUndo: async () => UNDO_SURVEY,
      surveyEnded: async () => ({ files: inspection.disks.map(({ path }) => path), stop: 'none' }),
      discardVolumes: async () => undefined,
      restoreNvram: async () => undefined,
      takeFence: async () => true,
      releaseFence: async () => undefined,
      shutDown: async () => undefined,
      powerOff: async () => undefined,
      start: async () => undefined,
      startAfterShutdown: async () => ({ mayStillStop: false }),
      waitForAgent: async () => undefined,
      swapVolumes: async () => ({ generationId: 'g2', kept: KEPT }),
      returnVolumes: async () => ({ generationId: 'g0', kept: KEPT }),
      discardKept: async () => ({ deleted: KEPT.volumes.map(({ path }) => path) }),
      attachOldDisk: async () => ({ target: 'vdc' }),
      goLive: async () => ({ raised: ['52:54:00:00:00:01'] }),
      checkHealth: async () => ({ evidence: 'exit code 0' }),
      beginOnlineBackup: async (_input, _subject, basis) => ({
        pointInTime: '2026-03-02T12:00:01.000Z',
        consistency: 'filesystem',
        frozenMs: 120,
        note: null,
        ...(basis === undefined ? {} : { since: basis.parentId, basis }),
      }),
      prepareOnlineBackup: async (_input, _subject, basis) => basis,
      cancelOnlineBackup: async () => undefined,
      followOnlineBackup: async () => ({ virtualSizeBytes: { vda: 1024, vdb: 1024 } }),
      mergeStagedDisk: async () => undefined,
      hashStagedDisk: async (_input, disk) => copied(disk.target),
      revertSwap: async () => undefined,
      copyDiskToRepository: async (_input, disk) => copied(disk.target),
      copyDiskToVolume: async () => undefined,
      chooseDataSource: async (input) => ({
        planId: input.planId,
        runId: RUN.runId,
        serverId: RUN.serverId,
        serverName: 'db01',
        uuid: RUN.uuid,
        hypervisor: HYPERVISOR,
        point: DATA_POINT,
        item: DATA_ITEM,
        selection: DATA_ITEM.selection,
        measuredRecoverySeconds: [],
        incidentAt: null,
      }),
      composeDataPlan: async () => undefined,
      examineDataSets: async () => ({ restic: '0.14.0', agentVersion: '7.2' }),
      examineDataRestore: async () => ({ restic: '0.14.0', agentVersion: '7.2', findings: [] }),
      runDataHook: async () => ({ exitCode: 0 }),
      verifySavedData: async () => ({ files: 3, totalBytes: 300 }),
      publishData: async () => undefined,
      discardSpool: async () => undefined,
      surveyData: async () => DATA_SURVEY,
      takeDataBack: async () => ({}),
      discardFetched: async () => undefined,
      surveyDataUndo: async () => ({ changes: [], findings: [], losses: [] }),
      discardKeptData: async () => undefined,
      dumpDataSet: async () => ({ content: POSTGRESQL_CONTENT, pointInTime: SAVED.pointInTime }),
      saveDataSet: async (_input, _item, dumped) => ({ ...SAVED, content: dumped?.content ?? SAVED.content }),
      fetchData: async () => ({ bytes: 300, digest: null }),
      loadData: async () => ({ notes: [] }),
      placeData: async () => ({ record: KEPT_DATA, notes: [], complete: true }),
      returnData: async () => ({ record: KEPT_DATA, notes: [], complete: true }),
    };
    const unlisted = new Set([
      'startRun',
      'recordSteps',
      'finishRun',
      'nextGeneration',
      'changesAt',
      'changesSincePlan',
      'loadPlan',
      'traceOfRun',
      'readDecision',
      'isCancelRequested',
      'requireConfirmable',
      'readingJobs',
      'readingsOfImage',
    ]);
    const entries = Object.entries(usual).map(([name, activity]) => [
      name,
      async (...args: unknown[]) => {
        if (!unlisted.has(name)) {
          this.calls.push(
            [name, ...args.filter((arg) => arg === 'vda' || arg === 'vdb'), ...args.flatMap((arg) => (isDisk(arg) ? [arg.target] : []))].join(' '),
          );
        }
        const act = (this.scripted[name as keyof AllActivities] ?? activity) as (...given: unknown[]) => Promise<unknown>;
        return act(...args);
      },
    ]);
    return Object.fromEntries(entries) as AllActivities;
  }
}

const isDisk = (arg: unknown): arg is { target: string } => typeof arg === 'object' && arg !== null && 'target' in arg && 'allocatedBytes' in arg;

export interface Stage {
  readonly temporal: Pick<TestTemporal, 'environment' | 'namespace'>;
  readonly bundle: { readonly codePath: string };
}

/** Waits until the activity has failed and waits for its next try: no worker is at it. */
export async function waitsForNextTry(handle: WorkflowHandle, activity: string): Promise<void> {
  await eventually(`${activity} waits for its next try`, async () =>
    ((await handle.describe()).raw.pendingActivities ?? []).some(
      ({ activityType, attempt, lastFailure }) => activityType?.name === activity && (attempt ?? 0) > 1 && lastFailure != null,
    ),
  );
}

export async function openStage(): Promise<Stage & { readonly temporal: TestTemporal; close(): Promise<void> }> {
  const [temporal, bundle] = await Promise.all([startTemporalForTests(), bundleWorkflowsForTests()]);
  return { temporal, bundle, close: () => temporal.close() };
}
