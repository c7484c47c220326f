import type { AcceptBackupSetRequest, Catalog } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import type { Estate } from '../../src/contracts/estate';
import type { BackupSetView } from '../../src/contracts/backup-set';
import type { RunOutcome } from '../../src/contracts/activities/catalogue';
import { isId } from '../../src/contracts/ids';
import type { BackupImageInput } from '../../src/contracts/workflows';
import type { CatalogUnderTest } from './catalog.contract';
import { actions, backupRequest, codeOf, ESTATE, manifestOf, readAll, refusal, RESOLVED } from './catalog.fixtures';

const SHOP = { name: 'shop', servers: ['web01', 'db01'] };
const withGroups = (groups: readonly object[]): Estate => estateSchema.parse({ ...ESTATE, groups });
const FAILED: RunOutcome = { state: 'failed', error: { code: 'BACKUP_SET_INCOMPLETE', message: 'it was not taken', hint: 'take it again' } };

const request = (changes: Partial<AcceptBackupSetRequest> = {}): AcceptBackupSetRequest => ({
  actor: 'alice',
  idempotencyKey: null,
  requestDigest: 'd1',
  group: 'shop',
  reason: 'before the upgrade',
  allowCrashConsistent: false,
  ...changes,
});

export function backupSetContract(subject: () => CatalogUnderTest): void {
  const given = async (groups: readonly object[] = [SHOP]): Promise<Catalog> => {
    const { catalog } = subject();
    await catalog.applyEstate('setup', withGroups(groups), RESOLVED);
    return catalog;
  };
  const runOf = (set: BackupSetView, server: string): string => set.members.find(({ serverName }) => serverName === server)?.runId ?? '';
  /** Its run publishes and succeeds. */
  const take = async (catalog: Catalog, set: BackupSetView, server: string, pointInTime: string): Promise<void> => {
    const runId = runOf(set, server);
    const { recoveryPointId } = (await catalog.getDispatchable(runId)).input as BackupImageInput;
    await catalog.startRun(runId);
    const manifest = manifestOf(await catalog.getServer(server), 1, {
      runId,
      recoveryPointId,
      pointInTime,
      version: 3,
      setId: set.id,
      consistency: 'filesystem',
    });
    await catalog.recordRecoveryPoint(manifest, 'main');
    await catalog.finishRun(runId, { state: 'succeeded', error: null, recoveryPointId });
  };
  const give = async (catalog: Catalog): Promise<BackupSetView> => catalog.getSet((await catalog.acceptBackupSet(request())).backupSetId);

  describe('groups of servers', () => {
    it('are compared, applied, and shown by name', async () => {
      const catalog = await given([SHOP, { name: 'all', servers: ['db01', 'web01'] }]);
      expect(await catalog.listGroups()).toEqual([{ name: 'all', servers: ['db01', 'web01'] }, SHOP]);
      expect(await catalog.getGroup('shop')).toEqual(SHOP);
      expect(await refusal(catalog.getGroup('none'))).toMatchObject({ code: 'GROUP_NOT_FOUND', message: expect.stringContaining('"none"') as string });

      const changed = withGroups([{ name: 'shop', servers: ['db01', 'web01'] }]);
      const changes = (await catalog.diffEstate(changed, RESOLVED)).filter(({ subject: of }) => of === 'group');
      expect(changes).toEqual([
        { subject: 'group', name: 'shop', change: 'update', fields: ['servers: web01, db01 -> db01, web01'] },
        { subject: 'group', name: 'all', change: 'kept', fields: [] },
      ]);
      expect((await catalog.applyEstate('alice', changed, RESOLVED)).filter(({ subject: of }) => of === 'group')).toEqual(changes);
      expect(await catalog.applyEstate('alice', changed, RESOLVED)).toContainEqual({ subject: 'group', name: 'shop', change: 'unchanged', fields: [] });
      expect(await catalog.getGroup('shop')).toEqual({ name: 'shop', servers: ['db01', 'web01'] });
      expect(await actions(catalog)).toEqual(expect.arrayContaining(['group.created', 'group.updated']));
    });

    it('go only with prune', async () => {
      const catalog = await given();
      await catalog.applyEstate('alice', ESTATE, RESOLVED);
      expect(await catalog.listGroups()).toEqual([SHOP]);
      expect(await catalog.diffEstate(ESTATE, RESOLVED, { prune: true })).toContainEqual({ subject: 'group', name: 'shop', change: 'delete', fields: [] });
      await catalog.applyEstate('alice', ESTATE, RESOLVED, { prune: true });
      expect(await catalog.listGroups()).toEqual([]);
      expect(await actions(catalog)).toContain('group.deleted');
    });
  });

  describe('accepting a backup set', () => {
    it('writes one run of each server down, with all locks, and what brings them together', async () => {
      const catalog = await given();
      const { backupSetId, replayed } = await catalog.acceptBackupSet(request({ allowCrashConsistent: true }));
      expect([isId('set', backupSetId), replayed]).toEqual([true, false]);
      const { set, runs } = await catalog.getDispatchableSet(backupSetId);
      expect(set).toEqual({
        setId: backupSetId,
        group: 'shop',
        deadline: '2026-03-01T00:10:00.000Z',
        members: expect.arrayContaining(
          await Promise.all(
            SHOP.servers.map(async (name) => ({ runId: expect.any(String) as string, serverId: (await catalog.getServer(name)).id, serverName: name })),
          ),
        ) as unknown,
      });
      expect(runs).toHaveLength(2);
      for (const { kind, input } of runs) {
        expect(kind).toBe('backup-image');
        expect(input).toMatchObject({
          mode: 'online',
          allowCrashConsistent: true,
          maxIncrements: 13,
          reason: 'before the upgrade',
          set: { id: backupSetId, group: 'shop', deadline: '2026-03-01T00:10:00.000Z' },
        });
        expect(await catalog.getRun(input.runId)).toMatchObject({ state: 'accepted', setId: backupSetId });
        expect(await codeOf(catalog.acceptBackup(backupRequest(input.serverId)))).toBe('SERVER_BUSY');
      }
      expect(await catalog.getSet(backupSetId)).toEqual({
        id: backupSetId,
        group: 'shop',
        state: 'running',
        reason: 'before the upgrade',
        requestedBy: 'alice',
        requestedAt: '2026-03-01T00:00:00.000Z',
        deadline: '2026-03-01T00:10:00.000Z',
        finishedAt: null,
        spreadMs: null,
        members: ['db01', 'web01'].map((serverName) => ({
          serverId: expect.any(String) as string,
          serverName,
          runId: expect.any(String) as string,
          runState: 'accepted',
          recoveryPointId: null,
          pointInTime: null,
          consistency: null,
          error: null,
        })),
      });
      const audit = await readAll((cursor) => catalog.listAudit({}, { limit: 100, cursor }));
      expect(audit.find(({ action }) => action === 'backup-set.requested')).toMatchObject({
        actor: 'alice',
        details: { setId: backupSetId, group: 'shop', reason: 'before the upgrade', allowCrashConsistent: true },
      });
      expect(audit.filter(({ action }) => action === 'run.requested').map(({ details }) => details['setId'])).toEqual([backupSetId, backupSetId]);
    });

    it('takes how many incrementals may follow a full from the policy of each server', async () => {
      const { catalog } = subject();
      const image = { schedule: { every: 'day', at: '02:00' }, retention: { last: 3 }, maxIncrements: 2 };
      const policies = [{ name: 'short', image }];
      const servers = ESTATE.servers.map((server) => (server.name === 'db01' ? { ...server, policy: 'short' } : server));
      await catalog.applyEstate('setup', estateSchema.parse({ ...ESTATE, policies, servers, groups: [SHOP] }), RESOLVED);
      const { runs } = await catalog.getDispatchableSet((await catalog.acceptBackupSet(request())).backupSetId);
      expect(Object.fromEntries(runs.map(({ input }) => [input.serverName, (input as BackupImageInput).maxIncrements]))).toEqual({ db01: 2, web01: 13 });
    });

    it('takes all locks or none: one that is busy refuses the whole, and is named', async () => {
      const catalog = await given();
      const web = await catalog.getServer('web01');
      const { runId } = await catalog.acceptBackup(backupRequest(web.id));
      expect(await refusal(catalog.acceptBackupSet(request()))).toMatchObject({
        code: 'SERVER_BUSY',
        message: `The set of group "shop" cannot begin: server "web01" is held by run ${runId}. Nothing was started.`,
        hint: expect.stringContaining(runId) as string,
        context: { runId, group: 'shop', servers: ['web01'] },
      });
      expect((await catalog.listRuns({}, { limit: 10, cursor: null })).items.map(({ id }) => id)).toEqual([runId]);
      expect((await catalog.listSets({}, { limit: 10, cursor: null })).items).toEqual([]);
      await catalog.acceptBackup(backupRequest((await catalog.getServer('db01')).id));
      expect(await refusal(catalog.acceptBackupSet(request()))).toMatchObject({ context: { servers: expect.arrayContaining(['db01', 'web01']) as unknown } });
      const audit = await readAll((cursor) => catalog.listAudit({}, { limit: 100, cursor }));
      expect(audit.filter(({ action }) => action === 'backup-set.refused').map(({ details }) => details)).toMatchObject([
        { group: 'shop', code: 'SERVER_BUSY', reason: 'before the upgrade' },
        { group: 'shop', code: 'SERVER_BUSY' },
      ]);
    });

    it('is refused while one of its servers is out of service: nothing is started, and the refusal is audited', async () => {
      const catalog = await given();
      const { id: serverId } = await catalog.getServer('web01');
      await catalog.decommissionServer({ actor: 'alice', serverId, confirm: 'web01', reason: 'gone for good', keepDays: 90 });
      expect(await refusal(catalog.acceptBackupSet(request()))).toMatchObject({ code: 'SERVER_DECOMMISSIONED', context: { server: 'web01' } });
      expect(await catalog.listOpenRuns()).toEqual([]);
      const audit = await readAll((cursor) => catalog.listAudit({}, { limit: 100, cursor }));
      expect(audit.filter(({ action }) => action === 'backup-set.refused')).toMatchObject([{ details: { group: 'shop', code: 'SERVER_DECOMMISSIONED' } }]);
    });

    it('lets one of many at once have the servers, whichever way round the groups name them', async () => {
      const catalog = await given([SHOP, { name: 'pohs', servers: ['db01', 'web01'] }]);
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => catalog.acceptBackupSet(request({ group: index % 2 === 0 ? 'shop' : 'pohs' }))),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const codes = results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as { readonly code: string }).code] : []));
      expect(new Set(codes)).toEqual(new Set(['SERVER_BUSY']));
      expect((await catalog.listOpenRuns()).length).toBe(2);
    });

    it('gives the same request with the same key the same set, and refuses another', async () => {
      const catalog = await given([SHOP, { name: 'all', servers: ['db01', 'web01'] }]);
      const first = await catalog.acceptBackupSet(request({ idempotencyKey: 'k' }));
      expect(await catalog.acceptBackupSet(request({ idempotencyKey: 'k' }))).toEqual({ backupSetId: first.backupSetId, replayed: true });
      expect(await codeOf(catalog.acceptBackupSet(request({ idempotencyKey: 'k', requestDigest: 'd2' })))).toBe('IDEMPOTENCY_KEY_REUSED');
      const { id } = await catalog.getServer('db01');
      expect(await codeOf(catalog.acceptBackup(backupRequest(id, { idempotencyKey: 'k' })))).toBe('IDEMPOTENCY_KEY_REUSED');
    });

    it('knows no group that is not declared', async () => {
      const catalog = await given();
      expect(await codeOf(catalog.acceptBackupSet(request({ group: 'none' })))).toBe('GROUP_NOT_FOUND');
    });
  });

  describe('what comes of a backup set', () => {
    it('is complete with all its recovery points, and how far they lie apart is recorded', async () => {
      const catalog = await given();
      const set = await give(catalog);
      await take(catalog, set, 'db01', '2026-03-01T00:00:05.250Z');
      expect(await catalog.getSet(set.id)).toMatchObject({ state: 'running', spreadMs: null, finishedAt: null });
      subject().advance(60_000);
      await take(catalog, set, 'web01', '2026-03-01T00:00:05.000Z');
      const ended = await catalog.getSet(set.id);
      expect(ended).toMatchObject({ state: 'complete', spreadMs: 250, finishedAt: '2026-03-01T00:01:00.000Z' });
      expect(ended.members).toMatchObject([
        { serverName: 'db01', runState: 'succeeded', pointInTime: '2026-03-01T00:00:05.250Z', consistency: 'filesystem' },
        { serverName: 'web01', runState: 'succeeded', pointInTime: '2026-03-01T00:00:05.000Z' },
      ]);
      for (const { recoveryPointId } of ended.members) expect(await catalog.getRecoveryPoint(recoveryPointId ?? '')).toMatchObject({ setId: set.id });
      const audit = (await readAll((cursor) => catalog.listAudit({}, { limit: 100, cursor }))).filter(({ action }) => action.startsWith('backup-set.'));
      expect(audit).toMatchObject([
        { action: 'backup-set.requested' },
        {
          actor: 'worker',
          action: 'backup-set.complete',
          details: { setId: set.id, group: 'shop', spreadMs: 250, members: [{ server: 'db01' }, { server: 'web01' }] },
        },
      ]);
      expect((await catalog.verifyAudit()).intact).toBe(true);
    });

    it('is incomplete when one is missing: the other recovery point is an ordinary one', async () => {
      const catalog = await given();
      const set = await give(catalog);
      await take(catalog, set, 'db01', '2026-03-01T00:00:05.250Z');
      await catalog.startRun(runOf(set, 'web01'));
      await catalog.finishRun(runOf(set, 'web01'), FAILED);
      expect(await catalog.getSet(set.id)).toMatchObject({
        state: 'incomplete',
        spreadMs: null,
        members: [{ runState: 'succeeded' }, { runState: 'failed', recoveryPointId: null, error: { code: 'BACKUP_SET_INCOMPLETE' } }],
      });
      expect(await actions(catalog)).toContain('backup-set.incomplete');
      expect((await catalog.newestUsable((await catalog.getServer('db01')).id)).setId).toBe(set.id);
    });

    it('has failed when there is none, and the servers are free again', async () => {
      const catalog = await given();
      const set = await give(catalog);
      for (const { runId } of set.members) {
        await catalog.startRun(runId);
        await catalog.finishRun(runId, FAILED);
        await catalog.finishRun(runId, FAILED);
      }
      expect(await catalog.getSet(set.id)).toMatchObject({ state: 'failed', spreadMs: null });
      expect((await actions(catalog)).filter((action) => action === 'backup-set.failed')).toHaveLength(1);
      expect((await catalog.acceptBackupSet(request())).replayed).toBe(false);
    });

    it('goes on when its group is deleted meanwhile', async () => {
      const catalog = await given();
      const set = await give(catalog);
      await catalog.applyEstate('alice', ESTATE, RESOLVED, { prune: true });
      await take(catalog, set, 'db01', '2026-03-01T00:00:05.000Z');
      await take(catalog, set, 'web01', '2026-03-01T00:00:05.001Z');
      expect(await catalog.getSet(set.id)).toMatchObject({ group: 'shop', state: 'complete', spreadMs: 1 });
    });

    it('is listed, newest first, page by page, also by group', async () => {
      const catalog = await given([SHOP, { name: 'all', servers: ['db01', 'web01'] }]);
      const ids: string[] = [];
      for (const group of ['shop', 'all', 'shop']) {
        const { backupSetId } = await catalog.acceptBackupSet(request({ group }));
        ids.unshift(backupSetId);
        for (const { runId } of (await catalog.getSet(backupSetId)).members) await catalog.finishRun(runId, FAILED);
        subject().advance(1_000);
      }
      const listed = await readAll((cursor) => catalog.listSets({}, { limit: 1, cursor }));
      expect(listed.map(({ id }) => id)).toEqual(ids);
      expect(listed[0]).toEqual(await catalog.getSet(ids[0] ?? ''));
      const { items } = await catalog.listSets({ group: 'shop' }, { limit: 10, cursor: null });
      expect(items.map(({ id }) => id)).toEqual([ids[0], ids[2]]);
      expect((await catalog.newestSets(['all', 'shop', 'none'])).map(({ id }) => id).sort()).toEqual([ids[0], ids[1]].sort());
      expect(await codeOf(catalog.listSets({}, { limit: 10, cursor: 'x' }))).toBe('REQUEST_INVALID');
      expect(await codeOf(catalog.getSet('set_01aaaaaaaaaaaaaaaaaaaaaaaa'))).toBe('BACKUP_SET_NOT_FOUND');
      expect(await codeOf(catalog.getDispatchableSet('set_01aaaaaaaaaaaaaaaaaaaaaaaa'))).toBe('BACKUP_SET_NOT_FOUND');
    });

    it('is open for the dispatcher as long as one of its runs is', async () => {
      const catalog = await given();
      const set = await give(catalog);
      const open = async (): Promise<readonly string[]> => (await catalog.listOpenSets(new Date(Date.UTC(2026, 2, 1, 0, 0, 5)))).map(({ setId }) => setId);
      expect(await open()).toEqual([set.id]);
      expect(await catalog.listOpenSets(new Date(Date.UTC(2026, 2, 1)))).toEqual([]);
      const [first, second] = set.members;
      await catalog.finishRun(first?.runId ?? '', FAILED);
      const [again] = await catalog.listOpenSets(new Date(Date.UTC(2026, 2, 2)));
      expect(again?.members.map(({ serverName }) => serverName)).toEqual(['db01', 'web01']);
      await catalog.finishRun(second?.runId ?? '', FAILED);
      expect(await open()).toEqual([]);
    });
  });
}
