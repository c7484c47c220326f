import type { ServerRecord } from '../../src/catalog/catalog';
import { ModosuError } from '../../src/contracts/errors';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { ApiHarness } from './api-harness';
import { cli, startCli, until } from './cli-harness';

const MIB = 1024 * 1024;

/** What people decide about a restore, from the command line. */
describe('modosu, decisions', () => {
  let api: ApiHarness;
  let server: ServerRecord;
  let point: ImageRecoveryPointView;

  beforeEach(async () => {
    api = await ApiHarness.start();
    ({ server, point } = await api.seed());
  });

  afterEach(async () => api.close());

  /** Does what a worker does a moment later, and lets the test fail when that fails. */
  const soon = (work: () => Promise<unknown>): void => void setTimeout(() => void work(), 20);

  describe('backup image --mode online', () => {
    it('asks for it, crash consistent only when told to', async () => {
      expect((await cli(api, ['backup', 'image', 'db01', '--mode', 'online', '--allow-crash-consistent', '--reason', 'x'])).code).toBe(0);
      expect(api.runStarter.runs).toMatchObject([{ input: { mode: 'online', allowCrashConsistent: true, maxIncrements: 13 } }]);
    });

    it('takes a whole image with --full', async () => {
      expect((await cli(api, ['backup', 'image', 'db01', '--mode', 'online', '--full', '--reason', 'x'])).code).toBe(0);
      expect(api.runStarter.runs).toMatchObject([{ input: { mode: 'online', maxIncrements: 13, full: true } }]);
    });

    it('--full with --mode offline: exit code 2', async () => {
      const refused = await cli(api, ['backup', 'image', 'db01', '--mode', 'offline', '--full', '--reason', 'x']);
      expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('full: is for online backups only') as string });
    });

    it('--allow-crash-consistent with --mode offline: exit code 2', async () => {
      const refused = await cli(api, ['backup', 'image', 'db01', '--mode', 'offline', '--allow-crash-consistent', '--reason', 'x']);
      expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('allowCrashConsistent: is for online backups only') as string });
    });
  });

  describe('a run that waits for a person', () => {
    it('ends the waiting of restore run --hold --wait with exit code 7, and says how to go on and how to undo', async () => {
      const planId = await api.readyPlan(server, point);
      api.runStarter.onRun = async ({ input }) =>
        soon(async () => {
          await api.catalog.startRun(input.runId);
          await api.catalog.recordStep(input.runId, { seq: 1, key: 'go-live', title: 'Wait for go-live', state: 'waiting' });
        });
      const { code, stdout, stderr } = await cli(api, ['restore', 'run', planId, '--reason', 'disk died', '--confirm', 'db01', '--hold', '--wait']);
      const runId = api.runStarter.runs[0]?.input.runId ?? '';
      expect(code).toBe(7);
      expect(api.runStarter.runs).toMatchObject([{ input: { hold: true } }]);
      expect(stdout).toMatch(/^ {2}state +waits for a person: go-live$/m);
      expect(stderr).toMatch(/^\d\d:\d\d:\d\dZ go-live {7}waiting {3}Wait for go-live$/m);
      expect(stderr).toMatch(/production network of db01 is down until then; the run goes on waiting by itself/);
      expect(stderr).toContain(`  go live: modosu run go-live ${runId} --reason "WHY" --wait\n  undo:    modosu run undo ${runId} --reason "WHY" --wait\n`);
      expect(api.runStarter.cancelled).toEqual([]);
    });

    it('ends run watch with exit code 7, also for machines', async () => {
      const runId = await api.waitingRestore(server, point);
      expect((await cli(api, ['run', 'watch', runId])).code).toBe(7);
      const { code, stdout } = await cli(api, ['run', 'watch', runId, '-o', 'json']);
      expect(code).toBe(7);
      expect(JSON.parse(stdout)).toMatchObject({ id: runId, waitingFor: 'go-live', allowedActions: ['go-live', 'undo', 'cancel'] });
    });

    it('does not end it once the decision is made', async () => {
      const runId = await api.waitingRestore(server, point);
      await api.catalog.decide({ actor: 'other', runId, kind: 'go-live', reason: 'x' });
      const command = startCli(api, ['run', 'watch', runId]);
      await until('the run is watched', () => command.stdout.includes('go-live'));
      await api.endRestore(runId);
      expect((await command.end()).code).toBe(0);
    });

    it('is shown with what may be done next, and with what it has kept', async () => {
      const runId = await api.waitingRestore(server, point);
      const { code, stdout } = await cli(api, ['run', 'show', runId]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Way back\n {2}state +open: the old volumes are kept\n {2}holds +165 MiB\n +vda \/disks\/vda\.qcow2 \(165 MiB\)\n/);
      expect(stdout).toMatch(/went live +no: its production network has never been up/);
      expect(stdout).toContain(
        `Next\n  go live  modosu run go-live ${runId} --reason "WHY" --wait\n  undo     modosu run undo ${runId} --reason "WHY" --wait\n  follow   modosu run watch ${runId}`,
      );
      expect((await cli(api, ['run', 'list'])).stdout).toMatch(new RegExp(`^${runId} +restore-server +db01 +waits: go-live `, 'm'));
    });
  });

  describe('run go-live', () => {
    it('--wait follows the run to its end', async () => {
      const runId = await api.waitingRestore(server, point);
      api.runStarter.onDecided = async (id) => soon(() => api.endRestore(id));
      const { code, stdout, stderr } = await cli(api, ['run', 'go-live', runId, '--reason', 'checked', '--wait']);
      expect(code).toBe(0);
      expect(stderr).toMatch(/The decision is written down\. Safe to close/);
      expect(stdout).toMatch(/^ {2}state +succeeded$/m);
      expect(stdout).toMatch(new RegExp(`Next\n {2}undo +modosu run undo ${runId}\n {2}confirm +modosu run confirm ${runId} --reason "WHY"\n`));
      expect(stdout).toMatch(/lives until +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ, (7 d|6 d 23 h) from now; then the old volumes are deleted/);
    });

    it('without --wait shows the run; of one that has ended or does not wait: exit code 5', async () => {
      const runId = await api.waitingRestore(server, point);
      expect(await cli(api, ['run', 'go-live', runId, '--reason', 'checked'])).toMatchObject({
        code: 0,
        stderr: '',
        stdout: expect.stringContaining(`Run ${runId}`) as string,
      });
      await api.endRestore(runId);
      expect(await cli(api, ['run', 'go-live', runId, '--reason', 'again'])).toMatchObject({
        code: 5,
        stdout: '',
        stderr: expect.stringContaining('RUN_FINISHED') as string,
      });
      await cli(api, ['backup', 'image', 'db01', '--mode', 'online', '--reason', 'x']);
      const backup = api.runStarter.runs.at(-1)?.input.runId ?? '';
      expect(await cli(api, ['run', 'go-live', backup, '--reason', 'x'])).toMatchObject({
        code: 5,
        stderr: expect.stringContaining('RUN_NOT_WAITING') as string,
      });
    });

    it('with a token that may only read: exit code 4', async () => {
      const runId = await api.waitingRestore(server, point);
      for (const argv of [['go-live'], ['confirm'], ['undo']]) {
        const refused = await cli(api, ['run', ...argv, runId, '--reason', 'x'], { MODOSU_TOKEN: api.tokens.read });
        expect(refused).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('NOT_ALLOWED') as string });
      }
    });
  });

  describe('run undo, of a run that is open', () => {
    it('cancels it and waits until it has put everything back', async () => {
      const runId = await api.waitingRestore(server, point);
      api.runStarter.onCancel = async (id) =>
        soon(() => api.catalog.revertWayBack(id).then(() => api.catalog.finishRun(id, { state: 'cancelled', error: null })));
      const { code, stdout, stderr } = await cli(api, ['run', 'undo', runId, '--reason', 'not what we need', '--wait']);
      expect(code).toBe(0);
      expect(stderr).toMatch(/is still open: it is cancelled and puts back what it has changed\. Nothing is lost before go-live\.$/m);
      expect(stderr).toMatch(/^The cancel is written down: the run hears of it within seconds, or as soon as Temporal is back\.$/m);
      expect(stdout).toMatch(/^ {2}state +cancelled$/m);
      expect(stdout).toMatch(/state +reverted: the run has put back itself what it had replaced/);
      const { items } = await api.catalog.listAudit({ runId }, { limit: 100, cursor: null });
      expect(items).toContainEqual(
        expect.objectContaining({ action: 'run.cancel-requested', details: expect.objectContaining({ reason: 'not what we need' }) as object }),
      );
    });

    it('that cannot put everything back: exit code 6; that had come too far: exit code 5, and how to go on', async () => {
      const first = await api.waitingRestore(server, point);
      api.runStarter.onCancel = async (id) =>
        soon(() => api.catalog.finishRun(id, { state: 'failed', error: new ModosuError('SWAP_REFUSED', 'no').summary() }));
      expect(await cli(api, ['run', 'undo', first, '--reason', 'x', '--wait'])).toMatchObject({
        code: 6,
        stderr: expect.stringContaining('RUN_FAILED') as string,
      });
      const second = await api.waitingRestore(server, point);
      api.runStarter.onCancel = async (id) => soon(() => api.endRestore(id));
      const late = await cli(api, ['run', 'undo', second, '--reason', 'x', '--wait']);
      expect(late).toMatchObject({ code: 5, stderr: expect.stringContaining(`Undo it with a plan: \`modosu run undo ${second}\``) as string });
    });

    it('needs a reason, takes no plan, and is not for backups: nothing is cancelled', async () => {
      const runId = await api.waitingRestore(server, point);
      expect(await cli(api, ['run', 'undo', runId])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Add --reason TEXT') as string });
      expect(await cli(api, ['run', 'undo', runId, '--plan', 'plan_x', '--confirm', 'db01', '--reason', 'x'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('without a plan') as string,
      });
      await api.catalog.recordGoLive(runId);
      expect(await cli(api, ['run', 'undo', runId, '--reason', 'x'])).toMatchObject({
        code: 5,
        stderr: expect.stringMatching(/has gone live and is about to end/) as string,
      });
      await api.endRestore(runId);
      await cli(api, ['backup', 'image', 'db01', '--mode', 'online', '--reason', 'x']);
      const backup = api.runStarter.runs.at(-1)?.input.runId ?? '';
      expect(await cli(api, ['run', 'undo', backup, '--reason', 'x'])).toMatchObject({
        code: 3,
        stderr: expect.stringContaining(`modosu run cancel ${backup}`) as string,
      });
      expect(api.runStarter.cancelled).toEqual([]);
    });
  });

  describe('run undo, of a run that has ended', () => {
    let runId: string;

    beforeEach(async () => {
      runId = await api.doneRestore(server, point);
      api.runStarter.onPlan = async (plan) => soon(() => api.completeUndoPlan(plan.input.planId));
    });

    const planId = (): string => api.runStarter.plans.at(-1)?.input.planId ?? '';

    it('makes a plan, shows what would be lost and the command that carries it out', async () => {
      const { code, stdout, stderr } = await cli(api, ['run', 'undo', runId]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^Undo plan plan_\w+\n\nThis server is put back; compare before you go on\n {2}name +db01\n {2}UUID +[0-9a-f-]{36}\n/);
      expect(stdout).toMatch(/state now +running, guest agent answering\n/);
      expect(stdout).toMatch(
        new RegExp(
          `What is undone\n {2}run +${runId}\n {2}kind +restore-server\n {2}reason +disk died\n {2}replaced +2026-01-31 12:00:00Z, .* ago\n {2}went live +2026-01-31 12:03:00Z, .* ago\n`,
        ),
      );
      expect(stdout).toMatch(
        /What it returns to\n {2}state +running, guest agent silent\n {2}generation id +cccccccc\S+2 -> cccccccc\S+1\n {2}lineage +\S+ -> dddddddd\S+\n/,
      );
      expect(stdout).toContain('What would be lost\n  - Everything written since it went live');
      expect(stdout).toMatch(/vda +12 MiB +\/disks\/vda\.qcow2\.run_x +\/disks\/vda\.qcow2\n/);
      expect(stdout).toContain('  2. Put the kept volumes in place');
      expect(stdout).toContain(`Next\n  modosu run undo ${runId} --plan ${planId()} --reason "WHY" --confirm db01 --wait`);
      expect((await cli(api, ['restore', 'show', planId()])).stdout).toBe(stdout);
    });

    it('with blocking findings: exit code 9, and it cannot be carried out', async () => {
      api.runStarter.onPlan = async (plan) =>
        soon(() => api.completeUndoPlan(plan.input.planId, [{ code: 'WAY_BACK_INCOMPLETE', severity: 'block', message: 'vda is gone', evidence: [] }]));
      const { code, stdout } = await cli(api, ['run', 'undo', runId]);
      expect(code).toBe(9);
      expect(stdout).toMatch(/BLOCKS {2}WAY_BACK_INCOMPLETE: vda is gone/);
      expect(stdout).not.toContain('--confirm db01');
      expect((await cli(api, ['run', 'undo', runId, '--plan', planId(), '--confirm', 'db01', '--reason', 'x'])).code).toBe(9);
    });

    it('with the plan and the name carries it out', async () => {
      await cli(api, ['run', 'undo', runId]);
      const command = ['run', 'undo', runId, '--plan', planId(), '--confirm'];
      expect(await cli(api, [...command, 'db01'])).toMatchObject({ code: 2, stderr: expect.stringContaining('needs a reason') as string });
      expect(await cli(api, [...command, 'DB01', '--reason', 'x'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('CONFIRMATION_MISMATCH') as string,
      });
      api.runStarter.onRun = async ({ input }) =>
        soon(() => api.catalog.startRun(input.runId).then(() => api.catalog.finishRun(input.runId, { state: 'succeeded', error: null })));
      const done = await cli(api, [...command, 'db01', '--reason', 'wrong point', '--wait']);
      expect(done).toMatchObject({ code: 0, stdout: expect.stringMatching(/kind +undo/) as string });
      expect(api.runStarter.runs.at(-1)).toMatchObject({ kind: 'undo', input: { ofRunId: runId, reason: 'wrong point' } });
      expect((await cli(api, ['restore', 'show', planId()])).stdout).toMatch(/this plan has been carried out: modosu run show run_/);
    });

    it('--plan and --confirm belong together, and the plan has to be of this undo', async () => {
      for (const lonely of [
        ['--plan', 'plan_x'],
        ['--confirm', 'db01'],
      ]) {
        expect(await cli(api, ['run', 'undo', runId, ...lonely])).toMatchObject({ code: 2, stderr: expect.stringContaining('belong together') as string });
      }
      await cli(api, ['run', 'undo', runId]);
      const own = planId();
      api.clockOffsetMs = 1000;
      const other = await api.doneRestore(server, point);
      const restore = await api.readyPlan(server, point);
      for (const [of, plan] of [
        [other, own],
        [runId, restore],
      ] as const) {
        const refused = await cli(api, ['run', 'undo', of, '--plan', plan, '--confirm', 'db01', '--reason', 'x']);
        expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('is not the plan of an undo of run') as string });
      }
      expect(api.runStarter.runs).toEqual([]);
    });

    it('of a run without a way back: exit code 3; after a confirm: exit code 5', async () => {
      await cli(api, ['backup', 'image', 'db01', '--mode', 'online', '--reason', 'x']);
      const backup = api.runStarter.runs.at(-1)?.input.runId ?? '';
      await api.catalog.finishRun(backup, { state: 'succeeded', error: null });
      expect(await cli(api, ['run', 'undo', backup])).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('WAY_BACK_NOT_FOUND') as string });
      api.runStarter.onRun = async ({ input }) => soon(() => api.endConfirm(input.runId, runId));
      const confirmed = await cli(api, ['run', 'confirm', runId, '--reason', 'in production since Monday', '--wait']);
      expect(confirmed).toMatchObject({ code: 0, stdout: expect.stringMatching(/kind +confirm/) as string });
      for (const argv of [
        ['run', 'undo', runId],
        ['run', 'confirm', runId, '--reason', 'again'],
      ]) {
        expect(await cli(api, argv)).toMatchObject({ code: 5, stdout: '', stderr: expect.stringContaining('WAY_BACK_CLOSED') as string });
      }
      expect((await cli(api, ['run', 'show', runId])).stdout).toMatch(/state +confirmed: the old volumes were deleted\n[\s\S]*closed +\S+ \S+ by run run_/);
    });
  });

  describe('way-back list', () => {
    it('says what is kept, how much room it takes, and until when', async () => {
      expect((await cli(api, ['way-back', 'list'])).stdout).toBe('RUN  SERVER  STATE  HOLDS  LIVES UNTIL  WENT LIVE\n');
      const done = await api.doneRestore(server, point);
      const waiting = await api.waitingRestore(server, point);
      const { code, stdout, stderr } = await cli(api, ['way-back', 'list', '--server', 'db01', '--state', 'open']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(new RegExp(`^${done} +db01 +open +165 MiB +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\dZ +\\d{4}-`, 'm'));
      expect(stdout).toMatch(new RegExp(`^${waiting} +db01 +open +165 MiB +go-live or undo +no$`, 'm'));
      expect((await cli(api, ['way-back', 'list', '--server', 'db01'])).stdout).toBe(stdout);
      expect(JSON.parse((await cli(api, ['way-back', 'list', '-o', 'json'])).stdout)).toHaveLength(2);
      expect((await cli(api, ['server', 'show', 'db01'])).stdout).toMatch(
        new RegExp(`kept by restores +330 MiB\n +run ${waiting}, holds 165 MiB, lives until go-live or undo\n +run ${done}, holds`),
      );
    });

    it('of an unknown server: exit code 3', async () => {
      expect(await cli(api, ['way-back', 'list', '--server', 'db02'])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringContaining('SERVER_NOT_FOUND') as string,
      });
    });
  });

  describe('restore show', () => {
    it('shows a plan whose terminal was lost, with its quarantine and health checks; blocking findings are no failure', async () => {
      const planId = await api.readyPlan(server, point, [{ code: 'NOT_ENOUGH_SPACE', severity: 'block', message: 'full', evidence: [] }]);
      const { code, stdout, stderr } = await cli(api, ['restore', 'show', planId]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(
        /Quarantine, until go-live\n {2}links down +52:54:00:00:00:01\n {2}links up +none\n {2}health checks +web: \/usr\/bin\/true in the guest, for up to 60 s\n/,
      );
    });

    it('shows one that is being made, and one that could not be', async () => {
      const { body } = await api.call('POST', '/v1/servers/db01/restore-plans', { body: { scenario: 'server' } });
      const planId = String(body['id']);
      expect((await cli(api, ['restore', 'show', planId])).stdout).toMatch(/state +planning: it is still being made/);
      const error = { code: 'NO_WORKER' as const, message: 'Nobody\u001b[2J.', hint: 'Start one.' };
      await api.catalog.recordPlanRetry(planId, { attempt: 0, failedAt: null, nextAttemptAt: null, error });
      expect((await cli(api, ['restore', 'show', planId])).stdout).toMatch(/\n\nHeld up: NO_WORKER: Nobody\[2J\.\nhint: {2}Start one\.\n/);
      await api.catalog.failPlan(planId, new ModosuError('TARGET_UNREACHABLE', 'no \u001b[31mdirectory').summary());
      const failed = await cli(api, ['restore', 'show', planId]);
      expect(failed.code).toBe(0);
      expect(failed.stdout).toMatch(/state +failed[\s\S]*error: TARGET_UNREACHABLE: no \[31mdirectory/);
    });
  });

  it('progress is shown with rate, time left, and since when it stands still', async () => {
    await cli(api, ['backup', 'image', 'db01', '--mode', 'online', '--reason', 'x']);
    const runId = api.runStarter.runs[0]?.input.runId ?? '';
    await api.catalog.startRun(runId);
    for (const [seq, target] of [
      [1, 'vda'],
      [2, 'vdb'],
    ] as const) {
      await api.catalog.recordStep(runId, { seq, key: `copy:${target}`, title: `Copy ${target}`, state: 'running' });
    }
    const nowMs = Date.now();
    const progress = { doneBytes: 50 * MIB, totalBytes: 100 * MIB };
    await api.catalog.recordProgress(runId, 'copy:vda', {
      ...progress,
      updatedAt: new Date(nowMs).toISOString(),
      bytesPerSecond: 10 * MIB,
      secondsLeft: 5,
      stalledSince: null,
    });
    const since = new Date(nowMs - 60_000).toISOString();
    await api.catalog.recordProgress(runId, 'copy:vdb', { ...progress, updatedAt: since, bytesPerSecond: null, secondsLeft: null, stalledSince: since });
    const { stdout } = await cli(api, ['run', 'show', runId]);
    expect(stdout).toMatch(/copy:vda .*50 % of 100 MiB, 10 MiB\/s, about 5 s left/);
    expect(stdout).toMatch(/copy:vdb .*50 % of 100 MiB, stalled for 1 min/);
  });
});
