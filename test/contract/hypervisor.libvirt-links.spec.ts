import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Fence, ServerRef } from '../../src/contracts/server';
import { createGuestServer, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { manifestOf, transferContext } from '../support/hypervisor-lab';
import { createLibvirtLab, type LibvirtLab } from '../support/libvirt-lab';
import { eventually } from '../support/processes';
import { newFence } from './hypervisor.contract';

jest.setTimeout(240_000);

const BOOT_DEADLINE_MS = 90_000;
const never = new AbortController().signal;

describe('the links of a real guest', () => {
  let lab: LibvirtLab;
  let guest: GuestServer;
  let server: ServerRef;
  let fence: Fence;
  let mac: string;

  beforeAll(async () => {
    lab = await createLibvirtLab();
    const name = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}links-${randomBytes(3).toString('hex')}`;
    guest = await createGuestServer({ name, guest: 'minimal', directory: lab.diskDirectory, start: false });
    server = { uuid: guest.uuid, name };
    fence = newFence();
    await lab.hypervisor.takeFence(server, fence);
    const present = await lab.hypervisor.inspect(server);
    mac = present.nics[0]?.mac ?? '';
    const { volumes, nvramNewPath } = await lab.hypervisor.restoreTargets({ manifest: manifestOf(server, present), present, runId: fence.runId });
    const imagePath = join(lab.exportDirectory, 'vda.qcow2');
    await lab.hypervisor.exportDisk({ server, target: 'vda', targetPath: imagePath }, transferContext());
    await lab.hypervisor.importDisk({ imageFiles: [imagePath], volume: volumes[0]!, runId: fence.runId }, transferContext());
    await lab.hypervisor.swap({ server, fence, definition: { from: 'present' }, volumes, nvramNewPath, renewGenerationId: true, quarantinedMacs: [mac] });
  });
  afterAll(async () => {
    // The first may have failed before the second was made.
    await (guest as GuestServer | undefined)?.destroy();
    await lab.dispose();
  });

  const carrier = async (): Promise<string> => (await guestOutput(guest.uuid, ['cat', '/sys/class/net/eth0/carrier'])).trim();
  const linkStates = async (...flags: string[]): Promise<readonly string[]> =>
    [...(await lab.virsh('dumpxml', '--domain', server.uuid, ...flags)).matchAll(/<link state='(\w+)'\/>/g)].map(([, state]) => state ?? '');
  const boot = async (): Promise<void> => {
    await lab.hypervisor.start(server, fence);
    await waitForAgent(guest.uuid, BOOT_DEADLINE_MS);
  };

  it('are down from the first moment, come up while the guest runs, and stay up when it starts again', async () => {
    await boot();
    expect(await carrier()).toBe('0');
    expect(await linkStates()).toEqual(['down']);

    expect(await lab.hypervisor.goLive(server, fence)).toEqual({ raised: [mac] });
    await eventually('the guest sees its network', async () => (await carrier()) === '1');
    expect(await linkStates()).toEqual(['up']);
    expect(await linkStates('--inactive')).toEqual(['up']);
    expect(await lab.hypervisor.goLive(server, fence)).toEqual({ raised: [mac] });

    // An attempt that died between the stored and the running definition.
    await lab.virsh('domif-setlink', '--domain', server.uuid, '--interface', mac, '--state', 'down');
    await eventually('the guest has lost its network', async () => (await carrier()) === '0');
    expect(await linkStates('--inactive')).toEqual(['up']);
    await lab.hypervisor.goLive(server, fence);
    await eventually('the guest sees its network again', async () => (await carrier()) === '1');

    expect((await lab.hypervisor.writtenBytes(server))['vda']).toBeGreaterThan(0);
    await lab.hypervisor.shutDown(server, fence, { deadlineMs: 60_000, signal: never });
    await boot();
    expect(await carrier()).toBe('1');
    await lab.hypervisor.powerOff(server, fence);
  });

  it('are as they were when the swap is undone', async () => {
    await lab.hypervisor.revertSwap(server, fence);
    expect(await linkStates('--inactive')).toEqual([]);
    await boot();
    expect(await carrier()).toBe('1');
    await lab.hypervisor.powerOff(server, fence);
  });
});
