import { chmod, lstat, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import type { ImageManifest, StoredDisk } from '../../contracts/recovery-point';
import { quoted } from '../../contracts/text';
import { errorCode, fileExists, fsyncDirectory, fsyncFile, readStart, sha256OfFile, writeFileDurably } from '../../system/files';
import { sha256Of } from '../../system/sha256';
import {
  backingOf,
  DEFINITION_FILE,
  FACTS_FILE,
  imagePath,
  isTarget,
  MANIFEST_FORMAT,
  manifestProblem,
  manifestVersion,
  NVRAM_FILE,
  segmentsPath,
} from './image-manifest';
import type { ManifestDraft } from './image-repository';
import { CHECKSUMS_FILE, judgeStoredImage, MANIFEST_FILE, PublishedRecoveryPoint, smallFilesOf } from './published-recovery-point';
import { asParent, MAX_CHAIN_LENGTH, misfit, RecoveryPointChain } from './recovery-point-chain';
import { makeDirectory, type RepositoryDirectory } from './repository-directory';
import { parseSegmentList } from './segment-list';

/**
 * Makes a staged recovery point visible, and only when every byte of it is on stable storage: check what was staged against the draft, fsync the
 * files, write manifest and checksums (fsynced), fsync the directories, rename, fsync both parents.
 */
export async function publishStaged(repository: RepositoryDirectory, draft: ManifestDraft, now: Date): Promise<ImageManifest> {
  const staged = repository.stagingPath(draft.recoveryPointId);
  const published = repository.publishedPath(draft.server.id, draft.recoveryPointId);
  if (await fileExists(published)) return await adoptPublished(staged, published, draft);

  const parent = await openParent(repository, draft);
  const manifest = await completeManifest(staged, draft, parent, now);
  await removeUnlisted(staged, manifest);
  const files = filesOf(manifest).map((relative) => join(staged, relative));
  for (const file of files) await chmod(file, 0o600);
  for (const directory of [join(staged, 'disks'), staged]) await chmod(directory, 0o700); // nobody passes through any more
  for (const file of files) await orGarbage(staged, fsyncFile(file));
  // Two steps on purpose: as long as the checksums are missing, even a directory renamed by hand is not a recovery point.
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  await writeFileDurably(join(staged, MANIFEST_FILE), text);
  await writeFileDurably(join(staged, CHECKSUMS_FILE), renderChecksums(manifest, text));
  await orGarbage(staged, fsyncDirectory(join(staged, 'disks')));
  await orGarbage(staged, fsyncDirectory(staged));

  await makeDirectory(dirname(published));
  try {
    await rename(staged, published);
  } catch (error) {
    // Another attempt of the same run was faster.
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') return await adoptPublished(staged, published, draft);
    throw error;
  }
  try {
    await syncParents(staged, published);
  } catch (error) {
    // Nobody has been told about it yet, and it may vanish with the power: take it back.
    await rename(published, staged).catch(() => undefined);
    throw error;
  }
  return manifest;
}

/** An earlier attempt got as far as the rename, perhaps no further: make the rename durable and clear what a later attempt has staged. */
async function adoptPublished(staged: string, published: string, draft: ManifestDraft): Promise<ImageManifest> {
  const { manifest } = await PublishedRecoveryPoint.read(published, draft.server.id, draft.recoveryPointId);
  await rm(staged, { recursive: true, force: true });
  await syncParents(staged, published);
  return manifest;
}

async function syncParents(staged: string, published: string): Promise<void> {
  await fsyncDirectory(dirname(published));
  await fsyncDirectory(dirname(staged));
}

/** What the draft builds on, complete down to its full; null: nothing. A backup may build only on what could be restored without it. */
async function openParent(repository: RepositoryDirectory, draft: ManifestDraft): Promise<PublishedRecoveryPoint | null> {
  const { recoveryPointId, parentId, server } = draft;
  const builds = draft.disks.some(({ incremental }) => incremental === true);
  if (parentId === null) {
    if (builds) throw refuseDraft(recoveryPointId, 'it has an incremental disk and no parent');
    return null;
  }
  if (!builds) throw refuseDraft(recoveryPointId, `no disk builds on the parent ${quoted(parentId)}`);
  const what = `${recoveryPointId} was not published: it builds on ${quoted(parentId)}`;
  const chain = await asParent(what, parentId, RecoveryPointChain.read(repository, server.id, parentId));
  if (chain.points.length >= MAX_CHAIN_LENGTH) {
    throw refuseDraft(recoveryPointId, `its parent ${parentId} ends a chain of ${MAX_CHAIN_LENGTH} recovery points, and none may be longer`);
  }
  const [parent] = chain.points;
  const problem = misfit(draft, parent.manifest);
  if (problem !== null) throw refuseDraft(recoveryPointId, `its parent ${parentId} ${problem}`);
  await chain.requireComplete();
  return parent;
}

async function completeManifest(staged: string, draft: ManifestDraft, parent: PublishedRecoveryPoint | null, now: Date): Promise<ImageManifest> {
  const disks: StoredDisk[] = [];
  for (const disk of draft.disks) disks.push(await storedDisk(staged, draft.parentId, disk));
  const { nvramOrigin, ...rest } = draft;
  const manifest: ImageManifest = {
    format: MANIFEST_FORMAT,
    version: manifestVersion(draft),
    ...rest,
    ...(parent === null ? {} : { parentSha256: parent.manifestSha256 }),
    publishedAt: now.toISOString(),
    disks,
    ...(draft.changes === undefined ? {} : { facts: await factsIn(staged) }),
    definition: { path: DEFINITION_FILE, ...(await smallFile(staged, DEFINITION_FILE)) },
    nvram: nvramOrigin === null ? null : { path: NVRAM_FILE, ...(await smallFile(staged, NVRAM_FILE)), origin: nvramOrigin },
  };
  const problem = manifestProblem(manifest);
  if (problem !== null) throw refuseDraft(draft.recoveryPointId, problem);
  return manifest;
}

/** Compares a staged image with what was hashed: what is published is what was checked. */
async function storedDisk(staged: string, parentId: string | null, disk: ManifestDraft['disks'][number]): Promise<StoredDisk> {
  const { target, checksums, virtualSizeBytes, incremental = false, origin } = disk;
  if (!isTarget(target)) throw refuseDraft(staged, `${JSON.stringify(target)} is not the name of a disk device`);
  const { sizeBytes } = await smallStat(staged, imagePath(target));
  const bytes = await readStaged(staged, segmentsPath(target));
  const list = parseSegmentList(new TextDecoder().decode(bytes));
  const matches =
    list !== null &&
    sha256Of(bytes) === checksums.sha256 &&
    list.sizeBytes === sizeBytes &&
    checksums.sizeBytes === sizeBytes &&
    list.segmentSizeBytes === checksums.segmentSizeBytes;
  if (!matches) throw refuseDraft(staged, `the image of ${target} (${sizeBytes} bytes) is not the one that was hashed (${checksums.sizeBytes} bytes)`);
  const found = await judgeStoredImage(join(staged, imagePath(target)), backingOf(parentId, disk));
  if (found !== virtualSizeBytes) throw refuseDraft(staged, `the image of ${target} has a virtual size of ${found} bytes; ${virtualSizeBytes} were copied`);
  return {
    target,
    image: {
      path: imagePath(target),
      sizeBytes,
      sha256: checksums.sha256,
      format: 'qcow2',
      segmentsPath: segmentsPath(target),
      segmentSizeBytes: checksums.segmentSizeBytes,
    },
    virtualSizeBytes,
    ...(parentId === null ? {} : { incremental }),
    origin,
  };
}

/** Facts are worth having, and no reason to throw a recovery point away. */
const factsIn = async (staged: string): Promise<ImageManifest['facts']> =>
  (await fileExists(join(staged, FACTS_FILE))) ? { path: FACTS_FILE, ...(await smallFile(staged, FACTS_FILE)) } : null;

async function smallFile(staged: string, relative: string): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const { sizeBytes } = await smallStat(staged, relative);
  return { sizeBytes, sha256: await sha256OfFile(join(staged, relative)) };
}

