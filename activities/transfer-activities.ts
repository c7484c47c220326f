import { Context } from '@temporalio/activity';
import type { BackupDisk, BackupSubject, CopiedDisk, ImageBasis } from '../src/contracts/activities/images';
import type { TransferActivities } from '../src/contracts/activities/repositories';
import { ModosuError } from '../src/contracts/errors';
import type { RestorePlanBody } from '../src/contracts/plan';
import type { BackupImageInput, RestoreServerInput, RunInput } from '../src/contracts/workflows';
import type { TransferContext } from '../src/hypervisors/hypervisor';
import type { ChainImage, ChecksumContext, ImageRepository } from '../src/repositories/image/image-repository';
import { ProgressRows } from './progress-rows';
import type { ActivityDependencies } from './dependencies';
import { finalFrom } from './failures';
import { cancellation } from './heartbeat';
import { fenceOf, serverRef } from './server-of-run';

/** A copy that has failed so often will not succeed, and may take hours each time. A part that is away is waited for longer: see `transfers` in `workflows/runbook`. */
const FAILED_ATTEMPTS = 5;

interface Transfer {
  readonly signal: AbortSignal;
  /** Ends both halves of a copy. */
  readonly stop: AbortController;
  readonly rateLimitBytesPerSecond?: number;
  /** Reports one disk's bytes: a heartbeat for Temporal, a row for people. */
  onProgress(target: string, progress: { readonly doneBytes: number; readonly totalBytes: number }): void;
}

