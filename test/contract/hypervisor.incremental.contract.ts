import { mkdir, readdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import type { Fence, ServerRef } from '../../src/contracts/server';
import type { OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { DISK_BYTES, pattern, transferContext, type HypervisorLab } from '../support/hypervisor-lab';
import { newFence, refusedWith } from './hypervisor.contract';

const never = new AbortController().signal;
const KIB = 1024;
const SIZES = { vda: DISK_BYTES, vdb: DISK_BYTES, vdc: DISK_BYTES };

/** One run's request, and the recovery point that it makes. */
export interface Attempt {
  readonly recoveryPointId: string;
  readonly request: OnlineBackupRequest;
  pathOf(target: string): string;
}

/** What a test does with backups of one server, run after run. */
export class BackupSeries {
  constructor(
    readonly lab: HypervisorLab,
    readonly server: ServerRef,
    private fence: Fence,
  ) {}

  /** @param since the recovery point that those of the targets `incremental` continue; null: all are whole */
  async next(since: Attempt | null, incremental: readonly string[] = ['vda', 'vdc']): Promise<Attempt> {
    this.fence = newFence();
    await this.lab.hypervisor.takeFence(this.server, this.fence);
    const { disks, definitionFingerprint } = await this.lab.hypervisor.inspect(this.server);
    const recoveryPointId = newId('rp');
    const directory = join(this.lab.exportDirectory, recoveryPointId);
    await mkdir(directory);
    const pathOf = (target: string): string => join(directory, `${target}.qcow2`);
    return {
      recoveryPointId,
      pathOf,
      request: {
        server: this.server,
        fence: this.fence,
        disks: disks.map(({ target, path }) => ({
          target,
          path,
          targetPath: pathOf(target),
          ...(since === null || !incremental.includes(target) ? {} : { backingName: `../../${since.recoveryPointId}/disks/${target}.qcow2` }),
        })),
        definitionFingerprint,
        quiesce: { before: null, after: null },
        allowCrashConsistent: true,
        limits: { rateLimitBytesPerSecond: null, maxGuestLatencyMs: null },
        checkpoint: recoveryPointId,
        ...(since === null ? {} : { since: since.recoveryPointId }),
      },
    };
  }

  begin = ({ request }: Attempt): ReturnType<HypervisorLab['hypervisor']['beginOnlineBackup']> =>
    this.lab.hypervisor.beginOnlineBackup(request, { signal: never });

  follow = ({ request }: Attempt): ReturnType<HypervisorLab['hypervisor']['followOnlineBackup']> =>
    this.lab.hypervisor.followOnlineBackup(
      { server: this.server, runId: request.fence.runId, disks: request.disks },
      { signal: never, onProgress: () => undefined },
    );

  settle = ({ request }: Attempt): Promise<void> => this.lab.hypervisor.settleOnlineBackup(this.server, request.fence.runId);

  cancel = ({ request }: Attempt): Promise<void> => this.lab.hypervisor.cancelOnlineBackup(this.server, request.fence.runId);

  /** A backup from its beginning to its end. */
  async take(since: Attempt | null, incremental?: readonly string[]): Promise<Attempt> {
    const attempt = await this.next(since, incremental);
    await this.begin(attempt);
    await this.follow(attempt);
    await this.settle(attempt);
    return attempt;
  }

  find = (...attempts: readonly Attempt[]): ReturnType<HypervisorLab['hypervisor']['findCheckpoints']> =>
    this.lab.hypervisor.findCheckpoints(
      this.server,
      attempts.map(({ recoveryPointId }) => recoveryPointId),
    );

  async names(...attempts: readonly Attempt[]): Promise<readonly string[]> {
    const { found } = await this.find(...attempts);
    return found === null ? [] : [found.name];
  }

  diskOf({ request }: Attempt, target: string): { readonly target: string; readonly path: string } {
    const disk = request.disks.find((one) => one.target === target);
    if (disk === undefined) throw new Error(`there is no disk ${target}`);
    return disk;
  }

  /** The attempts newest first: what the newest shows of a disk. */
  read = (target: string, ...attempts: readonly Attempt[]): Promise<Buffer> => this.lab.readImages(attempts.map(({ pathOf }) => pathOf(target)));
}

/** What every implementation promises about images of what has changed. The servers have no operating system; the lab writes to their disks. */
export function describeIncrementalImages(
  kind: string,
  createLab: () => Promise<HypervisorLab>,
  withoutAgent: (lab: HypervisorLab) => void = () => undefined,
): void {
  describe(`incremental images contract: ${kind}`, () => {
    let lab: HypervisorLab;
    let series: BackupSeries;
    let server: ServerRef;
    const began: Attempt[] = [];

    const expected = (seed: number, ...written: readonly { readonly at: number; readonly bytes: number; readonly byte: number }[]): Buffer => {
      const content = Buffer.concat([pattern(seed), Buffer.alloc(DISK_BYTES - pattern(seed).length)]);
      for (const { at, bytes, byte } of written) content.fill(byte, at, at + bytes);
      return content;
    };

    beforeEach(async () => {
      began.length = 0;
      lab = await createLab();
      withoutAgent(lab);
      server = await lab.createServer({
        disks: [
          { target: 'vda', format: 'qcow2', content: pattern(1) },
          { target: 'vdb', format: 'raw', content: pattern(2) },
          { target: 'vdc', format: 'qcow2', content: pattern(3), overlay: true },
        ],
      });
      const fence = newFence();
      await lab.hypervisor.takeFence(server, fence);
      await lab.hypervisor.start(server, fence);
      series = new BackupSeries(lab, server, fence);
    });
    afterEach(() => lab.dispose());

    it('hold what has changed since, and with what they continue they show the disks as they were then', async () => {
      const full = await series.take(null);
      const one = { at: 128 * KIB, bytes: 64 * KIB, byte: 0x31 };
      const two = { at: 2048 * KIB, bytes: 192 * KIB, byte: 0x32 };
      await lab.overwrite(server, series.diskOf(full, 'vda'), one);
      await lab.overwrite(server, series.diskOf(full, 'vdc'), two);
      await lab.overwrite(server, series.diskOf(full, 'vdb'), two);
      expect(await series.find(full)).toEqual({
        able: ['vda', 'vdc'],
        virtualSizeBytes: SIZES,
        found: { name: full.recoveryPointId, changedBytes: { vda: 64 * KIB, vdc: 192 * KIB } },
        problem: null,
      });
      const second = await series.next(full);
      expect(await series.begin(second)).toMatchObject({ since: full.recoveryPointId });
      await lab.overwrite(server, series.diskOf(full, 'vda'), { at: 3072 * KIB, bytes: 64 * KIB, byte: 0x33 });
      expect(await series.follow(second)).toEqual({ virtualSizeBytes: { vda: DISK_BYTES, vdb: DISK_BYTES, vdc: DISK_BYTES } });
      await series.settle(second);
      expect((await series.read('vda', second, full)).equals(expected(1, one))).toBe(true);
      expect((await series.read('vdc', second, full)).equals(expected(3, two))).toBe(true);
      // A disk that can hold no checkpoint is whole each time.
      expect((await series.read('vdb', second)).equals(expected(2, two))).toBe(true);
      // What came after the point in time of the second is in the third.
      const third = await series.take(second);
      const late = { at: 3072 * KIB, bytes: 64 * KIB, byte: 0x33 };
      expect((await series.read('vda', third, second, full)).equals(expected(1, one, late))).toBe(true);
      expect((await series.read('vda', second, full)).equals(expected(1, one))).toBe(true);
    });

    it('leave one checkpoint: the newest, and none where none is wanted', async () => {
      const full = await series.take(null);
      const second = await series.take(full);
      expect(await series.names(second, full)).toEqual([second.recoveryPointId]);
      expect(await series.names(full)).toEqual([]);
      const whole = await series.next(null);
      await series.begin(whole);
      await series.follow(whole);
      // Nothing continues it, yet it is there as long as nothing else is published.
      expect(await series.names(second)).toEqual([second.recoveryPointId]);
      await series.settle(whole);
      expect(await series.names(second)).toEqual([]);
      expect(await series.names(whole, second)).toEqual([whole.recoveryPointId]);
      await series.settle(whole);
      const { checkpoint: _checkpoint, ...request } = (await series.next(null)).request;
      const plain: Attempt = { ...whole, request };
      await series.begin(plain);
      await series.follow(plain);
      await series.settle(plain);
      expect(await series.names(whole)).toEqual([]);
    });

    it('what is settled is taken back by nobody any more', async () => {
      const full = await series.take(null);
      await series.cancel(full);
      await lab.hypervisor.releaseFence(server, full.request.fence);
      await lab.hypervisor.sweepGuards(new Set());
      expect(await series.names(full)).toEqual([full.recoveryPointId]);
    });

    it('disks that were exchanged are not continued, however equal they look', async () => {
      const two = await lab.createServer({
        disks: ['vda', 'vdb'].map((target, index) => ({ target, format: 'qcow2' as const, content: pattern(10 + index), fileName: `twin-${index}.qcow2` })),
      });
      const fence = newFence();
      await lab.hypervisor.takeFence(two, fence);
      await lab.hypervisor.start(two, fence);
      const twins = new BackupSeries(lab, two, fence);
      const full = await twins.take(null);
      expect(await twins.names(full)).toEqual([full.recoveryPointId]);
      const held = (await twins.next(null)).request.fence;
      await lab.hypervisor.powerOff(two, held);
      const [first, second] = [twins.diskOf(full, 'vda').path, twins.diskOf(full, 'vdb').path];
      await rename(first, `${first}.x`);
      await rename(second, first);
      await rename(`${first}.x`, second);
      await lab.hypervisor.start(two, held);
      expect(await twins.find(full)).toMatchObject({ found: null, problem: expect.stringContaining('another file') as string });
    });

    it('Xen Orchestra #3065: what a failed run has left is never built on, and nothing of its time is missing later', async () => {
      const full = await series.take(null);
      const before = { at: 0, bytes: 64 * KIB, byte: 0x41 };
      const during = { at: 512 * KIB, bytes: 64 * KIB, byte: 0x42 };
      await lab.overwrite(server, series.diskOf(full, 'vda'), before);
      const failed = await series.next(full);
      await series.begin(failed);
      await series.follow(failed);
      await lab.overwrite(server, series.diskOf(full, 'vda'), during);
      // Complete, and never published.
      await series.cancel(failed);
      expect(await series.names(failed, full)).toEqual([full.recoveryPointId]);
      const next = await series.take(full);
      expect((await series.read('vda', next, full)).equals(expected(1, before, during))).toBe(true);
    });

    it('a job that was cancelled under way leaves no checkpoint, and the earlier one is as good as before', async () => {
      const full = await series.take(null);
      const change = { at: 1024 * KIB, bytes: 128 * KIB, byte: 0x51 };
      await lab.overwrite(server, series.diskOf(full, 'vda'), change);
      for (let round = 0; round < 2; round += 1) {
        const attempt = await series.next(full);
        await series.begin(attempt);
        await series.cancel(attempt);
        await series.cancel(attempt);
        expect(await series.names(attempt, full)).toEqual([full.recoveryPointId]);
      }
      const next = await series.take(full);
      expect((await series.read('vda', next, full)).equals(expected(1, change))).toBe(true);
    });

    it('are refused where nobody knows what has changed; whole ones begin in the same run', async () => {
      const full = await series.take(null);
      const stranger: Attempt = { ...full, recoveryPointId: newId('rp') };
      const attempt = await series.next(stranger);
      await expect(series.begin(attempt)).rejects.toEqual(refusedWith('CHECKPOINT_LOST'));
      const { since: _since, ...request } = attempt.request;
      const whole: Attempt = { ...attempt, request: { ...request, disks: request.disks.map(({ backingName: _name, ...disk }) => disk) } };
      expect((await series.begin(whole)).since ?? null).toBeNull();
      await series.follow(whole);
      await series.settle(whole);
      expect((await series.read('vda', whole)).equals(expected(1))).toBe(true);
      expect(await series.names(whole)).toEqual([whole.recoveryPointId]);
    });

    it('looks for nothing, for what nobody knows, and in a server that is off or gone', async () => {
      const full = await series.take(null);
      const unknown: Attempt = { ...full, recoveryPointId: newId('rp') };
      expect(await series.find()).toMatchObject({ able: ['vda', 'vdc'], virtualSizeBytes: SIZES, found: null, problem: expect.any(String) as string });
      expect(await series.find(unknown)).toMatchObject({ found: null, problem: expect.any(String) as string });
      expect(await series.find(unknown, full)).toMatchObject({ found: { name: full.recoveryPointId }, problem: null });
      expect(await series.find(full, unknown)).toMatchObject({ found: { name: full.recoveryPointId }, problem: null });
      const off = await series.next(null);
      await lab.hypervisor.powerOff(server, off.request.fence);
      expect(await series.find(full)).toEqual({ able: [], virtualSizeBytes: {}, found: null, problem: expect.stringContaining('off') as string });
      await expect(lab.hypervisor.findCheckpoints({ uuid: '00000000-0000-4000-8000-000000000000', name: 'nobody' }, [])).rejects.toEqual(
        refusedWith('SERVER_GONE'),
      );
    });

    it('go on after the server was off: the checkpoint lies in its disks', async () => {
      const full = await series.take(null);
      const first = { at: 64 * KIB, bytes: 64 * KIB, byte: 0x61 };
      await lab.overwrite(server, series.diskOf(full, 'vda'), first);
      const attempt = await series.next(full);
      await lab.hypervisor.powerOff(server, attempt.request.fence);
      await lab.hypervisor.start(server, attempt.request.fence);
      const second = { at: 640 * KIB, bytes: 64 * KIB, byte: 0x62 };
      await lab.overwrite(server, series.diskOf(full, 'vda'), second);
      await series.begin(attempt);
      await series.follow(attempt);
      await series.settle(attempt);
      expect((await series.read('vda', attempt, full)).equals(expected(1, first, second))).toBe(true);
      expect((await stat(attempt.pathOf('vda'))).size).toBeLessThan((await stat(full.pathOf('vda'))).size + 64 * KIB);
    });

    it('are made whole from what they build on, once, and what they build on stays as it is', async () => {
      const full = await series.take(null);
      const change = { at: 256 * KIB, bytes: 64 * KIB, byte: 0x71 };
      await lab.overwrite(server, series.diskOf(full, 'vda'), change);
      const next = await series.take(full);
      const parent = await readFile(full.pathOf('vda'));
      const backingName = next.request.disks.find(({ target }) => target === 'vda')?.backingName ?? '';
      const merge = (name = backingName): Promise<void> =>
        lab.hypervisor.mergeImage({ imageFiles: [next.pathOf('vda'), full.pathOf('vda')], backingName: name }, transferContext());
      await expect(merge('../elsewhere/vda.qcow2')).rejects.toEqual(refusedWith('IMAGE_HEADER_REFUSED'));
      await merge();
      expect((await series.read('vda', next)).equals(expected(1, change))).toBe(true);
      const { ino } = await stat(next.pathOf('vda'));
      await merge();
      expect((await stat(next.pathOf('vda'))).ino).toBe(ino);
      expect((await readFile(full.pathOf('vda'))).equals(parent)).toBe(true);
      expect(await readdir(dirname(next.pathOf('vda')))).toEqual(['vda.qcow2', 'vdb.qcow2', 'vdc.qcow2']);
    });

    it('settles what has begun nothing', async () => {
      await lab.hypervisor.settleOnlineBackup(server, newFence().runId);
    });
  });
}
