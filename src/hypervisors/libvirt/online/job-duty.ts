import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ErrorCode } from '../../../contracts/error-codes';
import { formatDuration } from '../../../contracts/format';
import { freeBytes } from '../../../system/files';
import type { JobEnd } from './job-events';
import type { GuardTools } from './guard-duty';
import { elapsedMs, LATE_JOB_MS, monotonicMs, type GuardWord, type JobOutcome } from './guard-state';
import type { ServerStanding } from './server-control';
import { parseWriteCounters, WriteLatency } from './write-latency';

/** Less than this is full: QEMU writes clusters of 64 KiB and their tables. */
const FULL_BELOW_BYTES = 4 * 1024 ** 2;
const LATENCY_EVERY_MS = 1_000;
/** The announcement of the end may come after the job has left libvirt's books. */
const EVENT_GRACE_MS = 1_500;
/** A guest whose write failed together with the job may be stopped a moment later. */
const PAUSE_GRACE_MS = 500;
/** From the end of a job to the end of the QEMU that takes it along, on a busy host. */
const DYING_MS = 10_000;
/** The announcement tells at once; this is for the case that it is missed. */
const LOOK_EVERY_MS = 2_000;
const AGAIN_MS = 500;

/** Watches QEMU's job from asking for it until its end, and what it does to the server. */
export class JobDuty {
  private readonly latency = new WriteLatency();
  private announced: { readonly end: JobEnd; readonly atMs: number } | null = null;
  private absentSinceMs: number | null = null;
  private lookedAtMs = -Infinity;
  private sampledAtMs = -Infinity;
  private limited = false;
  /** An I/O error had stopped the server before we came, and it has not run since: not ours to resume. */
  private foreignPause: boolean;

  constructor(private readonly tools: GuardTools) {
    this.foreignPause = tools.order.pausedBefore;
  }

  /** libvirt has announced the end of a backup. */
  ended(end: JobEnd): void {
    this.announced = { end, atMs: monotonicMs() };
  }

  /** Nothing of ours runs any more, and how it went is written down (or is nobody's business: the worker never said that it had begun). */
  isDone(word: GuardWord, workerIsDead: boolean): boolean {
    if (word.job === 'none' || word.job === 'over') return true;
    if (this.tools.book.state.outcome !== null) return true;
    return word.job === 'asked' && workerIsDead && this.isLongAbsent(word);
  }

  /** One look. Throws what passes; called again soon. */
  async look(word: GuardWord, workerIsDead: boolean): Promise<void> {
    const { book, control, job, order } = this.tools;
    // Of a job of an earlier try, or of another program's before ours.
    if (this.announced !== null && this.announced.atMs < (word.jobAskedAtMs ?? Infinity)) this.announced = null;
    if (word.job === 'none' || word.job === 'over' || book.state.outcome !== null) return;
    const state = await control.standing();
    if (state === 'running') this.foreignPause = false;
    if (state === 'storage' && this.isOurPause()) await this.freeGuest();
    if (state === 'running' && order.maxGuestLatencyMs !== null) await this.judgeLatency(order.maxGuestLatencyMs);
    const isCalm = this.announced === null && book.state.cancelled === null && word.job !== 'given-up';
    if (isCalm && monotonicMs() - this.lookedAtMs < LOOK_EVERY_MS) return;
    this.lookedAtMs = monotonicMs();

    const present = (await job.present()).kind === 'ours';
    if (present) {
      this.absentSinceMs = null;
      if (word.job === 'given-up') {
        await job.cancel();
        await book.note(`cancelled the backup job of ${order.server.name} that nobody wanted any more`);
      } else if (book.state.cancelled !== null) {
        await job.cancel();
      } else if (workerIsDead && !word.rateLimited && order.rateLimitBytesPerSecond !== null && !this.limited) {
        await job.limit(order.rateLimitBytesPerSecond);
        this.limited = true;
      }
      return;
    }
    this.absentSinceMs ??= monotonicMs();
    // Not begun yet, as far as anybody has said.
    if (word.job === 'asked' && !workerIsDead) return;
    if (word.job === 'asked' && this.announced === null) return;
    if (word.job === 'given-up' && !this.isLongAbsent(word)) return;
    await this.decide(state);
  }

  /** Not freed yet, and it happened while our job ran. */
  private isOurPause(): boolean {
    const { pause } = this.tools.book.state;
    return !this.foreignPause && (pause === null || pause.resumed === null);
  }

  private isLongAbsent(word: GuardWord): boolean {
    return this.absentSinceMs !== null && elapsedMs(word.jobAskedAtMs ?? 0) > LATE_JOB_MS;
  }

  private async decide(state: ServerStanding): Promise<void> {
    const { book } = this.tools;
    let outcome = await this.outcome(state);
    if (outcome === null) return;
    if (outcome.result === 'failed' && state !== 'off') {
      const later = await this.stateAfterFailure();
      if (later === 'off') {
        outcome = (await this.outcome(later)) ?? outcome;
      } else if (later === 'storage' && this.isOurPause()) {
        await this.freeGuest();
        outcome = (await this.outcome(later)) ?? outcome;
      }
    }
    await book.change({ outcome });
    await book.log(outcome.result === 'completed' ? 'the job has completed' : `the job has failed: ${outcome.message}`);
  }

