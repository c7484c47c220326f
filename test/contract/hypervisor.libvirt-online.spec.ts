import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { guestOutput } from '../guests/guest-server';
import { virsh } from '../guests/run-program';
import { must, OnlineLab, SLOW_BYTES_PER_SECOND } from '../support/online-lab';
import { eventually } from '../support/processes';
import { refusedWith } from './hypervisor.contract';

jest.setTimeout(180_000);

const SLOW = { rateLimitBytesPerSecond: SLOW_BYTES_PER_SECOND, maxGuestLatencyMs: null };
const never = new AbortController().signal;

describe('online backup of the libvirt adapter', () => {
  let lab: OnlineLab;
  let request: OnlineBackupRequest;
  const begin = (): ReturnType<typeof lab.hypervisor.beginOnlineBackup> => lab.hypervisor.beginOnlineBackup(request, { signal: never });
  const seen: { target: string; doneBytes: number; totalBytes: number }[] = [];
  const follow = (hypervisor = lab.hypervisor): ReturnType<typeof lab.hypervisor.followOnlineBackup> =>
    hypervisor.followOnlineBackup(
      { ...request, runId: request.fence.runId },
      { signal: never, onProgress: (target, progress) => void seen.push({ target, ...progress }) },
    );
  const isMiddleOf =
    (disk: string) =>
    ({ target, doneBytes, totalBytes }: (typeof seen)[number]): boolean =>
      target === disk && doneBytes > 0 && doneBytes < totalBytes;
  const inGuest = (script: string): Promise<string> => guestOutput(lab.guest.uuid, ['sh', '-c', script]);
  const dataDisk = (): OnlineBackupRequest['disks'][number] =>
    request.disks.find(({ target }) => target === 'vdb') ??
    (() => {
      throw new Error('no vdb');
    })();

  async function foreignBackup(paths: readonly string[]): Promise<string> {
    const file = join(lab.root, 'foreign.xml');
    const disks = request.disks.map(
      ({ target }, index) => `<disk name="${target}" backup="yes" type="file"><target file="${paths[index]}"/><driver type="qcow2"/></disk>`,
    );
    await writeFile(file, `<domainbackup mode="push"><disks>${disks.join('')}<disk name="sda" backup="no"/></disks></domainbackup>`);
    return file;
  }

  beforeAll(async () => {
    lab = await OnlineLab.create({ bulk: true, guest: { cdrom: true, overlay: true } });
  });
  beforeEach(() => {
    seen.length = 0;
  });
  afterEach(() => lab.expectClean(request));
  afterAll(async () => {
    await lab.dispose();
  });

  it('holds what the guest had written before, and nothing of what it wrote after', async () => {
    request = await lab.request({ limits: SLOW });
    await inGuest('echo before > /data/file; head -c 3000000 /dev/urandom > /data/noise; sha256sum < /data/noise > /data/sum');
    const sum = await inGuest('cat /data/sum');
    const start = await begin();
    expect(start).toMatchObject({ consistency: 'filesystem', note: null });
    expect(start.frozenMs).toBeLessThan(10_000);
    expect(await lab.freezeStatus()).toBe('thawed');
    await inGuest('echo after > /data/file; echo new > /data/later; rm /data/sum; sync');
    expect(await lab.jobRuns()).toBe(true);
    // Let go only once the middle has been seen: without its limit the copy may be quicker than the next look at it.
    const followed = follow();
    await Promise.race([followed, eventually('the copy of the bulk disk is seen under way', async () => seen.some(isMiddleOf('vdc')))]);
    await lab.unlimit(request);
    const { virtualSizeBytes } = await followed;
    expect(virtualSizeBytes['vdb']).toBe(64 * 1024 * 1024);
    expect(await lab.fileInImage(dataDisk(), '/file')).toBe('before\n');
    expect(await lab.fileInImage(dataDisk(), '/sum')).toBe(sum);
    expect(await lab.fileInImage(dataDisk(), '/later')).toBeNull();
    for (const { targetPath } of request.disks) {
      const { mode, uid, size, blocks } = await stat(targetPath);
      expect([mode & 0o777, uid]).toEqual([0o600, 0]);
      expect(blocks * 512).toBeLessThanOrEqual(size + 64 * 1024);
    }
    // The bulk disk was not written to: the image has to be the same, byte for byte.
    await must('qemu-img', 'compare', '-U', '-f', 'raw', '-F', 'qcow2', lab.bulkPath, request.disks.find(({ target }) => target === 'vdc')?.targetPath ?? '');
    expect(seen.some(isMiddleOf('vdc'))).toBe(true);
    for (const { target } of request.disks) {
      const done = seen.filter((one) => one.target === target).map(({ doneBytes }) => doneBytes);
      expect(done).toEqual([...done].sort((a, b) => a - b));
      expect(seen.filter((one) => one.target === target).at(-1)?.doneBytes).toBe(virtualSizeBytes[target]);
    }
    // Asked again by a retry: the same answer, and nothing is done.
    expect(await follow()).toEqual({ virtualSizeBytes });
    expect(await begin()).toEqual(start);
    expect(await lab.jobRuns()).toBe(false);
  });

  it('runs the hooks around the freeze and calls the point application consistent', async () => {
    request = await lab.request({ quiesce: { before: ['/bin/sh', '-c', 'echo quiet > /data/state'], after: ['/bin/sh', '-c', 'echo awake > /data/state'] } });
    expect(await begin()).toMatchObject({ consistency: 'application', note: null });
    expect(await inGuest('cat /data/state')).toBe('awake\n');
    await follow();
    expect(await lab.fileInImage(dataDisk(), '/state')).toBe('quiet\n');
  });

  it('gives up when the hook fails, having run its counterpart; with the flag it goes on and says so', async () => {
    const quiesce = { before: ['/bin/sh', '-c', 'echo no database >&2; exit 3'] as const, after: ['/bin/sh', '-c', 'echo awake again > /data/state'] as const };
    request = await lab.request({ quiesce: quiesce as unknown as OnlineBackupRequest['quiesce'] });
    await expect(begin()).rejects.toMatchObject({ code: 'QUIESCE_FAILED', message: expect.stringContaining('no database') as string });
    expect(await inGuest('cat /data/state')).toBe('awake again\n');
    expect(await lab.jobRuns()).toBe(false);
    request = { ...request, allowCrashConsistent: true };
    expect(await begin()).toMatchObject({ consistency: 'filesystem', note: expect.stringContaining('exit code 3') as string });
    await follow();
  });

  it('is refused by another token, another definition, another disk, and by a job of somebody else', async () => {
    request = await lab.request();
    const { server, fence } = request;
    await expect(lab.hypervisor.beginOnlineBackup({ ...request, fence: { ...fence, token: fence.token - 1 } }, { signal: never })).rejects.toEqual(
      refusedWith('FENCED_OFF'),
    );
    await expect(lab.hypervisor.beginOnlineBackup({ ...request, definitionFingerprint: '0'.repeat(64) }, { signal: never })).rejects.toEqual(
      refusedWith('DEFINITION_CHANGED'),
    );
    await expect(lab.hypervisor.beginOnlineBackup({ ...request, disks: request.disks.slice(1) }, { signal: never })).rejects.toEqual(
      refusedWith('DEFINITION_CHANGED'),
    );
    const overlay = join(lab.root, 'disks', 'snapshot.qcow2');
    await virsh([
      'snapshot-create-as',
      server.uuid,
      '--disk-only',
      '--no-metadata',
      '--diskspec',
      `vda,snapshot=no`,
      '--diskspec',
      'vdc,snapshot=no',
      '--diskspec',
      `vdb,snapshot=external,file=${overlay}`,
    ]);
    try {
      await expect(begin()).rejects.toMatchObject({ code: 'DEFINITION_CHANGED', message: expect.stringContaining(overlay) as string });
    } finally {
      await virsh(['blockcommit', server.uuid, 'vdb', '--active', '--pivot', '--wait']);
    }
    // A backup of another program, held so that it does not end by itself.
    const theirs = request.disks.map(({ target }) => join(lab.repository, `theirs-${target}.qcow2`));
    await virsh(['backup-begin', server.uuid, await foreignBackup(theirs)]);
    await virsh(['blockjob', '--domain', server.uuid, '--path', 'vdc', '--bandwidth', '1', '--bytes']);
    await expect(begin()).rejects.toEqual(refusedWith('BACKUP_JOB_FOREIGN'));
    expect(await lab.jobRuns()).toBe(true);
    await lab.hypervisor.cancelOnlineBackup(server, fence.runId);
    expect(await lab.jobRuns()).toBe(true);
    await virsh(['domjobabort', server.uuid]);
    await eventually('the foreign job is gone', async () => !(await lab.jobRuns()));
    for (const path of theirs) await must('rm', '-f', path);
  });

  it('names the directory that QEMU may not pass through, and the mount that it does not see', async () => {
    request = await lab.request();
    await chmod(lab.repository, 0o700);
    try {
      await expect(begin()).rejects.toMatchObject({ code: 'REPOSITORY_NOT_TRAVERSABLE', context: { directory: lab.repository } });
    } finally {
      await chmod(lab.repository, 0o711);
    }
    const late = join(lab.repository, 'late');
    await mkdir(late);
    await must('mount', '-t', 'tmpfs', '-o', 'size=200m,mode=711', 'tmpfs', late);
    try {
      const [disk] = request.disks;
      const moved = { ...request, disks: request.disks.map((one) => ({ ...one, targetPath: join(late, `${one.target}.qcow2`) })) };
      expect(disk).toBeDefined();
      await expect(lab.hypervisor.beginOnlineBackup(moved, { signal: never })).rejects.toMatchObject({
        code: 'REPOSITORY_NOT_TRAVERSABLE',
        message: expect.stringContaining('mounted after') as string,
      });
    } finally {
      await must('umount', late);
    }
  });

  it('goes on for a guest that an administrator has paused', async () => {
    request = await lab.request({ limits: SLOW });
    await begin();
    await virsh(['suspend', lab.guest.uuid]);
    await lab.unlimit(request);
    await follow();
    expect(await lab.state()).toBe('paused');
    await virsh(['resume', lab.guest.uuid]);
  });

  it('gives up a job in which nothing moves', async () => {
    request = await lab.request({ limits: { rateLimitBytesPerSecond: 1, maxGuestLatencyMs: null } });
    await begin();
    await expect(follow(lab.adapter({ stallTimeoutMs: 2_000 }))).rejects.toEqual(refusedWith('COPY_STALLED'));
    expect(await lab.jobRuns()).toBe(false);
    await expect(follow()).rejects.toEqual(refusedWith('COPY_STALLED'));
  });

  it('gives up when the guest writes too slowly', async () => {
    // So slow that a guest which is starved has written before the job ends; it is given up at the first write that counts.
    request = await lab.request({ limits: { rateLimitBytesPerSecond: SLOW_BYTES_PER_SECOND / 8, maxGuestLatencyMs: 0.000_1 } });
    await inGuest(
      '(while [ ! -e /run/enough ]; do dd if=/dev/zero of=/data/w bs=4k count=4 conv=fsync; usleep 200000; done) >/dev/null 2>&1 </dev/null & until [ -s /data/w ]; do usleep 100000; done',
    );
    await begin();
    await expect(follow()).rejects.toEqual(refusedWith('GUEST_TOO_SLOW'));
    await inGuest('touch /run/enough');
    expect(await lab.jobRuns()).toBe(false);
  });

  it('knows nothing to follow for a run that has not begun, and nothing to cancel', async () => {
    request = await lab.request();
    await expect(follow()).rejects.toEqual(refusedWith('BACKUP_JOB_LOST'));
    await lab.hypervisor.cancelOnlineBackup(lab.server, request.fence.runId);
    expect(await lab.hypervisor.sweepGuards(new Set())).toEqual([]);
  });

  it('a cancel ends job and guard, as often as one likes', async () => {
    request = await lab.request({ limits: SLOW });
    await begin();
    expect(await lab.guards(request.fence.runId)).toHaveLength(1);
    await lab.hypervisor.cancelOnlineBackup(lab.server, request.fence.runId);
    await lab.hypervisor.cancelOnlineBackup(lab.server, request.fence.runId);
    expect(await lab.jobRuns()).toBe(false);
    expect(await lab.guards(request.fence.runId)).toEqual([]);
    await expect(readFile(join(lab.stateDirectory, 'guards', request.fence.runId, 'order.json'))).rejects.toThrow('ENOENT');
  });
});
