import { lstat, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes } from '../../contracts/format';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { isId } from '../../contracts/ids';
import type { ServerFacts } from '../../contracts/facts';
import type { ImageManifest, StoredImage } from '../../contracts/recovery-point';
import { quoted } from '../../contracts/text';
import { errorCode, fileExists, fsyncDirectory, writeFileDurably } from '../../system/files';
import { sha256Of } from '../../system/sha256';
import { parseFacts, renderFacts } from './facts-file';
import { followImage } from './image-follower';
import { backingName, DEFINITION_FILE, FACTS_FILE, imagePath, isTarget, NVRAM_FILE, segmentsPath } from './image-manifest';
import type { ChecksumContext, ImageChecksums, ImageRepository, ManifestDraft, RestorablePaths, StagedRecoveryPoint } from './image-repository';
import { publishStaged } from './publish';
import { PublishedRecoveryPoint } from './published-recovery-point';
import { readmitFetched } from './readmit';
import { RecoveryPointChain } from './recovery-point-chain';
import { makeDirectory, PASSABLE, RepositoryDirectory } from './repository-directory';
import { renderSegmentList } from './segment-list';
import { watched } from './watched';

export interface DirectoryImageRepositoryOptions {
  readonly name: string;
  /** Absolute. Must exist: Modosu never makes it, because it may be the mount point of storage that is not mounted. */
  readonly path: string;
  /** For the date in the repository's marker. Default: the clock. */
  readonly now?: () => Date;
}

/** Kept free beyond what an operation asks for: manifests, lists, and the file system's own needs. */
const RESERVE_BYTES = 64 * 1024 ** 2;

/** An image repository in a directory of a local or mounted file system; its layout is described in docs/REPOSITORY-FORMAT.md. */
export const createDirectoryImageRepository = (options: DirectoryImageRepositoryOptions): ImageRepository => new DirectoryImageRepository(options);

class DirectoryImageRepository implements ImageRepository {
  readonly name: string;
  private readonly directory: RepositoryDirectory;
  private readonly now: () => Date;

  constructor({ name, path, now }: DirectoryImageRepositoryOptions) {
    this.name = name;
    this.directory = new RepositoryDirectory(name, path);
    this.now = now ?? ((): Date => new Date());
  }

  initialise(): Promise<void> {
    return this.directory.guard(() => this.directory.initialise(this.now()));
  }

  check(): Promise<{ readonly freeBytes: number; readonly recoveryPoints: number }> {
    return this.ready(async () => ({ freeBytes: await this.directory.freeBytes(), recoveryPoints: (await this.places()).places.length }));
  }

  requireSpace(bytes: number): Promise<void> {
    return this.ready(async () => {
      const freeBytes = await this.directory.freeBytes();
      if (freeBytes >= bytes + RESERVE_BYTES) return;
      throw new ModosuError(
        'NOT_ENOUGH_SPACE',
        `The repository ${this.name} has ${formatBytes(freeBytes)} free in ${this.directory.path}; ${formatBytes(bytes)} and a reserve of ${formatBytes(RESERVE_BYTES)} are needed`,
        { context: { repository: this.name, path: this.directory.path, neededBytes: bytes + RESERVE_BYTES, freeBytes } },
      );
    });
  }

  stage(recoveryPointId: string): Promise<StagedRecoveryPoint> {
    return this.ready(async () => {
      const directory = this.directory.stagingPath(recoveryPointId);
      // A repository of an earlier version has a private one.
      await makeDirectory(join(this.directory.path, 'staging'), PASSABLE);
      await makeDirectory(directory, PASSABLE);
      await makeDirectory(join(directory, 'disks'), PASSABLE);
      return {
        directory,
        diskPath: (target) => join(directory, imagePath(requireTarget(target))),
        definitionPath: join(directory, DEFINITION_FILE),
        nvramPath: join(directory, NVRAM_FILE),
      };
    });
  }

  async hashWhileWritten(recoveryPointId: string, target: string, written: Promise<void>, context: ChecksumContext): Promise<ImageChecksums> {
    let writerFailure: { readonly error: unknown } | undefined;
    let writing = true;
    // Before the first await: a copy that fails early must not count as unhandled.
    written.then(
      () => {
        writing = false;
      },
      (error: unknown) => {
        writing = false;
        writerFailure = { error };
      },
    );
    try {
      return await this.ready(async () => {
        const directory = this.directory.stagingPath(recoveryPointId);
        const image = join(directory, imagePath(requireTarget(target)));
        return await watched({ ...context, path: image, isWaiting: () => writing }, async (watchedContext) => {
          const { list } = await followImage(image, written, { ...watchedContext, onMissing: () => this.directory.requireReady() });
          const text = renderSegmentList(list);
          await writeFileDurably(join(directory, segmentsPath(target)), text);
          return { sizeBytes: list.sizeBytes, sha256: sha256Of(text), segmentSizeBytes: list.segmentSizeBytes };
        });
      });
    } catch (error) {
      // The writer's own error comes through as it is, even when it looks like one of our storage.
      if (writerFailure !== undefined && isModosuError(error) && error.cause === writerFailure.error) throw writerFailure.error;
      throw error;
    }
  }

