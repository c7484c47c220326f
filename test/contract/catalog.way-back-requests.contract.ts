import { planHash } from '../../src/catalog/plan-hash';
import type { CatalogUnderTest } from './catalog.contract';
import {
  actions,
  backupRequest,
  BEFORE,
  BLOCKING,
  codeOf,
  confirmRequest,
  EXPIRY,
  factsOf,
  finishedConfirm,
  finishedRestore,
  givenReadyPlan,
  givenReadyUndoPlan,
  givenServer,
  refusal,
  restoreRequest,
  succeeded,
  swappedRestore,
  undoBodyOf,
} from './catalog.fixtures';

const undoPlanRequest = (ofRunId: string, idempotencyKey: string | null = null) => ({ actor: 'alice', idempotencyKey, requestDigest: 'u1', ofRunId });

export function wayBackRequestsContract(subject: () => CatalogUnderTest): void {
  describe('accepting an undo', () => {
    it('plans it, then binds the run to the plan', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const { planId, serverId, replayed } = await catalog.acceptUndoPlan(undoPlanRequest(restore));
      expect((await catalog.listPlans({ state: 'planning' }, { limit: 1, cursor: null })).items).toMatchObject([
        { id: planId, scenario: 'undo', undoesRunId: restore, restoreSetId: null },
      ]);
      expect({ serverId, replayed }).toEqual({ serverId: server.id, replayed: false });
      const startable = { scenario: 'undo', input: { planId, serverId: server.id, ofRunId: restore } };
      expect(await catalog.getDispatchablePlan(planId)).toEqual(startable);
      expect(await codeOf(catalog.getDispatchablePlan('plan_unknown'))).toBe('PLAN_NOT_FOUND');
      expect(await catalog.listUnfinishedPlans(new Date(Date.UTC(2026, 2, 1)))).toEqual([]);
      advance(1);
      expect(await catalog.listUnfinishedPlans(new Date(Date.UTC(2026, 2, 1, 0, 0, 1)))).toEqual([startable]);
      expect(await catalog.getPlan(planId)).toMatchObject({ state: 'planning', scenario: 'undo', serverName: 'db01', body: null });

      const body = undoBodyOf(planId, server, restore);
      const foreign = undoBodyOf(planId, server, 'run_other');
      expect(await codeOf(catalog.completePlan(planId, foreign, planHash(foreign)))).toBe('INTERNAL');
      await catalog.completePlan(planId, body, planHash(body));
      expect(await catalog.getPlan(planId)).toMatchObject({ state: 'ready', body, hash: planHash(body) });

      const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
      expect(runId).toBe(body.runId);
      expect(await catalog.getDispatchable(runId)).toEqual({
        kind: 'undo',
        input: {
          runId,
          serverId: server.id,
          serverName: 'db01',
          uuid: server.uuid,
          hypervisor: 'hv1',
          repository: 'main',
          fencingToken: expect.any(Number),
          acceptedAt: expect.any(String),
          stopTimeoutSeconds: 120,
          agentTimeoutSeconds: 300,
          planId,
          planHash: planHash(body),
          ofRunId: restore,
          reason: 'the OS no longer starts',
        },
      });
      expect(await catalog.getRun(runId)).toMatchObject({ kind: 'undo', planId, recoveryPointId: null, wayBack: null, allowedActions: ['cancel'] });
      expect(await catalog.getPlan(planId)).toMatchObject({ state: 'used', runId });
    });

    it('answers the same request with the same plan', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const answers = await Promise.all(Array.from({ length: 10 }, () => catalog.acceptUndoPlan(undoPlanRequest(restore, 'k'))));
      expect(new Set(answers.map(({ planId }) => planId)).size).toBe(1);
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
      expect(answers.every(({ serverId }) => serverId === server.id)).toBe(true);
      expect(await codeOf(catalog.acceptUndoPlan({ ...undoPlanRequest(restore, 'k'), requestDigest: 'other' }))).toBe('IDEMPOTENCY_KEY_REUSED');
    });

    it('does not change a plan of a restore into one of an undo, or the other way round', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const { planId } = await catalog.acceptPlan({
        actor: 'alice',
        idempotencyKey: null,
        requestDigest: 'p',
        serverId: server.id,
        scenario: 'server',
        recoveryPointId: null,
        keepDisks: [],
      });
      expect(await catalog.getDispatchablePlan(planId)).toEqual({
        scenario: 'server',
        input: { planId, serverId: server.id, recoveryPointId: null, keepDisks: [], attachOldDisks: [], noData: false, leaveChanges: false, incidentAt: null },
      });
      const body = undoBodyOf(planId, server, restore);
      expect(await codeOf(catalog.completePlan(planId, body, planHash(body)))).toBe('INTERNAL');
    });

    it('refuses to hold, a blocked plan, and a wrong name', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const { planId } = await givenReadyUndoPlan(catalog, server, restore);
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planId, { hold: true })))).toBe('REQUEST_INVALID');
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planId, { confirm: 'web01' })))).toBe('CONFIRMATION_MISMATCH');
      const blocked = await givenReadyUndoPlan(catalog, server, restore, [BLOCKING]);
      expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, blocked.planId)))).toBe('PLAN_BLOCKED');
      expect(await catalog.listOpenRuns()).toEqual([]);
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.filter(({ action }) => action === 'run.refused').map(({ details }) => [details['kind'], details['code']])).toEqual([
        ['undo', 'CONFIRMATION_MISMATCH'],
        ['undo', 'PLAN_BLOCKED'],
      ]);
    });

    it('looks at the way back again when the plan is carried out', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const plans = [];
      for (let count = 0; count < 3; count += 1) plans.push((await givenReadyUndoPlan(catalog, server, restore)).planId);
      const accept = (planId: string | undefined): Promise<unknown> => catalog.acceptPlanned(restoreRequest(server.id, planId ?? 'none'));
      const newer = await finishedRestore(catalog, server);
      expect(await refusal(accept(plans[0]))).toMatchObject({ code: 'WAY_BACK_NOT_NEWEST', context: { runId: newer } });
      await finishedConfirm(catalog, server, newer);
      await finishedConfirm(catalog, server, restore);
      expect(await codeOf(accept(plans[1]))).toBe('WAY_BACK_CLOSED');
      // Also while something else holds the server: waiting would not help.
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      expect(await codeOf(accept(plans[2]))).toBe('WAY_BACK_CLOSED');
      await catalog.finishRun(runId, succeeded);
      expect(await catalog.listOpenRuns()).toEqual([]);
      expect((await catalog.getPlan(plans[0] ?? 'none')).state).toBe('ready');
      expect((await actions(catalog)).filter((action) => action === 'run.refused')).toHaveLength(3);
    });

    it('passes the wish to hold on to a restore', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const { planId } = await givenReadyPlan(catalog, server);
      const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId, { hold: true }));
      expect((await catalog.getDispatchable(runId)).input).toMatchObject({ hold: true });
    });
  });

  describe('accepting a confirm', () => {
    it('needs a server that has gone live, and a run that has ended', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await swappedRestore(catalog, server);
      expect(await codeOf(catalog.acceptConfirm(confirmRequest(server.id, restore)))).toBe('RUN_NOT_LIVE');
      await catalog.recordGoLive(restore);
      expect(await refusal(catalog.acceptConfirm(confirmRequest(server.id, restore)))).toMatchObject({ code: 'SERVER_BUSY', context: { runId: restore } });
      await catalog.finishRun(restore, succeeded);
      await expect(catalog.acceptConfirm(confirmRequest(server.id, restore, { actor: 'system' }))).resolves.toMatchObject({ replayed: false });
      const backup = await catalog.acceptBackup(backupRequest((await catalog.getServer('web01')).id));
      expect(await codeOf(catalog.acceptConfirm(confirmRequest(server.id, backup.runId)))).toBe('RUN_NOT_FOUND');
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.filter(({ action }) => action === 'run.refused').map(({ details }) => details['code'])).toEqual(['RUN_NOT_LIVE', 'SERVER_BUSY']);
    });

    it('answers the same request with the same run', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const restore = await finishedRestore(catalog, server);
      const request = confirmRequest(server.id, restore, { idempotencyKey: 'k' });
      const answers = await Promise.all(Array.from({ length: 10 }, () => catalog.acceptConfirm(request)));
      const runId = answers[0]?.runId ?? 'none';
      expect(answers.every((answer) => answer.runId === runId)).toBe(true);
      await catalog.closeWayBack(runId, restore);
      await catalog.finishRun(runId, succeeded);
      expect(await catalog.acceptConfirm(request)).toEqual({ runId, replayed: true });
      expect(await codeOf(catalog.acceptConfirm({ ...request, idempotencyKey: 'other' }))).toBe('WAY_BACK_CLOSED');
    });

    it('lets one of an undo and many confirms at once have the way back', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      for (let round = 0; round < 4; round += 1) {
        const restore = await finishedRestore(catalog, server);
        const { planId } = await givenReadyUndoPlan(catalog, server, restore);
        // The undo is asked for first, second, third and last.
        const calls = [0, 1, 2, 3].map((place) =>
          place === round ? catalog.acceptPlanned(restoreRequest(server.id, planId)) : catalog.acceptConfirm(confirmRequest(server.id, restore)),
        );
        const results = await Promise.allSettled(calls);
        const accepted = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.runId] : []));
        expect(accepted).toHaveLength(1);
        const codes = results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as { readonly code: string }).code] : []));
        expect(codes).toEqual(Array(3).fill('SERVER_BUSY'));
        const runId = accepted[0] ?? 'none';
        const { kind } = await catalog.getDispatchable(runId);
        if (kind === 'undo') await catalog.takeWayBack(runId, restore, factsOf(runId), BEFORE, EXPIRY);
        else await catalog.closeWayBack(runId, restore);
        await catalog.finishRun(runId, succeeded);
        expect(
          await codeOf(kind === 'undo' ? catalog.acceptConfirm(confirmRequest(server.id, restore)) : catalog.acceptPlanned(restoreRequest(server.id, planId))),
        ).toBe('WAY_BACK_CLOSED');
      }
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
    });
  });
}
