import { dirname } from 'node:path';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import { errorCode, errorMessage, fileExists } from '../../../system/files';

/**
 * Runs `work`, which reads a file of a recovery point, and says what its system errors mean. A recovery point that is reported incomplete is marked damaged
 * for good, so only a file that is missing from a directory that is there counts as that. Everything else is storage that does not work now, EIO included:
 * soft NFS time-outs, a device that went offline and a file system that was shut down all give it. Throws `RECOVERY_POINT_INCOMPLETE` or
 * `REPOSITORY_UNREACHABLE` (retry later); errors of Modosu pass.
 */
export async function readingStored<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isModosuError(error) || !isSystemError(error)) throw error;
    const isMissing = errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR';
    // Without its directory nobody can know whether the file is gone: the repository is most likely not mounted.
    if (isMissing && (await fileExists(dirname(path)).catch(() => false))) {
      throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `The stored file ${path} does not exist.`, { context: { path }, cause: error });
    }
    throw new ModosuError('REPOSITORY_UNREACHABLE', `The stored file ${path} cannot be read now: ${errorMessage(error)}.`, { context: { path }, cause: error });
  }
}

/** True for what the operating system has refused (`ENOENT`, `EIO` …). */
const isSystemError = (error: unknown): boolean => /^E[A-Z0-9]+$/.test(errorCode(error) ?? '');
