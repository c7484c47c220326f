import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataAccess, DataManifest } from '../../contracts/data';
import { ModosuError, isModosuError } from '../../contracts/errors';
import type { OffsiteLocation, OffsiteMedia } from '../../contracts/offsite';
import type { ImageManifest } from '../../contracts/recovery-point';
import { NO_SPACE, NO_SPACE_AS_JSON, REMOVAL_REFUSED, resticWords } from '../../domain/restic-outcome';
import type { Secrets } from '../../secrets/secrets';
import { runCommand } from '../../system/child-process';
import { errorMessage } from '../../system/files';
import { parseDataManifest, renderDataManifest } from '../data/data-manifest';
import { recoveryPointTag } from '../data/data-repository';
import { parseManifest } from '../image/image-manifest';
import { removeLeftovers } from '../restic/leftovers';
import { inPortions, requireRecoveryPointId, requireServerId } from '../restic/restic-arguments';
import { outcomeOf, reading, ResticCommand, type ResticOptions } from '../restic/restic-command';
import { Lines, parseBackupLine, type SnapshotTree } from '../restic/restic-output';
import { SnapshotReader } from '../restic/snapshot-reader';
import { watchTransfer } from '../restic/transfer-watch';
import { DataSource } from './data-source';
import { OffsitePlace, type OffsiteTarget } from './offsite-place';
import type { OffsiteContext, OffsiteCopy, OffsiteDataSource, OffsiteImageSource, OffsiteRepository } from './offsite-repository';
import { filesBelow, publishedFiles, requireDirectoryPath, sha256Of } from './published-files';
import { copiesIn, goingWith, plainCopy, RECEIPT_FILE, RECEIPT_HOST, receiptTags, type FoundCopy, type Receipt } from './receipt';

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

/** restic tries again for a quarter of an hour, and tells meanwhile how far it is: nothing makes room by itself. */
const NO_ROOM = new RegExp(`${NO_SPACE.source}|${NO_SPACE_AS_JSON.source}`, 'im');
const IMAGE_TAG = 'modosu-image';
/** Says that what lies beside it was begun by `fetchImage` and is not whole. */
const FETCHING = '.modosu-fetching';
/** Rewritten by one prune at most, as of data repositories. */
const MOST_REWRITTEN = '4G';
const SYNC_TIMEOUT_MS = 60 * 60_000;
/** Once a second. */
const PROGRESS = { RESTIC_PROGRESS_FPS: '1' };
const COPIED_PACKS = /(\d+\.\d+)%\s+\d+ \/ \d+ packs copied/g;

class ResticOffsiteRepository implements OffsiteRepository {
  readonly name: string;
  private readonly restic: ResticCommand;
  private readonly place: OffsitePlace;
  private readonly reader: SnapshotReader;

  constructor(options: ResticOffsiteRepositoryOptions) {
    this.name = options.name;
    this.restic = new ResticCommand(options.program ?? 'restic');
    this.place = new OffsitePlace(options, this.restic);
    this.reader = new SnapshotReader(this.restic);
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
    const copies = await this.copies(await this.place.open());
    return copies.filter((copy) => serverId === undefined || copy.serverId === serverId).map(plainCopy);
  }

  async copyImage(source: OffsiteImageSource, context: OffsiteContext): Promise<OffsiteCopy> {
    const published = await this.published(source, context);
    const target = await this.place.open();
    const earlier = theSame(await this.copyOf(target, source.recoveryPointId), published.manifestSha256);
    const { totalBytes } = published;
    context.onProgress?.({ doneBytes: earlier === null ? 0 : totalBytes, totalBytes });
    return earlier ?? this.writeImage(target, source, published, [], context);
  }

