import { rename, rm, writeFile } from 'node:fs/promises';
import { newId } from '../../src/contracts/ids';
import type { Fence, ServerRef } from '../../src/contracts/server';
import { fileExists } from '../../src/system/files';
import { pattern, type HypervisorLab } from '../support/hypervisor-lab';
import { newFence, refusedWith } from './hypervisor.contract';
import { BACKUP, CONTENT_BYTES, patterns, PRODUCTION, SwappedServers, UNPLUGGED } from './hypervisor.way-back.fixtures';

/** Quarantine, go-live and the way back, as every implementation of the `Hypervisor` port promises them. */
export function describeWayBack(kind: string, createLab: () => Promise<HypervisorLab>): void {
  describe(`hypervisor contract, the way back: ${kind}`, () => {
    let lab: HypervisorLab;
    let servers: SwappedServers;
    beforeEach(async () => {
      lab = await createLab();
      servers = new SwappedServers(lab);
    });
    afterEach(async () => {
      await lab.dispose();
    });

    describe('quarantine and go-live', () => {
      it('puts the links down it is told to, and raises exactly those', async () => {
        const server = await servers.make();
        expect(await servers.links(server)).toEqual({ [PRODUCTION]: true, [BACKUP]: true, [UNPLUGGED]: false });
        const fence = await servers.take(server);
        expect(await lab.hypervisor.goLive(server, fence)).toEqual({ raised: [] }); // nothing swapped yet
        const made = await servers.copyFrom(server, server, fence.runId);
        const request = {
          server,
          fence,
          definition: { from: 'present' as const },
          ...made,
          renewGenerationId: true,
          quarantinedMacs: [PRODUCTION.toUpperCase(), UNPLUGGED, '52:54:00:4d:00:99'],
        };
        await lab.hypervisor.swap(request);
        await lab.hypervisor.swap(request);
        expect(await servers.links(server)).toEqual({ [PRODUCTION]: false, [BACKUP]: true, [UNPLUGGED]: false });
        await lab.hypervisor.start(server, fence);
        expect(await lab.hypervisor.goLive(server, fence)).toEqual({ raised: [PRODUCTION] });
        expect(await lab.hypervisor.goLive(server, fence)).toEqual({ raised: [PRODUCTION] });
        expect(await servers.links(server)).toEqual({ [PRODUCTION]: true, [BACKUP]: true, [UNPLUGGED]: false });
        await lab.hypervisor.powerOff(server, fence);
        expect(await servers.links(server)).toEqual({ [PRODUCTION]: true, [BACKUP]: true, [UNPLUGGED]: false });
      });

      it('raises the links of a server that is off, too', async () => {
        const { server, run } = await servers.restored({ release: false });
        expect(await servers.links(server)).toMatchObject({ [PRODUCTION]: true });
        expect(await lab.hypervisor.goLive(server, run)).toEqual({ raised: [PRODUCTION] });
      });

      it('comes no more once it was taken back, whether it had begun or not', async () => {
        const server = await servers.make();
        const before = await lab.hypervisor.inspect(server);
        const fence = await servers.take(server);
        const made = await servers.copyFrom(server, server, fence.runId);
        const late = (): Promise<unknown> =>
          lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [] });
        await lab.hypervisor.revertSwap(server, fence);
        await lab.hypervisor.revertSwap(server, fence);
        await expect(late()).rejects.toEqual(refusedWith('SWAP_REFUSED'));
        expect(await lab.hypervisor.inspect(server)).toEqual(before);
        expect(await lab.hypervisor.keptBy(server, fence.runId)).toBeNull();

        const another = await servers.take(server);
        const again = await servers.copyFrom(server, server, another.runId);
        const second = (): Promise<unknown> =>
          lab.hypervisor.swap({ server, fence: another, definition: { from: 'present' }, ...again, renewGenerationId: true, quarantinedMacs: [] });
        await second();
        await lab.hypervisor.revertSwap(server, another);
        await expect(second()).rejects.toEqual(refusedWith('SWAP_REFUSED'));
        expect(await lab.hypervisor.inspect(server)).toEqual(before);
      });

      it('leaves nothing behind when the swap is undone, and raises nothing then', async () => {
        const server = await servers.make();
        const before = await lab.hypervisor.inspect(server);
        const fence = await servers.take(server);
        const made = await servers.copyFrom(server, server, fence.runId);
        await lab.hypervisor.swap({
          server,
          fence,
          definition: { from: 'present' },
          ...made,
          renewGenerationId: true,
          quarantinedMacs: [PRODUCTION, BACKUP, UNPLUGGED],
        });
        await lab.hypervisor.revertSwap(server, fence);
        expect(await lab.hypervisor.inspect(server)).toEqual(before);
        expect(await lab.hypervisor.goLive(server, fence)).toEqual({ raised: [] });
        expect(await servers.links(server)).toMatchObject({ [UNPLUGGED]: false });
        expect(await lab.hypervisor.keptBy(server, fence.runId)).toBeNull();
      });

      it('raises nothing of a server that somebody has defined with its old volumes again, and says so', async () => {
        const server = await servers.make();
        const fence = await servers.take(server);
        const defineAgain = await lab.remember(server);
        const made = await servers.copyFrom(server, server, fence.runId);
        await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [PRODUCTION] });
        await lab.hypervisor.start(server, fence);
        await defineAgain();
        for (const _attempt of [1, 2]) {
          const failed: unknown = await lab.hypervisor.goLive(server, fence).catch((error: unknown) => error);
          expect(failed).toEqual(refusedWith('DEFINITION_CHANGED'));
          expect(failed).toMatchObject({
            message: expect.stringContaining(made.volumes[0]!.newPath) as string,
            hint: expect.stringContaining(`\`modosu run undo ${fence.runId}\``) as string,
          });
        }
        await lab.hypervisor.powerOff(server, fence);
      });

      it('tells the volumes that a server runs with from those that somebody has defined it with since, and lets the swap be taken back', async () => {
        const server = await servers.make();
        const before = await lab.hypervisor.inspect(server);
        const oldPaths = before.disks.map(({ path }) => path);
        const fence = await servers.take(server);
        const defineAgain = await lab.remember(server);
        const made = await servers.copyFrom(server, server, fence.runId);
        const newPaths = made.volumes.map(({ newPath }) => newPath);
        await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [PRODUCTION] });
        await lab.hypervisor.start(server, fence);
        expect(await lab.hypervisor.namedFiles(server)).not.toEqual(expect.arrayContaining(oldPaths));
        await defineAgain();
        expect((await lab.hypervisor.inspect(server)).disks.map(({ path }) => path)).toEqual(oldPaths);
        expect(await lab.hypervisor.namedFiles(server)).toEqual(expect.arrayContaining([...oldPaths, ...newPaths]));
        await expect(lab.hypervisor.discardVolumes({ runId: fence.runId, paths: newPaths })).rejects.toEqual(refusedWith('VOLUME_EXISTS'));

        await lab.hypervisor.powerOff(server, fence);
        await lab.hypervisor.revertSwap(server, fence);
        await lab.hypervisor.start(server, fence);
        const named = await lab.hypervisor.namedFiles(server);
        expect(oldPaths.every((path) => named.includes(path))).toBe(true);
        expect(newPaths.some((path) => named.includes(path))).toBe(false);
        await lab.hypervisor.powerOff(server, fence);
        await lab.hypervisor.discardVolumes({ runId: fence.runId, paths: newPaths });
      });

      it.each([
        ['deletes no volume that was put into a server which is gone: it may come back on it', () => servers.restored({ release: false })],
        ['deletes no volume either of a server that this run has defined and somebody has removed', () => servers.revived()],
      ])('%s', async (_title, swapped) => {
        const { server, run, newPaths } = await swapped();
        await lab.forget(server);
        await expect(lab.hypervisor.revertSwap(server, run)).rejects.toEqual(refusedWith('SERVER_GONE'));
        await expect(lab.hypervisor.discardVolumes({ runId: run.runId, paths: newPaths })).rejects.toEqual(refusedWith('SERVER_GONE'));
        expect(await Promise.all(newPaths.map(fileExists))).toEqual(newPaths.map(() => true));
      });

      it('removes a server that was gone, with its volumes, when the swap is undone', async () => {
        const { server, run, newPaths } = await servers.revived();
        await lab.hypervisor.revertSwap(server, run);
        await expect(lab.hypervisor.inspect(server)).rejects.toEqual(refusedWith('SERVER_GONE'));
        await lab.hypervisor.revertSwap(server, run);
        await lab.hypervisor.discardVolumes({ runId: run.runId, paths: newPaths });
        expect(await Promise.all(newPaths.map(fileExists))).toEqual(newPaths.map(() => false));
      });

      it('of a server that is gone: nothing to do, or said', async () => {
        const nobody = { uuid: '00000000-0000-4000-8000-000000000000', name: 'nobody' };
        expect(await lab.hypervisor.goLive(nobody, newFence())).toEqual({ raised: [] });
        const { server, run } = await servers.restored({ release: false });
        await lab.forget(server);
        await expect(lab.hypervisor.goLive(server, run)).rejects.toEqual(refusedWith('SERVER_GONE'));
      });
    });

    describe('what is kept', () => {
      it('is said by the swap and afterwards, as it is now', async () => {
        const { server, run, oldPaths, oldNvram, oldGenerationId } = await servers.restored();
        const kept = await lab.hypervisor.keptBy(server, run.runId);
        expect(kept).toEqual({
          wasGone: false,
          volumes: [
            { target: 'vda', path: oldPaths[0], allocatedBytes: expect.any(Number) },
            { target: 'vdb', path: oldPaths[1], allocatedBytes: expect.any(Number) },
          ],
          unchanged: [],
          nvramPath: oldNvram,
          generationId: oldGenerationId,
          complete: true,
        });
        expect(kept?.volumes.every(({ allocatedBytes }) => allocatedBytes >= CONTENT_BYTES)).toBe(true);
        await rename(oldPaths[1]!, `${oldPaths[1]}.away`);
        expect(await lab.hypervisor.keptBy(server, run.runId)).toMatchObject({ complete: false, volumes: [{}, { allocatedBytes: 0 }] });
        await rename(`${oldPaths[1]}.away`, oldPaths[1]!);
        expect(await lab.hypervisor.keptBy(server, run.runId)).toEqual(kept);
        expect(await lab.hypervisor.keptBy(server, newId('run'))).toBeNull();
      });

      it('tells a file from another one of the same name, though it may get the same inode', async () => {
        const { server, run, oldPaths } = await servers.restored();
        await rm(oldPaths[1]!);
        await writeFile(oldPaths[1]!, pattern(3, CONTENT_BYTES));
        expect(await lab.hypervisor.keptBy(server, run.runId)).toMatchObject({ complete: false });
      });

      it('of a server that was gone is nothing', async () => {
        const { server, run, kept } = await servers.revived();
        expect(kept).toEqual({ wasGone: true, volumes: [], unchanged: [], nvramPath: null, generationId: null, complete: true });
        expect(await servers.links(server)).toMatchObject({ [PRODUCTION]: false });
        const undo = await servers.take(server);
        await expect(lab.hypervisor.returnVolumes(server, undo, run.runId)).rejects.toEqual(refusedWith('WAY_BACK_EMPTY'));
        expect(await lab.hypervisor.discardKept(server, undo, run.runId)).toEqual({ deleted: [] });
        expect(await lab.hypervisor.keptBy(server, run.runId)).toBeNull();
      });
    });

    describe('the return to kept volumes', () => {
      it('brings contents, NVRAM, generation id and links back, and keeps what it replaces', async () => {
        const { server, run, oldPaths, newPaths, oldNvram, newNvram, oldGenerationId, newGenerationId } = await servers.restored();
        expect(await servers.contents(server)).toEqual(patterns(11, 12));
        const undo = await servers.take(server);
        const first = await lab.hypervisor.returnVolumes(server, undo, run.runId);
        expect(first).toEqual({
          generationId: oldGenerationId,
          kept: {
            wasGone: false,
            volumes: newPaths.map((path, index) => ({ target: ['vda', 'vdb'][index], path, allocatedBytes: expect.any(Number) })),
            unchanged: [],
            nvramPath: newNvram,
            generationId: newGenerationId,
            complete: true,
          },
        });
        expect(await lab.hypervisor.returnVolumes(server, undo, run.runId)).toEqual(first);
        expect(await servers.contents(server)).toEqual(patterns(1, 2));
        expect(await lab.hypervisor.inspect(server)).toMatchObject({ generationId: oldGenerationId, nvram: { path: oldNvram }, refusals: [] });
        expect(await servers.diskPaths(server)).toEqual(oldPaths);
        expect(await servers.links(server)).toEqual({ [PRODUCTION]: true, [BACKUP]: true, [UNPLUGGED]: false });
        await lab.hypervisor.start(server, undo);
        await lab.hypervisor.powerOff(server, undo);
      });

      it('is taken back to exactly what stood there, as often as one likes, and can be done again', async () => {
        const { server, run, newPaths } = await servers.restored();
        const before = await lab.hypervisor.inspect(server);
        const undo = await servers.take(server);
        await lab.hypervisor.returnVolumes(server, undo, run.runId);
        await lab.hypervisor.revertSwap(server, undo);
        await lab.hypervisor.revertSwap(server, undo);
        expect(await lab.hypervisor.inspect(server)).toEqual(before);
        expect(await servers.contents(server)).toEqual(patterns(11, 12));
        expect(await lab.hypervisor.keptBy(server, undo.runId)).toBeNull();
        await lab.hypervisor.releaseFence(server, undo);

        const again = await servers.take(server);
        await lab.hypervisor.returnVolumes(server, again, run.runId);
        expect(await servers.contents(server)).toEqual(patterns(1, 2));
        expect((await lab.hypervisor.keptBy(server, again.runId))?.volumes.map(({ path }) => path)).toEqual(newPaths);
      });

      it('is undone in turn: the restored volumes come back, with their generation id', async () => {
        const { server, run, newGenerationId, oldPaths } = await servers.restored();
        const undo = await servers.take(server);
        await lab.hypervisor.returnVolumes(server, undo, run.runId);
        await lab.hypervisor.releaseFence(server, undo);
        const redo = await servers.take(server);
        const { generationId, kept } = await lab.hypervisor.returnVolumes(server, redo, undo.runId);
        expect(generationId).toBe(newGenerationId);
        expect(kept.volumes.map(({ path }) => path)).toEqual(oldPaths);
        expect(await servers.contents(server)).toEqual(patterns(11, 12));
        await lab.hypervisor.revertSwap(server, redo);
        expect(await servers.contents(server)).toEqual(patterns(1, 2));
        await lab.hypervisor.releaseFence(server, redo);
        const again = await servers.take(server);
        await lab.hypervisor.returnVolumes(server, again, undo.runId);
        await lab.hypervisor.releaseFence(server, again);
        const confirm = await servers.take(server);
        expect([...(await lab.hypervisor.discardKept(server, confirm, again.runId)).deleted].slice(0, 2)).toEqual(oldPaths);
        for (const runId of [run.runId, undo.runId, redo.runId, again.runId]) expect(await lab.hypervisor.keptBy(server, runId)).toBeNull();
        expect(await servers.contents(server)).toEqual(patterns(11, 12));
      });

      it('is refused while the server runs, without a way back, of its own run, and where somebody has put the volumes back already', async () => {
        const { server, run } = await servers.restored();
        const undo = await servers.take(server);
        await expect(lab.hypervisor.returnVolumes(server, undo, newId('run'))).rejects.toEqual(refusedWith('WAY_BACK_NOT_FOUND'));
        await expect(lab.hypervisor.returnVolumes(server, undo, undo.runId)).rejects.toEqual(refusedWith('SWAP_REFUSED'));
        await lab.hypervisor.start(server, undo);
        await expect(lab.hypervisor.returnVolumes(server, undo, run.runId)).rejects.toEqual(refusedWith('SERVER_NOT_STOPPED'));
        await lab.hypervisor.powerOff(server, undo);
        await lab.hypervisor.returnVolumes(server, undo, run.runId);
        const second = await servers.take(server);
        await expect(lab.hypervisor.returnVolumes(server, second, run.runId)).rejects.toEqual(refusedWith('SWAP_REFUSED'));
        expect(await lab.hypervisor.keptBy(server, second.runId)).toBeNull();
        await lab.forget(server);
        await expect(lab.hypervisor.returnVolumes(server, second, run.runId)).rejects.toEqual(refusedWith('SERVER_GONE'));
      });

      it.each([
        ['a disk is missing', 'vdb', false],
        ['a disk was exchanged', 'vdb', true],
        ['the NVRAM was exchanged', 'nvram', true],
      ])('changes nothing where %s', async (_what, which, exchanged) => {
        const { server, run, oldPaths, oldNvram } = await servers.restored();
        const path = which === 'nvram' ? oldNvram : oldPaths[1]!;
        await rename(path, `${path}.away`);
        if (exchanged) await writeFile(path, pattern(3, CONTENT_BYTES));
        const before = await lab.hypervisor.inspect(server);
        const undo = await servers.take(server);
        const refused: unknown = await lab.hypervisor.returnVolumes(server, undo, run.runId).catch((error: unknown) => error);
        expect(refused).toEqual(refusedWith('WAY_BACK_INCOMPLETE'));
        expect(refused).toMatchObject({ message: expect.stringContaining(path) as string });
        expect(await lab.hypervisor.inspect(server)).toEqual(before);
        await rm(path, { force: true });
        await rename(`${path}.away`, path);
        await lab.hypervisor.returnVolumes(server, undo, run.runId);
        expect(await servers.contents(server)).toEqual(patterns(1, 2));
      });
    });

    describe('the fence', () => {
      /** Everything a run does with what is kept. */
      const calls: readonly [name: string, call: (server: ServerRef, fence: Fence, ofRunId: string) => Promise<unknown>][] = [
        ['requireFence', (server, fence) => lab.hypervisor.requireFence(server, fence)],
        ['goLive', (server, fence) => lab.hypervisor.goLive(server, fence)],
        ['returnVolumes', (server, fence, ofRunId) => lab.hypervisor.returnVolumes(server, fence, ofRunId)],
        ['discardKept', (server, fence, ofRunId) => lab.hypervisor.discardKept(server, fence, ofRunId)],
      ];

      it('that was given back never gets in again: not by that run, not by an older one', async () => {
        const server = await servers.make();
        const older = newFence();
        const fence = await servers.take(server);
        await lab.hypervisor.requireFence(server, fence);
        await lab.hypervisor.releaseFence(server, fence);
        await lab.hypervisor.releaseFence(server, fence);
        await expect(lab.hypervisor.requireFence(server, fence)).rejects.toEqual(refusedWith('FENCED_OFF'));
        for (const refused of [fence, older, { runId: newId('run'), token: fence.token }]) {
          await expect(lab.hypervisor.takeFence(server, refused)).rejects.toEqual(refusedWith('FENCED_OFF'));
        }
        const newer = await servers.take(server);
        await lab.hypervisor.requireFence(server, newer);
        await expect(lab.hypervisor.requireFence(server, fence)).rejects.toEqual(refusedWith('FENCED_OFF'));
      });

      it('keeps a run out of everything that has given the server back, also when it is back from the dead', async () => {
        const { server, run, oldPaths } = await servers.restored();
        const before = await lab.hypervisor.inspect(server);
        const areRefused = async (fence: Fence): Promise<void> => {
          for (const [name, call] of calls) {
            expect([name, await call(server, fence, run.runId).catch((error: unknown) => error)]).toEqual([name, refusedWith('FENCED_OFF')]);
          }
        };
        await areRefused(run);
        await expect(lab.hypervisor.revertSwap(server, run)).rejects.toEqual(refusedWith('FENCED_OFF'));
        const newer = await servers.take(server);
        await areRefused(run);
        await areRefused({ runId: run.runId, token: newer.token });
        await expect(lab.hypervisor.revertSwap(server, { runId: run.runId, token: newer.token })).rejects.toEqual(refusedWith('FENCED_OFF'));
        await areRefused({ runId: newId('run'), token: newer.token });
        expect(await lab.hypervisor.inspect(server)).toEqual(before);
        for (const path of oldPaths) expect(await fileExists(path)).toBe(true);
      });

      it('survives swap, return and their undoing', async () => {
        const { server, run } = await servers.restored();
        const undo = await servers.take(server);
        await lab.hypervisor.returnVolumes(server, undo, run.runId);
        await lab.hypervisor.requireFence(server, undo);
        await lab.hypervisor.revertSwap(server, undo);
        await lab.hypervisor.requireFence(server, undo);
        await lab.hypervisor.releaseFence(server, undo);
        await expect(lab.hypervisor.takeFence(server, run)).rejects.toEqual(refusedWith('FENCED_OFF'));
      });

      it('of a server that is gone is not asked for', async () => {
        const nobody = { uuid: '00000000-0000-4000-8000-000000000000', name: 'nobody' };
        await expect(lab.hypervisor.requireFence(nobody, newFence())).resolves.toBeUndefined();
        expect(await lab.hypervisor.discardKept(nobody, newFence(), newId('run'))).toEqual({ deleted: [] });
      });
    });

    it('bytes written are known per disk while the server runs', async () => {
      const server = await servers.make();
      const fence = await servers.take(server);
      expect(await lab.hypervisor.writtenBytes(server)).toEqual({});
      await lab.hypervisor.start(server, fence);
      expect(await lab.hypervisor.writtenBytes(server)).toEqual({ vda: expect.any(Number), vdb: expect.any(Number) });
      await lab.hypervisor.powerOff(server, fence);
      expect(await lab.hypervisor.writtenBytes(server)).toEqual({});
      await lab.forget(server);
      expect(await lab.hypervisor.writtenBytes(server)).toEqual({});
    });
  });
}
