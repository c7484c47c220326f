import { ModosuError } from '../../contracts/errors';
import { inPortions, requirePath, requireSnapshotId } from '../restic/restic-arguments';
import { reading, type ResticCommand } from '../restic/restic-command';
import { parseRestoreSize } from '../restic/restic-output';
import { SnapshotReader } from '../restic/snapshot-reader';
import type { DataSnapshot, SnapshotEntry } from './data-repository';
import type { DataTarget } from '../data-target';

/**
 * What snapshots there are, and what is in them, as restic tells it of one server's repository. Only reads. Names and sizes in a repository are what a guest
 * has written: hostile. What all methods throw the port says.
 */
export class SnapshotContents {
  readonly reader: SnapshotReader;

  /** @param target where restic finds the repository of a server */
  constructor(
    private readonly restic: ResticCommand,
    private readonly target: (serverId: string) => Promise<DataTarget>,
  ) {
    this.reader = new SnapshotReader(restic);
  }

  async snapshots(serverId: string, tags: readonly string[]): Promise<readonly DataSnapshot[]> {
    return (await this.reader.find(await this.target(serverId), tags)).snapshots;
  }

  async list(
    serverId: string,
    snapshotId: string,
    paths: readonly string[],
    { maxEntries, signal }: { readonly maxEntries: number; readonly signal?: AbortSignal },
  ): Promise<readonly SnapshotEntry[]> {
    const wanted = [...new Set(paths.map(requirePath))];
    const target = await this.target(serverId);
    const found = new Map<string, SnapshotEntry>();
    for (const some of inPortions(wanted)) {
      await this.reader.walk(target, snapshotId, some, signal, (entry) => {
        found.set(entry.path, entry);
        if (found.size > maxEntries) {
          throw new ModosuError('REQUEST_INVALID', `There are more than ${maxEntries} files and directories at the paths asked for.`, {
            hint: 'Name fewer, or smaller, directories.',
          });
        }
      });
    }
    const missing = wanted.filter((path) => path !== '/' && !found.has(path));
    if (missing.length > 0) throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', notHeld(missing), { context: { snapshotId } });
    return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async read(serverId: string, snapshotId: string, path: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer> {
    const wanted = requirePath(path);
    const target = await this.target(serverId);
    // restic writes a directory as an archive: only a look tells it from a file.
    let entry: SnapshotEntry | null = null;
    await this.reader.walk(
      target,
      snapshotId,
      [wanted],
      undefined,
      (candidate) => {
        if (candidate.path === wanted) entry = candidate;
        return entry === null;
      },
      false,
    );
    const { type, sizeBytes } = (entry as SnapshotEntry | null) ?? { type: 'other', sizeBytes: 0 };
    if (type !== 'file') throw new ModosuError('RECOVERY_POINT_INCOMPLETE', notHeld([wanted]), { context: { snapshotId } });
    if (sizeBytes > maxBytes) {
      throw new ModosuError(
        'RECOVERY_POINT_INCOMPLETE',
        `${JSON.stringify(wanted)} in the snapshot ${snapshotId} has ${sizeBytes} bytes; at most ${maxBytes} were expected.`,
        { context: { snapshotId } },
      );
    }
    const bytes = await this.reader.dump(target, snapshotId, wanted, sizeBytes);
    if (bytes.length === sizeBytes) return bytes;
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `${JSON.stringify(wanted)} in the snapshot ${snapshotId} has another length than its directory says.`, {
      context: { snapshotId },
    });
  }

  async sizeOf(serverId: string, snapshotId: string): Promise<{ readonly files: number; readonly totalBytes: number }> {
    const target = await this.target(serverId);
    let files = 0;
    // restic counts directories as files too.
    await this.reader.walk(target, snapshotId, ['/'], undefined, ({ type }) => {
      if (type === 'file') files += 1;
    });
    const { stdout } = await this.restic.run(target, ['stats', ...reading(target), '--mode', 'restore-size', requireSnapshotId(snapshotId)]);
    return { files, totalBytes: parseRestoreSize(stdout) };
  }

  async readAll(serverId: string, snapshotId: string, { signal }: { readonly signal?: AbortSignal }): Promise<void> {
    await this.reader.readAll(await this.target(serverId), snapshotId, signal);
  }
}

const notHeld = (paths: readonly string[]): string =>
  `The recovery point does not hold ${paths
    .slice(0, 5)
    .map((path) => JSON.stringify(path))
    .join(', ')}${paths.length > 5 ? ` and ${paths.length - 5} more` : ''}.`;
