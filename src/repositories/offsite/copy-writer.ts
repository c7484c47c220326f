import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import { NO_SPACE, NO_SPACE_AS_JSON } from '../../domain/restic-outcome';
import { sha256Of } from '../../system/sha256';
import { recoveryPointTag } from '../data/data-repository';
import type { ResticCommand, ResticOptions } from '../restic/restic-command';
import { Lines, parseBackupLine } from '../restic/restic-output';
import type { SnapshotReader } from '../restic/snapshot-reader';
import type { OffsitePlace, OffsiteTarget } from './offsite-place';
import type { OffsiteContext, OffsiteCopy, OffsiteImageSource } from './offsite-repository';
import type { PublishedFiles } from './published-files';
import { plainCopy, RECEIPT_FILE, RECEIPT_HOST, receiptTags, type Receipt } from './receipt';
import type { StoredCopies } from './stored-copies';

/** restic tries again for a quarter of an hour, and tells meanwhile how far it is: nothing makes room by itself. */
export const NO_ROOM = new RegExp(`${NO_SPACE.source}|${NO_SPACE_AS_JSON.source}`, 'im');
const IMAGE_TAG = 'modosu-image';
/** Once a second. */
const PROGRESS = { RESTIC_PROGRESS_FPS: '1' };

/** Writes copies into an off-site repository: content first, then its proof, its receipt last. */
export class CopyWriter {
  constructor(
    private readonly name: string,
    private readonly place: OffsitePlace,
    private readonly restic: ResticCommand,
    private readonly reader: SnapshotReader,
    private readonly copies: StoredCopies,
  ) {}

  /** `force`: every file is read. `earlier`: a copy whose place it takes. */
  async image(
    target: OffsiteTarget,
    { serverId, recoveryPointId, directory }: OffsiteImageSource,
    { manifestBytes, manifestSha256, files, totalBytes }: PublishedFiles,
    { signal, onProgress }: OffsiteContext,
    { force = false, earlier = null }: { readonly force?: boolean; readonly earlier?: OffsiteCopy | null } = {},
  ): Promise<OffsiteCopy> {
    const tags = [IMAGE_TAG, recoveryPointTag(recoveryPointId)].join(',');
    // The names in the snapshot begin at the directory itself, wherever it lies.
    const shortId = await this.backUp(target, [...(force ? ['--force'] : []), '--host', serverId, '--tag', tags, '.'], {
      cwd: directory,
      signal,
      onProgress: (doneBytes) => onProgress?.({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes }),
    });
    const snapshotId = await this.proveImage(target, shortId, files, manifestSha256, manifestBytes.length, signal);
    const receipt: Omit<Receipt, 'copiedAt'> = {
      version: 1,
      ...{ recoveryPointId, serverId, kind: 'image', snapshotId },
      ...{ files: files.size, sizeBytes: totalBytes, manifestBytes: manifestBytes.length, manifestSha256 },
    };
    return this.confirm(target, receipt, manifestBytes, signal, earlier);
  }

  /** Writes the receipt; from then on the copy is there. Found again like everybody finds it. */
  async confirm(
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
    const copy = await this.copies.of(target, receipt.recoveryPointId);
    if (copy !== null) return plainCopy(copy);
    throw new ModosuError('COPY_FAILED', `The copy of ${receipt.recoveryPointId} was written into ${this.name} and is not there.`, { context: target.context });
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
          fills: this.place.directory,
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
}
