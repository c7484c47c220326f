import { Context } from '@temporalio/activity';
import type { DataInRepository, ImageToRead, VerificationActivities } from '../src/contracts/activities/repositories';
import { isModosuError, ModosuError } from '../src/contracts/errors';
import type { BootResult, VerificationInput } from '../src/contracts/verification';
import { isWithoutNetwork } from '../src/domain/verification/boot-proof';
import { checkHealth } from '../src/guests/health-checks';
import type { ImageRepository } from '../src/repositories/image/image-repository';
import { MANIFEST_TAG, recoveryPointTag } from '../src/repositories/data/data-repository';
import type { ActivityDependencies } from './dependencies';
import { finalWhen } from './failures';
import { whileAlive, cancellation } from './heartbeat';
import { requireRecorded } from './recorded-manifest';
import { SparseProgress } from './sparse-progress';

/** Reading what is stored, and booting it; see `VerificationActivities`. */
export class VerificationCalls implements VerificationActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  openForVerification(input: VerificationInput): Promise<readonly ImageToRead[]> {
    return whileAlive(async () => {
      const { repository, recoveryPointId } = imageOf(input);
      const images = await this.deps.imageRepository(repository);
      const { manifest, manifestSha256 } = await whichIsThere(recoveryPointId, this.openUnlessEmpty(images, input.serverId, recoveryPointId));
      await requireRecorded(this.deps, recoveryPointId, manifestSha256);
      await images.verifySmallFiles(input.serverId, recoveryPointId);
      return manifest.disks.map(({ target, image }) => ({ target, image }));
    });
  }

  proveBoot(input: VerificationInput): Promise<BootResult> {
    return whileAlive(async (signal) => {
      const { repository, recoveryPointId } = imageOf(input);
      const { serverId, serverName, verificationId } = input;
      const images = await this.deps.imageRepository(repository);
      const opened = await whichIsThere(recoveryPointId, this.openUnlessEmpty(images, serverId, recoveryPointId));
      const { manifest, manifestSha256, definitionPath, nvramPath, imagesOf } = opened;
      await requireRecorded(this.deps, recoveryPointId, manifestSha256);
      await images.verifySmallFiles(serverId, recoveryPointId);
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const { healthChecks, ssh } = (await this.deps.catalog.getServer(serverId)).protection;
      const disks = manifest.disks.map(({ target }) => ({ target, imageFiles: imagesOf(target).map(({ path }) => path) }));
      const proof = await hypervisor.startProof({ proofId: verificationId, definitionPath, disks, nvramPath }, { signal });
      const whole = AbortSignal.any([signal, proof.lost]);
      try {
        const startedAt = performance.now();
        const agent = hypervisor.guestAgent(proof.server);
        const answers = agent.waitUntilAnswering({ deadlineMs: input.agentTimeoutSeconds * 1000, signal: whole });
        await finalWhen('AGENT_SILENT', answers);
        const seconds = Math.max(1, Math.round((performance.now() - startedAt) / 1000));
        const checks: { readonly name: string; readonly evidence: string }[] = [];
        const possible = healthChecks.filter((check) => isWithoutNetwork(check, ssh !== null));
        for (const check of possible) {
          const { evidence } = await checkHealth(agent, check, { signal: whole, deadlineMs: check.timeoutSeconds * 1000 });
          checks.push({ name: check.name, evidence });
        }
        const notMade = healthChecks.filter((check) => !possible.includes(check)).map(({ name }) => name);
        this.deps.log.info({ verificationId, server: serverName, recoveryPointId, seconds }, 'an image was booted for a proof');
        return { seconds, checks, notMade };
      } catch (thrown) {
        if (proof.lost.aborted) throw proof.lost.reason;
        if (!isModosuError(thrown) || thrown.code !== 'SERVER_GONE') throw thrown;
        throw new ModosuError('START_FAILED', 'The virtual machine that was started from the image has switched itself off.', { cause: thrown });
      } finally {
        // What is left of it, the janitor finds; what was seen stays seen.
        await proof.stop().catch((error: unknown) => this.deps.log.warn({ verificationId, error: String(error) }, 'a boot proof could not be ended yet'));
      }
    });
  }

  /** A repository without any recovery point is another disk than the one on which this one was written. */
  private async openUnlessEmpty(images: ImageRepository, serverId: string, recoveryPointId: string): ReturnType<ImageRepository['open']> {
    try {
      return await images.open(serverId, recoveryPointId);
    } catch (thrown) {
      if (!isModosuError(thrown) || thrown.code !== 'RECOVERY_POINT_NOT_FOUND' || (await images.check()).recoveryPoints > 0) throw thrown;
      throw new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${images.name} holds no recovery point at all: it is not the one that was written to.`, {
        hint: 'Mount the storage on which it was made.',
        cause: thrown,
      });
    }
  }

  async readImage(input: VerificationInput, { image }: ImageToRead, { before, total }: { readonly before: number; readonly total: number }): Promise<void> {
    const activity = Context.current();
    const { repository, recoveryPointId } = imageOf(input);
    const { catalog, log } = this.deps;
    const progress = new SparseProgress((done, of) => catalog.recordVerificationProgress(input.verificationId, done, of), log);
    activity.heartbeat();
    try {
      await (
        await this.deps.imageRepository(repository)
      ).verifyImage(input.serverId, recoveryPointId, image, {
        signal: activity.cancellationSignal,
        onProgress: ({ doneBytes }) => {
          activity.heartbeat();
          progress.see(before + doneBytes, total, Date.now());
        },
      });
      progress.see(before + image.sizeBytes, total, Infinity);
    } catch (thrown) {
      if (activity.cancellationSignal.aborted) throw cancellation(activity);
      throw thrown;
    } finally {
      await progress.written();
    }
  }

  listData({ serverId }: VerificationInput): Promise<DataInRepository> {
    return whileAlive(async () => {
      const known = await this.deps.catalog.dataToVerify(serverId);
      const isThere = await this.lookFor(serverId);
      let missing = known.filter((point) => point.isUsable && !isThere(point));
      if (missing.length > 0) {
        // One list may have been made while a snapshot was not readable for a moment.
        const isThereNow = await this.lookFor(serverId);
        missing = missing.filter((point) => !isThereNow(point));
      }
      const lost = new Set(missing.map(({ recoveryPointId }) => recoveryPointId));
      const found = known.filter(({ isUsable, recoveryPointId }) => isUsable && !lost.has(recoveryPointId));
      if (found.length === 0 && missing.length > 1) {
        throw new ModosuError(
          'DATA_REPOSITORY_FAILED',
          `The data repository of ${serverId} holds none of its ${missing.length} recovery points: another one was put in its place.`,
          { hint: 'Mount the storage on which the data repository was made.', context: { serverId } },
        );
      }
      return {
        found: found.map(({ recoveryPointId }) => recoveryPointId),
        readBefore: found.filter(({ readAt }) => readAt !== null).map(({ recoveryPointId }) => recoveryPointId),
        missing: missing.map(({ recoveryPointId, snapshotId }) => ({
          recoveryPointId,
          why: `Its snapshot ${snapshotId.slice(0, 8)}, or its manifest, is not in the data repository any more, or cannot be read.`,
        })),
        returned: known.filter((point) => !point.isUsable && isThere(point)).map(({ recoveryPointId }) => recoveryPointId),
      };
    });
  }

  /** Says of a recovery point whether its snapshot and its manifest are listed. */
  private async lookFor(serverId: string): Promise<(point: { readonly recoveryPointId: string; readonly snapshotId: string }) => boolean> {
    const snapshots = await (await this.deps.dataRepository()).snapshots(serverId, []);
    const ids = new Set(snapshots.map(({ id }) => id));
    const manifests = new Set(snapshots.filter(({ tags }) => tags.includes(MANIFEST_TAG)).flatMap(({ tags }) => tags));
    return ({ recoveryPointId, snapshotId }) => ids.has(snapshotId) && manifests.has(recoveryPointTag(recoveryPointId));
  }

  checkData({ serverId, part }: VerificationInput): Promise<void> {
    return whileAlive(async (signal) => {
      const data = await this.deps.dataRepository();
      await data.check(serverId, { part, signal });
    });
  }

  readData({ serverId }: VerificationInput, recoveryPointId: string): Promise<void> {
    return whileAlive(async (signal) => {
      const data = await this.deps.dataRepository();
      const { snapshotId } = await whichIsThere(recoveryPointId, data.open(serverId, recoveryPointId));
      await data.readAll(serverId, snapshotId, { signal });
    });
  }
}

/**
 * The catalogue knows it: where its repository is there and does not, it was taken away. An image was judged when it was published: a header that is refused now
 * is not the one that was written.
 */
async function whichIsThere<T>(recoveryPointId: string, opened: Promise<T>): Promise<T> {
  try {
    return await opened;
  } catch (thrown) {
    if (!isModosuError(thrown)) throw thrown;
    if (thrown.code === 'RECOVERY_POINT_NOT_FOUND') {
      throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `Recovery point ${recoveryPointId} is not in its repository any more.`, { cause: thrown });
    }
    if (thrown.code === 'IMAGE_HEADER_REFUSED') throw new ModosuError('RECOVERY_POINT_CORRUPT', thrown.message, { context: thrown.context, cause: thrown });
    throw thrown;
  }
}

function imageOf({ repository, recoveryPointId, verificationId }: VerificationInput): { readonly repository: string; readonly recoveryPointId: string } {
  if (repository !== null && recoveryPointId !== null) return { repository, recoveryPointId };
  throw new ModosuError('INTERNAL', `Verification ${verificationId} names no image.`);
}
