import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import { formatDuration } from '../../../contracts/format';
import type { ServerRef } from '../../../contracts/server';
import type { Hypervisor } from '../../hypervisor';
import { BackupJob } from './backup-job';
import { allocatedBytes, flush, sealTarget } from './backup-targets';
import { reportWhile } from '../volumes/copy-watch';
import { GuardProcess } from './guard-process';
import { GuardFiles, type GuardOrder, type JobOutcome } from './guard-state';
import type { OnlineBackupParts } from './online-backup';

type FollowRequest = Parameters<Hypervisor['followOnlineBackup']>[0];
type FollowContext = Parameters<Hypervisor['followOnlineBackup']>[1];

/** Short jobs must not wait for a long poll; long ones must not cost a process every moment. */
const FIRST_POLL_MS = 200;
const LONGEST_POLL_MS = 1_000;
/** What the guard has written is looked at more often: it costs no process. */
const OUTCOME_POLL_MS = 50;
const REPORT_MS = 3_000;
/** libvirtd may be restarted under a job, which goes on. */
const UNREACHABLE_FOR_MS = 60_000;
/** Written pages are sent to the storage in pieces of this size, so that the last flush is short. */
const FLUSH_BYTES = 256 * 1024 ** 2;
const PASSES = ['HYPERVISOR_UNREACHABLE', 'HYPERVISOR_COMMAND_TIMED_OUT'];

/** See `Hypervisor.followOnlineBackup`. */
export async function followBackup(
  parts: OnlineBackupParts,
  request: FollowRequest,
  context: FollowContext,
): Promise<{ readonly virtualSizeBytes: Readonly<Record<string, number>> }> {
  const files = GuardFiles.of(parts.settings.stateDirectory, request.runId);
  const [order, begun] = [await files.readOrder(), await files.readBegun()];
  const known =
    order !== null &&
    begun !== null &&
    order.disks.length === request.disks.length &&
    request.disks.every(({ target, targetPath }) => order.disks.some((disk) => disk.target === target && disk.targetPath === targetPath));
  if (!known || order === null) {
    throw new ModosuError('BACKUP_JOB_LOST', `No backup of ${request.server.name} has begun that could be followed.`, {
      hint: 'This host has no record that it was begun. Nothing was published; take the backup again.',
      context: { uuid: request.server.uuid },
    });
  }
  const following = new Following(parts, request.server, order, files, context);
  if (!(await files.readFinished())) {
    await following.untilEnded();
    await following.seal();
  }
  following.complete();
  return { virtualSizeBytes: Object.fromEntries(order.disks.map((disk) => [disk.target, disk.virtualSizeBytes])) };
}

class Following {
  private readonly job: BackupJob;
  private readonly guard: GuardProcess;
  private readonly done = new Map<string, number>();
  /** What there is to copy, as QEMU says: of an incremental image less than the disk. */
  private readonly totals = new Map<string, number>();
  private readonly flushed = new Map<string, number>();
  private flushing: Promise<void> | null = null;
  private flushFailure: { readonly error: unknown } | null = null;
  private movedAt = performance.now();
  private lastSeen = '';
  private reportedAt = performance.now();
  private awaySince: number | null = null;

  constructor(
    private readonly parts: OnlineBackupParts,
    private readonly server: ServerRef,
    private readonly order: GuardOrder,
    private readonly files: GuardFiles,
    private readonly context: FollowContext,
  ) {
    this.job = new BackupJob(parts.virsh, server, order.disks);
    this.guard = new GuardProcess(files, parts.settings.guardCommand);
  }

  /** Returns when QEMU has written everything; throws how it went wrong. */
  async untilEnded(): Promise<void> {
    const { signal } = this.context;
    this.report();
    let pollMs = FIRST_POLL_MS;
    for (let lookAt = 0; ; await delay(OUTCOME_POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted())) {
      signal.throwIfAborted();
      const outcome = (await this.files.readState())?.outcome ?? null;
      if (outcome !== null) return await this.judge(outcome);
      if (performance.now() < lookAt) continue;
      try {
        await this.look();
        this.awaySince = null;
      } catch (error) {
        if (!isModosuError(error) || !PASSES.includes(error.code)) throw error;
        this.awaySince ??= performance.now();
        if (performance.now() - this.awaySince > UNREACHABLE_FOR_MS) throw error;
        this.report();
      }
      if (this.flushFailure !== null) throw this.flushFailure.error;
      if (performance.now() - this.reportedAt >= REPORT_MS) this.report();
      lookAt = performance.now() + pollMs;
      pollMs = Math.min(LONGEST_POLL_MS, pollMs * 1.5);
    }
  }

