import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import type { CatalogUnderTest } from './catalog.contract';
import { dataManifest } from './catalog.data.contract';
import { backupRequest, codeOf, finishedConfirm, givenReadyPlan, manifestOf, RESOLVED, restoreRequest, succeeded, swappedRestore } from './catalog.fixtures';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const KEPT = DAY;
const steady = (): boolean => true;
const page = { limit: 50, cursor: null };

/** Two servers; db01 keeps its newest image, and its newest data. */
export async function given(catalog: Catalog, retention: object = { last: 1 }, verification: object | null = null): Promise<ServerRecord> {
  const estate = estateSchema.parse({
    hypervisors: [{ name: 'hv1', kind: 'libvirt' }],
    repositories: ['main', 'second'].map((name) => ({ name, kind: 'directory', path: `/srv/${name}` })),
    policies: [
      {
        name: 'daily',
        image: { schedule: { every: 'day', at: '01:00' }, retention },
        data: { schedule: { every: 'day', at: '02:00' }, retention: { last: 1 } },
        verification,
      },
    ],
    servers: [
      { name: 'db01', hypervisor: 'hv1', repository: 'main', policy: 'daily' },
      { name: 'web01', hypervisor: 'hv1', repository: 'main', domain: 'web-domain' },
    ],
  });
  await catalog.applyEstate('setup', estate, RESOLVED);
  return catalog.getServer('db01');
}

/** Images of so many days in February, oldest first. */
async function images(catalog: Catalog, server: ServerRecord, ...days: readonly number[]): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const day of days) {
    const at = new Date(Date.UTC(2026, 1, day)).toISOString();
    const manifest = manifestOf(server, await catalog.nextGeneration(server.id), { pointInTime: at, publishedAt: at });
    ids.push((await catalog.recordRecoveryPoint(manifest, 'main')).id);
  }
  return ids;
}

export const stateOf = async (catalog: Catalog, id: string | undefined): Promise<string> => (await catalog.getRecoveryPoint(id ?? '')).state;
export const retire = async (catalog: Catalog) => {
  const { failed, ...done } = await catalog.retireRecoveryPoints(KEPT, steady);
  expect(failed).toEqual([]);
  return done;
};

/** Time that somebody watches: judged every half an hour, and at its end. */
export async function watch(
  { catalog, advance }: CatalogUnderTest,
  ms: number,
): Promise<{ readonly expired: number; readonly returned: number; readonly deleted: number }> {
  const sum = { expired: 0, returned: 0, deleted: 0 };
  for (let left = ms; left > 0; left -= HOUR / 2) {
    advance(Math.min(left, HOUR / 2));
    const { expired, returned, deleted } = await retire(catalog);
    sum.expired += expired;
    sum.returned += returned;
    sum.deleted += deleted;
  }
  return sum;
}