  async mendImage(source: OffsiteImageSource, context: OffsiteContext): Promise<OffsiteCopy> {
    const published = await this.published(source, context);
    const { recoveryPointId } = source;
    const target = await this.place.open();
    const { signal, onProgress } = context;
    const before = (await this.trees(target)).snapshots;
    const earlier = theSame(await this.copyOf(target, recoveryPointId), published.manifestSha256);
    onProgress?.({ doneBytes: 0, totalBytes: published.totalBytes });
    // Alone only where something is gone: whoever fetches meanwhile would be turned away.
    if (await this.lacksSomething(target, signal)) await this.removing(target, ['rebuild-index'], { giveUpOn: REMOVAL_REFUSED, isLong: true, signal });
    // Without a look at the copy before: by that restic would believe files to be stored that are not.
    const copy = await this.writeImage(target, source, published, ['--force'], context, earlier);
    const { receipts, contents } = goingWith(new Set([recoveryPointId]), before, target.password);
    for (const some of inPortions([...receipts, ...contents])) await this.removing(target, ['forget', ...some], { giveUpOn: REMOVAL_REFUSED, signal });
    return copy;
  }

  private async published({ serverId, recoveryPointId, directory }: OffsiteImageSource, { signal }: OffsiteContext): ReturnType<typeof publishedFiles> {
    requireServerId(serverId);
    requireRecoveryPointId(recoveryPointId);
    const published = await publishedFiles(directory, serverId, recoveryPointId);
    signal.throwIfAborted();
    return published;
  }

  private async writeImage(
    target: OffsiteTarget,
    { serverId, recoveryPointId, directory }: OffsiteImageSource,
    { manifestBytes, manifestSha256, files, totalBytes }: Awaited<ReturnType<typeof publishedFiles>>,
    options: readonly string[],
    context: OffsiteContext,
    earlier: OffsiteCopy | null = null,
  ): Promise<OffsiteCopy> {
    // The names in the snapshot begin at the directory itself, wherever it lies.
    const shortId = await this.backUp(target, [...options, '--host', serverId, '--tag', [IMAGE_TAG, recoveryPointTag(recoveryPointId)].join(','), '.'], {
      cwd: directory,
      signal: context.signal,
      onProgress: (doneBytes) => context.onProgress?.({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes }),
    });
    const snapshotId = await this.proveImage(target, shortId, files, manifestSha256, manifestBytes.length, context.signal);
    const receipt: Omit<Receipt, 'copiedAt'> = {
      version: 1,
      ...{ recoveryPointId, serverId, kind: 'image', snapshotId },
      ...{ files: files.size, sizeBytes: totalBytes, manifestBytes: manifestBytes.length, manifestSha256 },
    };
    return this.confirm(target, receipt, manifestBytes, context.signal, earlier);
  }

  async copyData({ manifest, access }: OffsiteDataSource, context: OffsiteContext): Promise<OffsiteCopy> {
    const { recoveryPointId } = manifest;
    const serverId = requireServerId(manifest.server.id);
    const bytes = renderDataManifest(manifest);
    const manifestSha256 = sha256Of(bytes);
    const totalBytes = manifest.totalBytes;
    context.signal.throwIfAborted();
    const target = await this.place.open();
    const earlier = theSame(await this.copyOf(target, recoveryPointId), manifestSha256);
    context.onProgress?.({ doneBytes: earlier === null ? 0 : totalBytes, totalBytes });
    if (earlier !== null) return earlier;
    const content = await DataSource.with(access, serverId, this.reader, async (source) => {
      const original = await source.snapshot(manifest.snapshotId, context.signal);
      const env = await source.copyingTo(target.env);
      await this.place.pastStaleLocks(
        target,
        () =>
          source.attributed(() =>
            this.restic.run({ ...target, env, secrets: [...target.secrets, ...access.secrets] }, ['copy', ...reading(access), original.id], {
              giveUpOn: NO_ROOM,
              isLong: true,
              otherwise: 'COPY_FAILED',
              signal: context.signal,
              onStdout: copyProgress(totalBytes, context),
            }),
          ),
        { writes: true },
      );
      return sameTree((await this.trees(target)).snapshots, original);
    });
    if (content === null) {
      throw new ModosuError('COPY_FAILED', `restic has copied the data of ${recoveryPointId}, and ${this.name} does not hold it.`, {
        context: { recoveryPointId },
      });
    }
    const receipt: Omit<Receipt, 'copiedAt'> = {
      version: 1,
      ...{ recoveryPointId, serverId, kind: 'data', snapshotId: content.id },
      ...{ files: null, sizeBytes: totalBytes, manifestBytes: bytes.length, manifestSha256 },
    };
    const copy = await this.confirm(target, receipt, bytes, context.signal);
    context.onProgress?.({ doneBytes: totalBytes, totalBytes });
    return copy;
  }

