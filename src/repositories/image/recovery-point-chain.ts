import { isModosuError, ModosuError } from '../../contracts/errors';
import type { ImageManifest } from '../../contracts/recovery-point';
import { quoted } from '../../contracts/text';
import type { ChainImage } from './image-repository';
import { corrupt, MANIFEST_FILE, PublishedRecoveryPoint } from './published-recovery-point';
import type { RepositoryDirectory } from './repository-directory';

/** Recovery points in a chain, the full included. What is read and opened for one restore has to have an end, whatever manifests say. */
export const MAX_CHAIN_LENGTH = 256;

/** What a parent has to fit: a manifest, or the draft of one. */
export interface BuiltOnParent {
  readonly lineageId: string;
  readonly disks: readonly { readonly target: string; readonly virtualSizeBytes: number; readonly incremental?: boolean }[];
}

/** A recovery point and all that it builds on. A full is a chain of one. */
export class RecoveryPointChain {
  private constructor(
    /** Each before the one it builds on; the last is a full. */
    readonly points: readonly [PublishedRecoveryPoint, ...PublishedRecoveryPoint[]],
  ) {}

  /**
   * Reads the manifests and sees that each parent is the one that was there when its child was published. No other file is looked at.
   * @throws RECOVERY_POINT_NOT_FOUND for the first; RECOVERY_POINT_INCOMPLETE for a parent that is missing, RECOVERY_POINT_CORRUPT for one that does not fit;
   * REPOSITORY_FORMAT_UNKNOWN
   */
  static async read(repository: RepositoryDirectory, serverId: string, recoveryPointId: string): Promise<RecoveryPointChain> {
    const readOne = (id: string): Promise<PublishedRecoveryPoint> => PublishedRecoveryPoint.read(repository.publishedPath(serverId, id), serverId, id);
    const points: [PublishedRecoveryPoint, ...PublishedRecoveryPoint[]] = [await readOne(recoveryPointId)];
    const seen = new Set([recoveryPointId]);
    let child = points[0];
    while (child.manifest.parentId !== null) {
      const { parentId } = child.manifest;
      if (seen.has(parentId)) throw corrupt(child.directory, MANIFEST_FILE, `names ${parentId} as its parent, which builds on it itself`);
      if (seen.size === MAX_CHAIN_LENGTH) {
        throw corrupt(child.directory, MANIFEST_FILE, `has a parent; a chain has at most ${MAX_CHAIN_LENGTH} recovery points`);
      }
      const parent = await asParent(`${child.directory} builds on ${parentId}`, parentId, readOne(parentId));
      requireFit(child, parent);
      points.push(parent);
      seen.add(parentId);
      child = parent;
    }
    return new RecoveryPointChain(points);
  }

  /** Every file that a restore of the first needs, as `PublishedRecoveryPoint.requireComplete`: of those that it builds on, the images it continues and no more. */
  async requireComplete(): Promise<void> {
    const [newest, ...older] = this.points;
    await newest.requireComplete();
    let continued = newest.manifest.disks.filter(({ incremental }) => incremental === true).map(({ target }) => target);
    for (const point of older) {
      await point.requireImages(continued);
      continued = continued.filter((target) => point.disk(target).incremental === true);
    }
  }

  /** The files of a disk, each before the one below it. Throws RECOVERY_POINT_INCOMPLETE for a disk the recovery point does not hold. */
  imagesOf(target: string): readonly [ChainImage, ...ChainImage[]] {
    const [newest, ...older] = this.points;
    const images: [ChainImage, ...ChainImage[]] = [imageOf(newest, target)];
    let standsAlone = newest.disk(target).incremental !== true;
    for (const point of older) {
      if (standsAlone) break;
      images.push(imageOf(point, target));
      standsAlone = point.disk(target).incremental !== true;
    }
    return images;
  }
}

/**
 * Why a recovery point cannot build on this one, in words that go on after its name; null: it can. That both belong to one server follows from where they lie:
 * a parent lies beside its child.
 */
export function misfit(child: BuiltOnParent, parent: ImageManifest): string | null {
  if (parent.lineageId !== child.lineageId) return `has the lineage ${parent.lineageId}; what builds on it has ${child.lineageId}`;
  for (const { target, virtualSizeBytes, incremental } of child.disks) {
    if (incremental !== true) continue;
    const below = parent.disks.find((disk) => disk.target === target);
    if (below === undefined) return `holds no disk ${quoted(target)}; what builds on it does`;
    if (below.virtualSizeBytes !== virtualSizeBytes) {
      return `says that ${target} has a virtual size of ${below.virtualSizeBytes} bytes; what builds on it says ${virtualSizeBytes}`;
    }
  }
  return null;
}

/** A parent that is not found is missing from its child. */
export async function asParent<T>(what: string, parentId: string, found: Promise<T>): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'RECOVERY_POINT_NOT_FOUND') throw error;
    throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `${what}, which is missing`, { context: { recoveryPointId: parentId }, cause: error });
  }
}

function requireFit(child: PublishedRecoveryPoint, parent: PublishedRecoveryPoint): void {
  // First of all: whatever else could be wrong with it, this is not what the child was built on.
  if (parent.manifestSha256 !== child.manifest.parentSha256) {
    throw corrupt(parent.directory, MANIFEST_FILE, `differs from the checksum in the manifest of ${child.manifest.recoveryPointId}, which builds on it`);
  }
  const problem = misfit(child.manifest, parent.manifest);
  if (problem !== null) throw corrupt(parent.directory, MANIFEST_FILE, problem);
}

function imageOf(point: PublishedRecoveryPoint, target: string): ChainImage {
  const { image } = point.disk(target);
  return { recoveryPointId: point.manifest.recoveryPointId, image, path: point.path(image.path) };
}
