import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DataAccess, DataManifest } from '../../src/contracts/data';
import { ModosuError } from '../../src/contracts/errors';
import { isId } from '../../src/contracts/ids';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import { parseDataManifest, renderDataManifest } from '../../src/repositories/data/data-manifest';
import { parseManifest } from '../../src/repositories/image/image-manifest';
import type { OffsiteContext, OffsiteCopy, OffsiteDataSource, OffsiteImageSource, OffsiteRepository } from '../../src/repositories/offsite/offsite-repository';
import { publishedFiles, requireDirectoryPath } from '../../src/repositories/offsite/published-files';
import type { FakeDataRepository, FakeSnapshot } from './fake-data-repository';

interface Stored {
  readonly copy: OffsiteCopy;
  readonly manifest: Buffer;
  /** By their paths; of data: the snapshot, where the data repository is a fake too. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly snapshot: FakeSnapshot | null;
}

interface How {
  /** Although one is there. */
  readonly anew?: boolean;
}

/** An off-site repository in memory, for tests of what uses one. */
export class FakeOffsiteRepository implements OffsiteRepository {
  private isMade = false;
  private readonly stored = new Map<string, Stored>();
  private copied = 0;
  private readonly media: 'fixed' | 'removable';
  private readonly data: readonly FakeDataRepository[];
  /** Thrown by every method while it is set. */
  failWith: ModosuError | null = null;
  /** Whether its medium or its storage is there. */
  isConnected = true;
  /** As an append-only storage does. */
  refusesDelete = false;
  /** Recovery points whose copy is not what was written. */
  readonly damaged = new Set<string>();
  readonly checks: ({ readonly number: number; readonly of: number } | null)[] = [];

  /** @param options.data where `copyData` finds snapshots, and `returnData` puts them, told apart by their address; without any, a snapshot is believed to be there */
  constructor(
    readonly name = 'offsite',
    options: { readonly media?: 'fixed' | 'removable'; readonly data?: readonly FakeDataRepository[]; readonly isMade?: boolean } = {},
  ) {
    this.media = options.media ?? 'fixed';
    this.data = options.data ?? [];
    this.isMade = options.isMade ?? false;
  }

  async probe(): Promise<{ readonly restic: string; readonly copies: number }> {
    this.open();
    return { restic: '0.14.0', copies: this.stored.size };
  }

  async ensure(): Promise<void> {
    this.mayFail();
    this.isMade = true;
  }

  async list(serverId?: string): Promise<readonly OffsiteCopy[]> {
    if (serverId !== undefined) requireId('srv', serverId);
    this.open();
    return [...this.stored.values()].map(({ copy }) => copy).filter((copy) => serverId === undefined || copy.serverId === serverId);
  }

  copyImage(source: OffsiteImageSource, context: OffsiteContext): Promise<OffsiteCopy> {
    return this.storeImage(source, context);
  }

  mendImage(source: OffsiteImageSource, context: OffsiteContext): Promise<OffsiteCopy> {
    return this.storeImage(source, context, { anew: true });
  }

  private async storeImage({ serverId, recoveryPointId, directory }: OffsiteImageSource, context: OffsiteContext, how: How = {}): Promise<OffsiteCopy> {
    requireId('srv', serverId);
    requireId('rp', recoveryPointId);
    const { manifestBytes, files, totalBytes } = await publishedFiles(directory, serverId, recoveryPointId);
    const contents = new Map([...files.keys()].map((path) => [path, readFileSync(join(directory, path))]));
    return this.store(
      { serverId, recoveryPointId, kind: 'image', sizeBytes: totalBytes },
      { manifest: manifestBytes, files: contents, snapshot: null },
      context,
      how,
    );
  }

  async copyData(source: OffsiteDataSource, context: OffsiteContext): Promise<OffsiteCopy> {
    return this.storeData(source, context);
  }

  async mendData(source: OffsiteDataSource, context: OffsiteContext): Promise<OffsiteCopy> {
    context.signal.throwIfAborted();
    const { recoveryPointId } = source.manifest;
    if (this.earlier(recoveryPointId, renderDataManifest(source.manifest)) !== null && !this.damaged.has(recoveryPointId)) {
      throw new ModosuError('RECOVERY_POINT_CORRUPT', 'Nothing of the copy is gone.');
    }
    return this.storeData(source, context, { anew: true });
  }

