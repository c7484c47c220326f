import { createHmac, timingSafeEqual } from 'node:crypto';
import { ModosuError, isModosuError } from '../../contracts/errors';
import type { DataManifest } from '../../contracts/data';
import { isId } from '../../contracts/ids';
import { quoted } from '../../contracts/text';
import { MAX_DATA_MANIFEST_BYTES, parseDataManifest, renderDataManifest } from './data-manifest';
import { dataSetTag, MANIFEST_TAG, recoveryPointTag, type DataSnapshot } from './data-repository';

export interface ManifestShelfOptions {
  readonly serverId: string;
  /** Secret, and never in a guest. */
  readonly key: string;
  /** Snapshots with all these tags, and whether there are some that cannot be read. */
  readonly find: (tags: readonly string[]) => Promise<{ readonly snapshots: readonly DataSnapshot[]; readonly unreadable: boolean }>;
  /** At most so many bytes and one more. */
  readonly read: (snapshotId: string, path: string, maxBytes: number) => Promise<Buffer>;
  readonly write: (args: readonly string[], input: Buffer) => Promise<void>;
  /** Returns when everything that was sent to the repository is on stable storage. */
  readonly settle: () => Promise<void>;
}

const MANIFEST_PATH = '/manifest.json';
const HOST = 'modosu';
const MAC_TAG = 'modosu-manifest-mac=';
/** Copies that a guest may have made of ours; more are not looked at. */
const MOST_CANDIDATES = 32;

/**
 * The manifests of one server: each a snapshot with one file. A guest can write snapshots too, with any tag, but it cannot remove ours and does not know the
 * key of the MAC, which is a tag: a manifest it has invented, and one that was cut off while it was written, count as not there.
 */
export class ManifestShelf {
  constructor(private readonly options: ManifestShelfOptions) {}

  async publish(manifest: DataManifest): Promise<DataManifest> {
    const { write, settle, serverId } = this.options;
    const { recoveryPointId } = manifest;
    const bytes = renderDataManifest(manifest);
    if (manifest.server.id !== serverId) throw new ModosuError('INTERNAL', `The manifest of ${manifest.server.id} does not belong to ${serverId}.`);
    const { stored: earlier } = await this.find(recoveryPointId);
    if (earlier !== null) return theSame(earlier.manifest, manifest);
    await settle();
    const tags = [MANIFEST_TAG, recoveryPointTag(recoveryPointId), dataSetTag(manifest.dataSet.name), `${MAC_TAG}${this.mac(bytes)}`];
    await write(['backup', '--host', HOST, '--tag', tags.join(','), '--stdin', '--stdin-filename', MANIFEST_PATH], bytes);
    await settle();
    const { stored } = await this.find(recoveryPointId);
    if (stored === null) {
      throw new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest of ${recoveryPointId} was written and cannot be read.`, { context: { recoveryPointId } });
    }
    // Its MAC has proven it whole. It may be that of another attempt, which has written at the same time.
    return theSame(stored.manifest, manifest);
  }

  async open(recoveryPointId: string): Promise<DataManifest> {
    if (!isId('rp', recoveryPointId)) throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(recoveryPointId)} is not the id of a recovery point`);
    const { stored, problem } = await this.find(recoveryPointId);
    if (stored !== null) return stored.manifest;
    if (problem !== null) throw problem;
    throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `The data repository of ${this.options.serverId} holds no recovery point ${recoveryPointId}.`, {
      context: { recoveryPointId },
    });
  }

  /** The manifest, or what kept one from being believed. */
  private async find(
    recoveryPointId: string,
  ): Promise<{ readonly stored: { readonly manifest: DataManifest; readonly bytes: Buffer } | null; readonly problem: ModosuError | null }> {
    const corrupt = (why: string): ModosuError =>
      new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest of the recovery point ${recoveryPointId} ${why}.`, { context: { recoveryPointId } });
    const { snapshots, unreadable } = await this.options.find([MANIFEST_TAG, recoveryPointTag(recoveryPointId)]);
    let problem = unreadable ? corrupt('may be in a snapshot that is damaged') : null;
    for (const { id, tags } of snapshots.slice(0, MOST_CANDIDATES)) {
      const mac = tags.find((tag) => tag.startsWith(MAC_TAG))?.slice(MAC_TAG.length);
      if (mac === undefined) {
        problem ??= corrupt('was not written by Modosu');
        continue;
      }
      try {
        const bytes = await this.options.read(id, MANIFEST_PATH, MAX_DATA_MANIFEST_BYTES);
        if (!isEqual(mac, this.mac(bytes))) {
          problem ??= corrupt('was not written by Modosu, or was cut off');
          continue;
        }
        const manifest = parseDataManifest(bytes, recoveryPointId);
        if (manifest.server.id === this.options.serverId) return { stored: { manifest, bytes }, problem: null };
        problem ??= corrupt(`is that of the server ${manifest.server.id}`);
      } catch (error) {
        if (!isModosuError(error) || !['RECOVERY_POINT_CORRUPT', 'RECOVERY_POINT_INCOMPLETE', 'REPOSITORY_FORMAT_UNKNOWN'].includes(error.code)) throw error;
        problem ??= error;
      }
    }
    return { stored: null, problem };
  }

  private mac(bytes: Uint8Array): string {
    return createHmac('sha256', this.options.key).update(bytes).digest('hex');
  }
}

/** What was published first stays: a second attempt that has measured other times is the same recovery point. */
function theSame(stored: DataManifest, wanted: DataManifest): DataManifest {
  if (stored.snapshotId === wanted.snapshotId) return stored;
  throw new ModosuError('REQUEST_INVALID', `The recovery point ${stored.recoveryPointId} is published already, with another snapshot: ${stored.snapshotId}.`, {
    context: { recoveryPointId: stored.recoveryPointId },
  });
}

const isEqual = (a: string, b: string): boolean => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
