import type { ServerRecord } from '../../src/catalog/catalog';
import { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { estateSchema } from '../../src/contracts/api/estate';
import type { CallOptions, CallResult } from './api-harness';
import { ApiHarness, ESTATE } from './api-harness';

const WHY = { reason: 'checked by the DBA' };

/** What people decide about a restore, over HTTP. */
describe('the API, decisions', () => {
  let api: ApiHarness;
  let server: ServerRecord;
  let point: ImageRecoveryPointView;

  beforeEach(async () => {
    api = await ApiHarness.start();
    ({ server, point } = await api.seed());
  });

  afterEach(async () => api.close());

  const post = (path: string, options: CallOptions = {}): Promise<CallResult> => api.call('POST', path, { token: api.tokens.operate, ...options });
  const actionsOf = async (runId: string): Promise<readonly string[]> =>
    (await api.catalog.listAudit({ runId }, { limit: 100, cursor: null })).items.map(({ action }) => action);

  describe('online backups', () => {
    it('are accepted, crash consistency only when asked for', async () => {
      const body = { kind: 'image', mode: 'online', ...WHY };
      expect(await post('/v1/servers/db01/backups', { body })).toMatchObject({ status: 202, body: { kind: 'backup-image' } });
      expect(api.runStarter.runs).toMatchObject([{ input: { mode: 'online', allowCrashConsistent: false } }]);
      await api.catalog.finishRun(api.runStarter.runs[0]?.input.runId ?? '', { state: 'failed', error: null });
      await post('/v1/servers/db01/backups', { body: { ...body, allowCrashConsistent: true } });
      expect(api.runStarter.runs[1]).toMatchObject({ input: { mode: 'online', allowCrashConsistent: true } });
    });

    it('are whole where that is asked for; otherwise as many incrementals follow a full as the policy says, 13 without one', async () => {
      const policy = { name: 'few', image: { schedule: { every: 'day', at: '01:00' }, retention: { last: 1 }, maxIncrements: 4 } };
      const body = { kind: 'image', mode: 'online', ...WHY };
      const increments = async (fields: object = {}): Promise<unknown> => {
        const { status } = await post('/v1/servers/db01/backups', { body: { ...body, ...fields } });
        expect(status).toBe(202);
        const run = api.runStarter.runs.at(-1);
        await api.catalog.finishRun(run?.input.runId ?? '', { state: 'failed', error: null });
        return run?.kind === 'backup-image' ? run.input.maxIncrements : null;
      };
      expect(await increments()).toBe(13);
      await api.applyEstate(estateSchema.parse({ ...ESTATE, policies: [policy], servers: [{ ...ESTATE.servers[0], policy: 'few' }] }));
      expect(await increments()).toBe(4);
      expect(await increments({ mode: 'offline' })).toBe(4);
      // What the policy says stays: the next one may continue it.
      expect(await increments({ full: true })).toBe(4);
      expect(api.runStarter.runs.at(-1)).toMatchObject({ input: { full: true } });
      const { items } = await api.catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.filter(({ action }) => action === 'run.requested').map(({ details }) => [details.maxIncrements, details.full])).toEqual([
        [13, undefined],
        [4, undefined],
        [4, undefined],
        [4, true],
      ]);
    });

    it.each([
      [{ mode: 'offline', allowCrashConsistent: true }, 'allowCrashConsistent'],
      [{ mode: 'online', allowCrashConsistent: 'yes' }, 'allowCrashConsistent'],
      [{ mode: 'offline', full: true }, 'full'],
      [{ mode: 'sideways' }, 'mode'],
    ])('are refused with %j, naming the field', async (fields, path) => {
      expect(await post('/v1/servers/db01/backups', { body: { kind: 'image', ...WHY, ...fields } })).toMatchObject({
        status: 422,
        body: { code: 'REQUEST_INVALID', errors: [{ path }] },
      });
      expect(api.runStarter.runs).toHaveLength(0);
    });
  });

  describe('hold', () => {
    it('belongs to the run, and the key with another value is another request', async () => {
      const planId = await api.readyPlan(server, point);
      const body = { reason: 'disk died', confirm: 'db01' };
      const headers = { 'Idempotency-Key': 'h-1' };
      expect((await post(`/v1/restore-plans/${planId}/run`, { body: { ...body, hold: true }, headers })).status).toBe(202);
      expect(api.runStarter.runs).toMatchObject([{ kind: 'restore-server', input: { hold: true } }]);
      expect(await post(`/v1/restore-plans/${planId}/run`, { body: { ...body, hold: true }, headers })).toMatchObject({ status: 202 });
      expect(await post(`/v1/restore-plans/${planId}/run`, { body, headers })).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
      expect(api.runStarter.runs).toHaveLength(1);
    });
  });

  describe('go-live', () => {
    it('is written down, delivered, and asked twice changes nothing', async () => {
      const runId = await api.waitingRestore(server, point);
      expect((await api.call('GET', `/v1/runs/${runId}`)).body).toMatchObject({
        state: 'running',
        waitingFor: 'go-live',
        allowedActions: ['go-live', 'undo', 'cancel'],
        wayBack: { state: 'open', wentLiveAt: null },
      });
      const first = await post(`/v1/runs/${runId}/go-live`, { body: WHY, headers: { 'Idempotency-Key': 'g' } });
      expect(first).toMatchObject({ status: 202, body: { id: runId } });
      expect(first.body['allowedActions']).not.toContain('go-live');
      expect(first.headers.get('location')).toBe(`/v1/runs/${runId}`);
      expect(await post(`/v1/runs/${runId}/go-live`, { body: WHY, headers: { 'Idempotency-Key': 'g' } })).toMatchObject({ status: 202, body: { id: runId } });
      expect(api.runStarter.told).toEqual([runId, runId]);
      await api.endRestore(runId);
      expect(await post(`/v1/runs/${runId}/go-live`, { body: WHY })).toMatchObject({ status: 202, body: { state: 'succeeded' } });
      expect(await post(`/v1/runs/${runId}/go-live`, { body: { reason: 'another' } })).toMatchObject({ status: 409, body: { code: 'RUN_FINISHED' } });
      expect(await post(`/v1/runs/${runId}/go-live`, { token: api.tokens.admin, body: WHY })).toMatchObject({ status: 409, body: { code: 'RUN_FINISHED' } });
      expect(await api.catalog.getDecision(runId, 'go-live')).toMatchObject({ actor: 'operate', reason: WHY.reason });
      expect((await actionsOf(runId)).filter((action) => action === 'run.decided')).toHaveLength(1);
    });

    it('stands although Temporal is away: a worker delivers it', async () => {
      const runId = await api.waitingRestore(server, point);
      api.runStarter.down = true;
      expect((await post(`/v1/runs/${runId}/go-live`, { body: WHY })).status).toBe(202);
      expect(await api.catalog.listDecidedButWaiting()).toMatchObject([{ runId }]);
      expect(api.log).toContainEqual(
        expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ runId, code: 'TEMPORAL_UNAVAILABLE' }) as object }),
      );
    });

    it('of a run that has ended, that does not wait, that is being cancelled, or that is not there, is refused', async () => {
      const { body: backup } = await post('/v1/servers/db01/backups', { body: { kind: 'image', mode: 'offline', ...WHY } });
      const backupId = String(backup['id']);
      expect(await post(`/v1/runs/${backupId}/go-live`, { body: WHY })).toMatchObject({ status: 409, body: { code: 'RUN_NOT_WAITING' } });
      expect(await actionsOf(backupId)).toContain('run.decision-refused');
      await api.catalog.finishRun(backupId, { state: 'failed', error: null });
      expect(await post(`/v1/runs/${backupId}/go-live`, { body: WHY })).toMatchObject({ status: 409, body: { code: 'RUN_FINISHED' } });
      const runId = await api.waitingRestore(server, point);
      await api.catalog.requestCancel('test', runId, null);
      expect(await post(`/v1/runs/${runId}/go-live`, { body: WHY })).toMatchObject({ status: 409, body: { code: 'RUN_NOT_WAITING' } });
      expect(await post(`/v1/runs/${newId('run')}/go-live`, { body: WHY })).toMatchObject({ status: 404, body: { code: 'RUN_NOT_FOUND' } });
      expect(api.runStarter.told).toEqual([]);
    });

    it('needs a reason', async () => {
      const runId = await api.waitingRestore(server, point);
      for (const body of [undefined, {}, { reason: ' ' }, { reason: 'a\nb' }, { ...WHY, force: true }]) {
        expect(await post(`/v1/runs/${runId}/go-live`, { body })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
      }
      expect(await api.catalog.getDecision(runId, 'go-live')).toBeNull();
    });
  });

  describe('cancel', () => {
    it('may say why, and that goes into the audit once', async () => {
      const runId = await api.waitingRestore(server, point);
      for (let times = 1; times <= 2; times += 1) expect((await post(`/v1/runs/${runId}/cancel`, { body: { reason: 'not what we need' } })).status).toBe(202);
      const { items } = await api.catalog.listAudit({ runId }, { limit: 100, cursor: null });
      expect(items.filter(({ action }) => action === 'run.cancel-requested')).toMatchObject([{ actor: 'operate', details: { reason: 'not what we need' } }]);
      expect(await post(`/v1/runs/${runId}/cancel`, { body: { force: true } })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    });
  });

  describe('undo plans', () => {
    it('are accepted, started, shown, and carried out like restore plans', async () => {
      const runId = await api.doneRestore(server, point);
      expect((await api.call('GET', `/v1/runs/${runId}`)).body).toMatchObject({ allowedActions: ['undo', 'confirm'] });
      const { status, headers, body } = await post(`/v1/runs/${runId}/undo-plans`);
      const planId = String(body['id']);
      expect(status).toBe(202);
      expect(headers.get('location')).toBe(`/v1/restore-plans/${planId}`);
      expect(body).toMatchObject({ state: 'planning', scenario: 'undo', serverName: 'db01', requestedBy: 'operate' });
      expect(api.runStarter.plans).toEqual([{ scenario: 'undo', input: { planId, serverId: server.id, ofRunId: runId } }]);
      await api.completeUndoPlan(planId);
      expect((await api.call('GET', `/v1/restore-plans/${planId}`)).body).toMatchObject({ state: 'ready', body: { scenario: 'undo', undoes: { runId } } });
      const run = (changes: object) => post(`/v1/restore-plans/${planId}/run`, { body: { reason: 'wrong point', confirm: 'db01', ...changes } });
      expect(await run({ hold: true })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID', errors: [{ path: 'hold' }] } });
      expect(await run({ confirm: 'db02' })).toMatchObject({ status: 422, body: { code: 'CONFIRMATION_MISMATCH' } });
      expect(await run({})).toMatchObject({ status: 202, body: { kind: 'undo', planId } });
      expect(api.runStarter.runs).toMatchObject([{ kind: 'undo', input: { planId, ofRunId: runId } }]);
      expect(await run({})).toMatchObject({ status: 409, body: { code: 'PLAN_ALREADY_USED' } });
    });

    it('sent twice with one key are one plan; the key for another run is refused', async () => {
      const runId = await api.doneRestore(server, point);
      const headers = { 'Idempotency-Key': 'u' };
      const [first, again] = [await post(`/v1/runs/${runId}/undo-plans`, { headers }), await post(`/v1/runs/${runId}/undo-plans`, { headers })];
      expect(again.body['id']).toBe(first.body['id']);
      expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([null, 'true']);
      expect(api.runStarter.plans).toHaveLength(1);
      const other = await api.doneRestore(server, point);
      expect(await post(`/v1/runs/${other}/undo-plans`, { headers })).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    });

    it('are refused while Temporal is away, and stay accepted when it goes away afterwards', async () => {
      const runId = await api.doneRestore(server, point);
      api.runStarter.down = true;
      expect(await post(`/v1/runs/${runId}/undo-plans`)).toMatchObject({ status: 503, body: { code: 'TEMPORAL_UNAVAILABLE' } });
      Object.assign(api.runStarter, { down: false, failsToStart: true });
      expect(await post(`/v1/runs/${runId}/undo-plans`)).toMatchObject({ status: 202, body: { state: 'planning' } });
    });

    it('of a run that is open, has kept nothing, or is not the newest, are refused', async () => {
      const first = await api.doneRestore(server, point);
      const waiting = await api.waitingRestore(server, point);
      expect(await post(`/v1/runs/${waiting}/undo-plans`)).toMatchObject({
        status: 409,
        body: { code: 'SERVER_BUSY', runId: waiting, hint: expect.stringContaining(`modosu run undo ${waiting}`) as string },
      });
      await api.endRestore(waiting);
      expect(await post(`/v1/runs/${first}/undo-plans`)).toMatchObject({ status: 409, body: { code: 'WAY_BACK_NOT_NEWEST', runId: waiting } });
      const { body: backup } = await post('/v1/servers/db01/backups', { body: { kind: 'image', mode: 'offline', ...WHY } });
      await api.catalog.finishRun(String(backup['id']), { state: 'succeeded', error: null });
      expect(await post(`/v1/runs/${String(backup['id'])}/undo-plans`)).toMatchObject({ status: 404, body: { code: 'WAY_BACK_NOT_FOUND' } });
      expect(await post(`/v1/runs/${newId('run')}/undo-plans`)).toMatchObject({ status: 404, body: { code: 'RUN_NOT_FOUND' } });
      expect(api.runStarter.plans).toEqual([]);
    });
  });

  describe('confirm', () => {
    it('starts a run that deletes what was kept; afterwards there is no way back', async () => {
      const runId = await api.doneRestore(server, point);
      const headers = { 'Idempotency-Key': 'c' };
      const accepted = await post(`/v1/runs/${runId}/confirm`, { body: WHY, headers });
      const confirmId = String(accepted.body['id']);
      expect(accepted).toMatchObject({ status: 202, body: { kind: 'confirm', state: 'accepted', reason: WHY.reason } });
      expect(accepted.headers.get('location')).toBe(`/v1/runs/${confirmId}`);
      expect(api.runStarter.runs).toMatchObject([{ kind: 'confirm', input: { ofRunId: runId } }]);
      const replayed = await post(`/v1/runs/${runId}/confirm`, { body: WHY, headers });
      expect(replayed).toMatchObject({ status: 202, body: { id: confirmId } });
      expect(replayed.headers.get('idempotency-replayed')).toBe('true');
      expect(api.runStarter.runs).toHaveLength(1);
      expect(await post(`/v1/runs/${runId}/confirm`, { body: WHY })).toMatchObject({ status: 409, body: { code: 'SERVER_BUSY', runId: confirmId } });
      await api.endConfirm(confirmId, runId);
      expect(await post(`/v1/runs/${runId}/confirm`, { body: WHY })).toMatchObject({ status: 409, body: { code: 'WAY_BACK_CLOSED' } });
      expect(await post(`/v1/runs/${runId}/undo-plans`)).toMatchObject({ status: 409, body: { code: 'WAY_BACK_CLOSED' } });
      expect((await api.call('GET', `/v1/runs/${runId}`)).body).toMatchObject({ allowedActions: [], wayBack: { state: 'confirmed', closedBy: confirmId } });
    });

    it('of what has never been live, of a run that has kept nothing, and without a reason, is refused', async () => {
      const runId = await api.waitingRestore(server, point);
      await api.catalog.finishRun(runId, { state: 'failed', error: new ModosuError('RUN_ENDED_OUTSIDE', 'terminated').summary() });
      expect(await post(`/v1/runs/${runId}/confirm`, { body: WHY })).toMatchObject({ status: 409, body: { code: 'RUN_NOT_LIVE' } });
      expect(await post(`/v1/runs/${runId}/confirm`, { body: {} })).toMatchObject({ status: 422, body: { errors: [{ path: 'reason' }] } });
      const { body: backup } = await post('/v1/servers/db01/backups', { body: { kind: 'image', mode: 'offline', ...WHY } });
      await api.catalog.finishRun(String(backup['id']), { state: 'succeeded', error: null });
      expect(await post(`/v1/runs/${String(backup['id'])}/confirm`, { body: WHY })).toMatchObject({ status: 404, body: { code: 'WAY_BACK_NOT_FOUND' } });
      api.runStarter.down = true;
      expect((await post(`/v1/runs/${runId}/confirm`, { body: WHY })).status).toBe(503);
    });
  });

  describe('ways back', () => {
    it('are listed by server and state, page by page, and shown with their server', async () => {
      const first = await api.doneRestore(server, point);
      // Newest first, also by the clock.
      api.clockOffsetMs = 1000;
      const second = await api.doneRestore(server, point);
      const page = await api.call('GET', '/v1/way-backs?limit=1', { token: api.tokens.read });
      expect(page.body).toMatchObject({
        items: [{ runId: second, serverName: 'db01', state: 'open', volumes: [{ target: 'vda', allocatedBytes: 165 * 1024 * 1024 }] }],
      });
      const rest = await api.call('GET', `/v1/way-backs?limit=1&cursor=${encodeURIComponent(String(page.body['nextCursor']))}`);
      expect(rest.body).toMatchObject({ items: [{ runId: first }], nextCursor: null });
      expect((await api.call('GET', '/v1/way-backs?server=db01&state=confirmed')).body).toMatchObject({ items: [], nextCursor: null });
      expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({
        wayBacks: [{ runId: second }, { runId: first }],
        keptBytes: 2 * 165 * 1024 * 1024,
      });
    });

    it.each([
      'state=odd',
      'server=db01&server=db02',
      'colour=red',
      'limit=0',
      'cursor=nonsense',
      `cursor=${Buffer.from("2026 run_x' OR 1=1").toString('base64url')}`,
    ])('refuse %s', async (query) => {
      expect(await api.call('GET', `/v1/way-backs?${query}`)).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    });

    it('of an unknown server are refused', async () => {
      expect(await api.call('GET', '/v1/way-backs?server=db02')).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
    });
  });

  it('a server shows what was declared about it', async () => {
    expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({
      protection: { nics: [], healthChecks: [], quiesce: { before: null, after: null }, onlineBackup: { maxGuestLatencyMs: null } },
    });
  });

  it.each(['go-live', 'undo-plans', 'confirm'])('/v1/runs/ID/%s never fails on an id, whatever it is', async (action) => {
    for (const id of ['..', '../../etc', 'run_', newId('plan'), "' OR 1=1", 'a\u0000b', '%00', '__proto__', 'データ', 'x'.repeat(250)]) {
      const answer = await post(`/v1/runs/${encodeURIComponent(id)}/${action}`, { body: WHY });
      expect([404, 422]).toContain(answer.status);
    }
  });

  it.each(['go-live', 'undo-plans', 'confirm', 'cancel'])('a token that may only read cannot %s, and the attempt is audited', async (action) => {
    const runId = await api.waitingRestore(server, point);
    expect(await post(`/v1/runs/${runId}/${action}`, { token: api.tokens.read, body: WHY })).toMatchObject({
      status: 403,
      body: { code: 'NOT_ALLOWED', context: { scope: 'operate' } },
    });
    const { items } = await api.catalog.listAudit({}, { limit: 200, cursor: null });
    expect(items.at(-1)).toMatchObject({ actor: 'read', action: 'request.refused', details: { path: `/v1/runs/${runId}/${action}` } });
    expect(await api.catalog.getDecision(runId, 'go-live')).toBeNull();
  });
});
