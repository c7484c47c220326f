import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { ServerRecord } from '../../src/catalog/catalog';
import { applyingAgain } from '../contract/catalog.fixtures';
import { ApiHarness } from './api-harness';
import { cli } from './cli-harness';

const CHANGE = 'chg_01aaaaaaaaaaaaaaaaaaaaaaaa';

describe('a restore that waits for a sign-off', () => {
  let api: ApiHarness;
  let server: ServerRecord;
  let point: ImageRecoveryPointView;

  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
    await api.applyEstate();
    ({ server, point } = await api.seed());
  });
  afterEach(async () => api.close());

  /** As a worker leaves it: the server is restored, and people have to say what they have applied again. */
  const waiting = async (): Promise<string> => {
    const runId = await api.waitingRestore(server, point, applyingAgain(CHANGE));
    await api.catalog.recordStep(runId, { seq: 91, key: 'sign-off', title: 'Wait until somebody has signed off', state: 'waiting' });
    return runId;
  };
  const signOff = (runId: string, body: object, token = api.tokens.operate) => api.call('POST', `/v1/runs/${runId}/sign-off`, { body, token });

  it('says so, with the command that signs it off', async () => {
    const runId = await waiting();
    expect((await api.call('GET', `/v1/runs/${runId}`)).body).toMatchObject({ waitingFor: 'sign-off', allowedActions: ['sign-off', 'undo', 'cancel'] });
    const shown = await cli(api, ['run', 'show', runId]);
    expect(shown.stdout).toContain(`modosu run sign-off ${runId}`);
    expect(shown.stdout).not.toContain('run go-live');
  });

  it('goes on when somebody who may has signed it off; the same again changes nothing', async () => {
    const runId = await waiting();
    const told: string[] = [];
    api.runStarter.onDecided = async (id) => void told.push(id);
    expect(await signOff(runId, { reason: 'done' }, api.tokens.change)).toMatchObject({ status: 403 });
    const answer = await signOff(runId, { reason: 'done', notApplied: [CHANGE] });
    expect(answer).toMatchObject({ status: 202, body: { id: runId } });
    expect(await signOff(runId, { reason: 'done again' })).toMatchObject({ status: 202 });
    expect(told).toContain(runId);
    expect(await api.catalog.getDecision(runId, 'sign-off')).toMatchObject({ actor: 'operate', reason: 'done', notApplied: [CHANGE] });
  });

  it.each<[string, object]>([
    ['no reason', { notApplied: [] }],
    ['what is no change', { reason: 'done', notApplied: ['rp_01aaaaaaaaaaaaaaaaaaaaaaaa'] }],
    ['a field nobody knows', { reason: 'done', applied: true }],
  ])('is not signed off with %s', async (_what, body) => {
    const runId = await waiting();
    expect(await signOff(runId, body)).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect(await api.catalog.getDecision(runId, 'sign-off')).toBeNull();
  });

  it('is not signed off with another change: what it waits for is said', async () => {
    const runId = await waiting();
    const other = CHANGE.replace('01', '02');
    expect(await signOff(runId, { reason: 'done', notApplied: [other] })).toMatchObject({
      status: 422,
      body: { code: 'REQUEST_INVALID', detail: `Run ${runId} waits for no "${other}": it waits for "${CHANGE}".` },
    });
    const typed = await cli(api, ['run', 'sign-off', runId, '--not-applied', other, '--reason', 'x']);
    expect(typed).toMatchObject({ code: 2, stderr: expect.stringContaining(CHANGE) as string });
    expect(await api.catalog.getDecision(runId, 'sign-off')).toBeNull();
  });

  it('is signed off by `modosu run sign-off`, which says where nothing waits for that', async () => {
    const runId = await waiting();
    const done = await cli(api, ['run', 'sign-off', runId, '--not-applied', CHANGE, '--reason', 'playbook run']);
    expect(done).toMatchObject({ code: 0 });
    expect(await api.catalog.getDecision(runId, 'sign-off')).toMatchObject({ notApplied: [CHANGE] });
    const other = await cli(api, ['run', 'sign-off', runId, '--not-applied', 'nonsense', '--reason', 'x']);
    expect(other).toMatchObject({ code: 3, stderr: expect.stringContaining('CHANGE_NOT_FOUND') as string });
    await api.catalog.recordStep(runId, { seq: 91, key: 'sign-off', title: 'x', state: 'succeeded' });
    expect(await cli(api, ['run', 'go-live', runId, '--reason', 'x'])).toMatchObject({ code: 5, stderr: expect.stringContaining('RUN_NOT_WAITING') as string });
  });
});
