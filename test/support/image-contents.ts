import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mustRun } from '../guests/run-program';

/** Where the root partition of a test guest begins; `test/guests/recipe/guests.mjs` puts it there. */
const ROOT_OFFSET_BYTES = 41 * 1024 ** 2;

/**
 * SHA-256 of a file as it lies in the root file system of an image (qcow2) of a test guest. Nothing is booted, mounted or replayed: what only the journal
 * holds does not count.
 */
export async function sha256InImage(imagePath: string, guestPath: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'modosu-image-'));
  try {
    const plain = join(directory, 'plain');
    await mustRun('COPY_FAILED', 'qemu-img', ['convert', '-U', '-f', 'qcow2', '-O', 'raw', imagePath, plain]);
    return await sha256OfOutput('debugfs', ['-R', `cat ${guestPath}`, `${plain}?offset=${ROOT_OFFSET_BYTES}`]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function sha256OfOutput(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.on('data', (piece: Buffer) => hash.update(piece));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(hash.digest('hex')) : reject(new Error(`${command} ended with ${code}`))));
  });
}
