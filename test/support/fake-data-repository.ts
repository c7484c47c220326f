import { createHash } from 'node:crypto';
import type { DataManifest } from '../../src/contracts/data';
import { ModosuError } from '../../src/contracts/errors';
import { isId } from '../../src/contracts/ids';
import { parseDataManifest, renderDataManifest } from '../../src/repositories/data/data-manifest';
import {
  dataSetTag,
  MANIFEST_TAG,
  recoveryPointTag,
  type DataAccess,
  type DataRepository,
  type DataRepositoryPresence,
  type DataSnapshot,
  type SnapshotEntry,
} from '../../src/repositories/data/data-repository';

export interface FakeSnapshot {
  readonly hostname: string;
  readonly tags: readonly string[];
  /** As the guest named them. */
  readonly paths: readonly string[];
  /** Every file by its absolute path; directories above follow from it. */
  readonly files: Readonly<Record<string, Buffer>>;
}

/** A data repository in memory, for tests of what uses one. */
export class FakeDataRepository implements DataRepository {
  private readonly servers = new Map<
    string,
    { readonly snapshots: { readonly info: DataSnapshot; readonly files: ReadonlyMap<string, Buffer> }[]; readonly manifests: Map<string, Buffer> }
  >();
  private taken = 0;
  private readonly lost = new Set<string>();
  /** How many each server has had. */
  private readonly passwords = new Map<string, number>();

  /** @param address where it says it is: tells one from another */
  constructor(readonly address = '127.0.0.1:1') {}

  /** Thrown by every method while it is set. */
  failWith: ModosuError | null = null;
  /** Servers whose stale locks were removed. */
  readonly unlocked: string[] = [];

  /** What a backup in the guest does; restic's full id. */
  take(serverId: string, { hostname, tags, paths, files }: FakeSnapshot): string {
    this.taken += 1;
    const id = createHash('sha256').update(`${this.address} ${serverId} ${this.taken}`).digest('hex');
    const time = new Date(Date.UTC(2026, 0, 1) + this.taken * 1000).toISOString();
    this.server(serverId).snapshots.push({ info: { id, time, hostname, tags, paths }, files: new Map(Object.entries(files)) });
    return id;
  }

  async probe(): Promise<{ readonly restic: string; readonly address: string }> {
    this.mayFail();
    return { restic: '0.14.0', address: 'memory' };
  }

  async ensure(serverId: string): Promise<void> {
    this.mayFail();
    if (this.lost.has(serverId)) throw new ModosuError('DATA_REPOSITORY_UNREACHABLE', 'was here, and is not there any more');
    if (!this.servers.has(requireServerId(serverId))) this.servers.set(serverId, { snapshots: [], manifests: new Map() });
  }

  /** Its storage is gone. */
  lose(serverId: string): void {
    this.servers.delete(serverId);
    this.lost.add(serverId);
  }

  async presence(serverId: string): Promise<DataRepositoryPresence> {
    this.mayFail();
    if (this.lost.has(requireServerId(serverId))) return 'gone';
    return this.servers.has(serverId) ? 'there' : 'never';
  }

  async giveUp(serverId: string): Promise<void> {
    if ((await this.presence(serverId)) === 'there') throw new ModosuError('REQUEST_INVALID', 'is there');
    if (this.lost.delete(serverId)) this.passwords.set(serverId, (this.passwords.get(serverId) ?? 1) + 1);
  }

  async requireRoom(): Promise<void> {
    this.mayFail();
  }

  async access(serverId: string): Promise<DataAccess> {
    this.mayFail();
    this.server(serverId);
    const [login, password] = [`login-of-${serverId}`, `password-${this.passwords.get(serverId) ?? 1}-of-${serverId}`];
    return {
      env: { RESTIC_REPOSITORY: `rest:http://${serverId}:${login}@${this.address}/${serverId}/`, RESTIC_PASSWORD: password },
      caCertificate: null,
      secrets: [login, password],
      keyId: createHash('sha256').update(serverId).digest('hex').slice(0, 8),
      canLock: true,
    };
  }