  publish(draft: ManifestDraft, now: Date): Promise<ImageManifest> {
    return this.ready(() => publishStaged(this.directory, draft, now));
  }

  listStaged(): ReturnType<ImageRepository['listStaged']> {
    return this.ready(async () => {
      const staging = join(this.directory.path, 'staging');
      const found: { readonly recoveryPointId: string; readonly changedAt: Date }[] = [];
      for (const name of await readdir(staging)) {
        // It may be published or discarded in between.
        const stats = isId('rp', name) ? await lstat(join(staging, name)).catch(() => null) : null;
        if (stats?.isDirectory() === true) found.push({ recoveryPointId: name, changedAt: stats.mtime });
      }
      return found;
    });
  }

  discardStaged(recoveryPointId: string): Promise<void> {
    return this.ready(async () => {
      const directory = this.directory.stagingPath(recoveryPointId);
      if (!(await fileExists(directory))) return;
      await rm(directory, { recursive: true, force: true });
      await fsyncDirectory(join(directory, '..'));
    });
  }

  open(serverId: string, recoveryPointId: string): Promise<RestorablePaths> {
    return this.ready(async () => {
      const chain = await RecoveryPointChain.read(this.directory, serverId, recoveryPointId);
      await chain.requireComplete();
      const [point] = chain.points;
      const { manifest, manifestSha256 } = point;
      return {
        manifest,
        manifestSha256,
        directory: point.directory,
        definitionPath: point.path(manifest.definition.path),
        nvramPath: manifest.nvram === null ? null : point.path(manifest.nvram.path),
        diskPath: (target) => point.path(point.disk(target).image.path),
        imagesOf: (target) => chain.imagesOf(target),
        backingName: (target) => backingName(recoveryPointId, point.disk(target).target),
      };
    });
  }

  stageFetched(recoveryPointId: string): Promise<string> {
    return this.ready(async () => {
      const directory = this.directory.fetchingPath(recoveryPointId);
      await makeDirectory(join(directory, '..'));
      await makeDirectory(directory);
      return directory;
    });
  }

  readmit(serverId: string, recoveryPointId: string, manifestSha256: string | null, context: ChecksumContext): Promise<{ readonly manifestSha256: string }> {
    return this.ready(() =>
      watched({ ...context, path: this.directory.fetchingPath(recoveryPointId) }, (watchedContext) =>
        readmitFetched(this.directory, { serverId, recoveryPointId, manifestSha256 }, watchedContext),
      ),
    );
  }

  discardFetched(recoveryPointId: string): Promise<void> {
    return this.ready(async () => {
      const directory = this.directory.fetchingPath(recoveryPointId);
      if (!(await fileExists(directory))) return;
      await rm(directory, { recursive: true, force: true });
      await fsyncDirectory(join(directory, '..'));
    });
  }

