import { stat } from 'node:fs/promises';
import { errorCode } from '../../../system/files';

/**
 * Files of CD-ROMs, floppies and attached old disks that are not there: libvirt would refuse to start a server with them. A file that cannot be looked at for
 * another reason counts as there.
 *
 * @param sources as definitions name them; what is no absolute path is no file of this host
 */
export async function missingMedia(sources: readonly (string | null)[]): Promise<readonly string[]> {
  const paths = [...new Set(sources.filter((source) => source !== null))].filter((source) => source.startsWith('/'));
  const gone = await Promise.all(paths.map(isGone));
  return paths.filter((_, index) => gone[index] === true);
}

async function isGone(path: string): Promise<boolean> {
  try {
    await stat(path);
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');
  }
}
