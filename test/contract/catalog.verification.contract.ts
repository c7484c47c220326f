import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import { ModosuError } from '../../src/contracts/errors';
import type { VerificationInput } from '../../src/contracts/verification';
import type { CatalogUnderTest } from './catalog.contract';
import { dataManifest } from './catalog.data.contract';
import { backupRequest, codeOf, manifestOf, RESOLVED, succeeded, swappedRestore } from './catalog.fixtures';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const page = { limit: 50, cursor: null };
const RETENTION = { last: 3 };
const passed = { state: 'passed', error: null } as const;
const notRun = (code: ConstructorParameters<typeof ModosuError>[0] = 'REPOSITORY_UNREACHABLE') =>
  ({ state: 'not-run', error: new ModosuError(code, 'it is away').summary() }) as const;
const failed = { state: 'failed', error: new ModosuError('RECOVERY_POINT_CORRUPT', 'segment 3 of vda differs').summary() } as const;

/** Two servers; db01 has a policy that wants verification, unless said otherwise. */
async function given(catalog: Catalog, verification: object | null = {}): Promise<{ readonly db01: ServerRecord; readonly web01: ServerRecord }> {
  const estate = estateSchema.parse({
    hypervisors: [{ name: 'hv1', kind: 'libvirt' }],
    repositories: ['main', 'second'].map((name) => ({ name, kind: 'directory', path: `/srv/${name}` })),
    policies: [{ name: 'daily', image: { schedule: { every: 'day', at: '01:00' }, retention: RETENTION }, verification }],
    servers: [
      { name: 'db01', hypervisor: 'hv1', repository: 'main', policy: 'daily' },
      { name: 'web01', hypervisor: 'hv1', repository: 'main', domain: 'web-domain' },
    ],
  });
  await catalog.applyEstate('setup', estate, RESOLVED);
  return { db01: await catalog.getServer('db01'), web01: await catalog.getServer('web01') };
}

const image = async (catalog: Catalog, server: ServerRecord, generation: number, repository = 'main', at = '2026-02-28T00:00:00.000Z'): Promise<string> =>
  (await catalog.recordRecoveryPoint(manifestOf(server, generation, { pointInTime: at, publishedAt: at }), repository)).id;
const data = async (catalog: Catalog, server: ServerRecord, hour: number): Promise<string> =>
  (await catalog.recordDataRecoveryPoint(dataManifest(server, hour))).id;
const ask = (catalog: Catalog, recoveryPointId: string) => catalog.requestVerification({ actor: 'alice', recoveryPointId, reason: 'before the migration' });
const begin = async (catalog: Catalog): Promise<VerificationInput> => {
  const input = await catalog.startNextVerification();
  if (input === null) throw new Error('nothing begins');
  return input;
};
const of = async (catalog: Catalog, recoveryPointId: string) => (await catalog.getRecoveryPoint(recoveryPointId)).verification;

