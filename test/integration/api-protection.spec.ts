import { estateSchema } from '../../src/contracts/api/estate';
import type { Breach } from '../../src/contracts/protection-status';
import { ApiHarness, ESTATE, manifestOf } from './api-harness';

const retention = { last: 1 };
const POLICY = {
  name: 'daily',
  image: { schedule: { every: 'week', on: ['sunday'], at: '01:00' }, rpoHours: 192, retention },
  data: { schedule: { every: 'day', at: '02:30' }, retention },
};
const withPolicy = (changes: object = {}, policy: object = POLICY) => ({
  ...ESTATE,
  policies: [policy],
  servers: [{ ...ESTATE.servers[0], policy: 'daily', ...changes }],
});

describe('policies and what follows from them', () => {
  let api: ApiHarness;

  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
  });
  afterEach(async () => api.close());

  it('are declared with the estate, and shown with their servers and next times', async () => {
    const difference = await api.call('POST', '/v1/estate/diff', { body: { estate: withPolicy() } });
    expect(difference.body).toMatchObject({
      changes: [{}, {}, { subject: 'policy', name: 'daily', change: 'create' }, { subject: 'server', change: 'create' }],
    });
    expect(
      (await api.call('POST', '/v1/estate', { body: { estate: withPolicy() }, headers: { 'If-Match': difference.headers.get('etag') ?? '' } })).status,
    ).toBe(200);
    const { body } = await api.call('GET', '/v1/policies/daily');
    expect(body).toMatchObject({ name: 'daily', timeZone: 'UTC', servers: ['db01'], image: { mode: 'online', jitterMinutes: 0, maxIncrements: 13 } });
    const { nextImages, nextData } = body as unknown as { nextImages: readonly string[]; nextData: readonly string[] };
    expect(nextImages).toHaveLength(5);
    expect(nextImages.every((at) => new Date(at).getUTCDay() === 0 && at.endsWith('T01:00:00.000Z'))).toBe(true);
    expect(nextData.every((at) => at.endsWith('T02:30:00.000Z'))).toBe(true);
    expect((await api.call('GET', '/v1/policies')).body).toEqual({ items: [body], nextCursor: null });
    for (const name of ['%00', 'Production', '%2E%2E%2Fservers']) {
      expect(await api.call('GET', `/v1/policies/${name}`)).toMatchObject({ status: 404, body: { code: 'POLICY_NOT_FOUND' } });
    }
    expect(await api.call('GET', '/v1/policies/none')).toMatchObject({ status: 404, body: { code: 'POLICY_NOT_FOUND' } });
    expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({ policy: 'daily' });
  });

  it.each<[string, object, string, number]>([
    ['an impossible cron expression', { ...POLICY, data: { schedule: { cron: '0 0 31 2 *' }, retention } }, 'SCHEDULE_INVALID', 422],
    ['a time zone nobody knows', { ...POLICY, timeZone: 'Europe/Atlantis' }, 'TIME_ZONE_UNKNOWN', 422],
    ['retention that would keep nothing', { ...POLICY, data: { schedule: POLICY.data.schedule, retention: {} } }, 'RETENTION_KEEPS_NOTHING', 422],
    ['a promise that the schedule cannot keep', { ...POLICY, image: { ...POLICY.image, rpoHours: 100 } }, 'POLICY_INVALID', 422],
    ['more incrementals than a chain can have', { ...POLICY, image: { ...POLICY.image, maxIncrements: 256 } }, 'ESTATE_INVALID', 422],
    ['a schedule in no known form', { ...POLICY, data: { schedule: { every: 'fortnight', at: '02:30' }, retention } }, 'ESTATE_INVALID', 422],
    ['a time of day that is none', { ...POLICY, data: { schedule: { every: 'day', at: '24:30' }, retention } }, 'ESTATE_INVALID', 422],
  ])('refuse %s, and change nothing', async (_what, policy, code, status) => {
    expect(await api.call('POST', '/v1/estate', { body: { estate: withPolicy({}, policy) } })).toMatchObject({ status, body: { code } });
    expect(await api.catalog.listServers()).toEqual([]);
    expect(await api.catalog.listPolicies()).toEqual([]);
  });

  it('of a server must be declared', async () => {
    const { body } = await api.call('POST', '/v1/estate', { body: { estate: { ...withPolicy(), policies: [] } } });
    expect(body).toMatchObject({
      code: 'ESTATE_INVALID',
      errors: [{ path: 'estate.servers[0].policy', message: 'no policy named "daily" is declared in this file' }],
    });
  });

  it('are deleted only when that is asked for', async () => {
    await api.call('POST', '/v1/estate', { body: { estate: withPolicy() } });
    const without = { ...ESTATE, policies: [] };
    expect((await api.call('POST', '/v1/estate', { body: { estate: without } })).body).toMatchObject({
      changes: [{}, {}, { name: 'daily', change: 'kept' }, {}],
    });
    expect((await api.call('POST', '/v1/estate', { body: { estate: without, prune: true } })).body).toMatchObject({
      changes: [{}, {}, { name: 'daily', change: 'delete' }, {}],
    });
    expect(await api.catalog.listPolicies()).toEqual([]);
  });

  it('the status says what is in breach, and what to do', async () => {
    await api.applyEstate(estateSchema.parse(withPolicy()));
    const breached = await api.call('GET', '/v1/status');
    expect(breached).toMatchObject({ status: 200, body: { isProtected: false, breaches: 1 } });
    const [{ breaches }] = (breached.body as unknown as { servers: [{ breaches: readonly Breach[] }] }).servers;
    expect(breaches).toMatchObject([
      { code: 'NO_RECOVERY_POINT', serverName: 'db01', kind: 'image', hint: 'Take one now: `modosu backup image db01 --mode online --reason TEXT`.' },
    ]);
    await api.catalog.recordRecoveryPoint(manifestOf(await api.catalog.getServer('db01')), 'main');
    expect((await api.call('GET', '/v1/status')).body).toMatchObject({
      isProtected: true,
      breaches: 0,
      servers: [{ things: [{ kind: 'image', rpoSeconds: 691_200 }], breaches: [] }],
    });
  });

  it('retention can be looked at before it happens; what is held stays', async () => {
    await api.applyEstate(estateSchema.parse(withPolicy()));
    const server = await api.catalog.getServer('db01');
    const [old, newest] = [manifestOf(server, 1), manifestOf(server, 2)];
    await api.catalog.recordRecoveryPoint(old, 'main');
    await api.catalog.recordRecoveryPoint(newest, 'main');
    const preview = async () => (await api.call('GET', '/v1/servers/db01/retention')).body;
    expect(await preview()).toMatchObject({
      serverName: 'db01',
      policy: 'daily',
      keep: 1,
      expire: 1,
      items: [
        { recoveryPointId: newest.recoveryPointId, verdict: 'keep', reasons: [{ rule: 'last', detail: '1 of 1' }, { rule: 'newest' }] },
        { recoveryPointId: old.recoveryPointId, verdict: 'expire', reasons: [] },
      ],
    });
    const held = await api.call('POST', `/v1/recovery-points/${old.recoveryPointId}/hold`, { body: { reason: 'evidence' } });
    expect(held).toMatchObject({ status: 200, body: { hold: { reason: 'evidence', by: expect.any(String) as string } } });
    expect(await preview()).toMatchObject({ keep: 2, expire: 0, items: [{}, { reasons: [{ rule: 'hold', detail: 'evidence' }] }] });
    expect((await api.call('POST', `/v1/recovery-points/${old.recoveryPointId}/release`, { body: { reason: 'closed' } })).body).toMatchObject({ hold: null });
    expect(await preview()).toMatchObject({ keep: 1, expire: 1 });
    await api.catalog.retireRecoveryPoints(0, () => true);
    expect(await preview()).toMatchObject({ items: [{ expiredAt: null }, { verdict: 'expire', expiredAt: expect.stringMatching(/Z$/) as string }] });
    const listed = async (query = '') => {
      const { items } = (await api.call('GET', `/v1/recovery-points${query}`)).body as unknown as { readonly items: readonly { readonly state: string }[] };
      return items.map(({ state }) => state);
    };
    expect([await listed(), await listed('?state=expired')]).toEqual([['usable', 'expired'], ['expired']]);
    await api.catalog.retireRecoveryPoints(0, () => true);
    expect([await listed(), await listed('?state=deleted')]).toEqual([['usable'], ['deleted']]);
    expect(await preview()).toMatchObject({ keep: 1, expire: 0 });
    expect(await api.call('POST', `/v1/recovery-points/${old.recoveryPointId}/hold`, { body: { reason: 'x' } })).toMatchObject({
      status: 409,
      body: { code: 'RECOVERY_POINT_NOT_USABLE' },
    });
    expect(await api.call('GET', '/v1/recovery-points?state=lost')).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect(await api.call('POST', `/v1/recovery-points/${old.recoveryPointId}/hold`, { body: { reason: 'x' }, token: api.tokens.read })).toMatchObject({
      status: 403,
    });
    expect(await api.call('POST', `/v1/recovery-points/${old.recoveryPointId}/hold`, { body: {} })).toMatchObject({
      status: 422,
      body: { code: 'REQUEST_INVALID' },
    });
  });

  it('a recovery point that a plan may still be carried out with does not expire', async () => {
    await api.applyEstate(estateSchema.parse(withPolicy()));
    const server = await api.catalog.getServer('db01');
    const old = await api.catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
    await api.catalog.recordRecoveryPoint(manifestOf(server, 2), 'main');
    const planId = await api.readyPlan(server, old);
    expect((await api.call('GET', '/v1/servers/db01/retention')).body).toMatchObject({
      items: [{}, { verdict: 'keep', reasons: [{ rule: 'in-use', detail: `plan ${planId} may still be carried out` }] }],
    });
  });

  it('5,000 recovery points are judged in one answer', async () => {
    await api.applyEstate(estateSchema.parse(withPolicy()));
    const server = await api.catalog.getServer('db01');
    for (let generation = 1; generation <= 5000; generation += 1) {
      const pointInTime = new Date(Date.now() - (5001 - generation) * 3_600_000).toISOString();
      await api.catalog.recordRecoveryPoint({ ...manifestOf(server, generation), pointInTime }, 'main');
    }
    const { body } = await api.call('GET', '/v1/servers/db01/retention');
    expect(body).toMatchObject({ keep: 1, expire: 4999 });
    expect((body as unknown as { items: readonly unknown[] }).items).toHaveLength(5000);
  }, 60_000);

  it('alerts are listed by server and state, page by page', async () => {
    await api.applyEstate(estateSchema.parse(withPolicy()));
    await api.catalog.reviewAlerts([]);
    const { status, body } = await api.call('GET', '/v1/alerts?server=db01&state=open');
    expect([status, body]).toMatchObject([200, { items: [{ kind: 'breach', serverName: 'db01', clearedAt: null, deliveries: [] }], nextCursor: null }]);
    expect((await api.call('GET', '/v1/alerts?state=cleared')).body).toEqual({ items: [], nextCursor: null });
    expect(await api.call('GET', '/v1/alerts?state=lost')).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect(await api.call('GET', '/v1/alerts?server=nobody')).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
  });

  it('what the schedules ask for is listed, page by page', async () => {
    await api.applyEstate(estateSchema.parse(withPolicy()));
    expect((await api.call('GET', '/v1/due-backups?server=db01&state=waiting')).body).toEqual({ items: [], nextCursor: null });
    expect(await api.call('GET', '/v1/due-backups?state=lost')).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect(await api.call('GET', '/v1/due-backups?server=nobody')).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
  });
});
