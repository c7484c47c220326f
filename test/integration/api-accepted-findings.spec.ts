import type { ServerRecord } from '../../src/catalog/catalog';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { Finding } from '../../src/contracts/plan';
import { findingAbout } from '../support/made-up-relations';
import { ApiHarness } from './api-harness';
import { cli } from './cli-harness';

const AHEAD = findingAbout('STANDBY_AHEAD', 'block', { remedy: 'Promote the standby.' });
const UNKNOWN = findingAbout('PEER_UNKNOWN', 'unknown');
const DISKS: Finding = { code: 'DISK_SET_DIFFERS', severity: 'block', message: 'Disk vdb is missing.', evidence: [] };

/** Who carries a plan out in spite of what its peers say has to say so, and why. */
describe('a plan that its relations speak against', () => {
  let api: ApiHarness;
  let server: ServerRecord;
  let point: ImageRecoveryPointView;

  beforeEach(async () => {
    api = await ApiHarness.start();
    ({ server, point } = await api.seed());
  });
  afterEach(async () => api.close());

  const run = (planId: string, body: object = {}) =>
    api.call('POST', `/v1/restore-plans/${planId}/run`, { body: { reason: 'disk died', confirm: 'db01', ...body } });
  const override = { override: { codes: ['STANDBY_AHEAD'], reason: 'the standby is rebuilt' } };
  const entries = async () => (await api.catalog.listAudit({}, { limit: 100, cursor: null })).items;
  const refusals = async () => (await entries()).filter(({ action }) => action === 'run.refused').map(({ details }) => details['code']);
  const accepted = async () => (await entries()).filter(({ action }) => action === 'run.requested').map(({ details }) => details['accepted']);

  it('is not carried out: 409 with a hint that names the override, and the refusal is audited', async () => {
    const planId = await api.readyPlan(server, point, [AHEAD]);
    expect(await run(planId)).toMatchObject({
      status: 409,
      body: { code: 'PLAN_BLOCKED', hint: expect.stringContaining('--override STANDBY_AHEAD --override-reason "WHY"') as string },
    });
    expect([await refusals(), api.runStarter.runs]).toEqual([['PLAN_BLOCKED'], []]);
  });

  it('is carried out with an override and its reason, which the audit and the run have', async () => {
    const planId = await api.readyPlan(server, point, [AHEAD]);
    expect(await run(planId, override)).toMatchObject({ status: 202 });
    const expected = { overridden: [{ code: 'STANDBY_AHEAD', relation: 'standby', peer: 'db02' }], why: 'the standby is rebuilt', acknowledged: [] };
    expect(await accepted()).toEqual([expected]);
    expect(api.runStarter.runs).toMatchObject([{ kind: 'restore-server', input: { accepted: expected } }]);
  });

  it('leaves nothing in the audit of a plan that nobody had to accept', async () => {
    expect(await run(await api.readyPlan(server, point, [findingAbout('OLD', 'warn')]))).toMatchObject({ status: 202 });
    expect(await accepted()).toEqual([undefined]);
  });

  it.each<[string, object]>([
    ['an override without a reason', { override: { codes: ['STANDBY_AHEAD'] } }],
    ['an override of nothing', { override: { codes: [], reason: 'x' } }],
    ['an override with an empty reason', { override: { codes: ['STANDBY_AHEAD'], reason: '' } }],
    ['a reason that PostgreSQL could not hold', { override: { codes: ['STANDBY_AHEAD'], reason: 'because \ud800' } }],
    ['an override of a code that blocks nothing', { override: { codes: ['SOMETHING_ELSE'], reason: 'x' } }],
  ])('is refused with %s', async (_what, body) => {
    expect(await run(await api.readyPlan(server, point, [AHEAD]), body)).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
    expect(api.runStarter.runs).toEqual([]);
  });

  it('is refused where what blocks keeps the restore itself from working, whatever is overridden', async () => {
    const planId = await api.readyPlan(server, point, [AHEAD, DISKS]);
    expect(await run(planId, override)).toMatchObject({ status: 409, body: { code: 'PLAN_BLOCKED' } });
    const all = { override: { codes: ['STANDBY_AHEAD', 'DISK_SET_DIFFERS'], reason: 'x' } };
    expect(await run(planId, all)).toMatchObject({
      status: 422,
      body: { code: 'REQUEST_INVALID', detail: expect.stringContaining('cannot be overridden') as string },
    });
    expect(api.runStarter.runs).toEqual([]);
  });

  it('is not carried out on what is not known unless that is acknowledged, which is audited', async () => {
    const planId = await api.readyPlan(server, point, [UNKNOWN]);
    expect(await run(planId)).toMatchObject({
      status: 409,
      body: { code: 'PLAN_NOT_ACKNOWLEDGED', hint: expect.stringContaining('--acknowledge-unknown') as string },
    });
    expect(await refusals()).toEqual(['PLAN_NOT_ACKNOWLEDGED']);
    expect(await run(planId, { acknowledgeUnknown: true })).toMatchObject({ status: 202 });
    expect(await accepted()).toEqual([{ overridden: [], why: null, acknowledged: [{ code: 'PEER_UNKNOWN', relation: 'standby', peer: 'db02' }] }]);
  });

  it('is one request with what is accepted: the same key with another override is another request', async () => {
    const planId = await api.readyPlan(server, point, [AHEAD]);
    const send = (body: object) =>
      api.call('POST', `/v1/restore-plans/${planId}/run`, { body: { reason: 'x', confirm: 'db01', ...body }, headers: { 'Idempotency-Key': 'key-1' } });
    expect(await send(override)).toMatchObject({ status: 202 });
    expect(await send(override)).toMatchObject({ status: 202, headers: expect.anything() });
    expect(await send({ override: { ...override.override, reason: 'another' } })).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    expect(api.runStarter.runs).toHaveLength(1);
  });

  describe('on the command line', () => {
    it('is shown with what blocks first, its remedy, and the command that overrides it', async () => {
      const planId = await api.readyPlan(server, point, [findingAbout('OLD', 'warn'), UNKNOWN, AHEAD]);
      const { stdout } = await cli(api, ['restore', 'show', planId]);
      expect(stdout).toMatch(/BLOCKS {2}STANDBY_AHEAD: .*\n {6}remedy: Promote the standby\.\n {2}UNKNOWN {2}PEER_UNKNOWN: .*\n {2}WARNING {2}OLD/);
      expect(stdout).toContain(
        `  Who knows better overrides it: modosu restore run ${planId} --reason "WHY" --confirm db01 --wait --acknowledge-unknown --override STANDBY_AHEAD --override-reason "WHY"`,
      );
    });

    it('is shown with the acknowledgement that it needs, or as what cannot run at all', async () => {
      const unknown = await cli(api, ['restore', 'show', await api.readyPlan(server, point, [UNKNOWN])]);
      expect(unknown.stdout).toMatch(
        /Something about it is not known\..*\n {2}modosu restore run plan_\S+ --reason "WHY" --confirm db01 --wait --acknowledge-unknown\n/,
      );
      const never = await cli(api, ['restore', 'show', await api.readyPlan(server, point, [AHEAD, DISKS])]);
      expect(never.stdout).toContain('This plan cannot run: remove the causes of what BLOCKS and plan again.');
      expect(never.stdout).not.toContain('--override');
    });

    it('is carried out with the override alone where nothing is unknown', async () => {
      const planId = await api.readyPlan(server, point, [AHEAD]);
      const over = ['--override', 'STANDBY_AHEAD', '--override-reason', 'the standby is rebuilt afterwards'];
      expect((await cli(api, ['restore', 'run', planId, '--reason', 'disk died', '--confirm', 'db01', ...over])).code).toBe(0);
      const overridden = [{ code: 'STANDBY_AHEAD', relation: 'standby', peer: 'db02' }];
      expect(api.runStarter.runs).toMatchObject([{ input: { accepted: { overridden, why: 'the standby is rebuilt afterwards', acknowledged: [] } } }]);
    });

    it('is carried out with the options; the reason has to be there', async () => {
      const planId = await api.readyPlan(server, point, [AHEAD, UNKNOWN]);
      const argv = ['restore', 'run', planId, '--reason', 'disk died', '--confirm', 'db01'];
      const half = await cli(api, [...argv, '--override', 'STANDBY_AHEAD']);
      expect(half).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--override and --override-reason go together') as string });
      expect(await cli(api, [...argv, '--override-reason', 'x'])).toMatchObject({ code: 2 });
      expect(await cli(api, argv)).toMatchObject({ code: 9, stderr: expect.stringContaining('PLAN_BLOCKED') as string });
      expect(await cli(api, [...argv, '--override', 'STANDBY_AHEAD', '--override-reason', 'x'])).toMatchObject({
        code: 5,
        stderr: expect.stringContaining('PLAN_NOT_ACKNOWLEDGED') as string,
      });
      expect((await cli(api, [...argv, '--override', 'STANDBY_AHEAD', '--override-reason', 'it is rebuilt', '--acknowledge-unknown'])).code).toBe(0);
      expect(api.runStarter.runs).toMatchObject([{ input: { accepted: { why: 'it is rebuilt', acknowledged: [{ code: 'PEER_UNKNOWN' }] } } }]);
    });
  });

  describe('of an undo', () => {
    const undone = async (findings: readonly Finding[]): Promise<{ readonly runId: string; readonly planId: string }> => {
      const runId = await api.doneRestore(server, point);
      const planId = String((await api.call('POST', `/v1/runs/${runId}/undo-plans`)).body['id']);
      await api.completeUndoPlan(planId, findings);
      return { runId, planId };
    };

    it('needs the same, and the audit has it', async () => {
      const { planId } = await undone([AHEAD, UNKNOWN]);
      expect(await run(planId)).toMatchObject({ status: 409, body: { code: 'PLAN_BLOCKED' } });
      expect(await run(planId, override)).toMatchObject({ status: 409, body: { code: 'PLAN_NOT_ACKNOWLEDGED' } });
      expect(await run(planId, { ...override, acknowledgeUnknown: true })).toMatchObject({ status: 202 });
      expect(api.runStarter.runs.at(-1)).toMatchObject({ kind: 'undo', input: { accepted: { why: 'the standby is rebuilt' } } });
      expect((await accepted()).at(-1)).toMatchObject({ overridden: [{ code: 'STANDBY_AHEAD' }], acknowledged: [{ code: 'PEER_UNKNOWN' }] });
    });

    it('is shown with its command, and carried out with it', async () => {
      const { runId, planId } = await undone([AHEAD, UNKNOWN]);
      const { stdout } = await cli(api, ['restore', 'show', planId]);
      expect(stdout).toContain(
        `modosu run undo ${runId} --plan ${planId} --reason "WHY" --confirm db01 --wait --acknowledge-unknown --override STANDBY_AHEAD --override-reason "WHY"`,
      );
      const argv = ['run', 'undo', runId, '--plan', planId, '--confirm', 'db01', '--reason', 'wrong one'];
      expect(await cli(api, argv)).toMatchObject({ code: 9, stderr: expect.stringContaining('PLAN_BLOCKED') as string });
      expect(await cli(api, [...argv, '--override', 'STANDBY_AHEAD'])).toMatchObject({ code: 2 });
      const done = await cli(api, [...argv, '--acknowledge-unknown', '--override', 'STANDBY_AHEAD', '--override-reason', 'it is rebuilt']);
      expect(done.code).toBe(0);
      expect(api.runStarter.runs.at(-1)).toMatchObject({ kind: 'undo', input: { planId, accepted: { why: 'it is rebuilt' } } });
    });

    it('accepts nothing without a plan: there is none to read', async () => {
      const { runId } = await undone([]);
      for (const flags of [['--override', 'A', '--override-reason', 'x'], ['--acknowledge-unknown']]) {
        expect(await cli(api, ['run', 'undo', runId, ...flags])).toMatchObject({ code: 2, stderr: expect.stringContaining('--plan') as string });
      }
    });
  });
});

