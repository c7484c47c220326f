import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import type { CatalogUnderTest } from './catalog.contract';
import { backupRequest, codeOf, finishedRestore, givenServer, manifestOf, planBodyOf, readAll, restoreRequest, succeeded } from './catalog.fixtures';
import { given, retire, stateOf, watch } from './catalog.retention.contract';
import { planHash } from '../../src/catalog/plan-hash';

const DAY = 24 * 3_600_000;
const steady = (): boolean => true;
const inheritedFrom = (id: string, why: string): string => `It builds on recovery point ${id}, which is damaged: ${why}`;

/** An image of a day in February; `parentId` null: a full. */
async function image(
  catalog: Catalog,
  server: Pick<ServerRecord, 'id' | 'name' | 'uuid' | 'lineageId'>,
  day: number,
  parentId: string | null,
  changes: Partial<ImageManifest> = {},
): Promise<string> {
  const at = new Date(Date.UTC(2026, 1, day)).toISOString();
  const manifest = manifestOf(server as ServerRecord, await catalog.nextGeneration(server.id), { pointInTime: at, publishedAt: at, parentId, ...changes });
  return (await catalog.recordRecoveryPoint(manifest, 'main')).id;
}

/** A full, and so many incrementals each of which builds on the one before. */
async function chain(catalog: Catalog, server: ServerRecord, ...days: readonly number[]): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const day of days) ids.push(await image(catalog, server, day, ids.at(-1) ?? null));
  return ids;
}

const statesOf = (catalog: Catalog, ids: readonly string[]): Promise<readonly string[]> => Promise.all(ids.map((id) => stateOf(catalog, id)));
const problemOf = async (catalog: Catalog, id: string) => (await catalog.getRecoveryPoint(id)).verification.problem;

async function audited(catalog: Catalog, action: string): Promise<readonly unknown[]> {
  const entries = await readAll((cursor) => catalog.listAudit({}, { limit: 500, cursor }));
  return entries.flatMap((entry) => (entry.action === action ? [entry.details.recoveryPointId] : []));
}

/** Begins a verification of it that somebody has asked for. */
async function verifying(catalog: Catalog, recoveryPointId: string): Promise<string> {
  const { id } = await catalog.requestVerification({ actor: 'alice', method: 'checksums', recoveryPointId, reason: 'to know' });
  await catalog.startNextVerification('asked');
  return id;
}

async function verdict(catalog: Catalog, recoveryPointId: string, damage: Parameters<Catalog['recordVerdict']>[2]): Promise<void> {
  const id = await verifying(catalog, recoveryPointId);
  await catalog.recordVerdict(id, recoveryPointId, damage);
  await catalog.finishVerification(id, { state: 'passed', error: null });
}

async function plan(catalog: Catalog, server: ServerRecord, recoveryPointId: string): Promise<string> {
  const asked = { actor: 'alice', idempotencyKey: null, requestDigest: 'p', serverId: server.id, scenario: 'server', recoveryPointId } as const;
  const { planId } = await catalog.acceptPlan(asked);
  const body = planBodyOf(planId, server, recoveryPointId);
  await catalog.completePlan(planId, body, planHash(body));
  return planId;
}

