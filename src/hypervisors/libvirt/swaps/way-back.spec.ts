import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ONE_UUID, OneServer } from '../../../../test/support/one-server';
import { newId } from '../../../contracts/ids';
import type { Fence } from '../../../contracts/server';
import { KeptDiscard } from './discard-kept';
import { withFence } from './domain-rewrite';
import { Domains } from '../domains/domains';
import { Fences } from '../domains/fence';
import { Swaps } from './swap';
import { Usage } from '../volumes/usage';
import { WayBacks } from './way-back';
import { parseWrittenBytes } from '../volumes/written-bytes';

const server = { uuid: ONE_UUID, name: 'db01' };

describe('the records of what swaps have replaced', () => {
  let directory: string;
  let virsh: OneServer;
  let swaps: Swaps;
  let wayBacks: WayBacks;
  let discard: KeptDiscard;
  let token: number;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-way-back-'));
    virsh = new OneServer({ name: 'kvm1', uri: 'qemu:///system', stateDirectory: directory });
    const domains = new Domains(virsh);
    const fences = new Fences(virsh, domains);
    wayBacks = new WayBacks(directory);
    swaps = new Swaps(virsh, domains, fences, wayBacks);
    discard = new KeptDiscard(fences, new Usage(virsh), wayBacks, { detach: async () => undefined });
    token = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const path = (name: string): string => join(directory, name);
  const definition = (
    file: string,
    name = 'db01',
  ): string => `<domain type='qemu'><name>${name}</name><uuid>${ONE_UUID}</uuid><memory>1024</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>
      <devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${path(file)}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`;
  /** A run that holds the server. */
  const run = (): Fence => {
    const fence = { runId: newId('run'), token: (token += 1) };
    if (virsh.definition !== null) virsh.definition = withFence(virsh.definition, fence);
    return fence;
  };
  const swap = async (): Promise<Fence> => {
    const fence = run();
    const newPath = path(`vda.raw.${fence.runId}`);
    writeFileSync(newPath, 'new');
    const volumes = [{ target: 'vda', replacesPath: null, newPath, format: 'raw' as const, virtualSizeBytes: 1024, flattened: false }];
    await swaps.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath: null, renewGenerationId: false, quarantinedMacs: [] });
    return fence;
  };
  const start = (file = 'vda.raw'): void => {
    writeFileSync(path(file), 'old');
    virsh.definition = definition(file);
  };

  describe('of the first version', () => {
    const keepAsFirstVersion = (runId: string, file: string): void => {
      mkdirSync(path(`way-back/${runId}`), { recursive: true });
      writeFileSync(path(`way-back/${runId}/definition.xml`), definition(file));
      writeFileSync(path(`way-back/${runId}/way-back.json`), JSON.stringify({ uuid: ONE_UUID, wasGone: false }));
    };

    it('are read: judged by existence, returned to, taken back and given up', async () => {
      start();
      const fence = run();
      keepAsFirstVersion(fence.runId, 'vda.raw');
      writeFileSync(path(`vda.raw.${fence.runId}`), 'new');
      virsh.definition = withFence(definition(`vda.raw.${fence.runId}`), fence);
      const record = await wayBacks.readOpen(server, fence.runId);
      expect(await wayBacks.factsOf(record!)).toMatchObject({ complete: true, volumes: [{ target: 'vda', path: path('vda.raw') }] });
      const undo = run();
      await swaps.returnVolumes(server, undo, fence.runId);
      expect(virsh.definition).toContain(`"${path('vda.raw')}"`);
      await swaps.revert(server, undo);
      expect(virsh.definition).toContain(`vda.raw.${fence.runId}`);
      const confirm = run();
      expect(await discard.discard(server, confirm, fence.runId)).toEqual({ deleted: [path('vda.raw')] });
      expect(existsSync(path(`way-back/${fence.runId}`))).toBe(false);
    });

    it('are reverted by their run, and of a swap that was taken back they hold nothing up', async () => {
      start();
      const fence = run();
      keepAsFirstVersion(fence.runId, 'vda.raw');
      writeFileSync(path(`vda.raw.${fence.runId}`), 'new');
      virsh.definition = withFence(definition(`vda.raw.${fence.runId}`), fence);
      await swaps.revert(server, fence);
      expect(virsh.definition).toContain(`"${path('vda.raw')}"`);

      const stale = newId('run');
      keepAsFirstVersion(stale, 'vda.raw');
      const next = await swap();
      expect(await discard.discard(server, next, next.runId)).toEqual({ deleted: [path('vda.raw')] });
    });
  });

  it('of another server, or unreadable, let nothing happen', async () => {
    start();
    const fence = await swap();
    const file = path(`way-back/${fence.runId}/way-back.json`);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(ONE_UUID, '00000000-0000-4000-8000-000000000000'));
    await expect(discard.discard(server, fence, fence.runId)).rejects.toMatchObject({ code: 'SWAP_REFUSED' });
    writeFileSync(file, text.slice(0, 20));
    await expect(swaps.revert(server, fence)).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
    const later = run();
    writeFileSync(path(`way-back/${fence.runId}/way-back.json`), '{}');
    await expect(discard.discard(server, later, newId('run'))).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
    expect(readFileSync(path('vda.raw'), 'utf8')).toBe('old');
    await expect(wayBacks.read(server, '../../etc')).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('keep what stood there before the first attempt, not what the attempt has put in place', async () => {
    start();
    const fence = await swap();
    const first = readFileSync(path(`way-back/${fence.runId}/definition.xml`), 'utf8');
    // Asked again for other volumes of the same run.
    const newPath = path(`other.raw.${fence.runId}`);
    writeFileSync(newPath, 'other');
    const volumes = [{ target: 'vda', replacesPath: null, newPath, format: 'raw' as const, virtualSizeBytes: 1024, flattened: false }];
    await swaps.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath: null, renewGenerationId: false, quarantinedMacs: [] });
    expect(readFileSync(path(`way-back/${fence.runId}/definition.xml`), 'utf8')).toBe(first);
    await swaps.revert(server, fence);
    expect(virsh.definition).toContain(`"${path('vda.raw')}"`);
  });

  it('follow a renamed server: it keeps its present name on every way', async () => {
    start();
    const rename = (name: string): void => void (virsh.definition = (virsh.definition ?? '').replace(/<name>.*<\/name>/, `<name>${name}</name>`));
    const fence = await swap();
    rename('db02');
    await swaps.revert(server, fence);
    expect(virsh.definition).toContain('<name>db02</name>');
    const again = await swap();
    rename('db03');
    const undo = run();
    await swaps.returnVolumes(server, undo, again.runId);
    expect(virsh.definition).toContain('<name>db03</name>');
    rename('db04');
    await swaps.revert(server, undo);
    expect(virsh.definition).toContain('<name>db04</name>');
    expect(virsh.definition).toContain(again.runId);
  });

  it('read the fence right before each file that is deleted', async () => {
    start();
    const fence = await swap();
    const theirs = { runId: newId('run'), token: 99 };
    let reads = 0;
    virsh.meanwhile = (command) => {
      // Somebody takes the server over after the first look at the fence.
      if (command === 'dumpxml' && (reads += 1) === 1) virsh.definition = withFence(virsh.definition ?? '', theirs);
    };
    await expect(discard.discard(server, fence, fence.runId)).rejects.toMatchObject({ code: 'FENCED_OFF' });
    expect(existsSync(path('vda.raw'))).toBe(true);
    expect(await wayBacks.readOpen(server, fence.runId)).not.toBeNull();
  });

  it('give up a disk that is a link together with its data, and leave alone what was not there', async () => {
    writeFileSync(path('data'), 'old');
    symlinkSync(path('data'), path('vda.raw'));
    virsh.definition = definition('vda.raw');
    const first = await swap();
    expect(await discard.discard(server, first, first.runId)).toEqual({ deleted: [path('vda.raw')] });
    expect(existsSync(path('data'))).toBe(false);

    const present = path(`vda.raw.${first.runId}`);
    renameSync(present, `${present}.away`);
    const second = await swap();
    expect(await wayBacks.factsOf((await wayBacks.readOpen(server, second.runId))!)).toMatchObject({ complete: false, volumes: [{ allocatedBytes: 0 }] });
    renameSync(`${present}.away`, present);
    expect(await discard.discard(server, second, second.runId)).toEqual({ deleted: [] });
    expect(existsSync(present)).toBe(true);
  });

  it('take nothing for kept that is in use under another name', async () => {
    start();
    const fence = await swap();
    mkdirSync(path('elsewhere'));
    symlinkSync(directory, path('elsewhere/link'));
    virsh.definition = (virsh.definition ?? '').replace(
      '</devices>',
      `<disk type="file" device="disk"><driver name="qemu" type="raw"/><source file="${path('elsewhere/link/vda.raw')}"/><target dev="vdb"/><shareable/></disk></devices>`,
    );
    await expect(discard.discard(server, fence, fence.runId)).rejects.toMatchObject({ code: 'VOLUME_EXISTS', context: { path: path('vda.raw') } });
    expect(existsSync(path('vda.raw'))).toBe(true);
  });

  describe('of a swap that keeps a disk', () => {
    const withData = (): string =>
      definition('vda.raw').replace(
        '</devices>',
        `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${path('vdb.raw')}'/><target dev='vdb' bus='virtio'/></disk></devices>`,
      );
    const swapKeeping = async (fence: Fence): Promise<void> => {
      const newPath = path(`vda.raw.${fence.runId}`);
      writeFileSync(newPath, 'new');
      const volumes = [{ target: 'vda', replacesPath: null, newPath, format: 'raw' as const, virtualSizeBytes: 1024, flattened: false }];
      await swaps.swap({
        server,
        fence,
        definition: { from: 'present' },
        volumes,
        keptDisks: [{ target: 'vdb', path: path('vdb.raw') }],
        nvramNewPath: null,
        renewGenerationId: false,
        quarantinedMacs: [],
      });
    };
    beforeEach(() => {
      start();
      writeFileSync(path('vdb.raw'), 'data');
      virsh.definition = withData();
    });

    it('do not take it for done before it is, although the disk is in use before and after it', async () => {
      const fence = run();
      virsh.beforeDefine = async () => Promise.reject(new Error('it died here'));
      await expect(swapKeeping(fence)).rejects.toThrow('it died here');
      // Somebody takes a snapshot: the definition is neither the old one nor the new one.
      virsh.definition = (virsh.definition ?? '').replace(path('vda.raw'), path('vda.snapshot'));
      await swaps.revert(server, fence);
      expect(virsh.calls).not.toContain('define');
      expect(virsh.definition).toContain(path('vda.snapshot'));
      expect(await wayBacks.readOpen(server, fence.runId)).toBeNull();
    });

    it('name it as unchanged, and never have it deleted', async () => {
      const fence = run();
      await swapKeeping(fence);
      expect(await wayBacks.factsOf((await wayBacks.readOpen(server, fence.runId))!)).toMatchObject({
        volumes: [{ target: 'vda', path: path('vda.raw') }],
        unchanged: [{ target: 'vdb', path: path('vdb.raw') }],
        complete: true,
      });
      // Also when the server has let go of it, and nothing else stands between the file and its deletion.
      virsh.definition = null;
      expect(await discard.discard(server, fence, fence.runId)).toEqual({ deleted: [path('vda.raw')] });
      expect(readFileSync(path('vdb.raw'), 'utf8')).toBe('data');
    });
  });

  describe('of a swap that was taken back before it had begun', () => {
    const request = (fence: Fence): Parameters<Swaps['swap']>[0] => {
      const newPath = path(`vda.raw.${fence.runId}`);
      writeFileSync(newPath, 'new');
      return {
        server,
        fence,
        definition: { from: 'present' },
        volumes: [{ target: 'vda', replacesPath: null, newPath, format: 'raw', virtualSizeBytes: 1024, flattened: false }],
        nvramNewPath: null,
        renewGenerationId: false,
        quarantinedMacs: [],
      };
    };

    it('let no later attempt through', async () => {
      start();
      const fence = run();
      await swaps.revert(server, fence);
      await swaps.revert(server, fence);
      await expect(swaps.swap(request(fence))).rejects.toMatchObject({ code: 'SWAP_REFUSED' });
      expect(virsh.calls).not.toContain('define');
      expect(await wayBacks.readOpen(server, fence.runId)).toBeNull();
    });

    it('let no attempt through either that was on its way, and writes its record after that', async () => {
      start();
      const fence = run();
      const keep = wayBacks.keep.bind(wayBacks);
      jest.spyOn(wayBacks, 'keep').mockImplementationOnce(async (...args) => {
        await swaps.revert(server, fence);
        await keep(...args);
      });
      await expect(swaps.swap(request(fence))).rejects.toMatchObject({ code: 'SWAP_REFUSED' });
      expect(virsh.calls).not.toContain('define');
      expect(virsh.definition).toContain(`"${path('vda.raw')}"`);
      await swap();
      expect(existsSync(path(`way-back/${fence.runId}`))).toBe(false);
    });

    it('lead back when the define of an attempt that was on its way comes after all', async () => {
      start();
      const fence = run();
      // It has looked for the last time when its swap is taken back.
      const attempt = virsh.attempt.bind(virsh);
      jest
        .spyOn(virsh, 'attempt')
        .mockImplementationOnce(attempt)
        .mockImplementation(async (args) => {
          if (args[0] === 'define') {
            jest.mocked(virsh.attempt).mockImplementation(attempt);
            await swaps.revert(server, fence);
          }
          return attempt(args);
        });
      await expect(swaps.swap(request(fence))).rejects.toMatchObject({ code: 'WAY_BACK_NOT_FOUND' });
      expect(virsh.definition).toContain(fence.runId + '"');
      await swaps.revert(server, fence);
      expect(virsh.definition).toContain(`"${path('vda.raw')}"`);
    });

    it('let no server be defined that was gone', async () => {
      start();
      const fence = run();
      const definitionPath = path('kept.xml');
      writeFileSync(definitionPath, virsh.definition ?? '');
      virsh.definition = null;
      await swaps.revert(server, fence);
      await expect(swaps.swap({ ...request(fence), definition: { from: 'recovery-point', path: definitionPath } })).rejects.toMatchObject({
        code: 'SWAP_REFUSED',
      });
      expect(virsh.definition).toBeNull();
    });

    it('let none through while the next run of a server that is gone is about to define it', async () => {
      start();
      const [fence, next] = [run(), run()];
      const definitionPath = path('kept.xml');
      writeFileSync(definitionPath, virsh.definition ?? '');
      virsh.definition = null;
      const swapOf = (one: Fence): ReturnType<Swaps['swap']> => swaps.swap({ ...request(one), definition: { from: 'recovery-point', path: definitionPath } });
      await swaps.revert(server, fence);
      let late: unknown = null;
      virsh.beforeDefine = () =>
        swapOf(fence).then(
          () => undefined,
          (error: unknown) => void (late = error),
        );
      await swapOf(next);
      expect(late).toMatchObject({ code: 'SWAP_REFUSED' });
      expect(virsh.definition).toContain(next.runId);
      expect(existsSync(path(`way-back/${fence.runId}`))).toBe(false);
    });
  });

  it('lead back when an attempt finds that the swap of one before it has left a link up that should be down', async () => {
    start();
    const mac = '52:54:00:00:00:01';
    virsh.definition = (virsh.definition ?? '').replace(
      '</devices>',
      `<interface type='network'><mac address='${mac}'/><source network='default'/></interface></devices>`,
    );
    const fence = run();
    const newPath = path(`vda.raw.${fence.runId}`);
    writeFileSync(newPath, 'new');
    const volumes = [{ target: 'vda', replacesPath: null, newPath, format: 'raw' as const, virtualSizeBytes: 1024, flattened: false }];
    const again = () =>
      swaps.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath: null, renewGenerationId: false, quarantinedMacs: [mac] });
    await again();
    expect(virsh.definition).toMatch(/<link state=["']down["']/);
    await again();
    virsh.definition = (virsh.definition ?? '').replace(/<link state=["']down["']\/>/, '');
    // It has gone live: whoever comes this late is no attempt any more.
    virsh.isRunning = true;
    await expect(again()).rejects.toMatchObject({ code: 'SERVER_NOT_STOPPED' });
    expect(virsh.definition).toContain(newPath);
    virsh.isRunning = false;
    await expect(again()).rejects.toMatchObject({ code: 'SWAP_REFUSED' });
    expect(virsh.definition).toContain(`"${path('vda.raw')}"`);
  });

  it('are not given up because a volume cannot be looked at now', async () => {
    start();
    const fence = run();
    writeFileSync(path('a-file'), '');
    const unreachable = `${'x'.repeat(300)}.${fence.runId}`;
    const volumes = [{ target: 'vda', replacesPath: null, newPath: path(unreachable), format: 'raw' as const, virtualSizeBytes: 1024, flattened: false }];
    await expect(
      swaps.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath: null, renewGenerationId: false, quarantinedMacs: [] }),
    ).rejects.toMatchObject({ code: 'TARGET_UNREACHABLE', retry: 'later' });
  });

  it('of swaps that were taken back are swept when the server is swapped again', async () => {
    start();
    const cancelled = await swap();
    await swaps.revert(server, cancelled);
    expect(existsSync(path(`way-back/${cancelled.runId}`))).toBe(true);
    // A record that nobody can read is no reason to take back what has been done.
    const broken = path(`way-back/${run().runId}`);
    mkdirSync(broken);
    writeFileSync(join(broken, 'way-back.json'), 'torn');
    await swap();
    expect(existsSync(path(`way-back/${cancelled.runId}`))).toBe(false);
    expect(existsSync(broken)).toBe(true);
  });
});

describe('bytes written', () => {
  it('are read by the name of the disk', () => {
    const text =
      "Domain: 'block.0.wr.bytes=9'\n  block.count=3\n  block.0.name=vda\n  block.0.path=/x/block.1.wr.bytes=7\n  block.0.rd.bytes=5\n  block.0.wr.bytes=46080\n  block.1.name=sda\n  block.2.name=vdb\n  block.2.wr.bytes=0\n";
    expect(parseWrittenBytes(text)).toEqual({ vda: 46080, vdb: 0 });
    expect(parseWrittenBytes('')).toEqual({});
  });
});
