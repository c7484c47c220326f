import { Context } from '@temporalio/activity';
import type { BackupDisk, CopiedDisk, TransferActivities } from '../src/contracts/activities';
import { ModosuError } from '../src/contracts/errors';
import type { RestorePlanBody } from '../src/contracts/plan';
import type { BackupImageInput, RestoreServerInput } from '../src/contracts/workflows';
import type { TransferContext } from '../src/hypervisors/hypervisor';
import type { ActivityDependencies } from './dependencies';
import { cancellation } from './heartbeat';
import { serverRef } from './host-activities';

/** At most one progress row per copy and this time goes to PostgreSQL; heartbeats go to Temporal with every report of the adapter. */
const PROGRESS_EVERY_MS = 1_000;

interface StoppableTransfer extends TransferContext {
  /** Ends both halves of a copy. */
  readonly stop: AbortController;
}

/** Copies between servers and image repositories; see `TransferActivities`. */
export class Transfers implements TransferActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  copyDiskToRepository(input: BackupImageInput, disk: BackupDisk): Promise<CopiedDisk> {
    return this.transfer(input.runId, `copy:${disk.target}`, async (context) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const repository = await this.deps.imageRepository(input.repository);
      const staged = await repository.stage(input.recoveryPointId);

      const exported = hypervisor.exportDisk({ server: serverRef(input), target: disk.target, targetPath: staged.diskPath(disk.target) }, context);
      const written = exported.then(() => undefined);
      // Whoever hashes may have stopped listening when the copy fails; its error is reported through `exported`.
      written.catch(() => undefined);
      const hashed = repository.hashWhileWritten(input.recoveryPointId, disk.target, written, { signal: context.signal, onProgress: () => Context.current().heartbeat() });
      const [{ virtualSizeBytes }, checksums] = await together(context.stop, exported, hashed);

      const { target, path, format, flattened } = disk;
      return { target, virtualSizeBytes, origin: { path, format, flattened }, checksums };
    });
  }

  copyDiskToVolume(input: RestoreServerInput, plan: RestorePlanBody, target: string): Promise<void> {
    return this.transfer(input.runId, `copy:${target}`, async (context) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const repository = await this.deps.imageRepository(plan.recoveryPoint.repository);
      const { manifest, diskPath } = await repository.open(input.serverId, plan.recoveryPoint.id);
      const volume = plan.volumes.find((planned) => planned.target === target);
      const disk = manifest.disks.find((stored) => stored.target === target);
      if (!volume || !disk) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `Recovery point ${plan.recoveryPoint.id} has no disk ${target}.`);

      // Checked while it is copied: the swap comes only after both have ended well.
      const verified = repository.verifyImage(input.serverId, plan.recoveryPoint.id, disk.image, { signal: context.signal, onProgress: () => Context.current().heartbeat() });
      const imported = hypervisor.importDisk({ imagePath: diskPath(target), volume, runId: input.runId }, context);
      await together(context.stop, verified, imported);
    });
  }

  /**
   * Runs a copy with an abort signal of its own, heartbeats as long as the adapter does not take the copy for stalled, and rows for people. When one half fails the other is stopped and
   * waited for: nothing may still write when the activity has ended.
   */
  private async transfer<T>(runId: string, stepKey: string, work: (context: StoppableTransfer) => Promise<T>): Promise<T> {
    const activity = Context.current();
    const stop = new AbortController();
    const signal = AbortSignal.any([activity.cancellationSignal, stop.signal]);
    let lastRowAtMs = 0;
    let movedAtMs = Date.now();
    let movedBytes = 0;
    let row: Promise<void> = Promise.resolve();

    const onProgress: TransferContext['onProgress'] = (progress) => {
      activity.heartbeat(progress);
      const nowMs = Date.now();
      // Adapters repeat their numbers while they do not take the copy for stalled; only bytes that moved make it "not stalled" for people.
      if (progress.doneBytes > movedBytes) {
        movedBytes = progress.doneBytes;
        movedAtMs = nowMs;
      }
      if (nowMs - lastRowAtMs < PROGRESS_EVERY_MS && progress.doneBytes < progress.totalBytes) return;
      lastRowAtMs = nowMs;
      // Progress is for people: a database that is away for a moment must not stop a copy.
      row = row.then(() => this.deps.catalog.recordProgress(runId, stepKey, { ...progress, updatedAt: new Date(movedAtMs).toISOString() })).catch((error: unknown) => {
        this.deps.log.warn({ runId, step: stepKey, error: String(error) }, 'progress not recorded');
      });
    };

    try {
      activity.heartbeat();
      const rateLimitBytesPerSecond = this.deps.copyRateLimitBytesPerSecond;
      const context: StoppableTransfer = { signal, stop, onProgress, ...(rateLimitBytesPerSecond === undefined ? {} : { rateLimitBytesPerSecond }) };
      return await work(context);
    } catch (thrown) {
      if (activity.cancellationSignal.aborted) throw cancellation(activity);
      throw thrown;
    } finally {
      await row;
    }
  }
}

/**
 * Both results. The first that fails stops the other through the shared signal; its error is thrown after both have ended, so that
 * nothing writes any more.
 */
async function together<A, B>(stop: AbortController, first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  try {
    return await Promise.all([first, second]);
  } catch (thrown) {
    stop.abort(thrown);
    await Promise.allSettled([first, second]);
    throw thrown;
  }
}
