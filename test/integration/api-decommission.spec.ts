import { estateSchema } from '../../src/contracts/api/estate';
import { ModosuError } from '../../src/contracts/errors';
import { ApiHarness, ESTATE, manifestOf } from './api-harness';
import { seedData } from './data-harness';

const POLICY = { name: 'daily', image: { schedule: { every: 'day', at: '01:00' }, retention: { last: 1 } } };
const WITH_POLICY = estateSchema.parse({ ...ESTATE, policies: [POLICY], servers: [{ ...ESTATE.servers[0], policy: 'daily' }] });

describe('decommissioning a server', () => {
  let api: ApiHarness;
  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
    await api.applyEstate(WITH_POLICY);
  });
  afterEach(() => api.close());

  const post = (what: string, body: unknown, token = api.tokens.operate) => api.call('POST', `/v1/servers/db01/${what}`, { body, token });
  const decommission = (changes: object = {}, token?: string) => post('decommission', { confirm: 'db01', reason: 'replaced by db02', ...changes }, token);

  it('shows who has said so, and why, wherever the server is shown', async () => {
    const { status, body } = await decommission();
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: 'db01', decommissioned: { by: 'operate', reason: 'replaced by db02', keepDays: 90 } });
    const { decommissioned } = body as unknown as { readonly decommissioned: { readonly at: string; readonly protectsUntil: string } };
    expect(Date.parse(decommissioned.protectsUntil) - Date.parse(decommissioned.at)).toBe(90 * 86_400_000);
    expect((await api.call('GET', '/v1/servers')).body).toMatchObject({ items: [{ decommissioned }] });
    expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({ decommissioned });
    expect((await decommission()).body).toEqual(body);
    const id = String(body.id);
    expect((await api.call('POST', `/v1/servers/${id}/decommission`, { body: { confirm: 'db01', reason: 'again' } })).body).toEqual(body);
  });

  it.each<[string, object, number, string]>([
    ['another name typed', { confirm: 'db02' }, 422, 'CONFIRMATION_MISMATCH'],
    ['no name typed', { confirm: undefined }, 422, 'REQUEST_INVALID'],
    ['no reason', { reason: ' ' }, 422, 'REQUEST_INVALID'],
    ['no days at all', { keepDays: 0 }, 422, 'REQUEST_INVALID'],
    ['more than a hundred years', { keepDays: 36_501 }, 422, 'REQUEST_INVALID'],
    ['half a day', { keepDays: 1.5 }, 422, 'REQUEST_INVALID'],
    ['a field nobody knows', { force: true }, 422, 'REQUEST_INVALID'],
  ])('is refused with %s, and changes nothing', async (_what, changes, status, code) => {
    expect(await decommission(changes)).toMatchObject({ status, body: { code } });
    expect((await api.catalog.getServer('db01')).decommissioned).toBeNull();
  });

  it('is refused to who may only read, of a server nobody knows, and while a run is open', async () => {
    expect(await decommission({}, api.tokens.read)).toMatchObject({ status: 403, body: { code: 'NOT_ALLOWED' } });
    expect(await post('recommission', { reason: 'x' }, api.tokens.read)).toMatchObject({ status: 403, body: { code: 'NOT_ALLOWED' } });
    for (const what of ['decommission', 'recommission']) {
      const body = what === 'decommission' ? { confirm: 'none', reason: 'x' } : { reason: 'x' };
      expect(await api.call('POST', `/v1/servers/none/${what}`, { body })).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
    }
    const { body: run } = await post('backups', { kind: 'image', mode: 'offline', reason: 'x' });
    expect(await decommission()).toMatchObject({ status: 409, body: { code: 'SERVER_BUSY', runId: run.id } });
  });

  it('keeps the first answer when it is asked for another time, and says what to do', async () => {
    await decommission({ keepDays: 10 });
    expect(await decommission({ keepDays: 3653 })).toMatchObject({
      status: 409,
      body: { code: 'SERVER_DECOMMISSIONED', hint: expect.stringContaining('modosu server recommission db01') },
    });
    expect((await api.catalog.getServer('db01')).decommissioned?.keepDays).toBe(10);
  });

  it('is taken back, also twice', async () => {
    await decommission();
    const back = await post('recommission', { reason: 'db02 is not ready' });
    expect(back).toMatchObject({ status: 200, body: { name: 'db01', decommissioned: null } });
    expect(await post('recommission', { reason: 'db02 is not ready' })).toEqual({ ...back, headers: expect.anything() as Headers });
    expect(await post('recommission', {})).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect((await post('backups', { kind: 'image', mode: 'offline', reason: 'x' })).status).toBe(202);
  });

  it('refuses backups of either kind, with what to do, and starts nothing', async () => {
    await decommission();
    for (const body of [
      { kind: 'image', mode: 'online', reason: 'x' },
      { kind: 'data', reason: 'x' },
    ]) {
      expect(await post('backups', body)).toMatchObject({
        status: 409,
        body: { code: 'SERVER_DECOMMISSIONED', hint: expect.stringContaining('`modosu server recommission db01 --reason TEXT`') },
      });
    }
    expect(api.runStarter.runs).toEqual([]);
  });

  it('lets it be restored; that takes it back into no service', async () => {
    const server = await api.catalog.getServer('db01');
    const point = await api.catalog.recordRecoveryPoint(manifestOf(server), 'main');
    if (point.kind !== 'image') throw new Error('no image');
    await decommission();
    expect((await post('restore-plans', { scenario: 'server' })).status).toBe(202);
    const planId = await api.readyPlan(server, point);
    const run = await api.call('POST', `/v1/restore-plans/${planId}/run`, { body: { reason: 'at 03:00', confirm: 'db01' }, token: api.tokens.operate });
    expect(run.status).toBe(202);
    expect(api.runStarter.runs).toHaveLength(1);
    expect((await api.catalog.getServer('db01')).decommissioned).not.toBeNull();
  });

  it('leaves no breach of it in the status, and counts it', async () => {
    expect((await api.call('GET', '/v1/status')).body).toMatchObject({ isProtected: false, breaches: 1, decommissioned: 0 });
    await decommission();
    expect((await api.call('GET', '/v1/status')).body).toMatchObject({ isProtected: true, breaches: 0, decommissioned: 1, servers: [] });
  });

  it('shows in the preview of retention until when, and then why', async () => {
    const server = await api.catalog.getServer('db01');
    await api.catalog.recordRecoveryPoint(manifestOf(server), 'main');
    const preview = async () => (await api.call('GET', '/v1/servers/db01/retention')).body;
    expect(await preview()).toMatchObject({ decommissioned: null, keep: 1 });
    await decommission({ keepDays: 1 });
    expect(await preview()).toMatchObject({
      decommissioned: { keepDays: 1 },
      keep: 1,
      items: [
        { reasons: [{ rule: 'last' }, { rule: 'newest', detail: expect.stringMatching(/; until .*Z, because the server is decommissioned$/) as string }] },
      ],
    });
    await post('recommission', { reason: 'x' });
    api.clockOffsetMs = -2 * 86_400_000;
    await decommission({ keepDays: 1 });
    expect(await preview()).toMatchObject({ decommissioned: { keepDays: 1 }, keep: 0, expire: 1, items: [{ verdict: 'expire', reasons: [] }] });
  });

  it('leaves in the metrics what is left of it, and nothing that an alarm waits for', async () => {
    await seedData(api);
    const seeded = await api.catalog.getServer('db01');
    await api.doneRestore(seeded, await api.catalog.newestUsable(seeded.id));
    const scrape = async () => (await (await fetch(`${api.url}/metrics`, { headers: { Authorization: `Bearer ${api.tokens.read}` } })).text()).split('\n');
    expect(await scrape()).toEqual(
      expect.arrayContaining([
        'modosu_servers{state="in-service"} 2',
        'modosu_servers{state="decommissioned"} 0',
        'modosu_rto_seconds{server="db01",kind="restore-server"} 42',
      ]),
    );
    await api.catalog.decommissionServer({
      actor: 'alice',
      serverId: (await api.catalog.getServer('db01')).id,
      confirm: 'db01',
      reason: 'replaced',
      keepDays: 90,
    });
    await api.restart();
    const lines = await scrape();
    expect(lines).toEqual(expect.arrayContaining(['modosu_servers{state="in-service"} 1', 'modosu_servers{state="decommissioned"} 1']));
    expect(lines.filter((line) => /^modosu_(breaches|last_usable_recovery_point_timestamp_seconds|rto_seconds|rpo_seconds)\{server="db01"/.test(line))).toEqual(
      [],
    );
    const kept = lines.filter((line) => line.startsWith('modosu_recovery_points{server="db01"') && line.includes('state="usable"'));
    expect(kept.map((line) => /data_set="(\w*)"/.exec(line)?.[1]).toSorted()).toEqual(['', 'shop', 'uploads']);
  });

  it('says in the difference of an estate that it stays so', async () => {
    await decommission();
    const { body } = await api.call('POST', '/v1/estate/diff', { body: { estate: WITH_POLICY } });
    expect(body).toMatchObject({ changes: [{}, {}, {}, { name: 'db01', change: 'unchanged', note: expect.stringContaining('stays decommissioned') }] });
    await api.applyEstate(WITH_POLICY);
    expect((await api.catalog.getServer('db01')).decommissioned).not.toBeNull();
  });

  it('answers nothing wrong while PostgreSQL is away', async () => {
    api.catalog.failWith(new ModosuError('CATALOG_UNAVAILABLE', 'away'));
    expect((await decommission()).status).toBe(503);
    api.catalog.failWith(null);
    expect((await api.catalog.getServer('db01')).decommissioned).toBeNull();
  });
});