  remove(serverId: string, recoveryPointId: string): Promise<void> {
    return this.ready(async () => {
      const published = this.directory.publishedPath(serverId, recoveryPointId);
      const removing = this.directory.removingPath(recoveryPointId);
      if (await fileExists(published)) {
        await this.requireUnneeded(serverId, recoveryPointId);
        await makeDirectory(join(removing, '..'));
        // What a call that died has left of it: a directory cannot be renamed onto one that holds something.
        await rm(removing, { recursive: true, force: true });
        // Somebody else may be removing it, too.
        await rename(published, removing).catch((error: unknown) => (errorCode(error) === 'ENOENT' ? undefined : Promise.reject(error as Error)));
        await fsyncDirectory(join(published, '..'));
      } else if (!(await fileExists(removing)) && (await this.places()).places.length === 0) {
        throw new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${this.name} holds no recovery point at all: it is not the one that was written to.`, {
          hint: 'Mount the storage on which it was made.',
          context: { repository: this.name, path: this.directory.path },
        });
      }
      await rm(removing, { recursive: true, force: true });
      if (await fileExists(join(removing, '..'))) await fsyncDirectory(join(removing, '..'));
    });
  }

  /** The catalogue may know less than lies here: one that was restored from an older dump, or never heard of what was published last. */
  private async requireUnneeded(serverId: string, recoveryPointId: string): Promise<void> {
    for (const id of (await readdir(this.directory.serverPath(serverId))).filter((name) => isId('rp', name) && name !== recoveryPointId)) {
      // One that cannot be read needs nothing any more.
      const child = await this.read(serverId, id).catch((error: unknown) => {
        if (isModosuError(error)) return null;
        throw error;
      });
      if (child?.manifest.parentId !== recoveryPointId) continue;
      throw new ModosuError('RECOVERY_POINT_NEEDED', `Recovery point ${recoveryPointId} is not removed from the repository ${this.name}: ${id} builds on it.`, {
        context: { repository: this.name, recoveryPointId, childId: id },
      });
    }
  }

  verifyImage(serverId: string, recoveryPointId: string, image: StoredImage, context: ChecksumContext): Promise<void> {
    return this.ready(() =>
      watched({ ...context, path: join(this.directory.publishedPath(serverId, recoveryPointId), image.path) }, async (watchedContext) =>
        (await this.read(serverId, recoveryPointId)).verifyImage(image, watchedContext),
      ),
    );
  }

  async stageFacts(recoveryPointId: string, facts: ServerFacts): Promise<void> {
    const { directory } = await this.stage(recoveryPointId);
    // Flushed when it is published.
    await this.ready(() => writeFile(join(directory, FACTS_FILE), renderFacts(facts), { mode: 0o600 }));
  }

  readFacts(serverId: string, recoveryPointId: string): Promise<ServerFacts | null> {
    return this.ready(async () => {
      const bytes = await (await this.read(serverId, recoveryPointId)).readFacts();
      return bytes === null ? null : parseFacts(bytes);
    });
  }

  readDefinition(serverId: string, recoveryPointId: string): Promise<string> {
    return this.ready(async () => new TextDecoder().decode(await (await this.read(serverId, recoveryPointId)).readDefinition()));
  }

  verifySmallFiles(serverId: string, recoveryPointId: string): Promise<void> {
    return this.ready(async () => (await this.read(serverId, recoveryPointId)).verifySmallFiles());
  }

  list(): ReturnType<ImageRepository['list']> {
    return this.ready(async () => {
      const { places, odd } = await this.places();
      const manifests: ImageManifest[] = [];
      const unreadable = odd.map((path) => ({ path, problem: 'is not a recovery point; nothing else belongs here' }));
      for (const { serverId, recoveryPointId } of places) {
        try {
          manifests.push((await this.read(serverId, recoveryPointId)).manifest);
        } catch (error) {
          if (!isModosuError(error)) throw error;
          // One file that cannot be read is reported; a repository that has gone away in between is not a list of damaged recovery points.
          await this.directory.requireReady();
          unreadable.push({ path: `servers/${serverId}/${recoveryPointId}`, problem: error.message });
        }
      }
      return { manifests, unreadable };
    });
  }

  private read(serverId: string, recoveryPointId: string): Promise<PublishedRecoveryPoint> {
    return this.directory.guard(() => PublishedRecoveryPoint.read(this.directory.publishedPath(serverId, recoveryPointId), serverId, recoveryPointId));
  }

  private ready<T>(work: () => Promise<T>): Promise<T> {
    return this.directory.guard(async () => {
      await this.directory.requireReady();
      return await work();
    });
  }

  /** Where recovery points lie, and paths that have no business there. */
  private async places(): Promise<{
    readonly places: readonly { readonly serverId: string; readonly recoveryPointId: string }[];
    readonly odd: readonly string[];
  }> {
    const places: { readonly serverId: string; readonly recoveryPointId: string }[] = [];
    const odd: string[] = [];
    const servers = join(this.directory.path, 'servers');
    for (const server of await readdir(servers, { withFileTypes: true })) {
      if (!server.isDirectory() || !isId('srv', server.name)) {
        odd.push(`servers/${server.name}`);
        continue;
      }
      for (const point of await readdir(join(servers, server.name), { withFileTypes: true })) {
        if (point.isDirectory() && isId('rp', point.name)) places.push({ serverId: server.name, recoveryPointId: point.name });
        else odd.push(`servers/${server.name}/${point.name}`);
      }
    }
    return { places, odd };
  }
}

function requireTarget(target: string): string {
  if (isTarget(target)) return target;
  throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(target)} is not the name of a disk device`, { hint: 'Device names are such as vda or sdb.' });
}
