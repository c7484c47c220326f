import type { Stats } from 'node:fs';
import { chmod, chown, lstat, open, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ErrorCode } from '../../../contracts/error-codes';
import { withinDeadline } from '../../../contracts/deadline';
import { ModosuError } from '../../../contracts/errors';
import type { DiskFormat } from '../../../contracts/server';
import { runCommand } from '../../../system/child-process';
import { errorCode, errorMessage, fsyncDirectory } from '../../../system/files';
import { endOrphan, forgetProcess, recordProcess } from '../../../system/process-record';
import { sha256Of } from '../../../system/sha256';
import type { TransferContext } from '../../hypervisor';
import { CopyWatch, reportWhile } from './copy-watch';
import { imageName, type ImageFile } from './disk-images';
import { libvirtMessage } from '../virsh';

/** Who a new file belongs to. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface VolumeCopyRequest {
  /** Active file first, every file below it spelled out; the result stands alone. */
  readonly source: readonly [ImageFile, ...ImageFile[]];
  readonly targetPath: string;
  readonly targetFormat: DiskFormat;
  /** What there is to copy, for the progress: room the source takes. */
  readonly totalBytes: number;
  /** Null: root's, readable by nobody else. */
  readonly owner: Ownership | null;
  /** Code for a source file that cannot be looked at (any more). */
  readonly sourceCode: Extract<ErrorCode, 'DISK_FILE_MISSING' | 'REPOSITORY_UNREACHABLE'>;
  /** Code for a target directory that is not there (any more). */
  readonly unreachableCode: Extract<ErrorCode, 'REPOSITORY_UNREACHABLE' | 'TARGET_UNREACHABLE'>;
}

export interface CopierOptions {
  readonly stateDirectory: string;
  /** A copy that makes no observable progress for this long is killed. */
  readonly stallTimeoutMs: number;
}

/** Where the process that copies into `targetPath` is written down. Only one may at a time. */
export const copyRecordPath = (stateDirectory: string, targetPath: string): string =>
  join(stateDirectory, 'copies', `${sha256Of(targetPath).slice(0, 32)}.json`);

/** Copies images with qemu-img: out of process, watched, limited, durable. */
export class Copier {
  constructor(private readonly options: CopierOptions) {}

  /**
   * Copies an image into a new file and makes it durable. Always from scratch: what an earlier attempt left running is ended first, what it
   * left on disk is deleted. On failure or abort the half-made file stays for the caller to discard.
   * Throws `COPY_FAILED`, `COPY_STALLED`, `NOT_ENOUGH_SPACE`, `SERVER_NOT_STOPPED` (the source is in use), `VOLUME_EXISTS`, the request's
   * `sourceCode` or `unreachableCode`, or the abort reason. Calls `onProgress` as the port says from the first moment on: deleting a large half-made file
   * and the last flush take their time too.
   */
  async copy(request: VolumeCopyRequest, context: TransferContext): Promise<void> {
    context.signal.throwIfAborted();
    const recordPath = copyRecordPath(this.options.stateDirectory, request.targetPath);
    const nothingYet = (): void => context.onProgress({ doneBytes: 0, totalBytes: request.totalBytes });
    await reportWhile(nothingYet, endOrphan(recordPath));
    const made = await reportWhile(nothingYet, this.withDeadline(createEmpty(request), `preparing ${request.targetPath}`));
    const before = await reportWhile(nothingYet, this.sourceTimes(request));

    const watch = new CopyWatch({
      path: request.targetPath,
      inode: made.ino,
      totalBytes: request.totalBytes,
      stallTimeoutMs: this.options.stallTimeoutMs,
      unreachableCode: request.unreachableCode,
      onProgress: context.onProgress,
    });
    const signal = AbortSignal.any([context.signal, watch.signal]);
    watch.start();
    try {
      await this.convert(request, context, recordPath, watch, signal);
      await watch.requireTarget();
      if (request.owner !== null) await applyOwnership(request.targetPath, request.owner);
      await watch.flush(signal);
      // Whatever stands there now is durable; that it is still our file is asked last.
      await watch.requireTarget();
      await this.withDeadline(fsyncDirectory(dirname(request.targetPath)), `writing the directory of ${request.targetPath}`);
      if ((await this.sourceTimes(request)) !== before) {
        throw new ModosuError('COPY_FAILED', `The source of ${request.targetPath} was written to while it was copied; the copy is worthless.`, {
          context: { path: request.targetPath },
        });
      }
    } finally {
      await watch.stop();
    }
    watch.complete();
  }

  /** Ends a copy into this file that a dead worker has left running. */
  async endLeftover(targetPath: string): Promise<void> {
    await endOrphan(copyRecordPath(this.options.stateDirectory, targetPath));
  }