export function retentionContract(subject: () => CatalogUnderTest): void {
  describe('retention', () => {
    it('lets what no rule keeps expire, and go when its time is over; its row stays', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [old, newest] = await images(catalog, server, 1, 2);
      expect(await retire(catalog)).toEqual({ expired: 1, returned: 0, deleted: 0 });
      expect(await catalog.getRecoveryPoint(old ?? '')).toMatchObject({
        state: 'expired',
        expiredAt: '2026-03-01T00:00:00.000Z',
        deletesAt: '2026-03-02T00:00:00.000Z',
        deletedAt: null,
      });
      expect(await stateOf(catalog, newest)).toBe('usable');
      expect(await catalog.listRemovals()).toEqual([]);
      expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      expect(await watch(subject(), KEPT - 1)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      expect(await watch(subject(), 1)).toEqual({ expired: 0, returned: 0, deleted: 1 });
      expect(await catalog.getRecoveryPoint(old ?? '')).toMatchObject({ state: 'deleted', deletedAt: '2026-03-02T00:00:00.000Z' });
      expect(await catalog.listRemovals()).toEqual([{ kind: 'image', recoveryPointId: old, serverId: server.id, repository: 'main' }]);
      await catalog.recordRemoved(old ?? '');
      await catalog.recordRemoved(old ?? '');
      await catalog.recordRemoved(newest ?? '');
      expect(await catalog.listRemovals()).toEqual([]);
      const audited = (await catalog.listAudit({}, { limit: 100, cursor: null })).items.filter(({ actor }) => actor === 'retention');
      expect(audited.map(({ action, details }) => `${action} ${String(details.recoveryPointId)}`)).toEqual([
        `recovery-point.expired ${old}`,
        `recovery-point.deleted ${old}`,
        `recovery-point.removed ${old}`,
      ]);
      expect(audited[0]?.details).toMatchObject({ generation: 1, repository: 'main', pointInTime: '2026-02-01T00:00:00.000Z', policy: 'daily' });
      // Its number is never given again.
      expect(await catalog.nextGeneration(server.id)).toBe(3);
    });

    it('hides what is deleted unless it is asked for', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [first, second, newest] = await images(catalog, server, 1, 2, 3);
      await catalog.holdRecoveryPoint('alice', first ?? '', 'evidence');
      await retire(catalog);
      const listed = async (state?: 'usable' | 'expired' | 'deleted') => (await catalog.listRecoveryPoints({ state }, page)).items.map(({ id }) => id);
      expect(await listed()).toEqual([newest, second, first]);
      expect(await listed('expired')).toEqual([second]);
      await watch(subject(), KEPT);
      expect([await listed(), await listed('deleted'), await listed('usable')]).toEqual([[newest, first], [second], [newest, first]]);
      expect((await catalog.retentionPoints(server.id)).map(({ id }) => id)).toEqual([first, newest]);
    });

    it('takes nothing from servers without a policy', async () => {
      const { catalog } = subject();
      await given(catalog);
      await images(catalog, await catalog.getServer('web01'), 1, 2);
      expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
    });

    it('lets data expire and stay, where nobody can remove it', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [older, newer] = [dataManifest(server, 8), dataManifest(server, 9)];
      for (const manifest of [older, newer]) await catalog.recordDataRecoveryPoint(manifest);
      expect(await retire(catalog)).toEqual({ expired: 1, returned: 0, deleted: 0 });
      expect(await watch(subject(), KEPT + HOUR)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      expect(await catalog.getRecoveryPoint(older.recoveryPointId)).toMatchObject({ state: 'expired', deletesAt: null });
      expect((await catalog.usableData(server.id, 'shop')).map(({ id }) => id)).toEqual([newer.recoveryPointId]);
      expect(await catalog.holdRecoveryPoint('alice', older.recoveryPointId, 'evidence')).toMatchObject({ state: 'usable' });
    });

    it('lets data go like images, where it can be removed; what had expired before gets its whole time', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const manifests = [7, 8, 9].map((hour) => dataManifest(server, hour));
      for (const manifest of manifests) await catalog.recordDataRecoveryPoint(manifest);
      const [first = '', second = '', newest = ''] = manifests.map(({ recoveryPointId }) => recoveryPointId);
      expect(await retire(catalog)).toEqual({ expired: 2, returned: 0, deleted: 0 });
      const pass = async (removesData: boolean) => {
        const { failed, ...done } = await catalog.retireRecoveryPoints(KEPT, steady, removesData);
        expect(failed).toEqual([]);
        return done;
      };
      const nothing = { expired: 0, returned: 0, deleted: 0 };
      const deletesAt = async (id: string) => (await catalog.getRecoveryPoint(id)).deletesAt;
      expect(await pass(true)).toEqual(nothing);
      expect([await deletesAt(first), await deletesAt(newest)]).toEqual(['2026-03-02T00:00:00.000Z', null]);
      // Nobody can keep a promise for which the way is gone; it is given anew.
      expect(await pass(false)).toEqual(nothing);
      expect(await deletesAt(first)).toBeNull();
      advance(HOUR);
      expect(await pass(true)).toEqual(nothing);
      expect(await deletesAt(first)).toBe('2026-03-02T01:00:00.000Z');
      await catalog.holdRecoveryPoint('alice', second, 'evidence');
      for (let left = KEPT; left > HOUR; left -= HOUR) {
        advance(HOUR);
        expect(await pass(true)).toEqual(nothing);
      }
      advance(HOUR);
      expect(await pass(true)).toEqual({ expired: 0, returned: 0, deleted: 1 });
      expect([await stateOf(catalog, first), await stateOf(catalog, second), await stateOf(catalog, newest)]).toEqual(['deleted', 'usable', 'usable']);
      expect(await catalog.listRemovals()).toEqual([{ kind: 'data', recoveryPointId: first, serverId: server.id }]);
      expect(await codeOf(catalog.holdRecoveryPoint('alice', first, 'too late'))).toBe('RECOVERY_POINT_NOT_USABLE');
      await catalog.recordRemoved(first);
      await catalog.recordRemoved(first);
      expect(await catalog.listRemovals()).toEqual([]);
      const audited = (await catalog.listAudit({}, { limit: 100, cursor: null })).items.filter(({ details }) => details.recoveryPointId === first);
      expect(audited.map(({ action }) => action)).toEqual([
        'recovery-point.published',
        'recovery-point.expired',
        'recovery-point.deleted',
        'recovery-point.removed',
      ]);
      expect(audited[2]?.details).toMatchObject({ kind: 'data', dataSet: 'shop', policy: 'daily' });
    });

    it('says who may be in the data repository of a server', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const other = await catalog.getServer('web01');
      const used = () => Promise.all([catalog.dataInUseBy(server.id), catalog.dataInUseBy(other.id)]);
      expect(await used()).toEqual([null, null]);
      await catalog.recordDataRecoveryPoint(dataManifest(server, 9));
      const { id } = await catalog.requestVerification({ actor: 'alice', method: 'structure', serverId: server.id, reason: 'to know' });
      // One that waits reads nothing yet.
      expect(await used()).toEqual([null, null]);
      await catalog.startNextVerification('asked');
      expect(await used()).toEqual([`verification ${id}`, null]);
      await catalog.finishVerification(id, { state: 'passed', error: null, found: [] });
      expect(await used()).toEqual([null, null]);
      // A backup of its image does not come near.
      const { runId: backup } = await catalog.acceptBackup(backupRequest(server.id));
      expect(await used()).toEqual([null, null]);
      await catalog.startRun(backup);
      await catalog.finishRun(backup, succeeded);
      const restore = await swappedRestore(catalog, server);
      expect(await used()).toEqual([`run ${restore}`, null]);
      await catalog.recordGoLive(restore);
      await catalog.finishRun(restore, succeeded);
      expect(await used()).toEqual([null, null]);
      const asked = { actor: 'alice', idempotencyKey: null, requestDigest: 'p', scenario: 'server', recoveryPointId: null, keepDisks: [] } as const;
      const { planId } = await catalog.acceptPlan({ ...asked, serverId: server.id, attachOldDisks: [] });
      expect(await used()).toEqual([`plan ${planId}`, null]);
      // Nobody makes it any more.
      advance(HOUR + 1);
      expect(await used()).toEqual([null, null]);
    });

    it('counts no time that nobody has watched: what expired before a weekend without Modosu can still be had back after it', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const [old] = await images(catalog, server, 1, 2);
      await retire(catalog);
      // Or a clock that was a year ahead when everything was started.
      for (const days of [3, 365]) {
        advance(days * DAY);
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      }
      expect(await stateOf(catalog, old)).toBe('expired');
      expect(await watch(subject(), KEPT - 2 * HOUR - 1)).toMatchObject({ deleted: 0 });
      expect(await watch(subject(), 1)).toMatchObject({ deleted: 1 });
    });

    it('judges by what the policy says in the moment in which it goes', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const [old] = await images(catalog, server, 1, 2);
      await catalog.retireRecoveryPoints(0, steady);
      advance(1);
      await Promise.all([given(catalog, { last: 2 }), catalog.retireRecoveryPoints(0, steady)]);
      const policies = (await catalog.listAudit({}, { limit: 100, cursor: null })).items.map(({ action }) => action);
      const deleted = policies.indexOf('recovery-point.deleted');
      if (deleted >= 0) expect(deleted).toBeLessThan(policies.lastIndexOf('policy.updated'));
      else expect(await stateOf(catalog, old)).toBe('usable');
    });

    it('keeps what came up when it was booted, and what the disks are that the server has', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [booted = ''] = await images(catalog, server, 1, 2, 3);
      const other = manifestOf({ ...server, lineageId: '00000000-0000-4000-8000-000000000001' }, 9, { pointInTime: '2026-02-20T00:00:00.000Z' });
      const { id } = await catalog.requestVerification({ actor: 'alice', method: 'boot', recoveryPointId: booted, reason: 'does it come up?' });
      await catalog.startNextVerification('asked');
      await catalog.finishVerification(id, { state: 'passed', error: null, boot: { seconds: 1, checks: [], notMade: [] } });
      await catalog.recordRecoveryPoint(other, 'main');
      expect(await retire(catalog)).toEqual({ expired: 1, returned: 0, deleted: 0 });
      const points = (await catalog.listRecoveryPoints({ state: 'usable' }, page)).items;
      expect(points.map((point) => (point.kind === 'image' ? point.generation : 0))).toEqual([9, 3, 1]);
    });

    it('takes no id that a person has written into a reason for one that a plan needs', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [old = ''] = await images(catalog, server, 1);
      const manifest = manifestOf(server, 2, { reason: `${old} is damaged`, pointInTime: '2026-02-02T00:00:00.000Z' });
      await catalog.recordRecoveryPoint(manifest, 'main');
      await catalog.retireRecoveryPoints(0, steady);
      await catalog.retireRecoveryPoints(0, steady);
      expect(await stateOf(catalog, old)).toBe('deleted');
      const { planId } = await givenReadyPlan(catalog, server, [{ code: 'X', severity: 'info', message: `instead of ${old}`, evidence: [] }] as never);
      expect((await catalog.acceptPlanned(restoreRequest(server.id, planId))).replayed).toBe(false);
    });

    it('does nothing while the time of day is not trusted', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [old] = await images(catalog, server, 1, 2);
      const asked: Date[] = [];
      const doubted = (now: Date): boolean => asked.push(now) === 0;
      expect(await catalog.retireRecoveryPoints(0, doubted)).toEqual({ expired: 0, returned: 0, deleted: 0, failed: [] });
      expect(asked).toEqual([new Date(Date.UTC(2026, 2, 1))]);
      expect(await stateOf(catalog, old)).toBe('usable');
    });

    it('gives what has expired by a clock that was ahead its whole time', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const [old] = await images(catalog, server, 1, 2);
      advance(365 * DAY);
      await retire(catalog);
      advance(-364 * DAY);
      expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      expect(await catalog.getRecoveryPoint(old ?? '')).toMatchObject({ state: 'expired', deletesAt: '2026-03-03T00:00:00.000Z' });
    });

    it.each<[string, (catalog: Catalog, ids: { old: string; newest: string }) => Promise<unknown>]>([
      ['a hold', (catalog, { old }) => catalog.holdRecoveryPoint('alice', old, 'evidence')],
      ['a policy that keeps more', (catalog) => given(catalog, { last: 2 })],
      ['damage of the one that was kept in its place', (catalog, { newest }) => catalog.markRecoveryPoint(newest, 'damaged', 'segment 3 differs')],
    ])('has back what has expired, by %s', async (_by, change) => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [old = '', newest = ''] = await images(catalog, server, 1, 2);
      await retire(catalog);
      expect(await stateOf(catalog, old)).toBe('expired');
      await change(catalog, { old, newest });
      await watch(subject(), KEPT);
      expect(await catalog.getRecoveryPoint(old)).toMatchObject({ state: 'usable', expiredAt: null });
      const actions = (await catalog.listAudit({}, { limit: 100, cursor: null })).items.map(({ action }) => action);
      expect(actions.filter((action) => action === 'recovery-point.returned')).toHaveLength(1);
      expect(await catalog.listRemovals()).toEqual([]);
    });

    it('has a damaged one back as what it is, and none that is deleted', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [first = '', second = ''] = await images(catalog, server, 1, 2, 3);
      await catalog.markRecoveryPoint(first, 'damaged', 'segment 3 differs');
      await retire(catalog);
      expect(await stateOf(catalog, first)).toBe('expired');
      // What is found in one that goes changes nothing.
      await catalog.markRecoveryPoint(second, 'damaged', 'segment 4 differs');
      expect(await catalog.getRecoveryPoint(second)).toMatchObject({
        state: 'expired',
        verification: { state: 'corrupt', problem: { message: 'segment 4 differs' } },
      });
      expect(await catalog.getRecoveryPoint(first)).toMatchObject({ verification: { state: 'corrupt' } });
      expect(await catalog.holdRecoveryPoint('alice', first, 'evidence')).toMatchObject({ state: 'damaged', expiredAt: null, hold: { reason: 'evidence' } });
      await watch(subject(), KEPT);
      expect(await stateOf(catalog, second)).toBe('deleted');
      expect(await codeOf(catalog.holdRecoveryPoint('alice', second, 'too late'))).toBe('RECOVERY_POINT_NOT_USABLE');
    });

    it('leaves alone what a plan, a restore or its way back needs', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const runId = await swappedRestore(catalog, server);
      await images(catalog, server, 28);
      expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      await catalog.recordGoLive(runId);
      await catalog.finishRun(runId, succeeded);
      expect((await catalog.retentionPoints(server.id)).map(({ inUseBy }) => inUseBy)).toEqual([
        `run ${runId} has restored from it and can still be undone`,
        null,
      ]);
      expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      advance(9 * DAY);
      await finishedConfirm(catalog, server, runId);
      expect(await retire(catalog)).toEqual({ expired: 1, returned: 0, deleted: 0 });
    });

    it('reads one that is being verified to its end', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const [old = ''] = await images(catalog, server, 1, 2);
      const { id } = await catalog.requestVerification({ actor: 'alice', method: 'checksums', recoveryPointId: old, reason: 'to know' });
      expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      expect((await catalog.retentionPoints(server.id)).map(({ inUseBy }) => inUseBy)).toEqual([`verification ${id} reads it`, null]);
      await catalog.cancelVerification({ actor: 'alice', id, reason: 'enough' });
      expect(await retire(catalog)).toEqual({ expired: 1, returned: 0, deleted: 0 });
      const again = catalog.requestVerification({ actor: 'alice', method: 'checksums', recoveryPointId: old, reason: 'to know' });
      expect(await codeOf(again)).toBe('RECOVERY_POINT_NOT_USABLE');
    });

    it('refuses a plan whose recovery point has expired since', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const { planId, recoveryPointId } = await givenReadyPlan(catalog, server);
      const at = '2026-02-28T00:00:00.000Z';
      await catalog.recordRecoveryPoint(manifestOf(server, 9, { pointInTime: at, publishedAt: at }), 'main');
      expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      advance(7 * DAY);
      expect(await retire(catalog)).toEqual({ expired: 1, returned: 0, deleted: 0 });
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planId)))).toBe('RECOVERY_POINT_NOT_USABLE');
      await catalog.holdRecoveryPoint('alice', recoveryPointId, 'the old plan is the right one');
      expect((await catalog.acceptPlanned(restoreRequest(server.id, planId))).replayed).toBe(false);
    });

    it('lets a plan and itself decide one after the other', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const { planId, recoveryPointId } = await givenReadyPlan(catalog, server);
      const at = '2026-02-28T00:00:00.000Z';
      await catalog.recordRecoveryPoint(manifestOf(server, 9, { pointInTime: at, publishedAt: at }), 'main');
      advance(7 * DAY);
      const [accepted] = await Promise.allSettled([catalog.acceptPlanned(restoreRequest(server.id, planId)), retire(catalog), retire(catalog)]);
      expect(await stateOf(catalog, recoveryPointId)).toBe(accepted.status === 'fulfilled' ? 'usable' : 'expired');
    });
  });
}
