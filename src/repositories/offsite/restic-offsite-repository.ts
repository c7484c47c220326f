import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataAccess, DataManifest } from '../../contracts/data';
import { ModosuError, isModosuError } from '../../contracts/errors';
import type { OffsiteLocation, OffsiteMedia } from '../../contracts/offsite';
import type { ImageManifest } from '../../contracts/recovery-point';
import type { Secrets } from '../../secrets/secrets';
import { runCommand } from '../../system/child-process';
import { errorMessage } from '../../system/files';
import { sha256Of } from '../../system/sha256';
import { parseDataManifest, renderDataManifest } from '../data/data-manifest';
import { parseManifest } from '../image/image-manifest';
import { requireRecoveryPointId, requireServerId } from '../restic/restic-arguments';
import { reading, ResticCommand, type ResticOptions } from '../restic/restic-command';
import type { SnapshotTree } from '../restic/restic-output';
import { SnapshotReader } from '../restic/snapshot-reader';
import { watchTransfer } from '../restic/transfer-watch';
import { CopyRemoval } from './copy-removal';
import { CopyWriter, NO_ROOM } from './copy-writer';
import { DataSource } from './data-source';
import { OffsitePlace, type OffsiteTarget } from './offsite-place';
import type { OffsiteContext, OffsiteCopy, OffsiteDataSource, OffsiteImageSource, OffsiteRepository } from './offsite-repository';
import { filesBelow, publishedFiles, requireDirectoryPath } from './published-files';
import { copiesIn, goingWith, plainCopy, type FoundCopy, type Receipt } from './receipt';
import { StoredCopies } from './stored-copies';

export interface ResticOffsiteRepositoryOptions {
  /** A part name (`PART_NAME_PATTERN`): its secrets lie below `offsite/<name>/`. */
  readonly name: string;
  readonly location: OffsiteLocation;
  readonly media: OffsiteMedia;
  readonly secrets: Secrets;
  /** Default `restic`. */
  readonly program?: string;
}

/** One restic repository for all servers, at any place that restic knows. */
export const createResticOffsiteRepository = (options: ResticOffsiteRepositoryOptions): OffsiteRepository => new ResticOffsiteRepository(options);

/** Says that what lies beside it was begun by `fetchImage` and is not whole. */
const FETCHING = '.modosu-fetching';
const SYNC_TIMEOUT_MS = 60 * 60_000;
const COPIED_PACKS = /(\d+\.\d+)%\s+\d+ \/ \d+ packs copied/g;

class ResticOffsiteRepository implements OffsiteRepository {
  readonly name: string;
  private readonly restic: ResticCommand;
  private readonly place: OffsitePlace;
  private readonly reader: SnapshotReader;
  private readonly copies: StoredCopies;
  private readonly removal: CopyRemoval;
  private readonly writer: CopyWriter;

  constructor(options: ResticOffsiteRepositoryOptions) {
    this.name = options.name;
    this.restic = new ResticCommand(options.program ?? 'restic');
    this.place = new OffsitePlace(options, this.restic);
    this.reader = new SnapshotReader(this.restic);
    this.copies = new StoredCopies(this.name, this.place, this.reader);
    this.removal = new CopyRemoval(this.name, this.place, this.copies);
    this.writer = new CopyWriter(this.name, this.place, this.restic, this.reader, this.copies);
  }

  async probe(): Promise<{ readonly restic: string; readonly copies: number }> {
    const restic = await this.restic.version();
    return { restic, copies: (await this.list()).length };
  }

  ensure(): Promise<void> {
    return this.place.ensure();
  }

  async list(serverId?: string): Promise<readonly OffsiteCopy[]> {
    if (serverId !== undefined) requireServerId(serverId);
    const copies = await this.copies.all(await this.place.open());
    return copies.filter((copy) => serverId === undefined || copy.serverId === serverId).map(plainCopy);
  }

