import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerRef } from '../../src/contracts/server';
import { DISK_BYTES, pattern } from '../support/hypervisor-lab';
import { createLibvirtLab, diskXml, type LibvirtLab } from '../support/libvirt-lab';
import { newFence, refusedWith } from './hypervisor.contract';
import { BackupSeries, describeIncrementalImages, type Attempt } from './hypervisor.incremental.contract';
import { inFull } from '../support/thorough';

jest.setTimeout(180_000);

describeIncrementalImages('libvirt', createLibvirtLab);

const KIB = 1024;
/** Of the disk that is there beside a raw one. */
const ONLY = ['vda'];

describe('checkpoints in libvirt and QEMU', () => {
  let lab: LibvirtLab;
  let server: ServerRef;
  let series: BackupSeries;

  const monitor = (command: string): Promise<string> => lab.virsh('qemu-monitor-command', server.uuid, '--hmp', command);
  const checkpoints = async (): Promise<readonly string[]> =>
    (await lab.virsh('checkpoint-list', server.uuid, '--name')).split('\n').filter((line) => line !== '');
  const plain = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(DISK_BYTES - bytes.length)]);
  const path = (attempt: Attempt): string => series.diskOf(attempt, 'vda').path;

  beforeEach(async () => {
    lab = await createLibvirtLab();
    const disk = join(lab.diskDirectory, 'system.qcow2');
    await lab.writeDisk(disk, { format: 'qcow2', content: pattern(7) });
    server = await lab.define({ devices: diskXml('vda', disk, 'qcow2').replace("type='qcow2'", "type='qcow2' discard='unmap'") });
    const fence = newFence();
    await lab.hypervisor.takeFence(server, fence);
    await lab.hypervisor.start(server, fence);
    series = new BackupSeries(lab, server, fence);
  });
  afterEach(() => lab.dispose());

  it('libvirt knows of none of ours between backups: the server can be undefined, and nothing is left of it', async () => {
    const full = await series.take(null, ONLY);
    await series.take(full, ONLY);
    expect(await checkpoints()).toEqual([]);
    await lab.virsh('destroy', server.uuid);
    await lab.virsh('undefine', server.uuid);
  });

  it('what was discarded or zeroed is zero in the incremental too, and does not show what it continues', async () => {
    const full = await series.take(null, ONLY);
    const before = await lab.readImages([full.pathOf('vda')]);
    expect(before.subarray(0, 1024 * KIB).equals(pattern(7))).toBe(true);
    const device = /Attached to:\s+(\S+)/.exec(await monitor('info block'))?.[1];
    for (const command of [`discard ${128 * KIB} ${128 * KIB}`, `write -z ${512 * KIB} ${64 * KIB}`, `write -z -u ${640 * KIB} ${64 * KIB}`]) {
      expect(await monitor(`qemu-io -d ${device} "${command}"`)).not.toMatch(/error|failed/i);
    }
    const next = await series.take(full, ONLY);
    const expected = plain(pattern(7));
    for (const [at, bytes] of [
      [128, 128],
      [512, 64],
      [640, 64],
    ] as const) {
      expected.fill(0, at * KIB, (at + bytes) * KIB);
    }
    expect((await lab.readImages([next.pathOf('vda'), full.pathOf('vda')])).equals(expected)).toBe(true);
  });

  it('a QEMU that was killed leaves none that can be believed: whole images from then on, and incremental ones after them', async () => {
    const full = await series.take(null, ONLY);
    await lab.overwrite(server, series.diskOf(full, 'vda'), { at: 0, bytes: 64 * KIB, byte: 0x11 });
    const pid = Number(await readFile(`/run/libvirt/qemu/${server.name}.pid`, 'utf8'));
    process.kill(pid, 'SIGKILL');
    const fence = newFence();
    await lab.hypervisor.takeFence(server, fence);
    while ((await lab.hypervisor.powerState(server)) !== 'off') await new Promise((resolve) => setTimeout(resolve, 50));
    await lab.hypervisor.start(server, fence);
    expect(await series.find(full)).toMatchObject({ found: null, problem: expect.stringContaining('bitmap') as string });
    await expect(series.begin(await series.next(full, ONLY))).rejects.toEqual(refusedWith('CHECKPOINT_LOST'));
    const whole = await series.take(null, ONLY);
    await lab.overwrite(server, series.diskOf(whole, 'vda'), { at: 128 * KIB, bytes: 64 * KIB, byte: 0x12 });
    const next = await series.take(whole, ONLY);
    const expected = plain(pattern(7))
      .fill(0x11, 0, 64 * KIB)
      .fill(0x12, 128 * KIB, 192 * KIB);
    expect((await lab.readImages([next.pathOf('vda'), whole.pathOf('vda')])).equals(expected)).toBe(true);
  });

  it("another tool's checkpoints are neither used nor touched, whatever ours do", async () => {
    const theirs = join(lab.diskDirectory, 'theirs.xml');
    await lab.run('sh', '-c', `printf '%s' "<domaincheckpoint><name>theirs</name></domaincheckpoint>" > ${theirs}`);
    await lab.virsh('checkpoint-create', server.uuid, theirs);
    const full = await series.take(null, ONLY);
    await lab.overwrite(server, series.diskOf(full, 'vda'), { at: 64 * KIB, bytes: 64 * KIB, byte: 0x21 });
    const failed = await series.next(full, ONLY);
    await series.begin(failed);
    await series.cancel(failed);
    const next = await series.take(full, ONLY);
    expect(await checkpoints()).toEqual(['theirs']);
    expect(await series.names(next)).toEqual([next.recoveryPointId]);
    const size = await lab.virsh('checkpoint-dumpxml', server.uuid, '--checkpointname', 'theirs', '--size', '--no-domain');
    expect(size).toContain(`size='${64 * KIB}'`);
    // Theirs goes on: an incremental of its own begins from it.
    await lab.run('sh', '-c', `printf '%s' "<domaincheckpoint><name>theirs-2</name></domaincheckpoint>" > ${theirs}`);
    await lab.virsh('checkpoint-create', server.uuid, theirs);
    await lab.virsh('checkpoint-delete', server.uuid, '--checkpointname', 'theirs');
    expect((await lab.readImages([next.pathOf('vda'), full.pathOf('vda')])).equals(plain(pattern(7)).fill(0x21, 64 * KIB, 128 * KIB))).toBe(true);
    const last = await series.take(next, ONLY);
    expect(await series.names(last, next, full)).toEqual([last.recoveryPointId]);
    expect(await checkpoints()).toEqual(['theirs-2']);
  });

  it('a disk that was exchanged has none, and one that comes back has its own', async () => {
    const full = await series.take(null, ONLY);
    const active = path(full);
    await lab.overwrite(server, series.diskOf(full, 'vda'), { at: 256 * KIB, bytes: 64 * KIB, byte: 0x31 });
    const fence = newFence();
    await lab.hypervisor.takeFence(server, fence);
    await lab.hypervisor.powerOff(server, fence);
    await rename(active, `${active}.old`);
    await lab.writeDisk(active, { format: 'qcow2', content: pattern(8) });
    await lab.hypervisor.start(server, fence);
    expect(await series.find(full)).toMatchObject({ able: ONLY, found: null, problem: expect.any(String) as string });
    const other = await series.take(null, ONLY);
    await lab.hypervisor.takeFence(server, newFence());
    await lab.virsh('destroy', server.uuid);
    await rename(`${active}.old`, active);
    await lab.virsh('start', server.uuid);
    expect(await series.names(other, full)).toEqual([full.recoveryPointId]);
    const next = await series.take(full, ONLY);
    expect((await lab.readImages([next.pathOf('vda'), full.pathOf('vda')])).equals(plain(pattern(7)).fill(0x31, 256 * KIB, 320 * KIB))).toBe(true);
  });

  it('an external snapshot is another file: whole; merged back, the line goes on with all that was written meanwhile', async () => {
    const full = await series.take(null, ONLY);
    const overlay = join(lab.diskDirectory, 'overlay.qcow2');
    await lab.overwrite(server, series.diskOf(full, 'vda'), { at: 64 * KIB, bytes: 64 * KIB, byte: 0x51 });
    await lab.virsh('snapshot-create-as', server.uuid, 'theirs', '--disk-only', '--no-metadata', '--diskspec', `vda,file=${overlay}`);
    await lab.overwrite(server, { target: 'vda', path: overlay }, { at: 256 * KIB, bytes: 64 * KIB, byte: 0x52 });
    expect(await series.find(full)).toMatchObject({ found: null, problem: expect.stringContaining('overlay.qcow2') as string });
    const device = /Attached to:\s+(\S+)/.exec(await monitor('info block'))?.[1];
    await monitor(`qemu-io -d ${device} "write -z ${384 * KIB} ${64 * KIB}"`);
    await lab.virsh('blockcommit', server.uuid, 'vda', '--active', '--pivot', '--wait');
    await lab.overwrite(server, series.diskOf(full, 'vda'), { at: 640 * KIB, bytes: 64 * KIB, byte: 0x54 });
    const next = await series.take(full, ONLY);
    const expected = plain(pattern(7))
      .fill(0x51, 64 * KIB, 128 * KIB)
      .fill(0x52, 256 * KIB, 320 * KIB)
      .fill(0, 384 * KIB, 448 * KIB)
      .fill(0x54, 640 * KIB, 704 * KIB);
    expect((await lab.readImages([next, full].map((attempt) => attempt.pathOf('vda')))).equals(expected)).toBe(true);
  });

  inFull('a disk that was flattened into its overlay while it was off is not continued: its bitmap has missed what became zero', async () => {
    const full = await series.take(null, ONLY);
    const device = /Attached to:\s+(\S+)/.exec(await monitor('info block'))?.[1];
    await monitor(`qemu-io -d ${device} "write -z ${128 * KIB} ${64 * KIB}"`);
    const overlay = join(lab.diskDirectory, 'overlay.qcow2');
    await lab.virsh('snapshot-create-as', server.uuid, 'theirs', '--disk-only', '--no-metadata', '--diskspec', `vda,file=${overlay}`);
    await lab.virsh('destroy', server.uuid);
    await lab.run('qemu-img', 'rebase', '-q', '-f', 'qcow2', '-b', '', overlay);
    const alone = (await lab.virsh('dumpxml', '--inactive', server.uuid)).replace(/<backingStore type[^]*?<\/backingStore>/, '');
    await writeFile(join(lab.diskDirectory, 'alone.xml'), alone);
    await lab.virsh('define', join(lab.diskDirectory, 'alone.xml'));
    await lab.virsh('start', server.uuid);
    expect(await series.find(full)).toMatchObject({ able: ONLY, found: null, problem: expect.stringContaining('overlay.qcow2') as string });
  });

  it('a disk that is only read keeps nobody from images and checkpoints of the others', async () => {
    const disk = path(await series.take(null, ONLY));
    const other = join(lab.diskDirectory, 'media.qcow2');
    await lab.writeDisk(other, { format: 'qcow2', content: pattern(9) });
    await lab.virsh('destroy', server.uuid);
    server = await lab.define({ devices: `${diskXml('vda', disk, 'qcow2')}${diskXml('vdb', other, 'qcow2').replace('</disk>', '<readonly/></disk>')}` });
    const fence = newFence();
    await lab.hypervisor.takeFence(server, fence);
    await lab.hypervisor.start(server, fence);
    series = new BackupSeries(lab, server, fence);
    const full = await series.take(null, ONLY);
    expect(await series.find(full)).toMatchObject({ able: ONLY, found: { name: full.recoveryPointId } });
    await lab.overwrite(server, series.diskOf(full, 'vda'), { at: 0, bytes: 64 * KIB, byte: 0x61 });
    const next = await series.take(full, ONLY);
    expect((await lab.readImages([next.pathOf('vda'), full.pathOf('vda')])).equals(plain(pattern(7)).fill(0x61, 0, 64 * KIB))).toBe(true);
    expect((await lab.readImages([next.pathOf('vdb')])).equals(plain(pattern(9)))).toBe(true);
  });

  inFull('after the death of QEMU and one more image, the disk can be resized: nothing that nobody believes is left in it', async () => {
    const full = await series.take(null, ONLY);
    // Only what QEMU has read from the disk can be inconsistent in it afterwards.
    await lab.virsh('destroy', server.uuid);
    await lab.virsh('start', server.uuid);
    process.kill(Number(await readFile(`/run/libvirt/qemu/${server.name}.pid`, 'utf8')), 'SIGKILL');
    const fence = newFence();
    await lab.hypervisor.takeFence(server, fence);
    while ((await lab.hypervisor.powerState(server)) !== 'off') await new Promise((resolve) => setTimeout(resolve, 50));
    await lab.hypervisor.start(server, fence);
    expect(await series.names(full)).toEqual([]);
    await expect(lab.virsh('blockresize', server.uuid, 'vda', '8M')).rejects.toThrow(/inconsistent/);
    const whole = await series.take(null, ONLY);
    await lab.virsh('blockresize', server.uuid, 'vda', '8M');
    expect(await series.names(whole)).toEqual([whole.recoveryPointId]);
  });

  it('what a shutdown in the middle of a backup has left in the disk goes after the next one', async () => {
    const full = await series.take(null, ONLY);
    const cut = await series.next(full, ONLY);
    await series.begin({ ...cut, request: { ...cut.request, limits: { rateLimitBytesPerSecond: 1, maxGuestLatencyMs: null } } });
    await lab.virsh('destroy', server.uuid);
    await series.cancel(cut);
    await lab.virsh('start', server.uuid);
    const next = await series.take(full, ONLY);
    expect(await series.names(next)).toEqual([next.recoveryPointId]);
    await lab.virsh('destroy', server.uuid);
    const bitmaps = await lab.run('qemu-img', 'info', path(full));
    expect([...bitmaps.matchAll(/name: (modosu-\S+)/g)].map(([, name]) => name)).toEqual([`modosu-${next.recoveryPointId}`]);
  });

  it('a disk of an old format can hold none, and is whole', async () => {
    const attempt = await series.next(null, ONLY);
    const active = path(attempt);
    await lab.virsh('destroy', server.uuid);
    await lab.run('qemu-img', 'amend', '-q', '-f', 'qcow2', '-o', 'compat=0.10', active);
    await lab.virsh('start', server.uuid);
    expect(await series.find(attempt)).toMatchObject({ able: [], found: null, problem: expect.stringContaining('can hold') as string });
    await series.begin(attempt);
    await series.follow(attempt);
    await series.settle(attempt);
    expect((await lab.readImages([attempt.pathOf('vda')])).equals(plain(pattern(7)))).toBe(true);
    expect(await checkpoints()).toEqual([]);
  });

  it('what is written costs what has changed, not what the disk holds', async () => {
    const full = await series.take(null, ONLY);
    await lab.overwrite(server, series.diskOf(full, 'vda'), { at: 0, bytes: 64 * KIB, byte: 0x41 });
    const next = await series.take(full, ONLY);
    const written = Number(await lab.run('stat', '-c', '%s', next.pathOf('vda')));
    expect(written).toBeLessThan(8 * 64 * KIB);
    expect(Number(await lab.run('stat', '-c', '%s', full.pathOf('vda')))).toBeGreaterThan(1024 * KIB);
  });
});
