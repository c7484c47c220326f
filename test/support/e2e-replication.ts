import { joinLan, layWire, waitForAgent, waitForPostgresql, type GuestServer } from '../guests/guest-server';
import { follows, replicaOf, replicate, type ReplicaServer } from '../guests/replication';
import type { E2eStack } from './e2e-stack';

const WITHIN_MS = 120_000;
const PROFILE = 'postgresql-replication';

/** A primary of PostgreSQL and the standby that streams from it: two servers of an installation, on a LAN of their own. */
export interface ReplicatingPair {
  readonly guests: readonly [GuestServer, GuestServer];
  readonly primary: ReplicaServer;
  readonly standby: ReplicaServer;
  /** Declares what the two are to each other, both ways, as both may go back. */
  relate(parameters: Readonly<Record<string, string>>): Promise<void>;
  /** Waits until the standby has all there is, and expects the same rows of both. Returns them. */
  agree(): Promise<string>;
}

/** `addresses`: on their LAN, with prefix. Nothing is declared of what they are to each other. */
export async function addReplicatingPair(
  stack: E2eStack,
  names: readonly [primary: string, standby: string],
  addresses: readonly [string, string],
): Promise<ReplicatingPair> {
  const [here, there] = await layWire(addresses);
  const guests = [
    await stack.addServer({ name: names[0], guest: 'postgresql', lan: here }),
    await stack.addServer({ name: names[1], guest: 'postgresql', lan: there }),
  ] as const;
  await Promise.all(
    guests.map(async ({ uuid, lan }) => {
      await waitForAgent(uuid, WITHIN_MS);
      if (lan !== null) await joinLan(uuid, lan);
      await waitForPostgresql(uuid, WITHIN_MS);
    }),
  );
  const [primary, standby] = [replicaOf(guests[0]), replicaOf(guests[1])];
  await replicate(primary, standby);
  return {
    guests,
    primary,
    standby,
    relate: (parameters) =>
      stack.declareRelations(
        { name: 'standby', type: 'replicates-with', server: names[0], peers: [{ server: names[1] }], profile: PROFILE, parameters },
        { name: 'primary', type: 'replicates-with', server: names[1], peers: [{ server: names[0] }], profile: PROFILE, parameters },
      ),
    agree: async () => {
      await follows(standby, primary);
      const rows = await primary.rows();
      expect(await standby.rows()).toBe(rows);
      return rows;
    },
  };
}
