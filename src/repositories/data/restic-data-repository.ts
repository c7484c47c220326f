import type { DataManifest } from '../../contracts/data';
import { ModosuError, isModosuError } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';
import { runCommand } from '../../system/child-process';
import { freeBytes } from '../../system/files';
import type { DataAccess, DataRepository, DataRepositoryPresence, DataSnapshot, SnapshotEntry } from './data-repository';
import { secretName } from './logins';
import { Maintenance } from './maintenance';
import { ManifestShelf } from './manifest-shelf';
import { RepositoryAccess, type RepositoryAccessOptions } from './repository-access';
import { ResticCommand } from '../restic/restic-command';
import { SnapshotContents } from './snapshot-contents';

export interface ResticDataRepositoryOptions extends RepositoryAccessOptions {
  /** Default `restic`. */
  readonly program?: string;
  /** The same storage behind an endpoint that lets things be removed, which guests must not reach; null: there is none, or none is needed (`directory`). */
  readonly maintenanceUrl: string | null;
}

/** Less is nearly full: packs, an index, and what restores read by. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const SYNC_TIMEOUT_MS = 10 * 60_000;

/** One restic repository for each server, below a login of its own, behind a REST server (`rclone serve restic`, rest-server) that takes additions only. */
export const createResticDataRepository = (options: ResticDataRepositoryOptions): DataRepository => new ResticDataRepository(options);

class ResticDataRepository implements DataRepository {
  private readonly restic: ResticCommand;
  private readonly repositories: RepositoryAccess;
  private readonly contents: SnapshotContents;
  private readonly maintenance: Maintenance;

  constructor(private readonly options: ResticDataRepositoryOptions) {
    this.restic = new ResticCommand(options.program ?? 'restic');
    this.repositories = new RepositoryAccess(options, this.restic);
    this.contents = new SnapshotContents(this.restic, (serverId) => this.repositories.target(serverId));
    this.maintenance = new Maintenance(options, this.restic, this.repositories, this.contents);
  }

  probe(): Promise<{ readonly restic: string; readonly address: string }> {
    return this.repositories.probe();
  }

  ensure(serverId: string): Promise<void> {
    return this.repositories.ensure(serverId);
  }

  presence(serverId: string): Promise<DataRepositoryPresence> {
    return this.repositories.presence(serverId);
  }

  giveUp(serverId: string): Promise<void> {
    return this.repositories.giveUp(serverId);
  }

  async requireRoom(): Promise<void> {
    const { directory } = this.options;
    if (directory === null) return;
    const free = await freeBytes(directory);
    if (free >= RESERVE_BYTES) return;
    throw new ModosuError(
      'NOT_ENOUGH_SPACE',
      `The data repository has ${formatBytes(free)} free in ${directory}; a backup wants at least ${formatBytes(RESERVE_BYTES)}.`,
      {
        hint: 'Make room on the storage of the data repository; recovery points that are there stay usable.',
        context: { directory, freeBytes: free, neededBytes: RESERVE_BYTES },
      },
    );
  }

  access(serverId: string): Promise<DataAccess> {
    return this.repositories.access(serverId);
  }

  accessFromHere(serverId: string): Promise<DataAccess> {
    return this.repositories.accessFromHere(serverId);
  }

  removeStaleLocks(serverId: string): Promise<void> {
    return this.repositories.removeStaleLocks(serverId);
  }

  snapshots(serverId: string, tags: readonly string[]): Promise<readonly DataSnapshot[]> {
    return this.pastStaleLocks(serverId, () => this.contents.snapshots(serverId, tags));
  }

  list(
    serverId: string,
    snapshotId: string,
    paths: readonly string[],
    options: { readonly maxEntries: number; readonly signal?: AbortSignal },
  ): Promise<readonly SnapshotEntry[]> {
    return this.pastStaleLocks(serverId, () => this.contents.list(serverId, snapshotId, paths, options));
  }

  read(serverId: string, snapshotId: string, path: string, options: { readonly maxBytes: number }): Promise<Buffer> {
    return this.pastStaleLocks(serverId, () => this.contents.read(serverId, snapshotId, path, options));
  }

  sizeOf(serverId: string, snapshotId: string): Promise<{ readonly files: number; readonly totalBytes: number }> {
    return this.pastStaleLocks(serverId, () => this.contents.sizeOf(serverId, snapshotId));
  }

  async check(
    serverId: string,
    { part, signal }: { readonly part: { readonly number: number; readonly of: number } | null; readonly signal?: AbortSignal },
  ): Promise<void> {
    const target = await this.repositories.target(serverId);
    // Its own lock would keep guests from saving for hours.
    const args = ['check', '--no-lock', ...(part === null ? [] : [`--read-data-subset=${part.number}/${part.of}`])];
    await this.restic.run(target, args, { isLong: true, ...(signal === undefined ? {} : { signal }) });
  }

  readAll(serverId: string, snapshotId: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.pastStaleLocks(serverId, () => this.contents.readAll(serverId, snapshotId, options));
  }

  publish(manifest: DataManifest): Promise<DataManifest> {
    return this.pastStaleLocks(manifest.server.id, async () => (await this.shelf(manifest.server.id)).publish(manifest));
  }

  open(serverId: string, recoveryPointId: string): Promise<DataManifest> {
    return this.pastStaleLocks(serverId, async () => (await this.shelf(serverId)).open(recoveryPointId));
  }

  canForget(): boolean {
    return this.maintenance.isPossible;
  }

  forget(serverId: string, recoveryPointIds: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.maintenance.forget(serverId, recoveryPointIds, options.signal);
  }

  /** A worker that was killed while it removed something has left an exclusive lock: it must not keep anybody from a plan. */
  private async pastStaleLocks<T>(serverId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'DATA_REPOSITORY_LOCKED') throw error;
      await this.repositories.removeStaleLocks(serverId);
      return work();
    }
  }

  private async shelf(serverId: string): Promise<ManifestShelf> {
    const target = await this.repositories.target(serverId);
    const { directory, secrets } = this.options;
    return new ManifestShelf({
      serverId,
      key: await secrets.getOrMake(secretName(serverId, 'manifest')),
      find: (tags) => this.contents.reader.find(target, tags),
      read: (snapshotId, path, maxBytes) => this.contents.reader.dump(target, snapshotId, path, maxBytes),
      write: async (args, input) => void (await this.restic.run(target, args, { input, otherwise: 'DATA_BACKUP_FAILED' })),
      settle: () => (directory === null ? Promise.resolve() : bringToStableStorage(directory)),
    });
  }
}

/** Everything written on the file system of this directory: the server answers as soon as it has handed its files to the kernel. */
async function bringToStableStorage(directory: string): Promise<void> {
  const { exitCode, stderr, timedOut } = await runCommand(['sync', '--file-system', directory], { timeoutMs: SYNC_TIMEOUT_MS });
  if (exitCode === 0) return;
  throw new ModosuError(
    'DATA_REPOSITORY_UNREACHABLE',
    `The storage of the data repository in ${directory} does not keep what was written: ${timedOut ? 'no answer' : stderr.trim().slice(0, 300)}.`,
    { context: { directory } },
  );
}
