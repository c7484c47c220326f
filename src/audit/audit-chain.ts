import type { AuditEntryView, AuditVerification } from '../contracts/run';
import { canonicalJson } from '../domain/canonical-json';
import { sha256Of } from '../system/sha256';

/** `previousHash` of the first entry. */
export const GENESIS_HASH = '0'.repeat(64);

/** Everything of an entry that its hash covers. */
export type AuditContent = Omit<AuditEntryView, 'hash'>;

/** SHA-256, lower-case hex, of the canonical JSON of the content. */
export function auditHash(content: AuditContent): string {
  const { seq, at, actor, action, runId, serverId, details, previousHash } = content;
  return sha256Of(canonicalJson({ seq, at, actor, action, runId, serverId, details, previousHash }));
}

/** `content` with its hash. */
export const sealAuditEntry = (content: AuditContent): AuditEntryView => ({ ...content, hash: auditHash(content) });

/**
 * Walks the chain from its first entry and stops at the first bad one.
 *
 * @param nextBatch entries with a seq above `afterSeq`, ascending; an empty list at the end.
 *
 * Found: a changed field (the hash no longer fits), a removed or added entry (the numbers have a gap or come twice), an entry exchanged for
 * another that fits itself (the next link does not). Not found: the newest entries cut off; for that, compare `headHash` with one kept elsewhere.
 */
export async function verifyAuditChain(nextBatch: (afterSeq: number) => Promise<readonly AuditEntryView[]>): Promise<AuditVerification> {
  let lastSeq = 0;
  let headHash = GENESIS_HASH;
  let entries = 0;
  for (;;) {
    const batch = await nextBatch(lastSeq);
    if (batch.length === 0) return { intact: true, entries, headHash };
    for (const entry of batch) {
      const problem = problemOf(entry, lastSeq + 1, headHash);
      if (problem !== null) return { intact: false, entries, firstBadSeq: problem.seq, problem: problem.text };
      lastSeq = entry.seq;
      headHash = entry.hash;
      entries += 1;
    }
  }
}

function problemOf(entry: AuditEntryView, expectedSeq: number, expectedPrevious: string): { readonly seq: number; readonly text: string } | null {
  if (entry.seq > expectedSeq) {
    const gap = entry.seq - 1 === expectedSeq ? `entry ${expectedSeq} is missing` : `entries ${expectedSeq} to ${entry.seq - 1} are missing`;
    return { seq: expectedSeq, text: gap };
  }
  if (entry.seq < expectedSeq) return { seq: entry.seq, text: `entry ${entry.seq} stands where ${expectedSeq} is expected` };
  if (entry.previousHash !== expectedPrevious) {
    const previous = expectedSeq === 1 ? 'the beginning of the chain' : `the hash of entry ${expectedSeq - 1}`;
    return { seq: entry.seq, text: `entry ${entry.seq} does not link to ${previous}: one of the two was exchanged` };
  }
  if (entry.hash !== auditHash(entry)) {
    return { seq: entry.seq, text: `entry ${entry.seq} (${entry.action}, ${entry.at}) was changed after it was written: its hash does not fit its content` };
  }
  return null;
}