export function verificationContract(subject: () => CatalogUnderTest): void {
  describe('verifications', () => {
    it('that a person asks for wait, begin, and verify what was read', async () => {
      const { catalog, advance } = subject();
      const { web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      expect(await of(catalog, id)).toEqual({ state: 'unverified', method: null, at: null, problem: null });
      const asked = await ask(catalog, id);
      expect(asked).toMatchObject({
        serverName: 'web01',
        kind: 'image',
        recoveryPointId: id,
        method: 'checksums',
        state: 'waiting',
        waitsFor: null,
        requestedBy: 'alice',
        reason: 'before the migration',
        startedAt: null,
        error: null,
      });
      // The same again is the same.
      expect((await ask(catalog, id)).id).toBe(asked.id);
      advance(1000);
      expect(await begin(catalog)).toEqual({
        verificationId: asked.id,
        serverId: web01.id,
        serverName: 'web01',
        hypervisor: 'hv1',
        kind: 'image',
        recoveryPointId: id,
        repository: 'main',
        part: null,
      });
      expect((await ask(catalog, id)).state).toBe('running');
      await catalog.recordVerificationProgress(asked.id, 5, 10);
      expect(await catalog.getVerification(asked.id)).toMatchObject({ state: 'running', startedAt: '2026-03-01T00:00:01.000Z', doneBytes: 5, totalBytes: 10 });
      advance(1000);
      await catalog.recordVerdict(asked.id, id, null);
      await catalog.finishVerification(asked.id, passed);
      await catalog.finishVerification(asked.id, failed);
      expect(await catalog.getVerification(asked.id)).toMatchObject({ state: 'passed', finishedAt: '2026-03-01T00:00:02.000Z', error: null });
      expect(await of(catalog, id)).toEqual({ state: 'verified', method: 'checksums', at: '2026-03-01T00:00:02.000Z', problem: null });
      const audited = (await catalog.listAudit({}, { limit: 100, cursor: null })).items.filter(({ action }) => action.startsWith('verification.'));
      expect(audited.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
        'alice verification.requested',
        'alice verification.started',
        'worker verification.passed',
      ]);
      // Only a request of its own begins another one.
      expect((await ask(catalog, id)).id).not.toBe(asked.id);
    });

    it('find damage, which alone makes a recovery point damaged; one that is read well again is usable again', async () => {
      const { catalog } = subject();
      const { web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      await ask(catalog, id);
      const { verificationId } = await begin(catalog);
      await catalog.recordVerdict(verificationId, id, 'segment 3 of vda differs');
      await catalog.finishVerification(verificationId, failed);
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({
        state: 'damaged',
        verification: { state: 'corrupt', problem: { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 of vda differs', at: '2026-03-01T00:00:00.000Z' } },
      });
      expect(await codeOf(catalog.newestUsable(web01.id))).toBe('NO_RECOVERY_POINT');
      await ask(catalog, id);
      const again = await begin(catalog);
      await catalog.recordVerdict(again.verificationId, id, null);
      await catalog.finishVerification(again.verificationId, passed);
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({ state: 'usable', verification: { state: 'verified', problem: null } });
      expect((await catalog.newestUsable(web01.id)).id).toBe(id);
      const states = (await catalog.listAudit({}, { limit: 100, cursor: null })).items
        .map(({ action }) => action)
        .filter((action) => /^recovery-point\.(damaged|usable)$/.test(action));
      expect(states).toEqual(['recovery-point.damaged', 'recovery-point.usable']);
    });

    it('that could not be carried out say nothing about bytes: neither verified nor damaged', async () => {
      const { catalog } = subject();
      const { web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      await ask(catalog, id);
      await catalog.finishVerification((await begin(catalog)).verificationId, notRun());
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({
        state: 'usable',
        verification: { state: 'unreachable', method: null, at: null, problem: { code: 'REPOSITORY_UNREACHABLE', message: 'it is away' } },
      });
      await ask(catalog, id);
      await catalog.finishVerification((await begin(catalog)).verificationId, notRun('NO_WORKER'));
      expect(await of(catalog, id)).toMatchObject({ state: 'unverified', problem: { code: 'NO_WORKER' } });
    });

    it('read one repository at a time, and say what they wait for', async () => {
      const { catalog, advance } = subject();
      const { web01 } = await given(catalog);
      const [first, second, elsewhere] = [await image(catalog, web01, 1), await image(catalog, web01, 2), await image(catalog, web01, 3, 'second')];
      for (const id of [first, second, elsewhere]) {
        await ask(catalog, id);
        advance(1000);
      }
      const one = await begin(catalog);
      expect(one.recoveryPointId).toBe(first);
      expect((await begin(catalog)).recoveryPointId).toBe(elsewhere);
      expect(await catalog.startNextVerification()).toBeNull();
      const [waiting] = (await catalog.listVerifications({ state: 'waiting' }, page)).items;
      expect(waiting).toMatchObject({ recoveryPointId: second, waitsFor: `verification ${one.verificationId} reads the same repository` });
      await catalog.finishVerification(one.verificationId, passed);
      expect((await begin(catalog)).recoveryPointId).toBe(second);
      expect((await catalog.listVerifications({}, page)).items.map(({ waitsFor }) => waitsFor)).toEqual([null, null, null]);
    });

    it('begin one at a time, also when several ask at once', async () => {
      const { catalog } = subject();
      const { web01 } = await given(catalog);
      await ask(catalog, await image(catalog, web01, 1));
      const begun = await Promise.all([1, 2, 3, 4].map(() => catalog.startNextVerification()));
      expect(begun.filter((input) => input !== null)).toHaveLength(1);
    });

    it('leave the repositories to a restore', async () => {
      const { catalog } = subject();
      const { db01, web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      await ask(catalog, id);
      const runId = await swappedRestore(catalog, db01);
      expect(await catalog.startNextVerification()).toBeNull();
      expect((await catalog.listVerifications({}, page)).items).toMatchObject([{ state: 'waiting', waitsFor: `run ${runId} restores` }]);
      await catalog.finishRun(runId, succeeded);
      expect((await begin(catalog)).recoveryPointId).toBe(id);
    });

    it('do not wait for backups', async () => {
      const { catalog } = subject();
      const { db01, web01 } = await given(catalog);
      await catalog.acceptBackup(backupRequest(db01.id));
      const id = await image(catalog, web01, 1);
      await ask(catalog, id);
      expect((await begin(catalog)).recoveryPointId).toBe(id);
    });

    it('are what a policy asks for: new images first, each again after so many days, damaged ones never', async () => {
      const { catalog, advance } = subject();
      const { db01, web01 } = await given(catalog, { everyDays: 7 });
      await image(catalog, web01, 1);
      const older = await image(catalog, db01, 1, 'main', '2026-02-27T00:00:00.000Z');
      const newer = await image(catalog, db01, 2);
      const spoilt = await image(catalog, db01, 3);
      await catalog.markRecoveryPoint(spoilt, 'damaged', 'a restore has found it');
      const next = async (): Promise<string | null> => {
        const input = await catalog.startNextVerification();
        if (input === null) return null;
        await catalog.recordVerdict(input.verificationId, input.recoveryPointId ?? '', null);
        await catalog.finishVerification(input.verificationId, passed);
        return input.recoveryPointId;
      };
      expect([await next(), await next(), await next()]).toEqual([newer, older, null]);
      expect((await catalog.listVerifications({ serverId: db01.id }, page)).items).toMatchObject([
        { requestedBy: 'schedule', reason: 'policy daily' },
        { requestedBy: 'schedule', reason: 'policy daily' },
      ]);
      advance(7 * DAY - 1);
      expect(await next()).toBeNull();
      advance(1);
      expect(await next()).not.toBeNull();
    });

    it('that a policy asks for are tried again after six hours when they could not be carried out', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog);
      const id = await image(catalog, db01, 1);
      await catalog.finishVerification((await begin(catalog)).verificationId, notRun());
      advance(6 * HOUR - 1);
      expect(await catalog.startNextVerification()).toBeNull();
      advance(1);
      expect((await begin(catalog)).recoveryPointId).toBe(id);
    });

    it('come not by themselves where the policy says so', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog, null);
      await image(catalog, db01, 1);
      expect(await catalog.startNextVerification()).toBeNull();
    });

    it('of data read a part each day, and verify what was there when they began', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, { everyDays: 2 });
      const known = await data(catalog, db01, 9);
      const first = await begin(catalog);
      expect(first).toMatchObject({ kind: 'data', recoveryPointId: null, repository: null, part: { number: 1, of: 2 } });
      const later = await data(catalog, db01, 28 * 24 + 1);
      advance(1000);
      await catalog.finishVerification(first.verificationId, passed);
      expect(await of(catalog, known)).toMatchObject({ state: 'verified', method: 'structure' });
      expect(await of(catalog, later)).toMatchObject({ state: 'unverified' });
      expect(await catalog.startNextVerification()).toBeNull();
      advance(23 * HOUR);
      const second = await begin(catalog);
      expect(second.part).toEqual({ number: 2, of: 2 });
      await catalog.finishVerification(second.verificationId, notRun('DATA_REPOSITORY_UNREACHABLE'));
      expect(await of(catalog, known)).toMatchObject({ state: 'unreachable', method: 'structure', problem: { code: 'DATA_REPOSITORY_UNREACHABLE' } });
      advance(6 * HOUR);
      // The part that could not be read is read now.
      const third = await begin(catalog);
      expect(third.part).toEqual({ number: 2, of: 2 });
      await catalog.recordVerdict(third.verificationId, known, 'pack 1 is damaged');
      await catalog.recordVerdict(third.verificationId, later, null);
      await catalog.finishVerification(third.verificationId, failed);
      expect([(await of(catalog, known)).state, await of(catalog, later)]).toMatchObject(['corrupt', { state: 'verified', method: 'checksums' }]);
    });

    it('show in retention, and in whether the estate is protected', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog);
      const id = await image(catalog, db01, 1);
      const since = async () => (await catalog.protectionFacts()).newest.map(({ unverifiedSince }) => unverifiedSince);
      expect(await since()).toEqual(['2026-02-28T00:00:00.000Z']);
      const { verificationId } = await begin(catalog);
      await catalog.recordVerdict(verificationId, id, null);
      expect(await since()).toEqual([null]);
      expect((await catalog.retentionPoints(db01.id)).map(({ verifiedAt }) => verifiedAt)).toEqual([new Date('2026-03-01T00:00:00.000Z')]);
      // An older one that comes up is no news; a newer one is.
      await image(catalog, db01, 2, 'main', '2026-02-27T00:00:00.000Z');
      expect(await since()).toEqual([null]);
      await image(catalog, db01, 3, 'main', '2026-02-28T12:00:00.000Z');
      await image(catalog, db01, 4, 'main', '2026-02-28T18:00:00.000Z');
      expect(await since()).toEqual(['2026-02-28T12:00:00.000Z']);
    });

    it('that run are known to whoever looks after them', async () => {
      const { catalog, advance } = subject();
      const { web01 } = await given(catalog);
      await ask(catalog, await image(catalog, web01, 1));
      const input = await begin(catalog);
      const at = new Date(Date.UTC(2026, 2, 1) + 1);
      advance(1);
      expect(await catalog.listRunningVerifications(at)).toEqual([input]);
      expect(await catalog.listRunningVerifications(new Date(Date.UTC(2026, 2, 1)))).toEqual([]);
      await catalog.finishVerification(input.verificationId, passed);
      expect(await catalog.listRunningVerifications(at)).toEqual([]);
    });

    it('are found or not, listed by server and state, page by page', async () => {
      const { catalog, advance } = subject();
      const { db01, web01 } = await given(catalog, null);
      const missing = `vrf_${'0'.repeat(26)}`;
      expect(await codeOf(catalog.getVerification(missing))).toBe('VERIFICATION_NOT_FOUND');
      expect(await codeOf(catalog.finishVerification(missing, passed))).toBe('VERIFICATION_NOT_FOUND');
      expect(await codeOf(ask(catalog, `rp_${'0'.repeat(26)}`))).toBe('RECOVERY_POINT_NOT_FOUND');
      const [one, two] = [await image(catalog, db01, 1), await image(catalog, web01, 1)];
      await ask(catalog, one);
      advance(1000);
      await ask(catalog, two);
      const first = await catalog.listVerifications({}, { limit: 1, cursor: null });
      const second = await catalog.listVerifications({}, { limit: 1, cursor: first.nextCursor });
      expect([...first.items, ...second.items].map(({ recoveryPointId }) => recoveryPointId)).toEqual([two, one]);
      expect(second.nextCursor).toBeNull();
      expect((await catalog.listVerifications({ serverId: db01.id }, page)).items).toHaveLength(1);
      expect((await catalog.listVerifications({ state: 'running' }, page)).items).toHaveLength(0);
    });

    it('that ended before they began say nothing', async () => {
      const { catalog } = subject();
      const { web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      const { id: verificationId } = await ask(catalog, id);
      await catalog.finishVerification(verificationId, notRun('RUN_CANCELLED'));
      expect(await of(catalog, id)).toEqual({ state: 'unverified', method: null, at: null, problem: null });
      expect(await catalog.startNextVerification()).toBeNull();
    });
  });
}
