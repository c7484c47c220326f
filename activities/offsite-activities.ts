import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { OffsiteActivities } from '../src/contracts/activities/repositories';
import { isModosuError, ModosuError } from '../src/contracts/errors';
import type { FetchedPoint, MadeCopy, TransferInput, TransferPoint } from '../src/contracts/offsite-copies';
import type { ImageRepository } from '../src/repositories/image/image-repository';
import type { OffsiteContext, OffsiteCopy, OffsiteRepository } from '../src/repositories/offsite/offsite-repository';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';
import { requireRecorded } from './recorded-manifest';
import { SparseProgress } from './sparse-progress';

interface Moved {
  readonly before: number;
  readonly total: number;
}

/** What says that a recovery point does not lie whole where it lay. */
const LOST = new Set(['RECOVERY_POINT_NOT_FOUND', 'RECOVERY_POINT_INCOMPLETE', 'RECOVERY_POINT_CORRUPT', 'IMAGE_HEADER_REFUSED']);

/** What stands in the way of a copy that is to be made anew. */
const NOT_NOW = new Set(['OFFSITE_LOCKED', 'OFFSITE_DELETE_REFUSED']);

/** Whoever makes room or an index anew is alone in the repository, for minutes or hours: a restore that needs a copy comes after it, and does not fail. */
const FETCH_WAITS = { pollMs: 30_000, atMostMs: 6 * 3_600_000 };

/** Transfers to and from off-site repositories; see `OffsiteActivities`. */
export class OffsiteCalls implements OffsiteActivities {
  /** @param waits how a fetch waits for a repository that somebody has locked */
  constructor(
    private readonly deps: ActivityDependencies,
    private readonly waits = FETCH_WAITS,
  ) {}

  copyOffsite(input: TransferInput, point: TransferPoint, moved: Moved): Promise<MadeCopy> {
    return this.moving(input, point, moved, async (context) => {
      const begunAt = Date.now();
      const { snapshotIds, copiedAt, sizeBytes } =
        point.kind === 'image' ? await this.copyImage(input, point, context) : await this.copyData(input, point, context);
      // One that was there before is believed when all of it was read: it may be the one that was found damaged. So is a new one where something is damaged:
      // it may share that with it.
      if (Date.parse(copiedAt) < begunAt || (await this.isDamaged(input.offsite))) {
        return this.readOrMended(input, point, { snapshotIds, copiedAt, sizeBytes }, context);
      }
      return { snapshotIds, copiedAt, sizeBytes };
    });
  }

  /** The copy, after all of it was read. One that is damaged is made anew, once. */
  private async readOrMended(input: TransferInput, point: TransferPoint, copy: MadeCopy, context: OffsiteContext): Promise<MadeCopy> {
    const { recoveryPointId } = point;
    const offsite = await this.deps.offsiteRepository(input.offsite);
    // Of data the copy goes before there is another one: what one read says is no reason for that.
    for (let reads = point.kind === 'data' ? 2 : 1; reads > 0; reads -= 1) {
      if (await isWhole(offsite, recoveryPointId, context)) return copy;
    }
    const mend = point.kind === 'image' ? this.mendImage(offsite, point, context) : this.mendData(offsite, point, context);
    const { snapshotIds, copiedAt, sizeBytes } = await mend.catch(async (thrown: unknown) => {
      if (!isModosuError(thrown) || thrown.code === 'RECOVERY_POINT_CORRUPT') throw this.notMended(input, recoveryPointId, thrown);
      // Where the copy is gone already there is nothing to read again: it is tried again as any other.
      if (!NOT_NOW.has(thrown.code) || !(await offsite.list(point.serverId)).some((one) => one.recoveryPointId === recoveryPointId)) throw thrown;
      // Not again at once: everything would be read again each time. The catalogue has it tried later.
      throw new ModosuError(
        'RECOVERY_POINT_CORRUPT',
        `The copy of ${recoveryPointId} in ${input.offsite} is damaged, and cannot be made anew now: ${thrown.message}`,
        { context: thrown.context, cause: thrown },
      );
    });
    await offsite.readAll(recoveryPointId, context).catch((thrown: unknown) => {
      throw this.notMended(input, recoveryPointId, thrown);
    });
    return { snapshotIds, copiedAt, sizeBytes };
  }

  /** Of what is still damaged afterwards people are told what to do. */
  private notMended({ offsite }: TransferInput, recoveryPointId: string, thrown: unknown): unknown {
    if (!isModosuError(thrown) || thrown.code !== 'RECOVERY_POINT_CORRUPT') return thrown;
    return new ModosuError(thrown.code, thrown.message, {
      hint: `Something that is stored in ${offsite} is not what was written, and restic goes on believing it. Take that pack away as docs/OFFSITE.md says (Mending), then copy again: \`modosu offsite copy ${recoveryPointId} --reason TEXT\`.`,
      context: thrown.context,
      cause: thrown,
    });
  }