/** Copies between servers and image repositories; see `TransferActivities`. */
export class Transfers implements TransferActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  copyDiskToRepository(input: BackupImageInput, disk: BackupDisk): Promise<CopiedDisk> {
    return this.transfer(input, 'copy', async (transfer) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const repository = await this.deps.imageRepository(input.repository);
      await hypervisor.requireFence(serverRef(input), fenceOf(input));
      const staged = await repository.stage(input.recoveryPointId);

      const exported = hypervisor.exportDisk(
        { server: serverRef(input), target: disk.target, targetPath: staged.diskPath(disk.target) },
        contextOf(transfer, disk.target),
      );
      const written = exported.then(() => undefined);
      // Whoever hashes may have stopped listening when the copy fails; its error is reported through `exported`.
      written.catch(() => undefined);
      const hashed = repository.hashWhileWritten(input.recoveryPointId, disk.target, written, {
        signal: transfer.signal,
        onProgress: () => Context.current().heartbeat(),
      });
      const [{ virtualSizeBytes }, checksums] = await stoppingBoth(transfer.stop, exported, hashed);
      return copiedDisk(disk, virtualSizeBytes, checksums);
    });
  }

  followOnlineBackup(input: BackupImageInput, subject: BackupSubject): Promise<{ readonly virtualSizeBytes: Readonly<Record<string, number>> }> {
    return this.transfer(input, 'copy', async ({ signal, onProgress }) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const staged = await (await this.deps.imageRepository(input.repository)).stage(input.recoveryPointId);
      const disks = subject.disks.map(({ target, path }) => ({ target, path, targetPath: staged.diskPath(target) }));
      return hypervisor.followOnlineBackup({ server: serverRef(input), runId: input.runId, disks }, { signal, onProgress });
    });
  }

  hashStagedDisk(input: BackupImageInput, disk: BackupDisk, virtualSizeBytes: number): Promise<CopiedDisk> {
    return this.transfer(input, 'checksum', async ({ signal, onProgress }) => {
      const repository = await this.deps.imageRepository(input.repository);
      const checksums = await repository.hashWhileWritten(input.recoveryPointId, disk.target, Promise.resolve(), {
        signal,
        onProgress: (progress) => onProgress(disk.target, progress),
      });
      return copiedDisk(disk, virtualSizeBytes, checksums);
    });
  }

  mergeStagedDisk(input: BackupImageInput, { target }: BackupDisk, { parentId, incremental }: ImageBasis): Promise<void> {
    return this.transfer(input, 'merge', async (transfer) => {
      const continued = incremental.find((disk) => disk.target === target);
      if (parentId === null || continued === undefined) {
        throw new ModosuError('INTERNAL', `The image of ${target} builds on nothing that it could be merged with.`);
      }
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const repository = await this.deps.imageRepository(input.repository);
      const staged = await repository.stage(input.recoveryPointId);
      const below = (await repository.open(input.serverId, parentId)).imagesOf(target);
      // What was damaged since would be hidden for good in an image that looks new.
      const verified = verifyEach(repository, input.serverId, below, { signal: transfer.signal, onProgress: () => Context.current().heartbeat() });
      const imageFiles = [staged.diskPath(target), ...below.map(({ path }) => path)];
      const merged = hypervisor.mergeImage({ imageFiles, backingName: continued.backingName }, contextOf(transfer, target));
      await stoppingBoth(transfer.stop, verified, merged);
    });
  }

  copyDiskToVolume(input: RestoreServerInput, plan: RestorePlanBody, target: string): Promise<void> {
    return this.transfer(input, 'copy', async (transfer) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const repository = await this.deps.imageRepository(plan.recoveryPoint.repository);
      await hypervisor.requireFence(serverRef(input), fenceOf(input));
      const { imagesOf } = await repository.open(input.serverId, plan.recoveryPoint.id);
      const images = imagesOf(target);
      const volume = plan.volumes.find((planned) => planned.target === target);
      if (!volume) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `Recovery point ${plan.recoveryPoint.id} has no disk ${target}.`);

      // Checked while they are copied: the swap comes only after both have ended well.
      const verified = verifyEach(repository, input.serverId, images, {
        signal: transfer.signal,
        onProgress: () => Context.current().heartbeat(),
      });
      const imageFiles = images.map(({ path }) => path);
      const imported = hypervisor.importDisk({ imageFiles, volume, runId: input.runId }, contextOf(transfer, target));
      await stoppingBoth(transfer.stop, verified, imported);
    });
  }

  /**
   * Runs a copy with an abort signal of its own, heartbeats as long as the adapter does not take the copy for stalled, and rows for people
   * (`<step>:<target>`). When one half fails the other is stopped and waited for: nothing may still write when the activity has ended.
   */
  private async transfer<T>({ runId }: RunInput, step: 'copy' | 'merge' | 'checksum', work: (transfer: Transfer) => Promise<T>): Promise<T> {
    const activity = Context.current();
    const stop = new AbortController();
    const progress = new ProgressRows(this.deps, runId);
    const rateLimitBytesPerSecond = this.deps.copyRateLimitBytesPerSecond;
    try {
      activity.heartbeat();
      const working = work({
        signal: AbortSignal.any([activity.cancellationSignal, stop.signal]),
        stop,
        ...(rateLimitBytesPerSecond === undefined ? {} : { rateLimitBytesPerSecond }),
        onProgress: (target, seen) => {
          activity.heartbeat();
          progress.see(`${step}:${target}`, seen, Date.now());
        },
      });
      return await finalFrom(FAILED_ATTEMPTS, working, ({ kind }) => kind !== 'unavailable');
    } catch (thrown) {
      if (activity.cancellationSignal.aborted) throw cancellation(activity);
      throw thrown;
    } finally {
      await progress.written();
    }
  }
}

const contextOf = ({ signal, rateLimitBytesPerSecond, onProgress }: Transfer, target: string): TransferContext => ({
  signal,
  onProgress: (progress) => onProgress(target, progress),
  ...(rateLimitBytesPerSecond === undefined ? {} : { rateLimitBytesPerSecond }),
});

const copiedDisk = ({ target, path, format, flattened }: BackupDisk, virtualSizeBytes: number, checksums: CopiedDisk['checksums']): CopiedDisk => ({
  target,
  virtualSizeBytes,
  origin: { path, format, flattened },
  checksums,
});

/** One after another: each is hashed with all that the storage gives. Ends with the first that is damaged; its error names recovery point and file. */
async function verifyEach(repository: ImageRepository, serverId: string, images: readonly ChainImage[], context: ChecksumContext): Promise<void> {
  for (const { recoveryPointId, image } of images) await repository.verifyImage(serverId, recoveryPointId, image, context);
}

/**
 * Both results. The first that fails stops the other through the shared signal; its error is thrown after both have ended, so that
 * nothing writes any more.
 */
async function stoppingBoth<A, B>(stop: AbortController, first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  try {
    return await Promise.all([first, second]);
  } catch (thrown) {
    stop.abort(thrown);
    await Promise.allSettled([first, second]);
    throw thrown;
  }
}
