import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { MadeCopy, TransferInput } from '../../src/contracts/offsite-copies';
import type { CatalogUnderTest } from './catalog.contract';
import { dataManifest } from './catalog.data.contract';
import { codeOf, manifestOf, RESOLVED } from './catalog.fixtures';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const page = { limit: 50, cursor: null };
const error = (code: ConstructorParameters<typeof ModosuError>[0]) => new ModosuError(code, 'it said no').summary();
const made = (sizeBytes = 100): MadeCopy => ({ snapshotIds: ['a'.repeat(64)], copiedAt: '2026-03-01T00:00:00.000Z', sizeBytes });
const done = { state: 'succeeded', error: null } as const;

/** Two servers; the policy of db01 has copies made, web01 has none. */
async function given(
  catalog: Catalog,
  offsite: object = {},
  retention: object = { last: 20 },
  verification: object | null = null,
): Promise<{ readonly db01: ServerRecord; readonly web01: ServerRecord }> {
  const estate = estateSchema.parse({
    hypervisors: [{ name: 'hv1', kind: 'libvirt' }],
    repositories: [{ name: 'main', kind: 'directory', path: '/srv/main' }],
    offsite: [
      { name: 'vault', location: '/mnt/vault' },
      { name: 'disk', location: '/mnt/disk', media: 'removable' },
    ],
    policies: [
      {
        name: 'daily',
        image: { schedule: { every: 'day', at: '01:00' }, retention },
        data: { schedule: { every: 'day', at: '02:00' }, retention },
        verification,
        offsite: { repository: 'vault', retention: { last: 3 }, ...offsite },
      },
    ],
    servers: [
      { name: 'db01', hypervisor: 'hv1', repository: 'main', policy: 'daily' },
      { name: 'web01', hypervisor: 'hv1', repository: 'main', domain: 'web-domain' },
    ],
  });
  await catalog.applyEstate('setup', estate, RESOLVED);
  return { db01: await catalog.getServer('db01'), web01: await catalog.getServer('web01') };
}

const image = async (catalog: Catalog, server: ServerRecord, generation: number, parentId: string | null = null): Promise<string> => {
  const at = new Date(Date.UTC(2026, 1, 1 + generation)).toISOString();
  return (await catalog.recordRecoveryPoint(manifestOf(server, generation, { pointInTime: at, publishedAt: at, parentId }), 'main')).id;
};
const here = (catalog: Catalog, name = 'vault') => catalog.recordOffsiteLook(name, null);
const begin = async (catalog: Catalog, which: 'asked' | 'any' = 'any'): Promise<TransferInput> => {
  const input = await catalog.startNextTransfer(which);
  if (input === null) throw new Error('nothing begins');
  return input;
};
/** Begins the next copy, and makes it. Gives what was copied, what others build on first. */
const copyNext = async (catalog: Catalog): Promise<readonly string[]> => {
  const input = await begin(catalog);
  for (const { recoveryPointId } of input.points) await catalog.recordCopied(input.transferId, recoveryPointId, made());
  await catalog.finishTransfer(input.transferId, done);
  return input.points.map(({ recoveryPointId }) => recoveryPointId);
};
const copiesOf = async (catalog: Catalog, id: string) => (await catalog.getRecoveryPoint(id)).copies ?? [];

