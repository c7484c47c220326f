import { newId } from '../../src/contracts/ids';
import { manifestOf, ApiHarness, type CallOptions, type CallResult } from './api-harness';
import { dataManifestOf, doneDataRestore, hoursAgo, LEDGERS, makeDataPlan, makeDataUndoPlan, seedData, SHOP, type Seeded, UPLOADS } from './data-harness';

const BACKUP = { kind: 'data', reason: 'nightly' };
const FILES = { scenario: 'data', dataSet: 'uploads', selection: { kind: 'files', paths: ['/srv/uploads/2026'] } };
const TABLES = { scenario: 'data', dataSet: 'shop', selection: { kind: 'postgresql', database: 'shop', tables: [{ schema: 'public', name: 'orders' }] } };
const HOSTILE_TABLES = [
  'orders"; DROP TABLE users; --',
  "o'rders",
  'a.b',
  '$(id)',
  '`id`',
  '-rf',
  '--help',
  '../../x',
  '%s',
  'データ',
  '"',
  '\\',
  '\u202eorders',
  '__proto__',
  'x'.repeat(63),
];

/** What is asked about data, over HTTP. */
describe('the API, data', () => {
  let api: ApiHarness;
  let seeded: Seeded;

  beforeEach(async () => {
    api = await ApiHarness.start();
    seeded = await seedData(api);
  });

  afterEach(async () => api.close());

  const post = (path: string, body: unknown, options: CallOptions = {}): Promise<CallResult> =>
    api.call('POST', path, { token: api.tokens.operate, body, ...options });
  const backUp = (changes: object = {}, options: CallOptions = {}): Promise<CallResult> => post('/v1/servers/db01/backups', { ...BACKUP, ...changes }, options);
  const plan = (body: object, options: CallOptions = {}): Promise<CallResult> => post('/v1/servers/db01/restore-plans', body, options);
  /** The plan as it is after the worker has judged the request. */
  const madePlan = async (body: object): Promise<CallResult> => {
    const accepted = await plan(body);
    expect(accepted.status).toBe(202);
    await makeDataPlan(api, String(accepted.body['id']));
    return api.call('GET', `/v1/restore-plans/${String(accepted.body['id'])}`);
  };

  describe('backups', () => {
    it('of all declared data sets are accepted, and their workflow is started', async () => {
      const { status, headers, body } = await backUp();
      expect(status).toBe(202);
      expect(headers.get('location')).toBe(`/v1/runs/${String(body['id'])}`);
      expect(body).toMatchObject({
        kind: 'backup-data',
        state: 'accepted',
        serverName: 'db01',
        requestedBy: 'operate',
        recoverySeconds: null,
        lostSeconds: null,
        wayBack: null,
      });
      expect(api.runStarter.runs).toMatchObject([
        { kind: 'backup-data', input: { items: [{ dataSet: UPLOADS }, { dataSet: SHOP }, { dataSet: LEDGERS }], reason: 'nightly' } },
      ]);
    });

    it('of named ones save these alone, and a key is good for one run', async () => {
      const options = { headers: { 'Idempotency-Key': 'd-1' } };
      const first = await backUp({ dataSets: ['shop'] }, options);
      expect(api.runStarter.runs).toMatchObject([{ input: { items: [{ dataSet: { name: 'shop' } }] } }]);
      expect(await backUp({ dataSets: ['shop'] }, options)).toMatchObject({ status: 202, body: { id: first.body['id'] } });
      expect(await backUp({}, options)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
      expect((await api.call('GET', '/v1/runs?kind=backup-data')).body).toMatchObject({ items: [{ id: first.body['id'] }] });
    });

    it('of an unknown data set are refused, naming the declared ones', async () => {
      const answer = await backUp({ dataSets: ['shop', 'hr'] });
      expect(answer).toMatchObject({
        status: 404,
        body: { code: 'DATA_SET_NOT_FOUND', detail: expect.stringContaining('no data set "hr": declared are uploads, shop, ledgers') as string },
      });
      expect(api.runStarter.runs).toEqual([]);
    });

    it('of a server that declares none are refused', async () => {
      expect(await post('/v1/servers/web01/backups', BACKUP)).toMatchObject({
        status: 404,
        body: { code: 'DATA_SET_NOT_FOUND', detail: expect.stringContaining('none is declared') as string },
      });
    });

    it('of a busy server are refused with the run that holds it, images and data alike', async () => {
      const { body } = await backUp();
      expect(await backUp()).toMatchObject({ status: 409, body: { code: 'SERVER_BUSY', runId: body['id'] } });
      expect(await post('/v1/servers/db01/backups', { kind: 'image', mode: 'online', reason: 'x' })).toMatchObject({
        status: 409,
        body: { code: 'SERVER_BUSY', runId: body['id'] },
      });
    });

    it('of an unknown data set of a busy server: that there is none says more', async () => {
      await backUp();
      expect((await backUp({ dataSets: ['hr'] })).body).toMatchObject({ code: 'DATA_SET_NOT_FOUND' });
    });

    it('are refused with nothing written down while Temporal is away, and for who may only read', async () => {
      expect(await backUp({}, { token: api.tokens.read })).toMatchObject({ status: 403 });
      api.runStarter.down = true;
      expect(await backUp()).toMatchObject({ status: 503, body: { code: 'TEMPORAL_UNAVAILABLE' } });
      expect((await api.call('GET', '/v1/runs')).body).toMatchObject({ items: [] });
    });

    it.each([
      ['data sets of an image', { kind: 'image', mode: 'online', dataSets: ['shop'], reason: 'x' }, ''],
      ['a mode of data', { ...BACKUP, mode: 'online' }, ''],
      ['crash consistency of data', { ...BACKUP, allowCrashConsistent: true }, ''],
      ['an unknown kind', { ...BACKUP, kind: 'tape' }, 'kind'],
      ['no kind', { reason: 'x' }, 'kind'],
      ['an empty list of data sets', { ...BACKUP, dataSets: [] }, 'dataSets'],
      ['null instead of a list', { ...BACKUP, dataSets: null }, 'dataSets'],
      ['a name instead of a list', { ...BACKUP, dataSets: 'shop' }, 'dataSets'],
      ['a number as a name', { ...BACKUP, dataSets: ['shop', 7] }, 'dataSets[1]'],
      ['an empty name', { ...BACKUP, dataSets: [''] }, 'dataSets[0]'],
      ['a name with a NUL', { ...BACKUP, dataSets: ['sh\u0000op'] }, 'dataSets[0]'],
      ['a name that is half a character', { ...BACKUP, dataSets: ['\ud800'] }, 'dataSets[0]'],
      ['a name without end', { ...BACKUP, dataSets: ['x'.repeat(65)] }, 'dataSets[0]'],
      ['too many names', { ...BACKUP, dataSets: Array(51).fill('shop') }, 'dataSets'],
      ['no reason', { kind: 'data' }, 'reason'],
      ['a reason of two lines', { ...BACKUP, reason: 'a\nb' }, 'reason'],
    ])('with %s are refused, naming the field', async (_what, body, path) => {
      expect(await post('/v1/servers/db01/backups', body)).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID', errors: [{ path }] } });
      expect(api.runStarter.runs).toEqual([]);
    });
  });

  describe('restore plans', () => {
    it('are accepted and started with what was asked for; the one that was made is shown', async () => {
      const incidentAt = '2026-03-01T02:10:00+02:00';
      const { status, headers, body } = await plan({ ...TABLES, recoveryPointId: seeded.dump.id, incidentAt });
      expect(status).toBe(202);
      const planId = String(body['id']);
      expect(headers.get('location')).toBe(`/v1/restore-plans/${planId}`);
      expect(body).toMatchObject({ state: 'planning', scenario: 'data', hash: null });
      const selection = { ...TABLES.selection, schemas: [], whole: false, replace: false };
      expect(api.runStarter.plans).toEqual([
        {
          scenario: 'data',
          input: { planId, serverId: seeded.server.id, dataSet: 'shop', recoveryPointId: seeded.dump.id, selection, incidentAt: '2026-03-01T00:10:00.000Z' },
        },
      ]);
      await makeDataPlan(api, planId, { losses: ['Rows of public.orders.'] });
      const shown = await api.call('GET', `/v1/restore-plans/${planId}`);
      expect(shown.body).toMatchObject({
        state: 'ready',
        body: {
          scenario: 'data',
          recoveryPoint: { id: seeded.dump.id, dataSet: SHOP, content: { engineMajor: 15 } },
          selection,
          losses: ['Rows of public.orders.'],
        },
      });
      expect(shown.headers.get('etag')).toBe(`"${String(shown.body['hash'])}"`);
    });

    it('take the newest recovery point of the data set, or the newest from before the incident', async () => {
      expect((await madePlan(TABLES)).body).toMatchObject({ state: 'ready', body: { recoveryPoint: { id: seeded.dump.id } } });
      const incidentAt = hoursAgo(3);
      expect((await madePlan({ ...TABLES, incidentAt })).body).toMatchObject({
        body: {
          recoveryPoint: { id: seeded.olderDump.id },
          loss: { incidentAt, pointInTime: seeded.olderDump.pointInTime, seconds: expect.closeTo(21 * 3600, -1) as number },
        },
      });
    });

    it('with an incident before every recovery point are refused at once', async () => {
      expect(await plan({ ...TABLES, incidentAt: hoursAgo(48) })).toMatchObject({
        status: 404,
        body: { code: 'NO_RECOVERY_POINT', detail: expect.stringContaining('from before the incident') as string },
      });
      expect(api.runStarter.plans).toEqual([]);
    });

    it('of an unknown data set are refused at once', async () => {
      expect(await plan({ ...TABLES, dataSet: 'hr' })).toMatchObject({
        status: 404,
        body: { code: 'NO_RECOVERY_POINT', detail: expect.stringContaining('"hr"') as string },
      });
      expect(api.runStarter.plans).toEqual([]);
    });

    it('of a data set that was never backed up are refused at once', async () => {
      const selection = { kind: 'postgresql', database: 'crm', whole: true };
      expect(await plan({ ...TABLES, dataSet: 'ledgers', selection })).toMatchObject({
        status: 404,
        body: { code: 'NO_RECOVERY_POINT', hint: expect.stringContaining('modosu backup data db01 --reason TEXT') as string },
      });
    });

    it('of a data set that is declared no more can be made: its recovery points say where it lay', async () => {
      const old = { ...UPLOADS, name: 'old', paths: ['/srv/old'] as const };
      const { id } = await api.catalog.recordDataRecoveryPoint(dataManifestOf(seeded.server, old, hoursAgo(5)));
      expect((await madePlan({ scenario: 'data', dataSet: 'old', selection: { kind: 'files' } })).body).toMatchObject({
        state: 'ready',
        body: { recoveryPoint: { id, dataSet: old } },
      });
    });

    it('of a recovery point that does not exist are refused', async () => {
      for (const recoveryPointId of [newId('rp'), '../x', "' OR 1=1"]) {
        expect(await plan({ ...TABLES, recoveryPointId })).toMatchObject({ status: 404, body: { code: 'RECOVERY_POINT_NOT_FOUND' } });
      }
      expect(api.runStarter.plans).toEqual([]);
    });

    it('of a recovery point of another server are refused', async () => {
      const { id } = await api.catalog.recordDataRecoveryPoint(dataManifestOf(seeded.other, SHOP, hoursAgo(1)));
      expect(await plan({ ...TABLES, recoveryPointId: id })).toMatchObject({ status: 404, body: { code: 'RECOVERY_POINT_NOT_FOUND' } });
    });

    it('of an image are refused, as is a server from data', async () => {
      expect(await plan({ ...TABLES, recoveryPointId: seeded.image.id })).toMatchObject({
        status: 409,
        body: { code: 'RECOVERY_POINT_NOT_USABLE', detail: expect.stringContaining('holds an image; this restore needs data') as string },
      });
      expect(await plan({ scenario: 'server', recoveryPointId: seeded.dump.id })).toMatchObject({
        status: 409,
        body: { code: 'RECOVERY_POINT_NOT_USABLE', detail: expect.stringContaining('holds data') as string },
      });
    });

    it('of a damaged recovery point are refused; without one named, the one before it is taken', async () => {
      await api.catalog.markRecoveryPoint(seeded.dump.id, 'damaged', 'a pack is missing');
      expect(await plan({ ...TABLES, recoveryPointId: seeded.dump.id })).toMatchObject({
        status: 409,
        body: { code: 'RECOVERY_POINT_NOT_USABLE', detail: expect.stringContaining('is damaged') as string },
      });
      expect((await madePlan(TABLES)).body).toMatchObject({ body: { recoveryPoint: { id: seeded.olderDump.id } } });
    });

    it('never choose by themselves what was saved before a restore; named, it is taken', async () => {
      const { id } = await api.catalog.recordDataRecoveryPoint(dataManifestOf(seeded.server, SHOP, hoursAgo(0.1), { purpose: 'safety' }));
      expect((await madePlan(TABLES)).body).toMatchObject({ body: { recoveryPoint: { id: seeded.dump.id } } });
      expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({ newestData: [{}, { id: seeded.dump.id }] });
      expect((await madePlan({ ...TABLES, recoveryPointId: id })).body).toMatchObject({ state: 'ready', body: { recoveryPoint: { id } } });
      expect((await api.call('GET', `/v1/recovery-points/${id}`)).body).toMatchObject({ purpose: 'safety' });
    });

    it('of a recovery point of another data set cannot be made', async () => {
      expect((await madePlan({ ...TABLES, recoveryPointId: seeded.files.id })).body).toMatchObject({
        state: 'failed',
        error: { code: 'RECOVERY_POINT_NOT_USABLE', message: expect.stringContaining('not one of the data set "shop"') as string },
      });
    });

    const files = (paths: readonly string[]) => ({ ...FILES, selection: { kind: 'files', paths } });
    it.each([
      ['a path outside', files(['/srv/uploads/a', '/etc/shadow']), 'does not hold /etc/shadow: it holds /srv/uploads, /etc/app'],
      ['a path that only begins alike', files(['/srv/uploads2']), 'does not hold /srv/uploads2'],
      ['the directory above', files(['/srv']), 'does not hold /srv:'],
      ['everything there is', files(['/']), 'does not hold /:'],
      ['tables of files', { ...FILES, selection: TABLES.selection }, 'holds files, not databases'],
      ['files of a database', { ...TABLES, selection: { kind: 'files', paths: [] } }, 'holds databases, not files'],
      [
        'a database that is not in it',
        { ...TABLES, selection: { kind: 'postgresql', database: 'postgres', whole: true } },
        'does not hold a database "postgres": it holds shop',
      ],
    ])('of %s cannot be made: DATA_NOT_IN_RECOVERY_POINT', async (_what, body, words) => {
      const failed = await madePlan(body);
      expect(failed.body).toMatchObject({
        state: 'failed',
        hash: null,
        body: null,
        error: { code: 'DATA_NOT_IN_RECOVERY_POINT', message: expect.stringContaining(words) as string },
      });
      expect(await post(`/v1/restore-plans/${String(failed.body['id'])}/run`, { reason: 'x', confirm: 'db01' })).toMatchObject({
        status: 409,
        body: { code: 'PLAN_FAILED' },
      });
    });

    it.each(HOSTILE_TABLES)('take the table %j as a name and nothing else', async (name) => {
      const selection = { kind: 'postgresql', database: 'shop', tables: [{ schema: name, name }], schemas: [name] };
      const { status, body } = await madePlan({ ...TABLES, selection });
      expect({ status, state: body['state'] }).toEqual({ status: 200, state: 'ready' });
      expect(body['body']).toMatchObject({ selection: { tables: [{ schema: name, name }], schemas: [name] } });
    });

    it.each([
      '/srv/uploads/a b',
      '/srv/uploads/-rf',
      '/srv/uploads/$(id)',
      "/srv/uploads/'",
      '/srv/uploads/*',
      '/srv/uploads/データ',
      '/srv/uploads/..a',
      '/srv/uploads/a\nb',
    ])('take the path %j as it is', async (path) => {
      expect((await madePlan(files([path]))).body).toMatchObject({ state: 'ready', body: { selection: { paths: [path] } } });
    });

    const table = (changes: object) => ({ ...TABLES, selection: { ...TABLES.selection, ...changes } });
    it.each([
      ['tables and the whole', table({ whole: true }), 'selection.whole'],
      ['schemas and the whole', table({ tables: [], schemas: ['public'], whole: true }), 'selection.whole'],
      ['neither tables nor the whole', table({ tables: [] }), 'selection.whole'],
      ['a table without a schema', table({ tables: [{ name: 'orders' }] }), 'selection.tables[0].schema'],
      ['a table as text', table({ tables: ['public.orders'] }), 'selection.tables[0]'],
      ['an empty table', table({ tables: [{ schema: 'public', name: '' }] }), 'selection.tables[0].name'],
      ['a table with a NUL', table({ tables: [{ schema: 'public', name: 'a\u0000b' }] }), 'selection.tables[0].name'],
      ['a table with a newline', table({ tables: [{ schema: 'public', name: 'a\nb' }] }), 'selection.tables[0].name'],
      ['a table that is half a character', table({ tables: [{ schema: 'public', name: '\ud800' }] }), 'selection.tables[0].name'],
      ['a table whose name is too long', table({ tables: [{ schema: 'public', name: 'x'.repeat(64) }] }), 'selection.tables[0].name'],
      ['a schema with a control character', table({ schemas: ['a\u001b[2J'] }), 'selection.schemas[0]'],
      ['too many tables', table({ tables: Array.from({ length: 501 }, (_, i) => ({ schema: 'public', name: `t${i}` })) }), 'selection.tables'],
      ['no database', table({ database: undefined }), 'selection.database'],
      ['paths of a database', table({ paths: ['/x'] }), 'selection'],
      ['tables of files', { ...FILES, selection: { kind: 'files', tables: [] } }, 'selection'],
      ['a relative path', files(['srv/uploads']), 'selection.paths[0]'],
      ['a path with ..', files(['/srv/uploads/../../etc/shadow']), 'selection.paths[0]'],
      ['a path that ends with ..', files(['/srv/uploads/..']), 'selection.paths[0]'],
      ['a path with .', files(['/srv/./uploads']), 'selection.paths[0]'],
      ['a path with //', files(['/srv//uploads']), 'selection.paths[0]'],
      ['a path that ends with /', files(['/srv/uploads/']), 'selection.paths[0]'],
      ['a path with a NUL', files(['/srv/uploads/a\u0000b']), 'selection.paths[0]'],
      ['a path that holds half a character', files(['/srv/uploads/\udc00']), 'selection.paths[0]'],
      ['an empty path', files(['']), 'selection.paths[0]'],
      ['a path without end', files([`/srv/uploads/${'x'.repeat(4096)}`]), 'selection.paths[0]'],
      ['too many paths', files(Array(1001).fill('/srv/uploads')), 'selection.paths'],
      ['a selection of another kind', { ...FILES, selection: { kind: 'mysql' } }, 'selection.kind'],
      ['no selection', { scenario: 'data', dataSet: 'shop' }, 'selection'],
      ['no data set', { scenario: 'data', selection: FILES.selection }, 'dataSet'],
      ['an empty data set', { ...FILES, dataSet: '' }, 'dataSet'],
      ['a data set with a NUL', { ...FILES, dataSet: 'a\u0000' }, 'dataSet'],
      ['replace that is no truth value', table({ replace: 'yes' }), 'selection.replace'],
      ['an incident yesterday', { ...TABLES, incidentAt: 'yesterday' }, 'incidentAt'],
      ['an incident in the future', { ...TABLES, incidentAt: '2999-03-01T00:00:00Z' }, 'incidentAt'],
      ['an incident on a day', { ...TABLES, incidentAt: '2026-03-01' }, 'incidentAt'],
      ['an incident in no time zone', { ...TABLES, incidentAt: '2026-03-01T02:10:00' }, 'incidentAt'],
      ['an incident in the thirteenth month', { ...TABLES, incidentAt: '2026-13-01T02:10:00Z' }, 'incidentAt'],
      ['an incident on 30 February', { ...TABLES, incidentAt: '2026-02-30T02:10:00Z' }, 'incidentAt'],
      ['an incident as a number', { ...TABLES, incidentAt: 1_772_000_000 }, 'incidentAt'],
      ['an incident of a server that is no time', { scenario: 'server', incidentAt: '' }, 'incidentAt'],
      ['disks that are kept', { ...TABLES, keepDisks: ['vdb'] }, ''],
      ['old disks that are attached', { ...TABLES, attachOldDisks: ['vdb'] }, ''],
      ['the image alone', { ...TABLES, noData: true }, ''],
      ['a data set of a server', { scenario: 'server', dataSet: 'shop' }, ''],
      ['a selection of a server', { scenario: 'server', selection: FILES.selection }, ''],
      ['no data that is no truth value', { scenario: 'server', noData: 1 }, 'noData'],
      ['another scenario', { ...TABLES, scenario: 'planet' }, 'scenario'],
    ])('with %s are refused, naming the field', async (_what, body, path) => {
      expect(await plan(body)).toMatchObject({
        status: 422,
        body: { code: 'REQUEST_INVALID', errors: expect.arrayContaining([expect.objectContaining({ path })]) as unknown },
      });
      expect(api.runStarter.plans).toEqual([]);
    });

    it('sent twice with one key are one plan; another selection is another request', async () => {
      const options = { headers: { 'Idempotency-Key': 'p' } };
      const first = await plan(TABLES, options);
      // With the defaults written out: the same request.
      expect(await plan(table({ schemas: [], whole: false, replace: false }), options)).toMatchObject({ status: 202, body: { id: first.body['id'] } });
      expect(await plan(table({ replace: true }), options)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    });

    it('of a server: the data that follows can be left out, and the incident be told', async () => {
      const incidentAt = seeded.image.pointInTime;
      await plan({ scenario: 'server', noData: true, incidentAt: incidentAt.replace('Z', '+00:00') });
      expect(api.runStarter.plans).toMatchObject([{ scenario: 'server', input: { noData: true, incidentAt } }]);
    });

    it('of a server with an incident before every image are refused at once', async () => {
      expect(await plan({ scenario: 'server', incidentAt: '2001-03-01T02:10:00Z' })).toMatchObject({
        status: 404,
        body: {
          code: 'NO_RECOVERY_POINT',
          detail: expect.stringContaining('from before the incident') as string,
          hint: expect.stringContaining('--recovery-point') as string,
        },
      });
      expect(api.runStarter.plans).toEqual([]);
    });
  });

  describe('a run of a plan of data', () => {
    let planId: string;

    beforeEach(async () => {
      planId = String((await madePlan(TABLES)).body['id']);
    });

    const run = (changes: object = {}): Promise<CallResult> =>
      post(`/v1/restore-plans/${planId}/run`, { reason: 'orders were deleted', confirm: 'db01', ...changes });

    it('is not held: there is no go-live', async () => {
      expect(await run({ hold: true })).toMatchObject({
        status: 422,
        body: { code: 'REQUEST_INVALID', errors: [{ path: 'hold', message: expect.stringContaining('stays on its network') as string }] },
      });
      expect(api.runStarter.runs).toEqual([]);
    });

    it('needs the name, and holds the server', async () => {
      expect(await run({ confirm: 'web01' })).toMatchObject({ status: 422, body: { code: 'CONFIRMATION_MISMATCH' } });
      const { status, body } = await run();
      expect(status).toBe(202);
      expect(body).toMatchObject({ kind: 'restore-data', planId, recoveryPointId: seeded.dump.id, waitingFor: null });
      expect(api.runStarter.runs).toMatchObject([{ kind: 'restore-data', input: { planId, safetyRecoveryPointId: expect.stringMatching(/^rp_/) as string } }]);
      expect(await backUp()).toMatchObject({ status: 409, body: { code: 'SERVER_BUSY', runId: body['id'] } });
      expect(await post(`/v1/runs/${String(body['id'])}/go-live`, { reason: 'x' })).toMatchObject({ status: 409, body: { code: 'RUN_NOT_WAITING' } });
    });

    it('runs once; a blocking finding stops it', async () => {
      const { body } = await run();
      await api.catalog.finishRun(String(body['id']), { state: 'succeeded', error: null });
      expect(await run()).toMatchObject({ status: 409, body: { code: 'PLAN_ALREADY_USED', runId: body['id'] } });
      const { body: blocked } = await plan(FILES);
      await makeDataPlan(api, String(blocked['id']), { findings: [{ code: 'GUEST_DISK_FULL', severity: 'block', message: 'full', evidence: [] }] });
      planId = String(blocked['id']);
      expect(await run()).toMatchObject({ status: 409, body: { code: 'PLAN_BLOCKED' } });
    });
  });

  describe('what a restore of data has kept', () => {
    it('is shown with its run, its server and among the ways back', async () => {
      const runId = await doneDataRestore(api, seeded);
      const { body } = await api.call('GET', `/v1/runs/${runId}`);
      expect(body).toMatchObject({
        kind: 'restore-data',
        recoverySeconds: 42,
        lostSeconds: 3600,
        allowedActions: ['undo', 'confirm'],
        wayBack: { state: 'open', volumes: [], data: { dataSet: SHOP, kept: { kind: 'postgresql', replaced: ['public.orders'] } } },
      });
      expect((await api.call('GET', '/v1/way-backs?server=db01')).body).toMatchObject({ items: [{ runId, data: { kept: { keptBytes: 4 * 1024 * 1024 } } }] });
      expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({ keptBytes: 4 * 1024 * 1024 });
    });

    it('can be undone by a plan, which is no plan of data itself', async () => {
      const runId = await doneDataRestore(api, seeded);
      const { status, body } = await post(`/v1/runs/${runId}/undo-plans`, undefined);
      expect(status).toBe(202);
      await makeDataUndoPlan(api, String(body['id']));
      expect((await api.call('GET', `/v1/restore-plans/${String(body['id'])}`)).body).toMatchObject({
        state: 'ready',
        scenario: 'undo',
        body: {
          undoes: { runId, kind: 'restore-data' },
          volumes: [],
          data: { record: { runId, undone: false }, changes: [{ what: 'table public.orders', rows: { now: 90, then: 120 } }] },
        },
      });
      expect(await post(`/v1/restore-plans/${String(body['id'])}/run`, { reason: 'x', confirm: 'db01', hold: true })).toMatchObject({
        status: 422,
        body: { code: 'REQUEST_INVALID' },
      });
    });
  });

  describe('recovery points and servers', () => {
    it('a server is shown with its data sets and the newest data of each', async () => {
      const { body } = await api.call('GET', '/v1/servers/db01');
      expect(body).toMatchObject({ protection: { dataSets: [UPLOADS, SHOP, LEDGERS] }, newestRecoveryPoint: { id: seeded.image.id, kind: 'image' } });
      expect((body['newestData'] as unknown as { id: string; dataSet: string }[]).map(({ id, dataSet }) => [dataSet, id])).toEqual([
        ['uploads', seeded.files.id],
        ['shop', seeded.dump.id],
      ]);
      expect((await api.call('GET', '/v1/servers/web01')).body).toMatchObject({ protection: { dataSets: [] }, newestData: [], newestRecoveryPoint: null });
    });

    it('a damaged one is not the newest', async () => {
      await api.catalog.markRecoveryPoint(seeded.dump.id, 'damaged', 'x');
      await api.catalog.markRecoveryPoint(seeded.files.id, 'damaged', 'x');
      expect((await api.call('GET', '/v1/servers/db01')).body).toMatchObject({ newestData: [{ dataSet: 'shop', id: seeded.olderDump.id }] });
    });

    it('recovery points of both kinds are listed, newest first, and shown', async () => {
      const { body } = await api.call('GET', '/v1/recovery-points?server=db01');
      const kinds = (body['items'] as unknown as { id: string; kind: string }[]).map(({ id, kind }) => [kind, id]);
      expect(kinds).toHaveLength(4);
      expect(kinds.filter(([kind]) => kind === 'data').map(([, id]) => id)).toEqual([seeded.dump.id, seeded.files.id, seeded.olderDump.id]);
      expect((await api.call('GET', `/v1/recovery-points/${seeded.files.id}`)).body).toEqual({ ...seeded.files, copies: [] });
      expect((await api.call('GET', `/v1/recovery-points/${seeded.dump.id}`)).body).toMatchObject({
        kind: 'data',
        dataSet: 'shop',
        declared: SHOP,
        addedBytes: 7 * 1024 * 1024,
        content: { kind: 'postgresql', databases: [{ name: 'shop' }] },
      });
    });

    it('one that remembers credentials says which versions were valid; others say nothing of them', async () => {
      const credentials = [{ account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: '2026-03-01T00:00:00.000Z', problem: null }];
      const manifest = dataManifestOf(seeded.server, SHOP, hoursAgo(0.1), { version: 2, credentials });
      const { id } = await api.catalog.recordDataRecoveryPoint(manifest);
      expect((await api.call('GET', `/v1/recovery-points/${id}`)).body).toMatchObject({ credentials });
      expect((await api.call('GET', `/v1/recovery-points/${seeded.dump.id}`)).body).not.toHaveProperty('credentials');
    });

    it('an image alone is no data, and data alone no image', async () => {
      await api.catalog.recordRecoveryPoint(manifestOf(seeded.other), 'main');
      expect(await post('/v1/servers/web01/restore-plans', { ...FILES, dataSet: 'uploads' })).toMatchObject({
        status: 404,
        body: { code: 'NO_RECOVERY_POINT' },
      });
      await api.catalog.markRecoveryPoint(seeded.image.id, 'damaged', 'x');
      expect(await plan({ scenario: 'server' })).toMatchObject({ status: 404, body: { code: 'NO_RECOVERY_POINT' } });
    });
  });
});
