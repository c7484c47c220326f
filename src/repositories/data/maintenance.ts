import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ModosuError, isModosuError } from '../../contracts/errors';
import { formatBytes, formatBytesNeeded } from '../../contracts/format';
import type { Secrets } from '../../secrets/secrets';
import { MANIFEST_TAG, recoveryPointTag, type DataSnapshot } from './data-repository';
import { secretName } from './logins';
import { MaintenanceKey } from './maintenance-key';
import type { RepositoryAccess } from './repository-access';
import { inPortions, requireRecoveryPointId } from '../restic/restic-arguments';
import type { ResticCommand } from '../restic/restic-command';
import type { DataTarget } from '../data-target';
import { parseRepositoryId } from '../restic/restic-output';
import { removeLeftovers } from '../restic/leftovers';
import { RestServer } from './rest-server';
import type { SnapshotContents } from './snapshot-contents';

export interface MaintenanceOptions {
  /** Where the server of the repository stores, when that is on this machine. */
  readonly directory: string | null;
  /** The same storage behind an endpoint that lets things be removed, for when it is elsewhere; null: there is none. */
  readonly maintenanceUrl: string | null;
  readonly secrets: Secrets;
}

/** Of the whole storage, before a prune: it writes what stays of a pack anew before it removes the pack. */
const LEAST_FREE = 0.1;
/** Rewritten by one prune at most: one that is ended early has lost little, and each one that comes to its end gets further. */
const MOST_REWRITTEN = '4G';
const RECOVERY_POINT_TAG = recoveryPointTag('');

/**
 * Removes data recovery points for good, from the backup side: in the directory in which the guests' server stores, or over an endpoint of its own, with a key
 * of its own. restic's exclusive lock keeps everybody out meanwhile. Killed anywhere, it leaves a repository that is whole: restic writes anew first and removes
 * afterwards. What all methods throw the port says.
 */
export class Maintenance {
  private readonly key: MaintenanceKey;

  constructor(
    private readonly options: MaintenanceOptions,
    private readonly restic: ResticCommand,
    private readonly repositories: RepositoryAccess,
    private readonly contents: SnapshotContents,
  ) {
    this.key = new MaintenanceKey(options.secrets, restic);
  }

  get isPossible(): boolean {
    return this.options.directory !== null || this.options.maintenanceUrl !== null;
  }

  async forget(serverId: string, recoveryPointIds: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const wanted = new Set(recoveryPointIds.map(requireRecoveryPointId));
    const guests = await this.repositories.target(serverId);
    const options = signal === undefined ? {} : { signal };
    await this.requireRoom();
    await this.repositories.removeStaleLocks(serverId);
    try {
      const target = await this.open(guests, signal);
      await this.requireWhole(target, options);
      const { snapshots, unreadable } = await this.contents.reader.find(target, []);
      if (unreadable) throw new ModosuError('RECOVERY_POINT_CORRUPT', `A snapshot of ${serverId} is damaged. ${NOTHING}`, { context: { serverId } });
      const going = snapshots.filter((snapshot) => belongsOnlyTo(snapshot, wanted));
      // Manifests first: without one a recovery point is not there, and nobody finds half of it.
      for (const isManifest of [true, false]) {
        const ids = going.filter(({ tags }) => tags.includes(MANIFEST_TAG) === isManifest).map(({ id }) => id);
        for (const some of inPortions(ids)) await this.restic.run(target, ['forget', ...some], options);
      }
      const began = new Date();
      await this.prune(target, options);
      if (this.options.directory !== null) await removeLeftovers(join(this.options.directory, serverId), began);
    } finally {
      // A restic that was killed has left its exclusive lock, in the way of everybody.
      await this.repositories.removeStaleLocks(serverId).catch(() => undefined);
    }
  }

