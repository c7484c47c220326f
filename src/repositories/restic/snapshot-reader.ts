import type { SnapshotEntry } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { requireSnapshotId, requireTag } from './restic-arguments';
import { outcomeOf, reading, type ResticCommand, type ResticOptions, type ResticTarget } from './restic-command';
import { Lines, parseNode, parseSnapshots, parseSnapshotTrees, type ResticSnapshot, type SnapshotTree } from './restic-output';

const MOST_LIST_BYTES = 64 * 1024 * 1024;

/** What snapshots a repository has, and what is in them, as restic tells it. Only reads. What is told may have been written by anybody: hostile. */
export class SnapshotReader {
  constructor(private readonly restic: ResticCommand) {}

  /** `unreadable`: there is one more, at least, that is damaged. */
  async find(target: ResticTarget, tags: readonly string[]): Promise<{ readonly snapshots: readonly ResticSnapshot[]; readonly unreadable: boolean }> {
    const { stdout, stderr } = await this.restic.run(
      target,
      ['snapshots', ...reading(target), ...(tags.length === 0 ? [] : ['--tag', tags.map(requireTag).join(',')])],
      { maxOutputBytes: MOST_LIST_BYTES },
    );
    // restic leaves a damaged one out, says so, and calls it a success.
    return { snapshots: parseSnapshots(stdout), unreadable: stderr.includes('could not load snapshot') };
  }

  /** All of a repository, oldest first, or the one of this id, with what they hold. */
  async trees(
    target: ResticTarget,
    snapshotId?: string,
    signal?: AbortSignal,
  ): Promise<{ readonly snapshots: readonly SnapshotTree[]; readonly unreadable: boolean }> {
    const { stdout, stderr } = await this.restic.run(
      target,
      ['snapshots', ...reading(target), ...(snapshotId === undefined ? [] : [requireSnapshotId(snapshotId)])],
      {
        maxOutputBytes: MOST_LIST_BYTES,
        ...(signal === undefined ? {} : { signal }),
      },
    );
    return { snapshots: parseSnapshotTrees(stdout), unreadable: stderr.includes('could not load snapshot') };
  }

  /** Every entry of a snapshot of ours, which the beginning of its id names too; its full id. */
  async entries(target: ResticTarget, snapshotId: string, signal: AbortSignal, onEntry: (entry: SnapshotEntry) => void): Promise<string> {
    let id: string | null = null;
    let problem: unknown = null;
    const lines = new Lines((line) => {
      const entry = parseNode(line);
      if ('snapshotId' in entry) id = entry.snapshotId;
      else onEntry(entry);
    });
    const guarded = (take: () => void): void => {
      try {
        if (problem === null) take();
      } catch (error) {
        problem = error;
      }
    };
    const { stderr } = await this.restic.run(target, ['ls', ...reading(target), snapshotId], {
      maxOutputBytes: 0,
      signal,
      onStdout: (piece) => guarded(() => lines.add(piece)),
    });
    guarded(() => lines.end());
    if (problem !== null) throw problem as Error;
    if (id === null || !(id as string).startsWith(snapshotId)) throw unloadable(snapshotId, stderr);
    return requireSnapshotId(id);
  }

  /** At most so many bytes and one more. */
  async dump(
    target: ResticTarget,
    snapshotId: string,
    path: string,
    maxBytes: number,
    options: Pick<ResticOptions, 'signal' | 'giveUpOn'> = {},
  ): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const tooMuch = new AbortController();
    try {
      await this.restic.run(target, ['dump', ...reading(target), requireSnapshotId(snapshotId), path], {
        maxOutputBytes: 0,
        ...options,
        signal: options.signal === undefined ? tooMuch.signal : AbortSignal.any([options.signal, tooMuch.signal]),
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
  async walk(
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

  /** Everything in it is written into nothing: what restic has decrypted and hashed is what was saved. */
  async readAll(
    target: ResticTarget,
    snapshotId: string,
    signal: AbortSignal | undefined,
    options: Pick<ResticOptions, 'onStarted' | 'giveUpOn'> = {},
  ): Promise<void> {
    try {
      await this.restic.run(target, ['dump', ...reading(target), '--archive', 'tar', requireSnapshotId(snapshotId), '/'], {
        discardStdout: true,
        isLong: true,
        ...options,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      throw missingSnapshot(error, snapshotId);
    }
  }
}

const SEEN_ENOUGH = new Error('seen enough');

const unloadable = (snapshotId: string, stderr: string): ModosuError =>
  /\bcould not load snapshot\b/.test(stderr)
    ? new ModosuError('RECOVERY_POINT_CORRUPT', `The snapshot ${snapshotId} is damaged.`, { context: { snapshotId } })
    : new ModosuError('RECOVERY_POINT_INCOMPLETE', `There is no snapshot ${snapshotId}.`, { context: { snapshotId } });

/** restic has no exit code for what is not there. */
function missingSnapshot(error: unknown, snapshotId: string): unknown {
  if (!(error instanceof ModosuError) || outcomeOf(error) !== 'failed') return error;
  if (/\bno matching ID found\b/.test(error.message)) return unloadable(snapshotId, '');
  if (/\bpath ".*" not found in snapshot\b|: not found in snapshot\b/.test(error.message)) {
    return new ModosuError('RECOVERY_POINT_INCOMPLETE', `The snapshot ${snapshotId} does not hold the file asked for.`, { context: { snapshotId } });
  }
  return error;
}
