import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { guestOutput, startGuest, waitForAgent } from '../guests/guest-server';
import { runProgram } from '../guests/run-program';
import { OnlineLab, SLOW_BYTES_PER_SECOND } from '../support/online-lab';
import { SocketGate } from '../support/socket-gate';
import { eventually } from '../support/processes';
import { refusedWith } from './hypervisor.contract';

jest.setTimeout(180_000);

const SLOW = { rateLimitBytesPerSecond: SLOW_BYTES_PER_SECOND, maxGuestLatencyMs: null };
const never = new AbortController().signal;
/** The worker never gets an answer to `backup-begin`: it stays between freeze and thaw. */
const HOLD_BEFORE_BEGIN = 'case "$*" in *backup-begin*) exec sleep 300;; esac';
/** The job has begun, and the worker never hears of it. */
const HOLD_AFTER_BEGIN = 'case "$*" in *backup-begin*) "$real" "$@"; exec sleep 300;; esac';

describe('online backup of the libvirt adapter when processes die', () => {
  let lab: OnlineLab;
  let request: OnlineBackupRequest;
  const begin = (hypervisor = lab.hypervisor): ReturnType<typeof lab.hypervisor.beginOnlineBackup> => hypervisor.beginOnlineBackup(request, { signal: never });
  const follow = (hypervisor = lab.hypervisor): ReturnType<typeof lab.hypervisor.followOnlineBackup> =>
    hypervisor.followOnlineBackup({ ...request, runId: request.fence.runId }, { signal: never, onProgress: () => undefined });
  const inGuest = (script: string): Promise<string> => guestOutput(lab.guest.uuid, ['sh', '-c', script]);
  const jobAgeMs = async (): Promise<number> =>
    Number(/Time elapsed:\s+(\d+)/.exec((await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'domjobinfo', lab.guest.uuid])).stdout)?.[1] ?? -1);
  const killed = async (worker: Awaited<ReturnType<OnlineLab['worker']>>): Promise<void> => {
    const gone = new Promise((resolve) => worker.process.once('exit', resolve));
    worker.process.kill('SIGKILL');
    await gone;
  };

  beforeAll(async () => {
    lab = await OnlineLab.create({ bulk: true });
  });
  afterEach(() => lab.expectClean(request));
  afterAll(async () => {
    await lab.dispose();
  });

  it('SIGKILL of the worker between freeze and thaw: the guard thaws, runs the hook and ends; the next attempt begins anew', async () => {
    request = await lab.request({
      limits: SLOW,
      quiesce: { before: ['/bin/sh', '-c', 'echo quiet > /data/state'], after: ['/bin/sh', '-c', 'echo awake > /data/state'] },
    });
    const worker = await lab.worker(request, { virshScript: HOLD_BEFORE_BEGIN });
    await eventually('the guest is frozen', async () => (await lab.freezeStatus()) === 'frozen', 60_000);
    expect(await lab.guards(request.fence.runId)).toHaveLength(1);
    const diedAt = performance.now();
    await killed(worker);
    await eventually('the guard thaws', async () => (await lab.freezeStatus()) === 'thawed', 8_000);
    expect(performance.now() - diedAt).toBeLessThan(8_000);
    await eventually('the hook has run', async () => (await inGuest('cat /data/state')) === 'awake\n', 100_000);
    expect(await begin()).toMatchObject({ consistency: 'application' });
    expect(await lab.jobRuns()).toBe(true);
    await lab.unlimit(request);
    await follow();
  });

  it('SIGKILL of the worker between beginning and thaw: the guard thaws, and the next attempt cancels the job of doubtful consistency and begins anew', async () => {
    request = await lab.request({ limits: SLOW });
    const worker = await lab.worker(request, { virshScript: HOLD_AFTER_BEGIN });
    await eventually('the job has begun', async () => lab.jobRuns(), 60_000);
    await killed(worker);
    await eventually('the guard thaws', async () => (await lab.freezeStatus()) === 'thawed', 8_000);
    expect(await lab.jobRuns()).toBe(true);
    const [age, lookedAt] = [await jobAgeMs(), performance.now()];
    expect(await begin()).toMatchObject({ consistency: 'filesystem' });
    // Another job than the one looked at before: younger than that one would be now.
    expect(await jobAgeMs()).toBeLessThan(age + (performance.now() - lookedAt) - 200);
    expect(await lab.guards(request.fence.runId)).toHaveLength(1);
    await lab.unlimit(request);
    await follow();
  });

  it('a worker that hangs between freeze and thaw: the guard thaws when the window is over, and the point is not called consistent', async () => {
    request = await lab.request({ limits: SLOW });
    const worker = await lab.worker(request, { virshScript: HOLD_BEFORE_BEGIN });
    await eventually('the guest is frozen', async () => (await lab.freezeStatus()) === 'frozen', 60_000);
    const frozenAt = performance.now();
    worker.process.kill('SIGSTOP');
    await eventually('the guard thaws', async () => (await lab.freezeStatus()) === 'thawed', 20_000);
    expect(performance.now() - frozenAt).toBeGreaterThan(7_000);
    expect(performance.now() - frozenAt).toBeLessThan(14_000);
    await killed(worker);
    expect(worker.said()).not.toContain('begun');
  });

  it('SIGKILL of the worker while QEMU copies: another process adopts the job, and nothing is copied twice', async () => {
    request = await lab.request({ limits: SLOW });
    const worker = await lab.worker(request);
    await eventually('the job has begun', async () => worker.said().includes('begun'), 60_000);
    const said = JSON.parse(/begun (.*)/.exec(worker.said())?.[1] ?? '') as unknown;
    await killed(worker);
    const age = await jobAgeMs();
    expect(await begin()).toEqual(said);
    expect(await jobAgeMs()).toBeGreaterThanOrEqual(age);
    expect(await lab.guards(request.fence.runId)).toHaveLength(1);
    await lab.unlimit(request);
    await follow();
  });

  it('a job that ends while nobody looks is found complete', async () => {
    request = await lab.request({ limits: SLOW });
    const worker = await lab.worker(request);
    await eventually('the job has begun', async () => worker.said().includes('begun'), 60_000);
    const start = JSON.parse(/begun (.*)/.exec(worker.said())?.[1] ?? '') as unknown;
    await killed(worker);
    for (const pid of await lab.guards(request.fence.runId)) process.kill(pid, 'SIGKILL');
    await lab.unlimit(request);
    await eventually('the job has ended', async () => !(await lab.jobRuns()), 60_000);
    expect(await begin()).toEqual(start);
    await follow();
  });

  it('SIGKILL of the guard: a new one takes over, never a second beside it', async () => {
    request = await lab.request({ limits: SLOW });
    await begin();
    const [first] = await lab.guards(request.fence.runId);
    process.kill(first ?? 0, 'SIGKILL');
    const following = follow();
    const second = await eventually('a new guard watches', async () => (await lab.guards(request.fence.runId)).find((pid) => pid !== first), 20_000);
    expect(await lab.guards(request.fence.runId)).toEqual([second]);
    await lab.unlimit(request);
    await following;
    await eventually('the guard has ended by itself', async () => (await lab.guards(request.fence.runId)).length === 0);
  });

  it('worker and guard die between freeze and thaw: the janitor thaws', async () => {
    request = await lab.request({ limits: SLOW });
    const worker = await lab.worker(request, { virshScript: HOLD_BEFORE_BEGIN });
    await eventually('the guest is frozen', async () => (await lab.freezeStatus()) === 'frozen', 60_000);
    for (const pid of await lab.guards(request.fence.runId)) process.kill(pid, 'SIGKILL');
    await killed(worker);
    expect(await lab.freezeStatus()).toBe('frozen');
    expect(await lab.hypervisor.sweepGuards(new Set([request.fence.runId]))).toEqual([expect.stringContaining('guard')]);
    await eventually('the guest is thawed', async () => (await lab.freezeStatus()) === 'thawed');
    expect(await lab.hypervisor.sweepGuards(new Set())).toEqual([]);
    await expect(readFile(join(lab.stateDirectory, 'guards', request.fence.runId, 'order.json'))).rejects.toThrow('ENOENT');
  });

  it('the janitor ends the job of a run that is over', async () => {
    request = await lab.request({ limits: SLOW });
    await begin();
    expect(await lab.hypervisor.sweepGuards(new Set([request.fence.runId]))).toEqual([]);
    expect(await lab.jobRuns()).toBe(true);
    expect(await lab.hypervisor.sweepGuards(new Set())).toEqual([expect.stringContaining('cancelled')]);
    expect(await lab.jobRuns()).toBe(false);
  });

  it('libvirt is away for a while: the job is followed to its end', async () => {
    request = await lab.request({ limits: SLOW });
    const gate = await SocketGate.open(join(lab.root, 'gate.sock'), '/run/libvirt/libvirt-sock');
    try {
      const behindGate = lab.adapter({ socketPath: gate.path });
      await begin(behindGate);
      const following = follow(behindGate);
      await gate.shut();
      await lab.unlimit(request);
      await eventually('the job has ended', async () => !(await lab.jobRuns()), 60_000);
      await gate.reopen();
      await following;
    } finally {
      await gate.close();
    }
  });

  it('SIGKILL of QEMU: the job is lost, and said to be', async () => {
    request = await lab.request({ limits: SLOW });
    await begin();
    // libvirt remembers no earlier one, whose end could be taken for that of this job.
    const remembered = await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'domjobinfo', '--completed', '--keep-completed', lab.guest.uuid]);
    expect(remembered.stdout).not.toContain('Completed');
    expect(await lab.jobRuns()).toBe(true);
    const following = follow().catch((error: unknown) => error);
    const qemu = Number(await readFile(`/run/libvirt/qemu/${lab.guest.name}.pid`, 'utf8'));
    process.kill(qemu, 'SIGKILL');
    expect(await following).toEqual(refusedWith('BACKUP_JOB_LOST'));
    // A retry of the beginning is told the same: what has become of the job is for who follows.
    await begin();
    await expect(follow()).rejects.toEqual(refusedWith('BACKUP_JOB_LOST'));
    await lab.hypervisor.cancelOnlineBackup(lab.server, request.fence.runId);
    await expect(begin()).rejects.toEqual(refusedWith('BACKUP_JOB_LOST'));
    await startGuest(lab.guest.uuid);
    await waitForAgent(lab.guest.uuid, 120_000);
  });
});
