import { readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ErrorCode } from '../../src/contracts/error-codes';
import { ModosuError } from '../../src/contracts/errors';
import type { DiskFormat } from '../../src/contracts/server';
import type { TransferContext } from '../../src/hypervisors/hypervisor';
import { errorCode, fileExists } from '../../src/system/files';
import { fakeQcow2, fakeQcow2Content } from './fake-qcow2';

/** The disks and images of the fake hypervisor: small files. */

/** To whole sectors. */
export const padded = (content: Uint8Array): Buffer => Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);

export async function writeImage(path: string, format: DiskFormat, content: Uint8Array): Promise<void> {
  await writeFile(path, format === 'qcow2' ? fakeQcow2(content) : content);
}

/** What the guest would see on a fake disk. */
export async function readImage(path: string, format: DiskFormat): Promise<Buffer> {
  const bytes = await readFile(path);
  return format === 'qcow2' ? fakeQcow2Content(bytes) : bytes;
}

export async function requireFile(path: string): Promise<void> {
  if (!(await fileExists(path))) throw new ModosuError('DISK_FILE_MISSING', `The disk file ${path} does not exist.`);
}

export async function writeReachable(path: string, content: Uint8Array, unreachableCode: ErrorCode): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') {
      throw new ModosuError(unreachableCode, `The directory ${dirname(path)} does not exist.`, { cause: error });
    }
    throw error;
  }
}

interface Pace {
  /** What progress says, whatever is written. */
  readonly totalBytes: number;
  readonly unreachableCode: ErrorCode;
  readonly copyMs: number;
  /** It makes half of its way and then waits for its abort. */
  readonly hangs: boolean;
}

export async function writeSlowly(
  path: string,
  bytes: Uint8Array,
  { totalBytes, unreachableCode, copyMs, hangs }: Pace,
  context: TransferContext,
): Promise<void> {
  context.signal.throwIfAborted();
  await writeReachable(path, bytes.subarray(0, bytes.length / 2), unreachableCode);
  context.onProgress({ doneBytes: Math.floor(totalBytes / 2), totalBytes });
  if (hangs) {
    context.signal.throwIfAborted();
    await new Promise<never>((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error), { once: true }));
  }
  for (let part = 1; part <= 10 && copyMs > 0; part += 1) {
    await delay(copyMs / 10, undefined, { signal: context.signal }).catch(() => context.signal.throwIfAborted());
    context.onProgress({ doneBytes: Math.floor(totalBytes * (0.5 + part / 20)), totalBytes });
  }
  context.signal.throwIfAborted();
  await writeReachable(path, bytes, unreachableCode);
  context.onProgress({ doneBytes: totalBytes, totalBytes });
}