export function offsiteContract(subject: () => CatalogUnderTest): void {
  describe('off-site repositories', () => {
    it('are declared, shown without anything known of them, and changed without losing what is known', async () => {
      const { catalog } = subject();
      await given(catalog);
      expect(await catalog.listOffsite()).toEqual([
        { name: 'disk', location: '/mnt/disk', media: 'removable' },
        { name: 'vault', location: '/mnt/vault', media: 'fixed' },
      ]);
      await here(catalog);
      await given(catalog, { withinHours: 12 });
      const vault = (await catalog.offsiteRepositories()).find(({ name }) => name === 'vault');
      expect(vault).toEqual({
        name: 'vault',
        location: '/mnt/vault',
        media: 'fixed',
        state: 'here',
        seenAt: '2026-03-01T00:00:00.000Z',
        lookedAt: '2026-03-01T00:00:00.000Z',
        askedForSince: null,
        problem: null,
        copies: 0,
        damaged: 0,
        bytes: 0,
      });
      expect((await catalog.getPolicy('daily')).offsite).toEqual(expect.objectContaining({ repository: 'vault', withinHours: 12, image: true, data: true }));
    });

    it('that are away say when they were last seen, and since when they are asked for', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, { repository: 'disk' });
      await here(catalog, 'disk');
      await catalog.recordOffsiteLook('disk', error('OFFSITE_OFFLINE'));
      expect(await catalog.startNextTransfer('any')).toBeNull();
      const disk = async () => (await catalog.offsiteRepositories()).find(({ name }) => name === 'disk');
      // Nothing is to be copied: nobody asks for it.
      expect(await disk()).toMatchObject({ state: 'offline', askedForSince: null, problem: { code: 'OFFSITE_OFFLINE' } });
      advance(DAY);
      await image(catalog, db01, 1);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      advance(HOUR);
      await catalog.recordOffsiteLook('disk', error('OFFSITE_OFFLINE'));
      await catalog.startNextTransfer('any');
      expect(await disk()).toMatchObject({
        seenAt: '2026-03-01T00:00:00.000Z',
        askedForSince: '2026-03-02T00:00:00.000Z',
        lookedAt: '2026-03-02T01:00:00.000Z',
      });
      await here(catalog, 'disk');
      expect(await disk()).toMatchObject({ state: 'here', askedForSince: null, problem: null });
      expect((await begin(catalog)).offsite).toBe('disk');
    });
  });

  describe('copies', () => {
    it('are made of what a policy asks for, newest first, what others build on before them, one at a time', async () => {
      const { catalog } = subject();
      const { db01, web01 } = await given(catalog);
      const full = await image(catalog, db01, 1);
      const older = await image(catalog, db01, 2);
      const newest = await image(catalog, db01, 3, full);
      await image(catalog, web01, 1);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      await here(catalog);
      const input = await begin(catalog);
      expect(input).toMatchObject({ kind: 'copy', offsite: 'vault', hypervisor: 'hv1', serverId: db01.id, part: null });
      expect(input.points.map(({ recoveryPointId }) => recoveryPointId)).toEqual([full, newest]);
      expect(input.points[0]).toMatchObject({ kind: 'image', repository: 'main', isLost: false });
      expect(await catalog.startNextTransfer('any')).toBeNull();
      expect(await copiesOf(catalog, newest)).toMatchObject([{ offsite: 'vault', state: 'copying', copiedAt: null }]);
      await catalog.recordTransferProgress(input.transferId, 5, 10);
      expect(await catalog.getTransfer(input.transferId)).toMatchObject({
        state: 'running',
        serverName: 'db01',
        recoveryPointId: newest,
        doneBytes: 5,
        totalBytes: 10,
      });
      await catalog.recordCopied(input.transferId, full, made(70));
      await catalog.recordCopied(input.transferId, full, made(71));
      await catalog.recordCopied(input.transferId, newest, made(30));
      await catalog.finishTransfer(input.transferId, done);
      expect(await copiesOf(catalog, full)).toMatchObject([{ state: 'copied', sizeBytes: 70, copiedAt: '2026-03-01T00:00:00.000Z', problem: null }]);
      expect(await copyNext(catalog)).toEqual([older]);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      expect(await catalog.copiesIn('vault')).toEqual([full, older, newest].sort());
      expect((await catalog.offsiteRepositories())[1]).toMatchObject({ copies: 3, bytes: 200 });
      const actions = (await catalog.listAudit({}, { limit: 200, cursor: null })).items.map(({ action }) => action);
      expect(actions.filter((action) => action === 'recovery-point.copied').length).toBe(3);
    });

    it('are made of data sets, too, unless the policy says otherwise; never of what was saved for safety, and not of what off-site rules would not keep', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog, { image: false, retention: { last: 1 } });
      await image(catalog, db01, 1);
      const first = (await catalog.recordDataRecoveryPoint(dataManifest(db01, 1))).id;
      const second = (await catalog.recordDataRecoveryPoint(dataManifest(db01, 2))).id;
      await catalog.recordDataRecoveryPoint({ ...dataManifest(db01, 3), purpose: 'safety' });
      await here(catalog);
      expect(await copyNext(catalog)).toEqual([second]);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      expect(await copiesOf(catalog, first)).toEqual([]);
    });

    it('that fail are tried again, later each time; a place that is away is no failure', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog);
      const id = await image(catalog, db01, 1);
      await here(catalog);
      const fail = async (code: Parameters<typeof error>[0]) => {
        const { transferId } = await begin(catalog);
        await catalog.finishTransfer(transferId, { state: 'failed', error: error(code) });
        return (await copiesOf(catalog, id))[0];
      };
      expect(await fail('OFFSITE_CREDENTIALS_WRONG')).toMatchObject({
        state: 'failed',
        problem: { code: 'OFFSITE_CREDENTIALS_WRONG', message: 'it said no' },
        nextAttemptAt: '2026-03-01T00:05:00.000Z',
      });
      expect(await catalog.startNextTransfer('any')).toBeNull();
      advance(5 * 60_000);
      expect(await fail('OFFSITE_CREDENTIALS_WRONG')).toMatchObject({ nextAttemptAt: '2026-03-01T00:15:00.000Z' });
      advance(10 * 60_000);
      expect(await fail('OFFSITE_UNREACHABLE')).toMatchObject({ state: 'waiting', nextAttemptAt: null, problem: { code: 'OFFSITE_UNREACHABLE' } });
      expect((await catalog.offsiteRepositories())[1]).toMatchObject({ state: 'unreachable' });
      expect(await catalog.startNextTransfer('any')).toBeNull();
      await here(catalog);
      expect(await copyNext(catalog)).toEqual([id]);
      expect(await copiesOf(catalog, id)).toMatchObject([{ state: 'copied', problem: null, nextAttemptAt: null }]);
    });

    it('that a person asks for wait for their turn, are made although their time has not come, and are given back while they are open', async () => {
      const { catalog } = subject();
      const { web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      const ask = (offsite: string | null) =>
        catalog.requestTransfer({ actor: 'alice', reason: 'the server moves', kind: 'copy', recoveryPointId: id, offsite });
      expect(await codeOf(ask(null))).toBe('REQUEST_INVALID');
      expect(await codeOf(ask('nowhere'))).toBe('OFFSITE_NOT_CONFIGURED');
      const asked = await ask('vault');
      expect(asked).toMatchObject({ kind: 'copy', state: 'waiting', requestedBy: 'alice', reason: 'the server moves', serverName: 'web01' });
      expect((await ask('vault')).id).toBe(asked.id);
      expect(await catalog.startNextTransfer('asked')).toBeNull();
      expect(await catalog.getTransfer(asked.id)).toMatchObject({ waitsFor: 'nobody has looked yet whether vault is there' });
      await here(catalog);
      const input = await begin(catalog, 'asked');
      expect(input.transferId).toBe(asked.id);
      await catalog.recordCopied(input.transferId, id, made());
      await catalog.finishTransfer(input.transferId, done);
      expect(await codeOf(ask('vault'))).toBe('OFFSITE_ALREADY_COPIED');
      expect((await catalog.listTransfers({ serverId: web01.id }, page)).items).toMatchObject([
        { id: asked.id, state: 'succeeded', error: null, waitsFor: null },
      ]);
      await catalog.markRecoveryPoint(id, 'damaged', 'segment 3 differs');
      expect(await codeOf(catalog.requestTransfer({ actor: 'alice', reason: 'r', kind: 'copy', recoveryPointId: id, offsite: 'disk' }))).toBe(
        'RECOVERY_POINT_NOT_USABLE',
      );
    });

    it('are cancelled before they begin, and while they run; what a policy asks for comes again hours later', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog);
      const id = await image(catalog, db01, 1);
      const asked = await catalog.requestTransfer({ actor: 'alice', reason: 'r', kind: 'copy', recoveryPointId: id, offsite: null });
      const cancel = (transferId: string) => catalog.cancelTransfer({ actor: 'bob', id: transferId, reason: 'the line is needed' });
      expect(await cancel(asked.id)).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
      expect(await codeOf(cancel(asked.id))).toBe('TRANSFER_FINISHED');
      expect(await codeOf(cancel('trf_01aaaaaaaaaaaaaaaaaaaaaaaa'))).toBe('TRANSFER_NOT_FOUND');
      await here(catalog);
      const { transferId } = await begin(catalog);
      expect(await cancel(transferId)).toMatchObject({ state: 'running' });
      advance(60_000);
      expect(await catalog.listRunningTransfers(new Date(Date.UTC(2026, 2, 2)))).toMatchObject([{ input: { transferId }, cancelRequested: true }]);
      await catalog.finishTransfer(transferId, { state: 'cancelled', error: error('RUN_CANCELLED') });
      expect(await copiesOf(catalog, id)).toMatchObject([{ state: 'waiting' }]);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      advance(6 * HOUR);
      expect(await copyNext(catalog)).toEqual([id]);
    });

    it('keep what they are made of from going, and what is still to be copied; not for ever', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, {}, { last: 1 });
      const old = await image(catalog, db01, 1);
      const mid = await image(catalog, db01, 2);
      const newest = await image(catalog, db01, 3);
      const usesOf = async () => new Map((await catalog.retentionPoints(db01.id)).map(({ id, inUseBy }) => [id, inUseBy]));
      // Published four weeks ago: it may no longer be hoped for, but the newest is waited for.
      expect(await usesOf()).toEqual(
        new Map([
          [old, null],
          [mid, null],
          [newest, 'it is not copied to vault yet'],
        ]),
      );
      await here(catalog);
      const input = await begin(catalog);
      expect((await usesOf()).get(newest)).toBe(`transfer ${input.transferId} copies it to vault`);
      await catalog.recordCopied(input.transferId, newest, made());
      await catalog.finishTransfer(input.transferId, done);
      expect((await usesOf()).get(newest)).toBeNull();
      const manifest = manifestOf(db01, 4, { pointInTime: '2026-03-01T00:00:00.000Z', publishedAt: '2026-03-01T00:00:00.000Z' });
      const fresh = (await catalog.recordRecoveryPoint(manifest, 'main')).id;
      await catalog.recordRecoveryPoint({ ...manifestOf(db01, 5), pointInTime: '2026-03-01T01:00:00.000Z', publishedAt: '2026-03-01T01:00:00.000Z' }, 'main');
      expect((await usesOf()).get(fresh)).toBe('it is not copied to vault yet');
      advance(26 * HOUR + 7 * DAY);
      expect((await usesOf()).get(fresh)).toBeNull();
    });
  });

  describe('copies that no rule keeps', () => {
    it('are deleted a day later by a transfer of their own; not the last, and none on which a kept one builds', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, { retention: { last: 1 } });
      const full = await image(catalog, db01, 1);
      await here(catalog);
      expect(await copyNext(catalog)).toEqual([full]);
      const child = await image(catalog, db01, 2, full);
      expect(await catalog.retireCopies()).toEqual({ expired: 0, returned: 0 });
      expect(await copyNext(catalog)).toEqual([child]);
      expect(await catalog.retireCopies()).toEqual({ expired: 0, returned: 0 });
      const next = await image(catalog, db01, 3);
      // The new one is not there yet.
      expect(await catalog.retireCopies()).toEqual({ expired: 0, returned: 0 });
      expect(await copyNext(catalog)).toEqual([next]);
      expect(await catalog.retireCopies()).toEqual({ expired: 2, returned: 0 });
      expect(await copiesOf(catalog, child)).toMatchObject([{ state: 'deleted' }]);
      expect(await catalog.copiesIn('vault')).toEqual([next]);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      advance(DAY);
      const forget = await begin(catalog);
      expect(forget).toMatchObject({ kind: 'forget', serverId: null, hypervisor: 'hv1' });
      expect(forget.points.map(({ recoveryPointId }) => recoveryPointId).sort()).toEqual([full, child].sort());
      await catalog.finishTransfer(forget.transferId, done);
      expect(await catalog.startNextTransfer('any')).toBeNull();
    });

    it('are what they were when a rule keeps them again in time, and stay where nothing can be removed', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, { retention: { last: 1 } });
      const first = await image(catalog, db01, 1);
      await here(catalog);
      await copyNext(catalog);
      await image(catalog, db01, 2);
      await copyNext(catalog);
      expect(await catalog.retireCopies()).toEqual({ expired: 1, returned: 0 });
      await given(catalog, { retention: { last: 2 } });
      expect(await catalog.retireCopies()).toEqual({ expired: 0, returned: 1 });
      expect(await copiesOf(catalog, first)).toMatchObject([{ state: 'copied' }]);
      await given(catalog, { retention: { last: 1 } });
      expect(await catalog.retireCopies()).toEqual({ expired: 1, returned: 0 });
      advance(DAY);
      const { transferId } = await begin(catalog);
      await catalog.finishTransfer(transferId, { state: 'failed', error: error('OFFSITE_DELETE_REFUSED') });
      advance(30 * DAY);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      expect(await copiesOf(catalog, first)).toMatchObject([{ state: 'deleted', problem: { code: 'OFFSITE_DELETE_REFUSED' } }]);
    });
  });

  describe('what lies elsewhere', () => {
    it('is told of each kind: the newest that is whole there, and since when something newer is not', async () => {
      const { catalog, advance } = subject();
      const { db01, web01 } = await given(catalog);
      const full = await image(catalog, db01, 1);
      const child = await image(catalog, db01, 2, full);
      await catalog.recordDataRecoveryPoint(dataManifest(db01, 1));
      await image(catalog, web01, 1);
      const copies = async () => (await catalog.protectionFacts()).copies;
      const since = '2026-03-01T00:00:00.000Z';
      const none = { serverId: db01.id, newestAt: null, problem: null };
      expect(await copies()).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ ...none, kind: 'image', dataSet: null, uncopiedSince: since }),
          expect.objectContaining({ ...none, kind: 'data', dataSet: 'shop', uncopiedSince: since }),
          { serverId: web01.id, kind: 'image', dataSet: null, newestAt: null, uncopiedSince: null, problem: null },
        ]),
      );
      await here(catalog);
      await copyNext(catalog);
      await copyNext(catalog);
      const ofImages = async () => (await copies()).find(({ serverId, kind }) => serverId === db01.id && kind === 'image');
      const at = (await catalog.getRecoveryPoint(child)).pointInTime;
      expect(await ofImages()).toMatchObject({ newestAt: at, uncopiedSince: null, problem: null });
      advance(HOUR);
      const later = new Date(Date.UTC(2026, 2, 1, 0, 30)).toISOString();
      await catalog.recordRecoveryPoint(manifestOf(db01, 3, { pointInTime: later, publishedAt: later }), 'main');
      const { transferId } = await begin(catalog);
      await catalog.finishTransfer(transferId, { state: 'failed', error: error('OFFSITE_CREDENTIALS_WRONG') });
      expect(await ofImages()).toMatchObject({ newestAt: at, uncopiedSince: later, problem: { code: 'OFFSITE_CREDENTIALS_WRONG' } });
      expect((await catalog.protectionFacts()).offsite).toMatchObject([
        { name: 'disk', state: 'unknown' },
        { name: 'vault', state: 'here' },
      ]);
    });

    it('can be restored from there alone: the newest with all that it builds on, and of each data set; a plan asks for it', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog);
      const full = await image(catalog, db01, 1);
      const child = await image(catalog, db01, 2, full);
      const saved = (await catalog.recordDataRecoveryPoint(dataManifest(db01, 1))).id;
      await here(catalog);
      const found = () => catalog.newestCopied(db01.id, 'vault', null);
      expect(await found()).toEqual({ image: null, data: [] });
      expect(await codeOf(catalog.newestCopied(db01.id, 'nowhere', null))).toBe('OFFSITE_NOT_CONFIGURED');
      await copyNext(catalog);
      await copyNext(catalog);
      expect(await found()).toEqual({ image: child, data: [{ dataSet: 'shop', recoveryPointId: saved }] });
      expect((await catalog.newestCopied(db01.id, 'vault', '2026-02-02T12:00:00.000Z')).image).toBe(full);
      await catalog.markRecoveryPoint(child, 'damaged', 'segment 3 differs');
      const request = { actor: 'alice', idempotencyKey: null, requestDigest: 'd', serverId: db01.id, scenario: 'server', recoveryPointId: child } as const;
      expect(await codeOf(catalog.acceptPlan(request))).toBe('RECOVERY_POINT_NOT_USABLE');
      expect(await codeOf(catalog.acceptPlan({ ...request, from: 'nowhere' }))).toBe('OFFSITE_NOT_CONFIGURED');
      const { planId } = await catalog.acceptPlan({ ...request, from: 'vault' });
      expect(await catalog.getDispatchablePlan(planId)).toMatchObject({ scenario: 'server', input: { recoveryPointId: child, from: 'vault' } });
    });
  });

  describe('fetching', () => {
    const fetch = (catalog: Catalog, recoveryPointId: string) =>
      catalog.requestTransfer({ actor: 'alice', reason: 'the storage is gone', kind: 'fetch', recoveryPointId, offsite: 'vault' });

    it('has a damaged recovery point back with what it builds on, beside a copy that runs', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog);
      const full = await image(catalog, db01, 1);
      const child = await image(catalog, db01, 2, full);
      expect(await codeOf(fetch(catalog, child))).toBe('OFFSITE_COPY_NOT_FOUND');
      await here(catalog);
      await copyNext(catalog);
      await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs', { file: 'disks/vda.qcow2' });
      expect((await catalog.getRecoveryPoint(child)).state).toBe('damaged');
      await image(catalog, db01, 3);
      expect((await begin(catalog)).kind).toBe('copy');
      const asked = await fetch(catalog, child);
      const input = await begin(catalog);
      expect(input).toMatchObject({ transferId: asked.id, kind: 'fetch' });
      expect(input.points.map(({ recoveryPointId, isLost }) => [recoveryPointId, isLost])).toEqual([
        [full, true],
        [child, false],
      ]);
      await catalog.recordFetched(asked.id, full, { manifestSha256: 'b'.repeat(64), snapshotId: null });
      expect(await catalog.getRecoveryPoint(full)).toMatchObject({ state: 'usable', hold: null, verification: { state: 'verified', method: 'checksums' } });
      expect((await catalog.getRecoveryPoint(child)).state).toBe('usable');
      await catalog.finishTransfer(asked.id, done);
      expect((await catalog.getTransfer(asked.id)).state).toBe('succeeded');
    });

    it('has one back that rules had let go, and holds it', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, {}, { last: 1 });
      const old = await image(catalog, db01, 1);
      await here(catalog);
      await copyNext(catalog);
      await image(catalog, db01, 2);
      await copyNext(catalog);
      const always = (): boolean => true;
      expect(await catalog.retireRecoveryPoints(HOUR, always)).toMatchObject({ expired: 1 });
      advance(HOUR);
      expect(await catalog.retireRecoveryPoints(HOUR, always)).toMatchObject({ deleted: 1 });
      expect(await codeOf(fetch(catalog, old))).toBe('RECOVERY_POINT_NOT_USABLE');
      await catalog.recordRemoved(old);
      const asked = await fetch(catalog, old);
      const input = await begin(catalog, 'asked');
      expect(input.points).toMatchObject([{ recoveryPointId: old, isLost: true }]);
      await catalog.recordFetched(asked.id, old, { manifestSha256: null, snapshotId: null });
      expect(await catalog.getRecoveryPoint(old)).toMatchObject({
        state: 'usable',
        deletedAt: null,
        expiredAt: null,
        hold: { by: 'alice', reason: 'fetched from vault: the storage is gone' },
      });
      await catalog.finishTransfer(asked.id, done);
      advance(DAY);
      await catalog.retireRecoveryPoints(HOUR, always);
      expect((await catalog.getRecoveryPoint(old)).state).toBe('usable');
    });

    it('has data back under the snapshot that the data repository has now', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog);
      const id = (await catalog.recordDataRecoveryPoint(dataManifest(db01, 1))).id;
      await here(catalog);
      await copyNext(catalog);
      await catalog.markRecoveryPoint(id, 'damaged', 'its snapshot is gone');
      const asked = await fetch(catalog, id);
      expect(await catalog.dataInUseBy(db01.id)).toBeNull();
      await begin(catalog, 'asked');
      expect(await catalog.dataInUseBy(db01.id)).toBe(`transfer ${asked.id}`);
      await catalog.recordFetched(asked.id, id, { manifestSha256: null, snapshotId: 'f'.repeat(64) });
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({ state: 'usable', snapshotId: 'f'.repeat(64) });
    });

    it('makes what is being removed give way', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, { retention: { last: 1 } });
      await image(catalog, db01, 1);
      await here(catalog);
      await copyNext(catalog);
      const newest = await image(catalog, db01, 2);
      await copyNext(catalog);
      await catalog.retireCopies();
      advance(DAY);
      const forget = await begin(catalog);
      const asked = await fetch(catalog, newest);
      expect(await catalog.startNextTransfer('asked')).toBeNull();
      expect(await catalog.getTransfer(asked.id)).toMatchObject({ waitsFor: `transfer ${forget.transferId} (forget) uses vault` });
      expect(await catalog.listRunningTransfers(new Date(Date.UTC(2027, 0, 1)))).toMatchObject([
        { input: { transferId: forget.transferId }, cancelRequested: true },
      ]);
      await catalog.finishTransfer(forget.transferId, { state: 'cancelled', error: error('RUN_CANCELLED') });
      expect((await begin(catalog, 'asked')).transferId).toBe(asked.id);
    });

    it('is not given back as whole once somebody has begun to remove it: where a rule wants it again it is copied again', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, { retention: { last: 1 } });
      const first = await image(catalog, db01, 1);
      await here(catalog);
      await copyNext(catalog);
      await image(catalog, db01, 2);
      await copyNext(catalog);
      await catalog.retireCopies();
      advance(DAY);
      const forget = await begin(catalog);
      await catalog.finishTransfer(forget.transferId, { state: 'cancelled', error: error('RUN_CANCELLED') });
      await given(catalog, { retention: { last: 2 } });
      expect(await catalog.retireCopies()).toEqual({ expired: 0, returned: 0 });
      expect(await copiesOf(catalog, first)).toMatchObject([{ state: 'deleted' }]);
      expect(await copyNext(catalog)).toEqual([first]);
      expect(await copiesOf(catalog, first)).toMatchObject([{ state: 'copied' }]);
    });

    it('is judged once more before it goes: what was the newest may be damaged by then', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, { retention: { last: 1 } }, { last: 20 }, { everyDays: 10 });
      const first = await image(catalog, db01, 1);
      await here(catalog);
      await copyNext(catalog);
      const second = await image(catalog, db01, 2);
      await copyNext(catalog);
      await catalog.retireCopies();
      const check = await begin(catalog);
      expect(check.kind).toBe('check');
      await catalog.recordCopyDamaged(check.transferId, second, { code: 'RECOVERY_POINT_CORRUPT', message: 'a pack is damaged' });
      await catalog.finishTransfer(check.transferId, { state: 'failed', error: error('RECOVERY_POINT_CORRUPT') });
      advance(DAY);
      expect((await catalog.startNextTransfer('any'))?.kind).not.toBe('forget');
      await catalog.retireCopies();
      expect(await copiesOf(catalog, first)).toMatchObject([{ state: 'copied' }]);
    });
  });

  describe('checks of copies', () => {
    it('that are found and were not recorded are taken over, once; what is known of damaged ones, and of those that were let go, stays', async () => {
      const { catalog } = subject();
      const { db01, web01 } = await given(catalog);
      const [first, other] = [await image(catalog, db01, 1), await image(catalog, web01, 1)];
      await expect(catalog.adoptOffsiteCopy('alice', 'nowhere', first, made())).rejects.toMatchObject({ code: 'OFFSITE_NOT_CONFIGURED' });
      await expect(catalog.adoptOffsiteCopy('alice', 'vault', newId('rp'), made())).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      await expect(catalog.adoptOffsiteCopy('alice', 'vault', other, made(7))).resolves.toBe(true);
      await expect(catalog.adoptOffsiteCopy('bob', 'vault', other, made(8))).resolves.toBe(false);
      expect(await copiesOf(catalog, other)).toMatchObject([{ offsite: 'vault', state: 'copied', sizeBytes: 7, copiedAt: made().copiedAt }]);
      expect(await catalog.copiesIn('vault')).toEqual([other]);
      const { items } = await catalog.listAudit({}, page);
      expect(items.filter(({ action }) => action === 'offsite.copy-adopted')).toMatchObject([
        { actor: 'alice', serverId: web01.id, details: { recoveryPointId: other } },
      ]);

      // One that a transfer has begun is proven by it, however it ended.
      await here(catalog);
      const copy = await begin(catalog);
      expect(copy.points).toMatchObject([{ recoveryPointId: first }]);
      await expect(catalog.adoptOffsiteCopy('alice', 'vault', first, made())).resolves.toBe(false);
      await catalog.cancelTransfer({ actor: 'alice', id: copy.transferId, reason: 'not now' });
      await catalog.finishTransfer(copy.transferId, { state: 'cancelled', error: error('RUN_CANCELLED') });
      await expect(catalog.adoptOffsiteCopy('alice', 'vault', first, made())).resolves.toBe(false);
      expect(await copiesOf(catalog, first)).toMatchObject([{ state: 'waiting', problem: { code: 'RUN_CANCELLED' } }]);
    });

    it('read another part each day; what is damaged does not count, and is copied again', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog);
      const estate = estateSchema.parse({
        policies: [
          {
            name: 'daily',
            image: { schedule: { every: 'day', at: '01:00' }, retention: { last: 3 } },
            verification: { everyDays: 10 },
            offsite: { repository: 'vault', retention: { last: 3 } },
          },
        ],
        offsite: [{ name: 'vault', location: '/mnt/vault' }],
      });
      await catalog.applyEstate('setup', estate, RESOLVED);
      const id = await image(catalog, db01, 1);
      await here(catalog);
      await copyNext(catalog);
      const first = await begin(catalog);
      expect(first).toMatchObject({ kind: 'check', part: { number: 1, of: 10 }, points: [], serverId: null });
      await catalog.finishTransfer(first.transferId, done);
      expect(await copiesOf(catalog, id)).toMatchObject([{ state: 'copied', verifiedAt: '2026-03-01T00:00:00.000Z' }]);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      advance(DAY);
      const second = await begin(catalog);
      expect(second.part).toEqual({ number: 2, of: 10 });
      await catalog.recordCopyDamaged(second.transferId, id, error('RECOVERY_POINT_CORRUPT'));
      await catalog.finishTransfer(second.transferId, { state: 'failed', error: error('RECOVERY_POINT_CORRUPT') });
      expect(await copiesOf(catalog, id)).toMatchObject([{ state: 'damaged', verifiedAt: null, problem: { code: 'RECOVERY_POINT_CORRUPT' } }]);
      expect(await catalog.copiesIn('vault')).toEqual([]);
      const damaged = async () => (await catalog.offsiteRepositories()).find(({ name }) => name === 'vault')?.damaged;
      expect(await damaged()).toBe(1);
      // An attempt to make it anew that fails for another reason says nothing about what is stored.
      for (const code of ['NOT_ENOUGH_SPACE', 'OFFSITE_DELETE_REFUSED'] as const) {
        await catalog.finishTransfer((await begin(catalog)).transferId, { state: 'failed', error: error(code) });
        expect(await copiesOf(catalog, id)).toMatchObject([
          { state: 'failed', problem: { code: 'RECOVERY_POINT_CORRUPT', message: `it said no It could not be made anew: ${code}: it said no` } },
        ]);
        advance(HOUR);
      }
      // One that has found it damaged once more is not repeated within the day: all of it is read each time.
      await catalog.finishTransfer((await begin(catalog)).transferId, { state: 'failed', error: error('RECOVERY_POINT_CORRUPT') });
      advance(12 * HOUR);
      expect(await catalog.startNextTransfer('any')).toBeNull();
      expect(await damaged()).toBe(1);
      advance(12 * HOUR);
      const next = await begin(catalog);
      expect(next).toMatchObject({ kind: 'copy', points: [{ recoveryPointId: id }] });
      await catalog.recordCopied(next.transferId, id, made());
      expect(await copiesOf(catalog, id)).toMatchObject([{ state: 'copied', problem: null }]);
      expect(await damaged()).toBe(0);
    });
  });
}
