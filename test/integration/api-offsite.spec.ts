import type { TransferView } from '../../src/contracts/offsite-copies';
import { ApiHarness, ESTATE, manifestOf } from './api-harness';

describe('copies elsewhere over the API', () => {
  let api: ApiHarness;
  let id: string;

  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
    await api.applyEstate({ ...ESTATE, offsite: [{ name: 'vault', location: '/mnt/vault', media: 'removable' }] });
    const manifest = manifestOf(await api.catalog.getServer('db01'), 1);
    await api.catalog.recordRecoveryPoint(manifest, 'main');
    id = manifest.recoveryPointId;
  });
  afterEach(async () => api.close());

  const copy = (to: string | null = 'vault') => api.call('POST', `/v1/recovery-points/${id}/copies`, { body: { reason: 'the move', to } });
  const fetch = (from = 'vault') => api.call('POST', `/v1/recovery-points/${id}/fetches`, { body: { reason: 'it is gone', from } });
  const plan = (from: string) => api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server', from } });
  const idOf = ({ body }: { readonly body: unknown }): string => (body as TransferView).id;
  /** Begins what waits, and makes the copy. */
  const make = async (): Promise<void> => {
    await api.catalog.recordOffsiteLook('vault', null);
    const input = await api.catalog.startNextTransfer('asked');
    await api.catalog.recordCopied(input!.transferId, id, { snapshotIds: ['s'], copiedAt: new Date().toISOString(), sizeBytes: 70 });
    await api.catalog.finishTransfer(input!.transferId, { state: 'succeeded', error: null });
  };

  it('off-site repositories are listed with what is known of them', async () => {
    expect(await api.call('GET', '/v1/offsite')).toMatchObject({
      status: 200,
      body: { items: [{ name: 'vault', location: '/mnt/vault', media: 'removable', state: 'unknown', seenAt: null, copies: 0, bytes: 0 }] },
    });
  });

  it('a copy is written down, named by Location, shown with its recovery point, and the same while it waits', async () => {
    const asked = await copy();
    expect(asked).toMatchObject({ status: 202, body: { kind: 'copy', state: 'waiting', offsite: 'vault', recoveryPointId: id } });
    expect(asked.headers.get('location')).toBe(`/v1/offsite/transfers/${idOf(asked)}`);
    expect(idOf(await copy())).toBe(idOf(asked));
    expect((await api.call('GET', `/v1/offsite/transfers/${idOf(asked)}`)).body).toEqual(asked.body);
    expect((await api.call('GET', '/v1/offsite/transfers?server=db01&state=waiting')).body).toEqual({ items: [asked.body], nextCursor: null });
    await make();
    expect((await api.call('GET', `/v1/recovery-points/${id}`)).body).toMatchObject({ copies: [{ offsite: 'vault', state: 'copied', sizeBytes: 70 }] });
    expect(await copy()).toMatchObject({ status: 409, body: { code: 'OFFSITE_ALREADY_COPIED' } });
    expect((await api.call('GET', '/v1/status')).body).toMatchObject({ servers: [{ isOnSiteOnly: false }] });
  });

  it('an off-site repository that nobody declares, a policy that names none, an unknown transfer: each has its own code', async () => {
    expect(await copy('elsewhere')).toMatchObject({ status: 404, body: { code: 'OFFSITE_NOT_CONFIGURED' } });
    expect(await copy(null)).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect(await fetch('elsewhere')).toMatchObject({ status: 404, body: { code: 'OFFSITE_NOT_CONFIGURED' } });
    expect(await fetch()).toMatchObject({ status: 404, body: { code: 'OFFSITE_COPY_NOT_FOUND' } });
    expect(await api.call('GET', '/v1/offsite/transfers/trf_nothing')).toMatchObject({ status: 404, body: { code: 'TRANSFER_NOT_FOUND' } });
    expect(await plan('elsewhere')).toMatchObject({ status: 404, body: { code: 'OFFSITE_NOT_CONFIGURED' } });
    expect(await plan('vault')).toMatchObject({ status: 404, body: { code: 'NO_RECOVERY_POINT' } });
  });

  it('a transfer is cancelled, once, and a plan from a copy is accepted although what it restores is damaged', async () => {
    const asked = await copy();
    const cancel = () => api.call('POST', `/v1/offsite/transfers/${idOf(asked)}/cancel`, { body: { reason: 'the line is needed' } });
    expect(await cancel()).toMatchObject({ status: 202, body: { state: 'cancelled' } });
    expect(await cancel()).toMatchObject({ status: 409, body: { code: 'TRANSFER_FINISHED' } });
    await copy();
    await make();
    await api.catalog.markRecoveryPoint(id, 'damaged', 'segment 3 differs');
    const accepted = await plan('vault');
    expect(accepted).toMatchObject({ status: 202, body: { state: 'planning' } });
    const dispatched = await api.catalog.getDispatchablePlan(idOf(accepted));
    expect(dispatched).toMatchObject({ scenario: 'server', input: { from: 'vault', recoveryPointId: null } });
  });
});
