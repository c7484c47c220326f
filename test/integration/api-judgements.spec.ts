import { JudgementCalls } from '../../activities/judgement-activities';
import type { Catalog } from '../../src/catalog/catalog';
import { ModosuError } from '../../src/contracts/errors';
import { estateSchema } from '../../src/contracts/api/estate';
import { nightOccasion, type JudgementView } from '../../src/contracts/judgement';
import type { Comeback, Judgement } from '../../src/contracts/judgement';
import { ApiHarness, ESTATE, manifestOf } from './api-harness';
import { cli } from './cli-harness';

jest.setTimeout(180_000);

const TOO_OLD = {
  name: 'age',
  type: 'member-of',
  server: 'db01',
  peers: [{ server: 'web01' }],
  profile: 'max-age',
  parameters: { hours: '0.5', severity: 'block' },
};
const ZONE = {
  name: 'zone',
  type: 'replicates-with',
  server: 'web01',
  address: '127.0.0.1',
  peers: [{ server: 'db01', address: '127.0.0.1' }],
  profile: 'dns-zone',
  parameters: { zone: 'example.test', primary: 'web01' },
};
const estateWith = (relations: readonly object[]) =>
  estateSchema.parse({ ...ESTATE, servers: [...ESTATE.servers, { ...ESTATE.servers[0], name: 'web01' }], relations });

