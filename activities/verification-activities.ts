import { Context } from '@temporalio/activity';
import type { ImageToRead, VerificationActivities } from '../src/contracts/activities';
import { isModosuError, ModosuError } from '../src/contracts/errors';
import type { VerificationInput } from '../src/contracts/verification';
import type { ActivityDependencies } from './dependencies';
import { whileAlive, cancellation } from './heartbeat';

/** At most one row each, for people. */
const ROW_EVERY_MS = 2_000;

/** Reading what is stored; see `VerificationActivities`. */
export class VerificationCalls implements VerificationActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  openForVerification(input: VerificationInput): Promise<readonly ImageToRead[]> {
    return whileAlive(async () => {
      const { repository, recoveryPointId } = imageOf(input);
      const images = await this.deps.imageRepository(repository);
      const { manifest } = await whichIsThere(recoveryPointId, images.open(input.serverId, recoveryPointId));
      await images.verifySmallFiles(input.serverId, recoveryPointId);
      return manifest.disks.map(({ target, image }) => ({ target, image }));
    });
  }

  async readImage(input: VerificationInput, { image }: ImageToRead, { before, total }: { readonly before: number; readonly total: number }): Promise<void> {
    const activity = Context.current();
    const { repository, recoveryPointId } = imageOf(input);
    const progress = new Progress(this.deps, input.verificationId);
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

  listUsableData({ serverId }: VerificationInput): Promise<readonly string[]> {
    return whileAlive(async () =>
      (await this.deps.catalog.retentionPoints(serverId))
        .filter(({ kind, usable }) => kind === 'data' && usable)
        .toSorted((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime())
        .map(({ id }) => id),
    );
  }
}

/** The catalogue knows it: where its repository is there and does not, it was taken away. */
async function whichIsThere<T>(recoveryPointId: string, opened: Promise<T>): Promise<T> {
  try {
    return await opened;
  } catch (thrown) {
    if (!isModosuError(thrown) || thrown.code !== 'RECOVERY_POINT_NOT_FOUND') throw thrown;
    throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `Recovery point ${recoveryPointId} is not in its repository any more.`, { cause: thrown });
  }
}

function imageOf({ repository, recoveryPointId, verificationId }: VerificationInput): { readonly repository: string; readonly recoveryPointId: string } {
  if (repository !== null && recoveryPointId !== null) return { repository, recoveryPointId };
  throw new ModosuError('INTERNAL', `Verification ${verificationId} names no image.`);
}

/** Progress is for people: a database that is away for a moment must not stop the reading. */
class Progress {
  private rowAtMs = 0;
  private rows: Promise<void> = Promise.resolve();

  constructor(
    private readonly deps: Pick<ActivityDependencies, 'catalog' | 'log'>,
    private readonly verificationId: string,
  ) {}

  see(doneBytes: number, totalBytes: number, nowMs: number): void {
    if (nowMs - this.rowAtMs < ROW_EVERY_MS) return;
    this.rowAtMs = nowMs;
    const { catalog, log } = this.deps;
    this.rows = this.rows
      .then(() => catalog.recordVerificationProgress(this.verificationId, doneBytes, totalBytes))
      .catch((error: unknown) => log.warn({ verificationId: this.verificationId, error: String(error) }, 'progress not recorded'));
  }

  written(): Promise<void> {
    return this.rows;
  }
}
