import type { Fence, ServerRef } from '../src/contracts/server';
import type { RunInput } from '../src/contracts/workflows';
import type { GuestAgent } from '../src/guests/guest-agent';
import type { ActivityDependencies } from './dependencies';

/** The server of a run: how ports are told of it, its guest, and whether the run still holds it. */

export const fenceOf = (input: Pick<RunInput, 'runId' | 'fencingToken'>): Fence => ({ runId: input.runId, token: input.fencingToken });
export const serverRef = (input: Pick<RunInput, 'uuid' | 'serverName'>): ServerRef => ({ uuid: input.uuid, name: input.serverName });

/** Whoever runs programs in the guest of a server: its agent, or SSH where that is declared. */
export async function guestOf(
  deps: ActivityDependencies,
  { hypervisor, uuid, serverName, serverId }: Pick<RunInput, 'hypervisor' | 'uuid' | 'serverName' | 'serverId'>,
): Promise<GuestAgent> {
  const server = { uuid, name: serverName };
  const agent = (await deps.hypervisor(hypervisor)).guestAgent(server);
  const { ssh } = (await deps.catalog.getServer(serverId)).protection;
  return ssh === null ? agent : deps.overSsh(agent, server, ssh);
}

/**
 * Asked right before data in a guest is changed, whatever was asked before: a worker that comes back to life, or a workflow that somebody has reset, must not
 * write into a server that another run holds by now.
 */
export const requireHeld = async (deps: ActivityDependencies, input: RunInput): Promise<void> =>
  (await deps.hypervisor(input.hypervisor)).requireFence(serverRef(input), fenceOf(input));
