import { newId } from '../../contracts/ids';
import { recoveryPointTag } from '../data/data-repository';
import type { SnapshotTree } from '../restic/restic-output';
import { copiesIn, goingWith, plainCopy, readReceipt, receiptTags, type Receipt } from './receipt';

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
    // The newer counts, wherever it stands.
    expect(copiesIn([content, written, second], PASSWORD)).toMatchObject([{ receiptId: second.id }]);
    expect(copiesIn([content, second, written], PASSWORD)).toMatchObject([{ receiptId: second.id }]);
  });

  it('make copies that are listed with the oldest first', () => {
    const copied = ['2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z', '2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.001Z'];
    const receipts = copied.map((copiedAt) => snapshot(receiptTags(receiptOf(content, newId('rp'), { copiedAt }), PASSWORD)));
    expect(copiesIn([content, ...receipts], PASSWORD).map(({ copiedAt }) => copiedAt)).toEqual([copied[2], copied[0], copied[3], copied[1]]);
  });

  it('show callers what was copied, and nothing of how it is stored', () => {
    const { recoveryPointId, serverId, kind, copiedAt, sizeBytes, manifestSha256 } = receipt;
    expect(copiesIn([content, written], PASSWORD).map(plainCopy)).toEqual([
      { recoveryPointId, serverId, kind, snapshotIds: [content.id, written.id], copiedAt, sizeBytes, manifestSha256 },
    ]);
  });

  it('that a guest has written into the tags of its data are not believed', () => {
    const forged = snapshot(receiptTags(receiptOf(content, newId('rp')), 'of its data repository'));
    const body = receiptTags(receiptOf(content, newId('rp')), PASSWORD).find((tag) => tag.startsWith('modosu-copy-of=')) ?? '';
    const mixed = snapshot([...written.tags.filter((tag) => !tag.startsWith('modosu-copy-of=')), body]);
    expect(copiesIn([content, written, forged, mixed], PASSWORD)).toHaveLength(1);
    expect(readReceipt(snapshot(['modosu-copy', 'modosu-copy-of=', 'modosu-copy-mac=']), PASSWORD)).toBeNull();
  });

  it.each(['modosu-copy-of=', 'modosu-copy-mac='])('without their tag %s are none', (name) => {
    expect(readReceipt({ tags: written.tags.filter((tag) => !tag.startsWith(name)) }, PASSWORD)).toBeNull();
  });

  it('go with what they name, whatever that says of itself', () => {
    const silent = snapshot([]);
    const ofSilent = snapshot(receiptTags(receiptOf(silent, id), PASSWORD));
    expect(goingWith(new Set([id]), [silent, ofSilent], PASSWORD)).toEqual({ receipts: [ofSilent.id], contents: [silent.id] });
    // Another one's receipt names it, too: it is needed.
    const another = snapshot(receiptTags(receiptOf(silent, newId('rp')), PASSWORD));
    expect(goingWith(new Set([id]), [silent, ofSilent, another], PASSWORD)).toEqual({ receipts: [ofSilent.id], contents: [] });
  });

  it('that are forged, or of somebody else, take nothing with them', () => {
    const silent = snapshot([]);
    const [of = '', mac = ''] = ['modosu-copy-of=', 'modosu-copy-mac='].map((name) => written.tags.find((tag) => tag.startsWith(name)));
    const body = receiptTags(receiptOf(silent, id), 'of its data repository').filter((tag) => tag.startsWith('modosu-copy-of='));
    const forged = [
      snapshot(receiptTags(receiptOf(silent, id), 'of its data repository')),
      // A body of its own under a MAC that was read off another one; and before the body that belongs to it.
      snapshot(['modosu-copy', ...body, mac]),
      snapshot(['modosu-copy', ...body, of, mac]),
    ];
    expect(forged.map((one) => readReceipt(one, PASSWORD))).toEqual([null, null, null]);
    expect(goingWith(new Set([newId('rp')]), [silent, ...forged], PASSWORD)).toEqual({ receipts: [], contents: [] });
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