  async openImage(serverId: string, recoveryPointId: string): Promise<ImageManifest> {
    const target = await this.place.open();
    const copy = await this.require(target, serverId, recoveryPointId, 'image');
    return parseManifest((await this.manifestOf(target, copy)).toString('utf8'), `of the copy in ${this.name}`, recoveryPointId);
  }

  async openData(serverId: string, recoveryPointId: string): Promise<DataManifest> {
    const target = await this.place.open();
    const copy = await this.require(target, serverId, recoveryPointId, 'data');
    return parseDataManifest(await this.manifestOf(target, copy), recoveryPointId);
  }

  async fetchImage(serverId: string, recoveryPointId: string, directory: string, context: OffsiteContext): Promise<void> {
    requireDirectoryPath(directory);
    context.signal.throwIfAborted();
    const target = await this.place.open();
    const { receipt, content } = await this.require(target, serverId, recoveryPointId, 'image');
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
    const copy = await this.require(target, serverId, recoveryPointId, 'data');
    const manifest = parseDataManifest(await this.manifestOf(target, copy), recoveryPointId);
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
    const args = ['check', '--no-lock', ...(part === null ? [] : [`--read-data-subset=${part.number}/${part.of}`])];
    await this.place.run(await this.place.open(), args, { isLong: true, ...this.hopeless(), ...(signal === undefined ? {} : { signal }) });
  }

  async readAll(recoveryPointId: string, context: OffsiteContext): Promise<void> {
    requireRecoveryPointId(recoveryPointId);
    context.signal.throwIfAborted();
    const target = await this.place.open();
    const copy = (await this.copyOf(target, recoveryPointId)) ?? this.notFound(recoveryPointId);
    const totalBytes = copy.sizeBytes;
    context.onProgress?.({ doneBytes: 0, totalBytes });
    await this.manifestOf(target, copy);
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
    const target = await this.place.open();
    const options: ResticOptions = { giveUpOn: REMOVAL_REFUSED, ...(signal === undefined ? {} : { signal }) };
    try {
      const { snapshots, unreadable } = await this.trees(target);
      if (unreadable) {
        throw new ModosuError('RECOVERY_POINT_CORRUPT', `A snapshot in the off-site repository ${this.name} is damaged. ${NOTHING}`, {
          context: target.context,
        });
      }
      await this.requireWhole(target, signal);
      const { receipts, contents } = goingWith(wanted, snapshots, target.password);
      // Receipts first: without one a copy is not there, and nobody finds half of it.
      for (const some of [...inPortions(receipts), ...inPortions(contents)]) await this.removing(target, ['forget', ...some], options);
      const began = new Date();
      await this.removing(target, ['prune', '--max-repack-size', (await this.place.isNearlyFull()) ? '0' : MOST_REWRITTEN], { ...options, isLong: true });
      if (this.place.directory !== null) await removeLeftovers(this.place.directory, began);
    } catch (error) {
      // A restic that was killed has left its exclusive lock, in the way of everybody.
      await this.place.removeStaleLocks(target).catch(() => undefined);
      throw error;
    }
  }

