import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ONE_UUID as UUID, OneServer } from '../../../../test/support/one-server';
import { newId } from '../../../contracts/ids';
import type { Fence } from '../../../contracts/server';
import type { SwapRequest } from '../../hypervisor';
import { withFence } from './domain-rewrite';
import { Domains } from '../domains/domains';
import { Fences } from '../domains/fence';
import { Swaps } from './swap';
import { WayBacks } from './way-back';

const server = { uuid: UUID, name: 'db01' };

describe('the fence around a swap', () => {
  let directory: string;
  let virsh: OneServer;
  let swaps: Swaps;
  let ours: Fence;
  let theirs: Fence;
  let original: string;
  let request: SwapRequest;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-swap-'));
    virsh = new OneServer({ name: 'kvm1', uri: 'qemu:///system', stateDirectory: directory });
    const domains = new Domains(virsh);
    swaps = new Swaps(virsh, domains, new Fences(virsh, domains), new WayBacks(directory));
    ours = { runId: newId('run'), token: 7 };
    theirs = { runId: newId('run'), token: 8 };
    const newPath = join(directory, `vda.qcow2.${ours.runId}`);
    writeFileSync(newPath, '');
    original = `<domain type='qemu'><name>db01</name><uuid>${UUID}</uuid><memory>1024</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>
      <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/vda.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>`;
    virsh.definition = withFence(original, ours);
    request = {
      server,
      fence: ours,
      definition: { from: 'present' },
      volumes: [{ target: 'vda', replacesPath: '/images/vda.qcow2', newPath, format: 'qcow2', virtualSizeBytes: 1024, flattened: false }],
      nvramNewPath: null,
      renewGenerationId: false,
      quarantinedMacs: [],
    };
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** A newer run takes the server right after the question whether it is off, which follows the first look at the fence. */
  const takenOverAfterTheCheck = (): void => {
    virsh.meanwhile = (command) => {
      if (command === 'dominfo') virsh.definition = withFence(virsh.definition ?? original, theirs);
    };
  };
  const fencedOff = { code: 'FENCED_OFF', context: { uuid: UUID, token: 7 } };

  it('lets a swap and its undoing through', async () => {
    await swaps.swap(request);
    expect(virsh.definition).toContain(`vda.qcow2.${ours.runId}`);
    await swaps.revert(server, ours);
    expect(virsh.definition).toContain('/images/vda.qcow2');
    expect(virsh.definition).not.toContain(`vda.qcow2.${ours.runId}`);
  });

  it('of an attempt that died while it kept the old definition leaves none of it behind', async () => {
    const begun = join(directory, 'way-back', ours.runId);
    mkdirSync(begun, { recursive: true });
    writeFileSync(join(begun, 'definition.xml'), original);
    await swaps.revert(server, ours);
    expect(existsSync(join(begun, 'definition.xml'))).toBe(false);
    expect(virsh.calls).not.toContain('define');
  });

  it('is read right before each call that changes the definition', async () => {
    await swaps.swap(request);
    await swaps.revert(server, ours);
    expect(virsh.calls.flatMap((command, index) => (command === 'define' ? [virsh.calls[index - 1]] : []))).toEqual(['dumpxml', 'dumpxml']);
  });

  it('stops a swap whose server was taken over after the first check', async () => {
    takenOverAfterTheCheck();
    await expect(swaps.swap(request)).rejects.toMatchObject(fencedOff);
    expect(virsh.calls).not.toContain('define');
    expect(virsh.definition).toBe(withFence(original, theirs));
  });

  it('stops a swap that was taken back meanwhile by the compensation of its own run', async () => {
    virsh.beforeDefine = () => swaps.revert(server, ours);
    await expect(swaps.swap(request)).rejects.toMatchObject({ code: 'SWAP_REFUSED' });
    expect(virsh.calls).not.toContain('define');
    expect(virsh.definition).toBe(withFence(original, ours));
  });

  it('stops the undoing of a swap whose server was taken over after the first check', async () => {
    await swaps.swap(request);
    takenOverAfterTheCheck();
    const swapped = virsh.definition ?? '';
    await expect(swaps.revert(server, ours)).rejects.toMatchObject(fencedOff);
    expect(virsh.definition).toBe(withFence(swapped, theirs));
  });

  describe('of a server that is gone', () => {
    beforeEach(() => {
      const path = join(directory, 'stored.xml');
      writeFileSync(path, original);
      virsh.definition = null;
      request = { ...request, definition: { from: 'recovery-point', path } };
    });

    it('is not needed for the define, but whoever has defined it meanwhile is respected', async () => {
      // The first question says that it is gone; then another run brings it back.
      virsh.meanwhile = (command) => {
        if (command === 'list') virsh.definition = withFence(original, theirs);
      };
      await expect(swaps.swap(request)).rejects.toMatchObject(fencedOff);
      expect(virsh.calls).not.toContain('define');
      virsh.meanwhile = () => undefined;
      virsh.definition = null;
      await swaps.swap(request);
      expect(virsh.definition).toContain(`vda.qcow2.${ours.runId}`);
    });

    it('keeps it from being forgotten when it was taken over', async () => {
      await swaps.swap(request);
      takenOverAfterTheCheck();
      await expect(swaps.revert(server, ours)).rejects.toMatchObject(fencedOff);
      expect(virsh.calls).not.toContain('undefine');
      virsh.meanwhile = () => undefined;
      virsh.definition = withFence(virsh.definition ?? '', ours);
      await swaps.revert(server, ours);
      expect(virsh.definition).toBeNull();
    });

    it('comes from a recovery point: an unreachable repository is no damage', async () => {
      await expect(
        swaps.swap({ ...request, definition: { from: 'recovery-point', path: join(directory, 'not-mounted', 'domain.xml') } }),
      ).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
      await expect(swaps.swap({ ...request, definition: { from: 'recovery-point', path: join(directory, 'missing.xml') } })).rejects.toMatchObject({
        code: 'RECOVERY_POINT_INCOMPLETE',
      });
    });
  });
});
