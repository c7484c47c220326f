import { readFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { guestOutput } from '../guests/guest-server';
import { runProgram, virsh } from '../guests/run-program';
import { must, OnlineLab } from '../support/online-lab';
import { eventually } from '../support/processes';
import { refusedWith } from './hypervisor.contract';

jest.setTimeout(180_000);

const never = new AbortController().signal;
/** More than all images need: a job is held before it has used it up, and then the rest is filled. */
const REPOSITORY_BYTES = 1_400 * 1024 * 1024;
const SAMPLE_MS = 500;
const HELD_FOR_SAMPLES = 5;
const TIGHT_BYTES = 150 * 1024 * 1024;

/** Both ways in which a repository can be full under a running job. The reservation, which prevents them, is switched off. */
describe('online backup of the libvirt adapter into a repository that fills up', () => {
  let lab: OnlineLab;
  let request: OnlineBackupRequest;
  const inGuest = (script: string): Promise<string> => guestOutput(lab.guest.uuid, ['sh', '-c', script]);

  /** Leaves so much free, as far as possible. */
  const fill = async (leftBytes: number): Promise<void> => {
    const { bavail, bsize } = await statfs(lab.repository);
    const filler = join(lab.repository, 'filler');
    // What is left to the last block is filled by hand: it ends with "No space left on device".
    await must('fallocate', '-l', String(bavail * bsize - Math.max(leftBytes, 8 * 1024 * 1024)), filler);
    if (leftBytes === 0) await runProgram('dd', ['if=/dev/zero', `of=${filler}.rest`, 'bs=4k']);
    expect((await statfs(lab.repository)).bavail * bsize).toBeLessThanOrEqual(leftBytes);
  };

  /** The limit of a job takes hold some moments after it has begun; until then it takes room. That it takes none for a moment may also be a busy machine. */
  const untilHeld = async (): Promise<void> => {
    const seen: number[] = [];
    await eventually('the job is held', async () => {
      seen.push((await statfs(lab.repository)).bavail);
      const last = seen.slice(-HELD_FOR_SAMPLES);
      if (last.length === HELD_FOR_SAMPLES && new Set(last).size === 1) return true;
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      return false;
    });
    expect(await lab.jobRuns()).toBe(true);
  };

  beforeAll(async () => {
    lab = await OnlineLab.create({ bulk: true, tightDisk: true, repositoryBytes: REPOSITORY_BYTES });
  });
  afterEach(async () => {
    for (const name of ['filler', 'filler.rest']) await rm(join(lab.repository, name), { force: true });
    await lab.expectClean(request);
  });
  afterAll(async () => {
    await lab.dispose();
  });

  it('is refused with numbers before anything is frozen', async () => {
    request = await lab.request();
    await fill(TIGHT_BYTES);
    await expect(lab.hypervisor.beginOnlineBackup(request, { signal: never })).rejects.toMatchObject({
      code: 'NOT_ENOUGH_SPACE',
      message: expect.stringMatching(/ free, .* need /) as string,
    });
    expect(await lab.freezeStatus()).toBe('thawed');
    await eventually('the guard has nothing to look after', async () => (await lab.guards(request.fence.runId)).length === 0);
  });

  it('QEMU meets the end first: the job fails and the guest goes on', async () => {
    // Held until nothing in the guest has anything to write: a thaw that comes late writes too, and would meet the end instead of QEMU.
    request = await lab.request({ limits: { rateLimitBytesPerSecond: 1, maxGuestLatencyMs: null } });
    const hypervisor = lab.adapter({ reserveRoom: false });
    await hypervisor.beginOnlineBackup(request, { signal: never });
    await untilHeld();
    // However long the copy takes: the guest's journals write nothing of their own meanwhile.
    await inGuest('for place in / /data; do mount -o remount,commit=3600 $place || exit 1; done; sync');
    await fill(TIGHT_BYTES);
    const following = hypervisor.followOnlineBackup({ ...request, runId: request.fence.runId }, { signal: never, onProgress: () => undefined });
    await lab.unlimit(request);
    await expect(following).rejects.toMatchObject({ code: 'NOT_ENOUGH_SPACE', message: expect.stringContaining('was not stopped') as string });
    expect(await lab.state()).toBe('running');
    expect(await inGuest('echo alive > /data/file && cat /data/file')).toBe('alive\n');
  });

  it('a write of the guest meets it first: the guest is stopped, the guard cancels the job, then resumes', async () => {
    // So slow that QEMU's own next piece is hours away.
    request = await lab.request({ limits: { rateLimitBytesPerSecond: 1, maxGuestLatencyMs: null } });
    const hypervisor = lab.adapter({ reserveRoom: false });
    await hypervisor.beginOnlineBackup(request, { signal: never });
    await untilHeld();
    await fill(0);
    const failed = hypervisor
      .followOnlineBackup({ ...request, runId: request.fence.runId }, { signal: never, onProgress: () => undefined })
      .catch((error: unknown) => error);
    // Later: an agent of a stopped guest answers nobody.
    await inGuest(
      '(usleep 1500000; dd if=/dev/zero of=/dev/vdc bs=1M seek=900 count=100 oflag=direct && echo written > /data/written) >/dev/null 2>&1 </dev/null &',
    );
    expect(await failed).toEqual(refusedWith('NOT_ENOUGH_SPACE'));
    expect(await failed).toMatchObject({ message: expect.stringMatching(/stood still for about .* resumed/) as string });
    await eventually('the guest goes on and its writes end well', async () => (await inGuest('cat /data/written 2>/dev/null; true')) === 'written\n', 60_000);
    const state = JSON.parse(await readFile(join(lab.stateDirectory, 'guards', request.fence.runId, 'state.json'), 'utf8')) as {
      pause: { resumed: boolean; lastedMs: number };
    };
    expect(state.pause.resumed).toBe(true);
    expect(state.pause.lastedMs).toBeLessThan(20_000);
  });

  it("the guest's own storage is full: the job is cancelled, and a guest that cannot go on is left to people", async () => {
    request = await lab.request({ limits: { rateLimitBytesPerSecond: 1, maxGuestLatencyMs: null } });
    // Into room that was reserved a fast disk takes all of it before the limit has taken hold: then nothing runs that could be cancelled.
    const hypervisor = lab.adapter({ reserveRoom: false });
    await hypervisor.beginOnlineBackup(request, { signal: never });
    await untilHeld();
    expect(await lab.jobRuns()).toBe(true);
    const failed = hypervisor
      .followOnlineBackup({ ...request, runId: request.fence.runId }, { signal: never, onProgress: () => undefined })
      .catch((error: unknown) => error);
    await inGuest('(usleep 1500000; dd if=/dev/zero of=/dev/vdd bs=1M count=32 oflag=direct) >/dev/null 2>&1 </dev/null &');
    expect(await failed).toEqual(refusedWith('SERVER_PAUSED_BY_STORAGE'));
    expect(await lab.jobRuns()).toBe(false);
    expect(await lab.state()).toBe('paused');
    // What the responder is told to do: mend the storage, then resume.
    await must('mount', '-o', 'remount,size=128m', lab.tightDirectory);
    await virsh(['resume', lab.guest.uuid]);
    await eventually('the guest answers', async () => (await lab.freezeStatus()) === 'thawed', 30_000);
  });
});
