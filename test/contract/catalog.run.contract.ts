import { estateSchema } from '../../src/contracts/api/estate';
import { isId } from '../../src/contracts/ids';
import type { ErrorSummary } from '../../src/contracts/errors';
import type { StepProgress } from '../../src/contracts/run';
import type { CatalogUnderTest } from './catalog.contract';
import {
  actions,
  backupRequest,
  BEFORE,
  codeOf,
  ESTATE,
  EXPIRY,
  factsOf,
  finishedRun,
  givenReadyPlan,
  givenServer,
  manifestOf,
  progressOf,
  readAll,
  refusal,
  RESOLVED,
  restoreRequest,
  succeeded,
} from './catalog.fixtures';

const FAILED: ErrorSummary = { code: 'COPY_FAILED', message: 'the copy ended', hint: 'look at the disk', context: { disk: 'vda' } };

export function runContract(subject: () => CatalogUnderTest): void {
  describe('accepting a backup', () => {
    it('writes everything down that its workflow needs', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { runId, replayed } = await catalog.acceptBackup(backupRequest(server.id));
      expect(replayed).toBe(false);
      expect(isId('run', runId)).toBe(true);
      const run = await catalog.getDispatchable(runId);
      expect(run).toEqual({
        kind: 'backup-image',
        input: {
          runId,
          serverId: server.id,
          serverName: 'db01',
          uuid: server.uuid,
          hypervisor: 'hv1',
          repository: 'main',
          fencingToken: expect.any(Number),
          acceptedAt: '2026-03-01T00:00:00.000Z',
          stopTimeoutSeconds: 120,
          agentTimeoutSeconds: 300,
          recoveryPointId: expect.stringMatching(/^rp_/),
          mode: 'offline',
          allowCrashConsistent: false,
          maxIncrements: 13,
          quiesce: { before: null, after: null },
          onlineBackup: { rateLimitBytesPerSecond: null, maxGuestLatencyMs: null },
          reason: 'before the upgrade',
        },
      });
      expect(await catalog.getRun(runId)).toEqual({
        id: runId,
        kind: 'backup-image',
        state: 'accepted',
        serverId: server.id,
        serverName: 'db01',
        reason: 'before the upgrade',
        requestedBy: 'alice',
        requestedAt: '2026-03-01T00:00:00.000Z',
        startedAt: null,
        finishedAt: null,
        planId: null,
        recoveryPointId: null,
        setId: null,
        cancelRequested: false,
        waitingFor: null,
        allowedActions: ['cancel'],
        wayBack: null,
        error: null,
        retrying: null,
        recoverySeconds: null,
        lostSeconds: null,
        steps: [],
      });
      const { items } = await catalog.listAudit({ runId }, { limit: 10, cursor: null });
      expect(items).toMatchObject([{ actor: 'alice', action: 'run.requested', serverId: server.id, details: { reason: 'before the upgrade' } }]);
    });

    it('carries the limits of the server, the wishes of the person, and how many incrementals its policy allows', async () => {
      const { catalog } = subject();
      const quiesce = { before: ['/usr/bin/pause'], after: ['/usr/bin/go-on'] };
      const onlineBackup = { rateLimitBytesPerSecond: 50_000_000, maxGuestLatencyMs: 200 };
      const policies = [{ name: 'few', image: { schedule: { every: 'day', at: '02:00' }, retention: { last: 3 }, mode: 'offline', maxIncrements: 5 } }];
      const servers = [{ ...ESTATE.servers[0]!, quiesce, onlineBackup, policy: 'few' }];
      await catalog.applyEstate('setup', estateSchema.parse({ ...ESTATE, policies, servers }), RESOLVED);
      const server = await catalog.getServer('db01');
      const { runId } = await catalog.acceptBackup(backupRequest(server.id, { mode: 'online', allowCrashConsistent: true }));
      expect((await catalog.getDispatchable(runId)).input).toMatchObject({
        mode: 'online',
        allowCrashConsistent: true,
        maxIncrements: 5,
        quiesce,
        onlineBackup,
      });
      const { items } = await catalog.listAudit({ runId }, { limit: 10, cursor: null });
      expect(items[0]?.details).toMatchObject({ mode: 'online', allowCrashConsistent: true, maxIncrements: 5 });
    });

    it('lets one of fifty at once hold the server and tells the others who does', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const results = await Promise.allSettled(Array.from({ length: 50 }, () => catalog.acceptBackup(backupRequest(server.id))));
      const accepted = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.runId] : []));
      expect(accepted).toHaveLength(1);
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as { code: string; context: object }] : []));
      expect(refused).toHaveLength(49);
      for (const error of refused) expect(error).toMatchObject({ code: 'SERVER_BUSY', context: { runId: accepted[0] } });
      expect(await catalog.listOpenRuns()).toEqual([{ runId: accepted[0], serverId: server.id, state: 'accepted' }]);
      expect((await actions(catalog)).filter((action) => action === 'run.refused')).toHaveLength(49);
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
    });

    it('holds one server only', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const web01 = await catalog.getServer('web01');
      await catalog.acceptBackup(backupRequest(server.id));
      await expect(catalog.acceptBackup(backupRequest(web01.id))).resolves.toMatchObject({ replayed: false });
    });

    it('answers the same request with the same run, at once and later', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const request = backupRequest(server.id, { idempotencyKey: 'key 1' });
      const answers = await Promise.all(Array.from({ length: 20 }, () => catalog.acceptBackup(request)));
      const runId = answers[0]?.runId ?? 'none';
      expect(answers.every((answer) => answer.runId === runId)).toBe(true);
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
      await catalog.finishRun(runId, succeeded);
      expect(await catalog.acceptBackup(request)).toEqual({ runId, replayed: true });
      expect(await catalog.listOpenRuns()).toEqual([]);
    });

    it('refuses the same key for another request, and audits that', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      await catalog.acceptBackup(backupRequest(server.id, { idempotencyKey: 'k' }));
      expect(await codeOf(catalog.acceptBackup(backupRequest(server.id, { idempotencyKey: 'k', requestDigest: 'other' })))).toBe('IDEMPOTENCY_KEY_REUSED');
      expect((await actions(catalog)).at(-1)).toBe('run.refused');
    });

    it('leaves the key of a refused request free', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      const request = backupRequest(server.id, { idempotencyKey: 'k' });
      expect(await codeOf(catalog.acceptBackup(request))).toBe('SERVER_BUSY');
      await catalog.finishRun(runId, succeeded);
      await expect(catalog.acceptBackup(request)).resolves.toMatchObject({ replayed: false });
    });

    it('gives every run a higher fencing token', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const tokens: number[] = [];
      for (let index = 0; index < 5; index += 1) tokens.push((await catalog.getDispatchable(await finishedRun(catalog, server))).input.fencingToken);
      expect(new Set(tokens).size).toBe(5);
      expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    });

    it('refuses an unknown server', async () => {
      const { catalog } = subject();
      expect(await codeOf(catalog.acceptBackup(backupRequest('srv_unknown')))).toBe('SERVER_NOT_FOUND');
    });
  });

  describe('runs', () => {
    it('goes from accepted over running to its end and releases the server', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      advance(1000);
      await catalog.startRun(runId);
      await catalog.startRun(runId);
      expect(await catalog.getRun(runId)).toMatchObject({ state: 'running', startedAt: '2026-03-01T00:00:01.000Z', finishedAt: null });
      advance(1000);
      const point = await catalog.recordRecoveryPoint(manifestOf(server, 1, { runId }), 'main');
      await catalog.finishRun(runId, { ...succeeded, recoveryPointId: point.id });
      expect(await catalog.getRun(runId)).toMatchObject({ state: 'succeeded', finishedAt: '2026-03-01T00:00:02.000Z', recoveryPointId: point.id });
      expect(await catalog.listOpenRuns()).toEqual([]);
      expect(await actions(catalog, runId)).toEqual(['run.requested', 'run.started', 'recovery-point.published', 'run.succeeded']);
      await expect(catalog.acceptBackup(backupRequest(server.id))).resolves.toMatchObject({ replayed: false });
    });

    it('never leaves a final state and never releases the lock of a later run', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.finishRun(runId, { state: 'failed', error: FAILED });
      const before = await catalog.getRun(runId);
      expect(before).toMatchObject({ state: 'failed', error: FAILED });
      const next = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.finishRun(runId, succeeded);
      await catalog.recordStep(runId, { seq: 1, key: 'late', title: 'Late', state: 'running' });
      expect(await codeOf(catalog.startRun(runId))).toBe('FENCED_OFF');
      expect(await catalog.getRun(runId)).toEqual(before);
      expect(await catalog.listOpenRuns()).toMatchObject([{ runId: next.runId }]);
      expect(await codeOf(catalog.acceptBackup(backupRequest(server.id)))).toBe('SERVER_BUSY');
      expect(await actions(catalog, runId)).toEqual(['run.requested', 'run.failed']);
    });

    it('closes what was open when a run does not succeed', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.recordStep(runId, { seq: 1, key: 'stop', title: 'Stop', state: 'succeeded' });
      await catalog.recordStep(runId, { seq: 2, key: 'copy:vda', title: 'Copy', state: 'running' });
      await catalog.recordStep(runId, { seq: 3, key: 'publish', title: 'Publish', state: 'pending' });
      advance(5000);
      await catalog.finishRun(runId, { state: 'cancelled', error: null });
      const { steps } = await catalog.getRun(runId);
      expect(steps.map(({ state, finishedAt }) => [state, finishedAt])).toEqual([
        ['succeeded', '2026-03-01T00:00:00.000Z'],
        ['failed', '2026-03-01T00:00:05.000Z'],
        ['skipped', '2026-03-01T00:00:05.000Z'],
      ]);
    });

    it('keeps a cancel request, once, and refuses it after the end', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.requestCancel('bob', runId, 'not what we need');
      await catalog.requestCancel('carol', runId, null);
      expect((await catalog.getRun(runId)).cancelRequested).toBe(true);
      await catalog.finishRun(runId, { state: 'cancelled', error: null });
      expect(await refusal(catalog.requestCancel('bob', runId, null))).toMatchObject({ code: 'RUN_FINISHED', message: expect.stringContaining('cancelled') });
      expect(await actions(catalog, runId)).toEqual(['run.requested', 'run.cancel-requested', 'run.cancelled']);
      const { items } = await catalog.listAudit({ runId }, { limit: 10, cursor: null });
      expect(items[1]).toMatchObject({ actor: 'bob', details: { kind: 'backup-image', reason: 'not what we need' } });
    });

    it('lists runs whose workflow may not have been started', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      expect(await catalog.listUndispatched(new Date(Date.UTC(2026, 2, 1)))).toEqual([]);
      advance(1000);
      expect(await catalog.listUndispatched(new Date(Date.UTC(2026, 2, 1, 0, 0, 1)))).toEqual([await catalog.getDispatchable(runId)]);
      await catalog.startRun(runId);
      expect(await catalog.listUndispatched(new Date(Date.UTC(2027, 0, 1)))).toEqual([]);
      expect(await catalog.listOpenRuns()).toEqual([{ runId, serverId: server.id, state: 'running' }]);
    });

    it('lists newest first, filtered, in pages', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const web01 = await catalog.getServer('web01');
      const ids: string[] = [];
      for (let index = 0; index < 5; index += 1) {
        ids.unshift(await finishedRun(catalog, server));
        if (index % 2 === 0) advance(1000);
      }
      const { planId } = await givenReadyPlan(catalog, server);
      advance(1000);
      const restore = await catalog.acceptPlanned(restoreRequest(server.id, planId));
      await finishedRun(catalog, web01);
      const backups = await readAll((cursor) => catalog.listRuns({ serverId: server.id, kind: 'backup-image' }, { limit: 2, cursor }));
      expect(backups.map(({ id }) => id).sort()).toEqual([...ids].sort());
      const times = backups.map(({ requestedAt }) => requestedAt);
      expect(times).toEqual([...times].sort().reverse());
      expect((await catalog.listRuns({ kind: 'restore-server' }, { limit: 10, cursor: null })).items).toMatchObject([
        { id: restore.runId, serverName: 'db01', steps: [] },
      ]);
      expect((await catalog.listRuns({ state: 'accepted' }, { limit: 10, cursor: null })).items).toHaveLength(1);
      expect((await catalog.listRuns({ serverId: web01.id }, { limit: 10, cursor: null })).items).toMatchObject([{ serverName: 'web01' }]);
      expect(await readAll((cursor) => catalog.listRuns({}, { limit: 3, cursor }))).toHaveLength(7);
    });

    it('keeps the recovery times of the last twenty restores that succeeded', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      for (let index = 1; index <= 22; index += 1) {
        const { planId } = await givenReadyPlan(catalog, server);
        const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
        await catalog.finishRun(runId, index === 5 ? { state: 'failed', error: FAILED, recoverySeconds: 999 } : { ...succeeded, recoverySeconds: index + 0.5 });
        advance(1000);
      }
      const measured = await catalog.measuredRecoverySeconds(server.id, 'restore-server');
      expect(measured).toHaveLength(20);
      expect(measured.slice(0, 3)).toEqual([22.5, 21.5, 20.5]);
      expect(measured).not.toContain(999);
    });

    it('says what is not there', async () => {
      const { catalog } = subject();
      const calls = [
        catalog.getRun('run_x'),
        catalog.getDispatchable('run_x'),
        catalog.startRun('run_x'),
        catalog.finishRun('run_x', succeeded),
        catalog.requestCancel('bob', 'run_x', null),
        catalog.recordStep('run_x', { seq: 1, key: 'a', title: 'A', state: 'running' }),
        catalog.decide({ actor: 'bob', runId: 'run_x', kind: 'go-live', reason: 'x' }),
        catalog.getDecision('run_x', 'go-live'),
        catalog.openWayBack('run_x', factsOf('run_x'), BEFORE, EXPIRY),
        catalog.takeWayBack('run_x', 'run_y', factsOf('run_x'), BEFORE, EXPIRY),
        catalog.revertWayBack('run_x'),
        catalog.closeWayBack('run_x', 'run_y'),
        catalog.recordGoLive('run_x'),
        catalog.getWayBack('run_x'),
        catalog.acceptUndoPlan({ actor: 'bob', idempotencyKey: null, requestDigest: 'u', ofRunId: 'run_x' }),
      ];
      expect(await Promise.all(calls.map(codeOf))).toEqual(Array(calls.length).fill('RUN_NOT_FOUND'));
      await expect(catalog.recordProgress('run_x', 'copy', progressOf())).resolves.toBeUndefined();
    });
  });

  describe('steps', () => {
    const step = { seq: 1, key: 'copy:vda', title: 'Copy disk vda' } as const;

    it('shows them in order, with times, progress and evidence', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.recordStep(runId, { seq: 2, key: 'publish', title: 'Publish', state: 'pending' });
      await catalog.recordStep(runId, { ...step, state: 'running', detail: { source: '/a' } });
      const progress = progressOf();
      await catalog.recordProgress(runId, 'copy:vda', progress);
      advance(2000);
      await catalog.recordStep(runId, { ...step, state: 'succeeded', detail: { bytes: 10 } });
      await catalog.recordProgress(runId, 'copy:vda', { ...progress, doneBytes: 1 });
      expect((await catalog.getRun(runId)).steps).toEqual([
        {
          ...step,
          state: 'succeeded',
          startedAt: '2026-03-01T00:00:00.000Z',
          finishedAt: '2026-03-01T00:00:02.000Z',
          progress: { ...progress, bytesPerSecond: null, secondsLeft: null },
          detail: { source: '/a', bytes: 10 },
          error: null,
        },
        { seq: 2, key: 'publish', title: 'Publish', state: 'pending', startedAt: null, finishedAt: null, progress: null, detail: {}, error: null },
      ]);
      expect(await actions(catalog, runId)).toEqual(['run.requested', 'step.succeeded']);
    });

    it('says since when a copy stands still that nobody reports about any more', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      const shown = async (): Promise<StepProgress | null | undefined> => (await catalog.getRun(runId)).steps[0]?.progress;
      await catalog.recordStep(runId, { ...step, state: 'running' });
      const progress = progressOf({ updatedAt: '2026-03-01T00:00:01.000Z' });
      await catalog.recordProgress(runId, 'copy:vda', progress);
      advance(10_500);
      expect(await shown()).toEqual(progress);
      advance(1_000);
      expect(await shown()).toEqual({ ...progress, bytesPerSecond: null, secondsLeft: null, stalledSince: progress.updatedAt });
      await catalog.recordProgress(runId, 'copy:vda', { ...progress, doneBytes: 6, updatedAt: '2026-03-01T00:00:11.500Z' });
      expect(await shown()).toMatchObject({ doneBytes: 6, bytesPerSecond: 1_000_000, stalledSince: null });
      await catalog.recordStep(runId, { ...step, state: 'failed' });
      advance(60_000);
      expect(await shown()).toMatchObject({ doneBytes: 6, bytesPerSecond: null, secondsLeft: null, stalledSince: null });
    });

    it('says what is tried again, until the next step; not in lists, and not once the run has ended', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      const shown = async () => (await catalog.getRun(runId)).retrying;
      const retrying = (attempt: number, failedAt: string | null = '2026-03-01T00:00:01.000Z') => ({
        attempt,
        failedAt,
        nextAttemptAt: failedAt === null ? null : '2026-03-01T00:00:31.000Z',
        error: { code: 'TARGET_UNREACHABLE' as const, message: `away ${'x'.repeat(9000)}`, hint: 'Mount it.' },
      });
      await catalog.recordStep(runId, { ...step, state: 'running' });
      expect(await shown()).toBeNull();
      await catalog.recordRetry(runId, retrying(1));
      await catalog.recordRetry(runId, retrying(2));
      expect(await shown()).toEqual({
        attempt: 2,
        failedAt: '2026-03-01T00:00:01.000Z',
        nextAttemptAt: '2026-03-01T00:00:31.000Z',
        error: { code: 'TARGET_UNREACHABLE', message: expect.stringMatching(/^away x{100,8000}/) as string, hint: 'Mount it.' },
      });
      expect((await catalog.listRuns({}, { limit: 5, cursor: null })).items.map(({ retrying: listed }) => listed)).toEqual([null]);
      await catalog.recordProgress(runId, 'copy:vda', progressOf({ updatedAt: '2026-03-01T00:00:09.000Z' }));
      expect(await shown()).toMatchObject({ attempt: 2 });
      await catalog.recordRetry(runId, null);
      expect(await shown()).toBeNull();
      for (const state of ['succeeded', 'undone'] as const) {
        await catalog.recordRetry(runId, retrying(0, null));
        expect(await shown()).toMatchObject({ attempt: 0, failedAt: null, nextAttemptAt: null });
        await catalog.recordStep(runId, { ...step, state });
        expect(await shown()).toBeNull();
      }
      await catalog.recordRetry(runId, retrying(7));
      await catalog.finishRun(runId, { state: 'failed', error: { code: 'TARGET_UNREACHABLE', message: 'away', hint: 'Mount it.' } });
      expect(await shown()).toBeNull();
      await catalog.recordRetry(runId, retrying(8));
      expect(await shown()).toBeNull();
      await expect(catalog.recordRetry('run_x', retrying(1))).resolves.toBeUndefined();
      expect(await actions(catalog, runId)).toEqual(['run.requested', 'step.succeeded', 'step.undone', 'run.failed']);
    });

    it('ignores updates that come twice or late; only undone follows an end', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      const stateAfter = async (state: 'pending' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'undone'): Promise<string> => {
        await catalog.recordStep(runId, { ...step, state });
        advance(1000);
        return (await catalog.getRun(runId)).steps[0]?.state ?? 'none';
      };
      expect(await stateAfter('running')).toBe('running');
      expect(await stateAfter('pending')).toBe('running');
      expect(await stateAfter('waiting')).toBe('waiting');
      expect(await stateAfter('running')).toBe('running');
      expect(await stateAfter('succeeded')).toBe('succeeded');
      expect(await stateAfter('succeeded')).toBe('succeeded');
      expect(await stateAfter('running')).toBe('succeeded');
      expect(await stateAfter('failed')).toBe('succeeded');
      expect(await stateAfter('undone')).toBe('undone');
      expect(await stateAfter('succeeded')).toBe('undone');
      const [only] = (await catalog.getRun(runId)).steps;
      expect(only).toMatchObject({ startedAt: '2026-03-01T00:00:00.000Z', finishedAt: '2026-03-01T00:00:04.000Z' });
      expect(await actions(catalog, runId)).toEqual(['run.requested', 'step.succeeded', 'step.undone']);
    });

    it('adds what is learnt about a step after its end, once, and audits it', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.recordStep(runId, { ...step, state: 'running', detail: { source: '/a' } });
      await catalog.recordStep(runId, { ...step, state: 'failed', error: FAILED });
      const [failed] = (await catalog.getRun(runId)).steps;
      advance(60_000);
      const undo = { undone: false, undoProblem: 'the directory is not there' };
      for (let times = 0; times < 2; times += 1) {
        await catalog.recordStep(runId, { ...step, state: 'failed', detail: { source: '/a', ...undo }, error: FAILED });
      }
      expect((await catalog.getRun(runId)).steps).toEqual([{ ...failed, detail: { source: '/a', ...undo } }]);
      expect(await actions(catalog, runId)).toEqual(['run.requested', 'step.failed', 'step.detail']);
      const { items } = await catalog.listAudit({ runId }, { limit: 10, cursor: null });
      expect(items.find(({ action }) => action === 'step.detail')?.details).toMatchObject({ key: step.key, detail: undo });
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
    });

    it('keeps the error of a failed step, bounded and without NUL bytes', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id, { reason: 'a\u0000b' }));
      const message = `guest said: \u0000\u0001${'あ'.repeat(10_000)}`;
      await catalog.recordStep(runId, { ...step, state: 'failed', detail: { output: message }, error: { ...FAILED, message } });
      const run = await catalog.getRun(runId);
      expect(run.reason).toBe('ab');
      const [failed] = run.steps;
      expect(failed?.error).toMatchObject({ code: 'COPY_FAILED', hint: 'look at the disk', context: { disk: 'vda' } });
      for (const kept of [failed?.error?.message, failed?.detail['output']]) {
        expect(Buffer.byteLength(String(kept))).toBeLessThanOrEqual(4096);
        expect(kept).toMatch(/^guest said: \u0001あ+… \(cut\)$/);
      }
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
    });

    it('takes many updates of one run at once', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      const updates = Array.from({ length: 30 }, (_, index) => ({
        seq: index % 10,
        key: `s${index % 10}`,
        title: 'Step',
        state: index < 20 ? ('running' as const) : ('succeeded' as const),
      }));
      await Promise.all(updates.map((update) => catalog.recordStep(runId, update)));
      const { steps } = await catalog.getRun(runId);
      expect(steps.map(({ seq, state }) => `${seq} ${state}`)).toEqual(Array.from({ length: 10 }, (_, seq) => `${seq} succeeded`));
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
    });
  });
}