  async copyImage(source: OffsiteImageSource, context: OffsiteContext): Promise<OffsiteCopy> {
    const published = await this.published(source, context);
    const target = await this.place.open();
    const earlier = theSame(await this.copies.of(target, source.recoveryPointId), published.manifestSha256);
    const { totalBytes } = published;
    context.onProgress?.({ doneBytes: earlier === null ? 0 : totalBytes, totalBytes });
    return earlier ?? this.writer.image(target, source, published, context);
  }

  async mendImage(source: OffsiteImageSource, context: OffsiteContext): Promise<OffsiteCopy> {
    const published = await this.published(source, context);
    const target = await this.place.open();
    const before = await this.before(target, source.recoveryPointId, published.manifestSha256);
    context.onProgress?.({ doneBytes: 0, totalBytes: published.totalBytes });
    await this.removal.strikeWhatIsGone(target, context.signal);
    // Without a look at the copy before: by that restic would believe files to be stored that are not.
    const copy = await this.writer.image(target, source, published, context, { force: true, earlier: before.copy });
    await this.removal.forget(target, [...before.receipts, ...before.contents], context.signal);
    return copy;
  }

  private async published({ serverId, recoveryPointId, directory }: OffsiteImageSource, { signal }: OffsiteContext): ReturnType<typeof publishedFiles> {
    requireServerId(serverId);
    requireRecoveryPointId(recoveryPointId);
    const published = await publishedFiles(directory, serverId, recoveryPointId);
    signal.throwIfAborted();
    return published;
  }

  async copyData(source: OffsiteDataSource, context: OffsiteContext): Promise<OffsiteCopy> {
    const published = publishedData(source);
    context.signal.throwIfAborted();
    const target = await this.place.open();
    const { totalBytes } = source.manifest;
    const earlier = theSame(await this.copies.of(target, source.manifest.recoveryPointId), published.sha256);
    context.onProgress?.({ doneBytes: earlier === null ? 0 : totalBytes, totalBytes });
    return earlier ?? this.writeData(target, source, published, context);
  }

  async mendData(source: OffsiteDataSource, context: OffsiteContext): Promise<OffsiteCopy> {
    const published = publishedData(source);
    context.signal.throwIfAborted();
    const target = await this.place.open();
    const before = await this.before(target, source.manifest.recoveryPointId, published.sha256);
    context.onProgress?.({ doneBytes: 0, totalBytes: source.manifest.totalBytes });
    const { copy, receipts, contents } = before;
    // restic believes what is there: without it nothing would be written anew.
    if (!(await this.removal.strikeWhatIsGone(target, context.signal)) && copy !== null) {
      throw new ModosuError('RECOVERY_POINT_CORRUPT', `Nothing of the copy of ${copy.recoveryPointId} is gone from ${this.name}: it cannot be made anew.`, {
        context: { recoveryPointId: copy.recoveryPointId },
      });
    }
    // `restic copy` passes over content that it has copied before, whole or not: that goes first, and for certain. A receipt of nothing counts as nothing.
    const goAway = async (): Promise<void> => {
      for (const some of [contents, receipts]) await this.removal.forget(target, some, context.signal);
    };
    return this.writeData(target, source, published, context, { goAway, earlier: copy });
  }

  /** The copy that is made anew, and everything that goes with it. */
  private async before(
    target: OffsiteTarget,
    recoveryPointId: string,
    manifestSha256: string,
  ): Promise<{ readonly copy: OffsiteCopy | null; readonly receipts: readonly string[]; readonly contents: readonly string[] }> {
    const { snapshots } = await this.copies.trees(target);
    const copy = theSame(copiesIn(snapshots, target.password).find((one) => one.recoveryPointId === recoveryPointId) ?? null, manifestSha256);
    return { copy, ...goingWith(new Set([recoveryPointId]), snapshots, target.password) };
  }