  private storeData({ manifest, access }: OffsiteDataSource, context: OffsiteContext, how: How = {}): OffsiteCopy {
    const bytes = renderDataManifest(manifest);
    this.open();
    this.earlier(manifest.recoveryPointId, bytes);
    const snapshot = this.dataAt(access)?.snapshot(manifest.server.id, manifest.snapshotId) ?? null;
    if (this.data.length > 0 && snapshot === null) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `There is no snapshot ${manifest.snapshotId}.`);
    const about = { serverId: manifest.server.id, recoveryPointId: manifest.recoveryPointId, kind: 'data', sizeBytes: manifest.totalBytes } as const;
    return this.store(about, { manifest: bytes, files: new Map(), snapshot }, context, how);
  }

  async openImage(serverId: string, recoveryPointId: string): Promise<ImageManifest> {
    return parseManifest(this.require(serverId, recoveryPointId, 'image').manifest.toString('utf8'), 'of the copy', recoveryPointId);
  }

  async openData(serverId: string, recoveryPointId: string): Promise<DataManifest> {
    return parseDataManifest(this.require(serverId, recoveryPointId, 'data').manifest, recoveryPointId);
  }

  async fetchImage(serverId: string, recoveryPointId: string, directory: string, context: OffsiteContext): Promise<void> {
    requireDirectoryPath(directory);
    context.signal.throwIfAborted();
    const { files, copy } = this.require(serverId, recoveryPointId, 'image');
    this.requireWhole(recoveryPointId);
    let names: readonly string[];
    try {
      names = readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name));
    } catch {
      throw new ModosuError('TARGET_UNREACHABLE', `The directory ${directory} is not there.`);
    }
    const isThere =
      names.length === files.size &&
      [...files].every(([path, content]) => names.includes(join(directory, path)) && readFileSync(join(directory, path)).equals(content));
    if (names.length > 0 && !isThere) throw new ModosuError('REQUEST_INVALID', `The directory ${directory} holds something else.`);
    for (const [path, content] of files) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), content);
    }
    context.onProgress?.({ doneBytes: copy.sizeBytes, totalBytes: copy.sizeBytes });
  }

  async returnData(serverId: string, recoveryPointId: string, access: DataAccess, context: OffsiteContext): Promise<DataManifest> {
    context.signal.throwIfAborted();
    const { snapshot, manifest: bytes, copy } = this.require(serverId, recoveryPointId, 'data');
    this.requireWhole(recoveryPointId);
    const manifest = parseDataManifest(bytes, recoveryPointId);
    context.onProgress?.({ doneBytes: copy.sizeBytes, totalBytes: copy.sizeBytes });
    const data = this.dataAt(access);
    return data === null || snapshot === null ? manifest : this.returned(data, snapshot, manifest);
  }

  async check({ part, signal }: { readonly part: { readonly number: number; readonly of: number } | null; readonly signal?: AbortSignal }): Promise<void> {
    signal?.throwIfAborted();
    this.open();
    this.checks.push(part);
    for (const recoveryPointId of this.stored.keys()) this.requireWhole(recoveryPointId);
  }

  async readAll(recoveryPointId: string, context: OffsiteContext): Promise<void> {
    requireId('rp', recoveryPointId);
    context.signal.throwIfAborted();
    this.open();
    const found = this.stored.get(recoveryPointId);
    if (found === undefined) throw notFound(recoveryPointId);
    this.requireWhole(recoveryPointId);
    context.onProgress?.({ doneBytes: found.copy.sizeBytes, totalBytes: found.copy.sizeBytes });
  }

  async forget(recoveryPointIds: readonly string[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    for (const id of recoveryPointIds) requireId('rp', id);
    signal?.throwIfAborted();
    this.open();
    for (const recoveryPointId of this.stored.keys()) this.requireWhole(recoveryPointId);
    if (this.refusesDelete && recoveryPointIds.some((id) => this.stored.has(id))) {
      throw new ModosuError('OFFSITE_DELETE_REFUSED', `The storage of the off-site repository ${this.name} lets nothing be removed.`);
    }
    for (const id of recoveryPointIds) this.stored.delete(id);
  }

  private dataAt(access: DataAccess): FakeDataRepository | null {
    return this.data.find(({ address }) => access.env.RESTIC_REPOSITORY?.includes(`@${address}/`)) ?? null;
  }

  private async returned(data: FakeDataRepository, snapshot: FakeSnapshot, manifest: DataManifest): Promise<DataManifest> {
    const serverId = manifest.server.id;
    const isSame = (id: string): boolean => JSON.stringify(data.snapshot(serverId, id)?.files) === JSON.stringify(snapshot.files);
    if (isSame(manifest.snapshotId)) return manifest;
    const there = (await data.snapshots(serverId, snapshot.tags)).find(({ id }) => isSame(id));
    return { ...manifest, snapshotId: there?.id ?? data.take(serverId, snapshot), keyId: (await data.access(serverId)).keyId };
  }

  private store(
    about: Pick<OffsiteCopy, 'serverId' | 'recoveryPointId' | 'kind' | 'sizeBytes'>,
    what: Omit<Stored, 'copy'>,
    { signal, onProgress }: OffsiteContext,
    { anew = false }: How,
  ): OffsiteCopy {
    signal.throwIfAborted();
    this.open();
    const manifestSha256 = sha256(what.manifest);
    const earlier = this.earlier(about.recoveryPointId, what.manifest);
    onProgress?.({ doneBytes: about.sizeBytes, totalBytes: about.sizeBytes });
    if (earlier !== null && !anew) return earlier;
    if (anew && this.refusesDelete) throw new ModosuError('OFFSITE_DELETE_REFUSED', 'The storage lets nothing be removed.');
    if (anew) {
      this.stored.delete(about.recoveryPointId);
      this.damaged.delete(about.recoveryPointId);
    }
    this.copied += 1;
    const snapshotIds = ['content', 'receipt'].map((part) => createHash('sha256').update(`${this.name} ${this.copied} ${part}`).digest('hex'));
    const copy: OffsiteCopy = { ...about, snapshotIds, copiedAt: new Date(Date.UTC(2026, 0, 1) + this.copied * 1000).toISOString(), manifestSha256 };
    this.stored.set(about.recoveryPointId, { copy, ...what });
    return copy;
  }

  /** The copy that is there; null: none. */
  private earlier(recoveryPointId: string, manifest: Buffer): OffsiteCopy | null {
    const copy = this.stored.get(recoveryPointId)?.copy ?? null;
    if (copy === null || copy.manifestSha256 === sha256(manifest)) return copy;
    throw new ModosuError('REQUEST_INVALID', 'The copy that is there was made of another manifest.');
  }

  private require(serverId: string, recoveryPointId: string, kind: 'image' | 'data'): Stored {
    requireId('srv', serverId);
    requireId('rp', recoveryPointId);
    this.open();
    const found = this.stored.get(recoveryPointId);
    if (found?.copy.serverId !== serverId || found.copy.kind !== kind) throw notFound(recoveryPointId);
    return found;
  }

  private requireWhole(recoveryPointId: string): void {
    if (this.damaged.has(recoveryPointId)) throw new ModosuError('RECOVERY_POINT_CORRUPT', `The copy of ${recoveryPointId} is damaged.`);
  }

  private open(): void {
    this.mayFail();
    if (!this.isMade) throw new ModosuError('OFFSITE_MISSING', `The off-site repository ${this.name} was not made yet.`);
  }

  private mayFail(): void {
    if (this.failWith !== null) throw this.failWith;
    if (this.isConnected) return;
    throw this.media === 'removable'
      ? new ModosuError('OFFSITE_OFFLINE', `The medium of the off-site repository ${this.name} is not there.`)
      : new ModosuError('OFFSITE_UNREACHABLE', `The off-site repository ${this.name} is not there.`);
  }
}

function requireId(prefix: 'srv' | 'rp', id: string): void {
  if (!isId(prefix, id)) throw new ModosuError('PATH_NOT_ALLOWED', 'not such an id');
}

const notFound = (recoveryPointId: string): ModosuError => new ModosuError('RECOVERY_POINT_NOT_FOUND', `There is no such copy of ${recoveryPointId}.`);

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
