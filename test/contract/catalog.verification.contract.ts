import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import { ModosuError } from '../../src/contracts/errors';
import type { VerificationInput } from '../../src/contracts/verification';
import type { CatalogUnderTest } from './catalog.contract';
import { dataManifest } from './catalog.data.contract';
import { backupRequest, codeOf, manifestOf, RESOLVED, swappedRestore } from './catalog.fixtures';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const page = { limit: 50, cursor: null };
const RETENTION = { last: 3 };
const DAMAGE = { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 of vda differs' } as const;
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
const ask = (catalog: Catalog, recoveryPointId: string) =>
  catalog.requestVerification({ actor: 'alice', method: 'checksums', recoveryPointId, reason: 'before the migration' });
const begin = async (catalog: Catalog): Promise<VerificationInput> => {
  const input = await catalog.startNextVerification('any');
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
      expect(await of(catalog, id)).toEqual({ state: 'unverified', method: null, at: null, problem: null, boot: null });
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
        method: 'checksums',
        recoveryPointId: id,
        repository: 'main',
        part: null,
        knownDamage: null,
        agentTimeoutSeconds: 300,
      });
      expect((await ask(catalog, id)).state).toBe('running');
      await catalog.recordVerificationProgress(asked.id, 5, 10);
      expect(await catalog.getVerification(asked.id)).toMatchObject({ state: 'running', startedAt: '2026-03-01T00:00:01.000Z', doneBytes: 5, totalBytes: 10 });
      advance(1000);
      await catalog.recordVerdict(asked.id, id, null);
      await catalog.finishVerification(asked.id, passed);
      await catalog.finishVerification(asked.id, failed);
      expect(await catalog.getVerification(asked.id)).toMatchObject({ state: 'passed', finishedAt: '2026-03-01T00:00:02.000Z', error: null });
      expect(await of(catalog, id)).toEqual({ state: 'verified', method: 'checksums', at: '2026-03-01T00:00:02.000Z', problem: null, boot: null });
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
      await catalog.recordVerdict(verificationId, id, DAMAGE);
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
      const { catalog, advance } = subject();
      const { web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      await ask(catalog, id);
      await catalog.finishVerification((await begin(catalog)).verificationId, notRun());
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({
        state: 'usable',
        verification: { state: 'unreachable', method: null, at: null, problem: { code: 'REPOSITORY_UNREACHABLE', message: 'it is away' } },
      });
      advance(1000);
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
      expect(await catalog.startNextVerification('any')).toBeNull();
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
      const begun = await Promise.all([1, 2, 3, 4].map(() => catalog.startNextVerification('any')));
      expect(begun.filter((input) => input !== null)).toHaveLength(1);
    });

    it('leave a repository to the restore that reads it, and only while it reads', async () => {
      const { catalog } = subject();
      const { db01, web01 } = await given(catalog);
      const [near, elsewhere] = [await image(catalog, web01, 1), await image(catalog, web01, 2, 'second')];
      await ask(catalog, near);
      const runId = await swappedRestore(catalog, db01);
      expect(await catalog.startNextVerification('any')).toBeNull();
      expect((await catalog.listVerifications({}, page)).items).toMatchObject([{ state: 'waiting', waitsFor: `run ${runId} restores` }]);
      await ask(catalog, elsewhere);
      expect((await begin(catalog)).recoveryPointId).toBe(elsewhere);
      // It waits for somebody, who may come on Monday.
      await catalog.recordStep(runId, { seq: 9, key: 'go-live', title: 'Go live', state: 'waiting' });
      expect((await begin(catalog)).recoveryPointId).toBe(near);
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
        const input = await catalog.startNextVerification('any');
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
      expect(await catalog.startNextVerification('any')).toBeNull();
      advance(1);
      expect((await begin(catalog)).recoveryPointId).toBe(id);
    });

    it('are due after the days of the policy that the server has, whatever others say', async () => {
      const { catalog, advance } = subject();
      const policies = [3, 7].map((everyDays) => ({
        name: `each-${everyDays}`,
        image: { schedule: { every: 'day', at: '01:00' }, retention: RETENTION },
        verification: { everyDays },
      }));
      const { db01, web01 } = await given(catalog);
      const servers = [
        { name: 'db01', hypervisor: 'hv1', repository: 'main', policy: 'each-7' },
        { name: 'web01', hypervisor: 'hv1', repository: 'main', domain: 'web-domain', policy: 'each-3' },
      ];
      const hypervisors = [{ name: 'hv1', kind: 'libvirt' }];
      const repositories = [{ name: 'main', kind: 'directory', path: '/srv/main' }];
      await catalog.applyEstate('setup', estateSchema.parse({ hypervisors, repositories, policies, servers }), RESOLVED);
      const [slow, quick] = [await image(catalog, db01, 1), await image(catalog, web01, 1)];
      const next = async (): Promise<string | null> => {
        const input = await catalog.startNextVerification('any');
        if (input === null) return null;
        await catalog.recordVerdict(input.verificationId, input.recoveryPointId ?? '', null);
        await catalog.finishVerification(input.verificationId, passed);
        return input.recoveryPointId;
      };
      expect(new Set([await next(), await next(), await next()])).toEqual(new Set([slow, quick, null]));
      advance(3 * DAY - 1);
      expect(await next()).toBeNull();
      advance(1);
      expect([await next(), await next()]).toEqual([quick, null]);
      advance(4 * DAY);
      // Both: the one that was read longest ago comes first.
      expect([await next(), await next(), await next()]).toEqual([slow, quick, null]);
    });

    it('come not by themselves where the policy says so', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog, null);
      await image(catalog, db01, 1);
      expect(await catalog.startNextVerification('any')).toBeNull();
    });

    describe('that boot images', () => {
      const NIGHTLY = { boot: { every: 'day', at: '03:00' } };
      const SHOWN = { seconds: 41, checks: [{ name: 'web', evidence: 'exit code 0' }], notMade: ['port'] } as const;
      const silent = { state: 'failed', error: new ModosuError('AGENT_SILENT', 'no answer in 300 s').summary() } as const;
      const boot = (catalog: Catalog, recoveryPointId: string) =>
        catalog.requestVerification({ actor: 'alice', method: 'boot', recoveryPointId, reason: 'does it come up?' });
      /** Ends what is due of reading, so that only boots are left. */
      const nextBoot = async (catalog: Catalog): Promise<VerificationInput | null> => {
        for (;;) {
          const input = await catalog.startNextVerification('any');
          if (input === null || input.method === 'boot') return input;
          await catalog.recordVerdict(input.verificationId, input.recoveryPointId ?? '', null);
          await catalog.finishVerification(input.verificationId, passed);
        }
      };

      it('say what came of it, and nothing about bytes', async () => {
        const { catalog, advance } = subject();
        const { web01 } = await given(catalog);
        const id = await image(catalog, web01, 1);
        const asked = await boot(catalog, id);
        expect(asked).toMatchObject({ method: 'boot', state: 'waiting', recoveryPointId: id, boot: null });
        expect((await boot(catalog, id)).id).toBe(asked.id);
        expect(await begin(catalog)).toMatchObject({
          verificationId: asked.id,
          method: 'boot',
          hypervisor: 'hv1',
          repository: 'main',
          agentTimeoutSeconds: 300,
        });
        advance(1000);
        await catalog.finishVerification(asked.id, { ...passed, boot: SHOWN });
        expect(await catalog.getVerification(asked.id)).toMatchObject({ state: 'passed', boot: SHOWN });
        const come = { state: 'passed', at: '2026-03-01T00:00:01.000Z', seconds: 41, problem: null };
        expect(await of(catalog, id)).toEqual({ state: 'unverified', method: null, at: null, problem: null, boot: come });

        advance(1000);
        await boot(catalog, id);
        await catalog.finishVerification((await begin(catalog)).verificationId, notRun('NOT_ENOUGH_MEMORY'));
        expect((await of(catalog, id)).boot).toEqual(come);
        advance(1000);
        await boot(catalog, id);
        await catalog.finishVerification((await begin(catalog)).verificationId, silent);
        const problem = { code: 'AGENT_SILENT', message: 'no answer in 300 s' };
        expect(await catalog.getRecoveryPoint(id)).toMatchObject({
          state: 'usable',
          verification: { state: 'unverified', boot: { state: 'failed', at: '2026-03-01T00:00:03.000Z', seconds: null, problem } },
        });
        const audited = (await catalog.listAudit({}, { limit: 100, cursor: null })).items.filter(({ action }) => action === 'verification.passed');
        expect(audited.map(({ details }) => details)).toEqual([
          { verificationId: asked.id, recoveryPointId: id, method: 'boot', state: 'passed', seconds: 41 },
        ]);
      });

      it('go beside the reading of the same image, one on a hypervisor at a time, and none beside a restore there', async () => {
        const { catalog, advance } = subject();
        const { db01, web01 } = await given(catalog);
        const [first, second] = [await image(catalog, web01, 1), await image(catalog, web01, 2)];
        await ask(catalog, first);
        advance(1000);
        for (const id of [first, second]) {
          await boot(catalog, id);
          advance(1000);
        }
        expect([(await begin(catalog)).method, (await begin(catalog)).method]).toEqual(['checksums', 'boot']);
        expect(await catalog.startNextVerification('asked')).toBeNull();
        const [waiting] = (await catalog.listVerifications({ state: 'waiting' }, page)).items;
        expect(waiting?.waitsFor).toMatch(/^verification vrf_\S+ boots an image there$/);
        for (const { id } of (await catalog.listVerifications({ state: 'running' }, page)).items) {
          await catalog.finishVerification(id, notRun('NO_WORKER'));
        }
        const runId = await swappedRestore(catalog, db01);
        expect(await catalog.startNextVerification('asked')).toBeNull();
        expect((await catalog.getVerification(waiting?.id ?? '')).waitsFor).toBe(`run ${runId} restores`);
      });

      it('are refused of data, and of what is damaged', async () => {
        const { catalog } = subject();
        const { db01, web01 } = await given(catalog);
        const spoilt = await image(catalog, web01, 1);
        await catalog.markRecoveryPoint(spoilt, 'damaged', 'a restore has found it');
        for (const id of [spoilt, await data(catalog, db01, 9)]) expect(await codeOf(boot(catalog, id))).toBe('RECOVERY_POINT_NOT_USABLE');
        expect((await catalog.listVerifications({}, page)).items).toEqual([]);
      });

      it('are what a policy asks for: the newest image of each server, once for each time', async () => {
        const { catalog, advance } = subject();
        const { db01, web01 } = await given(catalog, NIGHTLY);
        await image(catalog, web01, 1);
        await image(catalog, db01, 1, 'main', '2026-02-27T00:00:00.000Z');
        const newest = await image(catalog, db01, 2);
        // Dated by a clock that was wrong.
        await image(catalog, db01, 3, 'main', '2027-02-27T00:00:00.000Z');
        expect(await nextBoot(catalog)).toBeNull();
        advance(3 * HOUR);
        const due = await nextBoot(catalog);
        expect(due).toMatchObject({ serverId: db01.id, recoveryPointId: newest });
        expect(await catalog.getVerification(due?.verificationId ?? '')).toMatchObject({ requestedBy: 'schedule', reason: 'policy daily' });
        expect(await nextBoot(catalog)).toBeNull();
        advance(1000);
        await catalog.finishVerification(due?.verificationId ?? '', { ...passed, boot: SHOWN });
        expect(await nextBoot(catalog)).toBeNull();
        advance(DAY - 2000);
        expect(await nextBoot(catalog)).toBeNull();
        advance(2000);
        const again = await nextBoot(catalog);
        expect(again?.recoveryPointId).toBe(newest);
        await catalog.finishVerification(again?.verificationId ?? '', notRun('NOT_ENOUGH_MEMORY'));
        advance(HOUR - 1);
        expect(await nextBoot(catalog)).toBeNull();
        advance(1);
        expect((await nextBoot(catalog))?.recoveryPointId).toBe(newest);
      });

      it('are asked for once by a clock that was a year ahead, and again at their time when it is put right', async () => {
        const { catalog, advance } = subject();
        const { db01 } = await given(catalog, NIGHTLY);
        await image(catalog, db01, 1);
        advance(365 * DAY);
        await catalog.finishVerification((await nextBoot(catalog))?.verificationId ?? '', silent);
        advance(-365 * DAY + 4 * HOUR);
        expect((await catalog.protectionFacts()).boots).toMatchObject([{ failed: null, passed: null }]);
        const due = await nextBoot(catalog);
        expect(due).not.toBeNull();
        await catalog.finishVerification(due?.verificationId ?? '', { ...passed, boot: SHOWN });
        expect(await nextBoot(catalog)).toBeNull();
        expect((await catalog.protectionFacts()).boots).toMatchObject([{ failed: null, passed: { seconds: 41 } }]);
      });

      it('of older images, or that somebody has cancelled, decide nothing about what is promised', async () => {
        const { catalog, advance } = subject();
        const { db01 } = await given(catalog, NIGHTLY);
        const older = await image(catalog, db01, 1, 'main', '2026-02-27T00:00:00.000Z');
        const newest = await image(catalog, db01, 2);
        const ends = async (id: string, outcome: Parameters<Catalog['finishVerification']>[1]): Promise<void> => {
          const { id: verificationId } = await boot(catalog, id);
          await catalog.startNextVerification('asked');
          advance(1000);
          await catalog.finishVerification(verificationId, outcome);
        };
        await ends(newest, silent);
        await ends(older, { ...passed, boot: SHOWN });
        expect((await catalog.protectionFacts()).boots).toMatchObject([{ passed: null, failed: { recoveryPointId: newest } }]);
        await ends(newest, { ...passed, boot: SHOWN });
        await ends(older, silent);
        expect((await catalog.protectionFacts()).boots).toMatchObject([{ passed: { recoveryPointId: newest }, failed: null }]);
        advance(3 * HOUR);
        const { id } = await boot(catalog, newest);
        await catalog.cancelVerification({ actor: 'alice', id, reason: 'not now' });
        expect((await nextBoot(catalog))?.recoveryPointId).toBe(newest);
      });

      it('are promised from when the server has the policy and an image, not from when somebody wrote the policy', async () => {
        const { catalog, advance } = subject();
        const { db01 } = await given(catalog, NIGHTLY);
        advance(30 * DAY);
        await image(catalog, db01, 1, 'main', '2026-03-31T00:00:00.000Z');
        expect(await nextBoot(catalog)).toBeNull();
        expect((await catalog.protectionFacts()).boots).toMatchObject([{ promisedSince: '2026-03-31T00:00:00.000Z' }]);
        advance(3 * HOUR);
        expect(await nextBoot(catalog)).not.toBeNull();
      });

      it('are what protection is judged by', async () => {
        const { catalog, advance } = subject();
        const { db01, web01 } = await given(catalog, NIGHTLY);
        expect((await catalog.protectionFacts()).boots).toEqual([]);
        await image(catalog, web01, 1);
        const id = await image(catalog, db01, 1);
        const never = { serverId: db01.id, passed: null, failed: null, promisedSince: '2026-03-01T00:00:00.000Z' };
        expect((await catalog.protectionFacts()).boots).toEqual([never]);
        const ends = async (outcome: Parameters<Catalog['finishVerification']>[1]): Promise<string> => {
          const { id: verificationId } = await boot(catalog, id);
          await catalog.startNextVerification('asked');
          advance(1000);
          await catalog.finishVerification(verificationId, outcome);
          return verificationId;
        };
        await ends({ ...passed, boot: SHOWN });
        const come = { at: '2026-03-01T00:00:01.000Z', recoveryPointId: id, seconds: 41 };
        expect((await catalog.protectionFacts()).boots).toEqual([{ ...never, passed: come }]);
        const verificationId = await ends(silent);
        const failure = { at: '2026-03-01T00:00:02.000Z', verificationId, recoveryPointId: id, code: 'AGENT_SILENT', message: 'no answer in 300 s' };
        expect((await catalog.protectionFacts()).boots).toEqual([{ ...never, passed: come, failed: failure }]);
        await ends(notRun('NO_WORKER'));
        expect((await catalog.protectionFacts()).boots).toEqual([{ ...never, passed: come, failed: failure }]);
        await ends({ ...passed, boot: { ...SHOWN, seconds: 7 } });
        expect((await catalog.protectionFacts()).boots).toEqual([{ ...never, passed: { ...come, at: '2026-03-01T00:00:04.000Z', seconds: 7 } }]);
      });
    });

    it('of data read a part each time, and verify what was found', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, { everyDays: 2 });
      const known = await data(catalog, db01, 9);
      const first = await begin(catalog);
      expect(first).toMatchObject({ kind: 'data', recoveryPointId: null, repository: null, part: { number: 1, of: 2 }, knownDamage: null });
      const later = await data(catalog, db01, 10);
      advance(1000);
      await catalog.finishVerification(first.verificationId, { ...passed, found: [known] });
      expect(await of(catalog, known)).toMatchObject({ state: 'verified', method: 'structure', at: '2026-03-01T00:00:01.000Z' });
      expect(await of(catalog, later)).toMatchObject({ state: 'unverified' });
      expect(await catalog.startNextVerification('any')).toBeNull();
      // Something new waits for it: in half the time that is promised.
      advance(12 * HOUR);
      const second = await begin(catalog);
      expect(second.part).toEqual({ number: 2, of: 2 });
      await catalog.finishVerification(second.verificationId, notRun('DATA_REPOSITORY_UNREACHABLE'));
      expect(await of(catalog, known)).toMatchObject({ state: 'unreachable', method: 'structure', problem: { code: 'DATA_REPOSITORY_UNREACHABLE' } });
      advance(6 * HOUR);
      // The part that could not be read is read now.
      const third = await begin(catalog);
      expect(third.part).toEqual({ number: 2, of: 2 });
      await catalog.recordVerdict(third.verificationId, known, { code: 'RECOVERY_POINT_CORRUPT', message: 'pack 1 is damaged' });
      await catalog.recordVerdict(third.verificationId, later, null);
      await catalog.finishVerification(third.verificationId, failed);
      expect([(await of(catalog, known)).state, await of(catalog, later)]).toMatchObject(['corrupt', { state: 'verified', method: 'checksums' }]);
      // All its bytes were read: that stays, whatever less is found later.
      advance(23 * HOUR);
      const fourth = await begin(catalog);
      expect(fourth).toMatchObject({ part: { number: 1, of: 2 }, knownDamage: 'segment 3 of vda differs' });
      await catalog.finishVerification(fourth.verificationId, { ...passed, found: [known, later] });
      expect([(await of(catalog, known)).state, await of(catalog, later)]).toMatchObject(['corrupt', { state: 'verified', method: 'checksums' }]);
    });

    it('of data are two at a time, so that a server whose reading takes days keeps nobody waiting', async () => {
      const { catalog } = subject();
      const { db01, web01 } = await given(catalog, null);
      for (const server of [db01, web01]) await data(catalog, server, 9);
      const all = (serverId: string) => catalog.requestVerification({ actor: 'alice', method: 'structure', serverId, reason: 'the storage was mended' });
      const asked = await all(db01.id);
      expect(asked).toMatchObject({ kind: 'data', recoveryPointId: null, method: 'structure', state: 'waiting' });
      expect((await all(db01.id)).id).toBe(asked.id);
      await all(web01.id);
      const [first, second] = [await begin(catalog), await begin(catalog)];
      expect([first.part, second.part]).toEqual([
        { number: 1, of: 1 },
        { number: 1, of: 1 },
      ]);
      await ask(catalog, await data(catalog, db01, 11));
      expect(await catalog.startNextVerification('any')).toBeNull();
      expect(await codeOf(catalog.requestVerification({ actor: 'alice', method: 'structure', serverId: `srv_${'0'.repeat(26)}`, reason: 'x' }))).toBe(
        'SERVER_NOT_FOUND',
      );
    });

    it('know which data recovery points a repository has to hold', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog, null);
      const [older, newer, lost, spoilt] = [
        await data(catalog, db01, 1),
        await data(catalog, db01, 4),
        await data(catalog, db01, 2),
        await data(catalog, db01, 3),
      ];
      await ask(catalog, older);
      const { verificationId } = await begin(catalog);
      await catalog.recordVerdict(verificationId, older, null);
      await catalog.recordVerdict(verificationId, lost, { code: 'RECOVERY_POINT_INCOMPLETE', message: 'its snapshot is missing' });
      await catalog.recordVerdict(verificationId, spoilt, DAMAGE);
      const snapshotId = 'e'.repeat(64);
      expect(await catalog.dataToVerify(db01.id)).toEqual([
        { recoveryPointId: newer, snapshotId, isUsable: true, readAt: null },
        { recoveryPointId: lost, snapshotId, isUsable: false, readAt: null },
        { recoveryPointId: older, snapshotId, isUsable: true, readAt: '2026-03-01T00:00:00.000Z' },
      ]);
    });

    it('look again for images that were missing: their disk may have been elsewhere', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog);
      const id = await image(catalog, db01, 1);
      const { verificationId } = await begin(catalog);
      await catalog.recordVerdict(verificationId, id, { code: 'RECOVERY_POINT_INCOMPLETE', message: 'it is not there' });
      await catalog.finishVerification(verificationId, failed);
      expect(await catalog.startNextVerification('any')).toBeNull();
      advance(6 * HOUR);
      const again = await begin(catalog);
      expect(again.recoveryPointId).toBe(id);
      await catalog.recordVerdict(again.verificationId, id, null);
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({ state: 'usable', verification: { state: 'verified' } });
    });

    it('leave a repository alone for some minutes that was away, unless somebody asks', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog);
      const [one, two] = [await image(catalog, db01, 1), await image(catalog, db01, 2)];
      const elsewhere = await image(catalog, db01, 3, 'second', '2026-02-01T00:00:00.000Z');
      const first = await begin(catalog);
      await catalog.finishVerification(first.verificationId, notRun());
      expect((await begin(catalog)).recoveryPointId).toBe(elsewhere);
      expect(await catalog.startNextVerification('any')).toBeNull();
      await ask(catalog, first.recoveryPointId ?? '');
      const asked = await begin(catalog);
      expect(asked.recoveryPointId).toBe(first.recoveryPointId);
      advance(1000);
      await catalog.finishVerification(asked.verificationId, notRun());
      advance(15 * 60_000 - 1);
      expect(await catalog.startNextVerification('any')).toBeNull();
      advance(1);
      const other = await begin(catalog);
      expect(other.recoveryPointId).toBe(first.recoveryPointId === one ? two : one);
      await catalog.finishVerification(other.verificationId, notRun());
      // Somebody has asked, and it is there again: nobody waits any more.
      advance(1000);
      await ask(catalog, other.recoveryPointId ?? '');
      await catalog.finishVerification((await begin(catalog)).verificationId, passed);
      await image(catalog, db01, 4);
      expect((await begin(catalog)).recoveryPointId).not.toBeNull();
    });

    it('that somebody has asked for are begun without a look at what policies want', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog);
      const id = await image(catalog, db01, 1);
      expect(await catalog.startNextVerification('asked')).toBeNull();
      await ask(catalog, id);
      expect((await catalog.startNextVerification('asked'))?.recoveryPointId).toBe(id);
    });

    it('say nothing of what somebody else has found damaged since they began, and nothing once they have ended', async () => {
      const { catalog, advance } = subject();
      const { web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      await ask(catalog, id);
      const { verificationId } = await begin(catalog);
      advance(1000);
      await catalog.markRecoveryPoint(id, 'damaged', 'a restore has found it');
      advance(1000);
      await catalog.recordVerdict(verificationId, id, null);
      await catalog.finishVerification(verificationId, notRun());
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({
        state: 'damaged',
        verification: { state: 'corrupt', problem: { message: 'a restore has found it' } },
      });
      await ask(catalog, id);
      const again = await begin(catalog);
      await catalog.finishVerification(again.verificationId, notRun('RUN_ENDED_OUTSIDE'));
      await catalog.recordVerdict(again.verificationId, id, null);
      expect((await catalog.getRecoveryPoint(id)).state).toBe('damaged');
      // Damaged still, by another look: that is what people are shown.
      await ask(catalog, id);
      const third = await begin(catalog);
      await catalog.recordVerdict(third.verificationId, id, DAMAGE);
      expect((await of(catalog, id)).problem?.message).toBe(DAMAGE.message);
    });

    it('are promised from the moment on that a policy says so: what lay there before is in breach no sooner', async () => {
      const { catalog, advance } = subject();
      const { db01 } = await given(catalog, null);
      await image(catalog, db01, 1);
      advance(2 * DAY);
      await given(catalog, {});
      expect((await catalog.protectionFacts()).newest.map(({ unverifiedSince }) => unverifiedSince)).toEqual(['2026-03-03T00:00:00.000Z']);
      await given(catalog, {});
      advance(DAY);
      expect((await catalog.protectionFacts()).newest.map(({ unverifiedSince }) => unverifiedSince)).toEqual(['2026-03-03T00:00:00.000Z']);
    });

    it('show in retention, and in whether the estate is protected', async () => {
      const { catalog } = subject();
      const { db01 } = await given(catalog);
      const id = await image(catalog, db01, 1);
      const since = async () => (await catalog.protectionFacts()).newest.map(({ unverifiedSince }) => unverifiedSince);
      // The policy promises it since its own beginning.
      expect(await since()).toEqual(['2026-03-01T00:00:00.000Z']);
      const { verificationId } = await begin(catalog);
      await catalog.recordVerdict(verificationId, id, null);
      expect(await since()).toEqual([null]);
      expect((await catalog.retentionPoints(db01.id)).map(({ verifiedAt }) => verifiedAt)).toEqual([new Date('2026-03-01T00:00:00.000Z')]);
      // An older one that comes up is no news; a newer one is.
      await image(catalog, db01, 2, 'main', '2026-02-27T00:00:00.000Z');
      expect(await since()).toEqual([null]);
      await image(catalog, db01, 3, 'main', '2026-02-28T12:00:00.000Z');
      await image(catalog, db01, 4, 'main', '2026-02-28T18:00:00.000Z');
      expect(await since()).toEqual(['2026-03-01T00:00:00.000Z']);
    });

    it('that run are known to whoever looks after them', async () => {
      const { catalog, advance } = subject();
      const { web01 } = await given(catalog);
      await ask(catalog, await image(catalog, web01, 1));
      const input = await begin(catalog);
      const at = new Date(Date.UTC(2026, 2, 1) + 1);
      advance(1);
      expect(await catalog.listRunningVerifications(at)).toEqual([{ input, cancelRequested: false }]);
      await catalog.cancelVerification({ actor: 'alice', id: input.verificationId, reason: 'the storage is needed' });
      expect(await catalog.listRunningVerifications(at)).toEqual([{ input, cancelRequested: true }]);
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

    it('that are cancelled before they begin end, and say nothing', async () => {
      const { catalog } = subject();
      const { web01 } = await given(catalog);
      const id = await image(catalog, web01, 1);
      const { id: verificationId } = await ask(catalog, id);
      const cancel = () => catalog.cancelVerification({ actor: 'bob', id: verificationId, reason: 'the storage is needed' });
      expect(await cancel()).toMatchObject({
        state: 'not-run',
        error: { code: 'RUN_CANCELLED', message: 'Cancelled by bob before it began: the storage is needed' },
      });
      expect(await codeOf(cancel())).toBe('VERIFICATION_FINISHED');
      expect(await codeOf(catalog.cancelVerification({ actor: 'bob', id: `vrf_${'0'.repeat(26)}`, reason: 'x' }))).toBe('VERIFICATION_NOT_FOUND');
      expect(await of(catalog, id)).toEqual({ state: 'unverified', method: null, at: null, problem: null, boot: null });
      expect(await catalog.startNextVerification('any')).toBeNull();
    });
  });
}
