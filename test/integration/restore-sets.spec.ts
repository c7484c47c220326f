import { ModosuError } from '../../src/contracts/errors';
import type { Finding } from '../../src/contracts/plan';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { RestoreSetView } from '../../src/contracts/restore-set';
import { estateSchema } from '../../src/contracts/api/estate';
import { reconcile } from '../../src/temporal/reconcile';
import type { RunDispatcher } from '../../src/temporal/run-starter';
import { FOLLOWER_PROFILE, followerRelations } from '../support/follower-profile';
import { ApiHarness, ESTATE, manifestOf } from './api-harness';
import { cli, startCli, until } from './cli-harness';

const SERVERS = ['db01', 'web01'] as const;
const KEPT = { wasGone: false, volumes: [], nvramPath: null, generationId: null, complete: true };

/** Servers that are restored together, over the API and from the command line. */
describe('restore sets', () => {
  let api: ApiHarness;
  let points: Record<string, ImageRecoveryPointView>;

  beforeEach(async () => {
    api = await ApiHarness.start();
    for (const name of SERVERS) await api.createServer(name);
    const profiles = [{ profile: FOLLOWER_PROFILE, origin: 'own', file: 'follower.yaml' }] as const;
    api.profiles = { find: async () => ({ profiles, problems: [] }), load: async () => profiles };
    const relations = followerRelations('db01', 'web01').map(({ name, type, server, peers, profile, parameters }) => ({
      name,
      type,
      server,
      peers: peers.map((peer) => ({ server: peer.server })),
      profile,
      parameters,
    }));
    const servers = SERVERS.map((name) => ({ ...ESTATE.servers[0], name }));
    await api.applyEstate(estateSchema.parse({ ...ESTATE, servers, relations, groups: [{ name: 'shop', servers: [...SERVERS] }] }));
    points = {};
  });
  afterEach(async () => api.close());

  /** An image of each server, of one backup set, with what both said of the count. */
  const image = async (counts: Readonly<Record<string, string>>, setId: string | null = 'set_1'): Promise<void> => {
    for (const name of SERVERS) {
      const peer = name === 'db01' ? 'web01' : 'db01';
      const side = (of: 'server' | 'peer', value = '0') => ({
        relation: `${name}-${peer}`,
        peer,
        of,
        readings: { count: { state: 'read' as const, value, raw: value, at: '2026-01-01T00:00:00.000Z' } },
      });
      const manifest = { ...manifestOf(await api.catalog.getServer(name)), markers: [side('server', counts[name]), side('peer', counts[peer])] };
      points[name] = await api.catalog.recordRecoveryPoint(setId === null ? manifest : { ...manifest, version: 3, setId, consistency: 'filesystem' }, 'main');
    }
  };
  const plan = (body: object = { servers: SERVERS }, headers: Readonly<Record<string, string>> = {}) => api.call('POST', '/v1/restore-sets', { body, headers });
  const setOf = (body: unknown): RestoreSetView => body as RestoreSetView;
  /** What the workflows of its plans do. */
  const make = async (planId: string, findings: readonly Finding[] = []): Promise<void> => {
    const { scenario, input } = await api.catalog.getDispatchablePlan(planId);
    if (scenario !== 'server' || input.set === undefined) throw new Error('it is no plan of a set');
    const server = await api.catalog.getServer(input.serverId);
    const point = points[server.name];
    if (point === undefined) throw new Error('it has no image');
    await api.completePlan(planId, server, point, findings, { restoreSet: input.set });
  };
  const planned = async (): Promise<RestoreSetView> => {
    await image({ db01: '7', web01: '7' });
    const set = setOf((await plan()).body);
    for (const { planId } of set.members) await make(planId ?? '');
    return set;
  };
  /** A run comes to where it waits before go-live. */
  const replace = async (runId: string): Promise<void> => {
    await api.catalog.startRun(runId);
    await api.catalog.openWayBack(runId, KEPT, { powerState: 'running', agent: 'answering' }, new Date(Date.now() + 86_400_000));
    await api.catalog.recordStep(runId, { seq: 1, key: 'go-live', title: 'Wait for go-live', state: 'waiting' });
  };
  /** One pass of the loop that every control worker has. Runs that have been told to go live do. */
  const pass = async (): Promise<void> => {
    const runs = {
      describeRun: async () => 'running',
      seeRun: async () => ({ state: 'running', retrying: null }),
      tellDecided: (runId: string) => api.endRestore(runId),
      cancelRun: async (runId: string) => {
        await api.catalog.revertWayBack(runId);
        await api.catalog.finishRun(runId, { state: 'cancelled', error: null });
      },
    } as unknown as RunDispatcher;
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined } as unknown as Parameters<typeof reconcile>[0]['log'];
    await reconcile({ catalog: api.catalog, runs, log, now: () => new Date(0) });
  };

  it('are planned: recovery points that agree, one plan each, and nothing asked of the servers', async () => {
    await image({ db01: '7', web01: '7' });
    const answer = await plan({ group: 'shop', incidentAt: new Date().toISOString() });
    const set = setOf(answer.body);
    expect(answer).toMatchObject({ status: 202, body: { state: 'planning', basis: 'freeze', choice: ['Backup set set_1 was chosen.'] } });
    expect(answer.headers.get('location')).toBe(`/v1/restore-sets/${set.id}`);
    expect(set.members.map(({ serverName, recoveryPointId }) => [serverName, recoveryPointId])).toEqual(SERVERS.map((name) => [name, points[name]?.id]));
    expect(api.runStarter.plans.map(({ input }) => input.planId)).toEqual(set.members.map(({ planId }) => planId));
    expect((await api.call('GET', `/v1/restore-sets/${set.id}`)).body).toEqual(answer.body);
    expect((await api.call('GET', '/v1/restore-sets')).body).toEqual({ items: [answer.body], nextCursor: null });
    expect(await api.call('GET', '/v1/restore-sets/rset_none')).toMatchObject({ status: 404, body: { code: 'RESTORE_SET_NOT_FOUND' } });
  });

  it('are planned by the profiles that are right while the file of another one is wrong', async () => {
    await image({ db01: '7', web01: '9' }, null);
    const { profiles } = await api.profiles.find();
    const broken = async () => Promise.reject(new ModosuError('PROFILE_INVALID', 'The profiles have one error.'));
    api.profiles = { find: async () => ({ profiles, problems: [{ profile: 'other', errors: ['other.yaml:1:1: no'] }] }), load: broken };
    expect(await plan()).toMatchObject({ status: 202, body: { basis: 'reseed' } });
  });

  it('are planned to before an incident, also where more images were taken since than are looked at', async () => {
    await image({ db01: '7', web01: '7' });
    const old = { ...points };
    const incidentAt = new Date().toISOString();
    for (const name of SERVERS) {
      const server = await api.catalog.getServer(name);
      for (let generation = 2; generation <= 60; generation += 1) {
        const pointInTime = new Date(Date.parse(incidentAt) + generation * 60_000).toISOString();
        await api.catalog.recordRecoveryPoint({ ...manifestOf(server, generation), pointInTime }, 'main');
      }
    }
    const { status, body } = await plan({ servers: SERVERS, incidentAt });
    expect(status).toBe(202);
    expect(setOf(body).members.map(({ recoveryPointId }) => recoveryPointId)).toEqual(SERVERS.map((name) => old[name]?.id));
    const before = new Date(Date.parse(incidentAt) - 86_400_000).toISOString();
    expect(await plan({ servers: SERVERS, incidentAt: before })).toMatchObject({
      status: 404,
      body: { code: 'NO_RECOVERY_POINT', detail: expect.stringContaining(`from before the incident at ${before}`) as string },
    });
  });

  it('are planned once for one key, also when a recovery point or the group is gone meanwhile', async () => {
    await image({ db01: '7', web01: '7' });
    const headers = { 'Idempotency-Key': 's' };
    const first = await plan({ group: 'shop' }, headers);
    for (const point of Object.values(points)) await api.catalog.markRecoveryPoint(point.id, 'damaged', 'test');
    await api.catalog.applyEstate('setup', estateSchema.parse(ESTATE), [], { prune: true });
    const again = await plan({ group: 'shop' }, headers);
    expect(again).toMatchObject({ status: 202, body: first.body });
    expect([again.headers.get('idempotency-replayed'), again.headers.get('location')]).toEqual(['true', first.headers.get('location')]);
    expect(await plan({ servers: SERVERS }, headers)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    expect(await plan({ group: 'shop' }, { 'Idempotency-Key': 't' })).toMatchObject({ status: 404 });
    expect(api.runStarter.plans).toHaveLength(2);
  });

  it.each<[string, object]>([
    ['one server', { servers: ['db01'] }],
    ['a server twice', { servers: ['db01', 'db01'] }],
    ['neither servers nor a group', {}],
    ['both', { servers: SERVERS, group: 'shop' }],
    ['an incident to come', { servers: SERVERS, incidentAt: '2999-01-01T00:00:00Z' }],
  ])('are refused with %s', async (_what, body) => {
    await image({ db01: '7', web01: '7' });
    expect(await plan(body)).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
  });

  it('are refused where a server is not known, or has nothing, or twice under another name', async () => {
    expect(await plan()).toMatchObject({ status: 404, body: { code: 'NO_RECOVERY_POINT', detail: expect.stringContaining('"db01", "web01"') as string } });
    expect(await plan({ servers: ['db01', 'none'] })).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
    const { id } = await api.catalog.getServer('db01');
    expect(await plan({ servers: ['db01', id] })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect(await api.call('POST', '/v1/restore-sets', { body: { servers: SERVERS }, token: api.tokens.read })).toMatchObject({ status: 403 });
  });

  it('restore the first server alone where no points agree, and say what becomes of the other', async () => {
    await image({ db01: '7', web01: '9' }, null);
    const { body } = await plan();
    expect(body).toMatchObject({ basis: 'reseed', members: [{ serverName: 'db01' }, { serverName: 'web01', recoveryPointId: null, planId: null }] });
    expect(api.runStarter.plans).toHaveLength(1);
  });

  it('are carried out: all wait in quarantine before the first goes live, by whoever has asked for it', async () => {
    const set = await planned();
    const body = { reason: 'both disks died', confirm: ['db01'] };
    expect(await api.call('POST', `/v1/restore-sets/${set.id}/run`, { body })).toMatchObject({ status: 422, body: { code: 'CONFIRMATION_MISMATCH' } });
    const single = { reason: 'x', confirm: 'db01' };
    expect(await api.call('POST', `/v1/restore-plans/${set.members[0]?.planId}/run`, { body: single })).toMatchObject({
      status: 409,
      body: { code: 'PLAN_IN_SET' },
    });

    const headers = { 'Idempotency-Key': 'k1' };
    const request = { body: { ...body, confirm: SERVERS }, headers };
    const begun = await api.call('POST', `/v1/restore-sets/${set.id}/run`, request);
    expect(begun).toMatchObject({ status: 202, body: { state: 'running', run: { by: 'admin', reason: 'both disks died' } } });
    const again = await api.call('POST', `/v1/restore-sets/${set.id}/run`, request);
    expect([again.status, again.headers.get('idempotency-replayed'), api.runStarter.runs.length]).toEqual([202, 'true', 2]);
    const [first, second] = setOf(begun.body).members.map(({ runId }) => runId ?? '') as [string, string];

    await replace(first);
    await pass();
    expect(await api.call('POST', `/v1/runs/${first}/go-live`, { body: { reason: 'now' } })).toMatchObject({ status: 409, body: { code: 'RUN_NOT_WAITING' } });
    await replace(second);
    for (let count = 0; count < 3; count += 1) await pass();
    const ended = await api.call('GET', `/v1/restore-sets/${set.id}`);
    expect(ended.body).toMatchObject({
      state: 'succeeded',
      problem: null,
      members: [
        { runState: 'succeeded', isLive: true },
        { runState: 'succeeded', isLive: true },
      ],
    });
    const { items } = await api.catalog.listAudit({}, { limit: 500, cursor: null });
    expect(
      items.filter(({ action }) => action === 'run.decided' || action === 'run.went-live').map(({ action, actor, runId }) => [action, actor, runId]),
    ).toEqual([
      ['run.decided', 'admin', first],
      ['run.went-live', 'worker', first],
      ['run.decided', 'admin', second],
      ['run.went-live', 'worker', second],
    ]);
  });

  it('put everything back when one run is cancelled before anything is live', async () => {
    const set = await planned();
    const begun = await api.call('POST', `/v1/restore-sets/${set.id}/run`, { body: { reason: 'r', confirm: SERVERS } });
    const [first, second] = setOf(begun.body).members.map(({ runId }) => runId ?? '') as [string, string];
    for (const runId of [first, second]) await replace(runId);
    expect((await api.call('POST', `/v1/runs/${second}/cancel`, { body: { reason: 'not now' } })).status).toBe(202);
    for (let count = 0; count < 3; count += 1) await pass();
    expect((await api.call('GET', `/v1/restore-sets/${set.id}`)).body).toMatchObject({
      state: 'failed',
      members: [
        { runState: 'cancelled', isLive: false },
        { runState: 'cancelled', isLive: false },
      ],
    });
  });

  describe('from the command line', () => {
    /** What the workflows would do, as soon as the plans are asked for. */
    const makeAll = (findings: readonly Finding[] = []): void => {
      api.runStarter.onPlan = ({ input }) => make(input.planId, findings);
    };
    const UNKNOWN: Finding = {
      code: 'SET_RESTS_ON_FREEZE',
      severity: 'unknown',
      message: 'Nobody knows.',
      evidence: [],
      relation: { name: 'db01-web01', peer: 'web01', profile: 'follower' },
    };

    it('plan-set shows the choice, what is not known, and the command that carries it out', async () => {
      await image({ db01: '7', web01: '7' });
      makeAll([UNKNOWN]);
      const { code, stdout } = await cli(api, ['restore', 'plan-set', 'db01', 'web01']);
      const [set] = (await api.catalog.listRestoreSets({ limit: 1, cursor: null })).items;
      expect(code).toBe(0);
      expect(stdout).toContain(`Restore set ${set?.id}`);
      expect(stdout).toContain('Backup set set_1 was chosen.');
      expect(stdout).toContain('UNKNOWN  SET_RESTS_ON_FREEZE: Nobody knows.');
      expect(stdout).toContain(`modosu restore run-set ${set?.id} --reason "WHY" --confirm db01 --confirm web01 --acknowledge-unknown --wait`);
      const shown = await cli(api, ['restore', 'show', set?.members[0]?.planId ?? '']);
      expect(shown.stdout).toContain(`this plan is carried out with its set: modosu restore-set show ${set?.id}`);
      const id = set?.id ?? '';
      expect(JSON.parse((await cli(api, ['restore-set', 'show', id, '-o', 'json'])).stdout)).toMatchObject({ id, state: 'planned' });
      expect((await cli(api, ['restore-set', 'list'])).stdout).toContain('db01, web01');
      for (const words of [['show-set', id], ['list-sets']]) expect((await cli(api, ['restore', ...words])).code).toBe(2);
      expect((await cli(api, ['restore', '--help'])).stdout).not.toMatch(/list-sets|show-set/);
      for (const words of [
        ['restore-set', 'show'],
        ['restore', 'run-set'],
      ]) {
        expect((await cli(api, ['complete', '--', ...words, ''])).stdout).toMatch(new RegExp(`^${id}\\tdb01, web01, planned, `));
      }
    });

    it('plan-set ends with the code of a blocked plan, and of one that could not be made', async () => {
      await image({ db01: '7', web01: '7' });
      makeAll([{ ...UNKNOWN, code: 'FOLLOWER_AHEAD', severity: 'block' }]);
      const blocked = await cli(api, ['restore', 'plan-set', '--group', 'shop']);
      expect(blocked.code).toBe(9);
      expect(blocked.stdout).toContain('--override FOLLOWER_AHEAD --override-reason "WHY"');
      const incidentAt = new Date().toISOString();
      expect(await cli(api, ['restore', 'plan-set', '--group', 'shop', '--incident-at', incidentAt])).toMatchObject({ code: 9 });
      expect(api.runStarter.plans.at(-1)).toMatchObject({ input: { incidentAt } });
      api.runStarter.onPlan = ({ input }) => api.catalog.failPlan(input.planId, { code: 'AGENT_ABSENT', message: 'nobody answers', hint: 'look' });
      const failed = await cli(api, ['restore', 'plan-set', '--group', 'shop']);
      expect([failed.code, failed.stderr]).toEqual([5, expect.stringContaining('The plan of "db01", "web01" could not be made.')]);
      const early = await cli(api, ['restore', 'plan-set', '--group', 'shop', '--incident-at', '2026-03-01T02:10:00Z']);
      expect([early.code, early.stderr]).toEqual([3, expect.stringContaining('2026-03-01')]);
      expect((await cli(api, ['restore', 'plan-set'])).code).toBe(2);
      expect((await cli(api, ['restore', 'plan-set', 'db01', '--group', 'shop'])).code).toBe(2);
    });

    it('run-set --wait follows it to its end', async () => {
      const set = await planned();
      const command = startCli(api, ['restore', 'run-set', set.id, '--reason', 'both died', '--confirm', 'db01', '--confirm', 'web01', '--wait']);
      await until('the runs are started', () => api.runStarter.runs.length === 2);
      for (const { input } of api.runStarter.runs) await replace(input.runId);
      await until('both are seen to wait', () => command.stderr.includes('db01 waits: go-live, web01 waits: go-live'));
      for (let count = 0; count < 3; count += 1) await pass();
      const { code, stdout } = await command.end();
      expect([code, stdout]).toEqual([0, expect.stringContaining('succeeded: all are live')]);
    });

    it('run-set --wait survives a restart of the API and of its database: the exit code is that of the set', async () => {
      const set = await planned();
      const command = startCli(api, ['restore', 'run-set', set.id, '--reason', 'both died', '--confirm', 'db01', '--confirm', 'web01', '--wait']);
      await until('the runs are started', () => api.runStarter.runs.length === 2);
      for (const { input } of api.runStarter.runs) await replace(input.runId);
      await until('both are seen to wait', () => command.stderr.includes('db01 waits: go-live, web01 waits: go-live'));
      const away = jest.spyOn(api.catalog, 'getRestoreSet').mockRejectedValue(new ModosuError('CATALOG_UNAVAILABLE', 'PostgreSQL does not answer.'));
      await until('the command knows', () => command.stderr.includes('PostgreSQL does not answer. It goes on by itself; asking again.'));
      away.mockRestore();
      await api.restart();
      for (let count = 0; count < 3; count += 1) await pass();
      const { code, stdout } = await command.end();
      expect([code, stdout]).toEqual([0, expect.stringContaining('succeeded: all are live')]);
    });

    it('run-set --wait stops with the code for people where somebody has to sign off', async () => {
      const set = await planned();
      const command = startCli(api, ['restore', 'run-set', set.id, '--reason', 'both died', '--confirm', 'db01', '--confirm', 'web01', '--wait']);
      await until('the runs are started', () => api.runStarter.runs.length === 2);
      const runId = api.runStarter.runs[0]?.input.runId ?? '';
      await api.catalog.startRun(runId);
      await api.catalog.recordStep(runId, { seq: 1, key: 'sign-off', title: 'Sign off', state: 'waiting' });
      const { code, stdout } = await command.end();
      expect([code, stdout]).toEqual([7, expect.stringContaining(`waits for you: modosu run show ${runId}`)]);
    });
  });
});
