import { ModosuError } from '../../src/contracts/errors';
import { ApiHarness, ESTATE } from './api-harness';

describe('the estate', () => {
  let api: ApiHarness;

  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
  });

  afterEach(async () => api.close());

  it('is compared, applied, and then the same', async () => {
    const difference = await api.call('POST', '/v1/estate/diff', { body: { estate: ESTATE } });
    expect(difference).toMatchObject({
      status: 200,
      body: {
        changes: [
          { subject: 'hypervisor', change: 'create' },
          { subject: 'repository', change: 'create' },
          { subject: 'server', name: 'db01', change: 'create' },
        ],
      },
    });
    expect(await api.catalog.listServers()).toEqual([]);
    expect(api.initialised).toEqual([]);
    const applied = await api.call('POST', '/v1/estate', { body: { estate: ESTATE }, headers: { 'If-Match': difference.headers.get('etag') ?? '' } });
    expect(applied.status).toBe(200);
    expect(api.initialised).toEqual(['main']);
    const [present] = await api.hypervisor.listServers();
    expect(await api.catalog.listServers()).toMatchObject([{ name: 'db01', uuid: present?.uuid }]);
    const again = await api.call('POST', '/v1/estate', { body: { estate: ESTATE } });
    expect(again.body).toMatchObject({ changes: [{ change: 'unchanged' }, { change: 'unchanged' }, { change: 'unchanged' }] });
    expect(api.initialised).toEqual(['main']);
  });

  it('declares disks, networks, health checks, hooks and limits of a server; a change of them is a change of the estate', async () => {
    const protection = {
      disks: [{ target: 'vdb', role: 'data' }],
      nics: [{ mac: '52:54:00:AA:BB:CC', role: 'backup' }],
      healthChecks: [{ name: 'db', kind: 'sql', database: 'shop', query: 'select 1', expect: '1' }],
      quiesce: { before: ['/usr/local/bin/flush', '--all'] },
      onlineBackup: { maxGuestLatencyMs: 50 },
    };
    const send = (changes: object) =>
      api.call('POST', '/v1/estate', { body: { estate: { ...ESTATE, servers: [{ ...ESTATE.servers[0], ...protection, ...changes }] } } });
    await api.applyEstate();
    const before = (await api.call('POST', '/v1/estate/diff', { body: { estate: ESTATE } })).headers.get('etag');
    expect((await send({})).body).toMatchObject({ changes: [{}, {}, { name: 'db01', change: 'update' }] });
    expect((await send({})).body).toMatchObject({ changes: [{}, {}, { name: 'db01', change: 'unchanged' }] });
    expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({
      protection: {
        disks: [{ target: 'vdb', role: 'data' }],
        nics: [{ mac: '52:54:00:aa:bb:cc', role: 'backup' }],
        healthChecks: [{ name: 'db', kind: 'sql', engine: 'postgresql', user: 'postgres', socketDirectory: null, timeoutSeconds: 60 }],
        quiesce: { before: ['/usr/local/bin/flush', '--all'], after: null },
        onlineBackup: { rateLimitBytesPerSecond: null, maxGuestLatencyMs: 50 },
      },
    });
    expect((await api.call('POST', '/v1/estate/diff', { body: { estate: ESTATE } })).headers.get('etag')).not.toBe(before);
    expect(await send({ healthChecks: [{ name: 'db', kind: 'http' }] })).toMatchObject({
      status: 422,
      body: { code: 'ESTATE_INVALID', errors: [{ path: 'estate.servers[0].healthChecks[0].kind' }] },
    });
    expect(await send({ disks: [...protection.disks, { target: 'vdb', role: 'system' }] })).toMatchObject({
      status: 422,
      body: { code: 'ESTATE_INVALID', errors: [{ path: 'estate.servers[0].disks' }] },
    });
    expect(await send({ disks: [{ target: 'vdb; rm -rf /', role: 'data' }] })).toMatchObject({
      status: 422,
      body: { code: 'ESTATE_INVALID', errors: [{ path: 'estate.servers[0].disks[0].target' }] },
    });
    expect(await send({ nics: [...protection.nics, { mac: '52:54:00:aa:bb:cc', role: 'production' }] })).toMatchObject({
      status: 422,
      body: { code: 'ESTATE_INVALID', errors: [{ path: 'estate.servers[0].nics' }] },
    });
  });

  it('is not applied when it has changed since the difference was shown', async () => {
    const { headers } = await api.call('POST', '/v1/estate/diff', { body: { estate: ESTATE } });
    await api.applyEstate();
    const answer = await api.call('POST', '/v1/estate', { body: { estate: ESTATE }, headers: { 'If-Match': headers.get('etag') ?? '' } });
    expect(answer).toMatchObject({ status: 412, body: { code: 'IF_MATCH_FAILED' } });
  });

  describe('with prune, after somebody else has declared more since the difference was shown', () => {
    const SERVERS = ['db01', 'web01'].map((name) => ({ ...ESTATE.servers[0], name }));
    const BOTH = { ...ESTATE, servers: SERVERS };
    beforeEach(async () => {
      await api.createServer('web01');
      expect((await api.call('POST', '/v1/estate', { body: { estate: BOTH } })).status).toBe(200);
    });

    it.each([
      ['a relation', { relations: [{ name: 'web-needs-db', type: 'depends-on', server: 'web01', peers: [{ server: 'db01' }] }] }],
      ['a group', { groups: [{ name: 'shop', servers: ['web01', 'db01'] }] }],
      ['an off-site repository', { offsite: [{ name: 'vault', location: '/mnt/vault' }] }],
      ['a policy', { policies: [{ name: 'daily', timeZone: 'UTC', image: { schedule: { every: 'day', at: '02:30' }, retention: { last: 3 } } }] }],
    ])('%s: nothing is applied', async (_what, theirs) => {
      const ours = { estate: BOTH, prune: true };
      const { headers } = await api.call('POST', '/v1/estate/diff', { body: ours });
      expect(await api.call('POST', '/v1/estate', { body: { estate: { ...BOTH, ...theirs } } })).toMatchObject({ status: 200 });
      const before = (await api.call('POST', '/v1/estate/diff', { body: ours })).body;
      const answer = await api.call('POST', '/v1/estate', { body: ours, headers: { 'If-Match': headers.get('etag') ?? '' } });
      expect(answer).toMatchObject({ status: 412, body: { code: 'IF_MATCH_FAILED' } });
      const after = await api.call('POST', '/v1/estate/diff', { body: ours });
      expect(after.body).toEqual(before);
      expect(await api.call('POST', '/v1/estate', { body: ours, headers: { 'If-Match': after.headers.get('etag') ?? '' } })).toMatchObject({ status: 200 });
    });
  });

  it('lets only one of two applications with the same difference through', async () => {
    const { headers } = await api.call('POST', '/v1/estate/diff', { body: { estate: ESTATE } });
    const apply = () => api.call('POST', '/v1/estate', { body: { estate: ESTATE }, headers: { 'If-Match': headers.get('etag') ?? '' } });
    const answers = await Promise.all([apply(), apply()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
  });

  it('names every domain the hypervisor does not know', async () => {
    const servers = ['db01', 'web01', 'web02'].map((name) => ({ name, hypervisor: 'local', repository: 'main' }));
    for (const path of ['/v1/estate/diff', '/v1/estate']) {
      const answer = await api.call('POST', path, { body: { estate: { ...ESTATE, servers } } });
      expect(answer).toMatchObject({ status: 404, body: { code: 'DOMAIN_NOT_FOUND', context: { domains: ['web01 on local', 'web02 on local'] } } });
    }
    expect(await api.catalog.listServers()).toEqual([]);
  });

  it('keeps the identity of a known server whose domain is gone', async () => {
    await api.applyEstate();
    const [present] = await api.hypervisor.listServers();
    if (present === undefined) throw new Error('no server');
    api.hypervisor.vanish({ uuid: present.uuid, name: 'db01' });
    const answer = await api.call('POST', '/v1/estate', { body: { estate: ESTATE } });
    expect(answer).toMatchObject({
      status: 200,
      body: { changes: expect.arrayContaining([expect.objectContaining({ name: 'db01', change: 'unchanged' })]) as unknown },
    });
  });

  it('refuses another domain under the name of a known server', async () => {
    await api.applyEstate();
    const [present] = await api.hypervisor.listServers();
    if (present === undefined) throw new Error('no server');
    api.hypervisor.vanish({ uuid: present.uuid, name: 'db01' });
    await api.createServer();
    expect(await api.call('POST', '/v1/estate', { body: { estate: ESTATE } })).toMatchObject({ status: 409, body: { code: 'ESTATE_CONFLICT' } });
  });

  it('changes nothing when the repository refuses its directory, or the hypervisor is away', async () => {
    api.refuseRepository = new ModosuError('REPOSITORY_FORMAT_UNKNOWN', '/srv/modosu holds other files.');
    expect(await api.call('POST', '/v1/estate', { body: { estate: ESTATE } })).toMatchObject({ status: 409, body: { code: 'REPOSITORY_FORMAT_UNKNOWN' } });
    api.hypervisor.failNext('listServers', 'HYPERVISOR_UNREACHABLE');
    expect(await api.call('POST', '/v1/estate', { body: { estate: ESTATE } })).toMatchObject({ status: 503, body: { code: 'HYPERVISOR_UNREACHABLE' } });
    expect(await api.catalog.listServers()).toEqual([]);
  });

  it('names every wrong field', async () => {
    const estate = { ...ESTATE, servers: [{ name: '../x', hypervisor: 'local', repository: 'other' }] };
    const answer = await api.call('POST', '/v1/estate', { body: { estate } });
    expect(answer).toMatchObject({
      status: 422,
      body: { code: 'ESTATE_INVALID', errors: [{ path: 'estate.servers[0].name' }, { path: 'estate.servers[0].repository' }] },
    });
    expect(await api.call('POST', '/v1/estate', { body: {} })).toMatchObject({ status: 422, body: { errors: [{ path: 'estate' }] } });
  });
});