  accessFromHere(serverId: string): Promise<DataAccess> {
    return this.access(serverId);
  }

  async removeStaleLocks(serverId: string): Promise<void> {
    this.mayFail();
    this.server(serverId);
    this.unlocked.push(serverId);
  }

  async snapshots(serverId: string, tags: readonly string[]): Promise<readonly DataSnapshot[]> {
    this.mayFail();
    if (tags.some((tag) => tag === '' || tag.includes(','))) throw new ModosuError('REQUEST_INVALID', 'cannot be a tag');
    return this.server(serverId)
      .snapshots.map(({ info }) => info)
      .filter((info) => tags.every((tag) => info.tags.includes(tag)));
  }

  async list(
    serverId: string,
    snapshotId: string,
    paths: readonly string[],
    { maxEntries, signal }: { readonly maxEntries: number; readonly signal?: AbortSignal },
  ): Promise<readonly SnapshotEntry[]> {
    this.mayFail();
    signal?.throwIfAborted();
    const wanted = paths.map(requirePath);
    const entries = [...entriesOf(this.filesOf(serverId, snapshotId)).values()].filter(({ path }) =>
      wanted.some((root) => root === '/' || path === root || path.startsWith(`${root}/`)),
    );
    const missing = wanted.filter((path) => path !== '/' && !entries.some((entry) => entry.path === path));
    if (entries.length > maxEntries) throw new ModosuError('REQUEST_INVALID', `There are more than ${maxEntries} files and directories.`);
    if (missing.length > 0) throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', `The recovery point does not hold ${missing.join(', ')}.`);
    return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async read(serverId: string, snapshotId: string, path: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer> {
    this.mayFail();
    const content = this.filesOf(serverId, snapshotId).get(requirePath(path));
    if (content === undefined || content.length > maxBytes) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `${path} is not there, or larger.`);
    return Buffer.from(content);
  }

  async sizeOf(serverId: string, snapshotId: string): Promise<{ readonly files: number; readonly totalBytes: number }> {
    this.mayFail();
    const files = [...this.filesOf(serverId, snapshotId).values()];
    return { files: files.length, totalBytes: files.reduce((sum, content) => sum + content.length, 0) };
  }

  /** Snapshots whose content is not what was written. */
  readonly damaged = new Set<string>();

  async check(serverId: string, { signal }: { readonly signal?: AbortSignal }): Promise<void> {
    this.mayFail();
    signal?.throwIfAborted();
    const spoilt = this.server(serverId).snapshots.find(({ info }) => this.damaged.has(info.id));
    if (spoilt !== undefined) throw new ModosuError('RECOVERY_POINT_CORRUPT', `Something that ${spoilt.info.id} needs is damaged.`);
  }

  async readAll(serverId: string, snapshotId: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.mayFail();
    signal?.throwIfAborted();
    this.filesOf(serverId, snapshotId);
    if (this.damaged.has(snapshotId)) throw new ModosuError('RECOVERY_POINT_CORRUPT', `Something that ${snapshotId} needs is damaged.`);
  }

  async publish(manifest: DataManifest): Promise<DataManifest> {
    this.mayFail();
    const bytes = renderDataManifest(manifest);
    const { manifests } = this.server(manifest.server.id);
    const earlier = manifests.get(manifest.recoveryPointId);
    if (earlier !== undefined) {
      const published = parseDataManifest(earlier, manifest.recoveryPointId);
      if (published.snapshotId === manifest.snapshotId) return published;
      throw new ModosuError('REQUEST_INVALID', `The recovery point ${manifest.recoveryPointId} is published already.`);
    }
    manifests.set(manifest.recoveryPointId, bytes);
    this.take(manifest.server.id, {
      hostname: 'modosu',
      tags: [MANIFEST_TAG, recoveryPointTag(manifest.recoveryPointId), dataSetTag(manifest.dataSet.name)],
      paths: ['/manifest.json'],
      files: { '/manifest.json': bytes },
    });
    return manifest;
  }

  async open(serverId: string, recoveryPointId: string): Promise<DataManifest> {
    this.mayFail();
    if (!isId('rp', recoveryPointId)) throw new ModosuError('PATH_NOT_ALLOWED', 'not the id of a recovery point');
    const bytes = this.server(serverId).manifests.get(recoveryPointId);
    if (bytes === undefined) throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `There is no recovery point ${recoveryPointId}.`);
    return parseDataManifest(bytes, recoveryPointId);
  }

