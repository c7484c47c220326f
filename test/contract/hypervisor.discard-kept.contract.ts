import { mkdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileExists } from '../../src/system/files';
import { pattern, type HypervisorLab } from '../support/hypervisor-lab';
import { refusedWith } from './hypervisor.contract';
import { CONTENT_BYTES, patterns, SwappedServers } from './hypervisor.way-back.fixtures';

/** What every implementation of the `Hypervisor` port promises about `discardKept`. */
export function describeDiscardKept(kind: string, createLab: () => Promise<HypervisorLab>): void {
  describe(`hypervisor contract, giving kept volumes up: ${kind}`, () => {
    let lab: HypervisorLab;
    let servers: SwappedServers;
    beforeEach(async () => {
      lab = await createLab();
      servers = new SwappedServers(lab);
    });
    afterEach(async () => {
      await lab.dispose();
    });

    it('deletes the old disks and the old NVRAM, once, and forgets them', async () => {
      const { server, run, oldPaths, oldNvram, newPaths, newNvram } = await servers.restored();
      const confirm = await servers.take(server);
      expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: [...oldPaths, oldNvram] });
      expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: [] });
      for (const path of [...oldPaths, oldNvram]) expect(await fileExists(path)).toBe(false);
      for (const path of [...newPaths, newNvram]) expect(await fileExists(path)).toBe(true);
      expect(await lab.hypervisor.keptBy(server, run.runId)).toBeNull();
      await expect(lab.hypervisor.returnVolumes(server, confirm, run.runId)).rejects.toEqual(refusedWith('WAY_BACK_NOT_FOUND'));
      expect(await servers.contents(server)).toEqual(patterns(11, 12));
      expect((await lab.hypervisor.inspect(server)).refusals).toEqual([]);
    });

    it('goes on where an attempt that died has stopped', async () => {
      const { server, run, oldPaths } = await servers.restored({ spec: { nvram: undefined } });
      const confirm = await servers.take(server);
      await rm(oldPaths[0]!);
      expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: [oldPaths[1]] });
      expect(await lab.hypervisor.keptBy(server, run.runId)).toBeNull();
    });

    it('leaves the backing files of an old overlay', async () => {
      const { server, run, oldPaths } = await servers.restored({
        spec: { nvram: undefined, disks: [{ target: 'vda', format: 'qcow2', content: pattern(1, CONTENT_BYTES), overlay: true }] },
      });
      const confirm = await servers.take(server);
      expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: oldPaths });
      expect(await fileExists(`${oldPaths[0]}.base`)).toBe(true);
    });

    it('leaves an NVRAM that the restored server goes on using', async () => {
      const server = await servers.make();
      const { nvram, disks } = await lab.hypervisor.inspect(server);
      const fence = await servers.take(server);
      const made = await servers.copyFrom(server, server, fence.runId);
      const { kept } = await lab.hypervisor.swap({
        server,
        fence,
        definition: { from: 'present' },
        volumes: made.volumes,
        nvramNewPath: null,
        renewGenerationId: true,
        quarantinedMacs: [],
      });
      expect(kept).toMatchObject({ nvramPath: null, complete: true });
      expect(await lab.hypervisor.discardKept(server, fence, fence.runId)).toEqual({ deleted: disks.map(({ path }) => path) });
      expect(await fileExists(nvram?.path ?? '')).toBe(true);
    });

    it('deletes nothing where one file was exchanged', async () => {
      const { server, run, oldPaths } = await servers.restored();
      await rm(oldPaths[1]!);
      await writeFile(oldPaths[1]!, 'of somebody else');
      const confirm = await servers.take(server);
      await expect(lab.hypervisor.discardKept(server, confirm, run.runId)).rejects.toEqual(refusedWith('WAY_BACK_INCOMPLETE'));
      expect(await fileExists(oldPaths[0]!)).toBe(true);
      expect((await stat(oldPaths[1]!)).size).toBe('of somebody else'.length);
      expect(await lab.hypervisor.keptBy(server, run.runId)).not.toBeNull();
    });

    it('forgets nothing while the directory is away', async () => {
      const { server, run, oldPaths } = await servers.restored({
        spec: { nvram: undefined, disks: [{ target: 'vda', format: 'qcow2', content: pattern(1, CONTENT_BYTES), fileName: 'apart/vda.qcow2' }] },
      });
      const apart = join(lab.diskDirectory, 'apart');
      const confirm = await servers.take(server);
      await rename(apart, `${apart}.away`);
      await expect(lab.hypervisor.discardKept(server, confirm, run.runId)).rejects.toEqual(refusedWith('TARGET_UNREACHABLE'));
      expect(await lab.hypervisor.keptBy(server, run.runId)).toMatchObject({ complete: false });
      // The mount point of a file system that is not mounted.
      await mkdir(apart);
      await expect(lab.hypervisor.discardKept(server, confirm, run.runId)).rejects.toEqual(refusedWith('TARGET_UNREACHABLE'));
      await rmdir(apart);
      await rename(`${apart}.away`, apart);
      expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: oldPaths });
    });

    it('refuses what the server itself uses again', async () => {
      const { server, run, oldPaths } = await servers.restored();
      const undo = await servers.take(server);
      await lab.hypervisor.returnVolumes(server, undo, run.runId);
      await expect(lab.hypervisor.discardKept(server, undo, run.runId)).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
      for (const path of oldPaths) expect(await fileExists(path)).toBe(true);
    });

    it('refuses what another server reads as a backing file', async () => {
      const neighbour = await lab.createServer({
        disks: [{ target: 'vda', format: 'qcow2', content: pattern(5, CONTENT_BYTES), fileName: 'shared.qcow2', overlay: true }],
      });
      const disks = [
        { target: 'vda', format: 'raw' as const, content: pattern(2, CONTENT_BYTES) },
        { target: 'vdb', format: 'qcow2' as const, content: pattern(1, CONTENT_BYTES), fileName: 'shared.qcow2.base' },
      ];
      const { server, run, oldPaths } = await servers.restored({ spec: { nvram: undefined, disks } });
      expect((await lab.hypervisor.inspect(neighbour)).disks[0]?.backingChain).toEqual([{ path: oldPaths[1], format: 'qcow2' }]);
      const confirm = await servers.take(server);
      await expect(lab.hypervisor.discardKept(server, confirm, run.runId)).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
      for (const path of oldPaths) expect(await fileExists(path)).toBe(true);
      await lab.forget(neighbour);
      expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: oldPaths });
    });

    it('refuses what an earlier run would still return to, and gives way once that is given up', async () => {
      const { server, run, oldPaths, oldNvram } = await servers.restored();
      // The second restore puts new disks in place and goes on with the NVRAM; the third replaces that too.
      const second = await servers.take(server);
      const volumes = (await servers.copyFrom(server, server, second.runId)).volumes;
      await lab.hypervisor.swap({
        server,
        fence: second,
        definition: { from: 'present' },
        volumes,
        nvramNewPath: null,
        renewGenerationId: true,
        quarantinedMacs: [],
      });
      const third = await servers.take(server);
      const made = await servers.copyFrom(server, server, third.runId);
      await lab.hypervisor.swap({ server, fence: third, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [] });
      const confirm = await servers.take(server);
      await expect(lab.hypervisor.discardKept(server, confirm, third.runId)).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
      expect((await lab.hypervisor.discardKept(server, confirm, run.runId)).deleted).toEqual([...oldPaths, oldNvram]);
      expect((await lab.hypervisor.discardKept(server, confirm, second.runId)).deleted).toHaveLength(2);
      expect((await lab.hypervisor.discardKept(server, confirm, third.runId)).deleted).toHaveLength(3);
      expect(await servers.contents(server)).toEqual(patterns(11, 12));
      expect((await lab.hypervisor.inspect(server)).refusals).toEqual([]);
    });

    it('is not held up by a run that has taken its swap back, nor by one that was undone', async () => {
      const server = await servers.make({ nvram: undefined });
      const cancelled = await servers.take(server);
      const made = await servers.copyFrom(server, server, cancelled.runId);
      await lab.hypervisor.swap({ server, fence: cancelled, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [] });
      await lab.hypervisor.revertSwap(server, cancelled);
      const undone = await servers.take(server);
      const volumes = await servers.copyFrom(server, server, undone.runId);
      await lab.hypervisor.swap({ server, fence: undone, definition: { from: 'present' }, ...volumes, renewGenerationId: true, quarantinedMacs: [] });
      const undo = await servers.take(server);
      await lab.hypervisor.returnVolumes(server, undo, undone.runId);
      const oldPaths = await servers.diskPaths(server);
      const last = await servers.take(server);
      const lastVolumes = await servers.copyFrom(server, server, last.runId);
      await lab.hypervisor.swap({ server, fence: last, definition: { from: 'present' }, ...lastVolumes, renewGenerationId: true, quarantinedMacs: [] });
      expect(await lab.hypervisor.discardKept(server, last, last.runId)).toEqual({ deleted: oldPaths });
      expect(await lab.hypervisor.discardKept(server, last, undo.runId)).toEqual({ deleted: volumes.volumes.map(({ newPath }) => newPath) });
      expect(await servers.contents(server)).toEqual(patterns(1, 2));
    });
  });
}
