import { z } from 'zod';
import { ModosuError } from '../../contracts/errors';
import { parseJson } from '../../contracts/json';
import type { SnapshotEntry } from '../../contracts/data';

/** What restic prints as JSON. Whoever has a repository's password has written what it tells: a guest. Nothing is taken as it comes. */

const MOST_LINE_BYTES = 256 * 1024;

const unreadable = (what: string): ModosuError => new ModosuError('RECOVERY_POINT_CORRUPT', `restic says about ${what} what no repository of ours holds`);

/** Lines of a stream, one at a time. Throws `RECOVERY_POINT_CORRUPT` for one that is longer than anything real. */
export class Lines {
  private rest = Buffer.alloc(0);

  constructor(private readonly onLine: (line: string) => void) {}

  add(piece: Buffer): void {
    let text = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    for (let end = text.indexOf(10); end !== -1; end = text.indexOf(10)) {
      this.onLine(text.subarray(0, end).toString('utf8'));
      text = text.subarray(end + 1);
    }
    if (text.length > MOST_LINE_BYTES) throw unreadable('a file');
    this.rest = Buffer.from(text);
  }

  end(): void {
    if (this.rest.length > 0) this.onLine(this.rest.toString('utf8'));
    this.rest = Buffer.alloc(0);
  }
}

export interface ResticSnapshot {
  /** restic's full id. */
  readonly id: string;
  readonly time: string;
  readonly hostname: string;
  readonly tags: readonly string[];
  readonly paths: readonly string[];
}

const text = z.string().max(10_000);
const list = z
  .array(text)
  .max(10_000)
  .nullish()
  .transform((values) => values ?? []);
const snapshotId = z.string().regex(/^[0-9a-f]{64}$/);

const snapshotSchema = z.object({ id: snapshotId, time: z.iso.datetime({ offset: true }), hostname: text.optional().default(''), tags: list, paths: list });
const snapshotsSchema = z
  .array(snapshotSchema)
  .nullable()
  .transform((values) => values ?? []);

const oldestFirst = (a: ResticSnapshot, b: ResticSnapshot): number => Date.parse(a.time) - Date.parse(b.time) || (a.id < b.id ? -1 : 1);

/** Oldest first. */
export function parseSnapshots(json: string): readonly ResticSnapshot[] {
  const result = snapshotsSchema.safeParse(parseJson(json));
  if (!result.success) throw unreadable('the snapshots');
  return result.data.sort(oldestFirst);
}

export interface SnapshotTree extends ResticSnapshot {
  /** What it holds: the same id, the same content. */
  readonly tree: string;
  /** Which snapshot it was copied from first; null: it is none's copy. */
  readonly original: string | null;
}

const treesSchema = z
  .array(snapshotSchema.extend({ tree: snapshotId, original: snapshotId.nullish().transform((id) => id ?? null) }))
  .nullable()
  .transform((values) => values ?? []);

/** Oldest first. */
export function parseSnapshotTrees(json: string): readonly SnapshotTree[] {
  const result = treesSchema.safeParse(parseJson(json));
  if (!result.success) throw unreadable('the snapshots');
  return result.data.sort(oldestFirst);
}

const integer = z.int().min(0);
const nodeSchema = z.object({
  path: z.string().startsWith('/').max(20_000),
  type: z.string(),
  size: integer.optional().default(0),
  mtime: z.iso.datetime({ offset: true }),
  mode: integer.max(0xffff_ffff).optional().default(0),
  uid: integer.optional().default(0),
  gid: integer.optional().default(0),
});

/** One line of `restic ls --json`: the first one is about the snapshot itself, by its id. */
export function parseNode(line: string): SnapshotEntry | { readonly snapshotId: string } {
  const value = parseJson(line);
  if (typeof value === 'object' && value !== null && 'struct_type' in value && value.struct_type === 'snapshot' && 'id' in value) {
    return { snapshotId: String(value.id) };
  }
  const result = nodeSchema.safeParse(value);
  if (!result.success) throw unreadable('a file');
  const { path, type, size, mtime, mode, uid, gid } = result.data;
  return {
    path,
    type: type === 'file' || type === 'dir' || type === 'symlink' ? type : 'other',
    sizeBytes: type === 'file' ? size : 0,
    mtime: Math.floor(Date.parse(mtime) / 1000),
    mode: unixMode(mode),
    uid,
    gid,
  };
}

/** restic prints Go's os.FileMode: permissions as in Unix, the other three bits elsewhere. */
function unixMode(mode: number): number {
  const bit = (position: number): boolean => Math.floor(mode / 2 ** position) % 2 === 1;
  return (mode & 0o777) | (bit(23) ? 0o4000 : 0) | (bit(22) ? 0o2000 : 0) | (bit(20) ? 0o1000 : 0);
}

const summarySchema = z.object({ message_type: z.literal('summary'), snapshot_id: z.string().regex(/^[0-9a-f]{8,64}$/) });
const statusSchema = z.object({ message_type: z.literal('status'), bytes_done: integer.optional().default(0), total_bytes: integer.optional().default(0) });

/** One line of `restic backup --json`: how far it is, or the (beginning of the) id of the snapshot; null for anything else. */
export function parseBackupLine(line: string): { readonly doneBytes: number; readonly totalBytes: number } | { readonly snapshotId: string } | null {
  const value = parseJson(line);
  const summary = summarySchema.safeParse(value);
  if (summary.success) return { snapshotId: summary.data.snapshot_id };
  const status = statusSchema.safeParse(value);
  return status.success ? { doneBytes: status.data.bytes_done, totalBytes: status.data.total_bytes } : null;
}

const statsSchema = z.object({ total_size: integer, snapshots_count: z.literal(1).optional() });

/** Bytes a restore of the whole snapshot writes: hard links count once. */
export function parseRestoreSize(json: string): number {
  const result = statsSchema.safeParse(parseJson(json));
  if (!result.success) throw unreadable('the size of a snapshot');
  return result.data.total_size;
}

const keysSchema = z.array(
  z.object({ current: z.boolean(), id: z.string().regex(/^[0-9a-f]{8,64}$/), userName: text.optional().default(''), hostName: text.optional().default('') }),
);

export interface ResticKey {
  /** By it the repository was opened. */
  readonly current: boolean;
  /** Its beginning. */
  readonly id: string;
  /** What it says of itself. */
  readonly userName: string;
  readonly hostName: string;
}

export function parseKeys(json: string): readonly ResticKey[] {
  const result = keysSchema.safeParse(parseJson(json));
  if (!result.success) throw unreadable('its keys');
  return result.data.map((key) => ({ ...key, id: key.id.slice(0, 8) }));
}

/** Short id of the key that has opened the repository. */
export function parseKeyId(json: string): string {
  const current = parseKeys(json).find((key) => key.current);
  if (current === undefined) throw unreadable('its keys');
  return current.id;
}

const configSchema = z.object({ id: snapshotId });

/** The id a repository has got when it was made. */
export function parseRepositoryId(json: string): string {
  const result = configSchema.safeParse(parseJson(json));
  if (!result.success) throw unreadable('the repository');
  return result.data.id;
}

const lockSchema = z.object({ time: z.iso.datetime({ offset: true }), hostname: text.optional().default(''), pid: integer.optional().default(0) });

export interface Lock {
  readonly time: Date;
  readonly hostname: string;
  readonly pid: number;
}

/** Null: nobody can say whose it is. */
export function parseLock(json: string): Lock | null {
  const result = lockSchema.safeParse(parseJson(json));
  return result.success ? { ...result.data, time: new Date(result.data.time) } : null;
}
