import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { createGuestServer, waitForAgent } from '../guests/guest-server';
import { eventually } from '../support/processes';
import { describePrograms } from './guest-agent.contract';
import { ownedDirectory } from '../support/owned-directory';

jest.setTimeout(180_000);

const TIMEOUT_MS = 30_000;

describe('programs and files in a guest, through its agent', () => {
  let agent: GuestAgent;
  let root: string;

  describePrograms(async () => {
    root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-agent-');
    chmodSync(root, 0o711);
    const guest = await createGuestServer({
      name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}agent-${randomBytes(3).toString('hex')}`,
      guest: 'minimal',
      directory: join(root, 'disks'),
    });
    await waitForAgent(guest.uuid, 120_000);
    agent = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') }).guestAgent({
      uuid: guest.uuid,
      name: guest.name,
    });
    return {
      agent,
      close: async () => {
        await guest.destroy();
        rmSync(root, { recursive: true, force: true });
      },
    };
  });

  it('says so when the server is gone, with a secret too', async () => {
    const nobody = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') }).guestAgent({
      uuid: '00000000-0000-4000-8000-000000000000',
      name: 'nobody',
    });
    await expect(nobody.start({ argv: ['true'], env: { SECRET: 'x' } }, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'SERVER_GONE' });
  });

  it('tells the end of a program once', async () => {
    const pid = await agent.start({ argv: ['true'] }, { timeoutMs: TIMEOUT_MS });
    await eventually('the program ends', () => agent.outcome(pid, { timeoutMs: TIMEOUT_MS }), 30_000);
    await expect(agent.outcome(pid, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });
});
