import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { isId } from '../../contracts/ids';
import { parseJson } from '../../contracts/json';
import { recoveryPointTag } from '../data/data-repository';
import type { ResticSnapshot, SnapshotTree } from '../restic/restic-output';
import type { OffsiteCopy } from './offsite-repository';

/**
 * What makes a copy one: a snapshot of its own that is written last, when all else is there and proven. It holds the recovery point's manifest, and says in its
 * tags what belongs to it. Snapshots of data carry whatever tags a guest has given them, so those of a receipt have a MAC, whose key follows from the password
 * of the off-site repository: whoever can open it can check it, and no guest can make one.
 */
export interface Receipt {
  readonly version: 1;
  readonly recoveryPointId: string;
  readonly serverId: string;
  readonly kind: 'image' | 'data';
  /** restic's full id of what was copied, here. */
  readonly snapshotId: string;
  readonly copiedAt: string;
  /** Regular files, of an image; null of data. */
  readonly files: number | null;
  readonly sizeBytes: number;
  readonly manifestBytes: number;
  readonly manifestSha256: string;
}

export const RECEIPT_TAG = 'modosu-copy';
export const RECEIPT_HOST = 'modosu';
export const RECEIPT_FILE = 'manifest.json';
const BODY_TAG = 'modosu-copy-of=';
const MAC_TAG = 'modosu-copy-mac=';

const id = (prefix: 'rp' | 'srv') => z.string().refine((value) => isId(prefix, value));
const hex = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const receiptSchema = z.strictObject({
  version: z.literal(1),
  recoveryPointId: id('rp'),
  serverId: id('srv'),
  kind: z.enum(['image', 'data']),
  snapshotId: hex,
  copiedAt: z.iso.datetime(),
  files: count.nullable(),
  sizeBytes: count,
  manifestBytes: count,
  manifestSha256: hex,
}) satisfies z.ZodType<Receipt>;

export function receiptTags(receipt: Receipt, password: string): readonly string[] {
  const body = Buffer.from(JSON.stringify(receipt)).toString('base64url');
  return [RECEIPT_TAG, recoveryPointTag(receipt.recoveryPointId), `${BODY_TAG}${body}`, `${MAC_TAG}${macOf(body, password)}`];
}

/** Null: it is none, or none of ours. */
export function readReceipt({ tags }: Pick<ResticSnapshot, 'tags'>, password: string): Receipt | null {
  const [body, mac] = [BODY_TAG, MAC_TAG].map((name) => tags.find((tag) => tag.startsWith(name))?.slice(name.length));
  if (body === undefined || mac === undefined || !isEqual(mac, macOf(body, password))) return null;
  const result = receiptSchema.safeParse(parseJson(Buffer.from(body, 'base64url').toString('utf8')));
  return result.success ? result.data : null;
}

export interface FoundCopy extends OffsiteCopy {
  readonly receipt: Receipt;
  readonly receiptId: string;
  readonly content: SnapshotTree;
}

/** Copies whose receipt and content are both there, oldest first; of two receipts for one recovery point the newer. */
export function copiesIn(snapshots: readonly SnapshotTree[], password: string): readonly FoundCopy[] {
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]));
  const found = new Map<string, FoundCopy>();
  for (const snapshot of snapshots) {
    const receipt = readReceipt(snapshot, password);
    if (receipt === null) continue;
    const content = byId.get(receipt.snapshotId);
    if (content === undefined) continue;
    // The newest counts: the one before was found damaged.
    if ((found.get(receipt.recoveryPointId)?.copiedAt ?? '') > receipt.copiedAt) continue;
    const { recoveryPointId, serverId, kind, copiedAt, sizeBytes, manifestSha256 } = receipt;
    const copy: OffsiteCopy = { recoveryPointId, serverId, kind, snapshotIds: [content.id, snapshot.id], copiedAt, sizeBytes, manifestSha256 };
    found.set(recoveryPointId, { ...copy, receipt, receiptId: snapshot.id, content });
  }
  return [...found.values()].sort((a, b) => Date.parse(a.copiedAt) - Date.parse(b.copiedAt));
}

/** What callers see of it. */
export const plainCopy = ({ recoveryPointId, serverId, kind, snapshotIds, copiedAt, sizeBytes, manifestSha256 }: FoundCopy): OffsiteCopy => ({
  recoveryPointId,
  serverId,
  kind,
  snapshotIds,
  copiedAt,
  sizeBytes,
  manifestSha256,
});

/**
 * What goes when these recovery points go: their receipts, what those name, and what interrupted attempts have left. What the receipt of another one names
 * stays, whatever its tags say; so does what says that it is also of another one.
 */
export function goingWith(
  wanted: ReadonlySet<string>,
  snapshots: readonly SnapshotTree[],
  password: string,
): { readonly receipts: readonly string[]; readonly contents: readonly string[] } {
  const receipts = snapshots.flatMap((snapshot) => {
    const receipt = readReceipt(snapshot, password);
    return receipt === null ? [] : [{ id: snapshot.id, receipt }];
  });
  const isReceipt = new Set(receipts.map((entry) => entry.id));
  const going = receipts.filter(({ receipt }) => wanted.has(receipt.recoveryPointId));
  const needed = new Set(receipts.filter(({ receipt }) => !wanted.has(receipt.recoveryPointId)).map(({ receipt }) => receipt.snapshotId));
  const named = new Set(going.map(({ receipt }) => receipt.snapshotId));
  const prefix = recoveryPointTag('');
  const saysSo = ({ tags }: SnapshotTree): boolean => {
    const of = tags.filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length));
    return of.length > 0 && of.every((recoveryPointId) => wanted.has(recoveryPointId));
  };
  return {
    receipts: going.map((entry) => entry.id),
    contents: snapshots
      .filter((snapshot) => !isReceipt.has(snapshot.id) && !needed.has(snapshot.id) && (named.has(snapshot.id) || saysSo(snapshot)))
      .map((snapshot) => snapshot.id),
  };
}

const macOf = (body: string, password: string): string => createHmac('sha256', password).update(`modosu-copy\u0000${body}`).digest('hex');
const isEqual = (a: string, b: string): boolean => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