export function chainContract(subject: () => CatalogUnderTest): void {
  describe('chains of recovery points', () => {
    it('say what each builds on', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const [full = '', child = ''] = await chain(catalog, server, 1, 2);
      expect(await catalog.getRecoveryPoint(full)).toMatchObject({ kind: 'image', parentId: null });
      expect(await catalog.getRecoveryPoint(child)).toMatchObject({ kind: 'image', parentId: full });
      expect((await catalog.retentionPoints(server.id)).map(({ parentId }) => parentId)).toEqual([null, full]);
    });

    describe('what the next incremental could build on', () => {
      it('are usable images of the disks that the server has, in the same repository, newest first', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        const other = await catalog.getServer('web01');
        const [full, child, damaged = ''] = await chain(catalog, server, 3, 2, 1);
        await image(catalog, { ...server, lineageId: '00000000-0000-4000-8000-000000000001' }, 4, null);
        await image(catalog, other, 5, null);
        await catalog.recordRecoveryPoint(manifestOf(server, 9), 'second');
        await catalog.markRecoveryPoint(damaged, 'damaged', 'segment 3 differs');
        expect(await catalog.incrementalParents(server.id, 'main')).toEqual([child, full]);
        expect(await catalog.incrementalParents(server.id, 'elsewhere')).toEqual([]);
        expect(await codeOf(catalog.incrementalParents('srv_unknown', 'main'))).toBe('SERVER_NOT_FOUND');
      });

      it('are the newest ten, without those that have expired, and none after a restore has begun another line', async () => {
        const { catalog } = subject();
        const server = await given(catalog, { last: 12 });
        const ids = await chain(catalog, server, ...Array.from({ length: 12 }, (_, index) => index + 1));
        expect(await catalog.incrementalParents(server.id, 'main')).toEqual(ids.slice(2).reverse());
        await given(catalog, { last: 1 });
        const newest = await image(catalog, server, 20, null);
        await retire(catalog);
        expect(await catalog.incrementalParents(server.id, 'main')).toEqual([newest]);
        await finishedRestore(catalog, server);
        expect(await catalog.incrementalParents(server.id, 'main')).toEqual([]);
      });
    });

    describe('damage', () => {
      it('goes to all that builds on it, and to nothing else', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = '', grandchild = '', last = ''] = await chain(catalog, server, 1, 2, 3, 4);
        const sibling = await image(catalog, server, 5, full);
        const apart = await image(catalog, server, 6, null);
        await catalog.markRecoveryPoint(child, 'damaged', 'segment 3 differs');
        expect(await statesOf(catalog, [full, child, grandchild, last, sibling, apart])).toEqual([
          'usable',
          'damaged',
          'damaged',
          'damaged',
          'usable',
          'usable',
        ]);
        expect(await problemOf(catalog, child)).toMatchObject({ code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 differs' });
        for (const id of [grandchild, last]) {
          expect(await problemOf(catalog, id)).toMatchObject({ code: 'RECOVERY_POINT_CORRUPT', message: inheritedFrom(child, 'segment 3 differs') });
        }
        expect(await audited(catalog, 'recovery-point.damaged')).toEqual([child, grandchild, last]);
        await catalog.markRecoveryPoint(child, 'damaged', 'again');
        expect(await audited(catalog, 'recovery-point.damaged')).toHaveLength(3);
        // Where it began is what people look for, however many lie between.
        await catalog.markRecoveryPoint(full, 'damaged', 'it is gone');
        expect(await problemOf(catalog, grandchild)).toMatchObject({ message: inheritedFrom(child, 'segment 3 differs') });
        expect(await problemOf(catalog, sibling)).toMatchObject({ message: inheritedFrom(full, 'it is gone') });
        expect(await stateOf(catalog, apart)).toBe('usable');
      });

      it('that a verification finds goes the same way, with its code', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 1, 2, 3);
        await verdict(catalog, full, { code: 'RECOVERY_POINT_INCOMPLETE', message: 'vda.qcow2 is missing' });
        expect(await statesOf(catalog, [full, child, grandchild])).toEqual(['damaged', 'damaged', 'damaged']);
        for (const id of [child, grandchild]) {
          expect(await problemOf(catalog, id)).toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE', message: inheritedFrom(full, 'vda.qcow2 is missing') });
        }
        // What is found later is what people are shown.
        await verdict(catalog, full, { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 differs' });
        expect(await problemOf(catalog, grandchild)).toMatchObject({ code: 'RECOVERY_POINT_CORRUPT', message: inheritedFrom(full, 'segment 3 differs') });
        expect(await audited(catalog, 'recovery-point.damaged')).toEqual([full, child, grandchild]);
      });

      it('of its own is what one that is damaged already keeps', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 1, 2, 3);
        await catalog.markRecoveryPoint(child, 'damaged', 'segment 7 differs');
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        expect(await problemOf(catalog, child)).toMatchObject({ message: 'segment 7 differs' });
        expect(await problemOf(catalog, grandchild)).toMatchObject({ message: inheritedFrom(child, 'segment 7 differs') });
        expect(await audited(catalog, 'recovery-point.damaged')).toEqual([child, grandchild, full]);
      });

      it('is known of one that has expired, should somebody have it back', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await image(catalog, server, 3, null);
        await retire(catalog);
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        expect(await statesOf(catalog, [full, child])).toEqual(['expired', 'expired']);
        expect(await audited(catalog, 'recovery-point.damaged')).toEqual([]);
        expect(await catalog.holdRecoveryPoint('alice', child, 'evidence')).toMatchObject({
          state: 'damaged',
          verification: { problem: { message: inheritedFrom(full, 'segment 3 differs') } },
        });
        expect(await stateOf(catalog, full)).toBe('damaged');
      });

      it.each([
        ['that is damaged', async (catalog: Catalog, parent: string) => catalog.markRecoveryPoint(parent, 'damaged', 'segment 3 differs')],
        [
          'that has expired, and is damaged',
          async (catalog: Catalog, parent: string) => {
            await catalog.retireRecoveryPoints(DAY, steady);
            await catalog.markRecoveryPoint(parent, 'damaged', 'segment 3 differs');
          },
        ],
      ])('is what a new one is recorded with that builds on one %s', async (_which, damage) => {
        const { catalog } = subject();
        const server = await given(catalog);
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await image(catalog, server, 3, null);
        await damage(catalog, full);
        const late = await image(catalog, server, 4, child);
        expect(await catalog.getRecoveryPoint(late)).toMatchObject({
          state: 'damaged',
          verification: { state: 'corrupt', problem: { code: 'RECOVERY_POINT_CORRUPT', message: inheritedFrom(full, 'segment 3 differs') } },
        });
        expect((await audited(catalog, 'recovery-point.damaged')).at(-1)).toBe(late);
        expect((await audited(catalog, 'recovery-point.published')).at(-1)).toBe(late);
      });

      it('is what a new one is recorded with that builds on one which is deleted', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        const [full = ''] = await chain(catalog, server, 1);
        await image(catalog, server, 2, null);
        await catalog.retireRecoveryPoints(0, steady);
        await catalog.retireRecoveryPoints(0, steady);
        const late = await image(catalog, server, 3, full);
        expect(await stateOf(catalog, full)).toBe('deleted');
        expect(await problemOf(catalog, late)).toMatchObject({
          code: 'RECOVERY_POINT_INCOMPLETE',
          message: `It builds on recovery point ${full}, which is deleted`,
        });
      });

      it('stays where only the bytes of the one itself were found well', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await catalog.markRecoveryPoint(child, 'damaged', 'segment 7 differs');
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        subject().advance(1000);
        await verdict(catalog, child, null);
        expect(await catalog.getRecoveryPoint(child)).toMatchObject({
          state: 'damaged',
          verification: { at: null, problem: { message: inheritedFrom(full, 'segment 3 differs') } },
        });
        await catalog.markRecoveryPoint(child, 'usable', 'it looks well');
        expect(await stateOf(catalog, child)).toBe('damaged');
        expect(await audited(catalog, 'recovery-point.usable')).toEqual([]);
      });

      it('ends with that of the one on which they build, but for those that have their own', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 1, 2, 3);
        const sibling = await image(catalog, server, 4, full);
        const under = await image(catalog, server, 5, sibling);
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        await verdict(catalog, sibling, { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 7 differs' });
        subject().advance(1000);
        await verdict(catalog, full, null);
        expect(await statesOf(catalog, [full, child, grandchild, sibling, under])).toEqual(['usable', 'usable', 'usable', 'damaged', 'damaged']);
        expect(await problemOf(catalog, child)).toBeNull();
        expect(await problemOf(catalog, sibling)).toMatchObject({ message: 'segment 7 differs' });
        expect(await problemOf(catalog, under)).toMatchObject({ message: inheritedFrom(sibling, 'segment 7 differs') });
        expect(await audited(catalog, 'recovery-point.usable')).toEqual([full, child, grandchild]);
      });

      it('that is the reason of two, one above the other, is handed down anew when only one of them is well again', async () => {
        const { catalog, advance } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = '', grandchild = '', last = ''] = await chain(catalog, server, 1, 2, 3, 4);
        await catalog.markRecoveryPoint(child, 'damaged', 'segment 7 differs');
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        advance(1000);
        await verdict(catalog, child, null);
        for (const id of [child, grandchild, last]) expect(await problemOf(catalog, id)).toMatchObject({ message: inheritedFrom(full, 'segment 3 differs') });
        advance(1000);
        await verdict(catalog, full, null);
        expect(await statesOf(catalog, [full, child, grandchild, last])).toEqual(['usable', 'usable', 'usable', 'usable']);
      });

      it.each([
        ['by a verification', (catalog: Catalog, id: string) => verdict(catalog, id, { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 7 differs' })],
        ['by a restore', (catalog: Catalog, id: string) => catalog.markRecoveryPoint(id, 'damaged', 'segment 7 differs')],
      ])('that one has itself is found %s although it has inherited other damage, and stays when that has ended', async (_how, find) => {
        const { catalog, advance } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 1, 2, 3);
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        await find(catalog, child);
        expect(await problemOf(catalog, child)).toMatchObject({ message: 'segment 7 differs' });
        expect(await problemOf(catalog, grandchild)).toMatchObject({ message: inheritedFrom(child, 'segment 7 differs') });
        advance(1000);
        await verdict(catalog, full, null);
        expect(await statesOf(catalog, [full, child, grandchild])).toEqual(['usable', 'damaged', 'damaged']);
      });

      it.each(['domain.xml', 'nvram.fd'])('of its %s is its own, also for what is recorded later', async (file) => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 1, 2, 3);
        await verdict(catalog, child, { code: 'RECOVERY_POINT_INCOMPLETE', message: `${file} is missing`, file });
        expect(await statesOf(catalog, [full, child, grandchild, await image(catalog, server, 4, child)])).toEqual(['usable', 'damaged', 'usable', 'usable']);
        // What lies below it goes up through it all the same, and ends the same way.
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        const late = await image(catalog, server, 5, child);
        expect(await problemOf(catalog, child)).toMatchObject({ message: `${file} is missing` });
        for (const id of [grandchild, late]) expect(await problemOf(catalog, id)).toMatchObject({ message: inheritedFrom(full, 'segment 3 differs') });
        await catalog.markRecoveryPoint(full, 'usable', 'it was found');
        expect(await statesOf(catalog, [full, child, grandchild, late])).toEqual(['usable', 'damaged', 'usable', 'usable']);
      });

      it('of an image is not forgotten for that of a definition, and takes its place', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await catalog.markRecoveryPoint(full, 'damaged', 'domain.xml differs', { file: 'domain.xml' });
        expect(await stateOf(catalog, child)).toBe('usable');
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs', { file: 'disks/vda.qcow2' });
        expect(await problemOf(catalog, child)).toMatchObject({ message: inheritedFrom(full, 'segment 3 differs') });
        await verdict(catalog, full, { code: 'RECOVERY_POINT_CORRUPT', message: 'domain.xml differs', file: 'domain.xml' });
        expect(await problemOf(catalog, full)).toMatchObject({ message: 'segment 3 differs' });
        expect(await stateOf(catalog, child)).toBe('damaged');
      });

      it('has the code that it was found with, and is otherwise taken for bytes that differ', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await catalog.markRecoveryPoint(full, 'damaged', 'vda.qcow2 is missing', { code: 'RECOVERY_POINT_INCOMPLETE', file: 'disks/vda.qcow2' });
        for (const id of [full, child]) expect(await problemOf(catalog, id)).toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
        const other = await image(catalog, server, 3, null);
        await catalog.markRecoveryPoint(other, 'damaged', 'it differs');
        expect(await problemOf(catalog, other)).toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
      });

      describe('that was found by reading one', () => {
        const missing = { code: 'RECOVERY_POINT_INCOMPLETE', message: 'vda.qcow2 is missing', file: 'disks/vda.qcow2' } as const;
        const ways: [string, (catalog: Catalog, read: string, named: string, file?: string) => Promise<void>][] = [
          ['a verification', (catalog, read, named, file = missing.file) => verdict(catalog, read, { ...missing, file, named })],
          [
            'a restore',
            (catalog, read, named, file = missing.file) => catalog.markRecoveryPoint(read, 'damaged', missing.message, { code: missing.code, file, named }),
          ],
        ];

        it.each(ways)('%s: is of the one that is named, where what was read builds on it', async (_who, find) => {
          const { catalog } = subject();
          const server = await givenServer(catalog);
          const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 1, 2, 3);
          await find(catalog, grandchild, full);
          expect(await problemOf(catalog, full)).toMatchObject({ code: missing.code, message: missing.message });
          for (const id of [child, grandchild]) expect(await problemOf(catalog, id)).toMatchObject({ message: inheritedFrom(full, missing.message) });
        });

        it.each(ways)('%s: is of the one that was read, whatever else is named, and not only in the file of another one', async (_who, find) => {
          const { catalog } = subject();
          const server = await givenServer(catalog);
          const [full = '', child = '', above = ''] = await chain(catalog, server, 1, 2, 3);
          const [elsewhere = '', sibling = ''] = [await image(catalog, await catalog.getServer('web01'), 1, null), await image(catalog, server, 4, full)];
          for (const named of [elsewhere, sibling, above, newId('rp')]) {
            await find(catalog, child, named, 'domain.xml');
            expect(await problemOf(catalog, child)).toMatchObject({ code: missing.code, message: missing.message });
            expect(await statesOf(catalog, [full, child, above, elsewhere, sibling])).toEqual(['usable', 'damaged', 'damaged', 'usable', 'usable']);
            await catalog.markRecoveryPoint(child, 'usable', 'and again');
          }
        });

        it('is not looked for in the same one again at once', async () => {
          const { catalog, advance } = subject();
          const server = await given(catalog, { last: 9 }, {});
          const [full = '', child = ''] = await chain(catalog, server, 1, 2);
          await verdict(catalog, full, null);
          const begun = await catalog.startNextVerification('any');
          expect(begun).toMatchObject({ recoveryPointId: child });
          await catalog.recordVerdict(begun?.verificationId ?? '', child, { ...missing, file: 'nvram.fd', named: full });
          await catalog.finishVerification(begun?.verificationId ?? '', {
            state: 'failed',
            error: new ModosuError(missing.code, missing.message).summary(),
          });
          expect(await statesOf(catalog, [full, child])).toEqual(['damaged', 'usable']);
          expect(await catalog.startNextVerification('any')).toBeNull();
          advance(7 * 3_600_000);
          expect(await catalog.startNextVerification('any')).toMatchObject({ recoveryPointId: child });
        });
      });

      it('of one and of what it builds on, found in the same moment, is known of both, whoever is first', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        for (let round = 0; round < 5; round += 1) {
          const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 1, 2, 3);
          await Promise.all([
            catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs'),
            catalog.markRecoveryPoint(child, 'damaged', 'segment 7 differs'),
          ]);
          expect(await problemOf(catalog, child)).toMatchObject({ message: 'segment 7 differs' });
          expect(await problemOf(catalog, grandchild)).toMatchObject({ message: inheritedFrom(child, 'segment 7 differs') });
        }
      });

      it('of what is missing is looked at again where it began, and not in what builds on it', async () => {
        const { catalog, advance } = subject();
        const server = await given(catalog, { last: 9 }, {});
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await verdict(catalog, full, { code: 'RECOVERY_POINT_INCOMPLETE', message: 'vda.qcow2 is missing' });
        expect(await catalog.startNextVerification('any')).toBeNull();
        advance(7 * 3_600_000);
        const begun = await catalog.startNextVerification('any');
        expect(begun).toMatchObject({ recoveryPointId: full });
        await catalog.recordVerdict(begun?.verificationId ?? '', full, null);
        await catalog.finishVerification(begun?.verificationId ?? '', { state: 'passed', error: null });
        expect(await statesOf(catalog, [full, child])).toEqual(['usable', 'usable']);
        // What nobody has read yet comes when its turn comes.
        advance(7 * 3_600_000);
        expect(await catalog.startNextVerification('any')).toMatchObject({ recoveryPointId: child });
      });

      it('of what is recorded in the same moment is known, whoever is first', async () => {
        const { catalog } = subject();
        const server = await givenServer(catalog);
        for (let round = 0; round < 5; round += 1) {
          const [full = '', child = ''] = await chain(catalog, server, 1, 2);
          const manifest = manifestOf(server, await catalog.nextGeneration(server.id), { parentId: child });
          await Promise.all([catalog.recordRecoveryPoint(manifest, 'main'), catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs')]);
          expect(await statesOf(catalog, [full, child, manifest.recoveryPointId])).toEqual(['damaged', 'damaged', 'damaged']);
        }
      });

      it('is told of once, with how many it takes along, and not again when the one where it began has expired', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        const [full = '', ...others] = await chain(catalog, server, 1, 2, 3);
        await catalog.holdRecoveryPoint('alice', others[1] ?? '', 'evidence');
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        await image(catalog, server, 4, null);
        await catalog.reviewAlerts([]);
        const open = async () => (await catalog.listAlerts({ state: 'open' }, { limit: 50, cursor: null })).items.filter(({ kind }) => kind === 'damaged');
        expect((await open()).map(({ message }) => message)).toEqual([
          `Recovery point ${full} of server "db01" is damaged, and 2 more of its chain: segment 3 differs.`,
        ]);
        const told = await open();
        await catalog.markRecoveryPoint(full, 'usable', 'it was found');
        await catalog.reviewAlerts([]);
        expect(await open()).toEqual([]);
        expect(told).toHaveLength(1);
      });
    });

    describe('verification', () => {
      const next = async (catalog: Catalog): Promise<string | null> => {
        const input = await catalog.startNextVerification('any');
        if (input === null) return null;
        await catalog.recordVerdict(input.verificationId, input.recoveryPointId ?? '', null);
        await catalog.finishVerification(input.verificationId, { state: 'passed', error: null });
        return input.recoveryPointId;
      };

      it('reads what others build on before them', async () => {
        const { catalog } = subject();
        const server = await given(catalog, { last: 9 }, {});
        const [full, child, grandchild] = await chain(catalog, server, 1, 2, 4);
        const apart = await image(catalog, server, 3, null);
        expect([await next(catalog), await next(catalog), await next(catalog), await next(catalog)]).toEqual([apart, full, child, grandchild]);
        expect(await next(catalog)).toBeNull();
      });

      it('goes on with what builds on one that cannot be read', async () => {
        const { catalog } = subject();
        const server = await given(catalog, { last: 9 }, {});
        const [full, child] = await chain(catalog, server, 1, 2);
        const begun = await catalog.startNextVerification('any');
        expect(begun?.recoveryPointId).toBe(full);
        const error = new ModosuError('INTERNAL', 'it broke').summary();
        await catalog.finishVerification(begun?.verificationId ?? '', { state: 'not-run', error });
        expect([await next(catalog), await next(catalog)]).toEqual([child, null]);
      });

      it('proves an incremental when all that it builds on is verified: until then it counts for no rule and for no promise', async () => {
        const { catalog, advance } = subject();
        const server = await given(catalog, { last: 1 }, {});
        const proven = async () => (await catalog.retentionPoints(server.id)).map(({ verifiedAt }) => verifiedAt?.toISOString() ?? null);
        const unverifiedSince = async () => (await catalog.protectionFacts()).newest.map((one) => one.unverifiedSince);
        const early = await image(catalog, server, 1, null);
        await verdict(catalog, early, null);
        const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 2, 3, 4);
        advance(1000);
        await verdict(catalog, grandchild, null);
        await verdict(catalog, child, null);
        const at = '2026-03-01T00:00:00.000Z';
        expect(await proven()).toEqual([at, null, null, null]);
        expect(await unverifiedSince()).toEqual([at]);
        // The one that is really proven stays.
        await retire(catalog);
        expect(await stateOf(catalog, early)).toBe('usable');
        advance(1000);
        await verdict(catalog, full, null);
        expect(await proven()).toEqual([at, '2026-03-01T00:00:02.000Z', '2026-03-01T00:00:01.000Z', '2026-03-01T00:00:01.000Z']);
        expect(await unverifiedSince()).toEqual([null]);
        await retire(catalog);
        expect(await statesOf(catalog, [early, full, child, grandchild])).toEqual(['expired', 'usable', 'usable', 'usable']);
      });

      it('proves nothing that builds on what nobody knows', async () => {
        const { catalog } = subject();
        const server = await given(catalog, { last: 9 }, {});
        const orphan = await image(catalog, server, 1, newId('rp'));
        expect(await next(catalog)).toBe(orphan);
        expect((await catalog.retentionPoints(server.id)).map(({ verifiedAt }) => verifiedAt)).toEqual([null]);
        expect((await catalog.protectionFacts()).newest).toMatchObject([{ unverifiedSince: expect.any(String) as string }]);
      });
    });

    it('have the checksum that the manifest had when it was recorded first', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const manifest = manifestOf(server, 1);
      await catalog.recordRecoveryPoint(manifest, 'main', 'a'.repeat(64));
      await catalog.recordRecoveryPoint(manifest, 'main', 'b'.repeat(64));
      expect(await catalog.manifestChecksum(manifest.recoveryPointId)).toBe('a'.repeat(64));
      expect(await catalog.manifestChecksum(await image(catalog, server, 2, null))).toBeNull();
      expect(await catalog.manifestChecksum(newId('rp'))).toBeNull();
    });

    describe('retention', () => {
      it("keeps what is damaged only because of another one, in nobody's place: it may be well again", async () => {
        const { catalog } = subject();
        const server = await given(catalog, { last: 2 });
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        const others = [await image(catalog, server, 3, null), await image(catalog, server, 4, null)];
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
        await catalog.markRecoveryPoint(full, 'usable', 'it was found');
        expect(await retire(catalog)).toEqual({ expired: 2, returned: 0, deleted: 0 });
        // What goes by the rules goes, whatever is found of it then.
        await catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
        expect(await statesOf(catalog, [full, child, ...others])).toEqual(['expired', 'expired', 'usable', 'usable']);
      });

      it('keeps what the one builds on that stays', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        const ids = await chain(catalog, server, 1, 2, 3);
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
        const full = await image(catalog, server, 4, null);
        expect(await retire(catalog)).toEqual({ expired: 3, returned: 0, deleted: 0 });
        expect(await watch(subject(), DAY)).toEqual({ expired: 0, returned: 0, deleted: 3 });
        expect(await statesOf(catalog, [...ids, full])).toEqual(['deleted', 'deleted', 'deleted', 'usable']);
      });

      it('gives the files of what others build on after theirs are gone', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        const [full = '', child = '', grandchild = ''] = await chain(catalog, server, 1, 2, 3);
        const sibling = await image(catalog, server, 4, full);
        await image(catalog, server, 5, null);
        await catalog.retireRecoveryPoints(0, steady);
        await catalog.retireRecoveryPoints(0, steady);
        const removals = async () => new Set((await catalog.listRemovals()).map(({ recoveryPointId }) => recoveryPointId));
        expect(await removals()).toEqual(new Set([grandchild, sibling]));
        await catalog.recordRemoved(grandchild);
        expect(await removals()).toEqual(new Set([child, sibling]));
        await catalog.recordRemoved(child);
        expect(await removals()).toEqual(new Set([sibling]));
        await catalog.recordRemoved(sibling);
        expect(await removals()).toEqual(new Set([full]));
        await catalog.recordRemoved(full);
        expect(await removals()).toEqual(new Set());
      });

      it('deletes nothing on which one builds whose time is not over', async () => {
        const { catalog, advance } = subject();
        const server = await given(catalog);
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await catalog.holdRecoveryPoint('alice', child, 'evidence');
        await image(catalog, server, 3, null);
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
        await catalog.releaseRecoveryPoint('alice', child, 'enough');
        await retire(catalog);
        // The child comes back for a while, and begins its time anew.
        await watch(subject(), DAY / 2);
        await catalog.holdRecoveryPoint('alice', child, 'evidence');
        expect(await statesOf(catalog, [full, child])).toEqual(['usable', 'usable']);
        expect(new Set(await audited(catalog, 'recovery-point.returned'))).toEqual(new Set([full, child]));
        await catalog.releaseRecoveryPoint('alice', child, 'enough');
        advance(1);
        await retire(catalog);
        expect(await watch(subject(), DAY - 1)).toMatchObject({ deleted: 0 });
        expect(await watch(subject(), 2)).toMatchObject({ deleted: 2 });
      });

      it('has all back on which a new one builds', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        await image(catalog, server, 3, null);
        await retire(catalog);
        const late = await image(catalog, server, 4, child);
        expect(await statesOf(catalog, [full, child, late])).toEqual(['usable', 'usable', 'usable']);
        expect(new Set(await audited(catalog, 'recovery-point.returned'))).toEqual(new Set([full, child]));
        await retire(catalog);
        expect(await statesOf(catalog, [full, child, late])).toEqual(['usable', 'usable', 'usable']);
      });

      it('leaves alone what a backup under way may build on, and no longer', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        const [old = ''] = await chain(catalog, server, 1);
        const [gone = ''] = [await image(catalog, { ...server, lineageId: '00000000-0000-4000-8000-000000000001' }, 2, null)];
        await image(catalog, server, 3, null);
        const { runId } = await catalog.acceptBackup(backupRequest(server.id, { mode: 'online' }));
        await retire(catalog);
        expect(await statesOf(catalog, [old, gone])).toEqual(['usable', 'expired']);
        expect((await catalog.retentionPoints(server.id)).map(({ inUseBy }) => inUseBy)).toEqual([
          `run ${runId} may build on it`,
          null,
          `run ${runId} may build on it`,
        ]);
        await catalog.startRun(runId);
        await catalog.finishRun(runId, succeeded);
        expect(await retire(catalog)).toEqual({ expired: 1, returned: 0, deleted: 0 });
        // What has expired before stays so: backups every night must not keep everything.
        await catalog.acceptBackup(backupRequest(server.id, { mode: 'online' }));
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      });

      it('leaves alone all that a plan needs, and refuses a plan where it has expired', async () => {
        const { catalog, advance } = subject();
        const server = await given(catalog);
        const [full = '', child = ''] = await chain(catalog, server, 1, 2);
        const planId = await plan(catalog, server, child);
        await image(catalog, server, 3, null);
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
        advance(8 * DAY);
        expect(await retire(catalog)).toEqual({ expired: 2, returned: 0, deleted: 0 });
        expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planId)))).toBe('RECOVERY_POINT_NOT_USABLE');
        await catalog.holdRecoveryPoint('alice', child, 'the old plan is the right one');
        expect((await catalog.acceptPlanned(restoreRequest(server.id, planId))).replayed).toBe(false);
        await catalog.releaseRecoveryPoint('alice', child, 'the run needs it now');
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
        expect(await statesOf(catalog, [full, child])).toEqual(['usable', 'usable']);
      });

      it('lets holds, plans and itself decide one after the other, and keeps what stays whole', async () => {
        const { catalog } = subject();
        const server = await given(catalog);
        for (let round = 0; round < 5; round += 1) {
          const ids = await chain(catalog, server, 1, 2, 3);
          const planId = await plan(catalog, server, ids[1] ?? '');
          await image(catalog, server, 20 + round, null);
          await Promise.allSettled([
            catalog.retireRecoveryPoints(0, steady),
            catalog.holdRecoveryPoint('alice', ids[2] ?? '', 'evidence'),
            catalog.retireRecoveryPoints(0, steady),
            round % 2 === 0 ? catalog.acceptPlanned(restoreRequest(server.id, planId)) : catalog.releaseRecoveryPoint('alice', ids[2] ?? '', 'enough'),
            catalog.retireRecoveryPoints(0, steady),
          ]);
          const states = await statesOf(catalog, ids);
          const rank = states.map((state) => (state === 'deleted' ? 0 : state === 'expired' ? 1 : 2));
          expect(rank).toEqual([...rank].sort((a, b) => b - a));
          for (const { runId } of await catalog.listOpenRuns()) {
            await catalog.startRun(runId);
            await catalog.finishRun(runId, succeeded);
          }
        }
      });
    });
  });
}
