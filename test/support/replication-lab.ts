import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createGuestServer, joinLan, layWire, waitForAgent, waitForPostgresql, type GuestServer } from '../guests/guest-server';
import { ownedDirectory } from './owned-directory';

const WITHIN_MS = 90_000;

export interface ReplicationGuests {
  readonly primary: GuestServer;
  readonly standby: GuestServer;
  /** For what an adapter keeps. */
  readonly directory: string;
  destroy(): Promise<void>;
}

const ADDRESSES = ['192.168.77.11', '192.168.77.12'] as const;

/** Two guests on a LAN, each with a running PostgreSQL of its own and a second disk for `keepCopy`, for tests that have no installation which makes them. */
export async function startReplicationGuests(name: string): Promise<ReplicationGuests> {
  const directory = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', `modosu-${name}-`);
  chmodSync(directory, 0o711);
  const guests: GuestServer[] = [];
  const destroy = async (): Promise<void> => {
    for (const guest of guests) await guest.destroy();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const label = randomBytes(3).toString('hex');
    for (const [index, lan] of (await layWire([`${ADDRESSES[0]}/24`, `${ADDRESSES[1]}/24`])).entries()) {
      guests.push(
        await createGuestServer({
          name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}${name}-${label}-${index}`,
          guest: 'postgresql',
          directory: join(directory, 'disks'),
          dataDisk: { sizeBytes: 256 * 1024 * 1024, format: 'qcow2' },
          lan,
        }),
      );
    }
    await Promise.all(guests.map(goOnLan));
  } catch (error) {
    await destroy();
    throw error;
  }
  const [primary, standby] = guests as [GuestServer, GuestServer];
  return { primary, standby, directory, destroy };
}

async function goOnLan({ uuid, lan }: GuestServer): Promise<void> {
  await waitForAgent(uuid, WITHIN_MS);
  if (lan !== null) await joinLan(uuid, lan);
  await waitForPostgresql(uuid, WITHIN_MS);
}
