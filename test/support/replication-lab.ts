import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import {
  createGuestServer,
  cutPower,
  joinLan,
  layWire,
  setLanLink,
  startGuest,
  waitForAgent,
  waitForPostgresql,
  type GuestServer,
} from '../guests/guest-server';
import { replicaOf, ReplicaServer } from '../guests/replication';
import { mustRun } from '../guests/run-program';
import { GuestUserspace, UserspaceAgent } from './guest-userspace';
import { ownedDirectory } from './owned-directory';
import { isFull } from './thorough';

const WITHIN_MS = 120_000;
const COPY_BYTES = 256 * 1024 * 1024;
const ADDRESSES = ['192.168.77.11', '192.168.77.12'] as const;

/** Two servers on a LAN, each with a running PostgreSQL of its own and room for `keepCopy`. */
export interface ReplicationLab {
  readonly primary: LabReplica;
  readonly standby: LabReplica;
  close(): Promise<void>;
}

export interface LabReplica {
  readonly server: ReplicaServer;
  readonly agent: GuestAgent;
  /** Of its end of the LAN. */
  setLink(state: 'up' | 'down'): Promise<void>;
  /** Cuts its power and starts it again. Of real guests. */
  losePower(): Promise<void>;
  /** Starts it again after `losePower`. */
  comeBack(): Promise<void>;
}

/** Two real guests in `test:full`; else the userspaces of two with a cable between them: the same programs on the same files. */
export async function openReplicationLab(name: string): Promise<ReplicationLab> {
  const root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', `modosu-${name}-`);
  chmodSync(root, 0o711);
  const remove: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of remove) await each();
    rmSync(root, { recursive: true, force: true });
  };
  try {
    const [primary, standby] = await (isFull ? inGuests : inUserspaces)(root, name, (each) => remove.push(each));
    return { primary, standby, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Owns = (destroy: () => Promise<void>) => void;
type Pair = readonly [LabReplica, LabReplica];

async function inGuests(root: string, name: string, owns: Owns): Promise<Pair> {
  const label = randomBytes(3).toString('hex');
  const hypervisor = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') });
  const guests: GuestServer[] = [];
  for (const [index, lan] of (await layWire([`${ADDRESSES[0]}/24`, `${ADDRESSES[1]}/24`])).entries()) {
    const guest = await createGuestServer({
      name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}${name}-${label}-${index}`,
      guest: 'postgresql',
      directory: join(root, 'disks'),
      dataDisk: { sizeBytes: COPY_BYTES, format: 'qcow2' },
      lan,
    });
    owns(() => guest.destroy());
    guests.push(guest);
  }
  await Promise.all(guests.map(goOnLan));
  return guests.map((guest) => ({
    server: replicaOf(guest),
    agent: hypervisor.guestAgent(guest),
    setLink: (state) => setLanLink(guest.uuid, state),
    losePower: () => cutPower(guest.uuid),
    comeBack: async () => {
      await startGuest(guest.uuid);
      await waitForAgent(guest.uuid, WITHIN_MS);
    },
  })) as readonly LabReplica[] as Pair;
}

async function goOnLan({ uuid, lan }: GuestServer): Promise<void> {
  await waitForAgent(uuid, WITHIN_MS);
  if (lan !== null) await joinLan(uuid, lan);
  await waitForPostgresql(uuid, WITHIN_MS);
}

const DEVICE = 'lan';

async function inUserspaces(root: string, _name: string, owns: Owns): Promise<Pair> {
  const spaces: GuestUserspace[] = [];
  for (const address of ADDRESSES) {
    const space = await GuestUserspace.start('postgresql', join(root, address));
    owns(() => space.destroy());
    spaces.push(space);
  }
  await spaces[0]?.connectTo(spaces[1] as GuestUserspace, DEVICE, [`${ADDRESSES[0]}/24`, `${ADDRESSES[1]}/24`]);
  const replicas = spaces.map((space, index): LabReplica => {
    const agent = new UserspaceAgent(space);
    const noPower = (): never => {
      throw new Error('only real guests have a power supply');
    };
    return {
      server: new ReplicaServer({
        address: ADDRESSES[index] as string,
        output: async (argv, options) => {
          const { exitCode, stdout, stderr } = await agent.exec(argv, options);
          if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${exitCode} ${stderr} ${stdout}`);
          return stdout;
        },
      }),
      agent,
      setLink: async (state) => {
        const [program, ...argv] = space.inItsNetwork(['ip', 'link', 'set', DEVICE, state]);
        await mustRun('PROGRAM_MISSING', program, argv, { timeoutMs: 10_000 });
      },
      losePower: noPower,
      comeBack: noPower,
    };
  });
  for (const { server } of replicas) {
    await server.runAsRoot('mkdir -p /data; mount -t tmpfs -o "size=$1" tmpfs /data', String(COPY_BYTES));
    await server.start();
  }
  return replicas as readonly LabReplica[] as Pair;
}
