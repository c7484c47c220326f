import type { AuditEntryView } from '../contracts/run';
import { GENESIS_HASH, sealAuditEntry } from './audit-chain';
import { storableObject, storableText } from './storable';

/** What happened; number, time and hashes are given when it is appended. */
export interface AuditEvent {
  readonly actor: string;
  readonly action: string;
  readonly runId?: string | null;
  readonly serverId?: string | null;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Runs one SQL statement inside the caller's transaction and gives its rows. */
export type SqlExecutor = (sql: string, parameters?: readonly unknown[]) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/** Advisory lock that puts all writers of the chain in a row. Any number does that nobody else uses in this database. */
const AUDIT_LOCK = 7_361_001;
const ENTRIES_PER_INSERT = 500;

/**
 * Appends entries to the hash chain, in the transaction of the change they record. Call it as the last thing before the commit: from here on every other
 * writer of the audit waits for that commit.
 *
 * Needs READ COMMITTED: the statement after the lock must see what the lock's last holder committed. Entries of one call get the same time, read from the
 * database, so that workers with different clocks make one time line.
 */
export async function appendAudit(execute: SqlExecutor, events: readonly AuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  await execute('SELECT pg_advisory_xact_lock($1)', [AUDIT_LOCK]);
  const [head] = await execute(
    `SELECT (SELECT seq FROM audit_entry ORDER BY seq DESC LIMIT 1)::float8 AS seq,
            (SELECT hash FROM audit_entry ORDER BY seq DESC LIMIT 1) AS hash,
            floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at_ms`,
  );
  const entries = sealAfter(events, {
    seq: Number(head?.['seq'] ?? 0),
    hash: String(head?.['hash'] ?? GENESIS_HASH),
    at: new Date(Number(head?.['at_ms'])).toISOString(),
  });
  for (let start = 0; start < entries.length; start += ENTRIES_PER_INSERT) {
    await execute(
      `INSERT INTO audit_entry (seq, at, actor, action, run_id, server_id, details, previous_hash, hash)
       SELECT seq, at, actor, action, "runId", "serverId", details, "previousHash", hash
       FROM jsonb_to_recordset($1::jsonb) AS entry
         (seq bigint, at timestamptz, actor text, action text, "runId" text, "serverId" text, details jsonb, "previousHash" text, hash text)`,
      [JSON.stringify(entries.slice(start, start + ENTRIES_PER_INSERT))],
    );
  }
}

/** The entries that follow a head. Pure; also used where the chain is kept in memory. */
export function sealAfter(events: readonly AuditEvent[], head: { readonly seq: number; readonly hash: string; readonly at: string }): AuditEntryView[] {
  let { seq, hash } = head;
  return events.map((event) => {
    const entry = sealAuditEntry({
      seq: seq + 1,
      at: head.at,
      actor: storableText(event.actor, 256),
      action: storableText(event.action, 128),
      runId: event.runId == null ? null : storableText(event.runId, 128),
      serverId: event.serverId == null ? null : storableText(event.serverId, 128),
      details: storableObject(event.details ?? {}),
      previousHash: hash,
    });
    ({ seq, hash } = entry);
    return entry;
  });
}
