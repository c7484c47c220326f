import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ErrorCode } from '../../../contracts/error-codes';
import { ModosuError } from '../../../contracts/errors';
import { runCommand } from '../../../system/child-process';
import { errorCode } from '../../../system/files';
import type { TransferContext } from '../../hypervisor';
import { libvirtMessage } from '../virsh';

export interface CopyWatchOptions {
  readonly path: string;
  /** Of the file that was made for this copy: another one under the same name is not ours. */
  readonly inode: number;
  readonly totalBytes: number;
  readonly stallTimeoutMs: number;
  readonly unreachableCode: Extract<ErrorCode, 'REPOSITORY_UNREACHABLE' | 'TARGET_UNREACHABLE'>;
  readonly onProgress: TransferContext['onProgress'];
}

const OBSERVE_MS = 500;
/** The port allows 5 s between two reports. */
const REPORT_MS = 3_000;
const BLOCK_BYTES = 512;
/** Written pages are sent to the storage in pieces of this size, so that the last fsync is short and the progress is true. */
const FLUSH_BYTES = 256 * 1024 * 1024;
const PERCENT = /\((\d+(?:\.\d+)?)\/100%\)/g;

/** Calls `report` every few seconds as long as `work` goes on. */
export async function reportWhile<T>(report: () => void, work: Promise<T>): Promise<T> {
  const timer = setInterval(report, REPORT_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/**
 * Watches one copy from outside: qemu-img's own percentage (steps of one percent) and the room the target takes (finer). It alone judges whether
 * the copy is stalled: as long as it is not, progress is reported every few seconds with the last known numbers, so that nobody else takes silence
 * for death. Aborts its `signal` when nothing moves for too long, or when the target is no longer where it was made.
 */
export class CopyWatch {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private observing: Promise<void> | null = null;
  private flushing: Promise<void> | null = null;
  private percent = 0;
  private allocatedBytes = 0;
  /** Handed to a flush, and known to be on stable storage. */
  private flushedBytes = 0;
  private durableBytes = 0;
  private lastMovedAt = performance.now();
  private lastReportedAt = performance.now();
  /** How long nothing may move. Longer during the last flush, of which nothing can be observed until it is over. */
  private patienceMs: number;
  /** A percentage may arrive in two pieces. */
  private tail = '';

  constructor(private readonly options: CopyWatchOptions) {
    this.patienceMs = options.stallTimeoutMs;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  start(): void {
    this.lastMovedAt = performance.now();
    this.report();
    this.timer = setInterval(() => this.tick(), OBSERVE_MS);
  }

  /** No timer and no child is left afterwards. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.controller.abort(new ModosuError('COPY_FAILED', 'The copy is over.'));
    await this.flushing?.catch(() => undefined);
  }

  fail(error: unknown): void {
    this.controller.abort(error);
  }

  sawOutput(text: string): void {
    const all = this.tail + text;
    this.tail = all.slice(-32);
    for (const [, figure] of all.matchAll(PERCENT)) {
      const percent = Math.min(100, Number(figure));
      if (percent <= this.percent) continue;
      this.percent = percent;
      this.moved();
    }
  }

  /**
   * Everything is on stable storage when this returns. A failed flush means that the file is garbage. Each piece that may still lie in memory is allowed the
   * stall time-out: slow storage under load needs minutes for what the page cache has taken in seconds.
   */
  async flush(signal: AbortSignal): Promise<void> {
    // No further piece is begun beside it.
    this.flushedBytes = Infinity;
    this.allowForFlush();
    await this.flushing;
    this.allowForFlush();
    await this.syncTarget(signal);
    this.patienceMs = this.options.stallTimeoutMs;
    this.moved();
  }

  /** Throws the unreachable code unless the file that was made for the copy still stands there. */
  async requireTarget(): Promise<void> {
    const { path, inode } = this.options;
    const present = await lstat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR' || errorCode(error) === 'ESTALE' || errorCode(error) === 'EIO') return null;
      throw error;
    });
    if (present === null || present.ino !== inode) {
      throw new ModosuError(this.options.unreachableCode, `${path} vanished while it was written; is ${dirname(path)} still mounted?`, { context: { path } });
    }
    const allocatedBytes = present.blocks * BLOCK_BYTES;
    if (allocatedBytes !== this.allocatedBytes) {
      this.allocatedBytes = allocatedBytes;
      this.moved();
    }
  }

  /** Reports the end: only now is everything done. */
  complete(): void {
    const { totalBytes, onProgress } = this.options;
    onProgress({ doneBytes: totalBytes, totalBytes });
  }

  private tick(): void {
    const silentMs = performance.now() - this.lastMovedAt;
    if (silentMs > this.patienceMs) {
      this.fail(
        new ModosuError('COPY_STALLED', `Nothing was copied to ${this.options.path} for ${Math.round(silentMs / 1000)} s.`, {
          context: { path: this.options.path },
        }),
      );
      return;
    }
    if (performance.now() - this.lastReportedAt >= REPORT_MS) this.report();
    // Dead storage does not answer: the question stays open, and the clock above goes on.
    this.observing ??= this.requireTarget()
      .then(() => this.startFlush())
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.observing = null;
      });
  }

  private allowForFlush(): void {
    const pieces = Math.ceil((this.allocatedBytes - this.durableBytes) / FLUSH_BYTES);
    this.patienceMs = this.options.stallTimeoutMs * Math.max(1, pieces);
    this.lastMovedAt = performance.now();
  }

  private startFlush(): void {
    if (this.flushing !== null || this.allocatedBytes - this.flushedBytes < FLUSH_BYTES || this.signal.aborted) return;
    const handed = this.allocatedBytes;
    this.flushedBytes = handed;
    this.flushing = this.syncTarget(this.signal).then(
      () => {
        this.flushing = null;
        this.durableBytes = handed;
        this.moved();
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** In a child, because a call that hangs in this process could not be ended. */
  private async syncTarget(signal: AbortSignal): Promise<void> {
    const outcome = await runCommand(['sync', '--', this.options.path], { signal });
    if (outcome.exitCode !== 0) {
      throw new ModosuError('COPY_FAILED', `${this.options.path} could not be written to stable storage: ${libvirtMessage(outcome.stderr)}`, {
        context: { path: this.options.path },
      });
    }
  }

  private moved(): void {
    this.lastMovedAt = performance.now();
    this.report();
  }

  private report(): void {
    this.lastReportedAt = performance.now();
    const { totalBytes, onProgress } = this.options;
    // All of it is only done after the last fsync and the checks that follow.
    const doneBytes = Math.min(Math.max((this.percent / 100) * totalBytes, this.allocatedBytes), Math.max(0, totalBytes - 1));
    onProgress({ doneBytes: Math.floor(doneBytes), totalBytes });
  }
}
