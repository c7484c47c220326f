import { randomBytes } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { unusedPort } from '../../src/roles/up/ports';
import { createGuestServer, cutPower, shutDownGuest, startGuest, waitForAgent } from '../guests/guest-server';
import { virsh } from '../guests/run-program';
import { GuestUserspace, makeRawDisk, UserspaceAgent } from './guest-userspace';
import { isFull } from './thorough';
import { ZoneServer, type ZoneMachine, type ZoneState } from './zone-server';
import { ownedDirectory } from './owned-directory';

/** Two servers of one zone, a primary and its secondary. */
export interface ZoneLab {
  readonly primary: LabZoneServer;
  readonly secondary: LabZoneServer;
  /** Of both. */
  readonly port: number;
  /** As an offline image is taken, of the primary where no other is named: it is stopped, its disk is kept, it is started. */
  keepDisk(which?: 'primary' | 'secondary'): Promise<void>;
  /** As that image is restored: the power is cut, the disk put back, and it serves again. */
  goBack(which?: 'primary' | 'secondary'): Promise<void>;
  /** Cuts the power of one of them. */
  lose(which: 'primary' | 'secondary'): Promise<void>;
  /** Starts it again after `lose`: it serves. */
  comeBack(which: 'primary' | 'secondary'): Promise<void>;
  close(): Promise<void>;
}

export interface LabZoneServer {
  readonly zone: ZoneServer;
  /** Another one after every start. */
  agent(): GuestAgent;
  /** Of this host's loopback. */
  readonly address: string;
}

interface Machine extends ZoneMachine {
  agent(): GuestAgent;
  readonly disk: string;
  /** Resolves when its agent answers. */
  start(): Promise<void>;
  shutDown(): Promise<void>;
  cutPower(): Promise<void>;
  destroy(): Promise<void>;
}

/** With one port for both. The primary's is the only one that guests reach, too: QEMU mixes answers up where two UDP ports lead to one of a guest. */
const ADDRESSES = ['127.0.0.1', '127.0.0.12'] as const;
/** As guests see the host's 127.0.0.1. */
export const HOST = '10.0.2.2';
const WITHIN_MS = 120_000;

/** Two real guests in `test:full`; else the userspaces of two, on this host's loopback: the same programs on the same disks. */
export async function openZoneLab(name: string, state: ZoneState): Promise<ZoneLab> {
  const root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', `modosu-${name}-`);
  chmodSync(root, 0o711);
  const machines: Machine[] = [];
  const close = async (): Promise<void> => {
    for (const machine of machines) await machine.destroy();
    rmSync(root, { recursive: true, force: true });
  };
  try {
    const port = await unusedPort();
    for (const address of ADDRESSES) machines.push(await (isFull ? guest : userspace)(root, name, address, port));
    const [primary, secondary] = machines.map((machine) => ({ zone: new ZoneServer(machine), agent: () => machine.agent(), address: machine.address }));
    const [machine, other] = machines;
    if (primary === undefined || secondary === undefined || machine === undefined || other === undefined) throw new Error('there are two of them');
    await Promise.all(machines.map((each) => each.start()));
    await primary.zone.bePrimary(state);
    await primary.zone.serves();
    await secondary.zone.beSecondaryOf(isFull ? `${HOST}@${port}` : `${ADDRESSES[0]}@${port}`);
    await secondary.zone.serves();
    const named = (which: 'primary' | 'secondary') => ({
      kept: join(root, `kept-${which}`),
      ...(which === 'primary' ? { of: machine, zone: primary.zone } : { of: other, zone: secondary.zone }),
    });
    return {
      primary,
      secondary,
      port,
      keepDisk: async (which = 'primary') => {
        const { of, zone, kept } = named(which);
        await of.shutDown();
        copyFileSync(of.disk, kept);
        await of.start();
        await zone.serves();
      },
      goBack: async (which = 'primary') => {
        const { of, zone, kept } = named(which);
        await of.cutPower();
        copyFileSync(kept, of.disk);
        await of.start();
        await zone.serves();
      },
      lose: (which) => named(which).of.cutPower(),
      comeBack: async (which) => {
        const { of, zone } = named(which);
        await of.start();
        await zone.serves();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const shOf =
  (agent: GuestAgent): ZoneMachine['sh'] =>
  async (script, ...args) => {
    const { exitCode, stdout, stderr } = await agent.exec(['sh', '-euc', script, 'sh', ...args], { timeoutMs: WITHIN_MS });
    if (exitCode !== 0) throw new Error(`${script}: ${exitCode} ${stderr}`);
    return stdout;
  };

async function guest(root: string, name: string, address: string, port: number): Promise<Machine> {
  const label = randomBytes(3).toString('hex');
  const server = await createGuestServer({
    name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}${name}-${label}`,
    guest: 'name-server',
    directory: join(root, 'disks'),
    start: false,
  });
  const agent = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, `state-${label}`) }).guestAgent(server);
  return {
    sh: shOf(agent),
    listen: '0.0.0.0@53',
    address,
    port,
    agent: () => agent,
    disk: server.systemDisk.path,
    start: async () => {
      await startGuest(server.uuid);
      await forwardDns(server.uuid, address, port);
      await waitForAgent(server.uuid, WITHIN_MS);
    },
    shutDown: async () => void (await shutDownGuest(server.uuid, WITHIN_MS)),
    cutPower: () => cutPower(server.uuid),
    destroy: () => server.destroy(),
  };
}

/** Leads a port of this host's loopback to the name server of a running guest, until its QEMU process ends. One alone for each guest. Throws what QEMU says. */
export async function forwardDns(uuid: string, address: string, port: number): Promise<void> {
  for (const protocol of ['udp', 'tcp']) {
    const said = await virsh(['qemu-monitor-command', uuid, '--hmp', `hostfwd_add ${protocol}:${address}:${port}-10.0.2.15:53`]);
    if (said.trim() !== '') throw new Error(`${address}:${port} leads nowhere: ${said.trim()}`);
  }
}

async function userspace(root: string, _name: string, address: string, port: number): Promise<Machine> {
  const directory = join(root, address);
  mkdirSync(directory);
  const disk = join(directory, 'disk.raw');
  await makeRawDisk('name-server', disk);
  let running: { readonly userspace: GuestUserspace; readonly agent: GuestAgent } | null = null;
  const agent = (): GuestAgent => {
    if (running === null) throw new Error(`${address} has no power`);
    return running.agent;
  };
  const cut = async (): Promise<void> => {
    const ends = running;
    running = null;
    await ends?.userspace.destroy();
  };
  return {
    sh: (script, ...args) => shOf(agent())(script, ...args),
    listen: `${address}@${port}`,
    address,
    port,
    agent,
    disk,
    start: async () => {
      const started = await GuestUserspace.start('name-server', join(directory, 'running'), { disk, sharesNetwork: true });
      running = { userspace: started, agent: new UserspaceAgent(started) };
    },
    shutDown: async () => {
      await shOf(agent())('sync');
      await cut();
    },
    cutPower: cut,
    destroy: cut,
  };
}
