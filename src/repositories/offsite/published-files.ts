import { lstat, readdir, readFile } from 'node:fs/promises';
import { isAbsolute, join, normalize, relative } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import type { ImageManifest } from '../../contracts/recovery-point';
import { quoted } from '../../contracts/text';
import { errorCode, errorMessage } from '../../system/files';
import { sha256Of } from '../../system/sha256';
import { MAX_MANIFEST_BYTES, parseManifest } from '../image/image-manifest';

/** A published recovery point as it lies in its directory. */
export interface PublishedFiles {
  readonly manifest: ImageManifest;
  readonly manifestBytes: Buffer;
  readonly manifestSha256: string;
  /** Size of every regular file by its path below the directory, `/` between its parts. */
  readonly files: ReadonlyMap<string, number>;
  readonly totalBytes: number;
}

/** Files of a directory, by their paths below it. Throws Node's errors, and `RECOVERY_POINT_CORRUPT` for what is neither a file nor a directory. */
export async function filesBelow(directory: string): Promise<ReadonlyMap<string, number>> {
  const files = new Map<string, number>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) throw new ModosuError('RECOVERY_POINT_CORRUPT', `${quoted(path, 300)} is not a regular file; no recovery point has anything else.`);
    files.set(relative(directory, path), (await lstat(path)).size);
  }
  return files;
}

/** The published directory of an image recovery point as it lies. Images are not opened. What it throws, `copyImage` of the port says. */
export async function publishedFiles(directory: string, serverId: string, recoveryPointId: string): Promise<PublishedFiles> {
  requireDirectoryPath(directory);
  const context = { recoveryPointId, directory };
  try {
    const files = await filesBelow(directory);
    const size = files.get('manifest.json');
    if (size === undefined) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `${directory} holds no manifest.`, { context });
    if (size > MAX_MANIFEST_BYTES) throw new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest in ${directory} has ${size} bytes.`, { context });
    const manifestBytes = await readFile(join(directory, 'manifest.json'));
    const manifest = parseManifest(manifestBytes.toString('utf8'), join(directory, 'manifest.json'), recoveryPointId);
    if (manifest.recoveryPointId !== recoveryPointId || manifest.server.id !== serverId) {
      throw new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest in ${directory} is that of ${manifest.recoveryPointId} of ${manifest.server.id}.`, {
        context,
      });
    }
    const totalBytes = [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
    return { manifest, manifestBytes, manifestSha256: sha256Of(manifestBytes), files, totalBytes };
  } catch (error) {
    if (error instanceof ModosuError) throw error;
    const words = errorCode(error) === 'ENOENT' ? 'is not there' : `cannot be read: ${errorMessage(error)}`;
    throw new ModosuError('REPOSITORY_UNREACHABLE', `The recovery point at ${directory} ${words}.`, { context });
  }
}

export function requireDirectoryPath(directory: string): void {
  if (isAbsolute(directory) && normalize(directory) === directory && directory !== '/' && !directory.includes('\u0000')) return;
  throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(directory, 200)} is not a plain absolute directory`);
}
