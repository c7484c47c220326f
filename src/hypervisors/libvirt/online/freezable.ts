import { isModosuError, ModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import { ALLOW_FREEZE_HINT, missingFreezeCommands, WITHOUT_FREEZE } from '../../../domain/planning/backup-rules';
import type { GuestAgent } from '../../../guests/guest-agent';
import { quiesceFailed } from './quiesce-hooks';

const AGENT_MS = 3_000;
const AGENT_HINT = `Install or start qemu-guest-agent in the guest. ${WITHOUT_FREEZE}`;
export const FROZEN_BY_OTHERS_HINT = 'Find out who froze them; `virsh domfsthaw DOMAIN` thaws them.';

/**
 * Throws `AGENT_ABSENT`, `AGENT_SILENT`, `QUIESCE_FAILED` when the file systems of the server cannot be frozen, as far as that can be told beforehand.
 * Changes nothing.
 */
export async function requireFreezable(server: ServerRef, agent: GuestAgent, hasAgentChannel: boolean): Promise<void> {
  if (!hasAgentChannel) {
    throw new ModosuError('AGENT_ABSENT', `${server.name} has no channel for a guest agent, and without it nothing can be frozen.`, { hint: AGENT_HINT });
  }
  try {
    const { commands } = await agent.info(AGENT_MS);
    const missing = missingFreezeCommands(commands);
    if (missing.length > 0) {
      throw quiesceFailed(`The guest agent of ${server.name} does not offer ${missing.join(', ')}.`, `${ALLOW_FREEZE_HINT} ${WITHOUT_FREEZE}`);
    }
    if (await agent.isFrozen(AGENT_MS)) throw quiesceFailed(`The file systems of ${server.name} are frozen already, by somebody else.`, FROZEN_BY_OTHERS_HINT);
  } catch (error) {
    if (isModosuError(error) && error.code === 'AGENT_SILENT') {
      throw new ModosuError('AGENT_SILENT', error.message, { hint: AGENT_HINT, context: error.context, cause: error });
    }
    if (isModosuError(error) && (error.code === 'AGENT_COMMAND_FAILED' || error.code === 'GUEST_COMMAND_FORBIDDEN')) throw quiesceFailed(error.message);
    throw error;
  }
}
