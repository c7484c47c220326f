import type { DataManifest } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';
import { runCommand } from '../../system/child-process';
import { freeBytes } from '../../system/files';
import type { DataAccess, DataRepository, DataSnapshot, SnapshotEntry } from './data-repository';
import { removeStaleLocks } from './locks';
import { secretName } from './logins';
import { ManifestShelf } from './manifest-shelf';
import { RepositoryAccess, type RepositoryAccessOptions } from './repository-access';
import { ResticCommand } from './restic-command';
import { SnapshotContents } from './snapshot-contents';

export interface ResticDataRepositoryOptions extends RepositoryAccessOptions {
  /** Default `restic`. */
  readonly program?: string;
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

  constructor(private readonly options: ResticDataRepositoryOptions) {
    this.restic = new ResticCommand(options.program ?? 'restic');
    this.repositories = new RepositoryAccess(options, this.restic);
    this.contents = new SnapshotContents(this.restic, (serverId) => this.repositories.target(serverId));
  }

  probe(): Promise<{ readonly restic: string; readonly address: string }> {
    return this.repositories.probe();
  }

  ensure(serverId: string): Promise<void> {
    return this.repositories.ensure(serverId);
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

  async removeStaleLocks(serverId: string): Promise<void> {
    const target = await this.repositories.target(serverId);
    // Where nobody can lock, locks stand in nobody's way; and what can only be read lets none be removed.
    if (target.canLock) await removeStaleLocks(this.repositories.server, this.restic, target, await this.repositories.login(serverId), new Date());
  }

  snapshots(serverId: string, tags: readonly string[]): Promise<readonly DataSnapshot[]> {
    return this.contents.snapshots(serverId, tags);
  }

  list(
    serverId: string,
    snapshotId: string,
    paths: readonly string[],
    options: { readonly maxEntries: number; readonly signal?: AbortSignal },
  ): Promise<readonly SnapshotEntry[]> {
    return this.contents.list(serverId, snapshotId, paths, options);
  }

  read(serverId: string, snapshotId: string, path: string, options: { readonly maxBytes: number }): Promise<Buffer> {
    return this.contents.read(serverId, snapshotId, path, options);
  }

  sizeOf(serverId: string, snapshotId: string): Promise<{ readonly files: number; readonly totalBytes: number }> {
    return this.contents.sizeOf(serverId, snapshotId);
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
    return this.contents.readAll(serverId, snapshotId, options);
  }

  async publish(manifest: DataManifest): Promise<DataManifest> {
    return (await this.shelf(manifest.server.id)).publish(manifest);
  }

  async open(serverId: string, recoveryPointId: string): Promise<DataManifest> {
    return (await this.shelf(serverId)).open(recoveryPointId);
  }

  private async shelf(serverId: string): Promise<ManifestShelf> {
    const target = await this.repositories.target(serverId);
    const { directory, secrets } = this.options;
    return new ManifestShelf({
      serverId,
      key: await secrets.getOrMake(secretName(serverId, 'manifest')),
      find: (tags) => this.contents.find(target, tags),
      read: (snapshotId, path, maxBytes) => this.contents.dump(target, snapshotId, path, maxBytes),
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