  /** `prune` calls it a success when the storage has refused to remove its packs. */
  private async removing(target: OffsiteTarget, args: readonly string[], options: ResticOptions): Promise<void> {
    const refused = (words: string, cause?: unknown): ModosuError =>
      new ModosuError('OFFSITE_DELETE_REFUSED', `The storage of the off-site repository ${this.name} lets nothing be removed: ${words}`, {
        context: target.context,
        cause,
      });
    try {
      const { stderr } = await this.place.run(target, args, options);
      if (REMOVAL_REFUSED.test(stderr)) throw refused(resticWords(stderr, target.secrets));
    } catch (error) {
      if (isModosuError(error) && error.code === 'OFFSITE_DELETE_REFUSED' && error.cause === undefined) throw refused(error.message, error);
      throw error;
    }
  }

  /** The index names packs, or packs what no index names. */
  private async lacksSomething(target: OffsiteTarget, signal: AbortSignal): Promise<boolean> {
    try {
      await this.place.run(target, ['check', '--no-lock'], { isLong: true, ...this.hopeless(), signal });
      return false;
    } catch (error) {
      if (isModosuError(error) && (error.code === 'RECOVERY_POINT_CORRUPT' || outcomeOf(error) === 'repository-damaged')) return true;
      throw error;
    }
  }

  /** What is missing somewhere must not become more: whoever mends it may need what nothing refers to. */
  private async requireWhole(target: OffsiteTarget, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.place.run(target, ['check'], { isLong: true, ...this.hopeless(), ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'RECOVERY_POINT_CORRUPT') throw error;
      throw new ModosuError(error.code, `${error.message} ${NOTHING}`, { context: error.context, cause: error });
    }
  }

  /** Without a lock: it is one moment, and works where no lock can be written. */
  private trees(target: OffsiteTarget): Promise<{ readonly snapshots: readonly SnapshotTree[]; readonly unreadable: boolean }> {
    return this.place.pastStaleLocks(target, () => this.reader.trees({ ...target, canLock: false }));
  }

  private async copies(target: OffsiteTarget): Promise<readonly FoundCopy[]> {
    return copiesIn((await this.trees(target)).snapshots, target.password);
  }

  private async copyOf(target: OffsiteTarget, recoveryPointId: string): Promise<FoundCopy | null> {
    return (await this.copies(target)).find((copy) => copy.recoveryPointId === recoveryPointId) ?? null;
  }

  private async require(target: OffsiteTarget, serverId: string, recoveryPointId: string, kind: 'image' | 'data'): Promise<FoundCopy> {
    requireServerId(serverId);
    requireRecoveryPointId(recoveryPointId);
    const copy = await this.copyOf(target, recoveryPointId);
    return copy?.serverId === serverId && copy.kind === kind ? copy : this.notFound(recoveryPointId);
  }

