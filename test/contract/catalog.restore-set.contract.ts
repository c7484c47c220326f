import type { AcceptRestoreSetRequest, Catalog, RunRestoreSetRequest, ServerRecord } from '../../src/catalog/catalog';
import { planHash } from '../../src/catalog/plan-hash';
import { isId } from '../../src/contracts/ids';
import type { Finding } from '../../src/contracts/plan';
import type { RestoreSetView } from '../../src/contracts/restore-set';
import type { RestoreServerInput } from '../../src/contracts/workflows';
import { NOTHING_ACCEPTED } from '../../src/domain/planning/accepted-findings';
import type { CatalogUnderTest } from './catalog.contract';
import {
  actions,
  BEFORE,
  backupRequest,
  codeOf,
  ESTATE,
  EXPIRY,
  factsOf,
  manifestOf,
  planBodyOf,
  readAll,
  refusal,
  RESOLVED,
  restoreRequest,
  succeeded,
} from './catalog.fixtures';

const FAILED = { state: 'failed', error: { code: 'HEALTH_CHECK_FAILED', message: 'it does not answer', hint: 'look' } } as const;
const AHEAD: Finding = {
  code: 'STANDBY_AHEAD',
  severity: 'block',
  message: 'It is ahead.',
  evidence: [],
  relation: { name: 'pair', peer: 'web01', profile: 'follower' },
};
const UNKNOWN: Finding = { ...AHEAD, code: 'SET_RESTS_ON_FREEZE', severity: 'unknown' };

