import type { VerificationView } from '../../src/contracts/verification';
import { ApiHarness, manifestOf } from './api-harness';

describe('verifications over the API', () => {
  let api: ApiHarness;
  let recoveryPointId: string;

  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
    await api.applyEstate();
    const manifest = manifestOf(await api.catalog.getServer('db01'), 1);
    await api.catalog.recordRecoveryPoint(manifest, 'main');
    recoveryPointId = manifest.recoveryPointId;
  });
  afterEach(async () => api.close());

  const ask = () => api.call('POST', `/v1/recovery-points/${recoveryPointId}/verifications`, { body: { reason: 'monthly' } });
  const idOf = ({ body }: { readonly body: unknown }): string => (body as VerificationView).id;

  it('are written down, named by Location, and the same while one waits', async () => {
    const asked = await ask();
    expect(asked).toMatchObject({ status: 202, body: { state: 'waiting', recoveryPointId, method: 'checksums', reason: 'monthly' } });
    const id = idOf(asked);
    expect(asked.headers.get('location')).toBe(`/v1/verifications/${id}`);
    expect(idOf(await ask())).toBe(id);
    expect((await api.call('GET', `/v1/verifications/${id}`)).body).toEqual(asked.body);
    expect((await api.call('GET', '/v1/verifications?server=db01&state=waiting')).body).toEqual({ items: [asked.body], nextCursor: null });
    expect((await api.call('GET', '/v1/verifications?state=passed')).body).toEqual({ items: [], nextCursor: null });
  });

  it('of all data of a server are asked for by its name', async () => {
    const all = (server: string) => api.call('POST', `/v1/servers/${server}/verifications`, { body: { reason: 'the storage was mended' } });
    const asked = await all('db01');
    expect(asked).toMatchObject({ status: 202, body: { kind: 'data', recoveryPointId: null, method: 'structure', state: 'waiting' } });
    expect(asked.headers.get('location')).toBe(`/v1/verifications/${idOf(asked)}`);
    expect(idOf(await all('db01'))).toBe(idOf(asked));
    expect(await all('web99')).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
  });

  it('boot an image, or the newest one of a server', async () => {
    const boot = (path: string) => api.call('POST', `${path}/verifications`, { body: { reason: 'does it come up?', method: 'boot' } });
    const asked = await boot(`/v1/recovery-points/${recoveryPointId}`);
    expect(asked).toMatchObject({ status: 202, body: { kind: 'image', method: 'boot', recoveryPointId, boot: null } });
    expect(idOf(await boot('/v1/servers/db01'))).toBe(idOf(asked));
    // Its bytes are something else.
    expect(idOf(await ask())).not.toBe(idOf(asked));
    await api.catalog.markRecoveryPoint(recoveryPointId, 'damaged', 'a restore has found it');
    expect(await boot('/v1/servers/db01')).toMatchObject({ status: 404, body: { code: 'NO_RECOVERY_POINT' } });
    const body = { reason: 'x', method: 'structure' };
    expect(await api.call('POST', `/v1/recovery-points/${recoveryPointId}/verifications`, { body })).toMatchObject({ status: 422 });
    expect(await api.call('POST', '/v1/servers/db01/verifications', { body: { reason: 'x', method: 'checksums' } })).toMatchObject({ status: 422 });
  });

  it.each([
    ['no reason', {}],
    ['a field nobody knows', { reason: 'x', deep: true }],
    ['a reason of blanks', { reason: '   ' }],
  ])('refuse %s', async (_what, body) => {
    expect(await api.call('POST', `/v1/recovery-points/${recoveryPointId}/verifications`, { body })).toMatchObject({
      status: 422,
      body: { code: 'REQUEST_INVALID' },
    });
    expect(await api.call('GET', '/v1/verifications')).toMatchObject({ body: { items: [] } });
  });

  it('of what is not there are not found', async () => {
    const none = 'rp_' + '0'.repeat(26);
    for (const id of [none, 'nothing', '%00']) {
      expect(await api.call('POST', `/v1/recovery-points/${id}/verifications`, { body: { reason: 'x' } })).toMatchObject({
        status: 404,
        body: { code: 'RECOVERY_POINT_NOT_FOUND' },
      });
    }
    for (const id of ['vrf_' + '0'.repeat(26), 'nothing']) {
      expect(await api.call('GET', `/v1/verifications/${id}`)).toMatchObject({ status: 404, body: { code: 'VERIFICATION_NOT_FOUND' } });
      expect(await api.call('POST', `/v1/verifications/${id}/cancel`, { body: { reason: 'x' } })).toMatchObject({ status: 404 });
    }
    expect(await api.call('GET', '/v1/verifications?state=verified')).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
  });

  it('that wait are cancelled at once, those that run through their workflow, with the audit in between', async () => {
    const waiting = idOf(await ask());
    const cancel = (id: string) => api.call('POST', `/v1/verifications/${id}/cancel`, { body: { reason: 'the storage is needed' } });
    expect(await cancel(waiting)).toMatchObject({ status: 202, body: { state: 'not-run', error: { code: 'RUN_CANCELLED' } } });
    expect(await cancel(waiting)).toMatchObject({ status: 409, body: { code: 'VERIFICATION_FINISHED' } });
    const running = idOf(await ask());
    await api.catalog.startNextVerification('any');
    expect(await cancel(running)).toMatchObject({ status: 202, body: { state: 'running' } });
    expect(api.runStarter.cancelled).toEqual([running]);
    api.runStarter.down = true;
    // It is written down: a worker delivers it.
    expect(await cancel(running)).toMatchObject({ status: 202, body: { state: 'running' } });
    expect((await api.catalog.listRunningVerifications(new Date(Date.now() + 1000))).map(({ cancelRequested }) => cancelRequested)).toEqual([true]);
    const { items } = await api.catalog.listAudit({}, { limit: 100, cursor: null });
    expect(items.filter(({ action }) => action === 'verification.cancel-requested').map(({ details }) => details)).toMatchObject([
      { verificationId: waiting, reason: 'the storage is needed' },
      { verificationId: running, reason: 'the storage is needed' },
      { verificationId: running, reason: 'the storage is needed' },
    ]);
  });
});
