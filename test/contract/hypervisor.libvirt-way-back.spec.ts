import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModosuError } from '../../src/contracts/errors';
import { fileExists } from '../../src/system/files';
import { pattern } from '../support/hypervisor-lab';
import { createLibvirtLab, type LibvirtLab } from '../support/libvirt-lab';
import { refusedWith } from './hypervisor.contract';
import { describeDiscardKept } from './hypervisor.discard-kept.contract';
import { describeWayBack } from './hypervisor.way-back.contract';
import { CONTENT_BYTES, patterns, PRODUCTION, SwappedServers } from './hypervisor.way-back.fixtures';

jest.setTimeout(120_000);

describeWayBack('libvirt', createLibvirtLab);
describeDiscardKept('libvirt', createLibvirtLab);

describe('the way back in libvirt', () => {
  let lab: LibvirtLab;
  let servers: SwappedServers;
  beforeAll(async () => {
    lab = await createLibvirtLab();
    servers = new SwappedServers(lab);
  });
  afterAll(async () => {
    await lab.dispose();
  });

  it('leads back although somebody has taken an external snapshot and renamed the server since', async () => {
    const { server, run, oldPaths } = await servers.restored({ release: false, spec: { nvram: undefined } });
    await lab.virsh('snapshot-create-as', '--domain', server.uuid, '--disk-only', '--name', 'since', '--no-metadata');
    await lab.virsh('domrename', server.name, `${server.name}-renamed`);
    expect(await servers.diskPaths(server)).not.toEqual(oldPaths);
    await lab.hypervisor.revertSwap(server, run);
    expect(await lab.hypervisor.inspect(server)).toMatchObject({ domainName: `${server.name}-renamed`, refusals: [] });
    expect(await servers.diskPaths(server)).toEqual(oldPaths);
    expect(await servers.contents(server)).toEqual(patterns(1, 2));
  });

  it('keeps what a server with a snapshot on its restored volumes uses, and returns to all of it', async () => {
    const { server, run } = await servers.restored({ spec: { nvram: undefined } });
    await lab.virsh('snapshot-create-as', '--domain', server.uuid, '--disk-only', '--name', 'since', '--no-metadata');
    const overlays = await servers.diskPaths(server);
    const undo = await servers.take(server);
    const { kept } = await lab.hypervisor.returnVolumes(server, undo, run.runId);
    expect(kept.volumes.map(({ path }) => path)).toEqual(overlays);
    const redo = await servers.take(server);
    await lab.hypervisor.returnVolumes(server, redo, undo.runId);
    expect(await servers.contents(server)).toEqual(patterns(11, 12));
    await expect(lab.hypervisor.discardKept(server, redo, undo.runId)).rejects.toEqual(refusedWith('VOLUME_EXISTS'));
  });

  it('is refused while memory is saved that belongs to the present disks', async () => {
    const { server, run } = await servers.restored();
    const undo = await servers.take(server);
    await lab.hypervisor.start(server, undo);
    await lab.virsh('managedsave', '--domain', server.uuid);
    await expect(lab.hypervisor.returnVolumes(server, undo, run.runId)).rejects.toEqual(refusedWith('SERVER_HAS_SAVED_STATE'));
    await lab.virsh('managedsave-remove', '--domain', server.uuid);
    await lab.hypervisor.returnVolumes(server, undo, run.runId);
    expect(await servers.contents(server)).toEqual(patterns(1, 2));
  });

  it('says that an interface has vanished from the definition before go-live, and gives the running server no network then', async () => {
    const { server } = await servers.restored({ spec: { nvram: undefined } });
    const fence = await servers.take(server);
    const made = await servers.copyFrom(server, server, fence.runId);
    await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [PRODUCTION] });
    await lab.hypervisor.start(server, fence);
    await lab.virsh('detach-interface', '--domain', server.uuid, '--type', 'user', '--mac', PRODUCTION, '--config');
    const failed: unknown = await lab.hypervisor.goLive(server, fence).catch((error: unknown) => error);
    expect(failed).toEqual(refusedWith('HYPERVISOR_COMMAND_FAILED'));
    expect(failed).toMatchObject({ message: expect.stringContaining(PRODUCTION) as string });
    expect(await lab.virsh('domif-getlink', '--domain', server.uuid, '--interface', PRODUCTION)).toContain('down');
    await lab.hypervisor.powerOff(server, fence);
  });

  it('is left alone where somebody has defined the old volumes again before go-live, until the restored ones are defined as the hint says', async () => {
    const server = await servers.make({ nvram: undefined });
    const fence = await servers.take(server);
    const defineAgain = await lab.remember(server);
    const made = await servers.copyFrom(server, server, fence.runId);
    await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [PRODUCTION] });
    await lab.hypervisor.start(server, fence);
    await defineAgain();
    const failed = (await lab.hypervisor.goLive(server, fence).catch((error: unknown) => error)) as ModosuError;
    expect(failed).toEqual(refusedWith('DEFINITION_CHANGED'));
    expect(await lab.virsh('domif-getlink', '--domain', server.uuid, '--interface', PRODUCTION)).toContain('down');

    const [, shows = ''] = /virsh (dumpxml [^\s]+ --security-info)/.exec(failed.hint) ?? [];
    const restored = join(lab.exportDirectory, 'restored.xml');
    await writeFile(restored, await lab.virsh(...shows.split(' ')));
    await lab.virsh('define', '--file', restored);
    expect(await lab.hypervisor.goLive(server, fence)).toEqual({ raised: [PRODUCTION] });
    expect(await lab.virsh('domif-getlink', '--domain', server.uuid, '--interface', PRODUCTION)).toContain('up');
    expect(await servers.links(server)).toMatchObject({ [PRODUCTION]: true });
    expect(await servers.diskPaths(server)).toEqual(made.volumes.map(({ newPath }) => newPath));

    // The kept definition says of nobody that they hold the server.
    await lab.virsh('define', '--file', join(lab.stateDirectory, 'way-back', fence.runId, 'definition.xml'));
    await expect(lab.hypervisor.goLive(server, fence)).rejects.toEqual(refusedWith('FENCED_OFF'));
    await lab.virsh('destroy', '--domain', server.uuid);
  });

  it('has its links raised, now and for its next start, by the commands that docs/OPERATIONS.md names', async () => {
    const page = await readFile(join(__dirname, '../../docs/OPERATIONS.md'), 'utf8');
    const commands = [...page.matchAll(/`virsh (domif-setlink DOMAIN MAC [^`]+)`/g)].map(([, words = '']) => words);
    expect(commands).toHaveLength(2);
    const server = await servers.make({ nvram: undefined });
    const fence = await servers.take(server);
    const made = await servers.copyFrom(server, server, fence.runId);
    await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, ...made, renewGenerationId: true, quarantinedMacs: [PRODUCTION] });
    await lab.hypervisor.start(server, fence);
    for (const words of commands) await lab.virsh(...words.split(' ').map((word) => ({ DOMAIN: server.name, MAC: PRODUCTION })[word] ?? word));
    expect(await lab.virsh('domif-getlink', '--domain', server.uuid, '--interface', PRODUCTION)).toContain('up');
    expect(await servers.links(server)).toMatchObject({ [PRODUCTION]: true });
    await lab.hypervisor.powerOff(server, fence);
  });

  it('deletes the volumes of a server that was gone, too, when an attempt has died after it has removed it again', async () => {
    const { server, run, newPaths } = await servers.revived();
    // What the attempt has written last, and what it has done.
    const record = join(lab.stateDirectory, 'way-back', run.runId, 'way-back.json');
    await writeFile(record, JSON.stringify({ ...(JSON.parse(await readFile(record, 'utf8')) as object), taken: false }));
    await lab.forget(server);
    await lab.hypervisor.revertSwap(server, run);
    await lab.hypervisor.discardVolumes({ runId: run.runId, paths: newPaths });
    expect(await Promise.all(newPaths.map(fileExists))).toEqual([false, false]);
  });

  it('is readable by nobody else: definitions hold passwords', async () => {
    const { run } = await servers.restored({ spec: { nvram: undefined, disks: [{ target: 'vda', format: 'qcow2', content: pattern(1, CONTENT_BYTES) }] } });
    const directory = join(lab.stateDirectory, 'way-back', run.runId);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    const files = await readdir(directory);
    expect(files.sort()).toEqual(['definition.xml', 'way-back.json']);
    for (const file of files) expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
  });
});