  private async mendImage(offsite: OffsiteRepository, { serverId, recoveryPointId, repository }: TransferPoint, context: OffsiteContext): Promise<OffsiteCopy> {
    const images = await this.deps.imageRepository(repository ?? '');
    // Before the copy that is there goes.
    await this.requireUndamaged(images, serverId, recoveryPointId, context.signal);
    const { directory } = await images.open(serverId, recoveryPointId);
    return offsite.mendImage({ serverId, recoveryPointId, directory }, context);
  }

  private async mendData(offsite: OffsiteRepository, { serverId, recoveryPointId }: TransferPoint, context: OffsiteContext): Promise<OffsiteCopy> {
    const data = await this.deps.dataRepository();
    const manifest = await data.open(serverId, recoveryPointId);
    // Before the copy that is there goes.
    await data
      .readAll(serverId, manifest.snapshotId, { signal: context.signal })
      .catch((thrown: unknown) => rejectDamaged(recoveryPointId, `modosu verify --data-of ${serverId} --reason TEXT`, thrown));
    return offsite.mendData({ manifest, access: await data.accessFromHere(serverId) }, context);
  }

  private async copyImage({ offsite }: TransferInput, { serverId, recoveryPointId, repository }: TransferPoint, context: OffsiteContext): Promise<OffsiteCopy> {
    const images = await this.deps.imageRepository(repository ?? '');
    const { directory, manifestSha256 } = await images.open(serverId, recoveryPointId);
    await requireRecorded(this.deps, recoveryPointId, manifestSha256);
    const copy = await (await this.deps.offsiteRepository(offsite)).copyImage({ serverId, recoveryPointId, directory }, context);
    await this.requireUndamaged(images, serverId, recoveryPointId, context.signal);
    return copy;
  }

  /** After it was sent: what was read wrong then is read wrong now. A copy of damaged bytes would look whole for ever. */
  private async requireUndamaged(images: ImageRepository, serverId: string, recoveryPointId: string, signal: AbortSignal): Promise<void> {
    try {
      const { manifest } = await images.open(serverId, recoveryPointId);
      await images.verifySmallFiles(serverId, recoveryPointId);
      for (const { image } of manifest.disks) await images.verifyImage(serverId, recoveryPointId, image, { signal });
    } catch (thrown) {
      rejectDamaged(recoveryPointId, `modosu verify ${recoveryPointId} --reason TEXT`, thrown);
    }
  }

  private async isDamaged(offsite: string): Promise<boolean> {
    return (await this.deps.catalog.offsiteRepositories()).some(({ name, damaged }) => name === offsite && damaged > 0);
  }

  private async copyData({ offsite }: TransferInput, { serverId, recoveryPointId }: TransferPoint, context: OffsiteContext): Promise<OffsiteCopy> {
    const data = await this.deps.dataRepository();
    const manifest = await data.open(serverId, recoveryPointId);
    return (await this.deps.offsiteRepository(offsite)).copyData({ manifest, access: await data.accessFromHere(serverId) }, context);
  }

  fetchOffsite(input: TransferInput, point: TransferPoint, moved: Moved): Promise<FetchedPoint | null> {
    return this.moving(input, point, moved, (context) =>
      this.whileLocked(point, context.signal, () => (point.kind === 'image' ? this.fetchImage(input, point, context) : this.fetchData(input, point, context))),
    );
  }

  /** Again and again while a lock that somebody holds is in the way; all attempts together not longer than is waited for one recovery point. */
  private async whileLocked<T>({ recoveryPointId }: TransferPoint, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const giveUpAt = Context.current().info.scheduledTimestampMs + this.waits.atMostMs;
    for (let isTold = false; ; isTold = true) {
      try {
        return await work();
      } catch (thrown) {
        if (!isModosuError(thrown) || thrown.code !== 'OFFSITE_LOCKED' || Date.now() >= giveUpAt) throw thrown;
        if (!isTold) this.deps.log.info({ recoveryPointId, detail: thrown.message }, 'waits until the off-site repository is free');
      }
      await delay(this.waits.pollMs, undefined, { signal });
    }
  }

  private async fetchImage({ offsite }: TransferInput, point: TransferPoint, context: OffsiteContext): Promise<FetchedPoint | null> {
    const { serverId, recoveryPointId, repository, sizeBytes, isLost } = point;
    const images = await this.deps.imageRepository(repository ?? '');
    if (!isLost && (await isThere(() => images.open(serverId, recoveryPointId)))) return null;
    const from = await this.deps.offsiteRepository(offsite);
    // Asked before room is: whoever names a wrong place hears that, and not how much room there is.
    await from.openImage(serverId, recoveryPointId);
    await images.requireSpace(sizeBytes);
    const directory = await images.stageFetched(recoveryPointId);
    await from.fetchImage(serverId, recoveryPointId, directory, context);
    const recorded = await this.deps.catalog.manifestChecksum(recoveryPointId);
    const { manifestSha256 } = await images.readmit(serverId, recoveryPointId, recorded, { signal: context.signal });
    return { manifestSha256, snapshotId: null };
  }