describe('a run that waits for people because of a rule', () => {
  let api: ApiHarness;
  let runId: string;

  beforeEach(async () => {
    api = await ApiHarness.start();
    const { server, point } = await api.seed();
    runId = await api.waitingRestore(server, point);
  });
  afterEach(async () => api.close());

  const steps = async (waiting: 'sign-off' | 'sign-off-live') => {
    const record = (seq: number, key: string, title: string, state: string, detail = {}) =>
      api.catalog.recordStep(runId, { seq, key, title, state, detail } as never);
    const isLive = waiting === 'sign-off-live';
    await record(2, 'rule:BEFORE:db02', 'Prepare db02', isLive ? 'succeeded' : 'pending');
    await record(3, 'rule:FAILED:db02', 'Fence db02', 'succeeded', isLive ? { signedOffBy: 'kim' } : { applied: false, evidence: 'exit code 4: no route' });
    await record(4, 'go-live', 'Go live', isLive ? 'succeeded' : 'pending');
    await record(5, 'rule:DONE:db02', 'Done already', isLive ? 'succeeded' : 'pending', isLive ? { applied: true } : {});
    await record(6, 'rule:AFTER:db02', 'Rebuild db02', 'pending');
    await record(7, waiting, 'Sign off', 'waiting');
    await record(8, 'record', 'Release', 'pending');
    // Found out in the run: no plan has given it a place.
    await record(9, 'rule:FOUND:db02', 'Set the clock', isLive ? 'succeeded' : 'pending', isLive ? { signedOffBy: 'kim' } : {});
  };

  it('says what to do before go-live, and what a program has not done; never what comes after it', async () => {
    await api.catalog.recordStep(runId, { seq: 1, key: 'agent', title: 'x', state: 'succeeded' });
    await steps('sign-off');
    const { code, stderr } = await cli(api, ['run', 'watch', runId]);
    expect(code).toBe(7);
    expect(stderr).toContain('  - Prepare db02\n  - Fence db02 (its program has not done it: exit code 4: no route)\n  - Set the clock\n');
    expect(stderr).not.toMatch(/^ {2}- Rebuild db02/m);
  });

  it('says after go-live what its peers need, and offers only the sign-off, also after a cancel that came too late', async () => {
    await api.catalog.recordStep(runId, { seq: 1, key: 'agent', title: 'x', state: 'succeeded' });
    await api.catalog.recordGoLive(runId);
    await steps('sign-off-live');
    await api.call('POST', `/v1/runs/${runId}/cancel`, { body: { reason: 'stop' } });
    expect((await api.call('GET', `/v1/runs/${runId}`)).body).toMatchObject({ waitingFor: 'sign-off-live', allowedActions: ['sign-off'] });
    const { code, stderr } = await cli(api, ['run', 'watch', runId]);
    expect(code).toBe(7);
    expect(stderr).toContain('db01 is live, and its peers need something done');
    expect(stderr.match(/^ {2}- .*$/gm)).toEqual(['  - Rebuild db02']);
    const early = await cli(api, ['run', 'undo', runId, '--reason', 'x']);
    expect(early).toMatchObject({ code: 5, stderr: expect.stringContaining(`modosu run sign-off ${runId}`) as string });
    expect((await cli(api, ['run', 'sign-off', runId, '--reason', 'rebuilt'])).code).toBe(0);
    expect(await api.catalog.getDecision(runId, 'sign-off-live')).toMatchObject({ reason: 'rebuilt' });
  });
});
