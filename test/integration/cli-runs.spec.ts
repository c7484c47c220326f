import type { ServerRecord } from '../../src/catalog/catalog';
import { ModosuError } from '../../src/contracts/errors';
import type { Finding, LostChanges } from '../../src/contracts/plan';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { ApiHarness } from './api-harness';
import { cli, CliRun, startCli, until } from './cli-harness';

const BACKUP = ['backup', 'image', 'db01', '--mode', 'offline', '--reason', 'before the service pack'];
const PLAN = ['restore', 'plan', 'db01', '--scenario', 'server'];
const MIB = 1024 * 1024;
const JUST_NOW = new Date().toISOString();

describe('modosu, runs', () => {
  let api: ApiHarness;
  let server: ServerRecord;
  let point: ImageRecoveryPointView;

  beforeEach(async () => {
    api = await ApiHarness.start();
    ({ server, point } = await api.seed());
  });

  afterEach(async () => api.close());

  const onlyRunId = async (): Promise<string> => (await api.catalog.listOpenRuns())[0]?.runId ?? '';

  /** The worker's part of a run, up to its end. */
  async function carryOut(runId: string, outcome: 'succeeded' | 'failed' | 'cancelled'): Promise<void> {
    await api.catalog.startRun(runId);
    await api.catalog.recordStep(runId, { seq: 1, key: 'copy:vda', title: 'Copy vda', state: 'running' });
    await api.catalog.recordProgress(runId, 'copy:vda', {
      doneBytes: 71 * MIB,
      totalBytes: 165 * MIB,
      updatedAt: new Date().toISOString(),
      bytesPerSecond: null,
      secondsLeft: null,
      stalledSince: null,
    });
    const error = outcome === 'failed' ? new ModosuError('COPY_FAILED', 'qemu-img: \u001b[31mbroken').summary() : null;
    await api.catalog.recordStep(runId, {
      seq: 1,
      key: 'copy:vda',
      title: 'Copy vda',
      state: outcome === 'succeeded' ? 'succeeded' : 'failed',
      error,
      detail: { storedBytes: 165 * MIB },
    });
    await api.catalog.finishRun(runId, { state: outcome, error });
  }

  describe('backup image', () => {
    it('starts a run and says how to follow it', async () => {
      const { code, stdout, stderr } = await cli(api, BACKUP);
      const runId = await onlyRunId();
      expect(code).toBe(0);
      expect(stderr).toBe('');
      expect(stdout).toContain(`Run ${runId}\n`);
      expect(stdout).toContain(`modosu run watch ${runId}`);
      expect(JSON.parse((await cli(api, ['run', 'show', runId, '-o', 'json'])).stdout)).toMatchObject({
        id: runId,
        reason: 'before the service pack',
        requestedBy: 'admin',
      });
    });

    it('a busy server: exit code 5 and the run that holds it', async () => {
      await cli(api, BACKUP);
      const runId = await onlyRunId();
      expect(await cli(api, BACKUP)).toMatchObject({
        code: 5,
        stdout: '',
        stderr: expect.stringMatching(new RegExp(`^error: SERVER_BUSY: .*\nrun: {3}${runId}\nhint: `)) as string,
      });
    });

    it('Temporal away: exit code 1, and nothing was started', async () => {
      api.runStarter.down = true;
      expect(await cli(api, BACKUP)).toMatchObject({ code: 1, stderr: expect.stringContaining('TEMPORAL_UNAVAILABLE') as string });
      expect(await api.catalog.listOpenRuns()).toEqual([]);
    });

    it('Temporal away: a cancel is taken all the same, and says when it takes effect', async () => {
      await cli(api, BACKUP);
      const runId = await onlyRunId();
      api.runStarter.down = true;
      const { code, stdout, stderr } = await cli(api, ['run', 'cancel', runId, '--reason', 'the wrong server']);
      expect(code).toBe(0);
      expect(stdout).toContain('cancel requested');
      expect(stderr).toBe('The cancel is written down: the run hears of it within seconds, or as soon as Temporal is back.\n');
    });

    it('--wait shows the steps on standard error and the result on standard output', async () => {
      api.runStarter.onRun = async ({ input }) => void setTimeout(() => void carryOut(input.runId, 'succeeded'), 50);
      const { code, stdout, stderr } = await cli(api, [...BACKUP, '--wait']);
      expect(code).toBe(0);
      expect(stderr).toMatch(/Safe to close/);
      expect(stderr).toMatch(/^\d\d:\d\d:\d\dZ copy:vda {6}succeeded Copy vda, \d s$/m);
      expect(stdout).toMatch(/^ {2}state +succeeded$/m);
      expect(stdout).toMatch(/copy:vda +Copy vda +\d s +storedBytes=165 MiB/);
    });

    it('--wait on a run that fails: exit code 6, with the error and without its control characters', async () => {
      api.runStarter.onRun = async ({ input }) => void setTimeout(() => void carryOut(input.runId, 'failed'), 20);
      const { code, stdout, stderr } = await cli(api, [...BACKUP, '--wait']);
      expect(code).toBe(6);
      expect(stdout).toMatch(/error: COPY_FAILED: qemu-img: \[31mbroken/);
      expect(stderr).toMatch(/^error: RUN_FAILED: Run run_\w+ failed: COPY_FAILED: /m);
      expect(`${stdout}${stderr}`).not.toContain('\u001b');
    });

    it('--wait with JSON prints one document', async () => {
      api.runStarter.onRun = async ({ input }) => void setTimeout(() => void carryOut(input.runId, 'cancelled'), 20);
      const { code, stdout } = await cli(api, [...BACKUP, '--wait', '--output', 'json']);
      expect(code).toBe(6);
      expect(JSON.parse(stdout)).toMatchObject({ state: 'cancelled', steps: [{ key: 'copy:vda' }] });
    });

    it('--timeout: exit code 8, and the run goes on', async () => {
      const { code, stdout, stderr } = await cli(api, [...BACKUP, '--wait', '--timeout', '1s']);
      expect(code).toBe(8);
      expect(stdout).toBe('');
      expect(stderr).toMatch(
        /^error: WAIT_TIMED_OUT: Run run_\w+ has not ended within 1 s\.\nhint: {2}The run goes on by itself; follow it with `modosu run watch run_/m,
      );
      expect(await onlyRunId()).not.toBe('');
    });

    it('Ctrl-C while waiting: exit code 130, and the run goes on', async () => {
      const command = startCli(api, [...BACKUP, '--wait']);
      await until(
        'the run is watched',
        () => (command.interruptible && command.stderr.includes('accepted, waits')) || command.stderr.includes('waits for its workflow'),
      );
      command.interrupt();
      const { code, stderr } = await command.end();
      expect(code).toBe(130);
      expect(stderr).toMatch(/Interrupted\. The run goes on by itself; follow it with `modosu run watch run_\w+`\.$/m);
      expect(api.runStarter.cancelled).toEqual([]);
    });
  });

  describe('run watch', () => {
    it('prints the steps as data, survives a restart of the API, and ends with the run', async () => {
      await cli(api, BACKUP);
      const runId = await onlyRunId();
      await api.catalog.startRun(runId);
      await api.catalog.recordStep(runId, { seq: 1, key: 'stop', title: 'Shut the guest down', state: 'running' });
      const command = startCli(api, ['run', 'watch', runId]);
      await until('first step', () => command.stdout.includes('Shut the guest down'));
      await api.restart();
      await api.catalog.recordStep(runId, { seq: 1, key: 'stop', title: 'Shut the guest down', state: 'succeeded' });
      await api.catalog.finishRun(runId, { state: 'succeeded', error: null });
      const { code, stdout } = await command.end();
      expect(code).toBe(0);
      expect(stdout.match(/Z stop {10}running {3}Shut the guest down$/gm)).toHaveLength(1);
      expect(stdout).toMatch(/^ {2}state +succeeded$/m);
    });

    it('of a run that has failed already: its steps, exit code 6', async () => {
      await cli(api, BACKUP);
      const runId = await onlyRunId();
      await carryOut(runId, 'failed');
      const { code, stdout } = await cli(api, ['run', 'watch', runId]);
      expect(code).toBe(6);
      expect(stdout).toMatch(/Z copy:vda {6}failed {4}Copy vda, \d s: COPY_FAILED: /);
    });

    it('run show of a failed run is no failure', async () => {
      await cli(api, BACKUP);
      const runId = await onlyRunId();
      await carryOut(runId, 'failed');
      const { code, stdout, stderr } = await cli(api, ['run', 'show', runId]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/copy:vda: COPY_FAILED: .*\n {4}hint: /);
    });
  });

  it('run cancel asks for it; a run that has ended: exit code 5', async () => {
    await cli(api, BACKUP);
    const runId = await onlyRunId();
    expect((await cli(api, ['run', 'cancel', runId])).stdout).toMatch(/state +accepted, waits for its workflow to start, cancel requested/);
    expect(api.runStarter.cancelled).toEqual([runId]);
    await cli(api, BACKUP);
    await api.catalog.finishRun(runId, { state: 'cancelled', error: null });
    await cli(api, BACKUP);
    const second = await onlyRunId();
    await api.catalog.finishRun(second, { state: 'succeeded', error: null });
    expect(await cli(api, ['run', 'cancel', second])).toMatchObject({ code: 5, stderr: expect.stringContaining('RUN_FINISHED') as string });
  });

  describe('restore plan', () => {
    const planWith = (findings: readonly Finding[]): void => {
      api.runStarter.onPlan = async ({ input: { planId } }) => void setTimeout(() => void api.completePlan(planId, server, point, findings), 30);
    };

    it('waits for the plan and prints what a responder reads before typing the name', async () => {
      planWith([
        { code: 'AGENT_ABSENT_BEFORE', severity: 'ok', message: 'the guest agent answered before the backup', evidence: [] },
        {
          code: 'DISK_SET_DIFFERS',
          severity: 'warn',
          message: 'a disk was added since',
          remedy: 'compare the disks',
          evidence: ['now: vda, vdb', 'then: vda'],
        },
      ]);
      const { code, stdout, stderr } = await cli(api, PLAN);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const planId = api.runStarter.plans[0]?.input.planId ?? '';
      const { hash } = await api.catalog.getPlan(planId);
      expect(stdout).toMatch(/This server is restored; compare before you go on\n {2}name +db01\n {2}UUID +[0-9a-f-]{36}\n/);
      expect(stdout).toMatch(/generation +1\n {2}point in time +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ, (59 min|60 min|1 h).* ago/);
      expect(stdout).toMatch(
        /Findings\n {2}WARNING {2}DISK_SET_DIFFERS: a disk was added since\n {6}now: vda, vdb\n {6}then: vda\n {6}remedy: compare the disks\n {2}OK {2}/,
      );
      expect(stdout).toContain('  - Everything written since the point in time is lost on db01.');
      expect(stdout).toMatch(/vda +442 MiB qcow2 +\/disks\/vda\.qcow2\.run_x +\/disks\/vda\.qcow2\n/);
      expect(stdout).toContain('  2. Copy vda to its new volume');
      expect(stdout).toMatch(/\/disks +165 MiB +20 GiB/);
      expect(stdout).toContain('no estimate yet: fewer than three measured restores');
      expect(stdout).toContain(hash ?? 'no hash');
      expect(stdout).toContain(`modosu restore run ${planId} --reason "WHY" --confirm db01 --wait`);
    });

    it.each<[string, Partial<LostChanges>, RegExp]>([
      [
        'the server itself',
        { now: { state: 'compared', of: 1, at: '2026-03-02T12:00:00.000Z', sentences: [], gaps: [] } },
        /the server itself, as it was at 2026-03-02 12:00:00Z\n/,
      ],
      [
        'the server itself in part',
        { now: { state: 'compared', of: 1, at: '2026-03-02T12:00:00.000Z', sentences: [], gaps: ['users: not compared'] } },
        /the server itself, as it was at 2026-03-02 12:00:00Z, in part\n/,
      ],
      [
        'its newest image',
        { drift: { of: 1, generation: 9, sentences: [] }, now: { state: 'not-compared', why: 'off', reason: 'it is off' } },
        /the newest image of the server, generation 9\n/,
      ],
      // As an earlier version has stored it.
      ['nothing', { notCompared: { why: 'newest', generations: [1], sentences: [] } }, /nothing\n/],
    ])('says with what the generation was compared: %s', async (_what, changes, text) => {
      const lostChanges = { changes: [], returning: [], isKnown: true, drift: null, ...changes };
      api.runStarter.onPlan = async ({ input: { planId } }) => void setTimeout(() => void api.completePlan(planId, server, point, [], { lostChanges }), 30);
      const { code, stdout } = await cli(api, PLAN);
      expect([code, stdout.split('compared with')[1]?.trimStart()]).toEqual([0, expect.stringMatching(new RegExp(`^${text.source}`))]);
    });

    it('--keep-disk asks for disks that stay, once or several times, and the plan says which do', async () => {
      api.runStarter.onPlan = async ({ input: { planId } }) =>
        void setTimeout(
          () =>
            void api.completePlan(planId, server, point, [], {
              keptDisks: [{ target: 'vdb', path: '/disks/vdb.raw', virtualSizeBytes: 2 * MIB }],
              oldDisks: [{ target: 'vdc', path: '/disks/vdc.qcow2', format: 'qcow2' }],
            }),
          30,
        );
      const { code, stdout } = await cli(api, [...PLAN, '--keep-disk', 'vdb', '--keep-disk', 'vdc', '--attach-old-disk', 'vdd']);
      expect(code).toBe(0);
      expect(api.runStarter.plans).toMatchObject([{ input: { keepDisks: ['vdb', 'vdc'], attachOldDisks: ['vdd'] } }]);
      expect(stdout).toMatch(/vdb +2 MiB +\/disks\/vdb\.raw +nothing: it stays as it is\n/);
      expect(stdout).toMatch(/vdc, old +qcow2 +\/disks\/vdc\.qcow2 +nothing: attached read-only, to copy from\n/);
    });

    it.each([
      [['--no-data'], { noData: true }],
      [['--incident-at', JUST_NOW], { incidentAt: JUST_NOW }],
      [['--keep-disk', 'vdb'], { keepDisks: ['vdb'], attachOldDisks: [] }],
      [['--attach-old-disk', 'vdb'], { keepDisks: [], attachOldDisks: ['vdb'] }],
      [['--leave-changes'], { leaveChanges: true }],
      [['--leave-credentials'], { leaveCredentials: true }],
    ])('%j is asked of the worker, and nothing beside it', async (options, asked) => {
      planWith([]);
      expect(await cli(api, [...PLAN, ...options])).toMatchObject({ code: 0, stdout: expect.stringContaining('modosu restore run plan_') as string });
      const plain = { noData: false, incidentAt: null, keepDisks: [], attachOldDisks: [], leaveChanges: false, leaveCredentials: false };
      const [started] = api.runStarter.plans;
      expect({ ...plain, ...started?.input }).toMatchObject({ ...plain, ...asked });
    });

    it.each([['/dev/vdb'], ['vdb,vdc'], ['../vdb'], ['']])('--keep-disk %j is no disk: exit code 2, nothing is started', async (target) => {
      expect(await cli(api, [...PLAN, '--keep-disk', target])).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/REQUEST_INVALID: .*\n[^]*keepDisks\[0\]/) as string,
      });
      expect(api.runStarter.plans).toEqual([]);
    });

    it.each([
      ['a disk the server does not have: exit code 3', 'DISK_NOT_FOUND', 3],
      ['a disk that cannot be kept: exit code 1', 'DISK_NOT_KEEPABLE', 1],
      ['a disk whose old volume cannot be attached: exit code 1', 'OLD_DISK_NOT_ATTACHABLE', 1],
    ] as const)('--keep-disk of %s, with what to do', async (_what, code, exitCode) => {
      const error = new ModosuError(code, 'not this one', { hint: 'name another' }).summary();
      api.runStarter.onPlan = async ({ input: { planId } }) => api.catalog.failPlan(planId, error);
      expect(await cli(api, [...PLAN, '--keep-disk', 'vdz'])).toMatchObject({
        code: exitCode,
        stdout: '',
        stderr: expect.stringMatching(new RegExp(`^error: ${code}: not this one\nhint: +name another`)) as string,
      });
    });

    it('--find-compatible asks for the newest that the peers accept, and prints which was chosen; not beside one that is named', async () => {
      planWith([{ code: 'COMPATIBLE_POINT', severity: 'ok', message: 'Generation 1 was chosen.', evidence: ['generation 2: STANDBY_AHEAD'] }]);
      const { code, stdout } = await cli(api, [...PLAN, '--find-compatible']);
      expect(code).toBe(0);
      expect(api.runStarter.plans).toMatchObject([{ input: { recoveryPointId: null, findCompatible: true } }]);
      expect(stdout).toMatch(/ {2}OK {2}COMPATIBLE_POINT: Generation 1 was chosen\.\n {6}generation 2: STANDBY_AHEAD\n/);
      for (const more of [
        ['--recovery-point', point.id],
        ['--from', 'vault'],
      ]) {
        expect(await cli(api, [...PLAN, '--find-compatible', ...more])).toMatchObject({
          code: 2,
          stdout: '',
          stderr: expect.stringMatching(/^error: USAGE: --find-compatible chooses the recovery point itself/) as string,
        });
      }
      expect(api.runStarter.plans).toHaveLength(1);
    });

    it('--find-compatible where there is none: exit code 3, what stands in the way, and what to do', async () => {
      const error = new ModosuError('NO_COMPATIBLE_RECOVERY_POINT', 'STANDBY_AHEAD stands against every one.', { hint: 'Rebuild web01.' }).summary();
      api.runStarter.onPlan = async ({ input: { planId } }) => api.catalog.failPlan(planId, error);
      expect(await cli(api, [...PLAN, '--find-compatible'])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/^error: NO_COMPATIBLE_RECOVERY_POINT: STANDBY_AHEAD stands against every one\.\nhint: +Rebuild web01\./) as string,
      });
    });

    it('a better choice stands in the plan right after what blocks, with the command for it', async () => {
      planWith([
        { code: 'COMPATIBLE_POINT', severity: 'warn', message: 'There is a better choice.', remedy: 'Plan with it: `modosu restore plan`.', evidence: [] },
        { code: 'STANDBY_AHEAD', severity: 'block', message: 'web01 has seen more.', evidence: [], relation: { name: 'copies', peer: 'web01', profile: 'p' } },
      ]);
      const { code, stdout } = await cli(api, PLAN);
      expect(code).toBe(9);
      expect(stdout).toMatch(/BLOCKS {2}STANDBY_AHEAD: .*\n {2}WARNING {2}COMPATIBLE_POINT: There is a better choice\.\n {6}remedy: Plan with it/);
      // Neither is overridden nor acknowledged: there is nothing to take upon oneself.
      expect(stdout).toContain('--override STANDBY_AHEAD --override-reason');
      expect(stdout).not.toContain('--override COMPATIBLE_POINT');
    });

    it('with blocking findings: exit code 9, the plan is still printed', async () => {
      planWith([{ code: 'NOT_ENOUGH_SPACE', severity: 'block', message: 'needs 165 MiB, 3 MiB are free', evidence: [] }]);
      const { code, stdout, stderr } = await cli(api, PLAN);
      expect(code).toBe(9);
      expect(stdout).toMatch(/BLOCKS {2}NOT_ENOUGH_SPACE: needs 165 MiB/);
      expect(stdout).not.toContain('modosu restore run');
      expect(stderr).toMatch(/blocking findings/);
      const planId = api.runStarter.plans[0]?.input.planId ?? '';
      expect((await cli(api, ['restore', 'run', planId, '--reason', 'x', '--confirm', 'db01'])).code).toBe(9);
    });

    it('that could not be made: its error', async () => {
      api.runStarter.onPlan = async ({ input: { planId } }) =>
        api.catalog.failPlan(planId, new ModosuError('RECOVERY_POINT_CORRUPT', 'vda.qcow2, segment 3').summary());
      expect(await cli(api, PLAN)).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/RECOVERY_POINT_CORRUPT: vda\.qcow2, segment 3/) as string,
      });
    });

    it('that nobody makes: exit code 8 after --timeout; Ctrl-C: 130', async () => {
      expect(await cli(api, [...PLAN, '--timeout', '1s'])).toMatchObject({ code: 8, stderr: expect.stringContaining('WAIT_TIMED_OUT') as string });
      const command = startCli(api, PLAN);
      await until('waiting', () => command.interruptible);
      command.interrupt();
      expect(await command.end()).toMatchObject({ code: 130, stderr: expect.stringMatching(/changes nothing/) as string });
    });

    it('of a server without a recovery point: exit code 3', async () => {
      await api.catalog.markRecoveryPoint(point.id, 'damaged', 'test');
      expect(await cli(api, PLAN)).toMatchObject({ code: 3, stderr: expect.stringContaining('NO_RECOVERY_POINT') as string });
    });

    it('prints the plan as it is stored, for machines', async () => {
      planWith([]);
      expect(JSON.parse((await cli(api, [...PLAN, '--recovery-point', point.id, '-o', 'json'])).stdout)).toMatchObject({
        state: 'ready',
        body: { recoveryPoint: { id: point.id } },
      });
      expect(api.runStarter.plans).toMatchObject([{ input: { recoveryPointId: point.id } }]);
    });
  });

  describe('restore run', () => {
    it('needs the exact name, runs once, and says the measured recovery time', async () => {
      const planId = await api.readyPlan(server, point);
      const command = ['restore', 'run', planId, '--reason', 'disk died'];
      expect(await cli(api, [...command, '--confirm', 'DB01'])).toMatchObject({ code: 2, stderr: expect.stringContaining('CONFIRMATION_MISMATCH') as string });
      api.runStarter.onRun = async ({ input }) =>
        void setTimeout(
          () => void api.catalog.startRun(input.runId).then(() => api.catalog.finishRun(input.runId, { state: 'succeeded', error: null, recoverySeconds: 42 })),
          20,
        );
      const done = await cli(api, [...command, '--confirm', 'db01', '--wait']);
      expect(done.code).toBe(0);
      expect(done.stdout).toMatch(/recovery time +42 s, measured/);
      expect(await cli(api, [...command, '--confirm', 'db01'])).toMatchObject({ code: 5, stderr: expect.stringContaining('PLAN_ALREADY_USED') as string });
    });
  });

  it('colours only a terminal, and not with NO_COLOR', async () => {
    await cli(api, BACKUP);
    const runId = await onlyRunId();
    await carryOut(runId, 'failed');
    const env = { MODOSU_STATE_DIR: api.directory, MODOSU_API_URL: api.url, MODOSU_TOKEN: api.tokens.read };
    const show = async (extra: Record<string, string>, terminal: boolean) =>
      (await new CliRun(['run', 'show', runId], { ...env, ...extra }, terminal).end()).stdout;
    expect(await show({}, true)).toContain('\u001b[31m');
    for (const plain of [await show({}, false), await show({ NO_COLOR: '1' }, true), await show({ TERM: 'dumb' }, true)]) expect(plain).not.toContain('\u001b');
  });
});
