import type { GuestSpace } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import type { StagedPart } from '../../domain/planning/file-comparison';
import { tooTightFor } from '../../domain/planning/guest-room';
import type { GuestAgent } from '../guest-agent';
import { mustRunInGuest, type GuestWork } from '../guest-process';

/**
 * File systems of the guest without room for what is fetched beside the files in use: root's programs may take the last block of one, and then the server's own
 * have none. Reads only.
 *
 * @param restoreSize bytes that a restore of the whole recovery point writes, asked for only where room is tight: there names of one file count once
 * Throws `DATA_RESTORE_FAILED` when the guest does not say it.
 */
export async function tightRoom(
  agent: GuestAgent,
  parts: readonly Pick<StagedPart, 'base' | 'fetchBytes'>[],
  restoreSize: () => Promise<number>,
  { signal }: GuestWork,
): Promise<readonly GuestSpace[]> {
  const spaces = new Map<string, { directory: string; fetchBytes: number; freeBytes: number }>();
  for (const { base, fetchBytes } of parts) {
    const { stdout } = await mustRunInGuest(agent, { argv: ['stat', '-f', '-c', '%i %a %S', '--', base] }, 'DATA_RESTORE_FAILED', { signal });
    const [, id, blocks, blockBytes] = /^([0-9a-f]{1,32}) (\d{1,16}) (\d{1,9})\n$/.exec(stdout) ?? [];
    if (id === undefined) throw new ModosuError('DATA_RESTORE_FAILED', 'The guest gave an answer to stat that cannot be read.');
    // Some file systems have no number of their own.
    const key = /^0+$/.test(id) ? base : id;
    const known = spaces.get(key);
    spaces.set(key, { directory: known?.directory ?? base, fetchBytes: fetchBytes + (known?.fetchBytes ?? 0), freeBytes: Number(blocks) * Number(blockBytes) });
  }
  const fetched = [...spaces.values()];
  return tooTightFor(fetched, Infinity).length === 0 ? [] : tooTightFor(fetched, await restoreSize());
}
