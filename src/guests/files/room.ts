import type { GuestSpace } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import type { StagedPart } from '../../domain/file-comparison';
import type { GuestAgent } from '../guest-agent';
import { mustRunInGuest, type GuestWork } from './guest-process';

/** Left to whatever runs in the guest, where much is fetched: a small file comes back to a nearly full disk too. */
const RESERVE_BYTES = 32 * 1024 * 1024;

/**
 * Room for what is fetched beside the files in use, for each file system it goes to: root's programs may take the last block of one, and then the server's own have none. Reads only.
 * Throws `DATA_RESTORE_FAILED` when the guest does not say it.
 */
export async function roomFor(agent: GuestAgent, parts: readonly Pick<StagedPart, 'base' | 'fetchBytes'>[], { signal }: GuestWork): Promise<readonly GuestSpace[]> {
  const spaces: GuestSpace[] = [];
  for (const { base, fetchBytes } of parts) {
    const { stdout } = await mustRunInGuest(agent, { argv: ['stat', '-f', '-c', '%a %S', '--', base] }, 'DATA_RESTORE_FAILED', { signal });
    const [, blocks, blockBytes] = /^(\d{1,16}) (\d{1,9})\n$/.exec(stdout) ?? [];
    if (blocks === undefined) throw new ModosuError('DATA_RESTORE_FAILED', 'The guest gave an answer to stat that cannot be read.');
    spaces.push({ directory: base, neededBytes: fetchBytes + Math.min(RESERVE_BYTES, fetchBytes), freeBytes: Number(blocks) * Number(blockBytes) });
  }
  return spaces;
}
