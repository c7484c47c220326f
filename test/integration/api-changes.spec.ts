import { estateSchema } from '../../src/contracts/api/estate';
import { ApiHarness, ESTATE, manifestOf } from './api-harness';
import { cli, startCli } from './cli-harness';
import type { ChangeView } from '../../src/contracts/change';
import { restoredTo } from '../contract/catalog.change.contract';
import { eventually } from '../support/up-process';

const OPEN = { title: 'Install the LDAP client', ticket: 'OPS-12', applyAgain: { kind: 'text', text: 'apt-get install ldap-utils' } };
const COMMAND = { kind: 'command', argv: ['/usr/bin/apt-get', 'install', '-y', 'ldap-utils'] };

describe('configuration changes', () => {
  let api: ApiHarness;

  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
    await api.applyEstate();
  });
  afterEach(async () => api.close());

  const open = async (body: object = OPEN, headers: Readonly<Record<string, string>> = {}) =>
    api.call('POST', '/v1/servers/db01/changes', { body, headers, token: api.tokens.change });
  const changeOf = (body: unknown): ChangeView => body as ChangeView;
  const tell = (event: string, more: object = {}) =>
    api.call('POST', '/v1/change-events', { body: { server: 'db01', externalId: 'awx-7', event, ...more }, token: api.tokens.change });
  /** What a worker does: begins what is due and publishes its image. */
  const image = async (generation = 1): Promise<string> => {
    const accepted = await api.catalog.startNextDueBackup();
    if (accepted === null) throw new Error('nothing is due');
    const { input } = await api.catalog.getDispatchable(accepted.runId);
    if (!('recoveryPointId' in input)) throw new Error('no run of an image');
    await api.catalog.startRun(accepted.runId);
    const { recoveryPointId } = input;
    const at = new Date().toISOString();
    const server = await api.catalog.getServer('db01');
    const manifest = {
      ...manifestOf(server),
      recoveryPointId,
      runId: accepted.runId,
      version: 5,
      generation,
      pointInTime: at,
      changes: await api.catalog.changesAt(server.id, at),
    } as const;
    await api.catalog.recordRecoveryPoint(manifest, 'main');
    await api.catalog.finishRun(accepted.runId, { state: 'succeeded', error: null, recoveryPointId });
    return recoveryPointId;
  };

  it('are opened, completed and in the next generation, by a token that may do nothing else', async () => {
    const opened = await open();
    const { id } = changeOf(opened.body);
    expect(opened).toMatchObject({
      status: 201,
      body: { state: 'open', author: 'change', applyAgain: { kind: 'text' }, inServer: 'partly', imageComes: 'by-itself' },
    });
    expect(opened.headers.get('location')).toBe(`/v1/changes/${id}`);
    const completed = await api.call('POST', `/v1/changes/${id}/complete`, { body: {}, token: api.tokens.change });
    expect(completed).toMatchObject({ status: 200, body: { state: 'completed', generation: null, inServer: 'yes', imageComes: 'by-itself' } });
    const due = await api.call('GET', '/v1/due-backups?server=db01');
    expect(due.body).toMatchObject({ items: [{ cause: 'change', policy: null, state: 'waiting' }] });
    const recoveryPointId = await image();
    expect((await api.call('GET', `/v1/changes/${id}`)).body).toMatchObject({ generation: 1, recoveryPointId, imageComes: null });
    expect((await api.call('GET', '/v1/changes?server=db01&state=completed')).body).toMatchObject({ items: [{ id }], nextCursor: null });
    expect(await api.call('POST', '/v1/servers/db01/backups', { body: { kind: 'image', reason: 'x' }, token: api.tokens.change })).toMatchObject({
      status: 403,
    });
  });

  it('name programs to be run in a guest only where the token may start restores, too', async () => {
    const asked = { ...OPEN, applyAgain: COMMAND };
    const refused = { status: 403, body: { code: 'NOT_ALLOWED', context: { scope: 'operate' } } };
    expect(await open(asked)).toMatchObject(refused);
    expect(await tell('completed', { applyAgain: COMMAND })).toMatchObject(refused);
    expect((await api.call('GET', '/v1/changes')).body).toEqual({ items: [], nextCursor: null });
    const allowed = await api.call('POST', '/v1/servers/db01/changes', { body: asked, token: api.tokens.operate });
    expect(allowed).toMatchObject({ status: 201, body: { applyAgain: { ...COMMAND, timeoutSeconds: 300 } } });
  });

  it('are the same where the request or its external id comes again', async () => {
    const headers = { 'Idempotency-Key': 'k1' };
    const first = await open(OPEN, headers);
    const again = await open(OPEN, headers);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await open({ ...OPEN, title: 'Another' }, headers)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  it.each<[string, object]>([
    ['no title', { ...OPEN, title: undefined }],
    ['a title of two lines', { ...OPEN, title: 'a\nb' }],
    ['a terminal escape in the instructions', { ...OPEN, applyAgain: { kind: 'text', text: 'x\u001b[31m' } }],
    ['a program that is no list', { ...OPEN, applyAgain: { kind: 'command', argv: 'apt-get install' } }],
    ['no time for its program', { ...OPEN, applyAgain: { kind: 'command', argv: ['/bin/true'], timeoutSeconds: 0 } }],
    ['a field nobody knows', { ...OPEN, colour: 'red' }],
  ])('with %s are refused, and nothing is written down', async (_what, body) => {
    expect(await open(body)).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect((await api.call('GET', '/v1/changes')).body).toEqual({ items: [], nextCursor: null });
  });

  it('are told of by tools, each message as often as they like', async () => {
    expect(await tell('failed')).toMatchObject({ status: 404, body: { code: 'CHANGE_NOT_FOUND' } });
    const started = await tell('started', { title: 'Apply role "ldap"' });
    expect(started).toMatchObject({ status: 200, body: { state: 'open', title: 'Apply role "ldap"', externalId: 'awx-7' } });
    expect((await tell('started', { title: 'Apply role "ldap"' })).body).toEqual(started.body);
    const completed = await tell('completed');
    expect(completed).toMatchObject({ status: 200, body: { id: changeOf(started.body).id, state: 'completed', title: 'Apply role "ldap"' } });
    expect((await tell('completed')).body).toEqual(completed.body);
    expect(await tell('failed')).toMatchObject({ status: 409, body: { code: 'CHANGE_CLOSED' } });
    expect(await tell('completed', { externalId: 'awx-8' })).toMatchObject({ body: { state: 'completed', title: 'awx-8' } });
    expect(await tell('started', { server: 'none' })).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
  });

  /** The server has gone back to its first image since this was begun. */
  const interrupted = async (body: object = OPEN): Promise<string> => {
    await api.call('POST', '/v1/change-events', { body: { server: 'db01', externalId: 'first', event: 'completed' }, token: api.tokens.change });
    const pointId = await image();
    const { id } = changeOf((await open(body)).body);
    await restoredTo(api.catalog, await api.catalog.getServer('db01'), pointId);
    return id;
  };

  it('that were begun before the server went back are complete only when they were made again, by people and by tools', async () => {
    const id = await interrupted({ ...OPEN, externalId: 'awx-7' });
    const complete = (body?: object) => api.call('POST', `/v1/changes/${id}/complete`, { token: api.tokens.change, ...(body === undefined ? {} : { body }) });
    const refused = { status: 409, body: { code: 'CHANGE_INTERRUPTED', hint: expect.stringContaining('--made-again') as string } };
    for (const answer of [await complete(), await complete({}), await complete({ madeAgain: false }), await tell('completed')]) {
      expect(answer).toMatchObject(refused);
    }
    expect(await complete({ madeAgain: 'yes' })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect(await complete({ madeagain: true })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect((await api.call('GET', `/v1/changes/${id}`)).body).toMatchObject({ state: 'open' });
    expect(await tell('completed', { madeAgain: true })).toMatchObject({ status: 200, body: { id, state: 'completed', inServer: 'yes' } });
    expect(await complete({ madeAgain: true })).toMatchObject({ status: 200, body: { state: 'completed' } });
  });

  describe('modosu change', () => {
    it('completes one that was begun before the server went back only with --made-again, and says so', async () => {
      const id = await interrupted();
      expect(await cli(api, ['change', 'complete', id])).toMatchObject({
        code: 5,
        stderr: expect.stringMatching(new RegExp(`^error: CHANGE_INTERRUPTED: [^]*modosu change complete ${id} --made-again`)) as string,
      });
      const { code, stdout } = await cli(api, ['change', 'complete', id, '--made-again', '-o', 'json']);
      expect([code, changeOf(JSON.parse(stdout)).state]).toEqual([0, 'completed']);
    });

    it('opens one, completes it and waits for its image', async () => {
      const words = ['change', 'open', 'db01', '--title', 'Install nginx', '--ticket', 'OPS-12', '--apply-command', '["/bin/true"]'];
      const opened = await cli(api, [...words, '-o', 'json']);
      const { id } = JSON.parse(opened.stdout) as ChangeView;
      expect(opened).toMatchObject({ code: 0, stderr: expect.stringContaining(`modosu change complete ${id}`) as string });
      const waiting = startCli(api, ['change', 'complete', id, '--wait']);
      await eventually(
        async () => waiting.stderr,
        (text) => text.includes('The image is taken at'),
        10_000,
      );
      await image();
      const ended = await waiting.end();
      expect(ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/generation +1 \(rp_/) as string });
      const list = await cli(api, ['change', 'list', '--server', 'db01']);
      expect(list.stdout).toMatch(/Install nginx +OPS-12 +admin +\S+ \S+ +\S+ \S+ +1 +yes/);
      expect((await cli(api, ['change', 'show', id])).stdout).toContain('in the guest: /bin/true (within 300 s)');
      expect((await cli(api, ['due-backup', 'list'])).stdout).toMatch(/image +- +change/);
    });

    it('says so when the run that was to take the image has failed', async () => {
      const { stdout } = await cli(api, ['change', 'open', 'db01', '--title', 'one', '-o', 'json']);
      const { id } = JSON.parse(stdout) as ChangeView;
      const waiting = startCli(api, ['change', 'complete', id, '--wait']);
      await eventually(
        async () => waiting.stderr,
        (text) => text.includes('The image is taken at'),
        10_000,
      );
      const { runId } = (await api.catalog.startNextDueBackup()) ?? { runId: '' };
      await api.catalog.finishRun(runId, { state: 'failed', error: { code: 'QUIESCE_FAILED', message: 'no answer', hint: 'x' } });
      expect(await waiting.end()).toMatchObject({
        code: 6,
        stderr: expect.stringContaining(`See \`modosu run show ${runId}\`; then \`modosu backup image db01 --mode online --reason TEXT\`.`) as string,
      });
      expect((await cli(api, ['change', 'list', '-o', 'json'])).stdout).toContain('"generation": null');
    });

    const imageOffline = async () => {
      const policy = { name: 'monthly', image: { mode: 'offline', schedule: { every: 'month', on: [28], at: '03:00' }, retention: { last: 2 } } };
      await api.applyEstate(estateSchema.parse({ ...ESTATE, policies: [policy], servers: [{ ...ESTATE.servers[0], policy: 'monthly' }] }));
    };
    const openOne = async (): Promise<string> => {
      const { stdout } = await cli(api, ['change', 'open', 'db01', '--title', 'one', '-o', 'json']);
      return (JSON.parse(stdout) as ChangeView).id;
    };

    it('says at once where images are taken offline: nothing stops a server because of a change', async () => {
      // What was due before is no image of this change: its run has ended.
      await cli(api, ['change', 'complete', await openOne()]);
      await image();
      await imageOffline();
      const [first, second] = [await openOne(), await openOne()];
      const completed = await cli(api, ['change', 'complete', first]);
      expect(completed).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('none contains it yet; once it is complete, the next image of the schedule') as string,
      });
      expect(completed.stderr).toContain('No image is taken because of it: server "db01" is imaged offline');
      expect(completed.stderr).not.toContain('is due');
      const waited = await cli(api, ['change', 'complete', second, '--wait']);
      expect(waited).toMatchObject({ code: 5, stderr: expect.stringContaining('IMAGE_NOT_AWAITED') as string });
      expect(waited.stderr).toContain('`modosu backup image db01 --mode offline --reason TEXT`');
      expect(waited.stderr).not.toContain('by itself');
      expect((await api.call('GET', `/v1/changes/${second}`)).body).toMatchObject({ state: 'completed', imageComes: 'with-schedule' });
    });

    it('waits for an image that was due since, whatever became of the one before', async () => {
      await cli(api, ['change', 'complete', await openOne()]);
      await image();
      const id = await openOne();
      const record = jest.spyOn(api.catalog, 'recordDueBackups').mockRejectedValueOnce(new Error('no database'));
      const waiting = startCli(api, ['change', 'complete', id, '--wait']);
      await eventually(
        async () => waiting.stderr,
        (text) => text.includes('The image is not yet among the backups that are due'),
        10_000,
      );
      record.mockRestore();
      await api.catalog.recordDueBackups();
      await eventually(
        async () => waiting.stderr,
        (text) => text.includes('The image is taken at'),
        10_000,
      );
      await image(2);
      expect(await waiting.end()).toMatchObject({ code: 0, stdout: expect.stringMatching(/generation +2 \(rp_/) as string });
    });

    it('cancels one; what is over stays', async () => {
      const { stdout } = await cli(api, ['change', 'open', 'db01', '--title', 'one', '--apply-text', 'run the playbook', '-o', 'json']);
      const { id } = JSON.parse(stdout) as ChangeView;
      expect((await cli(api, ['change', 'cancel', id, '--reason', 'postponed'])).stdout).toMatch(/cancelled +\S+ \S+ by admin: postponed/);
      expect(await cli(api, ['change', 'complete', id])).toMatchObject({ code: 5, stderr: expect.stringContaining('CHANGE_CLOSED') as string });
      expect(await cli(api, ['change', 'show', 'chg_1'])).toMatchObject({ code: 3, stderr: expect.stringContaining('CHANGE_NOT_FOUND') as string });
    });

    it.each<[string, readonly string[], number]>([
      ['a program that is no JSON array', ['--apply-command', 'apt-get install'], 2],
      ['a time-out that is none', ['--apply-timeout', 'soon'], 2],
      ['two ways to make it again', ['--apply-command', '["/bin/true"]', '--apply-text', 'x'], 2],
    ])('refuses %s', async (_what, options, code) => {
      expect(await cli(api, ['change', 'open', 'db01', '--title', 'one', ...options])).toMatchObject({ code });
    });
  });
});