  /** `goAway`: takes an earlier copy away, once it is certain that the original is there. */
  private async writeData(
    target: OffsiteTarget,
    { manifest, access }: OffsiteDataSource,
    { serverId, bytes, sha256 }: PublishedData,
    context: OffsiteContext,
    { goAway, earlier = null }: { readonly goAway?: () => Promise<void>; readonly earlier?: OffsiteCopy | null } = {},
  ): Promise<OffsiteCopy> {
    const { recoveryPointId, totalBytes } = manifest;
    const content = await DataSource.with(access, serverId, this.reader, async (source) => {
      const original = await source.snapshot(manifest.snapshotId, context.signal);
      await goAway?.();
      const env = await source.copyingTo(target.env);
      await this.place.pastStaleLocks(
        target,
        () =>
          source.attributed(() =>
            this.restic.run({ ...target, env, secrets: [...target.secrets, ...access.secrets] }, ['copy', ...reading(access), original.id], {
              giveUpOn: NO_ROOM,
              fills: this.place.directory,
              isLong: true,
              otherwise: 'COPY_FAILED',
              signal: context.signal,
              onStdout: copyProgress(totalBytes, context),
            }),
          ),
        { writes: true },
      );
      return sameTree((await this.copies.trees(target)).snapshots, original);
    });
    if (content === null) {
      throw new ModosuError('COPY_FAILED', `restic has copied the data of ${recoveryPointId}, and ${this.name} does not hold it.`, {
        context: { recoveryPointId },
      });
    }
    const receipt: Omit<Receipt, 'copiedAt'> = {
      version: 1,
      ...{ recoveryPointId, serverId, kind: 'data', snapshotId: content.id },
      ...{ files: null, sizeBytes: totalBytes, manifestBytes: bytes.length, manifestSha256: sha256 },
    };
    const copy = await this.writer.confirm(target, receipt, bytes, context.signal, earlier);
    context.onProgress?.({ doneBytes: totalBytes, totalBytes });
    return copy;
  }

  async openImage(serverId: string, recoveryPointId: string): Promise<ImageManifest> {
    const target = await this.place.open();
    const copy = await this.copies.require(target, serverId, recoveryPointId, 'image');
    return parseManifest((await this.copies.manifestOf(target, copy)).toString('utf8'), `of the copy in ${this.name}`, recoveryPointId);
  }

  async openData(serverId: string, recoveryPointId: string): Promise<DataManifest> {
    const target = await this.place.open();
    const copy = await this.copies.require(target, serverId, recoveryPointId, 'data');
    return parseDataManifest(await this.copies.manifestOf(target, copy), recoveryPointId);
  }