async function smallStat(staged: string, relative: string): Promise<{ readonly sizeBytes: number }> {
  const stats = await lstat(join(staged, relative)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') throw missing(staged, relative);
    throw error;
  });
  if (!stats.isFile()) throw refuseDraft(staged, `${relative} is not a regular file`);
  return { sizeBytes: stats.size };
}

async function readStaged(staged: string, relative: string): Promise<Uint8Array> {
  const { sizeBytes } = await smallStat(staged, relative);
  return (await readStart(join(staged, relative), sizeBytes, { followLinks: false })).bytes;
}

const filesOf = (manifest: ImageManifest): readonly string[] => [
  ...smallFilesOf(manifest).map(({ path }) => path),
  ...manifest.disks.map(({ image }) => image.path),
];

const renderChecksums = (manifest: ImageManifest, manifestText: string): string =>
  [{ path: MANIFEST_FILE, sha256: sha256Of(manifestText) }, ...smallFilesOf(manifest)].map(({ path, sha256 }) => `${sha256}  ${path}\n`).join('');

/** What the manifest does not name is no part of the recovery point: leftovers of earlier attempts. */
async function removeUnlisted(staged: string, manifest: ImageManifest): Promise<void> {
  const keep = new Set([...filesOf(manifest), 'disks']);
  for (const name of await readdir(staged)) if (!keep.has(name)) await rm(join(staged, name), { recursive: true, force: true });
  for (const name of await readdir(join(staged, 'disks'))) {
    if (!keep.has(`disks/${name}`)) await rm(join(staged, 'disks', name), { recursive: true, force: true });
  }
}

/** A failed fsync means that nobody knows what is on the disk: the staged files are deleted and the backup starts again. */
async function orGarbage(staged: string, synced: Promise<void>): Promise<void> {
  try {
    await synced;
  } catch (error) {
    await rm(staged, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

const missing = (staged: string, relative: string): ModosuError =>
  new ModosuError('RECOVERY_POINT_INCOMPLETE', `${join(staged, relative)} is missing; the recovery point was not published`, {
    hint: 'Nothing was published. Take the backup again.',
    context: { directory: staged, file: relative },
  });

const refuseDraft = (what: string, problem: string): ModosuError =>
  new ModosuError('RECOVERY_POINT_CORRUPT', `${what} was not published: ${problem}`, {
    hint: 'Nothing was published. Take the backup again.',
    context: { problem },
  });