  /** False: as one whose storage is elsewhere, behind nothing but an append-only server. */
  isForgetful = true;
  /** Every call that has removed something, or found nothing left to remove. */
  readonly forgotten: { readonly serverId: string; readonly ids: readonly string[] }[] = [];

  canForget(): boolean {
    return this.isForgetful;
  }

  async forget(serverId: string, recoveryPointIds: readonly string[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.mayFail();
    if (recoveryPointIds.some((id) => !isId('rp', id))) throw new ModosuError('PATH_NOT_ALLOWED', 'not the id of a recovery point');
    const { snapshots, manifests } = this.server(serverId);
    if (!this.isForgetful) throw new ModosuError('CONFIG_INVALID', 'The server of the data repository lets nothing be removed.');
    signal?.throwIfAborted();
    await this.check(serverId, {});
    const tags = new Set(recoveryPointIds.map(recoveryPointTag));
    const goes = ({ info }: { readonly info: DataSnapshot }): boolean => {
      const of = info.tags.filter((tag) => tag.startsWith(recoveryPointTag('')));
      return of.length > 0 && of.every((tag) => tags.has(tag));
    };
    snapshots.splice(0, snapshots.length, ...snapshots.filter((snapshot) => !goes(snapshot)));
    for (const id of recoveryPointIds) manifests.delete(id);
    this.forgotten.push({ serverId, ids: recoveryPointIds });
  }

  /** What a snapshot is, for a fake that copies it elsewhere; null: it is not there. */
  snapshot(serverId: string, snapshotId: string): FakeSnapshot | null {
    const found = this.server(serverId).snapshots.find(({ info }) => info.id === snapshotId);
    return found === undefined ? null : { ...found.info, files: Object.fromEntries(found.files) };
  }

  private mayFail(): void {
    if (this.failWith !== null) throw this.failWith;
  }

  private server(serverId: string) {
    const server = this.servers.get(requireServerId(serverId));
    if (server === undefined) throw new ModosuError('DATA_REPOSITORY_MISSING', `The server ${serverId} has no data repository.`);
    return server;
  }

  private filesOf(serverId: string, snapshotId: string): ReadonlyMap<string, Buffer> {
    const { snapshots } = this.server(serverId);
    if (!/^[0-9a-f]{64}$/.test(snapshotId)) throw new ModosuError('REQUEST_INVALID', 'not the full id of a snapshot');
    const found = snapshots.find(({ info }) => info.id === snapshotId);
    if (found === undefined) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `There is no snapshot ${snapshotId}.`);
    return found.files;
  }
}

function entriesOf(files: ReadonlyMap<string, Buffer>): ReadonlyMap<string, SnapshotEntry> {
  const entries = new Map<string, SnapshotEntry>();
  for (const [path, content] of files) {
    const parts = path.split('/').slice(1);
    for (let depth = 1; depth < parts.length; depth += 1) {
      const directory = `/${parts.slice(0, depth).join('/')}`;
      entries.set(directory, { path: directory, type: 'dir', sizeBytes: 0, mtime: 1_767_225_600, mode: 0o755, uid: 0, gid: 0 });
    }
    entries.set(path, { path, type: 'file', sizeBytes: content.length, mtime: 1_767_225_600, mode: 0o644, uid: 0, gid: 0 });
  }
  return entries;
}

function requireServerId(serverId: string): string {
  if (isId('srv', serverId)) return serverId;
  throw new ModosuError('PATH_NOT_ALLOWED', 'not the id of a server');
}

function requirePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  if (path.startsWith('/') && !parts.includes('..') && !parts.includes('.')) return `/${parts.join('/')}`;
  throw new ModosuError('PATH_NOT_ALLOWED', 'not an absolute path');
}