  private async fetchData(
    { offsite }: TransferInput,
    { serverId, recoveryPointId, isLost }: TransferPoint,
    context: OffsiteContext,
  ): Promise<FetchedPoint | null> {
    const data = await this.deps.dataRepository();
    await data.ensure(serverId);
    if (!isLost && (await isThere(() => data.open(serverId, recoveryPointId)))) return null;
    const from = await this.deps.offsiteRepository(offsite);
    const returned = await from.returnData(serverId, recoveryPointId, await data.accessFromHere(serverId), context);
    const { snapshotId } = await data.publish(returned);
    await data.readAll(serverId, snapshotId, { signal: context.signal });
    return { manifestSha256: null, snapshotId };
  }

  async discardOffsite({ points }: TransferInput): Promise<void> {
    for (const { kind, repository, recoveryPointId } of points) {
      if (kind === 'image') await (await this.deps.imageRepository(repository ?? '')).discardFetched(recoveryPointId);
    }
  }

  listOffsite({ offsite }: TransferInput): Promise<{ readonly missing: readonly string[]; readonly there: readonly string[] }> {
    return whileAlive(async () => {
      // Newest first: where not all are read after damage was found, those are that somebody needs.
      const known = (await this.deps.catalog.copiesIn(offsite)).toReversed();
      const there = new Set((await (await this.deps.offsiteRepository(offsite)).list()).map(({ recoveryPointId }) => recoveryPointId));
      return { missing: known.filter((id) => !there.has(id)), there: known.filter((id) => there.has(id)) };
    });
  }

  checkOffsite({ offsite, part }: TransferInput): Promise<void> {
    return whileAlive(async (signal) => (await this.deps.offsiteRepository(offsite)).check({ part, signal }));
  }

  readOffsite({ offsite }: TransferInput, recoveryPointId: string): Promise<void> {
    return whileAlive(async (signal) => (await this.deps.offsiteRepository(offsite)).readAll(recoveryPointId, { signal }));
  }

  forgetOffsite({ offsite, points }: TransferInput): Promise<void> {
    return whileAlive(async (signal) => {
      const ids = points.map(({ recoveryPointId }) => recoveryPointId);
      await (await this.deps.offsiteRepository(offsite)).forget(ids, { signal });
    });
  }

  private moving<T>(input: TransferInput, point: TransferPoint, { before, total }: Moved, work: (context: OffsiteContext) => Promise<T>): Promise<T> {
    return whileAlive(async (signal) => {
      const { catalog, log } = this.deps;
      const progress = new SparseProgress((done, of) => catalog.recordTransferProgress(input.transferId, done, of), log);
      try {
        const result = await work({ signal, onProgress: ({ doneBytes }) => progress.see(before + Math.min(doneBytes, point.sizeBytes), total, Date.now()) });
        progress.see(before + point.sizeBytes, total, Infinity);
        return result;
      } finally {
        await progress.written();
      }
    });
  }
}

/** As far as can be seen without reading all of it. */
async function isThere(open: () => Promise<Awaited<ReturnType<ImageRepository['open']>> | object>): Promise<boolean> {
  try {
    await open();
    return true;
  } catch (thrown) {
    if (isModosuError(thrown) && LOST.has(thrown.code)) return false;
    throw thrown instanceof Error ? thrown : new ModosuError('INTERNAL', String(thrown));
  }
}

/** Every byte of the copy. */
async function isWhole(offsite: OffsiteRepository, recoveryPointId: string, context: OffsiteContext): Promise<boolean> {
  try {
    await offsite.readAll(recoveryPointId, context);
    return true;
  } catch (thrown) {
    if (isModosuError(thrown) && thrown.code === 'RECOVERY_POINT_CORRUPT') return false;
    throw thrown;
  }
}

/** `howToRead`: the command that reads it again. */
function rejectDamaged(recoveryPointId: string, howToRead: string, thrown: unknown): never {
  if (!isModosuError(thrown) || thrown.code !== 'RECOVERY_POINT_CORRUPT') throw thrown;
  throw new ModosuError(
    'RECOVERY_POINT_NOT_USABLE',
    `Recovery point ${recoveryPointId} itself is damaged where it lies, so its copy does not count: ${thrown.message}`,
    { hint: `Have it read again: \`${howToRead}\`; an older copy stays.`, context: { recoveryPointId }, cause: thrown },
  );
}