  private async convert(request: VolumeCopyRequest, context: TransferContext, recordPath: string, watch: CopyWatch, signal: AbortSignal): Promise<void> {
    const limit = context.rateLimitBytesPerSecond;
    let recorded: Promise<void> = Promise.resolve();
    let pid = 0;
    const outcome = await runCommand(
      [
        'qemu-img',
        'convert',
        '-p',
        ...(limit !== undefined ? ['-r', String(Math.max(1, Math.floor(limit)))] : []),
        '-O',
        request.targetFormat,
        imageName(request.source),
        request.targetPath,
      ],
      {
        signal,
        maxOutputBytes: 64 * 1024,
        onStdout: (piece) => watch.sawOutput(piece.toString('latin1')),
        onStarted: (started) => {
          pid = started;
          recorded = recordProcess(recordPath, started, `copy to ${request.targetPath}`);
          recorded.catch((error: unknown) => watch.fail(error));
        },
      },
    ).finally(async () => {
      await recorded.catch(() => undefined);
      await forgetProcess(recordPath, pid);
    });
    if (outcome.exitCode !== 0) throw copyError(request, outcome.stderr, outcome.signal);
  }

  private sourceTimes(request: VolumeCopyRequest): Promise<string> {
    return this.withDeadline(fileTimes(request), `looking at the source of ${request.targetPath}`);
  }

  /** Storage that hangs must not hang us: the call is left behind, the promise settles. */
  private withDeadline<T>(work: Promise<T>, what: string): Promise<T> {
    const { stallTimeoutMs } = this.options;
    return withinDeadline(
      work,
      stallTimeoutMs,
      () => new ModosuError('COPY_STALLED', `The storage did not answer for ${stallTimeoutMs / 1000} s while ${what}.`),
    );
  }
}

/** Makes the target before QEMU's tools do: with a private mode from the first byte on, and never through a link. */
export async function createEmpty(request: Pick<VolumeCopyRequest, 'targetPath' | 'unreachableCode'>): Promise<Stats> {
  const { targetPath, unreachableCode } = request;
  const unreachable = (problem: string, cause: unknown): ModosuError =>
    new ModosuError(unreachableCode, `The directory ${dirname(targetPath)} ${problem}.`, { context: { path: targetPath }, cause });
  try {
    const present = await lstat(targetPath).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (present !== null && !present.isFile()) {
      throw new ModosuError('VOLUME_EXISTS', `${targetPath} exists and is not a regular file.`, { context: { path: targetPath } });
    }
    // A new inode, not the old one cut short: whoever still has the old file open writes into nothing.
    if (present !== null) await unlink(targetPath);
    const file = await open(targetPath, 'wx', 0o600);
    try {
      return await file.stat();
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw unreachable('does not exist', error);
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'EIO' || code === 'ESTALE') {
      throw unreachable(`cannot be written (${code})`, error);
    }
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new ModosuError('NOT_ENOUGH_SPACE', `No space is left for ${targetPath}.`, { context: { path: targetPath }, cause: error });
    }
    if (code === 'EEXIST') {
      throw new ModosuError('VOLUME_EXISTS', `${targetPath} was made by somebody else in this moment.`, { context: { path: targetPath }, cause: error });
    }
    throw error;
  }
}

export async function applyOwnership(path: string, owner: Ownership): Promise<void> {
  await chown(path, owner.uid, owner.gid);
  await chmod(path, owner.mode);
}

/** Owner and mode of a file; null when it is not there. */
export async function ownershipOf(path: string): Promise<Ownership | null> {
  try {
    const { uid, gid, mode } = await stat(path);
    return { uid, gid, mode: mode & 0o777 };
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
    throw error;
  }
}

/** Changes when anybody writes to one of the files. */
async function fileTimes({ source, sourceCode }: VolumeCopyRequest): Promise<string> {
  const facts: string[] = [];
  for (const { path } of source) {
    try {
      const { mtimeNs, size, ino } = await stat(path, { bigint: true });
      facts.push(`${ino}:${size}:${mtimeNs}`);
    } catch (error) {
      const code = errorCode(error);
      const passes = sourceCode === 'DISK_FILE_MISSING' && (code === 'EIO' || code === 'ESTALE');
      throw new ModosuError(passes ? 'DISK_FILE_UNREADABLE' : sourceCode, `The file ${path} cannot be looked at (${code ?? errorMessage(error)}).`, {
        context: { path },
        cause: error,
      });
    }
  }
  return facts.join(' ');
}

function copyError(request: VolumeCopyRequest, stderr: string, signal: NodeJS.Signals | null): ModosuError {
  const context = { path: request.targetPath };
  const message = libvirtMessage(stderr);
  if (/No space left on device|Disk quota exceeded/.test(stderr)) {
    return new ModosuError('NOT_ENOUGH_SPACE', `The copy to ${request.targetPath} filled the storage: ${message}`, { context });
  }
  if (/Failed to get .*lock/.test(stderr) && !stderr.includes(request.targetPath)) {
    return new ModosuError('SERVER_NOT_STOPPED', `The disk ${request.source[0]?.path ?? ''} is in use by another process: ${message}`, { context });
  }
  return new ModosuError(
    'COPY_FAILED',
    signal === null ? `qemu-img failed to copy to ${request.targetPath}: ${message}` : `The copy to ${request.targetPath} was ended by ${signal}.`,
    { context },
  );
}
