import { ModosuError } from '../../src/contracts/errors';
import { ApiHarness } from './api-harness';
import { seedData } from './data-harness';

const SAMPLE = /^[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? -?\d+(\.\d+)?(e[+-]\d+)?$/;
jest.setTimeout(180_000);

const never = new Promise<never>(() => undefined);

describe('metrics and readiness of the API', () => {
  let api: ApiHarness;
  beforeEach(async () => {
    api = await ApiHarness.start({ partTimeoutMs: 500 });
  });
  afterEach(() => api.close());

  const scrape = async (): Promise<readonly string[]> => {
    const answer = await fetch(`${api.url}/metrics`, { headers: { Authorization: `Bearer ${api.tokens.read}` } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    return (await answer.text()).trimEnd().split('\n');
  };
  const unavailable = new ModosuError('CATALOG_UNAVAILABLE', 'PostgreSQL at 10.0.0.7 does not answer.');

  describe('/metrics', () => {
    it('of an installation without anything has no family without a value, and every counter that an alarm waits for', async () => {
      const lines = await scrape();
      for (const kind of ['backup-image', 'backup-data', 'restore-server', 'restore-data', 'undo', 'confirm']) {
        expect(lines).toContain(`modosu_runs_total{kind="${kind}",outcome="failed"} 0`);
      }
      expect(lines).toContain('modosu_restore_bytes_total{kind="restore-data"} 0');
      expect(lines).toEqual(expect.arrayContaining(['modosu_build_info{version="0.0.0-test"} 1', 'modosu_runs_waiting 0', 'modosu_ways_back_open 0']));
      const families = lines.filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2] ?? '');
      for (const name of families) expect(lines.some((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))).toBe(true);
    });

    it('shows runs, recovery points, what restores took, ways back and room; every line is well-formed and no id of a run is in it', async () => {
      const { server, point } = await api.seed();
      const done = await api.doneRestore(server, point);
      const { runId } = await api.catalog.acceptBackup({
        actor: 'a',
        idempotencyKey: null,
        requestDigest: '',
        serverId: server.id,
        reason: 'x',
        mode: 'offline',
        allowCrashConsistent: false,
      });
      const lines = await scrape();
      const at = Date.parse(point.pointInTime) / 1000;
      expect(lines).toEqual(
        expect.arrayContaining([
          'modosu_runs_total{kind="restore-server",outcome="succeeded"} 1',
          'modosu_runs_open{kind="backup-image",state="accepted"} 1',
          'modosu_step_duration_seconds_count{kind="restore-server",step="go-live",outcome="succeeded"} 1',
          'modosu_step_duration_seconds_bucket{kind="restore-server",step="go-live",outcome="succeeded",le="+Inf"} 1',
          `modosu_last_usable_recovery_point_timestamp_seconds{server="db01",kind="image",data_set=""} ${at}`,
          'modosu_recovery_points{server="db01",kind="image",data_set="",state="usable"} 1',
          'modosu_recovery_points{server="db01",kind="image",data_set="",state="damaged"} 0',
          'modosu_rto_seconds{server="db01",kind="restore-server"} 42',
          'modosu_breaches{server="db01",code="NO_POLICY"} 1',
          'modosu_breaches{server="db01",code="RPO_EXCEEDED"} 0',
          'modosu_due_backups_waiting 0',
          'modosu_ways_back_open 1',
          'modosu_ways_back_expired 0',
          'modosu_repository_up{repository="main"} 1',
          'modosu_repository_free_bytes{repository="main"} 21474836480',
        ]),
      );
      for (const line of lines.filter((text) => !text.startsWith('#'))) expect(line).toMatch(SAMPLE);
      expect(lines.join('\n')).not.toMatch(new RegExp(`${done}|${runId}|run_`));
    });

    it('a declared data set without a recovery point says so with 0', async () => {
      await seedData(api);
      const lines = await scrape();
      expect(lines).toContain('modosu_last_usable_recovery_point_timestamp_seconds{server="db01",kind="data",data_set="ledgers"} 0');
      expect(
        lines
          .filter((line) => line.startsWith('modosu_last_usable_recovery_point_timestamp_seconds{server="db01"'))
          .map((line) => /data_set="(\w*)"/.exec(line)?.[1]),
      ).toEqual(['', 'uploads', 'shop', 'ledgers']);
      expect(lines.find((line) => line.includes('data_set="shop"') && line.includes('timestamp'))).toMatch(/ 1\d{9}(\.\d+)?$/);
    });

    it.each([
      ['is away', () => Promise.reject(new ModosuError('REPOSITORY_UNREACHABLE', 'gone'))],
      ['hangs', () => never],
    ])('a repository that %s keeps nobody from the rest', async (_, check) => {
      await api.seed();
      api.checkRepository = check;
      const lines = await scrape();
      expect(lines).toContain('modosu_repository_up{repository="main"} 0');
      expect(lines.join('\n')).not.toContain('modosu_repository_free_bytes');
      expect(api.log).toContainEqual(
        expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ repository: 'main', code: 'REPOSITORY_UNREACHABLE' }) }),
      );
    });

    it('many who ask at once share one count', async () => {
      let counted = 0;
      const { figures } = api.catalog;
      api.catalog.figures = () => {
        counted += 1;
        return figures();
      };
      await Promise.all(Array.from({ length: 20 }, scrape));
      expect(counted).toBe(1);
    });

    it('says a problem while PostgreSQL is away', async () => {
      const failing = jest.spyOn(api.catalog, 'figures').mockRejectedValue(unavailable);
      expect(await api.call('GET', '/metrics', { token: api.tokens.read })).toMatchObject({ status: 503, body: { code: 'CATALOG_UNAVAILABLE' } });
      failing.mockRestore();
      expect(await scrape()).toContain('modosu_runs_waiting 0');
    });
  });

  describe('/readyz', () => {
    const ready = (): ReturnType<ApiHarness['call']> => api.call('GET', '/readyz', { token: null });

    it('is 200 when a run can be accepted', async () => {
      expect(await ready()).toMatchObject({
        status: 200,
        body: {
          status: 'ready',
          parts: [
            { name: 'catalogue', status: 'ok', code: null },
            { name: 'temporal', status: 'ok', code: null },
          ],
        },
      });
    });

    it('is 503 and names the part that is missing: Temporal', async () => {
      api.runStarter.down = true;
      expect(await ready()).toMatchObject({
        status: 503,
        body: {
          status: 'not-ready',
          parts: [
            { name: 'catalogue', status: 'ok' },
            { name: 'temporal', status: 'failed', code: 'TEMPORAL_UNAVAILABLE' },
          ],
        },
      });
    });

    it('is 503 and names the part that is missing, and nothing of where it is: PostgreSQL', async () => {
      api.catalog.failWith(unavailable);
      const answer = await ready();
      expect(answer).toMatchObject({ status: 503, body: { parts: [{ name: 'catalogue', status: 'failed', code: 'CATALOG_UNAVAILABLE' }, { status: 'ok' }] } });
      expect(JSON.stringify(answer.body)).not.toContain('10.0.0.7');
      expect(JSON.stringify(api.log)).toContain('10.0.0.7');
    });

    it('a part that hangs counts as missing, and is asked once however often somebody looks', async () => {
      let asked = 0;
      api.catalog.check = () => {
        asked += 1;
        return never;
      };
      await ready();
      expect(await ready()).toMatchObject({ status: 503, body: { parts: [{ name: 'catalogue', code: 'CATALOG_UNAVAILABLE' }, { status: 'ok' }] } });
      expect(asked).toBe(1);
    });
  });
});
