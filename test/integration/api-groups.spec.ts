import type { BackupSetView } from '../../src/contracts/backup-set';
import { ApiHarness, ESTATE, manifestOf } from './api-harness';
import { eventually } from '../support/up-process';
import { cli, startCli } from './cli-harness';

const SERVERS = ['db01', 'web01'];
const withGroups = (groups: readonly object[], servers = SERVERS) => ({
  ...ESTATE,
  servers: servers.map((name) => ({ ...ESTATE.servers[0], name })),
  groups,
});
const SHOP = { name: 'shop', servers: ['web01', 'db01'] };

describe('groups of servers and their backup sets', () => {
  let api: ApiHarness;

  beforeEach(async () => {
    api = await ApiHarness.start();
    for (const name of SERVERS) await api.createServer(name);
  });
  afterEach(async () => api.close());

  const apply = (estate: object, options: object = {}) => api.call('POST', '/v1/estate', { body: { estate, ...options } });
  const backUp = (body: object = { reason: 'before the migration' }, headers: Readonly<Record<string, string>> = {}, group = 'shop') =>
    api.call('POST', `/v1/groups/${group}/backups`, { body, headers });
  const setOf = (body: unknown): BackupSetView => body as BackupSetView;
  /** What a worker does for every server of the set, one of them a moment after the other. */
  const take = async (set: BackupSetView): Promise<void> => {
    for (const [index, { serverName, runId }] of set.members.entries()) {
      const { input } = await api.catalog.getDispatchable(runId);
      if (!('recoveryPointId' in input)) throw new Error('no run of an image');
      await api.catalog.startRun(runId);
      const server = await api.catalog.getServer(serverName);
      const pointInTime = new Date(Date.UTC(2026, 2, 1, 12, 0, 0, index * 40)).toISOString();
      await api.catalog.recordRecoveryPoint(
        { ...manifestOf(server), recoveryPointId: input.recoveryPointId, runId, version: 3, setId: set.id, pointInTime, consistency: 'filesystem' },
        'main',
      );
      await api.catalog.finishRun(runId, { state: 'succeeded', error: null, recoveryPointId: input.recoveryPointId });
    }
  };

  it('are declared with the estate, and shown', async () => {
    expect((await apply(withGroups([SHOP]))).body).toMatchObject({
      changes: expect.arrayContaining([{ subject: 'group', name: 'shop', change: 'create', fields: ['servers: web01, db01'] }]) as unknown,
    });
    const group = { ...SHOP, lastSet: null };
    expect((await api.call('GET', '/v1/groups')).body).toEqual({ items: [group], nextCursor: null });
    expect((await api.call('GET', '/v1/groups/shop')).body).toEqual(group);
    for (const name of ['none', '%00', 'Shop']) {
      expect(await api.call('GET', `/v1/groups/${name}`)).toMatchObject({ status: 404, body: { code: 'GROUP_NOT_FOUND' } });
    }
  });

  it.each<[string, object, string, string]>([
    [
      'a server that is not declared',
      { name: 'shop', servers: ['db01', 'mail01'] },
      'estate.groups[0].servers[1]',
      'no server named "mail01" is declared in this file',
    ],
    ['only one server', { name: 'shop', servers: ['db01'] }, 'estate.groups[0].servers', 'a group has 2 to 50 servers'],
    ['the same server twice', { name: 'shop', servers: ['db01', 'web01', 'db01'] }, 'estate.groups[0].servers', 'the same server stands in it twice'],
  ])('refuse %s, and change nothing', async (_what, group, path, message) => {
    expect(await apply(withGroups([group]))).toMatchObject({ status: 422, body: { code: 'ESTATE_INVALID', errors: [{ path, message }] } });
    expect(await api.catalog.listServers()).toEqual([]);
  });

  it('refuse two groups of one name, and more than fifty servers', async () => {
    expect((await apply(withGroups([SHOP, SHOP]))).body).toMatchObject({
      code: 'ESTATE_INVALID',
      errors: [{ path: 'estate.groups', message: 'names must be unique' }],
    });
    const many = Array.from({ length: 51 }, (_, index) => `web${index}`);
    expect((await apply(withGroups([{ name: 'many', servers: many }], many))).body).toMatchObject({
      code: 'ESTATE_INVALID',
      errors: [{ path: 'estate.groups[0].servers', message: 'a group has 2 to 50 servers' }],
    });
  });

  it('may hold servers of several hypervisors, and share them', async () => {
    const estate = withGroups([SHOP, { name: 'all', servers: SERVERS }]);
    await api.applyEstate();
    const other = { ...estate, hypervisors: [...ESTATE.hypervisors, { name: 'other', kind: 'libvirt' as const, uri: 'qemu:///system' as const }] };
    const servers = other.servers.map((server) => (server.name === 'web01' ? { ...server, hypervisor: 'other' } : server));
    const uuids = await api.hypervisor.listServers();
    const resolved = servers.map(({ name }) => ({ name, domainName: name, uuid: uuids.find(({ domainName }) => domainName === name)?.uuid ?? '' }));
    await api.catalog.applyEstate('test', { ...other, servers } as never, resolved);
    expect((await backUp()).status).toBe(202);
    expect(api.runStarter.runs.map(({ input }) => input.hypervisor).sort()).toEqual(['local', 'other']);
  });

  it('are taken as a set: one run of each server, started after what brings them together', async () => {
    await apply(withGroups([SHOP]));
    const answer = await backUp({ reason: 'before the migration', allowCrashConsistent: true });
    const set = setOf(answer.body);
    expect(answer).toMatchObject({ status: 202, body: { group: 'shop', state: 'running', spreadMs: null, reason: 'before the migration' } });
    expect(answer.headers.get('location')).toBe(`/v1/backup-sets/${set.id}`);
    expect(api.runStarter.sets).toMatchObject([{ setId: set.id, group: 'shop', deadline: set.deadline }]);
    expect(api.runStarter.runs.map(({ input }) => input.runId).sort()).toEqual(set.members.map(({ runId }) => runId).sort());
    expect(api.runStarter.runs[0]?.input).toMatchObject({ mode: 'online', allowCrashConsistent: true, set: { id: set.id } });
    expect(Date.parse(set.deadline) - Date.parse(set.requestedAt)).toBe(600_000);
    expect((await api.call('GET', `/v1/runs/${set.members[0]?.runId}`)).body).toMatchObject({ setId: set.id });

    await take(set);
    const ended = await api.call('GET', `/v1/backup-sets/${set.id}`);
    expect(ended).toMatchObject({ status: 200, body: { state: 'complete', spreadMs: 40 } });
    expect((await api.call('GET', '/v1/backup-sets?group=shop')).body).toEqual({ items: [ended.body], nextCursor: null });
    expect((await api.call('GET', '/v1/groups/shop')).body).toMatchObject({ lastSet: ended.body });
    expect((await api.call('GET', '/v1/recovery-points')).body).toMatchObject({ items: [{ setId: set.id }, { setId: set.id }] });
    expect((await api.call('GET', '/v1/backup-sets?group=none')).body).toEqual({ items: [], nextCursor: null });
    expect(await api.call('GET', '/v1/backup-sets/set_none')).toMatchObject({ status: 404, body: { code: 'BACKUP_SET_NOT_FOUND' } });
  });

  it('the same Idempotency-Key gives the same set; with another request it is refused', async () => {
    await apply(withGroups([SHOP]));
    const headers = { 'Idempotency-Key': 'k1' };
    const first = await backUp({ reason: 'nightly' }, headers);
    const again = await backUp({ reason: 'nightly' }, headers);
    expect([again.status, setOf(again.body).id, again.headers.get('idempotency-replayed')]).toEqual([202, setOf(first.body).id, 'true']);
    expect(api.runStarter.sets).toHaveLength(1);
    expect(await backUp({ reason: 'weekly' }, headers)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  it('one busy server refuses the whole: it is named, and nothing is started', async () => {
    await apply(withGroups([SHOP]));
    const run = await api.call('POST', '/v1/servers/web01/backups', { body: { kind: 'image', mode: 'online', reason: 'by itself' } });
    expect(await backUp()).toMatchObject({
      status: 409,
      body: {
        code: 'SERVER_BUSY',
        runId: (run.body as unknown as { id: string }).id,
        detail: expect.stringContaining('server "web01" is held by run') as string,
      },
    });
    expect([api.runStarter.sets, api.runStarter.runs.length]).toEqual([[], 1]);
    expect((await api.call('POST', '/v1/servers/db01/backups', { body: { kind: 'image', mode: 'online', reason: 'free' } })).status).toBe(202);
  });

  it('a set cannot be taken offline, and says what can', async () => {
    await apply(withGroups([SHOP]));
    expect(await backUp({ mode: 'offline', reason: 'stopped' })).toMatchObject({
      status: 422,
      body: { code: 'BACKUP_SET_ONLINE_ONLY', hint: expect.stringContaining('modosu backup image NAME --mode offline --reason TEXT') as string },
    });
    expect(await api.catalog.listOpenRuns()).toEqual([]);
  });

  it.each<[string, object, string, number, string]>([
    ['an unknown group', { reason: 'x' }, 'none', 404, 'GROUP_NOT_FOUND'],
    ['no reason', {}, 'shop', 422, 'REQUEST_INVALID'],
    ['another mode', { mode: 'warm', reason: 'x' }, 'shop', 422, 'REQUEST_INVALID'],
    ['a field nobody knows', { reason: 'x', full: true }, 'shop', 422, 'REQUEST_INVALID'],
  ])('a set with %s is refused', async (_what, body, group, status, code) => {
    await apply(withGroups([SHOP]));
    expect(await backUp(body, {}, group)).toMatchObject({ status, body: { code } });
  });

  it('need the scope to operate', async () => {
    await apply(withGroups([SHOP]));
    const asReader = { token: api.tokens.read };
    expect(await api.call('POST', '/v1/groups/shop/backups', { ...asReader, body: { reason: 'x' } })).toMatchObject({ status: 403 });
    expect((await api.call('GET', '/v1/groups', asReader)).status).toBe(200);
  });

  it('nothing is written down while Temporal is away; what fails to start after that is started later', async () => {
    await apply(withGroups([SHOP]));
    api.runStarter.down = true;
    expect((await backUp()).status).toBe(503);
    expect(await api.catalog.listOpenRuns()).toEqual([]);
    api.runStarter.down = false;
    api.runStarter.failsToStart = true;
    expect(await backUp()).toMatchObject({ status: 202, body: { state: 'running' } });
    expect(api.runStarter.runs).toEqual([]);
    expect((await api.catalog.listOpenSets(new Date(Date.now() + 60_000))).length).toBe(1);
  });

  it('a group that is deleted while its set runs: the set goes on', async () => {
    await apply(withGroups([SHOP]));
    const set = setOf((await backUp()).body);
    expect((await apply(withGroups([]), { prune: true })).body).toMatchObject({
      changes: expect.arrayContaining([{ subject: 'group', name: 'shop', change: 'delete', fields: [] }]) as unknown,
    });
    expect((await api.call('GET', '/v1/groups/shop')).status).toBe(404);
    await take(set);
    expect((await api.call('GET', `/v1/backup-sets/${set.id}`)).body).toMatchObject({ group: 'shop', state: 'complete', spreadMs: 40 });
  });

  describe('at the command line', () => {
    /** The set that a command under way has asked for. */
    const newest = async (): Promise<BackupSetView> => {
      const items = await eventually(
        async () => (await api.catalog.listSets({}, { limit: 1, cursor: null })).items,
        ({ length }) => length > 0,
      );
      return items[0] as BackupSetView;
    };

    it('backup group takes a set, waits for it, and shows the spread', async () => {
      expect((await cli(api, ['group', 'list'])).stderr).toContain('There is no group yet');
      await apply(withGroups([SHOP]));
      expect((await cli(api, ['group', 'show', 'shop'])).stdout).toContain('No set was taken yet: `modosu backup group shop --reason TEXT`');
      const running = startCli(api, ['backup', 'group', 'shop', '--reason', 'nightly', '--wait', '--output', 'json']);
      const asked = await newest();
      await take(asked);
      const { code, stdout, stderr } = await running.end();
      expect([code, JSON.parse(stdout)]).toMatchObject([0, { state: 'complete', spreadMs: 40, members: [{ serverName: 'db01' }, { serverName: 'web01' }] }]);
      expect(stderr).toContain('Safe to close');
      const { id } = asked;
      expect((await cli(api, ['backup-set', 'show', id])).stdout).toMatch(
        /complete: every server has its recovery point[^]*40 ms from the first to the last[^]*db01 .*filesystem/,
      );
      expect((await cli(api, ['backup-set', 'list', '--group', 'shop'])).stdout).toMatch(new RegExp(`${id} +shop +complete +2 of 2 +40 ms`));
      expect((await cli(api, ['group', 'list'])).stdout).toMatch(new RegExp(`shop +2 +${id} +complete`));
      expect((await cli(api, ['group', 'show', 'shop'])).stdout).toContain(id);
      expect(JSON.parse((await cli(api, ['group', 'show', 'shop', '--output', 'json'])).stdout)).toMatchObject({ name: 'shop', lastSet: { id } });
      const point = (await api.catalog.listRecoveryPoints({}, { limit: 1, cursor: null })).items[0]?.id ?? '';
      expect((await cli(api, ['recovery-point', 'show', point])).stdout).toContain(id);
      expect((await cli(api, ['run', 'show', asked.members[0]?.runId ?? ''])).stdout).toContain(id);
    });

    it('a set that is not whole ends the command with code 6, and says which server was in the way', async () => {
      await apply(withGroups([SHOP]));
      const running = startCli(api, ['backup', 'group', 'shop', '--reason', 'nightly', '--wait']);
      const asked = await newest();
      for (const { runId } of asked.members) {
        await api.catalog.finishRun(runId, { state: 'failed', error: { code: 'AGENT_SILENT', message: 'its agent does not answer', hint: 'look' } });
      }
      const { code, stdout, stderr } = await running.end();
      expect(code).toBe(6);
      expect(stdout).toContain('failed: there is no recovery point');
      expect(stdout).toContain('db01: AGENT_SILENT: its agent does not answer');
      expect(stderr).toContain(`modosu backup-set show ${asked.id}`);
    });

    it('refuses what cannot be', async () => {
      await apply(withGroups([SHOP]));
      expect(await cli(api, ['backup', 'group', 'none', '--reason', 'x'])).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('GROUP_NOT_FOUND') as string,
      });
      expect(await cli(api, ['backup', 'group', 'shop', '--mode', 'offline', '--reason', 'x'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('BACKUP_SET_ONLINE_ONLY') as string,
      });
      expect(await cli(api, ['backup-set', 'show', 'nonsense'])).toMatchObject({ code: 3, stderr: expect.stringContaining('BACKUP_SET_NOT_FOUND') as string });
    });
  });
});
