import { constants } from 'node:fs';
import { lstat, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ErrorCode } from '../../../contracts/error-codes';
import { ModosuError } from '../../../contracts/errors';
import { errorCode, fsyncDirectory } from '../../../system/files';
import { applyOwnership, type Ownership } from './copies';

/** NVRAM files are 64 KiB to 4 MiB; more is no NVRAM. */
const MAX_NVRAM_BYTES = 64 * 1024 * 1024;

/** Whole content of an NVRAM file. Throws `IMAGE_HEADER_REFUSED`, or Node's error when it cannot be read. */
export async function readNvram(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > MAX_NVRAM_BYTES) throw new ModosuError('IMAGE_HEADER_REFUSED', `${path} is too large for an NVRAM file (${size} bytes).`, { context: { path } });
  return await readFile(path);
}

/** The NVRAM a server uses now. Throws `DISK_FILE_MISSING` when it is not there. */
export async function readPresentNvram(path: string): Promise<Buffer> {
  try {
    return await readNvram(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') {
      throw new ModosuError('DISK_FILE_MISSING', `The NVRAM file ${path} does not exist.`, { context: { path }, cause: error });
    }
    throw error;
  }
}

/**
 * Writes a new file (private, durable, never through a link), replacing one of an earlier attempt. In its place and not through a draft: nobody reads it before
 * the step that writes it has succeeded, the next attempt begins anew, and a draft that a crash leaves among volumes or staged files would be nobody's. Throws
 * `unreachableCode`, `VOLUME_EXISTS`, `NOT_ENOUGH_SPACE`.
 */
export async function writeNew(path: string, content: string | Uint8Array, owner: Ownership | null, unreachableCode: ErrorCode): Promise<void> {
  try {
    const present = await lstat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (present !== null && !present.isFile()) throw new ModosuError('VOLUME_EXISTS', `${path} exists and is not a regular file.`, { context: { path } });
    if (present !== null) await unlink(path);
    const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    if (owner !== null) await applyOwnership(path, owner);
    await fsyncDirectory(dirname(path));
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new ModosuError('NOT_ENOUGH_SPACE', `No space is left for ${path}.`, { context: { path }, cause: error });
    if (code !== undefined && ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'ESTALE'].includes(code)) {
      throw new ModosuError(unreachableCode, `${path} cannot be written (${code}).`, { context: { path }, cause: error });
    }
    throw error;
  }
}
