import { ModosuError, isModosuError } from '../../contracts/errors';
import type { DataSnapshot, SnapshotEntry } from './data-repository';
import { inPortions, requirePath, requireSnapshotId, requireTag } from './restic-arguments';
import { reading, type ResticCommand, type ResticTarget } from './restic-command';
import { Lines, parseNode, parseRestoreSize, parseSnapshots } from './restic-output';

const MOST_LIST_BYTES = 64 * 1024 * 1024;

/**
 * What snapshots there are, and what is in them, as restic tells it of one server's repository. Only reads. Names and sizes in a repository are what a guest
 * has written: hostile. What all methods throw the port says.
 */
export class SnapshotContents {
  /** @param target where restic finds the repository of a server */
  constructor(
    private readonly restic: ResticCommand,
    private readonly target: (serverId: string) => Promise<ResticTarget>,
  ) {}

  async snapshots(serverId: string, tags: readonly string[]): Promise<readonly DataSnapshot[]> {
    return (await this.find(await this.target(serverId), tags)).snapshots;
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
      await this.walk(target, snapshotId, some, signal, (entry) => {
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
    await this.walk(
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
    const bytes = await this.dump(target, snapshotId, wanted, sizeBytes);
    if (bytes.length === sizeBytes) return bytes;
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `${JSON.stringify(wanted)} in the snapshot ${snapshotId} has another length than its directory says.`, {
      context: { snapshotId },
    });
  }

  async sizeOf(serverId: string, snapshotId: string): Promise<{ readonly files: number; readonly totalBytes: number }> {
    const target = await this.target(serverId);
    let files = 0;
    // restic counts directories as files too.
    await this.walk(target, snapshotId, ['/'], undefined, ({ type }) => {
      if (type === 'file') files += 1;
    });
    const { stdout } = await this.restic.run(target, ['stats', ...reading(target), '--mode', 'restore-size', requireSnapshotId(snapshotId)]);
    return { files, totalBytes: parseRestoreSize(stdout) };
  }

  /** Everything in it is written into nothing: what restic has decrypted and hashed is what was saved. */
  async readAll(serverId: string, snapshotId: string, { signal }: { readonly signal?: AbortSignal }): Promise<void> {
    const target = await this.target(serverId);
    try {
      await this.restic.run(target, ['dump', ...reading(target), '--archive', 'tar', requireSnapshotId(snapshotId), '/'], {
        discardStdout: true,
        isLong: true,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      throw missingSnapshot(error, snapshotId);
    }
  }

  /** `unreadable`: there is one more, at least, that is damaged. */
  async find(target: ResticTarget, tags: readonly string[]): Promise<{ readonly snapshots: readonly DataSnapshot[]; readonly unreadable: boolean }> {
    const { stdout, stderr } = await this.restic.run(
      target,
      ['snapshots', ...reading(target), ...(tags.length === 0 ? [] : ['--tag', tags.map(requireTag).join(',')])],
      { maxOutputBytes: MOST_LIST_BYTES },
    );
    // restic leaves a damaged one out, says so, and calls it a success.
    return { snapshots: parseSnapshots(stdout), unreadable: stderr.includes('could not load snapshot') };
  }

  /** At most so many bytes and one more. */
  async dump(target: ResticTarget, snapshotId: string, path: string, maxBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const tooMuch = new AbortController();
    try {
      await this.restic.run(target, ['dump', ...reading(target), requireSnapshotId(snapshotId), path], {
        maxOutputBytes: 0,
        signal: tooMuch.signal,
        onStdout: (piece) => {
          pieces.push(piece);
          bytes += piece.length;
          if (bytes > maxBytes) tooMuch.abort(SEEN_ENOUGH);
        },
      });
    } catch (error) {
      if (error !== SEEN_ENOUGH) throw missingSnapshot(error, snapshotId);
    }
    return Buffer.concat(pieces).subarray(0, maxBytes + 1);
  }

  /** Everything at and below these paths, or only their children. `onEntry` returns false when it has seen enough. */
  private async walk(
    target: ResticTarget,
    snapshotId: string,
    paths: readonly string[],
    signal: AbortSignal | undefined,
    onEntry: (entry: SnapshotEntry) => boolean | void,
    recursive = true,
  ): Promise<void> {
    const enough = new AbortController();
    let isThere = false;
    const lines = new Lines((line) => {
      if (enough.signal.aborted) return;
      const entry = parseNode(line);
      if ('snapshotId' in entry) {
        isThere ||= entry.snapshotId === snapshotId;
        return;
      }
      // Names in a repository may be anything, also "../../etc".
      if (!paths.some((path) => path === '/' || entry.path === path || entry.path.startsWith(`${path}/`))) {
        throw new ModosuError('RECOVERY_POINT_CORRUPT', `The snapshot ${snapshotId} holds a file that says it lies elsewhere.`, { context: { snapshotId } });
      }
      if (onEntry(entry) === false) enough.abort(SEEN_ENOUGH);
    });
    const guarded = (take: () => void): void => {
      try {
        take();
      } catch (error) {
        enough.abort(error);
      }
    };
    try {
      const { stderr } = await this.restic.run(
        target,
        ['ls', ...reading(target), ...(recursive ? ['--recursive'] : []), requireSnapshotId(snapshotId), ...paths],
        {
          maxOutputBytes: 0,
          signal: signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]),
          onStdout: (piece) => guarded(() => lines.add(piece)),
        },
      );
      guarded(() => lines.end());
      enough.signal.throwIfAborted();
      // restic 0.14 calls it a success when the snapshot is missing, and when it is damaged.
      if (!isThere) throw unloadable(snapshotId, stderr);
    } catch (error) {
      if (error !== SEEN_ENOUGH) throw missingSnapshot(error, snapshotId);
    }
  }
}

const SEEN_ENOUGH = new Error('seen enough');

const notHeld = (paths: readonly string[]): string =>
  `The recovery point does not hold ${paths
    .slice(0, 5)
    .map((path) => JSON.stringify(path))
    .join(', ')}${paths.length > 5 ? ` and ${paths.length - 5} more` : ''}.`;

const unloadable = (snapshotId: string, stderr: string): ModosuError =>
  /\bcould not load snapshot\b/.test(stderr)
    ? new ModosuError('RECOVERY_POINT_CORRUPT', `The snapshot ${snapshotId} is damaged.`, { context: { snapshotId } })
    : new ModosuError('RECOVERY_POINT_INCOMPLETE', `There is no snapshot ${snapshotId}.`, { context: { snapshotId } });

/** restic has no exit code for what is not there. */
function missingSnapshot(error: unknown, snapshotId: string): unknown {
  if (!isModosuError(error) || error.code !== 'DATA_REPOSITORY_FAILED') return error;
  if (/\bno matching ID found\b/.test(error.message)) return unloadable(snapshotId, '');
  if (/\bpath ".*" not found in snapshot\b|: not found in snapshot\b/.test(error.message)) {
    return new ModosuError('RECOVERY_POINT_INCOMPLETE', `The snapshot ${snapshotId} does not hold the file asked for.`, { context: { snapshotId } });
  }
  return error;
}
