import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isModosuError, ModosuError } from '../../contracts/errors';
import type { ImageManifest, StoredDisk, StoredFile, StoredImage } from '../../contracts/recovery-point';
import { quoted } from '../../contracts/text';
import { judgeQcow2Header, QCOW2_START_BYTES } from '../../domain/qcow2-header';
import { errorCode, errorMessage, insideDirectory, readStart, sha256OfFile } from '../../system/files';
import { sha256Of } from '../../system/sha256';
import { HashLanes } from './hash-lanes';
import { backingOf, DEFINITION_FILE, FACTS_FILE, MAX_MANIFEST_BYTES, NVRAM_FILE, parseManifest } from './image-manifest';
import type { ChecksumContext } from './image-repository';
import { systemErrorCode } from './repository-directory';
import { parseSegmentList, type SegmentList } from './segment-list';

export const MANIFEST_FILE = 'manifest.json';
/** `sha256sum -c` reads it: checksums of every small file, the manifest's included. */
export const CHECKSUMS_FILE = 'SHA256SUMS';
/** Twice what is ever written. */
const MAX_FACTS_BYTES = 8 * 1024 ** 2;
/** What libvirt itself takes for one. */
const MAX_DEFINITION_BYTES = 4 * 1024 ** 2;
const MAX_CHECKSUMS_BYTES = 1024 ** 2;
const MAX_SEGMENT_LIST_BYTES = 512 * 1024 ** 2;

/** A published recovery point, read with the eyes of somebody who did not write it: every file may be damaged, missing or hostile. */
export class PublishedRecoveryPoint {
  private constructor(
    readonly directory: string,
    readonly manifest: ImageManifest,
    readonly manifestSha256: string,
  ) {}

  /**
   * Reads and validates the manifest.
   * @throws RECOVERY_POINT_NOT_FOUND, RECOVERY_POINT_INCOMPLETE, RECOVERY_POINT_CORRUPT, REPOSITORY_FORMAT_UNKNOWN
   */
  static async read(directory: string, serverId: string, recoveryPointId: string): Promise<PublishedRecoveryPoint> {
    await requireDirectory(directory, recoveryPointId);
    const bytes = await readSmallFile(directory, MANIFEST_FILE, MAX_MANIFEST_BYTES);
    const sha256 = sha256Of(bytes);
    const sums = new TextDecoder().decode(await readSmallFile(directory, CHECKSUMS_FILE, MAX_CHECKSUMS_BYTES));
    if (!sums.split('\n').includes(`${sha256}  ${MANIFEST_FILE}`)) throw corrupt(directory, MANIFEST_FILE, `differs from its checksum in ${CHECKSUMS_FILE}`);
    const path = insideDirectory(directory, MANIFEST_FILE);
    const manifest = parseManifest(new TextDecoder().decode(bytes), path, recoveryPointId);
    if (manifest.recoveryPointId !== recoveryPointId || manifest.server.id !== serverId) {
      throw corrupt(
        directory,
        MANIFEST_FILE,
        `belongs to recovery point ${manifest.recoveryPointId} of server ${manifest.server.id}, not to the place where it lies`,
      );
    }
    return new PublishedRecoveryPoint(directory, manifest, sha256);
  }

  path(relative: string): string {
    return insideDirectory(this.directory, relative);
  }

  /** What the manifest says of a disk. Throws RECOVERY_POINT_INCOMPLETE for one it does not hold. */
  disk(target: string): StoredDisk {
    const { disks, recoveryPointId } = this.manifest;
    const disk = disks.find((candidate) => candidate.target === target);
    if (disk !== undefined) return disk;
    throw new ModosuError(
      'RECOVERY_POINT_INCOMPLETE',
      `The recovery point ${recoveryPointId} holds no disk ${JSON.stringify(target)}; it holds ${disks.map((one) => one.target).join(', ')}`,
      { context: { recoveryPointId } },
    );
  }

  /**
   * Every file is there with its recorded size, segment lists match the manifest, headers are harmless and name no backing file but the one that follows from
   * the manifest. Reads neither the images' content nor anything of the parent.
   */
  async requireComplete(): Promise<void> {
    const { manifest } = this;
    await requireSize(this.directory, manifest.definition);
    if (manifest.nvram !== null) await requireSize(this.directory, manifest.nvram);
    await this.requireImages(manifest.disks.map(({ target }) => target));
  }

  /** The same of the images of these disks alone: all that one that builds on this needs of it. */
  async requireImages(targets: readonly string[]): Promise<void> {
    for (const disk of targets.map((target) => this.disk(target))) {
      await requireSize(this.directory, disk.image);
      await this.segmentList(disk.image);
      const virtualSizeBytes = await this.named(() =>
        reading(this.directory, disk.image.path, () => judgeStoredImage(this.path(disk.image.path), backingOf(this.manifest.parentId, disk))),
      );
      if (virtualSizeBytes !== disk.virtualSizeBytes) {
        throw corrupt(this.directory, disk.image.path, `has a virtual size of ${virtualSizeBytes} bytes; the manifest says ${disk.virtualSizeBytes}`);
      }
    }
  }

