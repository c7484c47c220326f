import { sealAfter, type AuditEvent } from '../../src/audit/append-audit';
import { GENESIS_HASH } from '../../src/audit/audit-chain';
import { keyReused } from '../../src/catalog/acceptance';
import type { AcceptRunRequest, Page, PageRequest } from '../../src/catalog/catalog';
import { readTimeCursor, rowsToRead, timeCursor, toPage, type CursorKind } from '../../src/catalog/cursor';
import type { ModosuError } from '../../src/contracts/errors';
import type { AuditEntryView } from '../../src/contracts/run';

/** What all parts of the catalogue in memory stand on: its clock, the audit, repeated requests, pages, and whether it can be reached. */
export class FakeGround {
  readonly entries: AuditEntryView[] = [];
  private readonly keys = new Map<string, { readonly digest: string; readonly resultId: string }>();
  private failure: ModosuError | null = null;

  constructor(readonly now: () => Date) {}

  /** From now on every method throws this error, until called with null: PostgreSQL that is away. */
  failWith(error: ModosuError | null): void {
    this.failure = error;
  }

  /** Throws while it is away. */
  reach(): void {
    if (this.failure !== null) throw this.failure;
  }

  /** Throws `otherwise` for what is not there. */
  found<T>(value: T | undefined, otherwise: () => ModosuError): T {
    this.reach();
    if (value === undefined) throw otherwise();
    return value;
  }

  append(event: AuditEvent): void {
    const head = this.entries.at(-1);
    this.entries.push(...sealAfter([event], { seq: head?.seq ?? 0, hash: head?.hash ?? GENESIS_HASH, at: this.now().toISOString() }));
  }

  /** What came of the same request before; null: it is new. Throws for a key that stood for another request. */
  earlier({ actor, idempotencyKey, requestDigest }: Pick<AcceptRunRequest, 'actor' | 'idempotencyKey' | 'requestDigest'>, newResultId: string): string | null {
    if (idempotencyKey === null) return null;
    const known = this.keys.get(JSON.stringify([actor, idempotencyKey]));
    if (known === undefined) return null;
    const sameKind = known.resultId.split('_')[0] === newResultId.split('_')[0];
    if (known.digest !== requestDigest || !sameKind) throw keyReused(idempotencyKey);
    return known.resultId;
  }

  claim({ actor, idempotencyKey, requestDigest }: Pick<AcceptRunRequest, 'actor' | 'idempotencyKey' | 'requestDigest'>, resultId: string): void {
    if (idempotencyKey !== null) this.keys.set(JSON.stringify([actor, idempotencyKey]), { digest: requestDigest, resultId });
  }

  newestFirst<Row extends { readonly id: string }, Item>(
    kind: CursorKind,
    rows: readonly Row[],
    page: PageRequest,
    timeOf: (row: Row) => Date,
    toItem: (row: Row) => Item,
  ): Page<Item> {
    this.reach();
    const after = readTimeCursor(kind, page.cursor);
    const keyOf = (at: Date, id: string): string => `${at.toISOString()} ${id}`;
    const sorted = [...rows]
      .filter((row) => after === null || keyOf(timeOf(row), row.id) < keyOf(after.at, after.id))
      .sort((a, b) => (keyOf(timeOf(a), a.id) < keyOf(timeOf(b), b.id) ? 1 : -1));
    return toPage(sorted.slice(0, rowsToRead(page)), page, toItem, (row) => timeCursor(kind, { at: timeOf(row), id: row.id }));
  }
}
