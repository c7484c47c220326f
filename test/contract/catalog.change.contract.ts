import type { Catalog, OpenChangeRequest, ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import type { CatalogUnderTest } from './catalog.contract';
import {
  actions,
  applyingAgain,
  backupRequest,
  codeOf,
  finishedRun,
  finishedUndo,
  givenReadyPlan,
  givenServer,
  manifestOf,
  readAll,
  refusal,
  RESOLVED,
  restoreRequest,
  swappedRestore,
  factsOf,
  BEFORE,
  EXPIRY,
  succeeded,
} from './catalog.fixtures';

const MINUTE = 60_000;
const page = { limit: 50, cursor: null };

const request = (serverId: string, changes: Partial<OpenChangeRequest> = {}): OpenChangeRequest => ({
  actor: 'alice',
  idempotencyKey: null,
  requestDigest: 'd1',
  serverId,
  title: 'Install the LDAP client',
  ticket: 'OPS-12',
  author: null,
  applyAgain: { kind: 'command', argv: ['/usr/bin/apt-get', 'install', '-y', 'ldap-utils'], timeoutSeconds: 300 },
  externalId: null,
  ...changes,
});

const opened = async (catalog: Catalog, serverId: string, title: string): Promise<string> => (await catalog.openChange(request(serverId, { title }))).change.id;

const completed = async (catalog: Catalog, serverId: string, title: string): Promise<string> => {
  const id = await opened(catalog, serverId, title);
  await catalog.completeChange({ actor: 'alice', id });
  return id;
};

/** An image as a backup publishes it now. */
async function imaged(catalog: Catalog, serverId: string, at: string): Promise<string> {
  const server = await catalog.getServer(serverId);
  const manifest = manifestOf(server, await catalog.nextGeneration(serverId), {
    version: 5,
    pointInTime: at,
    publishedAt: at,
    changes: await catalog.changesAt(serverId, at),
  });
  return (await catalog.recordRecoveryPoint(manifest, 'main')).id;
}

const titles = async (catalog: Catalog, serverId: string): Promise<readonly (readonly string[])[]> => {
  const { contained, partly } = await catalog.changesAt(serverId, null);
  return [contained.map(({ title }) => title), partly.map(({ title }) => title)];
};

const waiting = async (catalog: Catalog) => (await catalog.listDueBackups({ state: 'waiting' }, page)).items;

const withPolicy = (image: object) =>
  estateSchema.parse({
    hypervisors: [{ name: 'hv1', kind: 'libvirt' }],
    repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
    policies: [{ name: 'weekly', image: { schedule: { every: 'week', on: ['sunday'], at: '01:00' }, retention: { last: 2 }, ...image } }],
    servers: [{ name: 'db01', hypervisor: 'hv1', repository: 'main', policy: 'weekly' }],
  });

/** Configuration changes: registered, complete, in an image, lost by a restore and back by its undo. The clock begins at 2026-03-01. */
export function changeContract(subject: () => CatalogUnderTest): void {
  describe('configuration changes', () => {
    it('are open until they are complete or cancelled; each is audited once', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { change } = await catalog.openChange(request(server.id));
      expect(change).toMatchObject({
        serverName: 'db01',
        title: 'Install the LDAP client',
        ticket: 'OPS-12',
        author: 'alice',
        applyAgain: { kind: 'command' },
        state: 'open',
        openedAt: '2026-03-01T00:00:00.000Z',
        completedAt: null,
        generation: null,
        inServer: 'partly',
      });
      advance(MINUTE);
      const done = await catalog.completeChange({ actor: 'bob', id: change.id });
      expect(done).toMatchObject({ state: 'completed', completedAt: '2026-03-01T00:01:00.000Z', completedBy: 'bob', inServer: 'yes' });
      advance(MINUTE);
      expect(await catalog.completeChange({ actor: 'carol', id: change.id })).toEqual(done);
      expect(await codeOf(catalog.cancelChange({ actor: 'bob', id: change.id, reason: 'x' }))).toBe('CHANGE_CLOSED');

      const other = await opened(catalog, server.id, 'Upgrade the kernel');
      const cancelled = await catalog.cancelChange({ actor: 'bob', id: other, reason: 'taken back' });
      expect(cancelled).toMatchObject({ state: 'cancelled', cancelledBy: 'bob', cancelReason: 'taken back', inServer: 'no' });
      expect(await catalog.cancelChange({ actor: 'carol', id: other, reason: 'again' })).toEqual(cancelled);
      expect(await codeOf(catalog.completeChange({ actor: 'bob', id: other }))).toBe('CHANGE_CLOSED');
      expect((await actions(catalog)).filter((action) => action.startsWith('change.'))).toEqual([
        'change.opened',
        'change.completed',
        'change.opened',
        'change.cancelled',
        'change.refused',
      ]);
      expect(await codeOf(catalog.getChange('chg_00000000000000000000000000'))).toBe('CHANGE_NOT_FOUND');
    });

    it('are listed by server and state, newest first, page by page', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const web = await catalog.getServer('web01');
      for (const title of ['one', 'two', 'three']) {
        advance(1000);
        await opened(catalog, server.id, title);
      }
      await completed(catalog, web.id, 'elsewhere');
      const read = (filter: Parameters<Catalog['listChanges']>[0]) => readAll((cursor) => catalog.listChanges(filter, { limit: 2, cursor }));
      expect((await read({ serverId: server.id })).map(({ title }) => title)).toEqual(['three', 'two', 'one']);
      expect((await read({ state: 'completed' })).map(({ title, serverName }) => `${serverName} ${title}`)).toEqual(['web01 elsewhere']);
      expect(await read({})).toHaveLength(4);
    });

    it('that a tool names are registered once; another thing under the same name is refused', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { change } = await catalog.openChange(request(server.id, { externalId: 'awx-7' }));
      expect(await catalog.openChange(request(server.id, { externalId: 'awx-7' }))).toEqual({ change, replayed: true });
      expect(await refusal(catalog.openChange(request(server.id, { externalId: 'awx-7', title: 'Another' })))).toMatchObject({
        code: 'CHANGE_EXISTS',
        context: { changeId: change.id },
      });
      expect(await catalog.findChange(server.id, 'awx-7')).toEqual(change);
      expect(await catalog.findChange(server.id, 'awx-8')).toBeNull();
      const web = await catalog.getServer('web01');
      expect((await catalog.openChange(request(web.id, { externalId: 'awx-7' }))).replayed).toBe(false);
      const keyed = { idempotencyKey: 'k1' };
      const once = await catalog.openChange(request(server.id, keyed));
      expect(await catalog.openChange(request(server.id, keyed))).toEqual({ change: once.change, replayed: true });
      expect(await codeOf(catalog.openChange(request(server.id, { ...keyed, requestDigest: 'other' })))).toBe('IDEMPOTENCY_KEY_REUSED');
    });

    it('that are completed at once are both complete, and one image is due for both', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const ids = [await opened(catalog, server.id, 'one'), await opened(catalog, server.id, 'two')];
      await Promise.all(ids.map((id) => catalog.completeChange({ actor: 'alice', id })));
      await Promise.all([catalog.recordDueBackups(), catalog.recordDueBackups()]);
      expect(await waiting(catalog)).toMatchObject([{ kind: 'image', cause: 'change', policy: null, dueAt: '2026-03-01T00:00:00.000Z' }]);
      const begun = await catalog.startNextDueBackup();
      const run = await catalog.getRun(begun?.runId ?? '');
      expect(run.reason).toMatch(/^configuration changed: "one", "two", complete at 2026-03-01/);
      expect((await catalog.getDispatchable(run.id)).input).toMatchObject({ mode: 'online', allowCrashConsistent: false });
      await catalog.recordDueBackups();
      expect(await waiting(catalog)).toEqual([]);
    });

    it('join an image for so many minutes as the policy says, counted from the first of them', async () => {
      const { catalog, advance } = subject();
      await catalog.applyEstate('setup', withPolicy({ coalesceChangesMinutes: 10 }), RESOLVED);
      const server = await catalog.getServer('db01');
      await completed(catalog, server.id, 'one');
      await catalog.recordDueBackups();
      expect(await catalog.startNextDueBackup()).toBeNull();
      advance(6 * MINUTE);
      await completed(catalog, server.id, 'two');
      await catalog.recordDueBackups();
      expect(await waiting(catalog)).toMatchObject([{ dueAt: '2026-03-01T00:06:00.000Z', notBefore: '2026-03-01T00:10:00.000Z', policy: 'weekly' }]);
      expect(await catalog.startNextDueBackup()).toBeNull();
      advance(4 * MINUTE);
      expect(await catalog.startNextDueBackup()).not.toBeNull();
    });

    it('stop no server: where images are taken offline, the next one of the schedule has them', async () => {
      const { catalog } = subject();
      await catalog.applyEstate('setup', withPolicy({ mode: 'offline' }), RESOLVED);
      const server = await catalog.getServer('db01');
      const id = await completed(catalog, server.id, 'one');
      await catalog.recordDueBackups();
      expect((await waiting(catalog)).filter(({ cause }) => cause === 'change')).toEqual([]);
      expect(await catalog.getChange(id)).toMatchObject({ imageComes: 'with-schedule' });
    });

    it('that an image has by the time its turn comes ask for none any more', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const id = await completed(catalog, server.id, 'one');
      await catalog.recordDueBackups();
      advance(1000);
      const pointId = await imaged(catalog, server.id, '2026-03-01T00:00:01.000Z');
      expect(await catalog.startNextDueBackup()).toBeNull();
      expect((await catalog.listDueBackups({}, page)).items).toMatchObject([{ state: 'withdrawn' }]);
      expect(await catalog.getChange(id)).toMatchObject({ generation: 1, recoveryPointId: pointId });
      await catalog.recordDueBackups();
      expect(await waiting(catalog)).toEqual([]);
    });

    it('that no image contains are among what protection is judged by, until one does', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      await completed(catalog, server.id, 'one');
      advance(MINUTE);
      await completed(catalog, server.id, 'two');
      expect((await catalog.protectionFacts()).changes).toEqual([{ serverId: server.id, since: '2026-03-01T00:00:00.000Z', titles: ['one', 'two'] }]);
      advance(MINUTE);
      await imaged(catalog, server.id, '2026-03-01T00:02:00.000Z');
      expect((await catalog.protectionFacts()).changes).toEqual([]);
    });

    it('wait with their image until the server is free', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await completed(catalog, server.id, 'one');
      await catalog.recordDueBackups();
      expect(await catalog.startNextDueBackup()).toBeNull();
      expect((await waiting(catalog))[0]?.waitsFor).toContain(runId);
      await catalog.finishRun(runId, succeeded);
      expect(await catalog.startNextDueBackup()).not.toBeNull();
    });

    it('wait for no image any more when the run that was to take it has failed, until another change asks for one', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const [one, half] = [await completed(catalog, server.id, 'one'), await opened(catalog, server.id, 'half done')];
      const comes = async (id: string) => (await catalog.getChange(id)).imageComes;
      expect(await comes(one)).toBe('by-itself');
      await catalog.recordDueBackups();
      expect(await comes(one)).toBe('by-itself');
      const runId = (await catalog.startNextDueBackup())?.runId ?? '';
      expect(await comes(one)).toBe('by-itself');
      await catalog.startRun(runId);
      await catalog.finishRun(runId, { state: 'failed', error: null });
      expect([await comes(one), await comes(half)]).toEqual([null, 'by-itself']);
      expect((await catalog.listChanges({}, page)).items.map(({ id, imageComes }) => [id, imageComes])).toEqual(
        expect.arrayContaining([
          [one, null],
          [half, 'by-itself'],
        ]),
      );
      expect(await catalog.recordDueBackups()).toEqual([]);
      advance(MINUTE);
      expect(await catalog.completeChange({ actor: 'alice', id: half })).toMatchObject({ imageComes: 'by-itself' });
      expect(await comes(one)).toBe('by-itself');
    });

    it('cannot be completed while the server is taken back in time', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const id = await opened(catalog, server.id, 'one');
      const runId = await swappedRestore(catalog, server);
      expect(await refusal(catalog.completeChange({ actor: 'alice', id }))).toMatchObject({ code: 'SERVER_GOES_BACK', context: { runId } });
      expect(await catalog.getChange(id)).toMatchObject({ state: 'open' });
      expect((await actions(catalog)).slice(-1)).toEqual(['change.refused']);
      await catalog.recordGoLive(runId);
      await catalog.finishRun(runId, succeeded);
      expect(await catalog.completeChange({ actor: 'alice', id, madeAgain: true })).toMatchObject({ state: 'completed', inServer: 'yes' });
    });

    it('that were begun on disks which the server has left are not complete there until they were made again from the beginning', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const pointId = await imaged(catalog, server.id, '2026-03-01T00:00:00.000Z');
      advance(MINUTE);
      const [begun, other] = [await opened(catalog, server.id, 'half done'), await opened(catalog, server.id, 'given up')];
      const restore = await restoredTo(catalog, server, pointId);
      const interrupted = {
        code: 'CHANGE_INTERRUPTED',
        hint: expect.stringContaining(`modosu change complete ${begun} --made-again`) as string,
        context: { changeId: begun, server: 'db01' },
      };
      expect(await refusal(catalog.completeChange({ actor: 'alice', id: begun }))).toMatchObject(interrupted);
      expect(await refusal(catalog.completeChange({ actor: 'alice', id: begun, madeAgain: false }))).toMatchObject(interrupted);
      expect(await catalog.getChange(begun)).toMatchObject({ state: 'open', inServer: 'no', completedAt: null });
      expect((await actions(catalog)).slice(-2)).toEqual(['change.refused', 'change.refused']);
      expect(await catalog.completeChange({ actor: 'alice', id: begun, madeAgain: true })).toMatchObject({ state: 'completed', inServer: 'yes' });
      expect(await catalog.completeChange({ actor: 'alice', id: begun })).toMatchObject({ state: 'completed' });
      const told = (await catalog.listAudit({}, { limit: 100, cursor: null })).items.filter(({ action }) => action === 'change.completed');
      expect(told).toMatchObject([{ details: { changeId: begun, madeAgain: true } }]);
      expect(await catalog.cancelChange({ actor: 'alice', id: other, reason: 'given up' })).toMatchObject({ state: 'cancelled' });

      // And the other way round: what was begun since the restore is not on the disks that its undo brings back.
      const since = await opened(catalog, server.id, 'begun since');
      await finishedUndo(catalog, await catalog.getServer(server.id), restore);
      expect(await codeOf(catalog.completeChange({ actor: 'alice', id: since }))).toBe('CHANGE_INTERRUPTED');
      expect(await catalog.getChange(begun)).toMatchObject({ inServer: 'partly' });
    });

    it('that were begun before a restore are complete as ever once it was undone: their disks are there again', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const pointId = await imaged(catalog, server.id, '2026-03-01T00:00:00.000Z');
      const id = await opened(catalog, server.id, 'one');
      const restore = await restoredTo(catalog, server, pointId);
      expect(await codeOf(catalog.completeChange({ actor: 'alice', id }))).toBe('CHANGE_INTERRUPTED');
      await finishedUndo(catalog, await catalog.getServer(server.id), restore);
      expect(await catalog.completeChange({ actor: 'alice', id })).toMatchObject({ state: 'completed', inServer: 'yes' });
      const [told] = (await catalog.listAudit({}, { limit: 100, cursor: null })).items.filter(({ action }) => action === 'change.completed');
      expect(told?.details).not.toHaveProperty('madeAgain');
    });

    it('are complete as ever where nobody knows how the server came to the disks that it has', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const id = await opened(catalog, server.id, 'one');
      await catalog.adoptServer('modosu', { ...server, lineageId: 'found-in-its-images' });
      expect(await catalog.completeChange({ actor: 'alice', id })).toMatchObject({ state: 'completed', inServer: 'yes' });
    });

    it('go with a restore, come back with its undo, and every generation says which it contains', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      await completed(catalog, server.id, 'one');
      await opened(catalog, server.id, 'half done');
      advance(MINUTE);
      const pointId = await imaged(catalog, server.id, '2026-03-01T00:01:00.000Z');
      advance(MINUTE);
      const two = await completed(catalog, server.id, 'two');
      expect(await titles(catalog, server.id)).toEqual([['one', 'two'], ['half done']]);
      expect(await catalog.getChange(two)).toMatchObject({ generation: null, imageComes: 'by-itself' });

      const restore = await restoredTo(catalog, server, pointId);
      expect(await titles(catalog, server.id)).toEqual([['one'], ['half done']]);
      expect(await catalog.getChange(two)).toMatchObject({ generation: null, imageComes: null });
      advance(MINUTE);
      const three = await completed(catalog, server.id, 'three');
      await imaged(catalog, server.id, '2026-03-01T00:03:00.000Z');
      expect(await titles(catalog, server.id)).toEqual([['one', 'three'], ['half done']]);
      expect(await catalog.getChange(three)).toMatchObject({ generation: 3, inServer: 'yes' });
      // The disks that were left are kept with what they hold.
      const left = await catalog.changesAt(server.id, null, server.lineageId);
      expect([left.contained, left.partly].map((list) => list.map(({ title }) => title))).toEqual([['one', 'two'], ['half done']]);

      await finishedUndo(catalog, await catalog.getServer(server.id), restore);
      expect(await titles(catalog, server.id)).toEqual([['one', 'two'], ['half done']]);
      expect(await catalog.getChange(three)).toMatchObject({ generation: 3, inServer: 'no' });
    });

    it('are applied again by the run that has taken the server back, on its new disks; an image of these is due', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const one = await completed(catalog, server.id, 'one');
      const runId = await swappedRestore(catalog, server);
      expect(await titles(catalog, server.id)).toEqual([[], []]);
      advance(MINUTE);
      await catalog.recordApplied(runId, [one, 'chg_00000000000000000000000000'], 'bob');
      await catalog.recordApplied(runId, [one], 'carol');
      expect(await titles(catalog, server.id)).toEqual([['one'], []]);
      expect(await catalog.getChange(one)).toMatchObject({ inServer: 'yes', completedBy: 'alice' });
      const applied = (await catalog.listAudit({ runId }, { limit: 100, cursor: null })).items.filter(({ action }) => action === 'change.applied');
      expect(applied).toMatchObject([{ actor: 'bob', details: { changeId: one } }]);
      await catalog.recordGoLive(runId);
      await catalog.finishRun(runId, succeeded);
      expect(await codeOf(catalog.recordApplied(runId, [one], 'dave'))).toBe('FENCED_OFF');
      await catalog.recordDueBackups();
      expect(await waiting(catalog)).toMatchObject([{ cause: 'change', dueAt: '2026-03-01T00:01:00.000Z' }]);
      await finishedUndo(catalog, await catalog.getServer(server.id), runId);
      expect(await titles(catalog, server.id)).toEqual([['one'], []]);
    });

    it('are signed off once, by somebody, while a run waits for that', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const runId = await swappedRestore(catalog, server, {}, applyingAgain('chg_00000000000000000000000000'));
      const request = { actor: 'bob', runId, kind: 'sign-off', reason: 'done', notApplied: ['chg_00000000000000000000000000'] } as const;
      expect(await codeOf(catalog.decide(request))).toBe('RUN_NOT_WAITING');
      await catalog.recordStep(runId, { seq: 9, key: 'sign-off', title: 'Sign off', state: 'waiting' });
      expect(await catalog.getRun(runId)).toMatchObject({ waitingFor: 'sign-off', allowedActions: ['sign-off', 'undo', 'cancel'] });
      expect(await codeOf(catalog.decide({ actor: 'bob', runId, kind: 'go-live', reason: 'x' }))).toBe('RUN_NOT_WAITING');
      await catalog.decide(request);
      await catalog.decide({ ...request, actor: 'carol', notApplied: [] });
      expect(await catalog.getDecision(runId, 'sign-off')).toEqual({
        actor: 'bob',
        reason: 'done',
        at: '2026-03-01T00:00:00.000Z',
        notApplied: request.notApplied,
      });
      expect(await catalog.getDecision(runId, 'go-live')).toBeNull();
      expect(await catalog.listDecidedButWaiting()).toEqual([{ runId, serverId: server.id }]);
      await catalog.recordStep(runId, { seq: 9, key: 'sign-off', title: 'Sign off', state: 'succeeded' });
      expect(await catalog.getRun(runId)).toMatchObject({ waitingFor: null });
    });

    it('are not registered of a server that is out of service', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const id = await opened(catalog, server.id, 'one');
      const done = await completed(catalog, server.id, 'two');
      await finishedRun(catalog, server);
      expect((await catalog.getChange(done)).imageComes).toBe('by-itself');
      await catalog.decommissionServer({ actor: 'alice', serverId: server.id, confirm: 'db01', reason: 'gone', keepDays: 1 });
      expect(await codeOf(catalog.openChange(request(server.id)))).toBe('SERVER_DECOMMISSIONED');
      expect(await codeOf(catalog.completeChange({ actor: 'alice', id }))).toBe('SERVER_DECOMMISSIONED');
      for (const one of [id, done]) expect(await catalog.getChange(one)).toMatchObject({ imageComes: null });
    });
  });
}

/** A restore to an image of one's choice that has gone live. Generation 2 is the fixture's own. */
export async function restoredTo(catalog: Catalog, server: ServerRecord, recoveryPointId: string): Promise<string> {
  const { planId } = await givenReadyPlan(catalog, server, [], recoveryPointId);
  const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
  await catalog.startRun(runId);
  await catalog.openWayBack(runId, factsOf(runId), BEFORE, EXPIRY);
  await catalog.recordGoLive(runId);
  await catalog.finishRun(runId, succeeded);
  return runId;
}