  /** Everything is on stable storage and ours when this returns. */
  async seal(): Promise<void> {
    const { signal } = this.context;
    await this.flushing;
    if (this.flushFailure !== null) throw this.flushFailure.error;
    for (const { targetPath, virtualSizeBytes, backingName } of this.order.disks) {
      const pieces = Math.max(1, Math.ceil(((await allocatedBytes(targetPath)) - (this.flushed.get(targetPath) ?? 0)) / FLUSH_BYTES));
      const patience = AbortSignal.timeout(this.parts.settings.stallTimeoutMs * pieces);
      const sealing = sealTarget({ targetPath, virtualSizeBytes, backingName }, AbortSignal.any([signal, patience])).catch((error: unknown) => {
        if (!patience.aborted || signal.aborted) throw error;
        throw new ModosuError('COPY_STALLED', `The storage did not take the image ${targetPath}.`, { context: { path: targetPath }, cause: error });
      });
      await reportWhile(() => this.report(), sealing);
    }
    await this.files.writeFinished();
  }

  complete(): void {
    for (const disk of this.order.disks) {
      const totalBytes = this.totalOf(disk);
      this.context.onProgress(disk.target, { doneBytes: totalBytes, totalBytes });
    }
  }

  private async look(): Promise<void> {
    if (!(await this.guard.isWatching())) await this.guard.arm();
    const seen: string[] = [];
    for (const { target, targetPath } of this.order.disks) {
      const progress = await this.job.progress(target);
      const taken = await allocatedBytes(targetPath);
      if (progress !== null) {
        this.done.set(target, Math.max(this.done.get(target) ?? 0, progress.doneBytes));
        if (progress.totalBytes > 0) this.totals.set(target, progress.totalBytes);
      }
      seen.push(`${progress?.doneBytes ?? '-'}/${taken}`);
      this.startFlush(targetPath, progress?.doneBytes ?? 0);
    }
    const movement = seen.join(' ');
    if (movement !== this.lastSeen) {
      this.lastSeen = movement;
      this.movedAt = performance.now();
      this.report();
      return;
    }
    const silentMs = performance.now() - this.movedAt;
    if (silentMs > this.parts.settings.stallTimeoutMs) await this.giveUpStalled(silentMs);
  }

  private async giveUpStalled(silentMs: number): Promise<void> {
    const message = `Nothing was copied of ${this.server.name} for ${formatDuration(silentMs / 1000)}; the backup was cancelled.`;
    // First: who follows later must not take it for somebody else's cancel.
    await this.files.writeVerdict({ code: 'COPY_STALLED', message });
    if (!(await this.job.cancel())) return;
    throw new ModosuError('COPY_STALLED', message, { context: { uuid: this.server.uuid } });
  }

  private async judge(outcome: JobOutcome): Promise<void> {
    if (outcome.result === 'completed') return;
    const verdict = await this.files.readVerdict();
    const { code, message } = verdict ?? outcome;
    throw new ModosuError(code, message, { context: { uuid: this.server.uuid } });
  }

  private startFlush(path: string, doneBytes: number): void {
    if (this.flushing !== null || doneBytes - (this.flushed.get(path) ?? 0) < FLUSH_BYTES) return;
    this.flushing = flush(path, this.context.signal)
      .then(
        () => void this.flushed.set(path, doneBytes),
        (error: unknown) => {
          this.flushFailure = { error };
        },
      )
      .finally(() => {
        this.flushing = null;
      });
  }

  private totalOf({ target, virtualSizeBytes }: { readonly target: string; readonly virtualSizeBytes: number }): number {
    return this.totals.get(target) ?? virtualSizeBytes;
  }

  private report(): void {
    this.reportedAt = performance.now();
    for (const disk of this.order.disks) {
      const totalBytes = this.totalOf(disk);
      // All of it is only done after the last flush.
      this.context.onProgress(disk.target, { doneBytes: Math.min(this.done.get(disk.target) ?? 0, totalBytes - 1), totalBytes });
    }
  }
}