  async fetchImage(serverId: string, recoveryPointId: string, directory: string, context: OffsiteContext): Promise<void> {
    requireDirectoryPath(directory);
    context.signal.throwIfAborted();
    const target = await this.place.open();
    const { receipt, content } = await this.copies.require(target, serverId, recoveryPointId, 'image');
    const totalBytes = receipt.sizeBytes;
    if (!(await beginFetching(directory, receipt))) return context.onProgress?.({ doneBytes: totalBytes, totalBytes });
    context.onProgress?.({ doneBytes: 0, totalBytes });
    try {
      await this.place.reading(target, (readable, giveUpOn) =>
        this.watched('wchar', totalBytes, context, (watch) =>
          this.restic.run(readable, ['restore', ...reading(readable), content.id, '--target', directory], {
            isLong: true,
            signal: context.signal,
            ...watch,
            ...(giveUpOn === undefined ? {} : { giveUpOn }),
          }),
        ),
      );
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'NOT_ENOUGH_SPACE') throw error;
      throw new ModosuError(error.code, `There is not enough room in ${directory} for the recovery point ${recoveryPointId}.`, {
        hint: 'Free room there, or use another directory; what was half-written is removed by the next attempt.',
        context: { directory, neededBytes: totalBytes },
        cause: error,
      });
    }
    const problem = await wholeProblem(directory, receipt);
    if (problem !== null) {
      throw new ModosuError('RECOVERY_POINT_CORRUPT', `What was fetched of ${recoveryPointId} is not what was copied: ${problem}.`, {
        context: { recoveryPointId },
      });
    }
    await bringToStableStorage(directory);
    await rm(join(directory, FETCHING));
    context.onProgress?.({ doneBytes: totalBytes, totalBytes });
  }

  async returnData(serverId: string, recoveryPointId: string, access: DataAccess, context: OffsiteContext): Promise<DataManifest> {
    context.signal.throwIfAborted();
    const target = await this.place.open();
    const copy = await this.copies.require(target, serverId, recoveryPointId, 'data');
    const manifest = parseDataManifest(await this.copies.manifestOf(target, copy), recoveryPointId);
    const totalBytes = manifest.totalBytes;
    context.onProgress?.({ doneBytes: 0, totalBytes });
    const snapshotId = await DataSource.with(access, serverId, this.reader, async (data) => {
      const there = await data.holds(copy.content, manifest.snapshotId, context.signal);
      if (there !== null) return there;
      await this.place.reading(target, (readable, giveUpOn) =>
        data.take(this.restic, readable, copy.content.id, {
          signal: context.signal,
          onStdout: copyProgress(totalBytes, context),
          ...(giveUpOn === undefined ? {} : { giveUpOn }),
        }),
      );
      return data.holds(copy.content, manifest.snapshotId, context.signal);
    });
    if (snapshotId === null) {
      throw new ModosuError('COPY_FAILED', `restic has copied the data of ${recoveryPointId} back, and the data repository of ${serverId} does not hold it.`, {
        context: { recoveryPointId, serverId },
      });
    }
    context.onProgress?.({ doneBytes: totalBytes, totalBytes });
    return snapshotId === manifest.snapshotId ? manifest : { ...manifest, snapshotId, keyId: access.keyId };
  }

  async check({ part, signal }: { readonly part: { readonly number: number; readonly of: number } | null; readonly signal?: AbortSignal }): Promise<void> {
    signal?.throwIfAborted();
    const reading = part === null ? [] : [`--read-data-subset=${part.number}/${part.of}`];
    await this.place.check(await this.place.open(), ['--no-lock', ...reading], signal);
  }

  async readAll(recoveryPointId: string, context: OffsiteContext): Promise<void> {
    requireRecoveryPointId(recoveryPointId);
    context.signal.throwIfAborted();
    const target = await this.place.open();
    const copy = (await this.copies.of(target, recoveryPointId)) ?? this.copies.notFound(recoveryPointId);
    const totalBytes = copy.sizeBytes;
    context.onProgress?.({ doneBytes: 0, totalBytes });
    await this.copies.manifestOf(target, copy);
    await this.place.reading(target, (readable, giveUpOn) =>
      this.watched('wchar', totalBytes, context, (watch) =>
        this.reader.readAll(readable, copy.content.id, context.signal, { ...watch, ...(giveUpOn === undefined ? {} : { giveUpOn }) }),
      ),
    );
    context.onProgress?.({ doneBytes: totalBytes, totalBytes });
  }

  async forget(recoveryPointIds: readonly string[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const wanted = new Set(recoveryPointIds.map(requireRecoveryPointId));
    signal?.throwIfAborted();
    await this.removal.remove(await this.place.open(), wanted, signal);
  }

  private async watched<T>(
    what: 'rchar' | 'wchar',
    totalBytes: number,
    { onProgress }: OffsiteContext,
    work: (watch: Pick<ResticOptions, 'onStarted'>) => Promise<T>,
  ): Promise<T> {
    const ended = new AbortController();
    try {
      return await work({
        onStarted: (pid) => watchTransfer(pid, what, ended.signal, (bytes) => onProgress?.({ doneBytes: Math.min(bytes, totalBytes), totalBytes })),
      });
    } finally {
      ended.abort();
    }
  }
}

