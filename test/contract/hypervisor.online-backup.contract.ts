import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fence, ServerRef } from '../../src/contracts/server';
import type { OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { fileExists } from '../../src/system/files';
import { DISK_BYTES, pattern, type HypervisorLab } from '../support/hypervisor-lab';
import { newFence, refusedWith } from './hypervisor.contract';

const never = new AbortController().signal;

/**
 * What every implementation promises about online backups. The servers have no operating system, so no agent answers: `withoutAgent` makes that true where it
 * is not by itself. What a real guest adds is in `hypervisor.libvirt-online*.spec.ts`.
 */
export function describeOnlineBackup(
  kind: string,
  createLab: () => Promise<HypervisorLab>,
  withoutAgent: (lab: HypervisorLab) => void = () => undefined,
): void {
  describe(`online backup contract: ${kind}`, () => {
    let lab: HypervisorLab;
    let server: ServerRef;
    let fence: Fence;
    let request: OnlineBackupRequest;

    const requestOf = async (its: Fence): Promise<OnlineBackupRequest> => {
      await lab.hypervisor.takeFence(server, its);
      const { disks, definitionFingerprint } = await lab.hypervisor.inspect(server);
      const directory = join(lab.exportDirectory, its.runId);
      await mkdir(directory);
      return {
        server,
        fence: its,
        disks: disks.map(({ target, path }) => ({ target, path, targetPath: join(directory, `${target}.qcow2`) })),
        definitionFingerprint,
        quiesce: { before: null, after: null },
        allowCrashConsistent: true,
        limits: { rateLimitBytesPerSecond: null, maxGuestLatencyMs: null },
      };
    };
    const begin = (change: Partial<OnlineBackupRequest> = {}): ReturnType<typeof lab.hypervisor.beginOnlineBackup> =>
      lab.hypervisor.beginOnlineBackup({ ...request, ...change }, { signal: never });
    const seen: { target: string; doneBytes: number; totalBytes: number }[] = [];
    const follow = (): ReturnType<typeof lab.hypervisor.followOnlineBackup> =>
      lab.hypervisor.followOnlineBackup(
        { server, runId: request.fence.runId, disks: request.disks },
        { signal: never, onProgress: (target, progress) => void seen.push({ target, ...progress }) },
      );

    beforeEach(async () => {
      seen.length = 0;
      lab = await createLab();
      withoutAgent(lab);
      server = await lab.createServer({
        disks: [
          { target: 'vda', format: 'qcow2', content: pattern(1) },
          { target: 'vdb', format: 'raw', content: pattern(2) },
          { target: 'vdc', format: 'qcow2', content: pattern(3), overlay: true },
        ],
      });
      fence = newFence();
      await lab.hypervisor.takeFence(server, fence);
      await lab.hypervisor.start(server, fence);
      request = await requestOf(fence);
    });
    afterEach(async () => {
      await lab.hypervisor.cancelOnlineBackup(server, fence.runId);
      await lab.dispose();
    });

    it('copies all disks as they were: qcow2, raw, a flattened overlay', async () => {
      const start = await begin();
      expect(start).toMatchObject({ consistency: 'crash', frozenMs: null, note: expect.any(String) as string });
      expect(Math.abs(Date.parse(start.pointInTime) - Date.now())).toBeLessThan(60_000);
      expect(await follow()).toEqual({ virtualSizeBytes: { vda: DISK_BYTES, vdb: DISK_BYTES, vdc: DISK_BYTES } });
      for (const [index, { targetPath }] of request.disks.entries()) {
        expect((await lab.readDisk(targetPath, 'qcow2', 1024 * 1024)).equals(pattern(index + 1))).toBe(true);
        expect((await lab.readDisk(targetPath, 'qcow2', DISK_BYTES)).length).toBe(DISK_BYTES);
      }
      expect(await lab.hypervisor.powerState(server)).toBe('running');
      for (const { target } of request.disks) {
        const done = seen.filter((one) => one.target === target).map(({ doneBytes }) => doneBytes);
        expect(done).toEqual([...done].sort((a, b) => a - b));
        expect(done.at(-1)).toBe(DISK_BYTES);
      }
    });

    it('begins once, however often it is asked; a retry of following is answered too', async () => {
      const start = await begin();
      expect(await begin()).toEqual(start);
      const sizes = await follow();
      expect(await follow()).toEqual(sizes);
      expect(await begin()).toEqual(start);
    });

    describe('prepared beforehand', () => {
      const prepare = (change: Partial<OnlineBackupRequest> = {}): Promise<void> =>
        lab.hypervisor.prepareOnlineBackup({ ...request, ...change }, { signal: never });

      it('begins nothing: what is written until the begin is in it', async () => {
        await prepare();
        await expect(follow()).rejects.toEqual(refusedWith('BACKUP_JOB_LOST'));
        expect(await lab.hypervisor.powerState(server)).toBe('running');
        for (const { targetPath } of request.disks) expect(await fileExists(targetPath)).toBe(true);
        const preparedAt = Date.now();
        const start = await begin();
        expect(Date.parse(start.pointInTime)).toBeGreaterThanOrEqual(preparedAt);
        await follow();
        for (const [index, { targetPath }] of request.disks.entries()) {
          expect((await lab.readDisk(targetPath, 'qcow2', 1024 * 1024)).equals(pattern(index + 1))).toBe(true);
        }
      });

      it('as often as one likes; after the begin it does nothing', async () => {
        await prepare();
        await prepare();
        const start = await begin();
        await prepare();
        expect(await begin()).toEqual(start);
        await follow();
      });

      it('serves the request it was made for; another one begins from the beginning', async () => {
        await prepare();
        const [, ...others] = request.disks;
        const elsewhere = { ...request.disks[0], targetPath: `${request.disks[0]?.targetPath}.other` } as (typeof request.disks)[number];
        await begin({ disks: [elsewhere, ...others] });
        expect(await fileExists(elsewhere.targetPath)).toBe(true);
        await lab.hypervisor.cancelOnlineBackup(server, fence.runId);
      });

      it('is taken back by a cancel, and a begin after that is whole all the same', async () => {
        await prepare();
        await lab.hypervisor.cancelOnlineBackup(server, fence.runId);
        expect(await lab.hypervisor.powerState(server)).toBe('running');
        await begin();
        await follow();
        expect((await lab.readDisk(request.disks[0]?.targetPath ?? '', 'qcow2', 1024 * 1024)).equals(pattern(1))).toBe(true);
      });

      it('is refused as the begin would be: without an agent, for another definition, after a newer run', async () => {
        await expect(prepare({ allowCrashConsistent: false })).rejects.toMatchObject({ code: expect.stringMatching(/^AGENT_(ABSENT|SILENT)$/) as string });
        await expect(prepare({ definitionFingerprint: '0'.repeat(64) })).rejects.toEqual(refusedWith('DEFINITION_CHANGED'));
        await expect(prepare({ fence: newFence() })).rejects.toEqual(refusedWith('FENCED_OFF'));
        await begin();
        await follow();
      });
    });

    it('needs an agent, unless it was said that none is needed', async () => {
      await expect(begin({ allowCrashConsistent: false })).rejects.toMatchObject({
        code: expect.stringMatching(/^AGENT_(ABSENT|SILENT)$/) as string,
        hint: expect.any(String) as string,
      });
      expect(await begin()).toMatchObject({ consistency: 'crash' });
    });

    it('needs the fence, the examined definition and the examined disks', async () => {
      await expect(begin({ fence: newFence() })).rejects.toEqual(refusedWith('FENCED_OFF'));
      await expect(begin({ definitionFingerprint: '0'.repeat(64) })).rejects.toEqual(refusedWith('DEFINITION_CHANGED'));
      await expect(begin({ disks: request.disks.slice(0, 2) })).rejects.toEqual(refusedWith('DEFINITION_CHANGED'));
      await expect(begin({ disks: request.disks.map((disk) => ({ ...disk, path: `${disk.path}.other` })) })).rejects.toEqual(refusedWith('DEFINITION_CHANGED'));
      await expect(follow()).rejects.toEqual(refusedWith('BACKUP_JOB_LOST'));
    });

    it('an older run gets in neither before nor after a newer one', async () => {
      const older = request;
      await begin();
      request = await requestOf(newFence());
      await expect(begin({ ...older })).rejects.toEqual(refusedWith('FENCED_OFF'));
    });

    it('needs a server that runs, and loses the job with it', async () => {
      await lab.hypervisor.powerOff(server, fence);
      await expect(begin()).rejects.toEqual(refusedWith('BACKUP_JOB_LOST'));
    });

    it('says which directory is not there', async () => {
      const disks = request.disks.map((disk) => ({ ...disk, targetPath: join(lab.exportDirectory, 'gone', `${disk.target}.qcow2`) }));
      await expect(begin({ disks })).rejects.toEqual(refusedWith('REPOSITORY_UNREACHABLE'));
    });

    it('replaces what an earlier attempt has left', async () => {
      await begin();
      await lab.hypervisor.cancelOnlineBackup(server, fence.runId);
      await expect(follow()).rejects.toEqual(refusedWith('BACKUP_JOB_LOST'));
      await begin();
      await follow();
      const [first] = request.disks;
      expect((await lab.readDisk(first?.targetPath ?? '', 'qcow2', 1024 * 1024)).equals(pattern(1))).toBe(true);
    });

    it('cancels as often as one likes, also what never began, and for a server that is gone', async () => {
      await lab.hypervisor.cancelOnlineBackup(server, newFence().runId);
      await begin();
      await lab.hypervisor.cancelOnlineBackup(server, fence.runId);
      await lab.hypervisor.cancelOnlineBackup(server, fence.runId);
      expect(await lab.hypervisor.powerState(server)).toBe('running');
      await lab.hypervisor.cancelOnlineBackup({ uuid: '00000000-0000-4000-8000-000000000000', name: 'nobody' }, newFence().runId);
    });

    it('forgets runs that are over, and leaves open ones alone', async () => {
      const start = await begin();
      await lab.hypervisor.sweepGuards(new Set([fence.runId]));
      expect(await begin()).toEqual(start);
      await lab.hypervisor.sweepGuards(new Set());
      await expect(follow()).rejects.toEqual(refusedWith('BACKUP_JOB_LOST'));
    });

    it('an abort ends the waiting, not the job', async () => {
      await expect(lab.hypervisor.beginOnlineBackup(request, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
      await begin();
      const waiting = lab.hypervisor.followOnlineBackup(
        { server, runId: fence.runId, disks: request.disks },
        { signal: AbortSignal.abort(new Error('enough')), onProgress: () => undefined },
      );
      await expect(waiting).rejects.toThrow('enough');
      await follow();
      for (const { targetPath } of request.disks) expect((await stat(targetPath)).size).toBeGreaterThan(1024 * 1024);
      expect(await fileExists(request.disks[0]?.path ?? '')).toBe(true);
    });
  });
}
