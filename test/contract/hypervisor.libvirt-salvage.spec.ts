import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileExists } from '../../src/system/files';
import { createLibvirtLab, type LibvirtLab } from '../support/libvirt-lab';
import { refusedWith } from './hypervisor.contract';
import { describeSalvage } from './hypervisor.salvage.contract';
import { patterns, SwappedServers } from './hypervisor.way-back.fixtures';

jest.setTimeout(120_000);

describeSalvage('libvirt', createLibvirtLab);

describe('disks that are kept in libvirt', () => {
  let lab: LibvirtLab;
  let servers: SwappedServers;
  beforeAll(async () => {
    lab = await createLibvirtLab();
    servers = new SwappedServers(lab);
  });
  afterAll(async () => {
    await lab.dispose();
  });

  /** vda was replaced by a copy of itself, vdb was kept. */
  async function salvaged() {
    const server = await servers.make({ nvram: undefined });
    const run = await servers.take(server);
    const [oldSystem = '', data = ''] = await servers.diskPaths(server);
    const { volumes } = await servers.copyFrom(server, server, run.runId);
    const system = volumes.filter(({ target }) => target === 'vda');
    await lab.hypervisor.discardVolumes({ runId: run.runId, paths: volumes.filter(({ target }) => target === 'vdb').map(({ newPath }) => newPath) });
    const definition = async (): Promise<string> =>
      /<disk [^>]*>(?:(?!<\/disk>).)*dev='vdb'.*?<\/disk>/s.exec(await lab.virsh('dumpxml', '--inactive', server.uuid))?.[0] ?? '';
    const before = await definition();
    await lab.hypervisor.swap({
      server,
      fence: run,
      definition: { from: 'present' },
      volumes: system,
      keptDisks: [{ target: 'vdb', path: data }],
      nvramNewPath: null,
      renewGenerationId: true,
      quarantinedMacs: [],
    });
    return { server, run, oldSystem, newSystem: system[0]?.newPath ?? '', data, before, definition };
  }

  it('keep their whole element in the definition, letter by letter', async () => {
    const { before, definition } = await salvaged();
    expect(before).toContain("dev='vdb'");
    expect(await definition()).toBe(before);
  });

  it('keep a snapshot that somebody has taken of them since, also when the swap is taken back or undone', async () => {
    const { server, run, oldSystem, newSystem, data } = await salvaged();
    const snapshot = async (name: string): Promise<string> => {
      await lab.virsh(
        'snapshot-create-as',
        '--domain',
        server.uuid,
        '--disk-only',
        '--no-metadata',
        '--name',
        name,
        '--diskspec',
        'vda,snapshot=no',
        '--diskspec',
        `vdb,file=${data}.${name}`,
      );
      return `${data}.${name}`;
    };
    const first = await snapshot('first');
    await lab.hypervisor.releaseFence(server, run);
    const undo = await servers.take(server);
    expect((await lab.hypervisor.returnVolumes(server, undo, run.runId)).kept).toMatchObject({
      volumes: [{ path: newSystem }],
      unchanged: [{ path: first }],
      complete: true,
    });
    expect(await servers.diskPaths(server)).toEqual([oldSystem, first]);
    const second = await snapshot('second');
    await lab.hypervisor.revertSwap(server, undo);
    expect(await servers.diskPaths(server)).toEqual([newSystem, second]);
    expect(await servers.contents(server)).toEqual(patterns(1, 2));
    const confirm = await servers.take(server);
    expect(await lab.hypervisor.discardKept(server, confirm, run.runId)).toEqual({ deleted: [oldSystem] });
    expect(await servers.contents(server)).toEqual(patterns(1, 2));
  });

  it('an old volume that the guest does not let go of is not deleted, nor anything else; read-only in QEMU, too', async () => {
    const { server, run, oldPaths } = await servers.restored({ release: false, spec: { nvram: undefined } });
    await lab.hypervisor.start(server, run);
    await lab.hypervisor.attachOldDisk(server, run, { target: 'vdb', path: oldPaths[1]!, format: 'raw' });
    const live = await lab.virsh('dumpxml', server.uuid);
    expect(live).toMatch(/<target dev='vdc' bus='virtio'\/>\s*<readonly\/>\s*<serial>modosu-old-vdb<\/serial>/);
    expect(await lab.virsh('dumpxml', '--inactive', server.uuid)).not.toContain('modosu-old-');
    const blocks = JSON.parse(await lab.virsh('qemu-monitor-command', '--domain', server.uuid, '{"execute":"query-block"}')) as {
      return: { inserted?: { ro: boolean; file: string; image: { filename: string } } }[];
    };
    expect(blocks.return.filter(({ inserted }) => inserted?.image.filename === oldPaths[1]).map(({ inserted }) => inserted?.ro)).toEqual([true]);
    // No OS is there that would let go.
    await expect(lab.adapter({ detachTimeoutMs: 1_000 }).discardKept(server, run, run.runId)).rejects.toEqual(refusedWith('OLD_DISK_IN_USE'));
    for (const path of oldPaths) expect(await fileExists(path)).toBe(true);
    await lab.hypervisor.powerOff(server, run);
    expect(await lab.hypervisor.discardKept(server, run, run.runId)).toEqual({ deleted: oldPaths });
  });

  it('that were detached since are not attached again by an undo: another server may use them', async () => {
    const { server, run, newSystem, data } = await salvaged();
    await lab.virsh('detach-disk', '--domain', server.uuid, '--target', 'vdb', '--config');
    await lab.hypervisor.releaseFence(server, run);
    const undo = await servers.take(server);
    await expect(lab.hypervisor.returnVolumes(server, undo, run.runId)).rejects.toEqual(refusedWith('SWAP_REFUSED'));
    expect(await servers.diskPaths(server)).toEqual([newSystem]);
    const xml = join(lab.exportDirectory, 'vdb.xml');
    await writeFile(xml, `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${data}'/><target dev='vdb' bus='virtio'/></disk>`);
    await lab.virsh('attach-device', '--domain', server.uuid, '--file', xml, '--config');
    await lab.hypervisor.returnVolumes(server, undo, run.runId);
    expect(await servers.contents(server)).toEqual(patterns(1, 2));
  });
});
