import type { ErrorSummary } from './errors';

/** What is asked for, waits for its turn, runs and ends without holding a server, as people see it: verifications, and transfers of copies. */
export interface QueuedWorkView {
  /** Why it has not begun; null: it has, or its turn comes at once. */
  readonly waitsFor: string | null;
  /** A person, a program, or the part of Modosu that asks because a policy does. */
  readonly requestedBy: string;
  readonly reason: string;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** Bytes so far, and in all; of a transfer before deduplication; null: not known. */
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
  /** Why it has not ended well. */
  readonly error: ErrorSummary | null;
}