interface PublishedData {
  readonly serverId: string;
  /** Of the manifest. */
  readonly bytes: Buffer;
  readonly sha256: string;
}

function publishedData({ manifest }: OffsiteDataSource): PublishedData {
  const serverId = requireServerId(manifest.server.id);
  const bytes = renderDataManifest(manifest);
  return { serverId, bytes, sha256: sha256Of(bytes) };
}

/** What was copied first stays; null: nothing was. */
function theSame(copy: FoundCopy | null, manifestSha256: string): OffsiteCopy | null {
  if (copy === null) return null;
  if (copy.manifestSha256 === manifestSha256) return plainCopy(copy);
  throw new ModosuError('REQUEST_INVALID', `The copy of the recovery point ${copy.recoveryPointId} that is there was made of another manifest.`, {
    hint: 'Look at both before anything is removed: one of them is not what was published.',
    context: { recoveryPointId: copy.recoveryPointId },
  });
}

/** The copy of a snapshot: restic notes what it was copied from first, and the same tree is the same content. */
const sameTree = (snapshots: readonly SnapshotTree[], { id, original, tree }: SnapshotTree): SnapshotTree | null =>
  snapshots.find((candidate) => candidate.tree === tree && candidate.original === (original ?? id)) ?? null;

function copyProgress(totalBytes: number, { onProgress }: OffsiteContext): (piece: Buffer) => void {
  return (piece) => {
    const percent = [...piece.toString('utf8').matchAll(COPIED_PACKS)].at(-1)?.[1];
    if (percent !== undefined) onProgress?.({ doneBytes: Math.min(totalBytes, Math.round((totalBytes * Number(percent)) / 100)), totalBytes });
  };
}

/** Makes the directory ready to be written into; false: it holds the whole recovery point already. */
async function beginFetching(directory: string, receipt: Receipt): Promise<boolean> {
  let names: readonly string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    throw new ModosuError('TARGET_UNREACHABLE', `The directory ${directory} is not there: ${errorMessage(error)}.`, { context: { directory } });
  }
  if (names.length > 0 && !names.includes(FETCHING)) {
    if ((await wholeProblem(directory, receipt)) === null) return false;
    throw new ModosuError('REQUEST_INVALID', `The directory ${directory} holds something else; nothing was written.`, { context: { directory } });
  }
  await writeFile(join(directory, FETCHING), '');
  for (const name of names) if (name !== FETCHING) await rm(join(directory, name), { recursive: true });
  return true;
}

/** What is not as the receipt says; null: nothing. */
async function wholeProblem(directory: string, { files, sizeBytes, manifestBytes, manifestSha256 }: Receipt): Promise<string | null> {
  const found = new Map(await filesBelow(directory).catch((error: unknown) => (isModosuError(error) ? [] : Promise.reject(error as Error))));
  found.delete(FETCHING);
  const bytes = [...found.values()].reduce((sum, size) => sum + size, 0);
  if (found.size !== files || bytes !== sizeBytes) return `${found.size} files with ${bytes} bytes, not ${String(files)} with ${sizeBytes}`;
  if (found.get('manifest.json') !== manifestBytes) return 'its manifest has another length';
  return sha256Of(await readFile(join(directory, 'manifest.json'))) === manifestSha256 ? null : 'its manifest is another one';
}

async function bringToStableStorage(directory: string): Promise<void> {
  const { exitCode, stderr, timedOut } = await runCommand(['sync', '--file-system', directory], { timeoutMs: SYNC_TIMEOUT_MS });
  if (exitCode === 0) return;
  throw new ModosuError('TARGET_UNREACHABLE', `What was written into ${directory} is not kept: ${timedOut ? 'no answer' : stderr.trim().slice(0, 300)}.`, {
    context: { directory },
  });
}
