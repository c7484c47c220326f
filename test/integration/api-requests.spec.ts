import { get } from 'node:http';
import { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { ServerRecord } from '../../src/catalog/catalog';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { ApiHarness, manifestOf } from './api-harness';
import { cli } from './cli-harness';

const BACKUP = { kind: 'image', mode: 'offline', reason: 'before the service pack' };

describe('the API', () => {
  let api: ApiHarness;

  beforeEach(async () => {
    api = await ApiHarness.start();
  });

  afterEach(async () => api.close());

  describe('with a server that has a recovery point', () => {
    let server: ServerRecord;
    let point: ImageRecoveryPointView;

    beforeEach(async () => {
      ({ server, point } = await api.seed());
    });

    it('lists and shows servers, by name and by id, with what the hypervisor says', async () => {
      expect((await api.call('GET', '/v1/servers')).body).toMatchObject({ items: [{ id: server.id, name: 'db01', uuid: server.uuid }], nextCursor: null });
      for (const selector of ['db01', server.id]) {
        const { status, body } = await api.call('GET', `/v1/servers/${selector}`);
        expect(status).toBe(200);
        expect(body).toMatchObject({
          name: 'db01',
          inspection: { powerState: 'running', disks: [{ target: 'vda' }] },
          inspectionError: null,
          newestRecoveryPoint: { id: point.id },
          openRunId: null,
        });
      }
    });

    it('shows a server whose hypervisor is away, and says so inside', async () => {
      api.hypervisor.failNext('inspect', 'HYPERVISOR_UNREACHABLE');
      const { status, body } = await api.call('GET', '/v1/servers/db01');
      expect(status).toBe(200);
      expect(body).toMatchObject({ name: 'db01', inspection: null, inspectionError: { code: 'HYPERVISOR_UNREACHABLE' } });
    });

    it('shows a server whose hypervisor never answers', async () => {
      await api.restart({ inspectionTimeoutMs: 50 });
      api.hypervisor.inspect = async () => new Promise(() => undefined);
      expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({ inspection: null, inspectionError: { code: 'HYPERVISOR_COMMAND_TIMED_OUT' } });
    });

    it('keeps the insides of a fault to itself, in answers and in inspections', async () => {
      api.hypervisor.inspect = async () => Promise.reject(new TypeError('secret-internal-thing of /etc/x'));
      const inspected = await api.call('GET', '/v1/servers/db01');
      expect(inspected.body).toMatchObject({ inspectionError: { code: 'INTERNAL' } });
      api.catalog.listServers = async () => Promise.reject(new Error('secret-internal-thing SELECT *'));
      const failed = await api.call('GET', '/v1/servers');
      expect(failed).toMatchObject({ status: 500, body: { code: 'INTERNAL', requestId: expect.stringMatching(/^req_/) as string } });
      expect(JSON.stringify([inspected.body, failed.body])).not.toContain('secret-internal-thing');
      expect(JSON.stringify(api.log)).toContain('secret-internal-thing SELECT');
    });

    it('lists and shows recovery points', async () => {
      expect((await api.call('GET', `/v1/recovery-points?server=db01`)).body).toMatchObject({ items: [{ id: point.id, generation: 1 }] });
      expect((await api.call('GET', `/v1/recovery-points/${point.id}`)).body).toMatchObject({ id: point.id, state: 'usable' });
      expect(await api.call('GET', `/v1/recovery-points/${newId('rp')}`)).toMatchObject({ status: 404, body: { code: 'RECOVERY_POINT_NOT_FOUND' } });
      expect(await api.call('GET', `/v1/recovery-points?server=other`)).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
    });

    it('gives lists page by page, and refuses a cursor it has not made', async () => {
      await api.catalog.recordRecoveryPoint(manifestOf(server, 2), 'main');
      const first = await api.call('GET', '/v1/recovery-points?limit=1');
      expect(first.body).toMatchObject({ items: [{ generation: 2 }] });
      const second = await api.call('GET', `/v1/recovery-points?limit=1&cursor=${encodeURIComponent(String(first.body['nextCursor']))}`);
      expect(second.body).toMatchObject({ items: [{ generation: 1 }], nextCursor: null });
      expect(await api.call('GET', '/v1/recovery-points?cursor=nonsense')).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
      for (const limit of ['0', '201', 'x', '-1', '1.5', '']) expect((await api.call('GET', `/v1/runs?limit=${limit}`)).status).toBe(422);
    });

    describe('backups', () => {
      it('are accepted, and their workflow is started', async () => {
        const { status, headers, body } = await api.call('POST', '/v1/servers/db01/backups', { token: api.tokens.operate, body: BACKUP });
        expect(status).toBe(202);
        expect(headers.get('location')).toBe(`/v1/runs/${String(body['id'])}`);
        expect(body).toMatchObject({ kind: 'backup-image', state: 'accepted', serverName: 'db01', requestedBy: 'operate', reason: BACKUP.reason });
        expect(api.runStarter.runs).toMatchObject([{ kind: 'backup-image', input: { runId: body['id'], serverId: server.id } }]);
        expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({ openRunId: body['id'] });
      });

      it('sent twice with one key are one run; the key with another request is refused', async () => {
        const headers = { 'Idempotency-Key': 'k-1' };
        const first = await api.call('POST', '/v1/servers/db01/backups', { body: BACKUP, headers });
        // By id instead of name, with the fields in another order: the same request.
        const again = await api.call('POST', `/v1/servers/${server.id}/backups`, { body: { reason: BACKUP.reason, mode: 'offline', kind: 'image' }, headers });
        expect(again).toMatchObject({ status: 202, body: { id: first.body['id'] } });
        expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([null, 'true']);
        expect(api.runStarter.runs).toHaveLength(1);
        expect(await api.call('POST', '/v1/servers/db01/backups', { body: { ...BACKUP, reason: 'other' }, headers })).toMatchObject({
          status: 422,
          body: { code: 'IDEMPOTENCY_KEY_REUSED' },
        });
      });

      it.each(['', ' ', 'x'.repeat(256), 'ümlaut'])('refuse the key %j', async (key) => {
        const answer = await api.call('POST', '/v1/servers/db01/backups', { body: BACKUP, headers: { 'Idempotency-Key': key } });
        expect(answer).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID', errors: [{ path: 'Idempotency-Key' }] } });
      });

      it('of a busy server are refused with the run that holds it', async () => {
        const first = await api.call('POST', '/v1/servers/db01/backups', { body: BACKUP });
        const second = await api.call('POST', '/v1/servers/db01/backups', { body: BACKUP });
        expect(second).toMatchObject({ status: 409, body: { code: 'SERVER_BUSY', runId: first.body['id'] } });
        expect(second.headers.get('content-type')).toBe('application/problem+json');
      });

      it('are refused with nothing written down while Temporal is away', async () => {
        api.runStarter.down = true;
        const answer = await api.call('POST', '/v1/servers/db01/backups', { body: BACKUP });
        expect(answer).toMatchObject({ status: 503, body: { code: 'TEMPORAL_UNAVAILABLE' } });
        expect(answer.headers.get('retry-after')).toBe('5');
        expect((await api.call('GET', '/v1/runs')).body).toMatchObject({ items: [] });
      });

      it('stay accepted when Temporal goes away after they were written down', async () => {
        api.runStarter.failsToStart = true;
        const answer = await api.call('POST', '/v1/servers/db01/backups', { body: BACKUP });
        expect(answer).toMatchObject({ status: 202, body: { state: 'accepted' } });
        expect(await api.catalog.listUndispatched(new Date(Date.now() + 1000))).toHaveLength(1);
        expect(api.log).toContainEqual(expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ runId: answer.body['id'] }) as object }));
      });

      it.each([
        ['no body', undefined, ''],
        ['an unknown field', { ...BACKUP, speed: 'fast' }, ''],
        ['another kind', { ...BACKUP, kind: 'tape' }, 'kind'],
        ['another mode', { ...BACKUP, mode: 'sideways' }, 'mode'],
        ['no reason', { kind: 'image', mode: 'offline' }, 'reason'],
        ['an empty reason', { ...BACKUP, reason: '   ' }, 'reason'],
        ['a reason with a newline', { ...BACKUP, reason: 'a\nb' }, 'reason'],
        ['a list', [BACKUP], ''],
      ])('with %s are refused, naming the field', async (_what, body, path) => {
        const answer = await api.call('POST', '/v1/servers/db01/backups', { body });
        expect(answer).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID', errors: [{ path }] } });
        expect(api.runStarter.runs).toHaveLength(0);
      });
    });

    describe('restore plans', () => {
      it('are listed newest first, by server and state, a page at a time, without what they say; also on the command line', async () => {
        const older = await api.readyPlan(server, point);
        api.clockOffsetMs = 60_000;
        const newer = String((await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server' } })).body['id']);
        const list = async (query: string): Promise<readonly unknown[]> => {
          const { body } = await api.call('GET', `/v1/restore-plans${query}`, { token: api.tokens.read });
          return (body['items'] as unknown as readonly { readonly id: string }[]).map(({ id }) => id);
        };
        const all = await api.call('GET', '/v1/restore-plans', { token: api.tokens.read });
        expect(all).toMatchObject({
          status: 200,
          body: {
            items: [
              { id: newer, state: 'planning' },
              { id: older, state: 'ready', serverName: 'db01' },
            ],
          },
        });
        expect(JSON.stringify(all.body)).not.toContain('"body"');
        expect([await list('?state=ready'), await list('?server=db01&limit=1')]).toEqual([[older], [newer]]);
        const { nextCursor } = (await api.call('GET', '/v1/restore-plans?limit=1', { token: api.tokens.read })).body as unknown as {
          readonly nextCursor: string;
        };
        expect(await list(`?limit=1&cursor=${nextCursor}`)).toEqual([older]);
        expect(await api.call('GET', '/v1/restore-plans?server=nobody')).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
        expect(await api.call('GET', '/v1/restore-plans?state=open')).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
        expect((await api.call('GET', '/v1/restore-plans', { token: null })).status).toBe(401);
        const table = await cli(api, ['restore', 'list', '--server', 'db01']);
        expect(table).toMatchObject({ code: 0, stderr: '' });
        expect(table.stdout.split('\n').map((line) => line.split(/ +/).slice(0, 4))).toEqual([
          ['ID', 'SERVER', 'PLANS', 'STATE'],
          [newer, 'db01', 'server', 'planning'],
          [older, 'db01', 'server', 'ready'],
          [''],
        ]);
        const asJson = await cli(api, ['restore', 'list', '--state', 'ready', '-o', 'json']);
        expect(JSON.parse(asJson.stdout)).toMatchObject([{ id: older, hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string }]);
        expect((await cli(api, ['restore', 'list', '-o', 'yaml'])).stdout).toContain(`id: ${older}`);
      });

      it('are accepted, started and shown', async () => {
        const { status, headers, body } = await api.call('POST', '/v1/servers/db01/restore-plans', { token: api.tokens.operate, body: { scenario: 'server' } });
        expect(status).toBe(202);
        expect(headers.get('location')).toBe(`/v1/restore-plans/${String(body['id'])}`);
        expect(body).toMatchObject({ state: 'planning', hash: null, serverName: 'db01' });
        expect(api.runStarter.plans).toEqual([
          {
            scenario: 'server',
            input: {
              planId: body['id'],
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
        await api.completePlan(String(body['id']), server, point);
        const shown = await api.call('GET', `/v1/restore-plans/${String(body['id'])}`);
        expect(shown.body).toMatchObject({ state: 'ready', body: { losses: [expect.stringMatching(/lost/)] } });
        expect(shown.headers.get('etag')).toBe(`"${String(shown.body['hash'])}"`);
      });

      it('may leave passwords as the image has them', async () => {
        await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', leaveCredentials: true } });
        expect(api.runStarter.plans).toMatchObject([{ input: { leaveCredentials: true } }]);
        expect(await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', leaveCredentials: 'yes' } })).toMatchObject({
          status: 422,
          body: { errors: [{ path: 'leaveCredentials' }] },
        });
      });

      it('may name the recovery point; an unknown one is refused', async () => {
        await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', recoveryPointId: point.id } });
        expect(api.runStarter.plans).toMatchObject([{ input: { recoveryPointId: point.id } }]);
        for (const recoveryPointId of [newId('rp'), '../x', "' OR 1=1"]) {
          const answer = await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', recoveryPointId } });
          expect(answer).toMatchObject({ status: 404, body: { code: 'RECOVERY_POINT_NOT_FOUND' } });
        }
      });

      it('may keep disks; what cannot be the target of one, or is named twice, is refused and starts nothing', async () => {
        await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', keepDisks: ['vdb', 'sdc'] } });
        expect(api.runStarter.plans).toMatchObject([{ input: { keepDisks: ['vdb', 'sdc'], attachOldDisks: [] } }]);
        expect(await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', attachOldDisks: ['../vdb'] } })).toMatchObject({
          status: 422,
          body: { code: 'REQUEST_INVALID', errors: [{ path: 'attachOldDisks[0]' }] },
        });
        for (const [keepDisks, path] of [
          [['/dev/vdb'], 'keepDisks[0]'],
          [['vda', ''], 'keepDisks[1]'],
          [['vdb', 'vdb'], 'keepDisks'],
          ['vdb', 'keepDisks'],
          [[1], 'keepDisks[0]'],
          [Array(65).fill('vdb'), 'keepDisks'],
        ] as const) {
          const answer = await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', keepDisks } });
          expect(answer).toMatchObject({
            status: 422,
            body: { code: 'REQUEST_INVALID', errors: expect.arrayContaining([expect.objectContaining({ path })]) as unknown },
          });
        }
        expect(api.runStarter.plans).toHaveLength(1);
      });

      it('may have the newest chosen that the peers accept; not beside one that is named, or is fetched, or holds data', async () => {
        const ask = (body: object) => api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', ...body } });
        expect((await ask({ findCompatible: true, keepDisks: ['vdb'] })).status).toBe(202);
        expect(api.runStarter.plans).toMatchObject([{ input: { recoveryPointId: null, keepDisks: ['vdb'], findCompatible: true } }]);
        for (const [body, path] of [
          [{ recoveryPointId: point.id }, 'findCompatible'],
          [{ from: 'vault' }, 'findCompatible'],
          [{ scenario: 'data', dataSet: 'shop', selection: { kind: 'files', paths: [], replace: true } }, ''],
          [{ findCompatible: 'yes' }, 'findCompatible'],
        ] as const) {
          expect(await ask({ findCompatible: true, ...body })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID', errors: [{ path }] } });
        }
        expect(api.runStarter.plans).toHaveLength(1);
        await api.catalog.markRecoveryPoint(point.id, 'damaged', 'test');
        expect(await ask({ findCompatible: true })).toMatchObject({ status: 404, body: { code: 'NO_RECOVERY_POINT' } });
      });

      it('need a usable recovery point', async () => {
        await api.catalog.markRecoveryPoint(point.id, 'damaged', 'test');
        expect(await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server' } })).toMatchObject({
          status: 404,
          body: { code: 'NO_RECOVERY_POINT' },
        });
      });

      it('sent twice with one key are one plan', async () => {
        const send = () => api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server' }, headers: { 'Idempotency-Key': 'p' } });
        const [first, again] = [await send(), await send()];
        expect(again.body['id']).toBe(first.body['id']);
        expect(api.runStarter.plans).toHaveLength(1);
      });

      it.each([
        ['any recovery point', () => ({})],
        ['one that was named', () => ({ recoveryPointId: point.id })],
      ])('sent again with the key are the same plan after %s is gone', async (_what, more) => {
        const headers = { 'Idempotency-Key': 'p' };
        const send = (changes: object = {}) =>
          api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', ...more(), ...changes }, headers });
        const first = await send();
        await api.catalog.markRecoveryPoint(point.id, 'damaged', 'test');
        const again = await send();
        expect(again).toMatchObject({ status: 202, body: first.body });
        expect([again.headers.get('idempotency-replayed'), again.headers.get('location')]).toEqual(['true', first.headers.get('location')]);
        expect(await send({ noData: true })).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
        expect(api.runStarter.plans).toHaveLength(1);
      });

      it('are refused while Temporal is away, and stay accepted when it goes away afterwards', async () => {
        api.runStarter.down = true;
        expect((await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server' } })).status).toBe(503);
        Object.assign(api.runStarter, { down: false, failsToStart: true });
        expect((await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server' } })).status).toBe(202);
      });

      it('are carried out once, after the name was typed', async () => {
        const planId = await api.readyPlan(server, point);
        const run = (changes: object) =>
          api.call('POST', `/v1/restore-plans/${planId}/run`, { token: api.tokens.operate, body: { reason: 'disk died', confirm: 'db01', ...changes } });
        expect(await run({ confirm: 'db02' })).toMatchObject({ status: 422, body: { code: 'CONFIRMATION_MISMATCH' } });
        const accepted = await run({});
        expect(accepted).toMatchObject({ status: 202, body: { kind: 'restore-server', planId, recoveryPointId: point.id } });
        expect(accepted.headers.get('location')).toBe(`/v1/runs/${String(accepted.body['id'])}`);
        expect(api.runStarter.runs).toMatchObject([{ kind: 'restore-server', input: { planId } }]);
        await api.catalog.finishRun(String(accepted.body['id']), { state: 'succeeded', error: null });
        expect(await run({})).toMatchObject({ status: 409, body: { code: 'PLAN_ALREADY_USED', runId: accepted.body['id'] } });
      });

      it('bind the run to the hash that was read, when If-Match is given', async () => {
        const planId = await api.readyPlan(server, point);
        const { hash } = await api.catalog.getPlan(planId);
        const body = { reason: 'disk died', confirm: 'db01' };
        const wrong = await api.call('POST', `/v1/restore-plans/${planId}/run`, { body, headers: { 'If-Match': `"${'0'.repeat(64)}"` } });
        expect(wrong).toMatchObject({ status: 412, body: { code: 'IF_MATCH_FAILED' } });
        expect((await api.call('POST', `/v1/restore-plans/${planId}/run`, { body, headers: { 'If-Match': `"${hash ?? ''}"` } })).status).toBe(202);
      });

      it('that are not ready, have failed, or have blocking findings cannot run', async () => {
        const body = { reason: 'disk died', confirm: 'db01' };
        const { body: planning } = await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server' } });
        const planId = String(planning['id']);
        expect(await api.call('POST', `/v1/restore-plans/${planId}/run`, { body })).toMatchObject({ status: 409, body: { code: 'PLAN_NOT_READY' } });
        await api.catalog.failPlan(planId, new ModosuError('TARGET_UNREACHABLE', 'no directory').summary());
        expect(await api.call('POST', `/v1/restore-plans/${planId}/run`, { body })).toMatchObject({ status: 409, body: { code: 'PLAN_FAILED' } });
        const blocked = await api.readyPlan(server, point, [{ code: 'NO_SPACE', severity: 'block', message: 'full', evidence: [] }]);
        expect(await api.call('POST', `/v1/restore-plans/${blocked}/run`, { body })).toMatchObject({ status: 409, body: { code: 'PLAN_BLOCKED' } });
        expect(await api.call('POST', `/v1/restore-plans/${newId('plan')}/run`, { body })).toMatchObject({ status: 404, body: { code: 'PLAN_NOT_FOUND' } });
        expect(api.runStarter.runs).toHaveLength(0);
      });
    });

    describe('runs', () => {
      let runId: string;

      beforeEach(async () => {
        runId = String((await api.call('POST', '/v1/servers/db01/backups', { body: BACKUP })).body['id']);
      });

      it('are listed and filtered', async () => {
        expect((await api.call('GET', '/v1/runs?server=db01&kind=backup-image&state=accepted')).body).toMatchObject({ items: [{ id: runId }] });
        expect((await api.call('GET', '/v1/runs?state=failed')).body).toMatchObject({ items: [] });
        expect((await api.call('GET', '/v1/runs?state=odd')).status).toBe(422);
        expect((await api.call('GET', '/v1/runs?colour=red')).status).toBe(422);
        expect((await api.call('GET', '/v1/runs?state=failed&state=accepted')).status).toBe(422);
      });

      it('answer 304 while nothing has changed', async () => {
        const first = await api.call('GET', `/v1/runs/${runId}`);
        const etag = first.headers.get('etag') ?? '';
        expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
        const same = await api.call('GET', `/v1/runs/${runId}`, { headers: { 'If-None-Match': `"other", ${etag}` } });
        expect(same).toMatchObject({ status: 304, body: null });
        await api.catalog.startRun(runId);
        expect(await api.call('GET', `/v1/runs/${runId}`, { headers: { 'If-None-Match': etag } })).toMatchObject({ status: 200, body: { state: 'running' } });
      });

      it('are cancelled: written down first, then delivered; asking twice is fine', async () => {
        const cancel = () => api.call('POST', `/v1/runs/${runId}/cancel`, { token: api.tokens.operate });
        expect(await cancel()).toMatchObject({ status: 202, body: { id: runId, cancelRequested: true } });
        expect(await cancel()).toMatchObject({ status: 202 });
        expect(api.runStarter.cancelled).toEqual([runId, runId]);
        const asked = (await api.catalog.listAudit({ runId }, { limit: 100, cursor: null })).items.filter(({ action }) => action === 'run.cancel-requested');
        expect(asked).toHaveLength(1);
        await api.catalog.finishRun(runId, { state: 'cancelled', error: null });
        expect(await cancel()).toMatchObject({ status: 202, body: { state: 'cancelled' } });
        expect(api.runStarter.cancelled).toHaveLength(2);
      });

      it('that have ended cannot be cancelled', async () => {
        await api.catalog.finishRun(runId, { state: 'succeeded', error: null });
        expect(await api.call('POST', `/v1/runs/${runId}/cancel`)).toMatchObject({ status: 409, body: { code: 'RUN_FINISHED' } });
      });

      it('are marked as cancelled although Temporal is away: a worker delivers it', async () => {
        api.runStarter.down = true;
        const asked = await api.call('POST', `/v1/runs/${runId}/cancel`, { body: { reason: 'the wrong point' } });
        expect(asked).toMatchObject({ status: 202, body: { id: runId, cancelRequested: true } });
        expect((await api.catalog.getRun(runId)).cancelRequested).toBe(true);
        expect(api.runStarter.cancelled).toEqual([]);
        expect(api.log).toContainEqual(
          expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ runId, code: 'TEMPORAL_UNAVAILABLE' }) as object }),
        );
      });

      it('stay marked as cancelled when Temporal goes away in between', async () => {
        api.runStarter.failsToStart = true;
        expect(await api.call('POST', `/v1/runs/${runId}/cancel`)).toMatchObject({ status: 202, body: { cancelRequested: true } });
      });

      it('have their audit; an unknown run has none', async () => {
        expect((await api.call('GET', `/v1/audit?run=${runId}`)).body).toMatchObject({ items: [{ action: 'run.requested', runId }] });
        expect(await api.call('GET', `/v1/audit?run=${newId('run')}`)).toMatchObject({ status: 404, body: { code: 'RUN_NOT_FOUND' } });
        expect((await api.call('GET', '/v1/audit/verify')).body).toMatchObject({ intact: true });
      });
    });

    it.each([
      ['/v1/servers/NAME', 'GET'],
      ['/v1/servers/NAME/backups', 'POST'],
      ['/v1/servers/NAME/restore-plans', 'POST'],
      ['/v1/runs?server=NAME', 'GET'],
      ['/v1/recovery-points?server=NAME', 'GET'],
      ['/v1/way-backs?server=NAME', 'GET'],
    ])('%s never fails on a name, whatever it is', async (path, method) => {
      const body = path.endsWith('backups') ? BACKUP : { scenario: 'server' };
      for (const name of HOSTILE_NAMES) {
        const answer = await api.call(method, path.replace('NAME', encodeURIComponent(name)), { ...(method === 'POST' ? { body } : {}) });
        expect([404, 422]).toContain(answer.status);
        expect(['SERVER_NOT_FOUND', 'NAME_INVALID', 'ROUTE_NOT_FOUND', 'REQUEST_INVALID']).toContain(answer.body['code']);
        expect(String(answer.body['detail'])).not.toMatch(/[\u0000-\u001f]/);
      }
    });

    it.each(['/v1/runs/ID', '/v1/runs/ID/events', '/v1/restore-plans/ID', '/v1/recovery-points/ID', '/v1/audit?run=ID'])(
      '%s never fails on an id, whatever it is',
      async (path) => {
        for (const id of HOSTILE_NAMES) {
          const answer = await api.call('GET', path.replace('ID', encodeURIComponent(id)));
          expect([404, 422]).toContain(answer.status);
        }
      },
    );
  });

  describe('at the level of HTTP', () => {
    it('says ROUTE_NOT_FOUND for what is not there', async () => {
      for (const path of ['/', '/v1', '/v1/nothing', '/v2/servers', '/v1/servers/a/b/c']) {
        expect(await api.call('GET', path)).toMatchObject({ status: 404, body: { code: 'ROUTE_NOT_FOUND' } });
      }
      expect((await api.call('DELETE', '/v1/servers')).status).toBe(404);
    });

    it('refuses bodies that are no JSON, too large, or of another kind', async () => {
      const path = '/v1/estate';
      expect(await api.call('POST', path, { rawBody: '{"estate":' })).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
      expect(await api.call('POST', path, { rawBody: '"text"' })).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
      expect(await api.call('POST', path, { rawBody: `"${'x'.repeat(5 * 1024 * 1024)}"` })).toMatchObject({ status: 413, body: { code: 'REQUEST_INVALID' } });
      expect(await api.call('POST', path, { rawBody: '{}', headers: { 'Content-Type': 'application/json; charset=klingon' } })).toMatchObject({ status: 415 });
      expect(await api.call('POST', path, { rawBody: 'estate: {}', headers: { 'Content-Type': 'text/yaml' } })).toMatchObject({ status: 422 });
      expect(await api.call('POST', path, { rawBody: `{"estate":${'['.repeat(50_000)}${']'.repeat(50_000)}}` })).toMatchObject({ status: 422 });
      expect(await api.call('POST', path, { rawBody: '{"estate":{},"__proto__":{"admin":true}}' })).toMatchObject({ status: 200 });
    });

    it('refuses an address that cannot be decoded', async () => {
      expect(await api.call('GET', '/v1/servers/%ZZ')).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
    });

    it.each(['.', '..', '%2e%2e', '..%2f..', '%00'])('never fails on /v1/servers/%s, sent as it is', async (segment) => {
      const status = await new Promise<number>((resolve, reject) => {
        const options = { path: `/v1/servers/${segment}`, headers: { Authorization: `Bearer ${api.tokens.admin}` } };
        get(api.url, options, (response) => resolve(response.resume().statusCode ?? 0)).once('error', reject);
      });
      expect([404, 422]).toContain(status);
    });

    it('sends safe headers, no CORS, and a request id', async () => {
      const { headers } = await api.call('GET', '/v1/servers', { headers: { Origin: 'https://evil.example' } });
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('cache-control')).toBe('private, no-cache');
      expect(api.log.at(-1)?.fields['requestId']).toBe(headers.get('x-request-id'));
    });

    it('says which part is away', async () => {
      api.catalog.failWith(new ModosuError('CATALOG_UNAVAILABLE', 'PostgreSQL does not answer.'));
      expect(await api.call('GET', '/v1/servers')).toMatchObject({
        status: 503,
        body: { code: 'CATALOG_UNAVAILABLE', hint: expect.stringMatching(/PostgreSQL/) as string },
      });
      expect((await api.call('GET', '/healthz', { token: null })).status).toBe(200);
    });

    it('serves the committed OpenAPI document', async () => {
      expect((await api.call('GET', '/v1/openapi.json')).body).toMatchObject({ openapi: '3.1.0', paths: { '/v1/servers': {} } });
    });
  });
});

const HOSTILE_NAMES = [
  '../../etc/passwd',
  '..%2f',
  'a..b',
  'a b',
  "a'b",
  'a"b',
  'a\nb',
  '-rf',
  '--help',
  'データベース',
  'a/b',
  'a\u0000b',
  '%00',
  'a;b',
  '$(id)',
  '`id`',
  'x'.repeat(250),
  '__proto__',
  'constructor',
  '\u202edb01',
  "' OR '1'='1",
  '💾',
];