  /** A header that is refused says whose it is: in a chain it need not be that of the recovery point that was asked for. */
  private async named<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'IMAGE_HEADER_REFUSED') throw error;
      const { hint, context } = error.summary();
      throw new ModosuError(error.code, error.message, { hint, context: { ...context, recoveryPointId: this.manifest.recoveryPointId }, cause: error });
    }
  }

  /** Null: there are none, or they are not what was published. */
  async readFacts(): Promise<Uint8Array | null> {
    const { facts } = this.manifest;
    if (facts == null) return null;
    try {
      const bytes = await readSmallFile(this.directory, facts.path, MAX_FACTS_BYTES);
      return sha256Of(bytes) === facts.sha256 ? bytes : null;
    } catch (error) {
      if (isModosuError(error) && (error.code === 'RECOVERY_POINT_CORRUPT' || error.code === 'RECOVERY_POINT_INCOMPLETE')) return null;
      throw error;
    }
  }

  /** Throws for one that is not what was published: nobody has to do without it. */
  async readDefinition(): Promise<Uint8Array> {
    const { definition } = this.manifest;
    const bytes = await readSmallFile(this.directory, definition.path, MAX_DEFINITION_BYTES);
    if (sha256Of(bytes) !== definition.sha256) throw corrupt(this.directory, definition.path, 'differs from its checksum');
    return bytes;
  }

  async verifySmallFiles(): Promise<void> {
    for (const file of [this.manifest.definition, ...(this.manifest.nvram === null ? [] : [this.manifest.nvram])]) {
      await requireSize(this.directory, file);
      const sha256 = await reading(this.directory, file.path, () => sha256OfFile(this.path(file.path)));
      if (sha256 !== file.sha256) throw corrupt(this.directory, file.path, 'differs from its checksum');
    }
  }

  /** Reads the whole image in threads of their own and compares it segment by segment; ends with the first difference. */
  async verifyImage(image: StoredImage, context: ChecksumContext): Promise<void> {
    context.signal.throwIfAborted();
    const stored = this.manifest.disks.find((disk) => disk.image.path === image.path)?.image;
    if (stored === undefined || stored.sha256 !== image.sha256 || stored.sizeBytes !== image.sizeBytes) {
      throw corrupt(this.directory, MANIFEST_FILE, `no longer says the same about ${JSON.stringify(image.path)} as when it was read before`);
    }
    await requireSize(this.directory, stored);
    const list = await this.segmentList(stored);
    const path = this.path(stored.path);
    const lanes = new HashLanes(context.signal);
    let doneBytes = 0;
    try {
      await lanes.each(list.digests.length, async (hasher, index) => {
        const offset = index * list.segmentSizeBytes;
        const lengthBytes = Math.min(list.segmentSizeBytes, list.sizeBytes - offset);
        const segment = { index, offset, lengthBytes };
        const digest = await reading(this.directory, stored.path, () => hasher.hash({ path, offset, lengthBytes, emptyUnitBytes: 0 }), segment);
        if (digest.bytesRead !== lengthBytes) throw corruptSegment(this.directory, stored.path, segment, 'ends too early');
        if (digest.sha256 !== list.digests[index]) throw corruptSegment(this.directory, stored.path, segment, 'differs from its checksum');
        doneBytes += lengthBytes;
        context.onProgress?.({ doneBytes, totalBytes: list.sizeBytes });
      });
    } finally {
      lanes.close();
    }
  }

  private async segmentList(image: StoredImage): Promise<SegmentList> {
    const bytes = await readSmallFile(this.directory, image.segmentsPath, MAX_SEGMENT_LIST_BYTES);
    if (sha256Of(bytes) !== image.sha256) throw corrupt(this.directory, image.segmentsPath, 'differs from its checksum in the manifest');
    const list = parseSegmentList(new TextDecoder().decode(bytes));
    if (list === null || list.sizeBytes !== image.sizeBytes || list.segmentSizeBytes !== image.segmentSizeBytes) {
      throw corrupt(this.directory, image.segmentsPath, 'is not the segment list of this image');
    }
    return list;
  }
}

/**
 * Judges the header of a stored image. Returns its virtual size. Throws IMAGE_HEADER_REFUSED, or Node's error when it cannot be read.
 * @param backing the backing file it has to name, to the letter; null: it stands alone. The name is compared, never followed
 */
export async function judgeStoredImage(path: string, backing: string | null): Promise<number> {
  const { bytes, sizeBytes } = await readStart(path, QCOW2_START_BYTES, { followLinks: false });
  const header = judgeQcow2Header(bytes, { fileSizeBytes: sizeBytes, path, allowBacking: backing !== null });
  if (backing !== null && (header.backingFile !== backing || header.backingFormat !== 'qcow2')) {
    const named =
      header.backingFile === null ? 'no backing file' : `${quoted(header.backingFile)} (${header.backingFormat ?? 'no format'}) as its backing file`;
    throw new ModosuError('IMAGE_HEADER_REFUSED', `The image ${path} was refused: it names ${named}, and builds on ${quoted(backing)} (qcow2)`, {
      context: { path, field: 'backing_file' },
    });
  }
  if (header.snapshotCount > 0) {
    throw new ModosuError(
      'IMAGE_HEADER_REFUSED',
      `The image ${path} was refused: a stored image has no internal snapshots, this one has ${header.snapshotCount}`,
      {
        context: { path, field: 'nb_snapshots' },
      },
    );
  }
  return header.virtualSizeBytes;
}

