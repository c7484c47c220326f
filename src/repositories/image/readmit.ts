import { chmod, lstat, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import type { ImageManifest } from '../../contracts/recovery-point';
import { fileExists, fsyncDirectory, fsyncFile } from '../../system/files';
import { FACTS_FILE } from './image-manifest';
import type { ChecksumContext } from './image-repository';
import { CHECKSUMS_FILE, corrupt, MANIFEST_FILE, PublishedRecoveryPoint, smallFilesOf } from './published-recovery-point';
import { asParent, misfit, RecoveryPointChain } from './recovery-point-chain';
import { makeDirectory, type RepositoryDirectory } from './repository-directory';

/**
 * Publishes again what was published once, and has come back from elsewhere into `fetching/`. It is read with the eyes of somebody who did not write it: every
 * byte is compared with the manifest, and the manifest with what was recorded of it. Only then it takes the place of what may lie there damaged.
 */
export async function readmitFetched(
  repository: RepositoryDirectory,
  { serverId, recoveryPointId, manifestSha256 }: { readonly serverId: string; readonly recoveryPointId: string; readonly manifestSha256: string | null },
  context: ChecksumContext,
): Promise<{ readonly manifestSha256: string }> {
  const fetched = repository.fetchingPath(recoveryPointId);
  const published = repository.publishedPath(serverId, recoveryPointId);
  const point = await PublishedRecoveryPoint.read(fetched, serverId, recoveryPointId);
  const { manifest } = point;
  if (manifestSha256 !== null && point.manifestSha256 !== manifestSha256) {
    throw corrupt(fetched, MANIFEST_FILE, 'is not the one that was recorded when it was published');
  }
  await removeUnlisted(fetched, manifest);
  await requireParent(repository, serverId, manifest);
  await point.requireComplete();
  await point.verifySmallFiles();
  for (const { image } of manifest.disks) await point.verifyImage(image, context);
  context.signal.throwIfAborted();

  const listed = [MANIFEST_FILE, CHECKSUMS_FILE, ...smallFilesOf(manifest).map(({ path }) => path), ...manifest.disks.map(({ image }) => image.path)];
  // The only file that may be missing. What lies in its place and is something else was never published: a link would even lead out of here.
  const lacksFacts = manifest.facts != null && (await point.readFacts()) === null;
  if (lacksFacts) await rm(join(fetched, FACTS_FILE), { recursive: true, force: true });
  const files = lacksFacts ? listed.filter((file) => file !== FACTS_FILE) : listed;
  for (const file of files) {
    await chmod(join(fetched, file), 0o600);
    await fsyncFile(join(fetched, file));
  }
  for (const directory of [join(fetched, 'disks'), fetched]) {
    await chmod(directory, 0o700);
    await fsyncDirectory(directory);
  }
  await makeDirectory(dirname(published));
  await replace(repository, fetched, published, recoveryPointId);
  return { manifestSha256: point.manifestSha256 };
}

/** Between two renames nothing is published: what was fetched is whole, and the next call goes on with it. */
async function replace(repository: RepositoryDirectory, fetched: string, published: string, recoveryPointId: string): Promise<void> {
  const removing = repository.removingPath(recoveryPointId);
  if (await fileExists(published)) {
    await makeDirectory(dirname(removing));
    await rm(removing, { recursive: true, force: true });
    await rename(published, removing);
  }
  await rename(fetched, published);
  await fsyncDirectory(dirname(published));
  await fsyncDirectory(dirname(fetched));
  await rm(removing, { recursive: true, force: true });
}

/** What it builds on comes back before it, and is the one that it was built on. */
async function requireParent(repository: RepositoryDirectory, serverId: string, manifest: ImageManifest): Promise<void> {
  const { recoveryPointId, parentId, parentSha256 } = manifest;
  if (parentId === null) return;
  const what = `${recoveryPointId} was not published again: it builds on ${parentId}`;
  const chain = await asParent(what, parentId, RecoveryPointChain.read(repository, serverId, parentId));
  const [parent] = chain.points;
  const problem = parent.manifestSha256 === parentSha256 ? misfit(manifest, parent.manifest) : 'is not the one that it was built on';
  if (problem !== null) {
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `${what}, which ${problem}.`, { context: { recoveryPointId, parentId } });
  }
  await chain.requireComplete();
}

/** Links, devices and whatever else a repository may give back that nobody has published. */
async function removeUnlisted(directory: string, manifest: ImageManifest): Promise<void> {
  const disks = manifest.disks.flatMap(({ image }) => [image.path, image.segmentsPath]);
  const keep = new Set([MANIFEST_FILE, CHECKSUMS_FILE, 'disks', ...smallFilesOf(manifest).map(({ path }) => path), ...disks]);
  for (const name of await readdir(directory)) if (!keep.has(name)) await rm(join(directory, name), { recursive: true, force: true });
  const inside = join(directory, 'disks');
  if (!(await lstat(inside)).isDirectory()) return;
  for (const name of await readdir(inside)) if (!keep.has(`disks/${name}`)) await rm(join(inside, name), { recursive: true, force: true });
}
