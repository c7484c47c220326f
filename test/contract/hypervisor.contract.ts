import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '../../src/contracts/error-codes';
import { newId } from '../../src/contracts/ids';
import type { PlannedVolume } from '../../src/contracts/plan';
import type { Fence, ServerRef, StopByRun } from '../../src/contracts/server';
import { fileExists } from '../../src/system/files';
import { DISK_BYTES, manifestOf, pattern, transferContext, type HypervisorLab } from '../support/hypervisor-lab';

export const refusedWith = (code: ErrorCode): Record<string, unknown> => expect.objectContaining({ name: 'ModosuError', code }) as Record<string, unknown>;

let token = 0;
export const newFence = (): Fence => ({ runId: newId('run'), token: (token += 1) });

const sha256 = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

/** What every implementation of the `Hypervisor` port promises. */
export function describeHypervisor(kind: string, createLab: () => Promise<HypervisorLab>): void {
  describe(`hypervisor contract: ${kind}`, () => {
    let lab: HypervisorLab;
    beforeEach(async () => {
      lab = await createLab();
    });
    afterEach(async () => {
      await lab.dispose();
    });

    const twoDisks = (): Promise<ServerRef> =>
      lab.createServer({
        disks: [
          { target: 'vda', format: 'qcow2', content: pattern(1) },
          { target: 'vdb', format: 'raw', content: pattern(2) },
        ],
        nvram: Buffer.from('firmware variables'),
        genid: true,
      });
    const nobody = { uuid: '00000000-0000-4000-8000-000000000000', name: 'nobody' };

    /** Copies all disks out and into new volumes of a run. */
    async function copyThrough(server: ServerRef, runId: string): Promise<{ volumes: readonly PlannedVolume[]; nvramNewPath: string | null }> {
      const inspection = await lab.hypervisor.inspect(server);
      const { volumes, nvramNewPath } = await lab.hypervisor.restoreTargets({ manifest: manifestOf(server, inspection), present: inspection, runId });
      for (const volume of volumes) {
        const imagePath = join(lab.exportDirectory, `${volume.target}.qcow2`);
        await lab.hypervisor.exportDisk({ server, target: volume.target, targetPath: imagePath }, transferContext());
        await lab.hypervisor.importDisk({ imageFiles: [imagePath], volume, runId }, transferContext());
      }
      if (nvramNewPath !== null) {
        const sourcePath = join(lab.exportDirectory, 'nvram.fd');
        await lab.hypervisor.exportNvram(server, sourcePath);
        await lab.hypervisor.importNvram({ sourcePath, newPath: nvramNewPath, replacesPath: inspection.nvram?.path ?? null, runId });
      }
      return { volumes, nvramNewPath };
    }

    describe('inspect', () => {
      it('shows disks, firmware, generation id and no refusal', async () => {
        const server = await twoDisks();
        const inspection = await lab.hypervisor.inspect(server);
        expect(inspection).toMatchObject({ uuid: server.uuid, domainName: server.name, powerState: 'off', domainType: 'qemu', firmware: 'uefi', refusals: [] });
        const facts = { virtualSizeBytes: DISK_BYTES, backingChain: [] };
        expect(inspection.disks).toMatchObject([
          { target: 'vda', format: 'qcow2', ...facts, holdsCheckpoints: true },
          { target: 'vdb', format: 'raw', ...facts, holdsCheckpoints: false },
        ]);
        expect(inspection.disks.every((disk) => disk.allocatedBytes >= 1024 * 1024)).toBe(true);
        expect(inspection.generationId).toMatch(/^[0-9a-f-]{36}$/);
        expect(inspection.nvram?.sizeBytes).toBeGreaterThan(0);
        expect(inspection.agent.commands).toEqual([]);
      });

      it('shows the same to people, of a definition that was exported, also when the server is gone', async () => {
        const server = await twoDisks();
        const inspection = await lab.hypervisor.inspect(server);
        const path = join(lab.exportDirectory, 'definition.xml');
        await lab.hypervisor.exportDefinition(server, path);
        await lab.forget(server);
        const definition = await readFile(path, 'utf8');
        const described = lab.hypervisor.describeDefinition(definition);
        expect(described).toMatchObject({ summary: { firmware: 'uefi', generationId: inspection.generationId } });
        if (typeof described === 'string') throw new Error(described);
        const disks = described.summary.disks.filter(({ device }) => device === 'disk');
        expect(disks.map(({ target, source }) => ({ target, source }))).toEqual(inspection.disks.map(({ target, path: source }) => ({ target, source })));
        expect(described.lines.join('\n')).toContain(server.uuid);
        expect(lab.hypervisor.describeDefinition(definition)).toEqual(described);
        expect(lab.hypervisor.describeDefinition(definition.slice(0, -20))).toBe('unreadable');
      });

      it('shows the chain of an overlay', async () => {
        const server = await lab.createServer({ disks: [{ target: 'vda', format: 'qcow2', content: pattern(3), overlay: true }] });
        const [disk] = (await lab.hypervisor.inspect(server)).disks;
        expect(disk?.backingChain).toEqual([{ path: `${disk?.path}.base`, format: 'qcow2' }]);
      });

      it('refuses a server whose disk file is missing, and still names the disk', async () => {
        const server = await twoDisks();
        const before = await lab.hypervisor.inspect(server);
        await rm(before.disks[1]?.path ?? '');
        const after = await lab.hypervisor.inspect(server);
        expect(after.refusals.map(({ code }) => code)).toEqual(['DISK_FILE_MISSING']);
        expect(after.disks.map(({ target }) => target)).toEqual(['vda', 'vdb']);
        expect(after.definitionFingerprint).toBe(before.definitionFingerprint);
      });

      it('names every file of a server, also below an overlay and while none of them can be read, and none of one that is gone', async () => {
        const server = await lab.createServer({
          disks: [
            { target: 'vda', format: 'qcow2', content: pattern(3), overlay: true },
            { target: 'vdb', format: 'raw', content: pattern(4) },
          ],
          nvram: Buffer.from('firmware variables'),
        });
        const { disks, nvram } = await lab.hypervisor.inspect(server);
        const fence = newFence();
        await lab.hypervisor.takeFence(server, fence);
        await lab.hypervisor.start(server, fence);
        const paths = [...disks.map(({ path }) => path), nvram?.path];
        for (const path of paths) await rename(path ?? '', `${path}.away`);
        const named = await lab.hypervisor.namedFiles(server);
        expect(named).toEqual(expect.arrayContaining([...paths, `${disks[0]?.path}.base`]));
        expect(new Set(named).size).toBe(named.length);
        for (const path of paths) await rename(`${path}.away`, path ?? '');
        await lab.hypervisor.powerOff(server, fence);
        expect(await lab.hypervisor.namedFiles(nobody)).toEqual([]);
      });

      it('knows which servers there are', async () => {
        const server = await twoDisks();
        expect(await lab.hypervisor.listServers()).toContainEqual({ uuid: server.uuid, domainName: server.name, powerState: 'off' });
        await expect(lab.hypervisor.inspect(nobody)).rejects.toEqual(refusedWith('SERVER_GONE'));
        await expect(lab.hypervisor.powerState(nobody)).rejects.toEqual(refusedWith('SERVER_GONE'));
      });

      it('reports versions and domain types', async () => {
        const info = await lab.hypervisor.probe();
        expect(info.domainTypes).toContain('qemu');
        expect(info.versions['libvirt']).toMatch(/^\d+\.\d+/);
        expect(info.versions['qemu']).toMatch(/^\d+\.\d+/);
      });
    });

    describe('fence', () => {
      it('lets the newest token in, and only that one write', async () => {
        const server = await twoDisks();
        const [older, newer] = [newFence(), newFence()];
        expect(await lab.hypervisor.takeFence(server, older)).toBe(true);
        expect(await lab.hypervisor.takeFence(server, older)).toBe(true);
        expect(await lab.hypervisor.takeFence(server, newer)).toBe(true);
        await expect(lab.hypervisor.takeFence(server, older)).rejects.toEqual(refusedWith('FENCED_OFF'));
        await expect(lab.hypervisor.takeFence(server, { runId: newId('run'), token: newer.token })).rejects.toEqual(refusedWith('FENCED_OFF'));
        await expect(lab.hypervisor.start(server, older)).rejects.toEqual(refusedWith('FENCED_OFF'));
        expect(await lab.hypervisor.powerState(server)).toBe('off');
      });

      it('is needed for every change of a server', async () => {
        const server = await twoDisks();
        const fence = newFence();
        const never = newFence();
        await lab.hypervisor.takeFence(server, fence);
        await lab.hypervisor.start(server, fence);
        const options = { deadlineMs: 1_000, signal: new AbortController().signal };
        await expect(lab.hypervisor.shutDown(server, never, options)).rejects.toEqual(refusedWith('FENCED_OFF'));
        await expect(lab.hypervisor.powerOff(server, never)).rejects.toEqual(refusedWith('FENCED_OFF'));
        expect(await lab.hypervisor.powerState(server)).toBe('running');
        await lab.hypervisor.powerOff(server, fence);
      });

      it('is released only by its holder, while the server runs too', async () => {
        const server = await twoDisks();
        const [fence, stranger] = [newFence(), newFence()];
        await lab.hypervisor.takeFence(server, fence);
        await lab.hypervisor.releaseFence(server, stranger);
        await lab.hypervisor.start(server, fence);
        await lab.hypervisor.releaseFence(server, fence);
        await lab.hypervisor.releaseFence(server, fence);
        await expect(lab.hypervisor.powerOff(server, fence)).rejects.toEqual(refusedWith('FENCED_OFF'));
        expect(await lab.hypervisor.takeFence(server, stranger)).toBe(true);
        await lab.hypervisor.powerOff(server, stranger);
      });

      it('leaves the fingerprint of the definition alone', async () => {
        const server = await twoDisks();
        const { definitionFingerprint } = await lab.hypervisor.inspect(server);
        const fence = newFence();
        await lab.hypervisor.takeFence(server, fence);
        expect((await lab.hypervisor.inspect(server)).definitionFingerprint).toBe(definitionFingerprint);
        await lab.hypervisor.releaseFence(server, fence);
        expect((await lab.hypervisor.inspect(server)).definitionFingerprint).toBe(definitionFingerprint);
      });

      it('of a server that is gone cannot be taken, and is released without complaint', async () => {
        expect(await lab.hypervisor.takeFence(nobody, newFence())).toBe(false);
        await expect(lab.hypervisor.releaseFence(nobody, newFence())).resolves.toBeUndefined();
      });
    });

    describe('power', () => {
      it('starts and cuts the power, each as often as one likes', async () => {
        const server = await twoDisks();
        const fence = newFence();
        await lab.hypervisor.takeFence(server, fence);
        const before = await lab.hypervisor.inspect(server);
        await lab.hypervisor.start(server, fence);
        await lab.hypervisor.start(server, fence);
        expect(await lab.hypervisor.powerState(server)).toBe('running');
        expect(await lab.hypervisor.listServers()).toContainEqual({ uuid: server.uuid, domainName: server.name, powerState: 'running' });
        expect((await lab.hypervisor.inspect(server)).definitionFingerprint).toBe(before.definitionFingerprint);
        await lab.hypervisor.powerOff(server, fence);
        await lab.hypervisor.powerOff(server, fence);
        expect(await lab.hypervisor.powerState(server)).toBe('off');
        await lab.hypervisor.shutDown(server, fence, { deadlineMs: 0, signal: new AbortController().signal });
      });

      it('remembers which run has stopped a server that was on, and whether it has started it again, whatever becomes of it', async () => {
        const server = await twoDisks();
        const [first, second, third] = [newFence(), newFence(), newFence()];
        const stop = (fence: Fence): Promise<void> => lab.hypervisor.shutDown(server, fence, { deadlineMs: 0, signal: new AbortController().signal });
        const stops = async (): Promise<readonly StopByRun[]> => Promise.all([first, second, third].map(({ runId }) => lab.hypervisor.stopBy(server, runId)));
        await lab.hypervisor.takeFence(server, first);
        // It is off already, as somebody has left it.
        await stop(first);
        await lab.hypervisor.powerOff(server, first);
        expect(await stops()).toEqual(['none', 'none', 'none']);

        await lab.hypervisor.start(server, first);
        await lab.hypervisor.powerOff(server, first);
        await lab.hypervisor.powerOff(server, first);
        expect(await stops()).toEqual(['stopped', 'none', 'none']);
        await lab.hypervisor.start(server, first);
        expect(await stops()).toEqual(['started-again', 'none', 'none']);
        await lab.hypervisor.powerOff(server, first);
        expect(await stops()).toEqual(['stopped', 'none', 'none']);
        await lab.hypervisor.start(server, first);
        await lab.hypervisor.start(server, first);
        await lab.hypervisor.releaseFence(server, first);
        expect(await stops()).toEqual(['started-again', 'none', 'none']);

        // Whoever does not hold it any more says nothing.
        await lab.hypervisor.takeFence(server, second);
        await expect(stop(first)).rejects.toEqual(refusedWith('FENCED_OFF'));
        await lab.hypervisor.powerOff(server, second);
        await lab.hypervisor.takeFence(server, third);
        await stop(third);
        expect(await stops()).toEqual(['none', 'stopped', 'none']);
        await lab.forget(server);
        expect(await stops()).toEqual(['none', 'stopped', 'none']);
      });

      it('leaves a server off that cannot start', async () => {
        const server = await twoDisks();
        const fence = newFence();
        await lab.hypervisor.takeFence(server, fence);
        const [disk] = (await lab.hypervisor.inspect(server)).disks;
        await rm(disk?.path ?? '');
        await expect(lab.hypervisor.start(server, fence)).rejects.toEqual(refusedWith('START_FAILED'));
        expect(await lab.hypervisor.powerState(server)).toBe('off');
      });

      it('treats a server that is gone as off where that is safe', async () => {
        await expect(lab.hypervisor.powerOff(nobody, newFence())).resolves.toBeUndefined();
        await expect(lab.hypervisor.start(nobody, newFence())).rejects.toEqual(refusedWith('SERVER_GONE'));
      });
    });

    describe('copies', () => {
      it('gives back what was there: qcow2, raw, a flattened overlay, NVRAM', async () => {
        const server = await lab.createServer({
          disks: [
            { target: 'vda', format: 'qcow2', content: pattern(11) },
            { target: 'vdb', format: 'raw', content: pattern(12) },
            { target: 'vdc', format: 'qcow2', content: pattern(13), overlay: true },
          ],
          nvram: Buffer.from('firmware variables'),
        });
        const runId = newId('run');
        const before = await lab.hypervisor.inspect(server);
        const sourceSums = await Promise.all(before.disks.map((disk) => sha256(disk.path)));
        const { volumes, nvramNewPath } = await copyThrough(server, runId);
        for (const [index, volume] of volumes.entries()) {
          expect(volume).toMatchObject({
            newPath: `${before.disks[index]?.path}.${runId}`,
            replacesPath: before.disks[index]?.path,
            format: before.disks[index]?.format,
          });
          expect((await lab.readDisk(volume.newPath, volume.format, 1024 * 1024)).equals(pattern(11 + index))).toBe(true);
          expect((await lab.readDisk(volume.newPath, volume.format, DISK_BYTES)).length).toBe(DISK_BYTES);
        }
        expect(volumes.map(({ flattened }) => flattened)).toEqual([false, false, true]);
        expect(await sha256(nvramNewPath ?? '')).toBe(await sha256(before.nvram?.path ?? ''));
        expect(await Promise.all(before.disks.map((disk) => sha256(disk.path)))).toEqual(sourceSums);
      });

      it('reports progress up to the end, never backwards', async () => {
        const server = await twoDisks();
        const context = transferContext();
        const result = await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath: join(lab.exportDirectory, 'vda.qcow2') }, context);
        expect(result.virtualSizeBytes).toBe(DISK_BYTES);
        const done = context.seen.map(({ doneBytes }) => doneBytes);
        expect(done).toEqual([...done].sort((a, b) => a - b));
        expect(context.seen.at(-1)?.doneBytes).toBe(context.seen.at(-1)?.totalBytes);
      });

      it('starts from scratch over what an earlier attempt has left', async () => {
        const server = await twoDisks();
        const targetPath = join(lab.exportDirectory, 'vda.qcow2');
        await writeFile(targetPath, 'half a copy');
        await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, transferContext());
        expect((await lab.readDisk(targetPath, 'qcow2', 1024 * 1024)).equals(pattern(1))).toBe(true);
      });

      it('refuses to copy a disk of a server that is not stopped', async () => {
        const server = await twoDisks();
        const fence = newFence();
        await lab.hypervisor.takeFence(server, fence);
        await lab.hypervisor.start(server, fence);
        const request = { server, target: 'vda', targetPath: join(lab.exportDirectory, 'vda.qcow2') };
        await expect(lab.hypervisor.exportDisk(request, transferContext())).rejects.toEqual(refusedWith('SERVER_NOT_STOPPED'));
        await lab.hypervisor.powerOff(server, fence);
        expect(await fileExists(request.targetPath)).toBe(false);
      });

      it('says which directory is not there', async () => {
        const server = await twoDisks();
        const runId = newId('run');
        const elsewhere = join(lab.exportDirectory, 'gone');
        await expect(lab.hypervisor.exportDisk({ server, target: 'vda', targetPath: join(elsewhere, 'vda.qcow2') }, transferContext())).rejects.toEqual(
          refusedWith('REPOSITORY_UNREACHABLE'),
        );
        await expect(lab.hypervisor.exportDefinition(server, join(elsewhere, 'definition.xml'))).rejects.toEqual(refusedWith('REPOSITORY_UNREACHABLE'));
        const imagePath = join(lab.exportDirectory, 'vda.qcow2');
        await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath: imagePath }, transferContext());
        const volume: PlannedVolume = {
          target: 'vda',
          replacesPath: null,
          newPath: join(elsewhere, `vda.${runId}`),
          format: 'qcow2',
          virtualSizeBytes: DISK_BYTES,
          flattened: false,
        };
        await expect(lab.hypervisor.importDisk({ imageFiles: [imagePath], volume, runId }, transferContext())).rejects.toEqual(
          refusedWith('TARGET_UNREACHABLE'),
        );
        const inspection = await lab.hypervisor.inspect(server);
        const manifest = manifestOf(server, {
          ...inspection,
          disks: inspection.disks.map((disk) => ({ ...disk, path: join(elsewhere, 'disk') })),
          nvram: null,
        });
        await expect(lab.hypervisor.restoreTargets({ manifest, present: null, runId })).rejects.toEqual(refusedWith('TARGET_UNREACHABLE'));
      });

      it('refuses a disk that is missing or unknown', async () => {
        const server = await twoDisks();
        const [disk] = (await lab.hypervisor.inspect(server)).disks;
        await rm(disk?.path ?? '');
        const targetPath = join(lab.exportDirectory, 'vda.qcow2');
        await expect(lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, transferContext())).rejects.toEqual(refusedWith('DISK_FILE_MISSING'));
        await expect(lab.hypervisor.exportDisk({ server, target: 'vdz', targetPath }, transferContext())).rejects.toEqual(refusedWith('DISK_NOT_SUPPORTED'));
      });

      it('stops when it is told to, with the reason it was given', async () => {
        const server = await twoDisks();
        const stop = new AbortController();
        stop.abort(new Error('cancelled by a person'));
        await expect(
          lab.hypervisor.exportDisk({ server, target: 'vda', targetPath: join(lab.exportDirectory, 'vda.qcow2') }, transferContext(stop.signal)),
        ).rejects.toThrow('cancelled by a person');
      });

      it("never writes over a file a server uses, nor over one that is not the run's", async () => {
        const server = await twoDisks();
        const runId = newId('run');
        const fence = { runId, token: 1 };
        await lab.hypervisor.takeFence(server, fence);
        const { volumes, nvramNewPath } = await copyThrough(server, runId);
        await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath, renewGenerationId: true, quarantinedMacs: [] });
        const volume = volumes[0] as PlannedVolume;
        const imagePath = join(lab.exportDirectory, 'vda.qcow2');
        const sum = await sha256(volume.newPath);
        await expect(lab.hypervisor.importDisk({ imageFiles: [imagePath], volume, runId }, transferContext())).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
        await expect(lab.hypervisor.discardVolumes({ runId, paths: [volume.newPath] })).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
        expect(await sha256(volume.newPath)).toBe(sum);
        const foreign = { ...volume, newPath: volume.replacesPath as string };
        await expect(lab.hypervisor.importDisk({ imageFiles: [imagePath], volume: foreign, runId }, transferContext())).rejects.toEqual(
          refusedWith('PATH_NOT_ALLOWED'),
        );
      });
    });

    describe('swap', () => {
      it('puts the new volumes in place, keeps name and UUID, and is the same when asked again', async () => {
        const server = await twoDisks();
        const fence = newFence();
        await lab.hypervisor.takeFence(server, fence);
        const before = await lab.hypervisor.inspect(server);
        const made = await copyThrough(server, fence.runId);
        const request = { server, fence, definition: { from: 'present' as const }, ...made, renewGenerationId: true, quarantinedMacs: [] };
        const first = await lab.hypervisor.swap(request);
        const second = await lab.hypervisor.swap(request);
        const after = await lab.hypervisor.inspect(server);
        expect(first.generationId).not.toBe(before.generationId);
        expect(second.generationId).toBe(first.generationId);
        expect(after).toMatchObject({ domainName: before.domainName, uuid: before.uuid, generationId: first.generationId, nics: before.nics, refusals: [] });
        expect(after.disks.map(({ path }) => path)).toEqual(made.volumes.map(({ newPath }) => newPath));
        expect(after.nvram?.path).toBe(made.nvramNewPath);
        // The fence went along with the definition.
        await lab.hypervisor.start(server, fence);
        await lab.hypervisor.powerOff(server, fence);
      });

      it('keeps the generation id when it is not to be renewed', async () => {
        const server = await twoDisks();
        const fence = newFence();
        await lab.hypervisor.takeFence(server, fence);
        const { generationId } = await lab.hypervisor.inspect(server);
        const made = await copyThrough(server, fence.runId);
        expect(
          await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: false, quarantinedMacs: [] }),
        ).toMatchObject({ generationId });
      });

      it('is undone to exactly what stood there, as often as one likes', async () => {
        const server = await twoDisks();
        const fence = newFence();
        await lab.hypervisor.takeFence(server, fence);
        const before = await lab.hypervisor.inspect(server);
        const made = await copyThrough(server, fence.runId);
        await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [] });
        await lab.hypervisor.revertSwap(server, fence);
        await lab.hypervisor.revertSwap(server, fence);
        const after = await lab.hypervisor.inspect(server);
        expect(after).toEqual(before);
        await lab.hypervisor.discardVolumes({ runId: fence.runId, paths: made.volumes.map(({ newPath }) => newPath) });
        await lab.hypervisor.start(server, fence);
        await lab.hypervisor.powerOff(server, fence);
      });

      it('refuses without the fence, while the server runs, with a disk too few, and with a volume that is not there', async () => {
        const server = await twoDisks();
        const [fence, never] = [newFence(), newFence()];
        await lab.hypervisor.takeFence(server, fence);
        const before = await lab.hypervisor.inspect(server);
        const made = await copyThrough(server, fence.runId);
        const request = { server, fence, definition: { from: 'present' as const }, ...made, renewGenerationId: true, quarantinedMacs: [] };
        await expect(lab.hypervisor.swap({ ...request, fence: { ...never, runId: fence.runId } })).rejects.toEqual(refusedWith('FENCED_OFF'));
        await expect(lab.hypervisor.swap({ ...request, volumes: made.volumes.slice(0, 1) })).rejects.toEqual(refusedWith('SWAP_REFUSED'));
        const volume = made.volumes[0] as PlannedVolume;
        await rename(volume.newPath, `${volume.newPath}.away`);
        await expect(lab.hypervisor.swap(request)).rejects.toEqual(refusedWith('SWAP_REFUSED'));
        await rename(`${volume.newPath}.away`, volume.newPath);
        await lab.hypervisor.start(server, fence);
        await expect(lab.hypervisor.swap(request)).rejects.toEqual(refusedWith('SERVER_NOT_STOPPED'));
        await lab.hypervisor.powerOff(server, fence);
        const after = await lab.hypervisor.inspect(server);
        expect(after.definitionFingerprint).toBe(before.definitionFingerprint);
        expect(after.disks.map(({ path }) => path)).toEqual(before.disks.map(({ path }) => path));
      });

      it('defines a server that is gone from its recovery point, and forgets it again when undone', async () => {
        const server = await twoDisks();
        const fence = newFence();
        const before = await lab.hypervisor.inspect(server);
        const definitionPath = join(lab.exportDirectory, 'definition.xml');
        await lab.hypervisor.exportDefinition(server, definitionPath);
        const made = await copyThrough(server, fence.runId);
        await lab.forget(server);
        await expect(
          lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [] }),
        ).rejects.toEqual(refusedWith('SERVER_GONE'));
        const request = {
          server,
          fence,
          definition: { from: 'recovery-point' as const, path: definitionPath },
          ...made,
          renewGenerationId: true,
          quarantinedMacs: [],
        };
        const { generationId } = await lab.hypervisor.swap(request);
        const after = await lab.hypervisor.inspect(server);
        expect(after).toMatchObject({ uuid: server.uuid, domainName: before.domainName, generationId, refusals: [] });
        expect(generationId).not.toBe(before.generationId);
        await lab.hypervisor.start(server, fence);
        await lab.hypervisor.powerOff(server, fence);
        await lab.hypervisor.revertSwap(server, fence);
        await lab.hypervisor.revertSwap(server, fence);
        await expect(lab.hypervisor.inspect(server)).rejects.toEqual(refusedWith('SERVER_GONE'));
        for (const volume of made.volumes) expect(await fileExists(volume.newPath)).toBe(true);
        expect(await fileExists(made.nvramNewPath ?? '')).toBe(true);
      });

      it('refuses a definition whose name another server has', async () => {
        const server = await twoDisks();
        const fence = newFence();
        const definitionPath = join(lab.exportDirectory, 'definition.xml');
        await lab.hypervisor.exportDefinition(server, definitionPath);
        const made = await copyThrough(server, fence.runId);
        await lab.forget(server);
        const other = await lab.createServer({ name: server.name, disks: [{ target: 'vda', format: 'qcow2', content: pattern(9) }] });
        const request = {
          server,
          fence,
          definition: { from: 'recovery-point' as const, path: definitionPath },
          ...made,
          renewGenerationId: true,
          quarantinedMacs: [],
        };
        await expect(lab.hypervisor.swap(request)).rejects.toEqual(refusedWith('SWAP_REFUSED'));
        expect((await lab.hypervisor.inspect(other)).refusals).toEqual([]);
        await expect(lab.hypervisor.inspect(server)).rejects.toEqual(refusedWith('SERVER_GONE'));
      });
    });

    describe('restore targets', () => {
      it('replaces the suffix of an earlier run and goes by the origin where the server is gone', async () => {
        const server = await twoDisks();
        const inspection = await lab.hypervisor.inspect(server);
        const manifest = manifestOf(server, inspection, { imageBytes: 1000 });
        const [first, second] = [newId('run'), newId('run')];
        const earlier = { ...inspection, disks: inspection.disks.map((disk) => ({ ...disk, path: `${disk.path}.${first}` })) };
        const again = await lab.hypervisor.restoreTargets({ manifest, present: earlier, runId: second });
        expect(again.volumes.map(({ newPath }) => newPath)).toEqual(inspection.disks.map(({ path }) => `${path}.${second}`));
        const gone = await lab.hypervisor.restoreTargets({ manifest, present: null, runId: second });
        expect(gone.volumes.map(({ newPath, replacesPath }) => [newPath, replacesPath])).toEqual(
          inspection.disks.map(({ path }) => [`${path}.${second}`, null]),
        );
        expect(gone.nvramNewPath).toBe(`${inspection.nvram?.path}.${second}`);
        expect(gone.space).toEqual([{ directory: lab.diskDirectory, neededBytes: 3000, freeBytes: expect.any(Number) }]);
        // Of an incremental, its image says little about the room that the volume takes.
        const incremental = await lab.hypervisor.restoreTargets({ manifest, present: null, runId: second, neededBytes: { vda: 70_000 } });
        expect(incremental.space).toMatchObject([{ neededBytes: 72_000 }]);
      });
    });

    describe('discard', () => {
      it("deletes the run's own files and nothing else", async () => {
        const runId = newId('run');
        const own = join(lab.diskDirectory, `disk.qcow2.${runId}`);
        const foreign = join(lab.diskDirectory, 'disk.qcow2');
        await writeFile(own, 'own');
        await writeFile(foreign, 'foreign');
        for (const path of [
          foreign,
          `${lab.diskDirectory}/../disks/x.${runId}`,
          `relative.${runId}`,
          `${foreign}.${newId('run')}`,
          join(lab.diskDirectory, `.${runId}`),
        ]) {
          await expect(lab.hypervisor.discardVolumes({ runId, paths: [own, path] })).rejects.toEqual(refusedWith('PATH_NOT_ALLOWED'));
        }
        expect((await stat(own)).size).toBe(3);
        await lab.hypervisor.discardVolumes({ runId, paths: [own, join(lab.diskDirectory, `gone.${runId}`)] });
        await lab.hypervisor.discardVolumes({ runId, paths: [own] });
        expect(await fileExists(own)).toBe(false);
        expect(await fileExists(foreign)).toBe(true);
      });

      it('names what may come back with a directory that is not there, and deletes the rest all the same', async () => {
        const runId = newId('run');
        const own = join(lab.diskDirectory, `kept.qcow2.${runId}`);
        const away = join(lab.diskDirectory, 'unmounted', `disk.qcow2.${runId}`);
        await writeFile(own, 'own');
        const error: unknown = await lab.hypervisor.discardVolumes({ runId, paths: [away, own] }).catch((thrown: unknown) => thrown);
        expect(error).toEqual(refusedWith('VOLUME_LEFT_BEHIND'));
        expect(error).toMatchObject({ message: expect.stringContaining(away) as string, context: { paths: [away] } });
        expect(await fileExists(own)).toBe(false);
      });

      it('accepts only the id of a run', async () => {
        await mkdir(join(lab.diskDirectory, 'x'));
        await expect(lab.hypervisor.discardVolumes({ runId: 'qcow2', paths: [join(lab.diskDirectory, 'disk.qcow2')] })).rejects.toEqual(
          refusedWith('REQUEST_INVALID'),
        );
      });
    });
  });
}