/** Every file but the manifest and the images, with its checksum: what `SHA256SUMS` holds besides the manifest. */
export const smallFilesOf = (manifest: ImageManifest): readonly { readonly path: string; readonly sha256: string }[] => [
  { path: DEFINITION_FILE, sha256: manifest.definition.sha256 },
  ...(manifest.nvram === null ? [] : [{ path: NVRAM_FILE, sha256: manifest.nvram.sha256 }]),
  ...(manifest.facts == null ? [] : [{ path: FACTS_FILE, sha256: manifest.facts.sha256 }]),
  ...manifest.disks.map(({ image }) => ({ path: image.segmentsPath, sha256: image.sha256 })),
];

/** Real directories only: a link inside the repository would lead out of it. */
async function requireDirectory(directory: string, recoveryPointId: string): Promise<void> {
  for (const path of [dirname(directory), directory, join(directory, 'disks')]) {
    const stats = await lstat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (stats === null && basename(path) === 'disks') throw incomplete(directory, 'disks');
    if (stats === null) {
      throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `There is no recovery point ${recoveryPointId} in ${dirname(directory)}`, {
        context: { recoveryPointId },
      });
    }
    if (!stats.isDirectory()) throw corrupt(path, '', 'is not a directory', recoveryPointId);
  }
}

async function requireSize(directory: string, file: StoredFile): Promise<void> {
  const stats = await lstat(insideDirectory(directory, file.path)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') throw incomplete(directory, file.path);
    throw error;
  });
  if (!stats.isFile()) throw corrupt(directory, file.path, 'is not a regular file');
  if (stats.size !== file.sizeBytes) throw corrupt(directory, file.path, `has ${stats.size} bytes; the manifest says ${file.sizeBytes}`);
}

async function readSmallFile(directory: string, relative: string, maxBytes: number): Promise<Uint8Array> {
  const path = insideDirectory(directory, relative);
  try {
    const { bytes, sizeBytes } = await reading(directory, relative, () => readStart(path, maxBytes, { followLinks: false }));
    if (sizeBytes > maxBytes) throw corrupt(directory, relative, `is absurdly large: ${sizeBytes} bytes`);
    return bytes;
  } catch (error) {
    if (isModosuError(error) && error.code === 'IMAGE_HEADER_REFUSED') throw corrupt(directory, relative, 'is not a regular file');
    throw error;
  }
}

/**
 * Runs `work`, which reads one stored file, and says what its system errors mean. Only a missing file is damage (and only when the repository is there, see
 * `RepositoryDirectory.guard`). Bytes that cannot be read are not bytes that differ: EIO comes from a bad sector, but also from a soft NFS time-out, a
 * device that went offline and a file system that was shut down, and what is reported as corrupt is never tried again.
 */
async function reading<T>(directory: string, relative: string, work: () => Promise<T>, segment?: Segment): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') throw incomplete(directory, relative);
    throw new ModosuError(
      'REPOSITORY_UNREACHABLE',
      `${directory}/${relative}${segment === undefined ? '' : `: ${nameOf(segment)}`} cannot be read from the storage now: ${errorMessage(error)}`,
      {
        hint: 'Look at the kernel log and the storage under the repository. If only this file cannot be read while others can, its place on the disk is bad: choose another recovery point.',
        context: { directory, file: relative, errorCode: code, ...(segment === undefined ? {} : { segment: segment.index, offset: segment.offset }) },
        cause: error,
      },
    );
  }
}

interface Segment {
  readonly index: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

const nameOf = ({ index, offset, lengthBytes }: Segment): string => `segment ${index} (bytes ${offset} to ${offset + lengthBytes - 1})`;

/** `recoveryPointId` stands in the context of all that is damage: in a chain it is not always the one that was asked for. */
export const corrupt = (directory: string, relative: string, problem: string, recoveryPointId = basename(directory)): ModosuError =>
  new ModosuError('RECOVERY_POINT_CORRUPT', `${directory}${relative === '' ? '' : `/${relative}`} ${problem}`, {
    context: { recoveryPointId, directory, file: relative },
  });

const corruptSegment = (directory: string, relative: string, segment: Segment, problem: string): ModosuError =>
  new ModosuError('RECOVERY_POINT_CORRUPT', `${directory}/${relative}: ${nameOf(segment)} ${problem}`, {
    context: { recoveryPointId: basename(directory), directory, file: relative, segment: segment.index, offset: segment.offset },
  });

const incomplete = (directory: string, relative: string): ModosuError =>
  new ModosuError('RECOVERY_POINT_INCOMPLETE', `${directory}/${relative} is missing`, {
    context: { recoveryPointId: basename(directory), directory, file: relative },
  });
