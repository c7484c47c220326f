import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ModosuError } from '../../../contracts/errors';
import { formatBytes } from '../../../contracts/format';
import { asRecord, isCount, parseJson } from '../../../contracts/json';
import { runCommand } from '../../../system/child-process';
import { errorCode, errorMessage, freeBytes, fsyncDirectory } from '../../../system/files';
import { applyOwnership, createEmpty } from '../volumes/copies';
import { imageName, judgeContinuedQcow2, judgeStandaloneQcow2, type ImageChain } from '../volumes/disk-images';
import { libvirtMessage } from '../virsh';

/** What an image may need beyond what was measured while the guest wrote on. */
const MARGIN_BYTES = 16 * 1024 ** 2;
const MARGIN_SHARE = 0.02;
const TIMEOUT_MS = 120_000;
const SECTOR_BYTES = 512;
const NO_FALLOCATE = /not supported/i;

export interface BackupTarget {
  readonly targetPath: string;
  readonly chain: ImageChain;
  /** For an image that continues another: the name of its backing file, for its header alone. */
  readonly backingName?: string | undefined;
}

/** A table of this many bytes stands for so many of the disk: what an image of scattered changes needs besides them. */
const TABLE_SHARE = 1 / 8192;

/** Makes an empty image for QEMU to write to: private, new, never through a link. Throws `REPOSITORY_UNREACHABLE`, `NOT_ENOUGH_SPACE`, `BACKUP_JOB_FAILED`. */
export async function createTarget({ targetPath, chain, backingName }: BackupTarget): Promise<void> {
  await createEmpty({ targetPath, unreachableCode: 'REPOSITORY_UNREACHABLE' });
  // The name leads to the parent only once the image is published: nothing is opened (-u), by us or by QEMU.
  const backing = backingName === undefined ? [] : ['-u', '-b', backingName, '-F', 'qcow2'];
  const outcome = await runCommand(['qemu-img', 'create', '-q', '-f', 'qcow2', ...backing, targetPath, String(chain.virtualSizeBytes)], {
    timeoutMs: TIMEOUT_MS,
  });
  if (outcome.exitCode === 0) return;
  if (/No space left|quota exceeded/i.test(outcome.stderr)) {
    throw new ModosuError('NOT_ENOUGH_SPACE', `No space is left for ${targetPath}.`, { context: { path: targetPath } });
  }
  throw new ModosuError('BACKUP_JOB_FAILED', `The image ${targetPath} could not be made: ${libvirtMessage(outcome.stderr)}`, { context: { path: targetPath } });
}

/** Room a flat image of a disk in use takes at most: what is measured now and a margin, never more than the whole disk. */
export async function measureTarget({ targetPath, chain }: BackupTarget): Promise<number> {
  const outcome = await runCommand(['qemu-img', 'measure', '--force-share', '--output=json', '-O', 'qcow2', imageName(chain.files)], {
    timeoutMs: TIMEOUT_MS,
  });
  const refused = (why: string): ModosuError =>
    new ModosuError('BACKUP_JOB_FAILED', `The room that ${targetPath} needs could not be measured: ${why}`, { context: { path: targetPath } });
  if (outcome.exitCode !== 0) throw refused(libvirtMessage(outcome.stderr));
  const answer = asNumbers(outcome.stdout);
  if (answer === null) throw refused('the answer of qemu-img cannot be read.');
  return Math.min(answer.fullyAllocated, Math.ceil(answer.required * (1 + MARGIN_SHARE)) + MARGIN_BYTES);
}

/** Room that an image of what has changed takes at most. The guest writes on until the job begins, hence the margin. */
export const changesTarget = ({ chain }: BackupTarget, changedBytes: number): number =>
  Math.ceil(changedBytes * (1 + MARGIN_SHARE) + chain.virtualSizeBytes * TABLE_SHARE) + MARGIN_BYTES;

/**
 * Reserves room beyond the end of the files, so that neither QEMU nor the guest's own writes meet a full storage. All or `NOT_ENOUGH_SPACE` with numbers. A
 * file system that cannot reserve is only asked how much is free.
 */
export async function reserve(needs: readonly { readonly targetPath: string; readonly neededBytes: number }[]): Promise<void> {
  for (const [index, { targetPath, neededBytes }] of needs.entries()) {
    const directory = dirname(targetPath);
    const ahead = needs.slice(index).reduce((sum, need) => sum + need.neededBytes, 0);
    const free = await freeBytes(directory);
    const full = (): ModosuError =>
      new ModosuError('NOT_ENOUGH_SPACE', `${directory} has ${formatBytes(free)} free, and the images still to be written need ${formatBytes(ahead)}.`, {
        context: { directory, freeBytes: free, neededBytes: ahead },
      });
    if (free < ahead) throw full();
    const outcome = await runCommand(['fallocate', '--keep-size', '--offset', '0', '--length', String(neededBytes), targetPath], { timeoutMs: TIMEOUT_MS });
    if (outcome.exitCode === 0 || NO_FALLOCATE.test(outcome.stderr)) continue;
    if (/No space left|quota exceeded/i.test(outcome.stderr)) throw full();
    throw new ModosuError('REPOSITORY_UNREACHABLE', `No room could be reserved for ${targetPath}: ${libvirtMessage(outcome.stderr)}`, {
      context: { path: targetPath },
    });
  }
}

/**
 * Makes an image that QEMU has written ours: reserved room given back, private, on stable storage. Idempotent. Throws `BACKUP_JOB_FAILED` for an image that is
 * not what it should be, also when it could not be flushed: what the kernel has dropped then is lost.
 */
export async function sealTarget(
  { targetPath, virtualSizeBytes, backingName }: { readonly targetPath: string; readonly virtualSizeBytes: number; readonly backingName?: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  try {
    const judged = backingName === undefined ? await judgeStandaloneQcow2(targetPath) : await judgeContinuedQcow2(targetPath, (named) => named === backingName);
    if (judged.virtualSizeBytes !== virtualSizeBytes) throw new Error(`it is ${judged.virtualSizeBytes} bytes large for the guest, not ${virtualSizeBytes}`);
    const file = await open(targetPath, 'r+');
    try {
      await file.truncate((await file.stat()).size);
    } finally {
      await file.close();
    }
    await applyOwnership(targetPath, { uid: 0, gid: 0, mode: 0o600 });
    await flush(targetPath, signal);
    await fsyncDirectory(dirname(targetPath));
  } catch (error) {
    signal.throwIfAborted();
    throw new ModosuError('BACKUP_JOB_FAILED', `The image ${targetPath} is not usable: ${errorMessage(error)}`, {
      context: { path: targetPath },
      cause: error,
    });
  }
}

/** In a child, because a call that hangs in this process could not be ended. */
export async function flush(path: string, signal: AbortSignal): Promise<void> {
  const outcome = await runCommand(['sync', '--', path], { signal });
  if (outcome.exitCode !== 0) {
    throw new ModosuError('BACKUP_JOB_FAILED', `${path} could not be written to stable storage: ${libvirtMessage(outcome.stderr)}`, { context: { path } });
  }
}

/** Room a file takes; 0 when it is not there. */
export async function allocatedBytes(path: string): Promise<number> {
  try {
    return (await stat(path)).blocks * SECTOR_BYTES;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return 0;
  }
}

function asNumbers(text: string): { required: number; fullyAllocated: number } | null {
  const { required, 'fully-allocated': fullyAllocated } = asRecord(parseJson(text));
  return isCount(required) && isCount(fullyAllocated) ? { required, fullyAllocated } : null;
}
