import type { Catalog, DecommissionServerRequest, ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import { ModosuError } from '../../src/contracts/errors';
import { judgeProtection, protectedServer } from '../../src/domain/protection-status';
import type { CatalogUnderTest } from './catalog.contract';
import { dataManifest } from './catalog.data.contract';
import {
  actions,
  backupRequest,
  codeOf,
  confirmRequest,
  finishedRestore,
  givenReadyPlan,
  manifestOf,
  refusal,
  RESOLVED,
  restoreRequest,
  succeeded,
  swappedRestore,
} from './catalog.fixtures';
import { given as givenPolicy, retire, stateOf, watch } from './catalog.retention.contract';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const page = { limit: 50, cursor: null };
const VERIFICATION = { boot: { every: 'day', at: '03:00' } };
const DATA_SETS = [{ kind: 'files', name: 'uploads', paths: ['/srv/uploads'] }];

const request = (serverId: string, changes: Partial<DecommissionServerRequest> = {}): DecommissionServerRequest => ({
  actor: 'alice',
  serverId,
  confirm: 'db01',
  reason: 'replaced by db02',
  keepDays: 90,
  ...changes,
});

/** Backed up each day, verified and booted by its policy. */
const estate = (db01: object = {}, others: readonly object[] = []) =>
  estateSchema.parse({
    hypervisors: [{ name: 'hv1', kind: 'libvirt' }],
    repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
    policies: [
      {
        name: 'daily',
        image: { schedule: { every: 'day', at: '01:00' }, retention: { last: 2 } },
        data: { schedule: { every: 'day', at: '02:00' }, retention: { last: 2 } },
        verification: VERIFICATION,
      },
    ],
    servers: [
      { name: 'db01', hypervisor: 'hv1', repository: 'main', policy: 'daily', dataSets: DATA_SETS, ...db01 },
      { name: 'web01', hypervisor: 'hv1', repository: 'main', domain: 'web-domain' },
      ...others,
    ],
  });

async function given(catalog: Catalog): Promise<ServerRecord> {
  await catalog.applyEstate('setup', estate(), RESOLVED);
  return catalog.getServer('db01');
}

async function image(catalog: Catalog, server: ServerRecord, day: number, changes: object = {}): Promise<string> {
  const at = new Date(Date.UTC(2026, 1, day)).toISOString();
  const manifest = manifestOf(server, await catalog.nextGeneration(server.id), { pointInTime: at, publishedAt: at, ...changes });
  return (await catalog.recordRecoveryPoint(manifest, 'main')).id;
}

const breaches = async (catalog: Catalog, now: Date): Promise<readonly string[]> =>
  judgeProtection((await catalog.listServers()).map(protectedServer), await catalog.listPolicies(), await catalog.protectionFacts(), now).servers.flatMap(
    (server) => server.breaches.map(({ serverName, code }) => `${serverName} ${code}`),
  );

export function decommissionContract(subject: () => CatalogUnderTest): void {
  describe('a decommissioned server', () => {
    it('says since when, by whom and why; the same again changes nothing, and is audited once', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      expect(server.decommissioned).toBeNull();
      const gone = await catalog.decommissionServer(request(server.id));
      expect(gone).toEqual({
        ...server,
        decommissioned: {
          at: '2026-03-01T00:00:00.000Z',
          by: 'alice',
          reason: 'replaced by db02',
          keepDays: 90,
          protectsUntil: '2026-05-30T00:00:00.000Z',
        },
      });
      expect(await catalog.getServer('db01')).toEqual(gone);
      expect((await catalog.listServers()).map(({ name, decommissioned }) => [name, decommissioned?.by])).toEqual([
        ['db01', 'alice'],
        ['web01', undefined],
      ]);
      advance(HOUR);
      expect(await catalog.decommissionServer(request(server.id))).toEqual(gone);
      expect(await catalog.decommissionServer(request(server.id, { actor: 'bob', reason: 'it is gone' }))).toEqual(gone);
      expect((await actions(catalog)).filter((action) => action.startsWith('server.d'))).toEqual(['server.decommissioned']);
      const { items } = await catalog.listAudit({}, page);
      expect(items.find(({ action }) => action === 'server.decommissioned')).toMatchObject({
        actor: 'alice',
        serverId: server.id,
        details: { server: 'db01', reason: 'replaced by db02', keepDays: 90, protectsUntil: '2026-05-30T00:00:00.000Z' },
      });
    });

    it('is refused with another name typed, for another time, while a run is open, and where there is none; refusals are audited', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      expect(await refusal(catalog.decommissionServer(request(server.id, { confirm: 'db02' })))).toMatchObject({
        code: 'CONFIRMATION_MISMATCH',
        message: expect.stringContaining('"db02" was typed'),
      });
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      expect(await refusal(catalog.decommissionServer(request(server.id)))).toMatchObject({ code: 'SERVER_BUSY', context: { runId } });
      expect((await catalog.getServer('db01')).decommissioned).toBeNull();
      await catalog.startRun(runId);
      await catalog.finishRun(runId, succeeded);
      await catalog.decommissionServer(request(server.id, { keepDays: 1 }));
      expect(await refusal(catalog.decommissionServer(request(server.id, { keepDays: 2 })))).toMatchObject({
        code: 'SERVER_DECOMMISSIONED',
        hint: expect.stringContaining('modosu server recommission db01'),
      });
      expect(await codeOf(catalog.decommissionServer(request(server.id, { keepDays: 1, confirm: '' })))).toBe('CONFIRMATION_MISMATCH');
      expect(await codeOf(catalog.decommissionServer(request('srv_00000000000000000000000000')))).toBe('SERVER_NOT_FOUND');
      expect(await codeOf(catalog.recommissionServer('alice', 'srv_00000000000000000000000000', 'x'))).toBe('SERVER_NOT_FOUND');
      const refused = (await catalog.listAudit({}, page)).items.filter(({ action }) => action === 'server.decommission-refused');
      expect(refused.map(({ details }) => details.code)).toEqual(['CONFIRMATION_MISMATCH', 'SERVER_BUSY', 'SERVER_DECOMMISSIONED', 'CONFIRMATION_MISMATCH']);
    });

    it('that is decommissioned while somebody backs it up is one or the other', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const answers = await Promise.allSettled([
        catalog.acceptBackup(backupRequest(server.id)),
        catalog.decommissionServer(request(server.id)),
        catalog.acceptDataBackup({ ...backupRequest(server.id), dataSets: null }),
      ]);
      const isGone = (await catalog.getServer('db01')).decommissioned !== null;
      expect(await catalog.listOpenRuns()).toHaveLength(isGone ? 0 : 1);
      const codes = answers.flatMap((answer) => (answer.status === 'rejected' ? [(answer.reason as ModosuError).code] : []));
      expect(codes).toEqual(isGone ? ['SERVER_DECOMMISSIONED', 'SERVER_DECOMMISSIONED'] : ['SERVER_BUSY', 'SERVER_BUSY']);
    });

    it('has nothing due: what waits is withdrawn, with the reason, and no schedule asks for more', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      advance(3 * HOUR);
      expect(await catalog.recordDueBackups()).toHaveLength(2);
      await catalog.decommissionServer(request(server.id));
      expect((await catalog.listDueBackups({}, page)).items.map(({ kind, state }) => `${kind} ${state}`)).toEqual(['data withdrawn', 'image withdrawn']);
      const withdrawn = (await catalog.listAudit({}, page)).items.filter(({ action }) => action === 'due-backup.withdrawn');
      expect(withdrawn.map(({ details }) => details.why)).toEqual(['the server is decommissioned', 'the server is decommissioned']);
      expect(await catalog.startNextDueBackup()).toBeNull();
      advance(3 * DAY);
      expect(await catalog.recordDueBackups()).toEqual([]);
      expect(await catalog.startNextDueBackup()).toBeNull();
      expect((await catalog.protectionFacts()).waiting).toEqual([]);
    });

    it('that is taken back is asked for what comes due from then on, and nothing of the time in between', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      await catalog.decommissionServer(request(server.id));
      advance(10 * DAY);
      const back = await catalog.recommissionServer('bob', server.id, 'db02 is not ready');
      expect(back).toEqual(server);
      expect(await catalog.recommissionServer('bob', server.id, 'db02 is not ready')).toEqual(server);
      expect(await catalog.getServer('db01')).toEqual(server);
      expect(await catalog.recordDueBackups()).toEqual([]);
      advance(HOUR);
      expect(await catalog.recordDueBackups()).toMatchObject([{ kind: 'image', dueAt: '2026-03-11T01:00:00.000Z', missedBefore: 0 }]);
      expect(await catalog.startNextDueBackup()).toMatchObject({ replayed: false });
      const audited = (await catalog.listAudit({}, page)).items.filter(({ action }) => action === 'server.recommissioned');
      expect(audited).toMatchObject([
        {
          actor: 'bob',
          serverId: server.id,
          details: {
            server: 'db01',
            reason: 'db02 is not ready',
            decommissionedAt: '2026-03-01T00:00:00.000Z',
            decommissionedBy: 'alice',
            decommissionedFor: 'replaced by db02',
          },
        },
      ]);
    });

    it('cannot be backed up by hand; who tries is audited', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      await catalog.decommissionServer(request(server.id));
      expect(await refusal(catalog.acceptBackup(backupRequest(server.id, { idempotencyKey: 'k' })))).toMatchObject({
        code: 'SERVER_DECOMMISSIONED',
        message: expect.stringContaining('replaced by db02'),
        hint: expect.stringContaining('modosu server recommission db01 --reason TEXT'),
      });
      expect(await codeOf(catalog.acceptDataBackup({ ...backupRequest(server.id), dataSets: null }))).toBe('SERVER_DECOMMISSIONED');
      expect(await catalog.listOpenRuns()).toEqual([]);
      expect((await actions(catalog)).filter((action) => action === 'run.refused')).toHaveLength(2);
      await catalog.recommissionServer('alice', server.id, 'still needed');
      // The refusal has left the key free.
      expect(await catalog.acceptBackup(backupRequest(server.id, { idempotencyKey: 'k' }))).toMatchObject({ replayed: false });
    });

    it('gives a backup that was accepted before the same answer again', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const accepted = await catalog.acceptBackup(backupRequest(server.id, { idempotencyKey: 'k' }));
      await catalog.finishRun(accepted.runId, succeeded);
      await catalog.decommissionServer(request(server.id));
      expect(await catalog.acceptBackup(backupRequest(server.id, { idempotencyKey: 'k' }))).toEqual({ runId: accepted.runId, replayed: true });
    });

    it('can be restored, which brings it back into no service, undone, confirmed, verified, held and released', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const { planId, recoveryPointId } = await givenReadyPlan(catalog, server);
      await catalog.decommissionServer(request(server.id));
      const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
      // Twice is still no other answer while it is restored.
      expect((await catalog.decommissionServer(request(server.id))).decommissioned).not.toBeNull();
      await catalog.finishRun(runId, succeeded);
      const restored = await finishedRestore(catalog, await catalog.getServer('db01'));
      expect((await catalog.getServer('db01')).decommissioned).not.toBeNull();
      // It is live with disks of which there is no image: of any other server one would be due.
      expect(await catalog.recordDueBackups()).toEqual([]);
      expect(await catalog.acceptUndoPlan({ actor: 'alice', idempotencyKey: null, requestDigest: 'u', ofRunId: restored })).toMatchObject({ replayed: false });
      expect(await catalog.acceptConfirm(confirmRequest(server.id, restored))).toMatchObject({ replayed: false });
      for (const method of ['checksums', 'boot'] as const) {
        await catalog.requestVerification({ actor: 'alice', method, recoveryPointId, reason: 'is it well?' });
        expect(await catalog.startNextVerification('asked')).toMatchObject({ method, recoveryPointId });
      }
      expect((await catalog.holdRecoveryPoint('alice', recoveryPointId, 'evidence')).hold?.reason).toBe('evidence');
      expect((await catalog.releaseRecoveryPoint('alice', recoveryPointId, 'closed')).hold).toBeNull();
    });

    it('is verified and booted by itself no more', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      await image(catalog, server, 1);
      await catalog.recordDataRecoveryPoint(dataManifest(server, 9));
      await catalog.decommissionServer(request(server.id));
      advance(2 * DAY);
      expect(await catalog.startNextVerification('any')).toBeNull();
      await catalog.recommissionServer('alice', server.id, 'still needed');
      const methods: string[] = [];
      advance(2 * DAY);
      for (let next = await catalog.startNextVerification('any'); next !== null; next = await catalog.startNextVerification('any')) methods.push(next.method);
      expect(methods.toSorted()).toEqual(['boot', 'checksums', 'structure']);
    });

    it('is in no breach; its alerts are cleared, and raised again when it is taken back', async () => {
      const { catalog, advance } = subject();
      const server = await given(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.finishRun(runId, { state: 'failed', error: new ModosuError('COPY_FAILED', 'the copy ended').summary() });
      const damaged = await image(catalog, server, 1);
      await catalog.markRecoveryPoint(damaged, 'damaged', 'segment 3 differs');
      await catalog.reviewAlerts(['webhook']);
      const open = async () => (await catalog.listAlerts({ state: 'open', serverId: server.id }, page)).items.map(({ code }) => code).toSorted();
      const all = ['COPY_FAILED', 'NO_RECOVERY_POINT', 'NO_RECOVERY_POINT', 'RECOVERY_POINT_DAMAGED'];
      expect(await open()).toEqual(all);
      advance(HOUR);
      const now = new Date('2026-03-01T01:00Z');
      expect(await breaches(catalog, now)).toEqual(['db01 NO_RECOVERY_POINT', 'db01 NO_RECOVERY_POINT', 'web01 NO_POLICY']);
      await catalog.decommissionServer(request(server.id));
      expect(await breaches(catalog, now)).toEqual(['web01 NO_POLICY']);
      expect(await catalog.reviewAlerts(['webhook'])).toEqual({ raised: 0, cleared: 4 });
      expect(await open()).toEqual([]);
      await catalog.recommissionServer('alice', server.id, 'still needed');
      await catalog.reviewAlerts(['webhook']);
      expect(await open()).toEqual(all);
    });

    it('that is restored and waits for a word is told of all the same', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      await catalog.decommissionServer(request(server.id));
      const runId = await swappedRestore(catalog, server);
      await catalog.recordStep(runId, { seq: 9, key: 'go-live', title: 'Go live', state: 'waiting' });
      await catalog.reviewAlerts([]);
      expect((await catalog.listAlerts({ state: 'open', serverId: server.id }, page)).items.map(({ code }) => code)).toEqual(['WAITING_FOR_GO_LIVE']);
    });
  });

  describe('recovery points of a decommissioned server', () => {
    it('stay as they would for its days; then all go but what is held and what that builds on', async () => {
      const { catalog } = subject();
      const server = await givenPolicy(catalog, { last: 1 });
      const [older, parent] = [await image(catalog, server, -1), await image(catalog, server, 0)];
      const held = await image(catalog, server, 1, { parentId: parent });
      const newest = await image(catalog, server, 4);
      const manifest = dataManifest(server, 9);
      await catalog.recordDataRecoveryPoint(manifest);
      await catalog.holdRecoveryPoint('alice', held, 'evidence');
      await catalog.decommissionServer(request(server.id, { keepDays: 2 }));
      const states = async () => Promise.all([older, parent, held, newest, manifest.recoveryPointId].map((id) => stateOf(catalog, id)));
      // By the rule of its policy, as before.
      expect(await retire(catalog)).toEqual({ expired: 1, returned: 0, deleted: 0 });
      expect(await states()).toEqual(['expired', 'usable', 'usable', 'usable', 'usable']);
      expect(await watch(subject(), 2 * DAY - 1)).toMatchObject({ expired: 0, returned: 0 });
      expect(await states()).toEqual(['deleted', 'usable', 'usable', 'usable', 'usable']);
      expect(await watch(subject(), 1)).toEqual({ expired: 2, returned: 0, deleted: 0 });
      expect(await states()).toEqual(['deleted', 'usable', 'usable', 'expired', 'expired']);
      const expired = (await catalog.listAudit({}, { limit: 500, cursor: null })).items.filter(({ action }) => action === 'recovery-point.expired');
      expect(expired.map(({ details }) => [details.policy, details.decommissionedAt])).toEqual(Array(3).fill(['daily', '2026-03-01T00:00:00.000Z']));
      // The usual time in which they can be had back.
      expect(await watch(subject(), DAY - 1)).toMatchObject({ deleted: 0 });
      expect(await watch(subject(), 1)).toMatchObject({ deleted: 1 });
      expect(await states()).toEqual(['deleted', 'usable', 'usable', 'deleted', 'expired']);
      await catalog.releaseRecoveryPoint('alice', held, 'closed');
      expect(await retire(catalog)).toEqual({ expired: 2, returned: 0, deleted: 0 });
    });

    it('go in the end also where no policy says how long', async () => {
      const { catalog } = subject();
      await givenPolicy(catalog);
      const web01 = await catalog.getServer('web01');
      const id = await image(catalog, web01, 1);
      await catalog.decommissionServer(request(web01.id, { confirm: 'web01', keepDays: 1 }));
      expect(await watch(subject(), DAY - 1)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      expect(await watch(subject(), 1)).toMatchObject({ expired: 1 });
      expect(await stateOf(catalog, id)).toBe('expired');
    });

    it('are had back when it is taken back, as far as its policy keeps them', async () => {
      const { catalog } = subject();
      const server = await givenPolicy(catalog, { last: 1 });
      const [older, newest] = [await image(catalog, server, 1), await image(catalog, server, 2)];
      await catalog.decommissionServer(request(server.id, { keepDays: 1 }));
      await watch(subject(), DAY + HOUR);
      expect([await stateOf(catalog, older), await stateOf(catalog, newest)]).toEqual(['deleted', 'expired']);
      await catalog.recommissionServer('alice', server.id, 'still needed');
      expect(await retire(catalog)).toEqual({ expired: 0, returned: 1, deleted: 0 });
      expect(await stateOf(catalog, newest)).toBe('usable');
      expect((await catalog.newestUsable(server.id)).id).toBe(newest);
    });

    it('that a plan needs stay while it may still be carried out', async () => {
      const { catalog } = subject();
      const server = await givenPolicy(catalog, { last: 1 });
      await catalog.decommissionServer(request(server.id, { keepDays: 1 }));
      const { planId, recoveryPointId } = await givenReadyPlan(catalog, server);
      await watch(subject(), 2 * DAY);
      expect(await stateOf(catalog, recoveryPointId)).toBe('usable');
      const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
      await watch(subject(), 8 * DAY);
      expect(await stateOf(catalog, recoveryPointId)).toBe('usable');
      await catalog.finishRun(runId, succeeded);
      expect(await retire(catalog)).toMatchObject({ expired: 1 });
    });

    it('are protected for so many days that somebody has watched: a weekend without Modosu is added, and a clock that was ahead', async () => {
      const { catalog, advance } = subject();
      const server = await givenPolicy(catalog, { last: 1 });
      const id = await image(catalog, server, 1);
      await retire(catalog);
      await catalog.decommissionServer(request(server.id, { keepDays: 2 }));
      const until = async (): Promise<string | undefined> => (await catalog.getServer('db01')).decommissioned?.protectsUntil;
      for (const days of [3, 365]) {
        advance(days * DAY);
        expect(await retire(catalog)).toEqual({ expired: 0, returned: 0, deleted: 0 });
      }
      // An hour of each of them counts.
      expect(await until()).toBe(new Date(Date.UTC(2026, 2, 3) + (3 + 365) * DAY - 2 * HOUR).toISOString());
      expect(await watch(subject(), 2 * DAY - 2 * HOUR - 1)).toMatchObject({ expired: 0 });
      expect(await stateOf(catalog, id)).toBe('usable');
      expect(await watch(subject(), 1)).toMatchObject({ expired: 1 });
    });

    it('are protected from the decommissioning on, however long nobody has looked before it', async () => {
      const { catalog, advance } = subject();
      const server = await givenPolicy(catalog, { last: 1 });
      await image(catalog, server, 1);
      await retire(catalog);
      advance(30 * DAY);
      await catalog.decommissionServer(request(server.id, { keepDays: 2 }));
      await retire(catalog);
      expect((await catalog.getServer('db01')).decommissioned?.protectsUntil).toBe('2026-04-02T00:00:00.000Z');
    });

    it('are not judged while the time of day is in doubt', async () => {
      const { catalog, advance } = subject();
      const server = await givenPolicy(catalog, { last: 1 });
      const id = await image(catalog, server, 1);
      await catalog.decommissionServer(request(server.id, { keepDays: 1 }));
      advance(DAY);
      expect(await catalog.retireRecoveryPoints(DAY, () => false)).toMatchObject({ expired: 0 });
      expect(await stateOf(catalog, id)).toBe('usable');
    });
  });

  describe('the estate and decommissioned servers', () => {
    const note = expect.stringMatching(
      /^stays decommissioned \(by alice at 2026-03-01T00:00:00\.000Z\): nothing backs it up; .*`modosu server recommission db01 --reason TEXT`$/,
    ) as string;
    const db01 = <T extends { readonly name: string }>(changes: readonly T[]) => changes.filter(({ name }) => name === 'db01');

    it('an apply leaves them so, declared or not, and says it', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      const { decommissioned } = await catalog.decommissionServer(request(server.id));
      expect(db01(await catalog.diffEstate(estate(), RESOLVED))).toEqual([{ subject: 'server', name: 'db01', change: 'unchanged', fields: [], note }]);
      const changed = estate({ stopTimeoutSeconds: 5 });
      expect(db01(await catalog.applyEstate('bob', changed, RESOLVED))).toMatchObject([{ change: 'update', fields: ['stopTimeoutSeconds: 120 -> 5'], note }]);
      expect(await catalog.getServer('db01')).toEqual({ ...server, stopTimeoutSeconds: 5, decommissioned });
      const without = { ...changed, servers: [] };
      expect(await catalog.applyEstate('bob', without, RESOLVED)).toContainEqual({ subject: 'server', name: 'db01', change: 'kept', fields: [], note });
      // Its domain is gone from the hypervisor.
      await catalog.applyEstate('bob', estate(), RESOLVED.slice(1));
      expect(await catalog.getServer('db01')).toEqual({ ...server, decommissioned });
      expect((await catalog.diffEstate(estate(), RESOLVED)).filter((change) => change.note !== undefined)).toHaveLength(1);
    });

    it('their domain does not become another server, and their name no other domain; both say why', async () => {
      const { catalog } = subject();
      const server = await given(catalog);
      await catalog.decommissionServer(request(server.id));
      const renamed = estate({ name: 'db02', domain: 'db01' });
      const sameDomain = await refusal(catalog.applyEstate('bob', renamed, [{ ...RESOLVED[0]!, name: 'db02' }, RESOLVED[1]!]));
      expect(sameDomain).toMatchObject({ code: 'ESTATE_CONFLICT', hint: expect.stringContaining('Server "db01" is decommissioned') });
      expect(sameDomain.hint).toContain('modosu server recommission db01 --reason TEXT');
      const sameName = await refusal(catalog.applyEstate('bob', estate(), [{ ...RESOLVED[0]!, uuid: '99999999-9999-4999-8999-999999999999' }, RESOLVED[1]!]));
      expect(sameName).toMatchObject({ code: 'ESTATE_CONFLICT', hint: expect.stringContaining('decommissioned, and keeps its name') });
      expect(await catalog.listServers()).toHaveLength(2);
    });

    it('their SSH address is free for another server, their host key is not', async () => {
      const { catalog } = subject();
      const ssh = { host: '10.0.0.5', user: 'backup', hostKey: `ssh-ed25519 ${'A'.repeat(43)}C` };
      await catalog.applyEstate('setup', estate({ ssh }), RESOLVED);
      const server = await catalog.getServer('db01');
      const successor = (hostKey: string) => ({ ...estate({ name: 'db02', domain: 'db02', ssh: { ...ssh, hostKey } }) });
      const resolved = [{ name: 'db02', uuid: '33333333-3333-4333-8333-333333333333', domainName: 'db02' }, RESOLVED[1]!];
      const otherKey = `ssh-ed25519 ${'B'.repeat(43)}C`;
      expect(await codeOf(catalog.applyEstate('bob', successor(otherKey), resolved))).toBe('ESTATE_CONFLICT');
      await catalog.decommissionServer(request(server.id));
      expect(await codeOf(catalog.applyEstate('bob', successor(ssh.hostKey), resolved))).toBe('ESTATE_CONFLICT');
      await catalog.applyEstate('bob', successor(otherKey), resolved);
      expect((await catalog.listServers()).map(({ name }) => name)).toEqual(['db01', 'db02', 'web01']);
    });
  });
}
