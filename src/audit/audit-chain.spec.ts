import type { AuditEntryView } from '../contracts/run';
import { auditHash, GENESIS_HASH, sealAuditEntry, verifyAuditChain } from './audit-chain';

function chain(length: number): AuditEntryView[] {
  const entries: AuditEntryView[] = [];
  for (let seq = 1; seq <= length; seq += 1) {
    entries.push(
      sealAuditEntry({
        seq,
        at: new Date(seq * 1000).toISOString(),
        actor: 'worker',
        action: 'step.succeeded',
        runId: 'run_1',
        serverId: null,
        details: { number: seq, nested: { b: 1, a: [true] } },
        previousHash: entries.at(-1)?.hash ?? GENESIS_HASH,
      }),
    );
  }
  return entries;
}

const batchesOf =
  (entries: readonly AuditEntryView[], size = 3) =>
  (afterSeq: number): Promise<readonly AuditEntryView[]> =>
    Promise.resolve(entries.filter(({ seq }) => seq > afterSeq).slice(0, size));

describe('auditHash', () => {
  it('does not depend on the order of keys and covers nothing but the content', () => {
    const [entry] = chain(1);
    const turned = Object.fromEntries(Object.entries(entry as object).reverse()) as unknown as AuditEntryView;
    expect(auditHash(turned)).toBe(entry?.hash);
  });

  it('is the SHA-256 of the canonical JSON, so that others can check it', () => {
    const content = { seq: 1, at: '2026-01-01T00:00:00.000Z', actor: 'a', action: 'b', runId: null, serverId: null, details: {}, previousHash: GENESIS_HASH };
    expect(auditHash(content)).toBe('4173a0d57e9ea95a9901816807fc140b32e4396a80ff5292dcd89faa26bea999');
  });

  const changes: readonly Partial<AuditEntryView>[] = [
    { seq: 2 },
    { at: '2027-01-01T00:00:00.000Z' },
    { actor: 'mallory' },
    { action: 'run.requested' },
    { runId: 'run_2' },
    { serverId: 'srv_1' },
    { details: { number: 2 } },
    { previousHash: 'f'.repeat(64) },
  ];
  it.each(changes)('changes with %j', (change) => {
    const [entry] = chain(1);
    expect(auditHash({ ...(entry as AuditEntryView), ...change })).not.toBe(entry?.hash);
  });
});

describe('verifyAuditChain', () => {
  it('accepts an empty chain', async () => {
    expect(await verifyAuditChain(batchesOf([]))).toEqual({ intact: true, entries: 0, headHash: GENESIS_HASH });
  });

  it('accepts a good chain over several batches and gives its head', async () => {
    const entries = chain(10);
    expect(await verifyAuditChain(batchesOf(entries))).toEqual({ intact: true, entries: 10, headHash: entries.at(-1)?.hash });
  });

  it('names a changed entry', async () => {
    const entries = chain(10);
    entries[4] = { ...(entries[4] as AuditEntryView), actor: 'mallory' };
    expect(await verifyAuditChain(batchesOf(entries))).toMatchObject({
      intact: false,
      entries: 4,
      firstBadSeq: 5,
      problem: expect.stringContaining('was changed'),
    });
  });

  it('names a removed entry, the first as well', async () => {
    const entries = chain(10);
    expect(await verifyAuditChain(batchesOf(entries.filter(({ seq }) => seq !== 4)))).toMatchObject({ firstBadSeq: 4, problem: 'entry 4 is missing' });
    expect(await verifyAuditChain(batchesOf(entries.slice(2)))).toMatchObject({ firstBadSeq: 1, problem: 'entries 1 to 2 are missing' });
  });

  it('names the broken link after an entry that was exchanged and sealed again', async () => {
    const entries = chain(10);
    entries[4] = sealAuditEntry({ ...(entries[4] as AuditEntryView), actor: 'mallory' });
    expect(await verifyAuditChain(batchesOf(entries))).toMatchObject({
      firstBadSeq: 6,
      problem: expect.stringContaining('does not link to the hash of entry 5'),
    });
  });

  it('names entries that were renumbered over a gap', async () => {
    const entries = chain(6)
      .filter(({ seq }) => seq !== 3)
      .map((entry, index) => ({ ...entry, seq: index + 1 }));
    expect(await verifyAuditChain(batchesOf(entries))).toMatchObject({ firstBadSeq: 3 });
  });
});
