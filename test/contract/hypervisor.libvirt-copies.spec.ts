import { spawn } from 'node:child_process';
import { mkdir, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import type { PlannedVolume } from '../../src/contracts/plan';
import type { ServerRef } from '../../src/contracts/server';
import { copyRecordPath } from '../../src/hypervisors/libvirt/volumes/copies';
import { fileExists } from '../../src/system/files';
import { recordProcess } from '../../src/system/process-record';
import { DISK_BYTES, pattern, transferContext } from '../support/hypervisor-lab';
import { createLibvirtLab, type LibvirtLab } from '../support/libvirt-lab';
import { eventually, processesWith } from '../support/processes';
import { newFence, refusedWith } from './hypervisor.contract';

jest.setTimeout(180_000);

const BIG = 24 * 1024 * 1024;
const SLOW = 1024 * 1024;

describe('copies of the libvirt adapter when things go wrong', () => {
  let lab: LibvirtLab;
  let server: ServerRef;
  let targetPath: string;

  beforeAll(async () => {
    lab = await createLibvirtLab();
    server = await lab.createServer({ disks: [{ target: 'vda', format: 'raw', content: pattern(1, BIG) }] });
  });
  beforeEach(async () => {
    const directory = join(lab.exportDirectory, newId('run'));
    await mkdir(directory);
    targetPath = join(directory, 'vda.qcow2');
  });
  afterAll(async () => {
    await lab.dispose();
  });

  /** The qemu-img that writes our target, once bytes have moved. */
  const runningCopy = async (context: ReturnType<typeof transferContext>): Promise<number> =>
    eventually('a copy is under way', async () => context.seen.some(({ doneBytes }) => doneBytes > 0) && (await processesWith('qemu-img', targetPath))[0]);
  const noCopyLeft = async (): Promise<void> => {
    await eventually('no qemu-img is left', async () => (await processesWith('qemu-img', targetPath)).length === 0);
  };

  it('SIGKILL of the process that copies leaves no qemu-img behind, and the next attempt succeeds', async () => {
    const worker = spawn(
      process.execPath,
      ['-r', join(__dirname, '../support/register-ts.cjs'), join(__dirname, '../support/copy-worker.ts'), lab.stateDirectory, server.uuid, targetPath],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let said = '';
    worker.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
    await eventually('the worker copies', async () => said.includes('copying') && (await processesWith('qemu-img', targetPath)).length > 0, 30_000);
    worker.kill('SIGKILL');
    await noCopyLeft();
    expect(said).not.toContain('finished');

    await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, transferContext());
    expect((await lab.readDisk(targetPath, 'qcow2', BIG)).equals(pattern(1, BIG))).toBe(true);
    expect(await readdir(join(lab.stateDirectory, 'copies'))).toEqual([]);
  });

  it('ends a copy that an earlier life has left running before it starts again', async () => {
    const orphan = spawn('sleep', ['300'], { stdio: 'ignore', detached: true });
    const gone = new Promise((resolve) => orphan.once('exit', (_code, signal) => resolve(signal)));
    await recordProcess(copyRecordPath(lab.stateDirectory, targetPath), orphan.pid as number, 'copy of the test');
    await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, transferContext());
    expect(await gone).toBe('SIGKILL');
    expect((await lab.readDisk(targetPath, 'qcow2', BIG)).equals(pattern(1, BIG))).toBe(true);
  });

  it('an abort kills the copy and rejects with the reason', async () => {
    const stop = new AbortController();
    const context = transferContext(stop.signal);
    const copy = lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, { ...context, rateLimitBytesPerSecond: SLOW });
    const caught = copy.catch((error: unknown) => error);
    await runningCopy(context);
    stop.abort(new Error('a person cancelled'));
    expect(await caught).toEqual(new Error('a person cancelled'));
    expect(await processesWith('qemu-img', targetPath)).toEqual([]);
    expect(context.seen.every(({ doneBytes, totalBytes }) => doneBytes < totalBytes)).toBe(true);
  });

  it('a copy that hangs is ended, a slow one is not', async () => {
    const patient = lab.adapter({ stallTimeoutMs: 4_000 });
    const context = transferContext();
    const copy = patient.exportDisk({ server, target: 'vda', targetPath }, { ...context, rateLimitBytesPerSecond: 4 * SLOW }).catch((error: unknown) => error);
    const pid = await runningCopy(context);
    process.kill(pid, 'SIGSTOP');
    expect(await copy).toEqual(refusedWith('COPY_STALLED'));
    await noCopyLeft();

    await rm(targetPath);
    const slow = transferContext();
    const startedAt = performance.now();
    await patient.exportDisk({ server, target: 'vda', targetPath }, { ...slow, rateLimitBytesPerSecond: 4 * SLOW });
    expect(performance.now() - startedAt).toBeGreaterThan(4_000);
    expect(slow.seen.length).toBeGreaterThan(5);
  });

  it.each([
    ['is moved away', (directory: string) => rename(directory, `${directory}.away`)],
    ['is deleted with the file in it', (directory: string) => rm(directory, { recursive: true })],
  ])('a target directory that %s in mid-copy ends the copy', async (_what, vanish) => {
    const context = transferContext();
    const copy = lab.hypervisor
      .exportDisk({ server, target: 'vda', targetPath }, { ...context, rateLimitBytesPerSecond: SLOW })
      .catch((error: unknown) => error);
    await runningCopy(context);
    await vanish(join(targetPath, '..'));
    expect(await copy).toEqual(refusedWith('REPOSITORY_UNREACHABLE'));
    await noCopyLeft();
  });

  it('a copy killed by somebody else is a failure', async () => {
    const context = transferContext();
    const copy = lab.hypervisor
      .exportDisk({ server, target: 'vda', targetPath }, { ...context, rateLimitBytesPerSecond: SLOW })
      .catch((error: unknown) => error);
    process.kill(await runningCopy(context), 'SIGKILL');
    expect(await copy).toEqual(refusedWith('COPY_FAILED'));
  });

  it('a source that is written to while it is copied makes the copy worthless', async () => {
    const context = transferContext();
    const copy = lab.hypervisor
      .exportDisk({ server, target: 'vda', targetPath }, { ...context, rateLimitBytesPerSecond: 8 * SLOW })
      .catch((error: unknown) => error);
    await runningCopy(context);
    const [disk] = (await lab.hypervisor.inspect(server)).disks;
    await lab.run('dd', 'if=/dev/zero', `of=${disk?.path}`, 'bs=512', 'count=1', 'seek=100', 'conv=notrunc', 'status=none');
    expect(await copy).toEqual(refusedWith('COPY_FAILED'));
    // Put back for the other tests.
    await lab.writeDisk(disk?.path ?? '', { format: 'raw', content: pattern(1, BIG) });
  });

  it('a server that is started in mid-copy is kept from its disk, and the copy stays whole', async () => {
    const fence = newFence();
    await lab.hypervisor.takeFence(server, fence);
    const context = transferContext();
    const copy = lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, { ...context, rateLimitBytesPerSecond: 4 * SLOW });
    await runningCopy(context);
    await expect(lab.hypervisor.start(server, fence)).rejects.toEqual(refusedWith('START_FAILED'));
    await copy;
    expect((await lab.readDisk(targetPath, 'qcow2', BIG)).equals(pattern(1, BIG))).toBe(true);
    expect(await lab.hypervisor.powerState(server)).toBe('off');
    await lab.hypervisor.releaseFence(server, fence);
  });

  it('copies are private from their first byte', async () => {
    const context = transferContext();
    const stop = new AbortController();
    const copy = lab.hypervisor
      .exportDisk({ server, target: 'vda', targetPath }, { ...context, signal: stop.signal, rateLimitBytesPerSecond: SLOW })
      .catch(() => undefined);
    await runningCopy(context);
    expect((await stat(targetPath)).mode & 0o777).toBe(0o600);
    stop.abort();
    await copy;
  });

  describe('new volumes', () => {
    const runId = newId('run');
    let imagePath: string;
    let volume: PlannedVolume;

    beforeAll(async () => {
      imagePath = join(lab.exportDirectory, 'stored.qcow2');
      await lab.writeDisk(imagePath, { format: 'qcow2', content: pattern(5) });
      volume = {
        target: 'vda',
        replacesPath: null,
        newPath: join(lab.diskDirectory, `disk.raw.${runId}`),
        format: 'raw',
        virtualSizeBytes: DISK_BYTES,
        flattened: false,
      };
    });

    it('belong to whom the replaced disk belongs', async () => {
      const old = join(lab.diskDirectory, 'old disk');
      await writeFile(old, 'old', { mode: 0o640 });
      await lab.run('chown', '64055:106', old);
      await lab.hypervisor.importDisk({ imageFiles: [imagePath], volume: { ...volume, replacesPath: old }, runId }, transferContext());
      const { uid, gid, mode } = await stat(volume.newPath);
      expect([uid, gid, mode & 0o777]).toEqual([64055, 106, 0o640]);
      expect((await lab.readDisk(volume.newPath, 'raw', 1024 * 1024)).equals(pattern(5))).toBe(true);
      await lab.hypervisor.discardVolumes({ runId, paths: [volume.newPath] });
    });

    it('are made of all files of a chain, as they were named', async () => {
      const overlay = join(lab.exportDirectory, 'overlay.qcow2');
      await lab.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'stored.qcow2', '-F', 'qcow2', overlay);
      await lab.run('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 9 0 64k', overlay);
      const context = transferContext();
      await lab.hypervisor.importDisk({ imageFiles: [overlay, imagePath], volume, runId }, context);
      const expected = Buffer.from(pattern(5)).fill(9, 0, 65_536);
      expect((await lab.readDisk(volume.newPath, 'raw', 1024 * 1024)).equals(expected)).toBe(true);
      expect(context.seen.at(-1)?.totalBytes).toBe((await stat(overlay)).size + (await stat(imagePath)).size);
      await lab.hypervisor.discardVolumes({ runId, paths: [volume.newPath] });
      // Named alone it is not read through its header.
      await expect(lab.hypervisor.importDisk({ imageFiles: [overlay], volume, runId }, context)).rejects.toEqual(refusedWith('IMAGE_HEADER_REFUSED'));
      await expect(lab.hypervisor.importDisk({ imageFiles: [imagePath, overlay], volume, runId }, context)).rejects.toEqual(
        refusedWith('IMAGE_HEADER_REFUSED'),
      );
    });

    it('are refused where something else than a file stands in their place', async () => {
      await mkdir(volume.newPath);
      await expect(lab.hypervisor.importDisk({ imageFiles: [imagePath], volume, runId }, transferContext())).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
      await expect(lab.hypervisor.discardVolumes({ runId, paths: [volume.newPath] })).rejects.toEqual(refusedWith('PATH_NOT_ALLOWED'));
      await rm(volume.newPath, { recursive: true });
    });

    it('need room: refused with numbers before a byte is written', async () => {
      const huge = join(lab.exportDirectory, 'huge.qcow2');
      const virtualSizeBytes = 32 * 1024 ** 4;
      await lab.run('qemu-img', 'create', '-q', '-f', 'qcow2', huge, String(virtualSizeBytes));
      await truncate(huge, 15 * 1024 ** 4);
      const error: unknown = await lab.hypervisor
        .importDisk({ imageFiles: [huge], volume: { ...volume, virtualSizeBytes }, runId }, transferContext())
        .catch((thrown: unknown) => thrown);
      expect(error).toEqual(refusedWith('NOT_ENOUGH_SPACE'));
      expect(error).toMatchObject({
        message: expect.stringMatching(/ has \d[\d.]* [GT]iB free, and the volume needs 15 TiB\.$/) as string,
        context: { neededBytes: 15 * 1024 ** 4, freeBytes: expect.any(Number) as number },
      });
      expect(await fileExists(volume.newPath)).toBe(false);
    });

    it('are not made from an image that names other files, nor from one of another size', async () => {
      const hostile = join(lab.exportDirectory, 'hostile.qcow2');
      await lab.run('qemu-img', 'create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/passwd', hostile, String(DISK_BYTES));
      await expect(lab.hypervisor.importDisk({ imageFiles: [hostile], volume, runId }, transferContext())).rejects.toEqual(refusedWith('IMAGE_HEADER_REFUSED'));
      await expect(
        lab.hypervisor.importDisk({ imageFiles: [imagePath], volume: { ...volume, virtualSizeBytes: 2 * DISK_BYTES }, runId }, transferContext()),
      ).rejects.toEqual(refusedWith('IMAGE_HEADER_REFUSED'));
      await expect(lab.hypervisor.importDisk({ imageFiles: [join(lab.exportDirectory, 'missing')], volume, runId }, transferContext())).rejects.toEqual(
        refusedWith('RECOVERY_POINT_INCOMPLETE'),
      );
      expect(await fileExists(volume.newPath)).toBe(false);
    });

    it('are not made from a repository that is not there, and its recovery points are not called incomplete', async () => {
      const away = join(lab.exportDirectory, 'not-mounted');
      await expect(lab.hypervisor.importDisk({ imageFiles: [join(away, 'vda.qcow2')], volume, runId }, transferContext())).rejects.toEqual(
        refusedWith('REPOSITORY_UNREACHABLE'),
      );
      const nvram = { newPath: join(lab.diskDirectory, `nvram.fd.${runId}`), replacesPath: null, runId };
      await expect(lab.hypervisor.importNvram({ ...nvram, sourcePath: join(away, 'nvram.fd') })).rejects.toEqual(refusedWith('REPOSITORY_UNREACHABLE'));
      await expect(lab.hypervisor.importNvram({ ...nvram, sourcePath: join(lab.exportDirectory, 'missing.fd') })).rejects.toEqual(
        refusedWith('RECOVERY_POINT_INCOMPLETE'),
      );
      expect(await fileExists(volume.newPath)).toBe(false);
    });

    it('say so when the storage fills in mid-copy', async () => {
      const small = join(lab.diskDirectory, 'small');
      await mkdir(small);
      await lab.run('mount', '-t', 'tmpfs', '-o', 'size=512k', 'modosu-test', small);
      try {
        // Compressed in the repository, larger as a volume: the estimate beforehand cannot see it.
        const compressed = join(lab.exportDirectory, 'compressed.qcow2');
        const plain = join(lab.exportDirectory, 'plain');
        await writeFile(plain, Buffer.alloc(DISK_BYTES, 'a'));
        await lab.run('qemu-img', 'convert', '-c', '-f', 'raw', '-O', 'qcow2', plain, compressed);
        const crowded = { ...volume, newPath: join(small, `disk.${runId}`) };
        await expect(lab.hypervisor.importDisk({ imageFiles: [compressed], volume: crowded, runId }, transferContext())).rejects.toEqual(
          refusedWith('NOT_ENOUGH_SPACE'),
        );
      } finally {
        await lab.run('umount', small);
      }
    });

    it('are not deleted while another server stands on them', async () => {
      await lab.hypervisor.importDisk({ imageFiles: [imagePath], volume: { ...volume, format: 'qcow2' }, runId }, transferContext());
      const overlay = join(lab.diskDirectory, 'on-top.qcow2');
      await lab.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', volume.newPath, overlay);
      const user = await lab.define({
        devices: `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${overlay}'/><target dev='vda'/></disk>`,
      });
      await expect(lab.hypervisor.discardVolumes({ runId, paths: [volume.newPath] })).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
      await lab.forget(user);
      await lab.hypervisor.discardVolumes({ runId, paths: [volume.newPath] });
      expect(await fileExists(volume.newPath)).toBe(false);
    });
  });
});
