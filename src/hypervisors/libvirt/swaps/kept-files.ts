import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../../../system/files';

/** A file as a way back remembers it. */
export interface KeptFile {
  readonly path: string;
  /** `NOT_THERE` when it was missing at the time; `UNKNOWN` in records of the first version. */
  readonly identity: string;
  /** Identity of its directory: tells a deleted file from one on a file system that is not mounted now. */
  readonly directory: string;
}

export const NOT_THERE = 'not there';
export const UNKNOWN = 'unknown';

/** `unreachable`: nobody can know now whether it is there. */
export type FileState = 'same' | 'missing' | 'exchanged' | 'unreachable';

const SECTOR_BYTES = 512;

/**
 * What is remembered about a file; links are followed. One that cannot be reached is as good as not there: broken storage is a reason for a restore, not
 * against it.
 */
export async function remember(path: string): Promise<KeptFile & { readonly allocatedBytes: number }> {
  const found = await lookOrNull(path);
  const directory = (await lookOrNull(dirname(path)))?.identity ?? NOT_THERE;
  return { path, identity: found?.identity ?? NOT_THERE, directory, allocatedBytes: found?.allocatedBytes ?? 0 };
}

/** Whether what stands at the path now is what was remembered. Never throws for what the file system says. */
export async function stateOf(file: KeptFile): Promise<FileState> {
  try {
    const found = await look(file.path);
    if (found !== null) return file.identity === UNKNOWN || isSame(file.identity, found.identity) ? 'same' : 'exchanged';
    const directory = await look(dirname(file.path));
    if (directory === null) return 'unreachable';
    return file.directory === UNKNOWN || file.directory === NOT_THERE || isSame(file.directory, directory.identity) ? 'missing' : 'unreachable';
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return 'unreachable';
  }
}

/** Room the file takes now; 0 when it is not there or cannot be reached. */
export async function allocatedBytesOf(path: string): Promise<number> {
  return (await lookOrNull(path))?.allocatedBytes ?? 0;
}

/** `device:inode`, the same under every name the file goes by; null when nothing is there or it cannot be reached. */
export async function inodeOf(path: string): Promise<string | null> {
  const found = await lookOrNull(path);
  return found === null ? null : found.identity.split(':').slice(0, 2).join(':');
}

/**
 * Device, inode and birth. The inode alone proves nothing: ext4 gives the number of a deleted file to the next one. The device's number may change with a
 * reboot or a new mount, so it counts only where the file system records no birth.
 */
function isSame(remembered: string, now: string): boolean {
  const [deviceThen, inodeThen, bornThen] = remembered.split(':');
  const [deviceNow, inodeNow, bornNow] = now.split(':');
  return inodeThen === inodeNow && bornThen === bornNow && (deviceThen === deviceNow || bornNow !== '0');
}

async function lookOrNull(path: string): ReturnType<typeof look> {
  try {
    return await look(path);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return null;
  }
}

async function look(path: string): Promise<{ readonly identity: string; readonly allocatedBytes: number } | null> {
  try {
    const { dev, ino, birthtimeNs, blocks } = await stat(path, { bigint: true });
    return { identity: `${dev}:${ino}:${birthtimeNs}`, allocatedBytes: Number(blocks) * SECTOR_BYTES };
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
    throw error;
  }
}
