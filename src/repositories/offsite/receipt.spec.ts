import { newId } from '../../contracts/ids';
import { recoveryPointTag } from '../data/data-repository';
import type { SnapshotTree } from '../restic/restic-output';
import { copiesIn, goingWith, readReceipt, receiptTags, type Receipt } from './receipt';

const PASSWORD = 'of the off-site repository';
let made = 0;
const hex = (): string => (made += 1).toString(16).padStart(64, '0');
const snapshot = (tags: readonly string[], changes: Partial<SnapshotTree> = {}): SnapshotTree => ({
  id: hex(),
  time: '2026-01-01T00:00:00Z',
  hostname: 'any',
  tags,
  paths: ['/x'],
  tree: hex(),
  original: null,
  ...changes,
});
const receiptOf = (content: SnapshotTree, recoveryPointId: string, changes: Partial<Receipt> = {}): Receipt => ({
  version: 1,
  recoveryPointId,
  serverId: newId('srv'),
  kind: 'data',
  snapshotId: content.id,
  copiedAt: '2026-01-01T00:00:00.000Z',
  files: null,
  sizeBytes: 1,
  manifestBytes: 1,
  manifestSha256: 'ab'.repeat(32),
  ...changes,
});

describe('receipts', () => {
  const id = newId('rp');
  const content = snapshot(['modosu-data', recoveryPointTag(id)]);
  const receipt = receiptOf(content, id);
  const written = snapshot(receiptTags(receipt, PASSWORD));

  it('come back as they were written, and make a copy of what they name', () => {
    expect(readReceipt(written, PASSWORD)).toEqual(receipt);
    expect(written.tags.every((tag) => /^[^,\s]+$/.test(tag))).toBe(true);
    expect(copiesIn([content, written], PASSWORD)).toMatchObject([{ recoveryPointId: id, snapshotIds: [content.id, written.id] }]);
  });

  it('without what they name, content without one, and a second one make no copy', () => {
    expect(copiesIn([written], PASSWORD)).toEqual([]);
    expect(copiesIn([content], PASSWORD)).toEqual([]);
    const second = snapshot(receiptTags({ ...receipt, copiedAt: '2026-02-01T00:00:00.000Z' }, PASSWORD));
    expect(copiesIn([content, written, second], PASSWORD)).toMatchObject([{ receiptId: second.id }]);
  });

  it('that a guest has written into the tags of its data are not believed', () => {
    const forged = snapshot(receiptTags(receiptOf(content, newId('rp')), 'of its data repository'));
    const body = receiptTags(receiptOf(content, newId('rp')), PASSWORD).find((tag) => tag.startsWith('modosu-copy-of=')) ?? '';
    const mixed = snapshot([...written.tags.filter((tag) => !tag.startsWith('modosu-copy-of=')), body]);
    expect(copiesIn([content, written, forged, mixed], PASSWORD)).toHaveLength(1);
    expect(readReceipt(snapshot(['modosu-copy', 'modosu-copy-of=', 'modosu-copy-mac=']), PASSWORD)).toBeNull();
  });

  it('go with what they name and what attempts have left; what the receipt of another one names stays, whatever its tags say', () => {
    const other = newId('rp');
    // Of a guest that says that its data is also the one that goes, and one that says it is only that.
    const both = snapshot([recoveryPointTag(id), recoveryPointTag(other)]);
    const disguised = snapshot([recoveryPointTag(id)]);
    const otherReceipt = snapshot(receiptTags(receiptOf(disguised, other), PASSWORD));
    const attempt = snapshot(['modosu-image', recoveryPointTag(id)]);
    const strange = snapshot(['of somebody']);
    const going = goingWith(new Set([id]), [content, written, both, disguised, otherReceipt, attempt, strange], PASSWORD);
    expect(going).toEqual({ receipts: [written.id], contents: [content.id, attempt.id] });
    expect(goingWith(new Set(), [content, written, attempt], PASSWORD)).toEqual({ receipts: [], contents: [] });
  });
});
