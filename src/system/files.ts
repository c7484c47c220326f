import { createHash, randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { link, lstat, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { types } from 'node:util';
import { ModosuError } from '../contracts/errors';
import { hasControlCharacters, quoted } from '../contracts/text';

/**
 * Files that must survive a power cut, and files that others have written. Unless said otherwise these functions throw Node's own errors
 * (`errorCode` reads their code): only the caller knows what a missing file means.
 *
 * A failed fsync means that the file is garbage: the kernel may have dropped the pages and the next fsync would succeed.
 * Delete the file and write it again; never repeat the fsync.
 */

/** `ENOENT`, `EIO` …; undefined for what is not a system error. Not `instanceof`: errors of Node's core come from another realm under Jest. */
export const errorCode = (thrown: unknown): string | undefined =>
  types.isNativeError(thrown) && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;

/** The message of any thrown value. */
export const errorMessage = (thrown: unknown): string => (types.isNativeError(thrown) ? thrown.message : String(thrown));

/** Returns when the content of the file is on stable storage. */
export async function fsyncFile(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes entries that were created, renamed or removed in the directory durable. */
export async function fsyncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/*
 * How a whole file is written. The content goes into a draft beside the file, which nobody else can know or have put there (a random name, made exclusively);
 * it gets the mode asked for, whatever the umask, and its content is on stable storage (fsync) before it is given its name. Giving the name is one step of the
 * file system: whoever opens the file sees the old content or the new, never half of it, also after a power cut, because no name leads to bytes that are not
 * written yet. The fsync of the directory then makes the name itself last: after it the old content does not come back. A link that stands at the path is
 * replaced, never written through. What throws has changed nothing (but for that last fsync) and leaves no draft; a crash may leave one, `.NAME.RANDOM.tmp`,
 * which nobody reads.
 */

/** Writes a whole file so that after a crash at any moment either the old or the new content is there; when it returns, the new. Replaces an existing file. */
export async function writeFileDurably(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  await throughDraft(path, data, { mode, flush: true }, (draft) => rename(draft, path));
  await fsyncDirectory(dirname(path));
}

/**
 * The same without waiting for storage: whole or not at all as long as the machine runs. A power cut may leave an empty file, or the old one. Only for what
 * means nothing after a power cut, and must not wait for slow storage.
 */
export async function writeFileQuickly(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  await throughDraft(path, data, { mode, flush: false }, (draft) => rename(draft, path));
}

/**
 * Like `writeFileDurably`, for a file that must not be there yet: exactly one of several processes writes it, whole. False: something stands at the path, and
 * was left alone.
 */
export async function createFileDurably(path: string, data: string | Uint8Array, mode = 0o600): Promise<boolean> {
  try {
    await throughDraft(path, data, { mode, flush: true }, async (draft) => {
      await link(draft, path);
      await rm(draft);
    });
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  await fsyncDirectory(dirname(path));
  return true;
}

interface DraftOptions {
  readonly mode: number;
  /** Whether the content is on stable storage before the draft is put in place. */
  readonly flush: boolean;
}

async function throughDraft(path: string, data: string | Uint8Array, { mode, flush }: DraftOptions, put: (draft: string) => Promise<void>): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(draft, 'wx', mode);
    try {
      await handle.chmod(mode);
      await handle.writeFile(data);
      if (flush) await handle.sync();
    } finally {
      await handle.close();
    }
    await put(draft);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Bytes an ordinary user may still write below `directory`. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/**
 * Path jail: the absolute path of `relative` below `root`. Purely textual: symbolic links are the caller's business.
 * @throws PATH_NOT_ALLOWED for absolute paths, `.` and `..`, empty parts, control characters
 */
export function insideDirectory(root: string, relative: string): string {
  const parts = relative.split('/');
  const hostile = parts.some((part) => part === '' || part === '.' || part === '..') || hasControlCharacters(relative);
  if (hostile) {
    throw new ModosuError('PATH_NOT_ALLOWED', `The path ${quoted(relative, 200)} does not stay inside ${root}`, {
      hint: `Only plain relative paths below ${root} are possible here.`,
      context: { root },
    });
  }
  return join(root, ...parts);
}

/** The last `maxBytes` of a file of our own, as text (all of it when it is shorter), and whether something stands before them. Throws Node's errors. */
export async function readEnd(path: string, maxBytes: number): Promise<{ readonly text: string; readonly isCut: boolean }> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, maxBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return { text: buffer.toString('utf8', 0, bytesRead), isCut: length < size };
  } finally {
    await handle.close();
  }
}

export interface FileStart {
  readonly bytes: Uint8Array;
  /** Of the whole file. */
  readonly sizeBytes: number;
}

/**
 * The first `maxBytes` of a file (fewer when it is shorter). Never blocks on a FIFO and never opens a device.
 * @param options.followLinks true for disks of servers, whose paths may be links; false inside a repository
 * @throws IMAGE_HEADER_REFUSED for anything that is not a regular file; Node's error (`ENOENT` …) when it cannot be opened
 */
export async function readStart(path: string, maxBytes: number, options: { readonly followLinks?: boolean } = {}): Promise<FileStart> {
  const followLinks = options.followLinks ?? true;
  // Looked at before it is opened, because opening a device may do something; and again afterwards, because it may have been exchanged.
  refuseUnlessRegular(path, followLinks ? await stat(path) : await lstat(path));
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | (followLinks ? 0 : constants.O_NOFOLLOW));
  try {
    const stats = await handle.stat();
    refuseUnlessRegular(path, stats);
    const buffer = new Uint8Array(Math.min(maxBytes, stats.size));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return { bytes: buffer.subarray(0, filled), sizeBytes: stats.size };
  } finally {
    await handle.close();
  }
}

function refuseUnlessRegular(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory()
    ? 'a directory'
    : stats.isFIFO()
      ? 'a FIFO'
      : stats.isSymbolicLink()
        ? 'a symbolic link'
        : stats.isSocket()
          ? 'a socket'
          : 'a device';
  throw new ModosuError('IMAGE_HEADER_REFUSED', `${path} is ${kind}, not a regular file; it was not opened`, { context: { path, field: 'file_type' } });
}

/** True when something stands at `path` (links are not followed). Throws for anything but "not there". */
export async function fileExists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** SHA-256 of a small file (definition, NVRAM), lower-case hex. Images are hashed by `segment-hash.ts`, off the event loop. */
export async function sha256OfFile(path: string): Promise<string> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const hash = createHash('sha256');
  // The stream closes the handle, also when it fails.
  await pipeline(handle.createReadStream(), hash);
  return hash.digest('hex');
}
