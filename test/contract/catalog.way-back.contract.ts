import type { Catalog } from '../../src/catalog/catalog';
import type { CatalogUnderTest } from './catalog.contract';
import {
  actions,
  backupRequest,
  BEFORE,
  codeOf,
  confirmRequest,
  EXPIRY,
  factsOf,
  finishedConfirm,
  finishedRestore,
  finishedRun,
  finishedUndo,
  givenReadyPlan,
  givenServer,
  KEPT_DATA,
  manifestOf,
  refusal,
  restoreRequest,
  succeeded,
  swappedRestore,
  swappedUndo,
} from './catalog.fixtures';

const undoPlanRequest = (ofRunId: string, idempotencyKey: string | null = null) => ({ actor: 'alice', idempotencyKey, requestDigest: 'u1', ofRunId });
const lineageOf = async (catalog: Catalog): Promise<string> => (await catalog.getServer('db01')).lineageId;
const stateOf = async (catalog: Catalog, runId: string): Promise<string> => (await catalog.getWayBack(runId)).state;
const allowed = async (catalog: Catalog, runId: string): Promise<readonly string[]> => (await catalog.getRun(runId)).allowedActions;

export function wayBackContract(subject: () => CatalogUnderTest): void {
  describe('the way back', () => {
    it('is opened with a new lineage, once', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const runId = await swappedRestore(catalog, server);
      const view = await catalog.getWayBack(runId);
      expect(view).toEqual({
        runId,
        serverId: server.id,
        serverName: 'db01',
        state: 'open',
        wasGone: false,
        volumes: factsOf(runId).volumes,
        nvramPath: '/nvram/db01.fd',
        data: null,
        before: BEFORE,
        lineageBefore: server.lineageId,
        lineageAfter: await lineageOf(catalog),
        createdAt: '2026-03-01T00:00:00.000Z',
        expiresAt: '2026-03-08T00:00:00.000Z',
        wentLiveAt: null,
        closedBy: null,
        closedAt: null,
      });
      expect(view.lineageAfter).not.toBe(view.lineageBefore);
      advance(1000);
      expect(await catalog.openWayBack(runId, factsOf('again'), BEFORE, new Date(0))).toEqual(view);
      expect((await catalog.getRun(runId)).wayBack).toEqual(view);
      expect((await catalog.listRuns({ kind: 'restore-server' }, { limit: 5, cursor: null })).items[0]?.wayBack).toEqual(view);
      expect((await actions(catalog, runId)).filter((action) => action === 'lineage.started')).toHaveLength(1);
    });

    it('is written only by the run that holds the server', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const dead = await swappedRestore(catalog, server);
      await catalog.finishRun(dead, { state: 'failed', error: null });
      const backup = await finishedRun(catalog, server);
      const holder = await swappedRestore(catalog, server);
      const lineage = await lineageOf(catalog);
      const calls = [
        catalog.revertWayBack(dead),
        catalog.recordGoLive(dead),
        catalog.closeWayBack(dead, holder),
        catalog.openWayBack(backup, factsOf(backup), BEFORE, EXPIRY),
        catalog.takeWayBack(backup, dead, factsOf(backup), BEFORE, EXPIRY),
      ];
      expect(await Promise.all(calls.map(codeOf))).toEqual(Array(calls.length).fill('FENCED_OFF'));
      expect(await lineageOf(catalog)).toBe(lineage);
      expect(await Promise.all([dead, holder].map((id) => stateOf(catalog, id)))).toEqual(['open', 'open']);
      expect((await catalog.getWayBack(dead)).wentLiveAt).toBeNull();
    });

    it('is not opened by a run that has ended', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await givenReadyPlan(catalog, server);
      const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
      await catalog.finishRun(runId, { state: 'failed', error: null });
      expect(await codeOf(catalog.openWayBack(runId, factsOf(runId), BEFORE, EXPIRY))).toBe('FENCED_OFF');
      expect(await lineageOf(catalog)).toBe(server.lineageId);
      expect(await codeOf(catalog.getWayBack(runId))).toBe('WAY_BACK_NOT_FOUND');
    });

    it('remembers when the server went live, once', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const runId = await swappedRestore(catalog, server);
      advance(5000);
      await catalog.recordGoLive(runId);
      advance(5000);
      await catalog.recordGoLive(runId);
      expect((await catalog.getWayBack(runId)).wentLiveAt).toBe('2026-03-01T00:00:05.000Z');
      expect((await actions(catalog, runId)).filter((action) => action === 'run.went-live')).toHaveLength(1);
      await catalog.finishRun(runId, succeeded);
      const { runId: backup } = await catalog.acceptBackup(backupRequest(server.id));
      expect(await codeOf(catalog.recordGoLive(backup))).toBe('WAY_BACK_NOT_FOUND');
    });

    it('ends with the run putting everything back itself', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const runId = await swappedRestore(catalog, server);
      await catalog.revertWayBack(runId);
      await catalog.revertWayBack(runId);
      expect(await catalog.getWayBack(runId)).toMatchObject({ state: 'reverted', closedBy: runId, closedAt: '2026-03-01T00:00:00.000Z' });
      expect(await lineageOf(catalog)).toBe(server.lineageId);
      expect((await actions(catalog, runId)).filter((action) => action === 'way-back.reverted')).toHaveLength(1);
      expect(await codeOf(catalog.recordGoLive(runId))).toBe('WAY_BACK_NOT_FOUND');
      await catalog.finishRun(runId, { state: 'cancelled', error: null });
      expect(await codeOf(catalog.acceptUndoPlan(undoPlanRequest(runId)))).toBe('WAY_BACK_NOT_FOUND');
      expect(await codeOf(catalog.acceptConfirm(confirmRequest(server.id, runId)))).toBe('WAY_BACK_NOT_FOUND');
      expect(await allowed(catalog, runId)).toEqual([]);
      const backup = await finishedRun(catalog, server);
      await catalog.revertWayBack(backup);
      expect((await actions(catalog, backup)).at(-1)).toBe('run.succeeded');
    });

    it('leads back and forth: restore, undo, redo, with the lineage going along', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const restored = await lineageOf(catalog);
      advance(60_000);
      const undo = await finishedUndo(catalog, server, restore);
      expect(await lineageOf(catalog)).toBe(server.lineageId);
      expect(await catalog.getWayBack(restore)).toMatchObject({ state: 'undone', closedBy: undo, closedAt: '2026-03-01T00:01:00.000Z' });
      expect(await catalog.getWayBack(undo)).toMatchObject({
        state: 'open',
        lineageBefore: restored,
        lineageAfter: server.lineageId,
        createdAt: '2026-03-01T00:01:00.000Z',
        wentLiveAt: '2026-03-01T00:01:00.000Z',
        volumes: factsOf(undo).volumes,
      });
      expect(await actions(catalog, undo)).toEqual(['run.requested', 'run.started', 'lineage.returned', 'run.succeeded']);
      expect(await refusal(catalog.acceptUndoPlan(undoPlanRequest(restore)))).toMatchObject({
        code: 'WAY_BACK_CLOSED',
        message: expect.stringContaining(undo),
        hint: expect.stringContaining(undo),
      });
      const redo = await finishedUndo(catalog, server, undo);
      expect(await lineageOf(catalog)).toBe(restored);
      expect(await Promise.all([restore, undo, redo].map((id) => stateOf(catalog, id)))).toEqual(['undone', 'undone', 'open']);
      await finishedConfirm(catalog, server, redo);
      expect(await lineageOf(catalog)).toBe(restored);
      expect(await catalog.listWayBacks({ serverId: server.id, state: 'open' })).toEqual([]);
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
    });

    it('is taken once, and given back when the undo or the redo is reverted', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const restored = await lineageOf(catalog);
      const undo = await swappedUndo(catalog, server, restore);
      const view = await catalog.getWayBack(undo);
      expect(await catalog.takeWayBack(undo, restore, factsOf('again'), BEFORE, EXPIRY)).toEqual(view);
      await catalog.revertWayBack(undo);
      expect(await lineageOf(catalog)).toBe(restored);
      expect(await catalog.getWayBack(restore)).toMatchObject({ state: 'open', closedBy: null, closedAt: null });
      expect(await stateOf(catalog, undo)).toBe('reverted');
      await catalog.finishRun(undo, { state: 'failed', error: null });
      expect(await allowed(catalog, restore)).toEqual(['undo', 'confirm']);

      const second = await finishedUndo(catalog, server, restore);
      const redo = await swappedUndo(catalog, server, second);
      expect(await lineageOf(catalog)).toBe(restored);
      await catalog.revertWayBack(redo);
      expect(await lineageOf(catalog)).toBe(server.lineageId);
      expect(await Promise.all([restore, undo, second, redo].map((id) => stateOf(catalog, id)))).toEqual(['undone', 'reverted', 'open', 'reverted']);
      await catalog.finishRun(redo, { state: 'failed', error: null });
      expect(await codeOf(catalog.acceptUndoPlan(undoPlanRequest(undo)))).toBe('WAY_BACK_NOT_FOUND');
    });

    it('of data leaves the server on the line that its disks are on, also when they were replaced in between', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const ofData = await finishedRestore(catalog, server, { volumes: [], nvramPath: null, data: KEPT_DATA });
      const restore = await finishedRestore(catalog, server);
      const restored = await lineageOf(catalog);
      await finishedConfirm(catalog, server, restore);
      const undo = await swappedUndo(catalog, server, ofData, { volumes: [], nvramPath: null, data: { ...KEPT_DATA, undone: true } });
      expect(await catalog.getWayBack(undo)).toMatchObject({ lineageBefore: restored, lineageAfter: restored });
      expect(await lineageOf(catalog)).toBe(restored);
      await catalog.revertWayBack(undo);
      expect(await lineageOf(catalog)).toBe(restored);
      expect(await stateOf(catalog, ofData)).toBe('open');
      // What that data restore has kept brings no disks back: nothing of the line that it was on is kept for it.
      const old = await catalog.recordRecoveryPoint(manifestOf(server, 90), 'main');
      expect((await catalog.retentionPoints(server.id)).find(({ id }) => id === old.id)).toMatchObject({ line: null });
    });

    it('is closed for good when the kept volumes are deleted', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const { runId } = await catalog.acceptConfirm(confirmRequest(server.id, restore));
      expect(await catalog.getDispatchable(runId)).toMatchObject({
        kind: 'confirm',
        input: { runId, serverId: server.id, ofRunId: restore, reason: 'the restore has proven itself' },
      });
      advance(1000);
      await catalog.closeWayBack(runId, restore);
      await catalog.closeWayBack(runId, restore);
      expect(await catalog.getWayBack(restore)).toMatchObject({ state: 'confirmed', closedBy: runId, closedAt: '2026-03-01T00:00:01.000Z' });
      await catalog.finishRun(runId, succeeded);
      expect(await actions(catalog, runId)).toEqual(['run.requested', 'way-back.confirmed', 'run.succeeded']);
      expect((await catalog.getRun(runId)).wayBack).toBeNull();
      const twice = await refusal(catalog.acceptConfirm(confirmRequest(server.id, restore)));
      expect(twice).toMatchObject({ code: 'WAY_BACK_CLOSED', message: expect.stringContaining(`by run ${runId} at 2026-03-01T00:00:01.000Z`) });
      expect(await codeOf(catalog.acceptUndoPlan(undoPlanRequest(restore)))).toBe('WAY_BACK_CLOSED');
      const { runId: other } = await catalog.acceptBackup(backupRequest(server.id));
      expect(await codeOf(catalog.closeWayBack(other, restore))).toBe('WAY_BACK_CLOSED');
      expect(await codeOf(catalog.closeWayBack(other, other))).toBe('WAY_BACK_NOT_FOUND');
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.filter(({ action }) => action === 'run.refused').map(({ details }) => [details['kind'], details['code'], details['ofRunId']])).toEqual([
        ['confirm', 'WAY_BACK_CLOSED', restore],
      ]);
    });

    it('of another server cannot be touched', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const web01 = await catalog.getServer('web01');
      const restore = await finishedRestore(catalog, server);
      const { runId } = await catalog.acceptBackup(backupRequest(web01.id));
      expect(await codeOf(catalog.takeWayBack(runId, restore, factsOf(runId), BEFORE, EXPIRY))).toBe('WAY_BACK_NOT_FOUND');
      expect(await codeOf(catalog.closeWayBack(runId, restore))).toBe('WAY_BACK_NOT_FOUND');
      expect(await codeOf(catalog.acceptConfirm(confirmRequest(web01.id, restore)))).toBe('RUN_NOT_FOUND');
      expect(await stateOf(catalog, restore)).toBe('open');
      expect((await catalog.getServer('web01')).lineageId).toBe(web01.lineageId);
    });

    it('is taken in the reverse of the order of the swaps, whatever the clock says', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const first = await finishedRestore(catalog, server);
      advance(-3_600_000);
      const second = await finishedRestore(catalog, server);
      expect((await catalog.listWayBacks({ serverId: server.id })).map(({ runId }) => runId)).toEqual([second, first]);
      expect(await refusal(catalog.acceptUndoPlan(undoPlanRequest(first)))).toMatchObject({ code: 'WAY_BACK_NOT_NEWEST', context: { runId: second } });
      expect(await allowed(catalog, first)).toEqual(['confirm']);
      expect(await allowed(catalog, second)).toEqual(['undo', 'confirm']);
      await finishedConfirm(catalog, server, second);
      expect(await allowed(catalog, first)).toEqual(['undo', 'confirm']);
      await expect(catalog.acceptUndoPlan(undoPlanRequest(first))).resolves.toMatchObject({ serverId: server.id, replayed: false });
    });

    it('leads nowhere when the hypervisor did not know the server', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server, { wasGone: true, volumes: [], nvramPath: null });
      expect(await codeOf(catalog.acceptUndoPlan(undoPlanRequest(restore)))).toBe('WAY_BACK_EMPTY');
      expect(await allowed(catalog, restore)).toEqual(['confirm']);
    });

    it('is listed newest first, filtered, and when its time is over', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const web01 = await catalog.getServer('web01');
      const live = await finishedRestore(catalog, server);
      const confirmed = await finishedRestore(catalog, server);
      await finishedConfirm(catalog, server, confirmed);
      const quarantined = await swappedRestore(catalog, server);
      advance(1000);
      const { runId } = await catalog.acceptBackup(backupRequest(web01.id));
      const other = await catalog.openWayBack(runId, factsOf(runId), BEFORE, new Date(EXPIRY.getTime() + 1));
      await catalog.recordGoLive(runId);
      const ids = async (filter: Parameters<Catalog['listWayBacks']>[0]): Promise<readonly string[]> =>
        (await catalog.listWayBacks(filter)).map((wayBack) => wayBack.runId);
      expect(await ids({})).toEqual([runId, quarantined, confirmed, live]);
      expect(await ids({ serverId: server.id, state: 'open' })).toEqual([quarantined, live]);
      expect(await ids({ state: 'confirmed' })).toEqual([confirmed]);
      expect(other.serverName).toBe('web01');
      const expired = async (at: number): Promise<readonly string[]> => (await catalog.listExpiredWayBacks(new Date(at))).map((wayBack) => wayBack.runId);
      expect(await expired(EXPIRY.getTime() - 1)).toEqual([]);
      expect(await expired(EXPIRY.getTime())).toEqual([live]);
      expect(await expired(EXPIRY.getTime() + 1)).toEqual([runId, live]);
    });
  });

  describe('what a run offers', () => {
    it('changes with its life', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await swappedRestore(catalog, server);
      expect(await allowed(catalog, restore)).toEqual(['cancel']);
      await catalog.recordStep(restore, { seq: 9, key: 'go-live', title: 'Go live', state: 'waiting' });
      expect(await allowed(catalog, restore)).toEqual(['go-live', 'undo', 'cancel']);
      await catalog.decide({ actor: 'bob', runId: restore, kind: 'go-live', reason: 'looks good' });
      expect(await allowed(catalog, restore)).toEqual(['cancel']);
      await catalog.recordGoLive(restore);
      await catalog.finishRun(restore, succeeded);
      expect(await allowed(catalog, restore)).toEqual(['undo', 'confirm']);
      expect((await catalog.listRuns({ kind: 'restore-server' }, { limit: 1, cursor: null })).items[0]?.allowedActions).toEqual(['undo', 'confirm']);
      const undo = await finishedUndo(catalog, server, restore);
      expect([await allowed(catalog, restore), await allowed(catalog, undo)]).toEqual([[], ['undo', 'confirm']]);
      const backup = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.requestCancel('bob', backup.runId, null);
      expect(await allowed(catalog, backup.runId)).toEqual([]);
      await catalog.finishRun(backup.runId, { state: 'cancelled', error: null });
      await finishedConfirm(catalog, server, undo);
      expect(await allowed(catalog, undo)).toEqual([]);
    });

    it('still offers the way back of a restore that failed after the swap', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await swappedRestore(catalog, server);
      await catalog.finishRun(restore, { state: 'failed', error: null });
      expect(await allowed(catalog, restore)).toEqual(['undo']);
      expect(await codeOf(catalog.acceptConfirm(confirmRequest(server.id, restore)))).toBe('RUN_NOT_LIVE');
    });
  });
}