  /** What has ended the job may only now show at the server: it stops, or is gone. A failure without a word is that of a QEMU that is dying. */
  private async stateAfterFailure(): Promise<ServerStanding> {
    const { book, control } = this.tools;
    const isWordless = book.state.cancelled === null && (this.announced?.end.errorText ?? '') === '';
    const giveUpAt = monotonicMs() + (isWordless ? DYING_MS : 0);
    for (;;) {
      await delay(PAUSE_GRACE_MS);
      const state = await control.standing();
      if (state !== 'running' || monotonicMs() >= giveUpAt) return state;
    }
  }

  /** Null: not known yet. */
  private async outcome(state: ServerStanding): Promise<JobOutcome | null> {
    const { book, job, order } = this.tools;
    const name = order.server.name;
    const { cancelled } = book.state;
    const failed = (code: ErrorCode, message: string): JobOutcome => ({ result: 'failed', code, message });
    if (cancelled !== null) return failed(cancelled.code, cancelled.message);
    if (this.announced === null) {
      if (monotonicMs() - (this.absentSinceMs ?? 0) < EVENT_GRACE_MS) return null;
      const end = state === 'off' ? null : await job.lastEnd(order.disks.reduce((sum, disk) => sum + disk.virtualSizeBytes, 0));
      if (end === 'completed') return { result: 'completed' };
      if (end === 'failed') return this.failure(null);
      return failed('BACKUP_JOB_LOST', `The backup job of ${name} is gone, and nobody saw how it ended${state === 'off' ? ': the server is off' : ''}.`);
    }
    const { success, errorText } = this.announced.end;
    if (success) return { result: 'completed' };
    // An announcement without a word, or one of a cancel by libvirt itself: QEMU has died.
    if (state === 'off') return failed('BACKUP_JOB_LOST', `The backup job of ${name} ended with the server's QEMU process.`);
    return this.failure(errorText);
  }

  private async failure(text: string | null): Promise<JobOutcome> {
    const { order } = this.tools;
    if (/no space left|quota exceeded/i.test(text ?? '') || (text === null && (await this.storageIsFull()))) {
      return {
        result: 'failed',
        code: 'NOT_ENOUGH_SPACE',
        message: `The repository filled up while ${order.server.name} was copied: ${text ?? 'nothing is free'}. The server was not stopped.`,
      };
    }
    const message = /cancell?ed/i.test(text ?? '')
      ? `Somebody cancelled the backup job of ${order.server.name}.`
      : `The backup job of ${order.server.name} failed: ${text ?? 'libvirt gave no reason'}.`;
    return { result: 'failed', code: 'BACKUP_JOB_FAILED', message };
  }

  /** An I/O error has stopped the server. As long as our job runs, it would be stopped again: first the job, then the server. */
  private async freeGuest(): Promise<void> {
    const { book, control, job, order } = this.tools;
    const since = new Date();
    const sinceMs = monotonicMs();
    const name = order.server.name;
    const isFull = await this.storageIsFull();
    await book.change({ pause: { since: since.toISOString(), lastedMs: 0, resumed: null } });
    await book.log(`an I/O error has stopped ${name}: cancelling the job`);
    let resumed: boolean;
    for (;;) {
      try {
        await job.cancel();
        resumed = await control.resumeAfterStorage();
        break;
      } catch (error) {
        // A stopped server must not wait for the next look.
        await book.log(`freeing ${name}: ${String(error)}`);
        await delay(AGAIN_MS);
      }
    }
    const lastedMs = monotonicMs() - sinceMs;
    const cancelled = !resumed
      ? problem(
          'SERVER_PAUSED_BY_STORAGE',
          `An I/O error has stopped ${name}. The backup was cancelled, and the server still stops: the cause is its own storage.`,
        )
      : isFull
        ? problem(
            'NOT_ENOUGH_SPACE',
            `The repository filled up while ${name} was copied, and a write of the server had to wait for it: the server stood still for about ${duration(lastedMs)}, then the backup was cancelled and the server resumed.`,
          )
        : problem(
            'BACKUP_JOB_FAILED',
            `An I/O error stopped ${name} for about ${duration(lastedMs)} while it was copied; the backup was cancelled and the server resumed.`,
          );
    await book.change({ pause: { since: since.toISOString(), lastedMs, resumed }, cancelled });
    await book.note(cancelled.message);
  }

  private async judgeLatency(limitMs: number): Promise<void> {
    const { book, control, job, order } = this.tools;
    if (book.state.cancelled !== null || monotonicMs() - this.sampledAtMs < LATENCY_EVERY_MS) return;
    this.sampledAtMs = monotonicMs();
    const averageMs = this.latency.add(this.sampledAtMs, parseWriteCounters(await control.blockStatistics()));
    if (averageMs === null || averageMs <= limitMs) return;
    const cancelled = problem(
      'GUEST_TOO_SLOW',
      `Writes of ${order.server.name} took ${Math.round(averageMs)} ms on average for ten seconds, and ${limitMs} ms are allowed: the backup was cancelled.`,
    );
    await book.change({ cancelled });
    await book.note(cancelled.message);
    await job.cancel();
  }

  private async storageIsFull(): Promise<boolean> {
    for (const { targetPath } of this.tools.order.disks) {
      const free = await freeBytes(dirname(targetPath)).catch(() => Infinity);
      if (free < FULL_BELOW_BYTES) return true;
    }
    return false;
  }
}

const problem = (code: ErrorCode, message: string): { code: ErrorCode; message: string } => ({ code, message });

/** At least a second: it was found by looking now and then. */
const duration = (ms: number): string => formatDuration(Math.max(1, ms / 1000));