describe('which servers could come back alone', () => {
  let api: ApiHarness;
  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer('db01');
    await api.createServer('web01');
    await api.applyEstate(estateWith([TOO_OLD, ZONE]));
    // What a worker does, as far as no peer has to be asked.
    const judging = new JudgementCalls({ catalog: api.catalog as Catalog, profiles: api.profiles, log: { info: noop, warn: noop, error: noop } });
    api.runStarter.onJudging = async () => {
      const { begunAt, serverIds } = await judging.dueJudgements();
      await judging.judgeStored({ begunAt, serverIds });
    };
  });
  afterEach(() => api.close());

  const imageOf = async (name: string): Promise<void> => void (await api.catalog.recordRecoveryPoint(manifestOf(await api.catalog.getServer(name)), 'main'));
  const judge = (body: object = {}, token = api.tokens.operate) => api.call('POST', '/v1/relations/judgements', { body, token });
  const known = async (): Promise<readonly JudgementView[]> =>
    ((await api.call('GET', '/v1/relations/judgements')).body as unknown as { items: readonly JudgementView[] }).items;
  const comebackOf = async (name: string): Promise<Comeback | null | undefined> => {
    const { servers } = (await api.call('GET', '/v1/status')).body as unknown as { servers: readonly { serverName: string; comeback: Comeback | null }[] };
    return servers.find(({ serverName }) => serverName === name)?.comeback;
  };

  it('is found out when somebody asks, of one server or all, and told with what stands against it', async () => {
    await imageOf('db01');
    expect(await comebackOf('db01')).toMatchObject({ verdict: null, judgedAt: null, isOutdated: false });
    expect(await comebackOf('web01')).toBeNull();
    expect(await judge({ server: 'db01' })).toMatchObject({ status: 202, body: { items: [{ serverName: 'db01' }] } });
    const [db01] = await known();
    expect(db01).toMatchObject({ serverName: 'db01', isAsked: false, judged: { worst: 'block' } });
    expect(db01?.judged?.findings.map(({ code, severity }) => `${severity} ${code}`)).toContain('block RECOVERY_POINT_TOO_OLD');
    expect((await api.call('GET', '/v1/relations/judgements?server=db01')).body).toMatchObject({ items: [db01] });
    expect(await comebackOf('db01')).toMatchObject({
      verdict: 'block',
      findings: [{ code: 'RECOVERY_POINT_TOO_OLD', relation: { name: 'age', peer: 'web01' } }],
    });
    expect((await api.call('GET', '/v1/status')).body).toMatchObject({ isProtected: false });
    const audit = await api.catalog.listAudit({}, { limit: 100, cursor: null });
    expect(audit.items.at(-1)).toMatchObject({ action: 'judgement.requested', actor: 'operate', details: { servers: ['db01'] } });
  });

  it('is not known where nothing was read of a peer, and known when it was', async () => {
    await imageOf('web01');
    await judge();
    expect(await comebackOf('web01')).toMatchObject({ verdict: 'unknown' });
    const [code] = (await api.call('GET', '/v1/status').then(({ body }) => body as unknown as { servers: { breaches: { code: string }[] }[] })).servers.flatMap(
      ({ breaches }) => breaches.filter((breach) => breach.code.startsWith('COMEBACK')),
    );
    expect(code).toBeUndefined();
    const web01 = await api.catalog.getServer('web01');
    const reading = (value: string) => ({ state: 'read' as const, value, raw: value, at: new Date().toISOString() });
    await api.catalog.recordReadings(nightOccasion(web01.id), [{ relation: 'zone', peer: 'db01', of: 'peer', readings: { serial: reading('12') } }]);
    await judge();
    expect((await known())[0]?.judged?.findings.map(({ code: found }) => found)).toContain('MARKER_NOT_CAPTURED');
  });

  it('is refused of what has no rules or no image, without a right to operate, and of nobody', async () => {
    expect(await judge({ server: 'db01' })).toMatchObject({ status: 404, body: { code: 'NO_RECOVERY_POINT' } });
    expect(await judge({ server: 'mail01' })).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
    expect(await judge({ server: '../x' })).toMatchObject({ body: { code: 'NAME_INVALID' } });
    expect(await judge({ servers: [] })).toMatchObject({ status: 422 });
    expect(await judge({}, api.tokens.read)).toMatchObject({ status: 403 });
    expect(await judge()).toMatchObject({ status: 202, body: { items: [] } });
  });

  it('is asked for also while Temporal is away: a worker begins it', async () => {
    await imageOf('db01');
    api.runStarter.down = true;
    expect(await judge()).toMatchObject({ status: 202, body: { items: [{ serverName: 'db01', isAsked: true, judged: null }] } });
    expect(api.log.map(({ message }) => message)).toContain('judging is asked for but has not begun yet; a worker will begin it');
    expect(await api.catalog.askForNightly(4)).toBe(1);
  });

  it('shows as outdated when nobody has judged for a day and a half, and is told then', async () => {
    await imageOf('db01');
    api.clockOffsetMs = -37 * 3_600_000;
    await judge();
    api.clockOffsetMs = 0;
    expect(await comebackOf('db01')).toMatchObject({ verdict: 'block', isOutdated: true });
    expect((await cli(api, ['status'])).stdout).toMatch(/^db01 +COULD NOT .* 1 d 13 h ago, OUTDATED +RECOVERY_POINT_TOO_OLD/m);
  });

  it('is in the metrics', async () => {
    await imageOf('db01');
    const scrape = async (): Promise<readonly string[]> =>
      (await (await fetch(`${api.url}/metrics`, { headers: { Authorization: `Bearer ${api.tokens.read}` } })).text()).split('\n');
    await imageOf('web01');
    await judge({ server: 'db01' });
    const lines = await scrape();
    expect(lines).toEqual(
      expect.arrayContaining([
        'modosu_comes_back_alone{server="db01",verdict="block"} 1',
        'modosu_comes_back_alone{server="db01",verdict="ok"} 0',
        'modosu_comes_back_alone{server="web01",verdict="block"} 0',
        'modosu_breaches{server="db01",code="CANNOT_COME_BACK_ALONE"} 1',
        'modosu_last_judgement_timestamp_seconds{server="web01"} 0',
      ]),
    );
    expect(lines.some((line) => /^modosu_last_judgement_timestamp_seconds\{server="db01"\} 1\d{9}$/.test(line))).toBe(true);
  });

  describe('on the command line', () => {
    it('status names them, with since when, when it was judged, and why', async () => {
      await imageOf('db01');
      expect((await cli(api, ['status'])).stdout).toMatch(/^SERVER {2}RESTORED ALONE +SINCE +JUDGED +WHY\ndb01 +not judged yet +- +- +-$/m);
      await judge();
      const { code, stdout } = await cli(api, ['status']);
      expect(code).toBe(1);
      expect(stdout).toMatch(/^db01 +COULD NOT +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +\d+ (?:ms|s) ago +RECOVERY_POINT_TOO_OLD \(web01\)$/m);
      expect(stdout).toMatch(/CANNOT_COME_BACK_ALONE \(since .*\): If server "db01" were restored to its newest image now, its peers would not accept it/);
      const json = JSON.parse((await cli(api, ['status', '--output', 'json'])).stdout) as { servers: { comeback: Comeback | null }[] };
      expect(json.servers.map(({ comeback }) => comeback?.verdict)).toEqual(['block', undefined]);
    });

    it('relation judge asks now, waits for it, and says by its exit code that one could not', async () => {
      await imageOf('db01');
      const { code, stdout, stderr } = await cli(api, ['relation', 'judge', 'db01', '--wait']);
      expect([code, stderr]).toEqual([9, expect.stringContaining('1 server is judged. Safe to close: it goes on by itself.')]);
      expect(stdout).toMatch(/^restored alone +COULD NOT$/m);
      expect(stdout).toMatch(/^ {2}BLOCKS {2}RECOVERY_POINT_TOO_OLD: /m);
      const all = await cli(api, ['relation', 'judge']);
      expect([all.code, all.stdout]).toEqual([0, expect.stringMatching(/^db01 +COULD NOT .* yes|^db01 +COULD NOT/m)]);
      expect((await cli(api, ['relation', 'judge', 'web01'])).stderr).toContain('NO_RECOVERY_POINT');
    });

    it('relation judge --wait does not take for good what could not be found out', async () => {
      await imageOf('web01');
      const unknown = await cli(api, ['relation', 'judge', 'web01', '--wait']);
      expect([unknown.code, unknown.stdout]).toEqual([1, expect.stringMatching(/^restored alone +NOT KNOWN$/m)]);
      expect(unknown.stderr).toContain('Of web01 it could not be found out; see `modosu relation judgement web01`.');
      expect((await cli(api, ['relation', 'judge', '--wait'])).code).toBe(1);
      // What is known to be bad is worse than what is not known.
      await imageOf('db01');
      const both = await cli(api, ['relation', 'judge', '--wait']);
      expect([both.code, both.stderr]).toEqual([9, expect.stringContaining('Of web01 it could not be found out; see')]);
    });

    it('relation judge --wait takes neither what failed for good, nor what did not come, nor what was known before; where nothing is to be judged, nothing is unknown', async () => {
      const judge = (...words: readonly string[]) => cli(api, ['relation', 'judge', ...words, '--wait']);
      expect(await judge()).toMatchObject({ code: 0, stderr: expect.stringContaining('Nothing is judged here') as string });
      await imageOf('web01');
      const web01 = await api.catalog.getServer('web01');
      const due = () => api.catalog.dueJudgements(10);
      const record = async (judgement: Judgement | null): Promise<void> => {
        const { begunAt, serverIds } = await due();
        await api.catalog.recordJudgements(
          begunAt,
          serverIds.map((serverId) => ({ serverId, judgement })),
        );
      };
      api.runStarter.onJudging = () => record({ recoveryPointId: 'rp_1', worst: 'ok', findings: [] });
      expect(await judge('web01')).toMatchObject({ code: 0, stdout: expect.stringContaining('would be accepted') as string });
      const unknown = { code: 1, stderr: expect.stringContaining('Of web01 it could not be found out; see') as string };
      // What was known before stays, and was not found out now.
      api.runStarter.onJudging = () => record(null);
      expect(await judge('web01')).toMatchObject({ ...unknown, stdout: expect.stringContaining('would be accepted') as string });
      const why = new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirtd is away.').summary();
      const calls = new JudgementCalls({ catalog: api.catalog as Catalog, profiles: api.profiles, log: { info: noop, warn: noop, error: noop } });
      api.runStarter.onJudging = async () => calls.recordUnjudged({ begunAt: (await due()).begunAt, serverId: web01.id, why });
      expect(await judge('web01')).toMatchObject({ ...unknown, stdout: expect.stringContaining('JUDGEMENT_FAILED') as string });
      api.runStarter.onJudging = async () =>
        void (await api.catalog.decommissionServer({ actor: 'alice', serverId: web01.id, confirm: 'web01', reason: 'gone', keepDays: 1 }));
      expect(await judge('web01')).toMatchObject(unknown);
    });

    it('relation judgement and list show it beside each relation', async () => {
      const nothing = await cli(api, ['relation', 'judgement']);
      expect([nothing.code, nothing.stderr]).toEqual([0, expect.stringContaining('Nothing is judged here')]);
      await imageOf('db01');
      await judge();
      expect((await cli(api, ['relation', 'judgement'])).stdout).toMatch(/^db01 +COULD NOT /m);
      expect((await cli(api, ['relation', 'judgement', 'db01'])).stdout).toContain('BLOCKS  RECOVERY_POINT_TOO_OLD');
      const { stdout } = await cli(api, ['relation', 'list']);
      expect(stdout).toMatch(/^age +db01 .* max-age +block \(web01\) +hours=0\.5 severity=block$/m);
      expect(stdout).toMatch(/^zone +web01 .* dns-zone +- /m);
      const json = JSON.parse((await cli(api, ['relation', 'list', '--output', 'json'])).stdout) as { name: string; judged: object[] }[];
      expect(json.map(({ name, judged }) => [name, judged])).toMatchObject([
        ['age', [{ peer: 'web01', verdict: 'block' }]],
        ['zone', []],
      ]);
    });
  });
});

const noop = (): void => undefined;