  private notFound(recoveryPointId: string): never {
    throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `The off-site repository ${this.name} holds no such copy of the recovery point ${recoveryPointId}.`, {
      context: { repository: this.name, recoveryPointId },
    });
  }

  private async manifestOf(target: OffsiteTarget, { receipt, receiptId }: FoundCopy): Promise<Buffer> {
    const bytes = await this.place.reading(target, (readable, giveUpOn) =>
      this.reader.dump(readable, receiptId, `/${RECEIPT_FILE}`, receipt.manifestBytes, giveUpOn === undefined ? {} : { giveUpOn }),
    );
    if (bytes.length === receipt.manifestBytes && sha256Of(bytes) === receipt.manifestSha256) return bytes;
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest of the copy of ${receipt.recoveryPointId} in ${this.name} is not what was written.`, {
      context: { recoveryPointId: receipt.recoveryPointId },
    });
  }

  private async backUp(
    target: OffsiteTarget,
    args: readonly string[],
    { onProgress, ...options }: Pick<ResticOptions, 'cwd' | 'signal'> & { readonly onProgress?: (doneBytes: number) => void },
  ): Promise<string> {
    let snapshotId = '';
    await this.place.pastStaleLocks(
      target,
      () => {
        const lines = new Lines((line) => {
          const said = parseBackupLine(line);
          if (said === null) return;
          if ('snapshotId' in said) snapshotId = said.snapshotId;
          else onProgress?.(said.doneBytes);
        });
        return this.restic.run({ ...target, env: { ...target.env, ...PROGRESS } }, ['backup', ...args], {
          giveUpOn: NO_ROOM,
          ...{ isLong: true, isJson: true, maxOutputBytes: 0, otherwise: 'COPY_FAILED', onStdout: (piece: Buffer) => lines.add(piece) },
          ...options,
        });
      },
      { writes: true },
    );
    if (snapshotId !== '') return snapshotId;
    throw new ModosuError('COPY_FAILED', `restic has written into the off-site repository ${this.name} and has not said what.`, { context: target.context });
  }

  /** The full id of the snapshot. Throws `COPY_FAILED` when it does not hold exactly these files. */
  private async proveImage(
    target: OffsiteTarget,
    shortId: string,
    files: ReadonlyMap<string, number>,
    manifestSha256: string,
    manifestBytes: number,
    signal: AbortSignal,
  ): Promise<string> {
    const failed = (problem: string): ModosuError =>
      new ModosuError('COPY_FAILED', `The copy in the off-site repository ${this.name} is not what lies in the repository: ${problem}.`, {
        context: target.context,
      });
    const missing = new Map(files);
    let surplus: string | null = null;
    const readable = { ...target, canLock: false };
    const id = await this.place.pastStaleLocks(target, () =>
      this.reader.entries(readable, shortId, signal, ({ path, type, sizeBytes }) => {
        if (type === 'dir') return;
        const name = path.slice(1);
        if (type !== 'file' || missing.get(name) !== sizeBytes) surplus ??= name;
        missing.delete(name);
      }),
    );
    if (surplus !== null) throw failed(`${JSON.stringify(surplus)} is another file, or has another size`);
    const [first] = missing.keys();
    if (first !== undefined) throw failed(`${JSON.stringify(first)} is missing`);
    const stored = await this.place.pastStaleLocks(target, () => this.reader.dump(readable, id, '/manifest.json', manifestBytes, { signal }));
    if (sha256Of(stored) !== manifestSha256) throw failed('its manifest is another one');
    return id;
  }

  /** Writes the receipt; from then on the copy is there. Found again like everybody finds it. */
  private async confirm(
    target: OffsiteTarget,
    made: Omit<Receipt, 'copiedAt'>,
    manifest: Buffer,
    signal: AbortSignal,
    earlier: OffsiteCopy | null = null,
  ): Promise<OffsiteCopy> {
    // The newest counts, also where the clock was ahead when the one before was made.
    const least = earlier === null ? 0 : Date.parse(earlier.copiedAt) + 1;
    const receipt: Receipt = { ...made, copiedAt: new Date(Math.max(Date.now(), least)).toISOString() };
    const tags = receiptTags(receipt, target.password);
    // From a file: what is written into a pipe by somebody who dies is a shorter file.
    const directory = await mkdtemp(join(tmpdir(), 'modosu-offsite-'));
    try {
      await writeFile(join(directory, RECEIPT_FILE), manifest, { mode: 0o600 });
      await this.backUp(target, ['--host', RECEIPT_HOST, '--tag', tags.join(','), RECEIPT_FILE], { cwd: directory, signal });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
    const copy = await this.copyOf(target, receipt.recoveryPointId);
    if (copy !== null) return plainCopy(copy);
    throw new ModosuError('COPY_FAILED', `The copy of ${receipt.recoveryPointId} was written into ${this.name} and is not there.`, { context: target.context });
  }

  private hopeless(): Pick<ResticOptions, 'giveUpOn'> {
    const { hopeless } = this.place;
    return hopeless === undefined ? {} : { giveUpOn: hopeless };
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

const NOTHING = 'Nothing was removed.';

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
