import type { BackupSubject } from '../../contracts/activities/images';
import { ERROR_CODES } from '../../contracts/error-codes';
import { ModosuError } from '../../contracts/errors';
import type { ImageManifest } from '../../contracts/recovery-point';
import type { ServerInspection } from '../../contracts/server';
import type { BackupImageInput } from '../../contracts/workflows';

/**
 * What an image backup of the server, as it stands, will do. A server that does not run is imaged as it lies, whatever was asked for. Room is reserved for
 * everything that its disks take now.
 *
 * @throws the first of the server's refusals; SERVER_PAUSED; AGENT_ABSENT, QUIESCE_FAILED for an online backup whose file systems
 * cannot be frozen
 */
export function backupSubject(inspection: ServerInspection, request: Pick<BackupImageInput, 'mode' | 'allowCrashConsistent' | 'serverName'>): BackupSubject {
  refuseUnsuitable(inspection, request.serverName);
  const mode = request.mode === 'online' && inspection.powerState === 'running' ? 'online' : 'offline';
  if (mode === 'online' && !request.allowCrashConsistent) refuseUnfreezable(inspection, request.serverName);
  return {
    mode,
    domainName: inspection.domainName,
    powerState: inspection.powerState,
    agent: inspection.agent.state,
    disks: inspection.disks.map(({ target, path, format, backingChain, allocatedBytes }) => ({
      target,
      path,
      format,
      flattened: backingChain.length > 0,
      allocatedBytes,
    })),
    neededBytes: inspection.disks.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, inspection.nvram?.sizeBytes ?? 0),
    definitionFingerprint: inspection.definitionFingerprint,
    hasNvram: inspection.nvram !== null,
  };
}

function refuseUnsuitable({ refusals, powerState }: ServerInspection, name: string): void {
  const [first] = refusals;
  if (first) {
    throw new ModosuError(first.code, first.message, { hint: first.hint, context: { ...first.context, allRefusals: refusals.map(({ code }) => code) } });
  }
  if (powerState === 'paused') throw new ModosuError('SERVER_PAUSED', `${name} is paused: its guest can neither be shut down nor frozen.`);
}

/** What an agent has to be allowed so that file systems are frozen, looked at, and thawed again whatever happens. */
const FREEZE_COMMANDS = ['guest-fsfreeze-freeze', 'guest-fsfreeze-thaw', 'guest-fsfreeze-status'];
/** Those that it does not allow; none: it can be asked to freeze. */
export const missingFreezeCommands = (allowed: readonly string[]): readonly string[] => FREEZE_COMMANDS.filter((command) => !allowed.includes(command));
export const ALLOW_FREEZE_HINT = "Allow them in the agent's configuration (on RHEL and its family BLACKLIST_RPC in /etc/sysconfig/qemu-ga).";
export const WITHOUT_FREEZE = 'Or go on without: --allow-crash-consistent labels the recovery point "crash".';

/** Said before anything is done: an online backup freezes the file systems through the agent. */
function refuseUnfreezable({ agent }: ServerInspection, name: string): void {
  if (agent.state === 'absent') {
    throw new ModosuError('AGENT_ABSENT', `${name} has no channel for a guest agent: its file systems cannot be frozen for an online backup.`, {
      hint: `${ERROR_CODES.AGENT_ABSENT.hint} ${WITHOUT_FREEZE}`,
    });
  }
  if (agent.state === 'silent') {
    throw new ModosuError('QUIESCE_FAILED', `The guest agent of ${name} does not answer: its file systems cannot be frozen for an online backup.`, {
      hint: `Start qemu-guest-agent in the guest. ${WITHOUT_FREEZE}`,
    });
  }
  const missing = missingFreezeCommands(agent.commands);
  if (missing.length > 0) {
    throw new ModosuError('QUIESCE_FAILED', `The guest agent of ${name} forbids ${missing.join(', ')}.`, {
      hint: `${ALLOW_FREEZE_HINT} ${WITHOUT_FREEZE}`,
    });
  }
}

/** A definition edited during the copy would describe other disks than those that were copied. @throws DEFINITION_CHANGED */
export function requireSameDefinition(
  subject: Pick<BackupSubject, 'definitionFingerprint'>,
  now: Pick<ServerInspection, 'definitionFingerprint'>,
  serverName: string,
): void {
  if (now.definitionFingerprint === subject.definitionFingerprint) return;
  throw new ModosuError('DEFINITION_CHANGED', `The definition of ${serverName} was changed while its disks were copied.`);
}

/** Room that a new volume takes at most: what several images of a chain hold of the same place is written once, and a qcow2 volume has tables. */
export const volumeBytes = (virtualSizeBytes: number, storedBytesOfImages: number): number => Math.min(storedBytesOfImages, Math.ceil(virtualSizeBytes * 1.01));

/** What a recovery point takes in the repository: images, definition and firmware variables. */
export const storedBytes = ({ disks, definition, nvram }: Pick<ImageManifest, 'disks' | 'definition' | 'nvram'>): number =>
  disks.reduce((sum, { image }) => sum + image.sizeBytes, definition.sizeBytes + (nvram?.sizeBytes ?? 0));
