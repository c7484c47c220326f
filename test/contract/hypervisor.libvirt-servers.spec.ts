import { mkdir, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer as createSocket } from 'node:net';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import type { ServerRef } from '../../src/contracts/server';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { fileExists } from '../../src/system/files';
import { DISK_BYTES, manifestOf, pattern, transferContext } from '../support/hypervisor-lab';
import { createLibvirtLab, diskXml, xmlText, type LibvirtLab } from '../support/libvirt-lab';
import { eventually } from '../support/processes';
import { newFence, refusedWith } from './hypervisor.contract';

jest.setTimeout(180_000);

describe('servers of the libvirt adapter', () => {
  let lab: LibvirtLab;
  beforeAll(async () => {
    lab = await createLibvirtLab();
  });
  afterAll(async () => {
    await lab.dispose();
  });

  const diskPath = (name: string): string => join(lab.diskDirectory, name);
  const plainDisk = async (name: string): Promise<string> => {
    await lab.writeDisk(diskPath(name), { format: 'qcow2', content: pattern(1) });
    return diskXml('vda', diskPath(name), 'qcow2');
  };
  const refusalsOf = async (server: ServerRef): Promise<string[]> => (await lab.hypervisor.inspect(server)).refusals.map(({ code }) => code);
  const never = new AbortController().signal;
  /** While it is being waited: nothing that is asked with it comes true before. */
  const cancelledSoon = (): AbortSignal => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('cancelled')), 500);
    return stop.signal;
  };

  describe('the connection', () => {
    it('refuses every URI but two', () => {
      for (const uri of [
        'qemu+ext:///system?command=/tmp/x',
        'qemu:///system?socket=/tmp/x',
        'qemu+ssh://host/system',
        'test:///default',
        'qemu:///system\n',
        '',
      ]) {
        expect(() => createLibvirtHypervisor({ name: 'x', uri, stateDirectory: lab.stateDirectory })).toThrow(
          expect.objectContaining({ code: 'CONFIG_INVALID' }),
        );
      }
    });

    it('says that libvirt is down, and takes nothing for gone or off because of it', async () => {
      const down = lab.adapter({ socketPath: join(lab.stateDirectory, 'no-socket') });
      const server = { uuid: '00000000-0000-4000-8000-000000000000', name: 'x' };
      const calls: Promise<unknown>[] = [
        down.probe(),
        down.listServers(),
        down.inspect(server),
        down.takeFence(server, newFence()),
        down.releaseFence(server, newFence()),
        down.powerOff(server, newFence()),
        down.guestAgent(server).info(1000),
        down.discardVolumes({ runId: 'run_01aaaaaaaaaaaaaaaaaaaaaaaa', paths: ['/x/y.run_01aaaaaaaaaaaaaaaaaaaaaaaa'] }),
      ];
      // All at once: one that is refused before its turn would count as unhandled.
      const refused: unknown[] = await Promise.all(
        calls.map((call) =>
          call.then(
            () => 'answered',
            (error: unknown) => error,
          ),
        ),
      );
      for (const error of refused) expect(error).toEqual(refusedWith('HYPERVISOR_UNREACHABLE'));
    });

    it('does not wait for ever for a libvirt that says nothing', async () => {
      const socketPath = join(lab.stateDirectory, 'mute');
      const mute = createSocket(() => undefined);
      await new Promise<void>((resolve) => mute.listen(socketPath, resolve));
      try {
        await expect(lab.adapter({ socketPath, commandTimeoutMs: 500 }).probe()).rejects.toEqual(refusedWith('HYPERVISOR_COMMAND_TIMED_OUT'));
      } finally {
        mute.close();
      }
    });

    it('puts no UUID on a command line that is none', async () => {
      await expect(lab.hypervisor.inspect({ uuid: '--help', name: 'x' })).rejects.toEqual(refusedWith('REQUEST_INVALID'));
    });
  });

  it('a medium that is not on the host any more keeps no server from starting: its drive comes back empty', async () => {
    const iso = diskPath('tools.iso');
    await writeFile(iso, 'tools');
    const cdrom = `<disk type='file' device='cdrom'><source file='${iso}'/><target dev='sda' bus='sata'/><readonly/></disk>`;
    const server = await lab.define({ devices: `${await plainDisk('cd-gone.qcow2')}${cdrom}` });
    const fence = newFence();
    const inspection = await lab.hypervisor.inspect(server);
    const request = { manifest: manifestOf(server, inspection), present: inspection, runId: fence.runId };
    expect((await lab.hypervisor.restoreTargets(request)).missingMedia).toEqual([]);
    await rm(iso);
    const { missingMedia, volumes } = await lab.hypervisor.restoreTargets(request);
    expect(missingMedia).toEqual([iso]);
    // A backup of the server as it is would be as good; what counts here is how it starts.
    await lab.hypervisor.takeFence(server, fence);
    const imagePath = join(lab.exportDirectory, 'cd-gone.qcow2');
    await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath: imagePath }, transferContext());
    await lab.hypervisor.importDisk({ imageFiles: [imagePath], volume: volumes[0]!, runId: fence.runId }, transferContext());
    await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath: null, renewGenerationId: false, quarantinedMacs: [] });
    await lab.hypervisor.start(server, fence);
    expect(await lab.hypervisor.inspect(server)).toMatchObject({ powerState: 'running', removableMedia: [{ target: 'sda', source: null }] });
    await lab.hypervisor.powerOff(server, fence);
    await lab.hypervisor.revertSwap(server, fence);
    expect((await lab.hypervisor.inspect(server)).removableMedia).toEqual([{ target: 'sda', source: iso }]);
    await lab.hypervisor.discardVolumes({ runId: fence.runId, paths: volumes.map(({ newPath }) => newPath) });
    await lab.forget(server);
  });

  describe('odd names', () => {
    it.each([
      ['spaces and quotes', `h3 "it's" <a> & b`],
      ['a leading dash', '--all'],
      ['Japanese', '戻す サーバー'],
    ])('of servers and disks do no harm: %s', async (_what, oddName) => {
      const name = `${oddName} ${newId('run').slice(-6)}`;
      const server = await lab.createServer({
        name,
        disks: [{ target: 'vda', format: 'qcow2', content: pattern(7), fileName: `${name}/-disk, "${oddName.replaceAll('/', '')}",,x=2.qcow2` }],
      });
      const fence = newFence();
      const inspection = await lab.hypervisor.inspect(server);
      expect(inspection).toMatchObject({ domainName: name, refusals: [] });
      expect(await lab.hypervisor.listServers()).toContainEqual({ uuid: server.uuid, domainName: name, powerState: 'off' });
      await lab.hypervisor.takeFence(server, fence);
      const { volumes } = await lab.hypervisor.restoreTargets({ manifest: manifestOf(server, inspection), present: inspection, runId: fence.runId });
      const imagePath = join(lab.exportDirectory, 'odd.qcow2');
      await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath: imagePath }, transferContext());
      const volume = volumes[0]!;
      await lab.hypervisor.importDisk({ imageFiles: [imagePath], volume, runId: fence.runId }, transferContext());
      await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath: null, renewGenerationId: true, quarantinedMacs: [] });
      expect((await lab.hypervisor.inspect(server)).disks[0]?.path).toBe(volume.newPath);
      expect((await lab.readDisk(volume.newPath, 'qcow2', 1024 * 1024)).equals(pattern(7))).toBe(true);
      await lab.hypervisor.start(server, fence);
      await lab.hypervisor.powerOff(server, fence);
      await lab.hypervisor.revertSwap(server, fence);
      await lab.hypervisor.discardVolumes({ runId: fence.runId, paths: [volume.newPath] });
      expect(await fileExists(inspection.disks[0]?.path ?? '')).toBe(true);
    });
  });

  it('a line feed in the path of a disk, which libvirt itself loses, is a missing file and never another one', async () => {
    const path = diskPath('two\nlines.qcow2');
    await lab.writeDisk(path, { format: 'qcow2', content: pattern(1) });
    const server = await lab.define({ devices: diskXml('vda', path, 'qcow2') });
    expect(await refusalsOf(server)).toEqual(['DISK_FILE_MISSING']);
  });

  describe('servers that cannot be imaged', () => {
    const cases: readonly [what: string, codes: readonly string[], devices: (path: string) => string][] = [
      ['no disk at all', ['SERVER_HAS_NO_DISKS'], () => ''],
      ['a CD-ROM only', ['SERVER_HAS_NO_DISKS'], () => `<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>`],
      [
        'a block device',
        ['DISK_PASSTHROUGH'],
        () => `<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/loop7'/><target dev='vda'/></disk>`,
      ],
      [
        'a network disk',
        ['DISK_NOT_SUPPORTED'],
        () =>
          `<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd' name='x'><host name='127.0.0.1' port='1'/></source><target dev='vda'/></disk>`,
      ],
      [
        'a directory as disk',
        ['DISK_NOT_SUPPORTED'],
        () => `<disk type='dir' device='disk'><driver name='qemu' type='fat'/><source dir='/tmp'/><target dev='vda'/><readonly/></disk>`,
      ],
      ['a disk of another format', ['DISK_NOT_SUPPORTED'], (path) => diskXml('vda', path, 'vmdk')],
      [
        'a shared disk',
        ['DISK_SHARED'],
        (path) => `<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='${path}'/><target dev='vda'/><shareable/></disk>`,
      ],
      [
        'a PCI device of the host',
        ['DEVICE_PASSTHROUGH'],
        (path) =>
          `${diskXml('vda', path, 'qcow2')}<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x7f' slot='0x1f' function='0x7'/></source></hostdev>`,
      ],
      ['the same file twice', ['DISK_SHARED'], (path) => diskXml('vda', path, 'qcow2') + diskXml('vdb', path, 'qcow2')],
      ['a missing file', ['DISK_FILE_MISSING'], () => diskXml('vda', '/var/lib/modosu-no-such-file', 'qcow2')],
    ];
    it.each(cases)('%s', async (_what, codes, devices) => {
      await plainDisk('refused.qcow2');
      const server = await lab.define({ devices: devices(diskPath('refused.qcow2')) });
      expect(await refusalsOf(server)).toEqual(codes);
      await lab.forget(server);
    });

    it('records a CD-ROM beside a disk and refuses nothing', async () => {
      const server = await lab.define({
        devices: `${await plainDisk('with-cd.qcow2')}<disk type='file' device='cdrom'><source file='/nowhere/installer.iso'/><target dev='sda' bus='sata'/><readonly/></disk>`,
      });
      expect(await lab.hypervisor.inspect(server)).toMatchObject({
        refusals: [],
        removableMedia: [{ target: 'sda', source: '/nowhere/installer.iso' }],
        disks: [{ target: 'vda' }],
      });
    });

    it('a transient domain', async () => {
      const server = await lab.define({ devices: await plainDisk('transient.qcow2'), start: 'transient' });
      expect(await refusalsOf(server)).toEqual(['SERVER_TRANSIENT']);
      await lab.virsh('destroy', '--domain', server.uuid);
    });

    it('saved memory, which belongs to the present disks', async () => {
      const server = await lab.define({ devices: await plainDisk('saved.qcow2') });
      const fence = newFence();
      await lab.hypervisor.takeFence(server, fence);
      await lab.hypervisor.start(server, fence);
      await lab.virsh('managedsave', '--domain', server.uuid);
      expect(await refusalsOf(server)).toEqual(['SERVER_HAS_SAVED_STATE']);
      await expect(
        lab.hypervisor.exportDisk({ server, target: 'vda', targetPath: join(lab.exportDirectory, 'saved.qcow2') }, transferContext()),
      ).rejects.toEqual(refusedWith('SERVER_HAS_SAVED_STATE'));
      const newPath = diskPath(`saved.qcow2.${fence.runId}`);
      await writeFile(newPath, '');
      const volumes = [
        { target: 'vda', replacesPath: diskPath('saved.qcow2'), newPath, format: 'qcow2' as const, virtualSizeBytes: DISK_BYTES, flattened: false },
      ];
      await expect(
        lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath: null, renewGenerationId: true, quarantinedMacs: [] }),
      ).rejects.toEqual(refusedWith('SERVER_HAS_SAVED_STATE'));
    });

    it('a running server whose stored definition names other disks', async () => {
      const server = await lab.define({ devices: await plainDisk('live.qcow2') });
      const fence = newFence();
      await lab.hypervisor.takeFence(server, fence);
      await lab.hypervisor.start(server, fence);
      await plainDisk('edited.qcow2');
      const xml = (await lab.virsh('dumpxml', '--inactive', '--domain', server.uuid)).replace('live.qcow2', 'edited.qcow2');
      const file = join(lab.stateDirectory, 'edited.xml');
      await writeFile(file, xml);
      await lab.virsh('define', file);
      expect(await refusalsOf(server)).toEqual(['SERVER_DEFINITION_DIFFERS']);
      await lab.hypervisor.powerOff(server, fence);
      expect(await refusalsOf(server)).toEqual([]);
    });
  });

  describe('hostile and unusual images', () => {
    const create = (path: string, ...options: string[]): Promise<string> =>
      lab.run('qemu-img', 'create', '-q', '-u', '-f', 'qcow2', ...options, path, String(DISK_BYTES));
    const cases: readonly [what: string, make: (path: string) => Promise<unknown>][] = [
      ['a backing file elsewhere on the host', (path) => create(path, '-F', 'raw', '-b', '/etc/passwd')],
      ['a relative way out of the directory', (path) => create(path, '-F', 'raw', '-b', '../../../../../etc/passwd')],
      [
        'a link out of the directory',
        async (path) => {
          await symlink('/etc/passwd', `${path}.link`);
          await create(path, '-F', 'raw', '-b', `${path}.link`);
        },
      ],
      ['a json: name', (path) => create(path, '-F', 'raw', '-b', 'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}')],
      ['an nbd: name', (path) => create(path, '-F', 'raw', '-b', 'nbd://127.0.0.1:1/x')],
      [
        'an external data file',
        async (path) => lab.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', `data_file=${path}.data,data_file_raw=on`, path, '1M'),
      ],
      [
        'an absurd size',
        async (path) => {
          await create(path);
          await patch(path, 24, Buffer.from('7fffffffffffffff', 'hex'));
        },
      ],
      [
        'unknown feature bits',
        async (path) => {
          await create(path);
          await patch(path, 72, Buffer.from('8000000000000000', 'hex'));
        },
      ],
      [
        'a backing file without a format',
        async (path) => {
          await create(path, '-F', 'qcow2', '-b', `${path}.base`);
          await lab.run('qemu-img', 'create', '-q', '-f', 'qcow2', `${path}.base`, '1M');
          const bytes = await readFile(path);
          await patch(path, bytes.indexOf(Buffer.from('e2792aca', 'hex')), Buffer.from('00000001', 'hex'));
        },
      ],
      [
        'a loop',
        async (path) => {
          await create(path, '-F', 'qcow2', '-b', `${path}.b`);
          await create(`${path}.b`, '-F', 'qcow2', '-b', path);
        },
      ],
      [
        'a chain without end',
        async (path) => {
          for (let i = 0; i < 20; i += 1) await create(i === 0 ? path : `${path}.${i}`, '-F', 'qcow2', '-b', `${path}.${i + 1}`);
          await lab.run('qemu-img', 'create', '-q', '-f', 'qcow2', `${path}.20`, '1M');
        },
      ],
      ['no qcow2 at all', (path) => writeFile(path, Buffer.alloc(70_000, 'x'))],
      ['an empty file', (path) => writeFile(path, '')],
      ['a directory', (path) => mkdir(path)],
      ['a FIFO', (path) => lab.run('mkfifo', path)],
    ];
    const patch = async (path: string, at: number, bytes: Buffer): Promise<void> => {
      const all = await readFile(path);
      bytes.copy(all, at);
      await writeFile(path, all);
    };

    it.each(cases)('are refused before any tool opens them: %s', async (what, make) => {
      const path = diskPath(`hostile-${what.replaceAll(/\W/g, '-')}.qcow2`);
      await make(path);
      const server = await lab.define({ devices: diskXml('vda', path, 'qcow2') });
      expect(await refusalsOf(server)).toEqual(['IMAGE_HEADER_REFUSED']);
      const targetPath = join(lab.exportDirectory, 'hostile.qcow2');
      await expect(lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, transferContext())).rejects.toEqual(refusedWith('IMAGE_HEADER_REFUSED'));
      expect(await fileExists(targetPath)).toBe(false);
      await lab.forget(server);
    });

    it('a backing file elsewhere is fine where the definition itself or the configuration names it', async () => {
      const bases = join(lab.stateDirectory, 'bases');
      await mkdir(bases);
      await lab.writeDisk(join(bases, 'base.qcow2'), { format: 'qcow2', content: pattern(21) });
      const path = diskPath('over-base.qcow2');
      await create(path, '-F', 'qcow2', '-b', join(bases, 'base.qcow2'));
      const unnamed = await lab.define({ devices: diskXml('vda', path, 'qcow2') });
      expect(await refusalsOf(unnamed)).toEqual(['IMAGE_HEADER_REFUSED']);
      expect((await lab.adapter({ imageDirectories: [bases] }).inspect(unnamed)).refusals).toEqual([]);
      await lab.forget(unnamed);
      const named = await lab.define({
        devices: `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${path}'/><backingStore type='file'><format type='qcow2'/><source file='${xmlText(join(bases, 'base.qcow2'))}'/><backingStore/></backingStore><target dev='vda' bus='virtio'/></disk>`,
      });
      expect(await refusalsOf(named)).toEqual([]);
      const targetPath = join(lab.exportDirectory, 'over-base.qcow2');
      await lab.hypervisor.exportDisk({ server: named, target: 'vda', targetPath }, transferContext());
      expect((await lab.readDisk(targetPath, 'qcow2', 1024 * 1024)).equals(pattern(21))).toBe(true);
    });

    it('a raw disk on which the guest has written an image header stays raw', async () => {
      const disguise = diskPath('disguise.qcow2');
      await create(disguise, '-F', 'raw', '-b', '/etc/passwd');
      const content = (await readFile(disguise)).subarray(0, 65_536);
      const path = diskPath('disguised.raw');
      await writeFile(path, content);
      await truncate(path, DISK_BYTES);
      const server = await lab.define({ devices: diskXml('vda', path, 'raw') });
      expect(await refusalsOf(server)).toEqual([]);
      const targetPath = join(lab.exportDirectory, 'disguised.qcow2');
      await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, transferContext());
      expect((await lab.readDisk(targetPath, 'qcow2', content.length)).equals(content)).toBe(true);
    });

    it('an external snapshot is copied with everything below it', async () => {
      const server = await lab.createServer({ disks: [{ target: 'vda', format: 'qcow2', content: pattern(31) }] });
      await lab.virsh('snapshot-create-as', '--domain', server.uuid, '--disk-only', '--name', 'before', '--no-metadata');
      const [disk] = (await lab.hypervisor.inspect(server)).disks;
      await lab.run('qemu-io', '-f', 'qcow2', '-c', 'write -P 0x5a 0 64k', disk?.path ?? '');
      expect(disk?.backingChain).toHaveLength(1);
      const targetPath = join(lab.exportDirectory, 'snapshot.qcow2');
      await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath }, transferContext());
      const expected = pattern(31);
      expected.fill(0x5a, 0, 65_536);
      expect((await lab.readDisk(targetPath, 'qcow2', expected.length)).equals(expected)).toBe(true);
    });
  });

  describe('stopping and starting', () => {
    let server: ServerRef;
    const fence = newFence();
    beforeAll(async () => {
      server = await lab.define({
        devices: `${await plainDisk('power.qcow2')}<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`,
      });
      await lab.hypervisor.takeFence(server, fence);
    });

    it('gives up on a guest that never stops, and can be told to', async () => {
      await lab.hypervisor.start(server, fence);
      await expect(lab.hypervisor.shutDown(server, fence, { deadlineMs: 1_500, signal: never })).rejects.toEqual(refusedWith('STOP_TIMED_OUT'));
      await expect(lab.hypervisor.shutDown(server, fence, { deadlineMs: 60_000, signal: cancelledSoon() })).rejects.toThrow('cancelled');
      expect(await lab.hypervisor.powerState(server)).toBe('running');
    });

    it('a running server without an operating system has a silent agent', async () => {
      const agent = lab.hypervisor.guestAgent(server);
      await expect(agent.info(1_000)).rejects.toEqual(refusedWith('AGENT_SILENT'));
      await expect(agent.exec(['/bin/true'], { timeoutMs: 1_000 })).rejects.toEqual(refusedWith('AGENT_SILENT'));
      await expect(agent.waitUntilAnswering({ deadlineMs: 1_500, signal: never })).rejects.toEqual(refusedWith('AGENT_SILENT'));
      await expect(agent.waitUntilAnswering({ deadlineMs: 60_000, signal: cancelledSoon() })).rejects.toThrow('cancelled');
      expect((await lab.hypervisor.inspect(server)).agent.state).toBe('silent');
    });

    it('a server without a channel has no agent', async () => {
      const bare = await lab.define({ devices: await plainDisk('bare.qcow2') });
      expect((await lab.hypervisor.inspect(bare)).agent.state).toBe('absent');
      await lab.virsh('start', '--domain', bare.uuid);
      await expect(lab.hypervisor.guestAgent(bare).info(1_000)).rejects.toEqual(refusedWith('AGENT_ABSENT'));
      await expect(lab.hypervisor.guestAgent(bare).waitUntilAnswering({ deadlineMs: 60_000, signal: never })).rejects.toEqual(refusedWith('AGENT_ABSENT'));
      await lab.virsh('destroy', '--domain', bare.uuid);
    });

    it('a paused server is said to be paused', async () => {
      await lab.virsh('suspend', '--domain', server.uuid);
      expect(await lab.hypervisor.powerState(server)).toBe('paused');
      expect(await lab.hypervisor.listServers()).toContainEqual(expect.objectContaining({ uuid: server.uuid, powerState: 'paused' }));
      await expect(lab.hypervisor.shutDown(server, fence, { deadlineMs: 60_000, signal: never })).rejects.toEqual(refusedWith('SERVER_PAUSED'));
      await expect(lab.hypervisor.start(server, fence)).rejects.toEqual(refusedWith('START_FAILED'));
      await lab.virsh('resume', '--domain', server.uuid);
    });

    it('a server whose QEMU was killed is off', async () => {
      const pid = Number((await readFile(`/run/libvirt/qemu/${server.name}.pid`, 'utf8')).trim());
      process.kill(pid, 'SIGKILL');
      await eventually('libvirt has noticed', async () => (await lab.hypervisor.powerState(server)) === 'off');
      await lab.hypervisor.start(server, fence);
      expect(await lab.hypervisor.powerState(server)).toBe('running');
      await lab.hypervisor.powerOff(server, fence);
    });
  });

  describe('definitions', () => {
    const withPassword = async (name: string): Promise<ServerRef> =>
      lab.define({
        devices: `${await plainDisk(name)}<graphics type='vnc' passwd='geheim7' port='-1' autoport='yes'/>`,
        extra: '<genid/><metadata><app:note xmlns:app="https://example.org/app">kept</app:note></metadata>',
      });

    it('are exported whole, with what the host hides by default, readable by nobody else, and without the lock of the run', async () => {
      const server = await withPassword('secret.qcow2');
      const fence = newFence();
      await lab.hypervisor.takeFence(server, fence);
      const path = join(lab.exportDirectory, 'secret.xml');
      await writeFile(path, 'of an earlier attempt', { mode: 0o666 });
      await lab.hypervisor.exportDefinition(server, path);
      const xml = await readFile(path, 'utf8');
      expect(xml).toContain('geheim7');
      expect(xml).toContain('kept');
      expect(xml).not.toContain(fence.runId);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(JSON.stringify(await lab.hypervisor.inspect(server))).not.toContain('geheim7');
      await lab.hypervisor.releaseFence(server, fence);
      expect(await lab.virsh('dumpxml', '--inactive', '--domain', server.uuid)).toContain('kept');
    });

    it('come back whole: what a swap and its undoing do not touch stays as it was', async () => {
      const server = await withPassword('whole.qcow2');
      const before = await lab.virsh('dumpxml', '--inactive', '--security-info', '--domain', server.uuid);
      const fence = newFence();
      await lab.hypervisor.takeFence(server, fence);
      const newPath = diskPath(`whole.qcow2.${fence.runId}`);
      await lab.writeDisk(newPath, { format: 'qcow2', content: pattern(2) });
      const volumes = [{ target: 'vda', replacesPath: null, newPath, format: 'qcow2' as const, virtualSizeBytes: DISK_BYTES, flattened: false }];
      await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath: null, renewGenerationId: true, quarantinedMacs: [] });
      const swapped = await lab.virsh('dumpxml', '--inactive', '--security-info', '--domain', server.uuid);
      expect(swapped).toContain('geheim7');
      expect(swapped).toContain('kept');
      const wayBack = join(lab.stateDirectory, 'way-back', fence.runId);
      for (const file of await readdir(wayBack)) expect((await stat(join(wayBack, file))).mode & 0o777).toBe(0o600);
      await lab.hypervisor.revertSwap(server, fence);
      await lab.hypervisor.releaseFence(server, fence);
      // All that stays is the mark that the token of the run is used up.
      await lab.virsh('metadata', '--domain', server.uuid, '--uri', 'https://modosu.dev/fence/1', '--config', '--remove');
      expect(await lab.virsh('dumpxml', '--inactive', '--security-info', '--domain', server.uuid)).toBe(before);
      expect(await readdir(join(lab.stateDirectory, 'tmp'))).toEqual([]);
    });

    it('of a renamed server keep the new name when an older definition is used', async () => {
      const server = await lab.define({ devices: await plainDisk('renamed.qcow2') });
      const definitionPath = join(lab.exportDirectory, 'renamed.xml');
      await lab.hypervisor.exportDefinition(server, definitionPath);
      await lab.virsh('domrename', server.name, `${server.name}-renamed`);
      const fence = newFence();
      await lab.hypervisor.takeFence(server, fence);
      const newPath = diskPath(`renamed.qcow2.${fence.runId}`);
      await lab.writeDisk(newPath, { format: 'qcow2', content: pattern(2) });
      const volumes = [{ target: 'vda', replacesPath: null, newPath, format: 'qcow2' as const, virtualSizeBytes: DISK_BYTES, flattened: false }];
      await lab.hypervisor.swap({
        server,
        fence,
        definition: { from: 'recovery-point', path: definitionPath },
        volumes,
        nvramNewPath: null,
        renewGenerationId: true,
        quarantinedMacs: [],
      });
      expect(await lab.hypervisor.inspect(server)).toMatchObject({ domainName: `${server.name}-renamed`, disks: [{ path: newPath }] });
      const foreign = join(lab.exportDirectory, 'foreign.xml');
      await lab.hypervisor.exportDefinition(await lab.define({ devices: await plainDisk('foreign.qcow2') }), foreign);
      const next = newFence();
      await lab.hypervisor.takeFence(server, next);
      const nextPath = diskPath(`renamed.qcow2.${next.runId}`);
      await lab.writeDisk(nextPath, { format: 'qcow2', content: pattern(3) });
      const request = {
        server,
        fence: next,
        definition: { from: 'recovery-point' as const, path: foreign },
        volumes: [{ ...volumes[0]!, newPath: nextPath }],
        nvramNewPath: null,
        renewGenerationId: true,
        quarantinedMacs: [],
      };
      await expect(lab.hypervisor.swap(request)).rejects.toEqual(refusedWith('SWAP_REFUSED'));
      await writeFile(foreign, '<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/passwd">]><domain>&x;</domain>');
      await expect(lab.hypervisor.swap(request)).rejects.toEqual(refusedWith('HYPERVISOR_COMMAND_FAILED'));
      expect((await lab.hypervisor.inspect(server)).disks[0]?.path).toBe(newPath);
    });

    it('whose lock cannot be read let nobody in', async () => {
      const server = await lab.define({ devices: await plainDisk('unreadable.qcow2') });
      await lab.virsh(
        'metadata',
        '--domain',
        server.uuid,
        '--uri',
        'https://modosu.dev/fence/1',
        '--key',
        'modosu',
        '--config',
        '--set',
        '<fence run="x" token="many"/>',
      );
      await expect(lab.hypervisor.takeFence(server, newFence())).rejects.toEqual(refusedWith('FENCED_OFF'));
    });

    it('that leave the place of the NVRAM to libvirt: it is found, off and running, and moved by a swap', async () => {
      const server = await lab.define({ devices: await plainDisk('auto-uefi.qcow2'), extra: '' });
      const xml = (await lab.virsh('dumpxml', '--inactive', '--domain', server.uuid)).replace('<os>', "<os firmware='efi'>");
      const file = join(lab.stateDirectory, 'auto-uefi.xml');
      await writeFile(file, xml);
      await lab.virsh('define', file);
      expect(await lab.hypervisor.inspect(server)).toMatchObject({ firmware: 'uefi', nvram: null, refusals: [] });
      const fence = newFence();
      await lab.hypervisor.takeFence(server, fence);
      await lab.hypervisor.start(server, fence);
      const running = await lab.hypervisor.inspect(server);
      await lab.hypervisor.powerOff(server, fence);
      const off = await lab.hypervisor.inspect(server);
      const { nvram } = running;
      expect(nvram?.path).toMatch(/_VARS\.fd$/);
      expect(off.nvram).toEqual(nvram);
      expect(off.definitionFingerprint).toBe(running.definitionFingerprint);
      const oldPath = nvram?.path ?? '';
      try {
        const sourcePath = join(lab.exportDirectory, 'auto-uefi.fd');
        await lab.hypervisor.exportNvram(server, sourcePath);
        const newPath = diskPath(`auto-uefi.qcow2.${fence.runId}`);
        await lab.writeDisk(newPath, { format: 'qcow2', content: pattern(2) });
        const volumes = [{ target: 'vda', replacesPath: null, newPath, format: 'qcow2' as const, virtualSizeBytes: DISK_BYTES, flattened: false }];
        const nvramNewPath = diskPath(`auto-uefi.fd.${fence.runId}`);
        await lab.hypervisor.importNvram({ sourcePath, newPath: nvramNewPath, replacesPath: oldPath, runId: fence.runId });
        expect((await stat(nvramNewPath)).uid).toBe((await stat(oldPath)).uid);
        await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath, renewGenerationId: true, quarantinedMacs: [] });
        await lab.hypervisor.start(server, fence);
        expect((await lab.hypervisor.inspect(server)).nvram?.path).toBe(nvramNewPath);
        await lab.hypervisor.powerOff(server, fence);
        await lab.hypervisor.revertSwap(server, fence);
        expect((await lab.hypervisor.inspect(server)).nvram).toEqual(nvram);
      } finally {
        await rm(oldPath, { force: true });
      }
    });
  });
});
