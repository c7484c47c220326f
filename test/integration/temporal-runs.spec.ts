import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import { translateFailures } from '../../activities/failures';
import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { createDataSource } from '../../src/catalog/data-source';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import { createLog } from '../../src/config/log';
import { estateSchema } from '../../src/contracts/api/estate';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import { ModosuError } from '../../src/contracts/errors';
import { CONTROL_TASK_QUEUE, hostTaskQueue, newId, planWorkflowId, serverWorkflowId } from '../../src/contracts/ids';
import { TemporalClient } from '../../src/temporal/client';
import { ensureNamespace, inspectNamespace } from '../../src/temporal/namespace';
import { reconcile, type ReconcileReport } from '../../src/temporal/reconcile';
import { createRunStarter, type RunDispatcher } from '../../src/temporal/run-starter';
import { startTestPostgres, type TestPostgres } from '../support/postgres';
import { bundleWorkflowsForTests, startTemporalForTests, type TestTemporal } from '../support/temporal';

jest.setTimeout(180_000);

const FIXTURE = join(__dirname, '../support/fixtures/temporal-workflows.ts');
const NOTHING: ReconcileReport = { started: [], cancelled: [], told: [], ended: [] };

const until = async <T>(read: () => Promise<T>, accept: (value: T) => boolean, deadlineMs = 15_000): Promise<T> => {
  const giveUpAt = Date.now() + deadlineMs;
  for (;;) {
    const value = await read();
    if (accept(value)) return value;
    if (Date.now() > giveUpAt) throw new Error(`not reached; last value: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

describe('runs between PostgreSQL and Temporal', () => {
  let temporal: TestTemporal;
  let postgres: TestPostgres;
  let catalog: Catalog;
  let runs: RunDispatcher;
  let worker: Worker;
  let working: Promise<void>;
  let servers = 0;

  beforeAll(async () => {
    [temporal, postgres] = await Promise.all([startTemporalForTests(), startTestPostgres()]);
    catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
    runs = createRunStarter(temporal.client, { handoverMs: 500 });
    worker = await Worker.create({
      connection: temporal.environment.nativeConnection,
      namespace: temporal.namespace,
      taskQueue: CONTROL_TASK_QUEUE,
      dataConverter: temporal.dataConverter,
      workflowBundle: await bundleWorkflowsForTests(FIXTURE),
      activities: { echo: (text: string) => Promise.resolve(text) },
    });
    working = worker.run();
  }, 90_000);

  afterAll(async () => {
    worker.shutdown();
    await working;
    await catalog.close();
    await Promise.all([temporal.close(), postgres.stop()]);
  }, 60_000);

  const newServer = async (): Promise<ServerRecord> => {
    servers += 1;
    const name = `s${servers}`;
    const estate = estateSchema.parse({
      hypervisors: [{ name: 'h1', kind: 'libvirt' }],
      repositories: [{ name: 'main', kind: 'directory', path: '/srv/main' }],
      servers: [{ name, hypervisor: 'h1', repository: 'main' }],
    });
    await catalog.applyEstate('test', estate, [{ name, domainName: name, uuid: `00000000-0000-4000-8000-${String(servers).padStart(12, '0')}` }]);
    return catalog.getServer(name);
  };

  const acceptRun = async (server: ServerRecord, reason = 'test'): Promise<string> =>
    (
      await catalog.acceptBackup({
        actor: 'test',
        idempotencyKey: null,
        requestDigest: newId('req'),
        serverId: server.id,
        reason,
        mode: 'offline',
        allowCrashConsistent: false,
      })
    ).runId;

  const start = async (runId: string): Promise<void> => runs.startRun(await catalog.getDispatchable(runId));
  const workflow = (server: ServerRecord) => temporal.client.client.workflow.getHandle(serverWorkflowId(server.id));
  /** A worker near the hypervisor, whose activities fail as ours do. */
  const nearby = (echo: (text: string) => Promise<string>): Promise<Worker> =>
    Worker.create({
      connection: temporal.environment.nativeConnection,
      namespace: temporal.namespace,
      taskQueue: hostTaskQueue('h1'),
      dataConverter: temporal.dataConverter,
      activities: translateFailures({ echo }, { log: createLog({ level: 'silent', role: 'test' }) }),
    });
  /** As if it ran later: runs that were accepted just now are older than the reconciler's grace. */
  const pass = (aheadMs = 10_000): Promise<ReconcileReport> =>
    reconcile({ catalog, runs, log: createLog({ level: 'silent', role: 'test' }), now: () => new Date(Date.now() + aheadMs) });

  /** Everything a test leaves open would show in the next test's passes. */
  afterEach(async () => {
    for (const { runId, serverId } of await catalog.listOpenRuns()) {
      if ((await runs.describeRun(runId, serverId)) === 'running') await temporal.client.client.workflow.getHandle(serverWorkflowId(serverId)).terminate();
      await catalog.finishRun(runId, { state: 'failed', error: null });
    }
    for (const { input } of await catalog.listUnfinishedPlans(new Date(Date.now() + 60_000))) {
      await catalog.failPlan(input.planId, new ModosuError('INTERNAL', 'left over').summary());
    }
  });

  describe('RunStarter', () => {
    it("starts the workflow of a run under the server's id, with search attributes, and does nothing the second time", async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await start(runId);
      await start(runId);
      const { typedSearchAttributes, type, status } = await workflow(server).describe();
      expect(type).toBe('backupImage');
      expect(status.name).toBe('RUNNING');
      expect(Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]))).toMatchObject({
        ModosuRun: runId,
        ModosuServer: server.id,
        ModosuHypervisor: 'h1',
        ModosuKind: 'backup-image',
      });
      await expect(runs.describeRun(runId, server.id)).resolves.toBe('running');
      await expect(runs.describeRun(newId('run'), server.id)).resolves.toBe('absent');
      await expect(runs.describeRun(runId, newId('srv'))).resolves.toBe('absent');
    });

    it('starts many at once for the same run only once', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await Promise.all([start(runId), start(runId), start(runId), start(runId)]);
      const started = async (): Promise<number> => (await temporal.client.client.workflow.count(`ModosuRun = '${runId}'`)).count;
      await until(started, (count) => count > 0);
      await expect(started()).resolves.toBe(1);
    });

    it('refuses a server whose workflow belongs to another run, naming the holder', async () => {
      const server = await newServer();
      const holder = await acceptRun(server);
      await start(holder);
      await catalog.finishRun(holder, { state: 'succeeded', error: null });
      const next = await acceptRun(server);
      await expect(start(next)).rejects.toMatchObject({ code: 'SERVER_BUSY', context: { runId: holder } });
      await workflow(server).terminate();
    });

    it('waits for a workflow that is about to close after it has given its lock back', async () => {
      const server = await newServer();
      const holder = await acceptRun(server);
      await start(holder);
      await catalog.finishRun(holder, { state: 'succeeded', error: null });
      const next = await acceptRun(server);
      const patient = createRunStarter(temporal.client, { handoverMs: 10_000 });
      const starting = catalog.getDispatchable(next).then((run) => patient.startRun(run));
      await workflow(server).signal('finish');
      await starting;
      await expect(runs.describeRun(next, server.id)).resolves.toBe('running');
      await expect(runs.describeRun(holder, server.id)).resolves.toBe('absent');
    });

    it('cancels only the run that is meant; asking again leaves no second mark', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await runs.cancelRun(runId, server.id); // not started yet: fine
      await start(runId);
      await runs.cancelRun(newId('run'), server.id);
      await expect(runs.describeRun(runId, server.id)).resolves.toBe('running');
      await Promise.all([runs.cancelRun(runId, server.id), runs.cancelRun(runId, server.id)]);
      await runs.cancelRun(runId, server.id);
      await expect(workflow(server).result()).resolves.toEqual({ state: 'cancelled' });
      await runs.cancelRun(runId, server.id); // ended: fine
      const { events } = await workflow(server).fetchHistory();
      expect(events?.filter((event) => event.workflowExecutionCancelRequestedEventAttributes != null)).toHaveLength(1);
      await expect(runs.describeRun(runId, server.id)).resolves.toBe('closed');
    });

    it('knows which queues have a worker', async () => {
      await until(
        () => runs.hasWorker(CONTROL_TASK_QUEUE),
        (found) => found,
      );
      await expect(runs.hasWorker(hostTaskQueue('nobody'))).resolves.toBe(false);
    });
  });

  describe('reconcile', () => {
    it('starts an accepted run whose workflow was never started', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await expect(pass()).resolves.toEqual({ ...NOTHING, started: [runId] });
      await expect(runs.describeRun(runId, server.id)).resolves.toBe('running');
      await expect(pass()).resolves.toEqual(NOTHING);
    });

    it('says of a run that no worker takes up what it asks for, and says it no more once one has', async () => {
      const server = await newServer();
      const runId = await acceptRun(server, 'ask the host');
      await start(runId);
      await catalog.startRun(runId);
      const asked = async (): Promise<number> => (await workflow(server).describe()).raw.pendingActivities?.length ?? 0;
      await until(asked, (count) => count === 1);
      await expect(pass(30_000)).resolves.toEqual(NOTHING);
      expect((await catalog.getRun(runId)).retrying).toBeNull();
      await expect(pass(70_000)).resolves.toEqual(NOTHING);
      const { retrying } = await catalog.getRun(runId);
      expect(retrying).toMatchObject({
        attempt: 0,
        failedAt: null,
        error: { code: 'NO_WORKER', message: expect.stringMatching(/\(echo\) since .*: none that serves "host\.h1" is there/) as string },
      });
      await pass(80_000);
      expect((await catalog.getRun(runId)).retrying).toEqual(retrying);

      const near = await nearby((text) => Promise.resolve(text));
      await near.runUntil(until(asked, (count) => count === 0));
      await expect(pass(90_000)).resolves.toEqual(NOTHING);
      expect((await catalog.getRun(runId)).retrying).toBeNull();
    });

    it('says of a plan what its making waits for, and no more once it is made', async () => {
      const server = await newServer();
      await catalog.recordRecoveryPoint(manifestOf(server), 'main');
      const asked = { actor: 'test', idempotencyKey: null, requestDigest: newId('req'), serverId: server.id, recoveryPointId: null } as const;
      const { planId } = await catalog.acceptPlan({ ...asked, scenario: 'server', noData: true });
      await runs.startPlan(await catalog.getDispatchablePlan(planId));
      const handle = temporal.client.client.workflow.getHandle(planWorkflowId(planId));
      await until(
        async () => (await handle.describe()).raw.pendingActivities?.length ?? 0,
        (count) => count === 1,
      );
      await expect(pass(30_000)).resolves.toEqual(NOTHING);
      expect((await catalog.getPlan(planId)).retrying).toBeNull();
      await expect(pass(70_000)).resolves.toEqual(NOTHING);
      expect((await catalog.getPlan(planId)).retrying).toMatchObject({ failedAt: null, error: { code: 'NO_WORKER' } });
      await (await nearby((text) => Promise.resolve(text))).runUntil(handle.result());
      await expect(pass()).resolves.toEqual({ ...NOTHING, ended: [planId] });
      expect(await catalog.getPlan(planId)).toMatchObject({ state: 'failed', retrying: null });
    });

    it('says of a run what it tries again, with what the last attempt has met, and no more once it came through', async () => {
      const server = await newServer();
      const runId = await acceptRun(server, 'ask the host that fails');
      await start(runId);
      await catalog.startRun(runId);
      const away = new ModosuError('TARGET_UNREACHABLE', 'The directory /srv/vm is not there.', { hint: 'Mount it.', context: { path: '/srv/vm' } });
      const long = new ModosuError('TARGET_UNREACHABLE', 'x'.repeat(5000));
      let fails: ModosuError | null = away;
      const shown = async () => {
        await pass(0);
        return (await catalog.getRun(runId)).retrying;
      };
      const near = await nearby((text) => (fails === null ? Promise.resolve(text) : Promise.reject(fails)));
      await near.runUntil(async () => {
        const waits = await until(shown, (retrying) => typeof retrying?.nextAttemptAt === 'string');
        expect(waits).toEqual({ attempt: expect.any(Number) as number, failedAt: waits?.failedAt, nextAttemptAt: waits?.nextAttemptAt, error: away.summary() });
        expect(Date.parse(waits?.nextAttemptAt ?? '') - Date.parse(waits?.failedAt ?? '')).toBeCloseTo(2000, -2);
        fails = long;
        const kept = await until(shown, (retrying) => retrying?.error.message.includes('/srv/vm') === false);
        expect(kept).toMatchObject({ error: { code: 'TARGET_UNREACHABLE', message: expect.stringContaining('too long') as string } });
        fails = null;
        await until(shown, (retrying) => retrying === null);
      });
      expect(await catalog.getRun(runId)).toMatchObject({ state: 'running', retrying: null });
    });

    it('says of a run whose workflow no worker can carry on that it is stuck, also while a decision waits for it', async () => {
      const server = await newServer();
      const runId = await acceptRun(server, 'get stuck');
      await start(runId);
      const seen = async () => {
        // As each pass does where somebody has approved what the run waits for.
        await runs.tellDecided(runId, server.id, { isReminder: true });
        await pass(0);
        return (await catalog.getRun(runId)).retrying;
      };
      const stuck = await until(seen, (retrying) => retrying !== null, 60_000);
      expect(stuck).toMatchObject({ failedAt: null, error: { code: 'WORKFLOW_STUCK', hint: expect.stringContaining('payload-keys.json') as string } });
      expect(stuck?.attempt).toBeGreaterThanOrEqual(3);
    });

    it('leaves a run alone that was accepted just now', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await expect(pass(0)).resolves.toEqual(NOTHING);
      await expect(catalog.getRun(runId)).resolves.toMatchObject({ state: 'accepted' });
    });

    it('has what a terminated workflow left behind put in order, once, under the lock of its run', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await start(runId);
      await catalog.startRun(runId);
      await expect(pass()).resolves.toEqual(NOTHING);
      await workflow(server).terminate('somebody did that');
      await expect(pass()).resolves.toEqual({ ...NOTHING, ended: [runId] });
      expect((await workflow(server).describe()).type).toBe('cleanUpRun');
      await expect(catalog.getRun(runId)).resolves.toMatchObject({ state: 'running' });
      await expect(acceptRun(server)).rejects.toMatchObject({ code: 'SERVER_BUSY' });
      await expect(pass()).resolves.toEqual(NOTHING);
    });

    it('begins the clean-up again when that was terminated, too', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await start(runId);
      await catalog.startRun(runId);
      for (let round = 0; round < 2; round += 1) {
        await workflow(server).terminate();
        await expect(pass()).resolves.toEqual({ ...NOTHING, ended: [runId] });
      }
      expect((await workflow(server).describe()).type).toBe('cleanUpRun');
    });

    it('does not start a run a second time whose workflow was terminated before it could say that it runs', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await start(runId);
      await workflow(server).terminate();
      await expect(pass()).resolves.toEqual({ ...NOTHING, ended: [runId] });
      expect((await workflow(server).describe()).type).toBe('cleanUpRun');
    });

    it('cleans up after a running run whose workflow Temporal no longer knows', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await catalog.startRun(runId);
      await expect(pass()).resolves.toEqual({ ...NOTHING, ended: [runId] });
      await expect(runs.describeRun(runId, server.id)).resolves.toBe('running');
      expect((await workflow(server).describe()).type).toBe('cleanUpRun');
    });

    it('does not touch a run that its workflow has ended itself', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await start(runId);
      await catalog.startRun(runId);
      await catalog.finishRun(runId, { state: 'succeeded', error: null });
      await workflow(server).signal('finish');
      await workflow(server).result();
      await expect(pass()).resolves.toEqual(NOTHING);
      await expect(catalog.getRun(runId)).resolves.toMatchObject({ state: 'succeeded' });
    });

    it('delivers a cancel that was written down but never arrived', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await start(runId);
      await catalog.requestCancel('test', runId, null);
      await expect(pass()).resolves.toEqual({ ...NOTHING, cancelled: [runId] });
      await expect(workflow(server).result()).resolves.toEqual({ state: 'cancelled' });
    });

    it('ends a run that was cancelled before it was started, and gives its server back', async () => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await catalog.requestCancel('test', runId, null);
      await expect(pass()).resolves.toEqual({ ...NOTHING, cancelled: [runId] });
      await expect(catalog.getRun(runId)).resolves.toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
      await expect(runs.describeRun(runId, server.id)).resolves.toBe('absent');
      await expect(acceptRun(server)).resolves.toMatch(/^run_/);
    });

    it("keeps a run that waits for the server's workflow, and goes on with the others", async () => {
      const server = await newServer();
      const holder = await acceptRun(server);
      await start(holder);
      await catalog.finishRun(holder, { state: 'succeeded', error: null });
      const waiting = await acceptRun(server);
      const other = await newServer();
      const otherRun = await acceptRun(other);
      await expect(pass()).resolves.toEqual({ ...NOTHING, started: [otherRun] });
      await expect(catalog.getRun(waiting)).resolves.toMatchObject({ state: 'accepted' });
      await workflow(server).signal('finish');
      await workflow(server).result();
      await expect(pass()).resolves.toEqual({ ...NOTHING, started: [waiting] });
    });

    it('starts a plan again that was accepted but not started, and fails one whose workflow has ended without a result', async () => {
      const server = await newServer();
      await catalog.recordRecoveryPoint(manifestOf(server), 'main');
      const { planId } = await catalog.acceptPlan({
        actor: 'test',
        idempotencyKey: null,
        requestDigest: newId('req'),
        serverId: server.id,
        scenario: 'server',
        recoveryPointId: null,
        keepDisks: [],
        attachOldDisks: [],
      });
      await expect(pass()).resolves.toEqual({ ...NOTHING, started: [planId] });
      await temporal.client.client.workflow.getHandle(planWorkflowId(planId)).result();
      await expect(pass()).resolves.toEqual({ ...NOTHING, ended: [planId] });
      await expect(catalog.getPlan(planId)).resolves.toMatchObject({ state: 'failed', error: { code: 'RUN_ENDED_OUTSIDE' } });
      await expect(pass()).resolves.toEqual(NOTHING);
    });

    it.each(['nobody listens', 'the namespace is missing'])('decides nothing when %s', async (what) => {
      const server = await newServer();
      const runId = await acceptRun(server);
      await catalog.startRun(runId);
      const away = new TemporalClient({
        address: what === 'nobody listens' ? '127.0.0.1:1' : temporal.address,
        namespace: 'not-there',
        dataConverter: temporal.dataConverter,
        deadlineMs: 500,
      });
      const log = createLog({ level: 'silent', role: 'test' });
      await expect(reconcile({ catalog, runs: createRunStarter(away), log, now: () => new Date(Date.now() + 10_000) })).rejects.toMatchObject({
        code: 'TEMPORAL_UNAVAILABLE',
      });
      await expect(catalog.getRun(runId)).resolves.toMatchObject({ state: 'running' });
      await away.close();
    });
  });

  describe('namespace', () => {
    it('is made with retention and search attributes, and brought up to date later', async () => {
      const namespace = 'modosu-made';
      const client = new TemporalClient({ address: temporal.address, namespace, dataConverter: temporal.dataConverter });
      await expect(client.check()).rejects.toMatchObject({ code: 'TEMPORAL_UNAVAILABLE', message: expect.stringContaining(namespace) as string });
      await ensureNamespace(client, { retentionDays: 90, deadlineMs: 20_000 });
      await expect(inspectNamespace(client)).resolves.toEqual({ retentionDays: 90, missingSearchAttributes: [] });
      await ensureNamespace(client, { retentionDays: 30, deadlineMs: 20_000 });
      await expect(inspectNamespace(client)).resolves.toEqual({ retentionDays: 30, missingSearchAttributes: [] });
      await client.close();
    });

    it('gives up with a clear error when Temporal does not answer', async () => {
      const client = new TemporalClient({ address: '127.0.0.1:1', namespace: 'x', dataConverter: temporal.dataConverter, deadlineMs: 300 });
      await expect(ensureNamespace(client, { retentionDays: 1, deadlineMs: 500 })).rejects.toMatchObject({
        code: 'TEMPORAL_UNAVAILABLE',
        message: expect.stringContaining('127.0.0.1:1') as string,
      });
      await client.close();
    });
  });
});

function manifestOf(server: ServerRecord): ImageManifest {
  const file = { path: 'domain.xml', sizeBytes: 1, sha256: '0'.repeat(64) };
  return {
    format: 'modosu-image-recovery-point',
    version: 1,
    recoveryPointId: newId('rp'),
    server: { id: server.id, name: server.name, uuid: server.uuid },
    generation: 1,
    lineageId: server.lineageId,
    parentId: null,
    runId: newId('run'),
    reason: 'test',
    consistency: 'offline',
    pointInTime: '2026-01-01T00:00:00.000Z',
    publishedAt: '2026-01-01T00:00:01.000Z',
    disks: [],
    definition: file,
    definitionFingerprint: '0'.repeat(64),
    nvram: null,
    removableMedia: [],
    nics: [],
    generationId: null,
    firmware: 'bios',
    domainType: 'qemu',
    powerStateBefore: 'off',
    agentBefore: 'silent',
    software: { modosu: '0.0.0' },
  };
}
