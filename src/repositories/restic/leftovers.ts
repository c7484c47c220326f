import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../system/files';

/** As restic calls what it writes before it has its name. */
const UNFINISHED = /^[0-9a-f]{64}-tmp-\d+$/;

/**
 * Removes from a repository in a directory what a restic that was killed has left half-written: no command of restic's ever does, and each one takes the room of
 * a pack. Called after a prune, which has had the repository for itself: what is older than its beginning belongs to nobody. Idempotent.
 *
 * @param before when the prune began
 */
export async function removeLeftovers(repository: string, before: Date): Promise<void> {
  const data = join(repository, 'data');
  for (const directory of [join(repository, 'index'), join(repository, 'snapshots'), ...(await namesIn(data)).map((name) => join(data, name))]) {
    for (const name of await namesIn(directory)) {
      if (!UNFINISHED.test(name)) continue;
      const path = join(directory, name);
      if ((await lstat(path)).mtime < before) await rm(path, { force: true });
    }
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return [];
    throw error;
  }
}