  /** The storage itself, opened with the key of this side; the same repository that the guests have. */
  private async open(guests: DataTarget, signal: AbortSignal | undefined): Promise<DataTarget> {
    const { serverId } = guests;
    const place = await this.place(serverId);
    const login = await this.repositories.login(serverId);
    const here = { ...guests, env: { ...guests.env, RESTIC_REPOSITORY: place }, canLock: true };
    const target = await this.key.open(here, () => this.repositories.server.list(login, 'keys'), signal);
    const id = parseRepositoryId((await this.restic.run(target, ['cat', '--no-lock', 'config'], signal === undefined ? {} : { signal })).stdout);
    const recorded = await this.options.secrets.read(secretName(serverId, 'repository-id'));
    if (id === recorded) return target;
    throw new ModosuError('DATA_REPOSITORY_UNREACHABLE', `Where data of ${serverId} is to be removed lies another repository than its own. ${NOTHING}`, {
      hint: 'MODOSU_DATA_MAINTENANCE_URL has to lead to the same storage as MODOSU_DATA_URL.',
      context: { serverId },
    });
  }

  private async place(serverId: string): Promise<string> {
    const { directory, maintenanceUrl } = this.options;
    if (directory !== null) {
      const path = join(directory, serverId);
      await requireOwn(path, serverId);
      return path;
    }
    if (maintenanceUrl !== null) return RestServer.repositoryUrl(maintenanceUrl, await this.repositories.login(serverId));
    throw new ModosuError('CONFIG_INVALID', 'The server of the data repository lets nothing be removed, and no other endpoint is known.', {
      hint: 'Set MODOSU_DATA_MAINTENANCE_URL.',
    });
  }

  private async requireRoom(): Promise<void> {
    const { directory } = this.options;
    if (directory === null) return;
    const { freeBytes, totalBytes } = await roomIn(directory);
    const neededBytes = Math.ceil(totalBytes * LEAST_FREE);
    if (freeBytes >= neededBytes) return;
    throw new ModosuError(
      'NOT_ENOUGH_SPACE',
      `The data repository has ${formatBytes(freeBytes)} free in ${directory}; to remove recovery points from it takes ${formatBytesNeeded(neededBytes)}, a tenth of its storage. ${NOTHING}`,
      { hint: 'Make room on the storage of the data repository; recovery points that are there stay usable.', context: { directory, freeBytes, neededBytes } },
    );
  }

  /** What is missing somewhere must not become more: whoever mends it may need what nothing refers to. */
  private async requireWhole(target: DataTarget, options: { readonly signal?: AbortSignal }): Promise<void> {
    try {
      await this.restic.run(target, ['check'], { isLong: true, ...options });
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'RECOVERY_POINT_CORRUPT') throw error;
      throw new ModosuError(error.code, `${error.message} ${NOTHING}`, { context: error.context, cause: error });
    }
  }

  private async prune(target: DataTarget, options: { readonly signal?: AbortSignal }): Promise<void> {
    try {
      await this.restic.run(target, ['prune', '--max-repack-size', MOST_REWRITTEN], { isLong: true, ...options });
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'NOT_ENOUGH_SPACE') throw error;
      throw new ModosuError(
        error.code,
        `The storage of the data repository became full while room was made in it. Nothing is lost: what was to go is forgotten, and all that stays is there. ${error.message}`,
        { hint: 'Make room on the storage of the data repository; the next attempt goes on.', context: error.context, cause: error },
      );
    }
  }
}

const NOTHING = 'Nothing was removed.';

/** A guest may give its snapshots any tags: one that says that it is also of another recovery point stays. */
function belongsOnlyTo({ tags }: DataSnapshot, wanted: ReadonlySet<string>): boolean {
  const of = tags.filter((tag) => tag.startsWith(RECOVERY_POINT_TAG)).map((tag) => tag.slice(RECOVERY_POINT_TAG.length));
  return of.length > 0 && of.every((id) => wanted.has(id));
}

/** restic's files are private to whoever has written them: the server of the repository could not read those of another user. */
async function requireOwn(path: string, serverId: string): Promise<void> {
  const { uid } = await stat(join(path, 'config'));
  if (uid === process.geteuid?.()) return;
  throw new ModosuError('CONFIG_INVALID', `The data repository of ${serverId} belongs to the user ${uid}, which this worker is not. ${NOTHING}`, {
    hint: 'Run workers as the user that runs the server of the data repository.',
    context: { serverId, uid },
  });
}

async function roomIn(directory: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
