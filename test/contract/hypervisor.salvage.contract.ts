import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptDisk, PlannedVolume } from '../../src/contracts/plan';
import type { Fence, ServerRef } from '../../src/contracts/server';
import type { WayBackFacts } from '../../src/contracts/way-back';
import { fileExists } from '../../src/system/files';
import { DISK_BYTES, pattern, type HypervisorLab } from '../support/hypervisor-lab';
import { refusedWith } from './hypervisor.contract';
import { CONTENT_BYTES, patterns, PRODUCTION, SwappedServers } from './hypervisor.way-back.fixtures';

interface Salvaged {
  readonly server: ServerRef;
  readonly run: Fence;
  readonly kept: WayBackFacts;
  readonly request: Parameters<HypervisorLab['hypervisor']['swap']>[0];
  readonly oldSystem: string;
  readonly newSystem: string;
  /** The file of vdb: the same before, during and after. */
  readonly data: string;
}

/** Swaps that leave a data disk as it is, as every implementation of the `Hypervisor` port promises them. */
export function describeSalvage(kind: string, createLab: () => Promise<HypervisorLab>): void {
  describe(`hypervisor contract, disks that are kept: ${kind}`, () => {
    let lab: HypervisorLab;
    let servers: SwappedServers;
    beforeEach(async () => {
      lab = await createLab();
      servers = new SwappedServers(lab);
    });
    afterEach(async () => {
      await lab.dispose();
    });

    /** What a guest writes to the kept disk. */
    const write = (path: string, seed: number): Promise<void> =>
      writeFile(path, Buffer.concat([pattern(seed, CONTENT_BYTES), Buffer.alloc(DISK_BYTES - CONTENT_BYTES)]), { flag: 'r+' });
    const without = (volumes: readonly PlannedVolume[], target: string): readonly PlannedVolume[] => volumes.filter((volume) => volume.target !== target);
    const dataDisk = async (server: ServerRef): Promise<KeptDisk> => {
      const disk = (await lab.hypervisor.inspect(server)).disks.find(({ target }) => target === 'vdb');
      return { target: 'vdb', path: disk?.path ?? '', virtualSizeBytes: disk?.virtualSizeBytes ?? 0 };
    };

    /** A server whose vda (1) was replaced by 11, and whose vdb (2, raw) was kept. The run still holds it. */
    async function salvaged(): Promise<Salvaged> {
      const server = await servers.make({ nvram: undefined });
      const source = await servers.make({
        nvram: undefined,
        nics: [],
        disks: [
          { target: 'vda', format: 'qcow2', content: pattern(11, CONTENT_BYTES) },
          { target: 'vdb', format: 'raw', content: pattern(12, CONTENT_BYTES) },
        ],
      });
      const run = await servers.take(server);
      const [oldSystem = ''] = await servers.diskPaths(server);
      const made = await servers.copyFrom(source, server, run.runId);
      const volumes = without(made.volumes, 'vdb');
      await lab.hypervisor.discardVolumes({ runId: run.runId, paths: made.volumes.filter(({ target }) => target === 'vdb').map(({ newPath }) => newPath) });
      const keptDisk = await dataDisk(server);
      const request = {
        server,
        fence: run,
        definition: { from: 'present' as const },
        volumes,
        keptDisks: [keptDisk],
        nvramNewPath: null,
        renewGenerationId: true,
        quarantinedMacs: [PRODUCTION],
      };
      const { kept } = await lab.hypervisor.swap(request);
      return { server, run, kept, request, oldSystem, newSystem: volumes[0]?.newPath ?? '', data: keptDisk.path };
    }

    describe('the swap', () => {
      it('replaces the others only, says what stayed, and is the same when asked again', async () => {
        const { server, run, kept, request, oldSystem, newSystem, data } = await salvaged();
        expect(await servers.diskPaths(server)).toEqual([newSystem, data]);
        expect(await servers.contents(server)).toEqual(patterns(11, 2));
        expect(kept).toMatchObject({
          wasGone: false,
          volumes: [{ target: 'vda', path: oldSystem }],
          unchanged: [{ target: 'vdb', path: data }],
          complete: true,
        });
        expect((await lab.hypervisor.swap(request)).kept).toEqual(kept);
        expect(await lab.hypervisor.keptBy(server, run.runId)).toEqual(kept);
        await lab.hypervisor.start(server, run);
        expect(await lab.hypervisor.goLive(server, run)).toEqual({ raised: [PRODUCTION] });
        await lab.hypervisor.powerOff(server, run);
        expect((await lab.hypervisor.inspect(server)).refusals).toEqual([]);
      });

      it('refuses with the old definition in place: a disk that is neither kept nor restored, both, another file, one that is gone, another definition', async () => {
        const server = await servers.make({ nvram: undefined });
        const fence = await servers.take(server);
        const { volumes } = await servers.copyFrom(server, server, fence.runId);
        const before = await lab.hypervisor.inspect(server);
        const disk = await dataDisk(server);
        const definitionPath = join(lab.exportDirectory, 'definition.xml');
        await lab.hypervisor.exportDefinition(server, definitionPath);
        const request = {
          server,
          fence,
          definition: { from: 'present' as const },
          volumes: without(volumes, 'vdb'),
          keptDisks: [disk],
          nvramNewPath: null,
          renewGenerationId: true,
          quarantinedMacs: [],
        };
        const refused = [
          { ...request, keptDisks: [] },
          { ...request, volumes },
          { ...request, keptDisks: [{ ...disk, path: before.disks[0]?.path ?? '' }] },
          { ...request, keptDisks: [disk, { ...disk, target: 'vdc' }] },
          { ...request, definition: { from: 'recovery-point' as const, path: definitionPath } },
        ];
        for (const [index, wrong] of refused.entries()) {
          expect([index, await lab.hypervisor.swap(wrong).catch((error: unknown) => error)]).toEqual([index, refusedWith('SWAP_REFUSED')]);
        }
        await rename(disk.path, `${disk.path}.away`);
        await expect(lab.hypervisor.swap(request)).rejects.toEqual(refusedWith('SWAP_REFUSED'));
        await rename(`${disk.path}.away`, disk.path);
        expect(await lab.hypervisor.inspect(server)).toEqual(before);
        await lab.hypervisor.swap(request);
      });

      it('is taken back with what was written to the kept disk meanwhile', async () => {
        const { server, run, oldSystem, newSystem, data } = await salvaged();
        await write(data, 22);
        await lab.hypervisor.revertSwap(server, run);
        await lab.hypervisor.revertSwap(server, run);
        expect(await servers.diskPaths(server)).toEqual([oldSystem, data]);
        expect(await servers.contents(server)).toEqual(patterns(1, 22));
        await lab.hypervisor.discardVolumes({ runId: run.runId, paths: [newSystem] });
        expect([await fileExists(data), await fileExists(newSystem)]).toEqual([true, false]);
      });

      it('that has not come yet is not taken for done, although the kept disk is in use', async () => {
        const { server, run, oldSystem, data } = await salvaged();
        await lab.hypervisor.revertSwap(server, run);
        await lab.hypervisor.releaseFence(server, run);
        const other = await servers.take(server);
        expect(await lab.hypervisor.goLive(server, run).catch((error: unknown) => error)).toEqual(refusedWith('FENCED_OFF'));
        expect(await lab.hypervisor.goLive(server, other)).toEqual({ raised: [] });
        expect(await servers.diskPaths(server)).toEqual([oldSystem, data]);
      });
    });

    describe('the way back', () => {
      it('returns the system disk and leaves the kept one with everything written since; redo brings the new one back', async () => {
        const { server, run, oldSystem, newSystem, data } = await salvaged();
        await lab.hypervisor.releaseFence(server, run);
        await write(data, 22);
        const undo = await servers.take(server);
        const { kept } = await lab.hypervisor.returnVolumes(server, undo, run.runId);
        expect(await servers.diskPaths(server)).toEqual([oldSystem, data]);
        expect(await servers.contents(server)).toEqual(patterns(1, 22));
        expect(kept).toMatchObject({ volumes: [{ target: 'vda', path: newSystem }], unchanged: [{ target: 'vdb', path: data }], complete: true });
        expect((await lab.hypervisor.returnVolumes(server, undo, run.runId)).kept).toEqual(kept);
        await write(data, 23);
        const redo = await servers.take(server);
        await lab.hypervisor.returnVolumes(server, redo, undo.runId);
        expect(await servers.diskPaths(server)).toEqual([newSystem, data]);
        expect(await servers.contents(server)).toEqual(patterns(11, 23));
        const confirm = await servers.take(server);
        expect(await lab.hypervisor.discardKept(server, confirm, redo.runId)).toEqual({ deleted: [oldSystem] });
        expect(await servers.contents(server)).toEqual(patterns(11, 23));
      });

      it("is complete without the kept disk: that one is the server's own business", async () => {
        const { server, run, data } = await salvaged();
        await rename(data, `${data}.moved`);
        expect(await lab.hypervisor.keptBy(server, run.runId)).toMatchObject({ complete: true });
        await rename(`${data}.moved`, data);
      });

      it('is incomplete without the old system disk', async () => {
        const { server, run, oldSystem } = await salvaged();
        await rm(oldSystem);
        expect(await lab.hypervisor.keptBy(server, run.runId)).toMatchObject({ complete: false });
        const undo = await servers.take(server);
        await expect(lab.hypervisor.returnVolumes(server, undo, run.runId)).rejects.toEqual(refusedWith('WAY_BACK_INCOMPLETE'));
      });
    });

    describe('an old volume that is attached to look at', () => {
      const OLD = (path: string) => ({ target: 'vdb', path, format: 'raw' as const });

      it('is attached to the running server, once, as no disk of it, and gone when its power is cut', async () => {
        const { server, run, oldPaths } = await servers.restored({ release: false, spec: { nvram: undefined } });
        const before = await lab.hypervisor.inspect(server);
        await lab.hypervisor.start(server, run);
        expect(await lab.hypervisor.attachOldDisk(server, run, OLD(oldPaths[1]!))).toEqual({ target: 'vdc' });
        expect(await lab.hypervisor.attachOldDisk(server, run, OLD(oldPaths[1]!))).toEqual({ target: 'vdc' });
        expect(await lab.hypervisor.inspect(server)).toMatchObject({
          disks: before.disks.map(({ target, path }) => ({ target, path })),
          definitionFingerprint: before.definitionFingerprint,
          refusals: [],
        });
        await lab.hypervisor.powerOff(server, run);
        expect(await lab.hypervisor.inspect(server)).toEqual(before);
        expect(await lab.hypervisor.keptBy(server, run.runId)).toMatchObject({ complete: true });
        expect((await lab.readDisk(oldPaths[1]!, 'raw', CONTENT_BYTES)).equals(pattern(2, CONTENT_BYTES))).toBe(true);
        expect(await lab.hypervisor.discardKept(server, run, run.runId)).toEqual({ deleted: oldPaths });
      });

      it('does not stand in the way of an undo', async () => {
        const { server, run, oldPaths } = await servers.restored({ release: false, spec: { nvram: undefined } });
        await lab.hypervisor.start(server, run);
        await lab.hypervisor.attachOldDisk(server, run, OLD(oldPaths[1]!));
        await lab.hypervisor.releaseFence(server, run);
        const undo = await servers.take(server);
        await lab.hypervisor.powerOff(server, undo);
        await lab.hypervisor.returnVolumes(server, undo, run.runId);
        expect(await servers.contents(server)).toEqual(patterns(1, 2));
      });

      it('is refused for a server that is off, for files this run has not replaced, and for another run', async () => {
        const { server, run, oldPaths, newPaths } = await servers.restored({ release: false, spec: { nvram: undefined } });
        const stranger = await servers.make({ nvram: undefined });
        const [foreign = ''] = await servers.diskPaths(stranger);
        await expect(lab.hypervisor.attachOldDisk(server, run, OLD(oldPaths[1]!))).rejects.toEqual(refusedWith('HYPERVISOR_COMMAND_FAILED'));
        await lab.hypervisor.start(server, run);
        for (const path of [newPaths[1]!, foreign, '/etc/passwd', oldPaths[0]!]) {
          await expect(lab.hypervisor.attachOldDisk(server, run, OLD(path))).rejects.toEqual(refusedWith('PATH_NOT_ALLOWED'));
        }
        await lab.hypervisor.releaseFence(server, run);
        await expect(lab.hypervisor.attachOldDisk(server, run, OLD(oldPaths[1]!))).rejects.toEqual(refusedWith('FENCED_OFF'));
        const other = await servers.take(server);
        await expect(lab.hypervisor.attachOldDisk(server, other, OLD(oldPaths[1]!))).rejects.toEqual(refusedWith('PATH_NOT_ALLOWED'));
        await lab.hypervisor.powerOff(server, other);
      });

      it('never is a disk that was kept', async () => {
        const { server, run, data } = await salvaged();
        await lab.hypervisor.start(server, run);
        await expect(lab.hypervisor.attachOldDisk(server, run, OLD(data))).rejects.toEqual(refusedWith('PATH_NOT_ALLOWED'));
        await lab.hypervisor.powerOff(server, run);
      });
    });

    describe('giving kept volumes up', () => {
      it('never deletes the disk that was kept', async () => {
        const { server, run, oldSystem, data } = await salvaged();
        await write(data, 22);
        const confirm = await servers.take(server);
        expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: [oldSystem] });
        expect(await servers.contents(server)).toEqual(patterns(11, 22));
        expect(await lab.hypervisor.keptBy(server, run.runId)).toBeNull();
      });

      it('never deletes it either when the server is gone', async () => {
        const { server, run, oldSystem, data } = await salvaged();
        await lab.forget(server);
        expect(await lab.hypervisor.discardKept(server, run, run.runId)).toEqual({ deleted: [oldSystem] });
        expect(await fileExists(data)).toBe(true);
      });

      it('of a later restore of all disks waits until the run that has kept the disk needs it no more', async () => {
        const { server, run, oldSystem, newSystem, data } = await salvaged();
        const second = await servers.take(server);
        const made = await servers.copyFrom(server, server, second.runId);
        await lab.hypervisor.swap({ server, fence: second, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [] });
        const confirm = await servers.take(server);
        await expect(lab.hypervisor.discardKept(server, confirm, second.runId)).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
        expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: [oldSystem] });
        expect(await lab.hypervisor.discardKept(server, confirm, second.runId)).toEqual({ deleted: [newSystem, data] });
        expect(await servers.contents(server)).toEqual(patterns(11, 2));
      });
    });
  });
}
