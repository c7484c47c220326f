import type { GuestServer } from '../test/guests/guest-server';
import { virsh } from './programs';
import { pieceAt, presentDisk } from './server';

const MIB = 1024 * 1024;
const CHANGES = 64;
const PLACES = Array.from({ length: CHANGES }, (_, index) => pieceAt(index) + (index % 32) * MIB);

/** What `changeDisk` changes. */
export const CHANGED_BYTES = CHANGES * MIB;

/** No zeroes, and another one each time. */
export const patternOf = (count: number): number => 1 + (count % 255);

/**
 * Changes 64 MiB of a running server's disk: pieces of 1 MiB all over the random data, always the same ones, so that whoever has looked last before several of
 * these changes sees no more than one. Through QEMU, past the guest, which knows nothing of that area: under emulation it would write for longer than all sides
 * together take.
 */
export async function changeDisk(server: GuestServer, pattern: number, signal: AbortSignal): Promise<void> {
  const monitor = (command: string): Promise<string> => virsh(signal, 'qemu-monitor-command', server.uuid, '--hmp', command);
  const device = deviceOf(await monitor('info block'), await presentDisk(server, signal));
  if (device === null) throw new Error(`QEMU does not say where it has attached the disk of ${server.name}.`);
  for (const command of [...PLACES.map((place) => `write -P ${pattern} ${place} ${MIB}`), 'flush']) {
    // What it says of a command that ended well goes to QEMU's own log. Whether all was changed shows in what the sides write.
    const said = (await monitor(`qemu-io -d ${device} "${command}"`)).trim();
    if (said !== '') throw new Error(`The disk of ${server.name} could not be changed: ${said}`);
  }
}

/** The device a disk file is attached to, in QEMU's `info block`: the line after the file says it. */
export function deviceOf(blocks: string, path: string): string | null {
  const lines = blocks.split('\n');
  const at = lines.findIndex((line) => line.includes(`: ${path} (`));
  return at < 0 ? null : (/Attached to:\s+(\S+)/.exec(lines[at + 1] ?? '')?.[1] ?? null);
}
