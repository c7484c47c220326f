import { randomFillSync } from 'node:crypto';
import { open, rm, truncate } from 'node:fs/promises';
import { createGuestServer, startGuest, waitForAgent, type GuestServer } from '../test/guests/guest-server';
import { DOMAIN, PLACE } from './place';
import { run, virsh } from './programs';

const MIB = 1024 * 1024;
export const DISK_BYTES = 4096 * MIB;
/** Random, so that nothing can be skipped or compressed; in pieces over the whole disk, as data lies on a disk that has been used. */
const PIECES = 48;
const PIECE_BYTES = 32 * MIB;
const FIRST_PIECE_AT = 256 * MIB;
const PIECE_EVERY = 80 * MIB;
/** Where a piece of random data begins. */
export const pieceAt = (index: number): number => FIRST_PIECE_AT + (index % PIECES) * PIECE_EVERY;
export const RANDOM_BYTES = PIECES * PIECE_BYTES;

/**
 * A server with one qcow2 disk: a small system at its start, random data behind it. It is started, and its agent answers. What a disk has beyond `DISK_BYTES` is
 * a hole: a larger one holds the same.
 */
export async function makeServer(signal: AbortSignal, { name = DOMAIN, diskBytes = DISK_BYTES } = {}): Promise<GuestServer> {
  const server = await createGuestServer({ name, guest: 'minimal', directory: PLACE.servers, start: false });
  try {
    await fill(server.systemDisk.path, diskBytes, signal);
    await startGuest(server.uuid);
    await waitForAgent(server.uuid, 180_000);
    return server;
  } catch (error) {
    await server.destroy();
    throw error;
  }
}

async function fill(path: string, diskBytes: number, signal: AbortSignal): Promise<void> {
  const raw = `${path}.raw`;
  await run(signal, 'qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', path, raw);
  await truncate(raw, diskBytes);
  const file = await open(raw, 'r+');
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let i = 0; i < PIECES; i += 1) {
      signal.throwIfAborted();
      await file.write(randomFillSync(piece), 0, PIECE_BYTES, pieceAt(i));
    }
  } finally {
    await file.close();
  }
  await rm(path);
  await run(signal, 'qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, path);
  await rm(raw);
}

/** The file the server's disk is in now: a restore gives it another one. */
export async function presentDisk(server: GuestServer, signal: AbortSignal): Promise<string> {
  const line = (await virsh(signal, 'domblklist', server.uuid)).split('\n').find((text) => /^\s*vda\s/.test(text));
  const path = line?.replace(/^\s*vda\s+/, '').trim();
  if (path === undefined || !path.startsWith('/')) throw new Error(`The disk of ${server.name} cannot be found.`);
  return path;
}