export function restoreSetContract(subject: () => CatalogUnderTest): void {
  const given = async (): Promise<{
    readonly catalog: Catalog;
    readonly servers: readonly [ServerRecord, ServerRecord];
    readonly points: readonly string[];
  }> => {
    const { catalog } = subject();
    await catalog.applyEstate('setup', ESTATE, RESOLVED);
    const servers = [await catalog.getServer('db01'), await catalog.getServer('web01')] as const;
    const points: string[] = [];
    for (const server of servers) points.push((await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main')).id);
    return { catalog, servers, points };
  };
  const request = (
    servers: readonly ServerRecord[],
    points: readonly (string | null)[],
    changes: Partial<AcceptRestoreSetRequest> = {},
  ): AcceptRestoreSetRequest => ({
    actor: 'alice',
    idempotencyKey: null,
    requestDigest: 'd1',
    members: servers.map(({ id }, index) => ({ serverId: id, recoveryPointId: points[index] ?? null })),
    basis: 'freeze',
    choice: ['Backup set set_1 was chosen.'],
    incidentAt: null,
    leaveChanges: false,
    ...changes,
  });
  const running = (restoreSetId: string, changes: Partial<RunRestoreSetRequest> = {}): RunRestoreSetRequest => ({
    actor: 'bob',
    idempotencyKey: null,
    requestDigest: 'd2',
    restoreSetId,
    reason: 'both disks died',
    confirm: ['web01', 'db01'],
    findings: NOTHING_ACCEPTED,
    ...changes,
  });
  /** Its plans are made, as their workflows would. */
  const make = async (catalog: Catalog, restoreSetId: string, findings: Readonly<Record<string, readonly Finding[]>> = {}): Promise<RestoreSetView> => {
    for (const { planId, serverName, recoveryPointId } of (await catalog.getRestoreSet(restoreSetId)).members) {
      if (planId === null || recoveryPointId === null) continue;
      const { scenario, input } = await catalog.getDispatchablePlan(planId);
      if (scenario !== 'server' || input.set === undefined) throw new Error('the plan knows nothing of its set');
      const body = {
        ...planBodyOf(planId, await catalog.getServer(serverName), recoveryPointId, findings[serverName] ?? []),
        restoreSet: input.set,
      };
      await catalog.completePlan(planId, body, planHash(body));
    }
    return catalog.getRestoreSet(restoreSetId);
  };
  const planned = async (findings: Readonly<Record<string, readonly Finding[]>> = {}) => {
    const { catalog, servers, points } = await given();
    const { restoreSetId } = await catalog.acceptRestoreSet(request(servers, points));
    return { catalog, servers, restoreSetId, set: await make(catalog, restoreSetId, findings) };
  };
  const accepted = async () => {
    const { catalog, servers, restoreSetId } = await planned();
    const { runIds } = await catalog.acceptRestoreSetRuns(running(restoreSetId));
    return { catalog, servers, restoreSetId, runIds: runIds as readonly [string, string] };
  };
  const goLive = (catalog: Catalog, runId: string, state: 'waiting' | 'running' | 'succeeded'): Promise<void> =>
    catalog.recordStep(runId, { seq: 9, key: 'go-live', title: 'Go live', state });
  /** In quarantine: the old instance is stopped and replaced. */
  const replace = async (catalog: Catalog, runId: string): Promise<void> => {
    await catalog.startRun(runId);
    await catalog.openWayBack(runId, factsOf(runId), BEFORE, EXPIRY);
    await goLive(catalog, runId, 'waiting');
  };
  /** Runs of which people are told that they wait for a word. */
  const waitingFor = async (catalog: Catalog): Promise<readonly (string | null)[]> => {
    await catalog.reviewAlerts([]);
    const { items } = await catalog.listAlerts({ state: 'open' }, { limit: 50, cursor: null });
    return items.filter(({ code }) => code === 'WAITING_FOR_GO_LIVE').map(({ runId }) => runId);
  };
  const comeLive = async (catalog: Catalog, runId: string): Promise<void> => {
    await goLive(catalog, runId, 'running');
    await catalog.recordGoLive(runId);
    await goLive(catalog, runId, 'succeeded');
  };

  describe('a restore set', () => {
    it('writes a plan for each server down, which knows the others and takes no data that was saved later', async () => {
      const { catalog, servers, points } = await given();
      const { restoreSetId, replayed } = await catalog.acceptRestoreSet(request(servers, points, { incidentAt: '2026-02-01T00:00:00.000Z' }));
      expect([isId('rset', restoreSetId), replayed]).toEqual([true, false]);
      const set = await catalog.getRestoreSet(restoreSetId);
      expect(set).toMatchObject({
        id: restoreSetId,
        state: 'planning',
        basis: 'freeze',
        choice: ['Backup set set_1 was chosen.'],
        requestedBy: 'alice',
        requestedAt: '2026-03-01T00:00:00.000Z',
        run: null,
        finishedAt: null,
        problem: null,
      });
      expect(set.members.map(({ serverName, recoveryPointId, planState, runId }) => [serverName, recoveryPointId, planState, runId])).toEqual([
        ['db01', points[0], 'planning', null],
        ['web01', points[1], 'planning', null],
      ]);
      const { items: listed } = await catalog.listPlans({ state: 'planning' }, { limit: 10, cursor: null });
      expect(listed.map(({ id, restoreSetId }) => [id, restoreSetId]).sort()).toEqual(set.members.map(({ planId }) => [planId, restoreSetId]).sort());
      const members = set.members.map(({ serverName, serverId, planId, recoveryPointId }) => ({ server: serverName, serverId, planId, recoveryPointId }));
      for (const { planId, serverId, recoveryPointId } of set.members) {
        expect(await catalog.getDispatchablePlan(planId ?? '')).toMatchObject({
          scenario: 'server',
          input: { serverId, recoveryPointId, noData: true, incidentAt: '2026-02-01T00:00:00.000Z', set: { id: restoreSetId, basis: 'freeze', members } },
        });
      }
      expect((await make(catalog, restoreSetId)).state).toBe('planned');
      expect(await actions(catalog)).toContain('restore-set.requested');
    });

    it('is the same for the same key, and fails with one of its plans', async () => {
      const { catalog, servers, points } = await given();
      const { restoreSetId } = await catalog.acceptRestoreSet(request(servers, points, { idempotencyKey: 'k1' }));
      expect(await catalog.acceptRestoreSet(request(servers, points, { idempotencyKey: 'k1' }))).toEqual({ restoreSetId, replayed: true });
      expect(await codeOf(catalog.acceptRestoreSet(request(servers, points, { idempotencyKey: 'k1', requestDigest: 'other' })))).toBe('IDEMPOTENCY_KEY_REUSED');
      const [first] = (await catalog.getRestoreSet(restoreSetId)).members;
      await catalog.failPlan(first?.planId ?? '', { code: 'AGENT_ABSENT', message: 'nobody answers', hint: 'look' });
      expect(await catalog.getRestoreSet(restoreSetId)).toMatchObject({ state: 'failed', problem: 'The plan of "db01" could not be made.' });
      expect(await codeOf(catalog.acceptRestoreSetRuns(running(restoreSetId)))).toBe('PLAN_FAILED');
    });

    it('is refused with a recovery point of another server, or that nobody has', async () => {
      const { catalog, servers, points } = await given();
      expect(await codeOf(catalog.acceptRestoreSet(request(servers, [points[1] ?? null, points[0] ?? null])))).toBe('RECOVERY_POINT_NOT_FOUND');
      expect(await codeOf(catalog.acceptRestoreSet(request(servers, ['rp_none', points[1] ?? null])))).toBe('RECOVERY_POINT_NOT_FOUND');
      expect(await catalog.listRestoreSets({ limit: 5, cursor: null })).toEqual({ items: [], nextCursor: null });
      expect(await codeOf(catalog.getRestoreSet('rset_none'))).toBe('RESTORE_SET_NOT_FOUND');
    });

    it('may have servers that are made anew from the first, without a plan', async () => {
      const { catalog, servers, points } = await given();
      const { restoreSetId } = await catalog.acceptRestoreSet(request(servers, [points[0] ?? null, null], { basis: 'reseed' }));
      const set = await make(catalog, restoreSetId);
      expect(set).toMatchObject({ state: 'planned', basis: 'reseed', members: [{ serverName: 'db01' }, { serverName: 'web01', planId: null }] });
      expect((await catalog.acceptRestoreSetRuns(running(restoreSetId, { confirm: ['db01'] }))).runIds).toHaveLength(1);
    });

    it('is listed newest first, in pages', async () => {
      const { catalog, servers, points } = await given();
      const made: string[] = [];
      for (let index = 0; index < 3; index += 1) {
        made.unshift((await catalog.acceptRestoreSet(request(servers, points))).restoreSetId);
        subject().advance(1000);
      }
      const found = await readAll((cursor) => catalog.listRestoreSets({ limit: 2, cursor }));
      expect(found.map(({ id }) => id)).toEqual(made);
    });
  });

  describe('the images that a server could go back to with others', () => {
    it('are the usable ones with what was read before each, newest first, and the one that is named', async () => {
      const { catalog, servers, points } = await given();
      const [db01] = servers;
      const markers = [{ relation: 'pair', peer: 'web01', of: 'server', readings: { count: { state: 'read', value: '5', raw: '5', at: 'then' } } }] as const;
      const newer = manifestOf(db01, 2, { version: 3, setId: 'set_1', consistency: 'filesystem', markers });
      await catalog.recordRecoveryPoint(newer, 'main');
      const [first] = points;
      expect(await catalog.candidatePoints(db01.id)).toEqual([
        {
          id: newer.recoveryPointId,
          server: 'db01',
          pointInTime: newer.pointInTime,
          lineageId: db01.lineageId,
          setId: 'set_1',
          consistency: 'filesystem',
          markers,
        },
        expect.objectContaining({ id: first, setId: null, markers: [] }),
      ]);
      await catalog.markRecoveryPoint(first ?? '', 'damaged', 'bytes have changed');
      expect((await catalog.candidatePoints(db01.id)).map(({ id }) => id)).toEqual([newer.recoveryPointId]);
      expect((await catalog.candidatePoints(db01.id, { named: first })).map(({ id }) => id)).toEqual([newer.recoveryPointId, first]);
      expect((await catalog.candidatePoints(db01.id, { named: points[1] ?? '' })).map(({ id }) => id)).toEqual([newer.recoveryPointId]);
      expect(await codeOf(catalog.candidatePoints('srv_none'))).toBe('SERVER_NOT_FOUND');
    });

    // Hourly images, and an incident two days ago: the newest are all from after it.
    it('reach back as far as an incident does, however many are younger, with the first of these: they tell how far the server had come', async () => {
      const { catalog, servers } = await given();
      const [, web01] = servers;
      const ids: string[] = [];
      for (let generation = 2; generation <= 60; generation += 1) {
        ids[generation] = (await catalog.recordRecoveryPoint(manifestOf(web01, generation), 'main')).id;
      }
      await catalog.markRecoveryPoint(ids[47] ?? '', 'damaged', 'bytes have changed');
      const found = async (bounds?: Parameters<Catalog['candidatePoints']>[1]): Promise<readonly number[]> =>
        (await catalog.candidatePoints(web01.id, bounds)).map(({ id }) => Math.max(1, ids.indexOf(id)));
      const down = (from: number, to: number): readonly number[] =>
        Array.from({ length: from - to + 1 }, (_, index) => from - index).filter((one) => one !== 47);
      const until = (generation: number): string => manifestOf(web01, generation).pointInTime;
      expect(await found()).toEqual(down(60, 20));
      expect(await found({ until: until(60) })).toEqual(down(60, 20));
      expect(await found({ until: until(45) })).toEqual(down(56, 6));
      expect(await found({ until: new Date(Date.parse(until(3)) - 1).toISOString() })).toEqual(down(12, 1));
      expect(await found({ until: '2025-12-01T00:00:00.000Z' })).toEqual(down(10, 1));
      // Whatever a choice could have found beside one that was named then is found again.
      expect(await found({ named: ids[5] ?? '' })).toEqual(down(56, 5));
      expect(await found({ named: ids[47] ?? '' })).toEqual([...down(60, 48), 47]);
    });
  });

  describe('carrying a restore set out', () => {
    it('accepts a run for each plan, each to stop before go-live, or none', async () => {
      const { catalog, restoreSetId } = await planned();
      expect(await refusal(catalog.acceptRestoreSetRuns(running(restoreSetId, { confirm: ['db01'] })))).toMatchObject({
        code: 'CONFIRMATION_MISMATCH',
        message: expect.stringContaining('"db01", "web01"') as string,
      });
      const web01 = await catalog.getServer('web01');
      const { runId: backup } = await catalog.acceptBackup(backupRequest(web01.id));
      expect(await refusal(catalog.acceptRestoreSetRuns(running(restoreSetId)))).toMatchObject({ code: 'SERVER_BUSY', context: { runId: backup } });
      expect((await catalog.listRuns({ kind: 'restore-server' }, { limit: 5, cursor: null })).items).toEqual([]);
      expect((await actions(catalog)).filter((action) => action === 'restore-set.refused')).toHaveLength(2);
      await catalog.startRun(backup);
      await catalog.finishRun(backup, succeeded);

      const { runIds, replayed } = await catalog.acceptRestoreSetRuns(running(restoreSetId, { idempotencyKey: 'k2' }));
      expect(replayed).toBe(false);
      const set = await catalog.getRestoreSet(restoreSetId);
      expect(set).toMatchObject({ state: 'running', run: { by: 'bob', reason: 'both disks died', at: '2026-03-01T00:00:00.000Z' } });
      expect(set.members.map(({ runId }) => runId)).toEqual(runIds);
      for (const runId of runIds) {
        const { kind, input } = await catalog.getDispatchable(runId);
        expect([kind, (input as RestoreServerInput).hold, (input as RestoreServerInput).restoreSetId]).toEqual(['restore-server', true, restoreSetId]);
      }
      expect(new Set((await catalog.acceptRestoreSetRuns(running(restoreSetId, { idempotencyKey: 'k2' }))).runIds)).toEqual(new Set(runIds));
      expect(await codeOf(catalog.acceptRestoreSetRuns(running(restoreSetId)))).toBe('PLAN_ALREADY_USED');
      expect(await actions(catalog)).toContain('restore-set.started');
    });

    it('is the only way to carry a plan of it out', async () => {
      const { catalog, servers, set, restoreSetId } = await planned();
      const planId = set.members[0]?.planId ?? '';
      expect(await refusal(catalog.acceptPlanned(restoreRequest(servers[0].id, planId)))).toMatchObject({
        code: 'PLAN_IN_SET',
        context: { setId: restoreSetId },
      });
    });

    it('asks for what blocks, and for what is not known, of every plan in which it stands', async () => {
      const { catalog, restoreSetId } = await planned({ db01: [AHEAD, UNKNOWN], web01: [UNKNOWN] });
      expect(await codeOf(catalog.acceptRestoreSetRuns(running(restoreSetId)))).toBe('PLAN_BLOCKED');
      const override = { codes: ['STANDBY_AHEAD'], reason: 'it is rebuilt' };
      expect(await codeOf(catalog.acceptRestoreSetRuns(running(restoreSetId, { findings: { override, acknowledgeUnknown: false } })))).toBe(
        'PLAN_NOT_ACKNOWLEDGED',
      );
      const wrong = { override: { ...override, codes: ['STANDBY_AHEAD', 'OTHER'] }, acknowledgeUnknown: true };
      expect(await codeOf(catalog.acceptRestoreSetRuns(running(restoreSetId, { findings: wrong })))).toBe('REQUEST_INVALID');
      const { runIds } = await catalog.acceptRestoreSetRuns(running(restoreSetId, { findings: { override, acknowledgeUnknown: true } }));
      const inputs = await Promise.all(runIds.map(async (runId) => (await catalog.getDispatchable(runId)).input as RestoreServerInput));
      expect(inputs.map(({ accepted: taken }) => [taken?.overridden.length, taken?.acknowledged.length])).toEqual([
        [1, 1],
        [0, 1],
      ]);
    });

    it('lets nothing go live before all wait in quarantine, then one after another, by whoever has asked for it', async () => {
      const { catalog, restoreSetId, runIds } = await accepted();
      const [first, second] = runIds;
      expect(await catalog.runningRestoreSets()).toEqual([restoreSetId]);
      await replace(catalog, first);
      expect(await catalog.advanceRestoreSet(restoreSetId)).toEqual({ kind: 'wait' });
      expect((await catalog.getRun(first)).allowedActions).toEqual(['cancel']);
      expect(await waitingFor(catalog)).toEqual([]);
      expect(await refusal(catalog.decide({ actor: 'carol', runId: first, kind: 'go-live', reason: 'now' }))).toMatchObject({
        code: 'RUN_NOT_WAITING',
        context: { setId: restoreSetId },
      });

      await replace(catalog, second);
      expect(await catalog.advanceRestoreSet(restoreSetId)).toEqual({ kind: 'go-live', runId: first });
      expect(await catalog.advanceRestoreSet(restoreSetId)).toEqual({ kind: 'wait' });
      expect(await catalog.getDecision(first, 'go-live')).toMatchObject({ actor: 'bob', reason: `restore set ${restoreSetId}: both disks died` });
      expect(await catalog.getDecision(second, 'go-live')).toBeNull();
      expect((await catalog.listDecidedButWaiting()).map(({ runId }) => runId)).toEqual([first]);

      await comeLive(catalog, first);
      expect((await catalog.getRestoreSet(restoreSetId)).members[0]).toMatchObject({ isLive: true, runState: 'running' });
      expect(await catalog.advanceRestoreSet(restoreSetId)).toEqual({ kind: 'wait' });
      await catalog.finishRun(first, succeeded);
      expect(await catalog.advanceRestoreSet(restoreSetId)).toEqual({ kind: 'go-live', runId: second });
      await comeLive(catalog, second);
      await catalog.finishRun(second, succeeded);
      subject().advance(1000);
      expect(await catalog.advanceRestoreSet(restoreSetId)).toEqual({ kind: 'end', state: 'succeeded', problem: null });
      expect(await catalog.getRestoreSet(restoreSetId)).toMatchObject({ state: 'succeeded', finishedAt: '2026-03-01T00:00:01.000Z' });
      expect(await catalog.runningRestoreSets()).toEqual([]);
      expect(await catalog.advanceRestoreSet(restoreSetId)).toEqual({ kind: 'wait' });
      expect((await actions(catalog)).filter((action) => action.startsWith('restore-set.'))).toEqual([
        'restore-set.requested',
        'restore-set.started',
        'restore-set.succeeded',
      ]);
    });

    it('decides once, also when many workers take it further at once', async () => {
      const { catalog, restoreSetId, runIds } = await accepted();
      for (const runId of runIds) await replace(catalog, runId);
      const moves = await Promise.all(Array.from({ length: 10 }, () => catalog.advanceRestoreSet(restoreSetId)));
      expect(moves.filter(({ kind }) => kind === 'go-live')).toHaveLength(1);
      expect((await actions(catalog, runIds[0])).filter((action) => action === 'run.decided')).toHaveLength(1);
    });

    it('takes the others back when one fails before anything is live', async () => {
      const { catalog, restoreSetId, runIds } = await accepted();
      const [first, second] = runIds;
      await replace(catalog, first);
      await catalog.startRun(second);
      await catalog.finishRun(second, FAILED);
      expect(await catalog.advanceRestoreSet(restoreSetId)).toMatchObject({ kind: 'cancel', runIds: [first] });
      expect((await catalog.getRun(first)).cancelRequested).toBe(true);
      expect(await catalog.advanceRestoreSet(restoreSetId)).toEqual({ kind: 'wait' });
      await catalog.revertWayBack(first);
      await catalog.finishRun(first, { state: 'cancelled', error: null });
      expect(await catalog.advanceRestoreSet(restoreSetId)).toMatchObject({ kind: 'end', state: 'failed' });
      expect(await catalog.getRestoreSet(restoreSetId)).toMatchObject({
        state: 'failed',
        problem: expect.stringContaining('Nothing went live') as string,
        members: [
          { runState: 'cancelled', isLive: false },
          { runState: 'failed', error: { code: 'HEALTH_CHECK_FAILED' } },
        ],
      });
      expect(await actions(catalog)).toEqual(expect.arrayContaining(['restore-set.cancelling', 'restore-set.failed']));
    });

    it('stops when one fails after another is live, and leaves what waits to people', async () => {
      const { catalog, restoreSetId, runIds } = await accepted();
      const [first, second] = runIds;
      for (const runId of runIds) await replace(catalog, runId);
      await catalog.advanceRestoreSet(restoreSetId);
      await comeLive(catalog, first);
      await catalog.finishRun(first, FAILED);
      expect(await catalog.advanceRestoreSet(restoreSetId)).toMatchObject({ kind: 'end', state: 'stopped' });
      expect(await catalog.getRestoreSet(restoreSetId)).toMatchObject({
        state: 'stopped',
        members: [{ runState: 'failed', isLive: true }, { waitingFor: 'go-live' }],
      });
      expect((await catalog.getRun(second)).allowedActions).toEqual(['go-live', 'undo', 'cancel']);
      expect(await waitingFor(catalog)).toEqual([second]);
      await catalog.decide({ actor: 'carol', runId: second, kind: 'go-live', reason: 'looked at it' });
      expect(await catalog.getDecision(second, 'go-live')).toMatchObject({ actor: 'carol' });
    });
  });
}
