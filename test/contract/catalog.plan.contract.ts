import { planHash } from '../../src/catalog/plan-hash';
import type { AcceptPlanRequest } from '../../src/catalog/catalog';
import { findingAbout } from '../support/made-up-relations';
import type { CatalogUnderTest } from './catalog.contract';
import {
  actions,
  backupRequest,
  BLOCKING,
  codeOf,
  givenReadyPlan,
  givenServer,
  manifestOf,
  planBodyOf,
  refusal,
  restoreRequest,
  succeeded,
} from './catalog.fixtures';

const planRequest = (serverId: string, changes: Partial<Extract<AcceptPlanRequest, { readonly scenario: 'server' }>> = {}): AcceptPlanRequest => ({
  actor: 'alice',
  idempotencyKey: null,
  requestDigest: 'p1',
  serverId,
  scenario: 'server',
  recoveryPointId: null,
  keepDisks: [],
  attachOldDisks: [],
  ...changes,
});

export function planContract(subject: () => CatalogUnderTest): void {
  describe('plans', () => {
    it('is written down as planning, then gets its body and hash for good', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId, replayed } = await catalog.acceptPlan(planRequest(server.id));
      expect(replayed).toBe(false);
      expect(await catalog.getPlan(planId)).toEqual({
        id: planId,
        state: 'planning',
        serverId: server.id,
        serverName: 'db01',
        scenario: 'server',
        requestedBy: 'alice',
        createdAt: '2026-03-01T00:00:00.000Z',
        hash: null,
        body: null,
        error: null,
        retrying: null,
        runId: null,
      });
      const body = { ...planBodyOf(planId, server, 'rp_1'), losses: ['hostile \u0000 text \ud800'] };
      await catalog.completePlan(planId, body, planHash(body));
      const ready = await catalog.getPlan(planId);
      expect(ready).toMatchObject({ state: 'ready', hash: planHash(body) });
      expect(ready.body).toEqual(body);
      expect(planHash(ready.body!)).toBe(ready.hash);

      const later = { ...body, losses: [] };
      await catalog.completePlan(planId, body, planHash(body));
      await catalog.completePlan(planId, later, planHash(later));
      await catalog.failPlan(planId, { code: 'INTERNAL', message: 'late', hint: '' });
      expect(await catalog.getPlan(planId)).toEqual(ready);
      expect(await actions(catalog)).toEqual(expect.arrayContaining(['plan.requested', 'plan.ready']));
      expect((await actions(catalog)).filter((action) => action === 'plan.ready')).toHaveLength(1);
    });

    it('refuses a body that is not what the hash was made over', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await catalog.acceptPlan(planRequest(server.id));
      const body = planBodyOf(planId, server, 'rp_1');
      const edited = { ...body, findings: [BLOCKING] };
      expect(await codeOf(catalog.completePlan(planId, edited, planHash(body)))).toBe('INTERNAL');
      const ofAnother = planBodyOf('plan_other', server, 'rp_1');
      expect(await codeOf(catalog.completePlan(planId, ofAnother, planHash(ofAnother)))).toBe('INTERNAL');
      expect((await catalog.getPlan(planId)).state).toBe('planning');
    });

    it('keeps the error of one that could not be made', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await catalog.acceptPlan(planRequest(server.id));
      const error = { code: 'HYPERVISOR_UNREACHABLE', message: 'libvirtd\u0000 is down', hint: 'start it', context: { hypervisor: 'hv1' } } as const;
      await catalog.failPlan(planId, error);
      await catalog.failPlan(planId, { ...error, message: 'again' });
      expect(await catalog.getPlan(planId)).toMatchObject({ state: 'failed', error: { ...error, message: 'libvirtd is down' } });
      const body = planBodyOf(planId, server, 'rp_1');
      await catalog.completePlan(planId, body, planHash(body));
      expect((await catalog.getPlan(planId)).state).toBe('failed');
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planId)))).toBe('PLAN_FAILED');
    });

    it('accepts only usable recovery points of the same server', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const web01 = await catalog.getServer('web01');
      const own = await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      const foreign = await catalog.recordRecoveryPoint(manifestOf(web01, 1), 'main');
      expect(await codeOf(catalog.acceptPlan(planRequest(server.id, { recoveryPointId: foreign.id })))).toBe('RECOVERY_POINT_NOT_FOUND');
      expect(await codeOf(catalog.acceptPlan(planRequest(server.id, { recoveryPointId: 'rp_unknown' })))).toBe('RECOVERY_POINT_NOT_FOUND');
      expect(await codeOf(catalog.acceptPlan(planRequest('srv_unknown')))).toBe('SERVER_NOT_FOUND');
      await expect(catalog.acceptPlan(planRequest(server.id, { recoveryPointId: own.id }))).resolves.toMatchObject({ replayed: false });
      await catalog.markRecoveryPoint(own.id, 'damaged', 'bit flip');
      expect(await codeOf(catalog.acceptPlan(planRequest(server.id, { recoveryPointId: own.id })))).toBe('RECOVERY_POINT_NOT_USABLE');
    });

    it('answers the same request with the same plan', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const request = planRequest(server.id, { idempotencyKey: 'k1' });
      const answers = await Promise.all(Array.from({ length: 10 }, () => catalog.acceptPlan(request)));
      expect(new Set(answers.map(({ planId }) => planId)).size).toBe(1);
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
      expect(await codeOf(catalog.acceptPlan({ ...request, requestDigest: 'p2' }))).toBe('IDEMPOTENCY_KEY_REUSED');
      await expect(catalog.acceptPlan({ ...request, actor: 'bob', requestDigest: 'p2' })).resolves.toMatchObject({ replayed: false });
      expect(await codeOf(catalog.acceptBackup(backupRequest(server.id, { idempotencyKey: 'k1', requestDigest: 'p1' })))).toBe('IDEMPOTENCY_KEY_REUSED');
    });

    it('says what the same request got before, also after what it was about is gone', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const point = await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      const request = planRequest(server.id, { idempotencyKey: 'k1', recoveryPointId: point.id });
      expect(await catalog.resultOf(request, 'plan')).toBeNull();
      const { planId } = await catalog.acceptPlan(request);
      await catalog.markRecoveryPoint(point.id, 'damaged', 'test');
      expect(await catalog.resultOf(request, 'plan')).toBe(planId);
      expect(await catalog.acceptPlan(request)).toEqual({ planId, replayed: true });
      expect(await catalog.resultOf({ ...request, idempotencyKey: null }, 'plan')).toBeNull();
      expect(await catalog.resultOf({ ...request, actor: 'bob' }, 'plan')).toBeNull();
      expect(await codeOf(catalog.resultOf({ ...request, requestDigest: 'p2' }, 'plan'))).toBe('IDEMPOTENCY_KEY_REUSED');
      expect(await codeOf(catalog.resultOf(request, 'rset'))).toBe('IDEMPOTENCY_KEY_REUSED');
    });

    it('lists them newest first, page by page, by server and state, without what they say', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { planId, hash } = await givenReadyPlan(catalog, server);
      advance(1000);
      const second = await catalog.acceptPlan(planRequest(server.id));
      await catalog.failPlan(second.planId, { code: 'HYPERVISOR_UNREACHABLE', message: 'gone', hint: 'look' });
      const third = await catalog.acceptPlan(planRequest(server.id, { actor: 'bob' }));
      const page = (filter: Parameters<typeof catalog.listPlans>[0], limit = 10, cursor: string | null = null) => catalog.listPlans(filter, { limit, cursor });
      const { items } = await page({});
      expect(items.map(({ id }) => id)).toEqual([...[second.planId, third.planId].sort().reverse(), planId]);
      expect(items.find(({ id }) => id === planId)).toEqual({
        id: planId,
        state: 'ready',
        serverId: server.id,
        serverName: 'db01',
        scenario: 'server',
        requestedBy: 'alice',
        createdAt: expect.any(String) as string,
        hash,
        error: null,
        runId: null,
        undoesRunId: null,
        restoreSetId: null,
      });
      expect((await page({ state: 'failed' })).items).toMatchObject([{ id: second.planId, error: { code: 'HYPERVISOR_UNREACHABLE' } }]);
      expect((await page({ serverId: 'srv_other' })).items).toEqual([]);
      expect((await page({ serverId: server.id, state: 'planning' })).items).toMatchObject([{ id: third.planId, requestedBy: 'bob' }]);
      const first = await page({}, 2);
      expect(first.items).toEqual(items.slice(0, 2));
      expect(await page({}, 2, first.nextCursor)).toEqual({ items: items.slice(2), nextCursor: null });
      const other = (await catalog.listRestoreSets({ limit: 1, cursor: null })).nextCursor ?? Buffer.from('["restore-sets","x","y"]').toString('base64url');
      expect(await codeOf(page({}, 2, other))).toBe('REQUEST_INVALID');
    });

    it('say what their making waits for, until they are made', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await catalog.acceptPlan(planRequest(server.id));
      const shown = async () => (await catalog.getPlan(planId)).retrying;
      const error = { code: 'NO_WORKER' as const, message: `nobody ${'x'.repeat(9000)}`, hint: 'Start one.' };
      const retrying = { attempt: 0, failedAt: null, nextAttemptAt: null, error };
      await catalog.recordPlanRetry(planId, retrying);
      expect(await shown()).toEqual({ ...retrying, error: { ...error, message: expect.stringMatching(/^nobody x{100,8000}/) as string } });
      await catalog.recordPlanRetry(planId, null);
      expect(await shown()).toBeNull();
      await catalog.recordPlanRetry(planId, retrying);
      const body = planBodyOf(planId, server, 'rp_1');
      await catalog.completePlan(planId, body, planHash(body));
      expect(await shown()).toBeNull();
      await catalog.recordPlanRetry(planId, retrying);
      expect(await shown()).toBeNull();
      await expect(catalog.recordPlanRetry('plan_x', retrying)).resolves.toBeUndefined();
    });

    it('lists those that were left in planning', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { planId } = await catalog.acceptPlan(planRequest(server.id));
      const done = await catalog.acceptPlan(planRequest(server.id));
      await catalog.failPlan(done.planId, { code: 'INTERNAL', message: 'x', hint: 'y' });
      expect(await catalog.listUnfinishedPlans(new Date(Date.UTC(2026, 2, 1)))).toEqual([]);
      advance(60_000);
      await catalog.acceptPlan(planRequest(server.id));
      expect(await catalog.listUnfinishedPlans(new Date(Date.UTC(2026, 2, 1, 0, 0, 30)))).toEqual([
        {
          scenario: 'server',
          input: {
            planId,
            serverId: server.id,
            recoveryPointId: null,
            keepDisks: [],
            attachOldDisks: [],
            noData: false,
            leaveChanges: false,
            incidentAt: null,
          },
        },
      ]);
    });

    it('starts with the search for one that the peers accept where that was asked for, and says so in the audit', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await catalog.acceptPlan(planRequest(server.id, { findCompatible: true }));
      expect(await catalog.getDispatchablePlan(planId)).toMatchObject({ input: { planId, recoveryPointId: null, findCompatible: true } });
      const usual = await catalog.acceptPlan(planRequest(server.id, { findCompatible: false }));
      expect((await catalog.getDispatchablePlan(usual.planId)).input).not.toHaveProperty('findCompatible');
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      const requested = items.filter(({ action }) => action === 'plan.requested').map(({ details }) => details['findCompatible']);
      expect(requested).toEqual([true, undefined]);
    });

    it('starts with the disks that are to be kept, and says so in the audit', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await catalog.acceptPlan(planRequest(server.id, { keepDisks: ['vdb', 'vdc'], attachOldDisks: ['vdd'] }));
      expect(await catalog.getDispatchablePlan(planId)).toEqual({
        scenario: 'server',
        input: {
          planId,
          serverId: server.id,
          recoveryPointId: null,
          keepDisks: ['vdb', 'vdc'],
          attachOldDisks: ['vdd'],
          noData: false,
          leaveChanges: false,
          incidentAt: null,
        },
      });
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.find(({ action }) => action === 'plan.requested')?.details).toMatchObject({ planId, keepDisks: ['vdb', 'vdc'], attachOldDisks: ['vdd'] });
    });

    it('leaves passwords as the image has them where that was asked for', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await catalog.acceptPlan(planRequest(server.id, { leaveCredentials: true }));
      expect(await catalog.getDispatchablePlan(planId)).toMatchObject({ input: { planId, leaveCredentials: true } });
    });

    it('says what is not there', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      expect(await codeOf(catalog.getPlan('plan_unknown'))).toBe('PLAN_NOT_FOUND');
      expect(await codeOf(catalog.failPlan('plan_unknown', { code: 'INTERNAL', message: '', hint: '' }))).toBe('PLAN_NOT_FOUND');
      const body = planBodyOf('plan_unknown', server, 'rp_1');
      expect(await codeOf(catalog.completePlan('plan_unknown', body, planHash(body)))).toBe('PLAN_NOT_FOUND');
    });
  });

  describe('accepting a restore', () => {
    it('binds the run to the plan and its hash', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId, hash, recoveryPointId } = await givenReadyPlan(catalog, server);
      const { runId, replayed } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
      expect(replayed).toBe(false);
      expect(runId).toBe((await catalog.getPlan(planId)).body?.runId);
      expect(await catalog.getDispatchable(runId)).toEqual({
        kind: 'restore-server',
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
          planId,
          planHash: hash,
          hold: false,
          reason: 'the OS no longer starts',
        },
      });
      expect(await catalog.getPlan(planId)).toMatchObject({ state: 'used', runId });
      expect(await catalog.getRun(runId)).toMatchObject({ kind: 'restore-server', state: 'accepted', planId, recoveryPointId });
      expect(await actions(catalog, runId)).toEqual(['run.requested']);
    });

    it('refuses each wrong request with its own code, audits it and starts nothing', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const web01 = await catalog.getServer('web01');
      const ready = await givenReadyPlan(catalog, server);
      const blocked = await givenReadyPlan(catalog, server, [BLOCKING]);
      const planning = await catalog.acceptPlan(planRequest(server.id));
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, 'plan_unknown')))).toBe('PLAN_NOT_FOUND');
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(web01.id, ready.planId, { confirm: 'web01' })))).toBe('PLAN_NOT_FOUND');
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planning.planId)))).toBe('PLAN_NOT_READY');
      expect(await refusal(catalog.acceptPlanned(restoreRequest(server.id, blocked.planId)))).toMatchObject({
        code: 'PLAN_BLOCKED',
        message: expect.stringContaining('Disk vdb is missing.'),
      });
      for (const confirm of ['', 'DB01', 'db01 ', server.id]) {
        expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, ready.planId, { confirm })))).toBe('CONFIRMATION_MISMATCH');
      }
      expect(await catalog.listOpenRuns()).toEqual([]);
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      const refused = items.filter(({ action }) => action === 'run.refused');
      expect(refused.map(({ details }) => details['code'])).toEqual(['PLAN_NOT_READY', 'PLAN_BLOCKED', ...Array<string>(4).fill('CONFIRMATION_MISMATCH')]);
      expect(refused.every(({ actor, serverId }) => actor === 'alice' && serverId === server.id)).toBe(true);
      expect((await catalog.getPlan(ready.planId)).state).toBe('ready');
    });

    it('accepts what blocks because of a relation, and what is not known, by request, with who and why in the audit; text is storable', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await givenReadyPlan(catalog, server, [findingAbout('STANDBY_AHEAD', 'block'), findingAbout('PEER_UNKNOWN', 'unknown')]);
      const why = 'it is rebuilt\u0000 \ud800';
      const findings = { override: { codes: ['STANDBY_AHEAD'], reason: why }, acknowledgeUnknown: true };
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planId, { findings: { ...findings, acknowledgeUnknown: false } })))).toBe(
        'PLAN_NOT_ACKNOWLEDGED',
      );
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planId, { findings: { ...findings, override: null } })))).toBe('PLAN_BLOCKED');
      const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId, { findings }));
      const of = { relation: 'standby', peer: 'db02' };
      const accepted = {
        overridden: [{ code: 'STANDBY_AHEAD', ...of }],
        why: 'it is rebuilt \ufffd',
        acknowledged: [{ code: 'PEER_UNKNOWN', ...of }],
      };
      expect((await catalog.getDispatchable(runId)).input).toMatchObject({ planId, accepted });
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.find(({ action }) => action === 'run.requested')).toMatchObject({ actor: 'alice', details: { planId, accepted } });
      expect(items.filter(({ action }) => action === 'run.refused').map(({ details }) => details['code'])).toEqual(['PLAN_NOT_ACKNOWLEDGED', 'PLAN_BLOCKED']);
    });

    it('carries a plan out once, also when asked twenty times at once', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await givenReadyPlan(catalog, server);
      const calls = Array.from({ length: 20 }, (_, index) => catalog.acceptPlanned(restoreRequest(server.id, planId, { idempotencyKey: `k${index}` })));
      const results = await Promise.allSettled(calls);
      const accepted = results.filter((result) => result.status === 'fulfilled');
      expect(accepted).toHaveLength(1);
      const codes = results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as { readonly code: string }).code] : []));
      expect(new Set(codes)).toEqual(new Set(['PLAN_ALREADY_USED']));
      await catalog.finishRun(accepted[0]!.value.runId, succeeded);
      expect(await refusal(catalog.acceptPlanned(restoreRequest(server.id, planId)))).toMatchObject({
        code: 'PLAN_ALREADY_USED',
        context: { runId: accepted[0]!.value.runId },
      });
    });

    it('lets one of several plans have the server when all are carried out at once; the others stay ready', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const planIds: string[] = [];
      for (let index = 0; index < 5; index += 1) planIds.push((await givenReadyPlan(catalog, server)).planId);
      const results = await Promise.allSettled(planIds.map((planId) => catalog.acceptPlanned(restoreRequest(server.id, planId))));
      const accepted = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.runId] : []));
      expect(accepted).toHaveLength(1);
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
      for (const error of refused) expect(error).toMatchObject({ code: 'SERVER_BUSY', context: { runId: accepted[0] } });
      const states = await Promise.all(planIds.map(async (planId) => (await catalog.getPlan(planId)).state));
      expect(states.sort()).toEqual(['ready', 'ready', 'ready', 'ready', 'used']);
      expect(await catalog.listOpenRuns()).toMatchObject([{ runId: accepted[0] }]);
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
    });

    it('answers the same request with the same run', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await givenReadyPlan(catalog, server);
      const request = restoreRequest(server.id, planId, { idempotencyKey: 'k' });
      const answers = await Promise.all(Array.from({ length: 10 }, () => catalog.acceptPlanned(request)));
      expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1);
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
      expect(await codeOf(catalog.acceptPlanned({ ...request, requestDigest: 'other' }))).toBe('IDEMPOTENCY_KEY_REUSED');
    });

    it('leaves the plan ready when the server is busy', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await givenReadyPlan(catalog, server);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      expect(await refusal(catalog.acceptPlanned(restoreRequest(server.id, planId)))).toMatchObject({ code: 'SERVER_BUSY', context: { runId } });
      await catalog.finishRun(runId, succeeded);
      await expect(catalog.acceptPlanned(restoreRequest(server.id, planId))).resolves.toMatchObject({ replayed: false });
    });
  });
}
