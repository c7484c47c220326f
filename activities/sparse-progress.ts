import type { ActivityLog } from './dependencies';

/** At most one row each, for people. */
const ROW_EVERY_MS = 2_000;

/** Progress is for people: a database that is away for a moment must not stop what is being done. */
export class SparseProgress {
  private rowAtMs = 0;
  private rows: Promise<void> = Promise.resolve();

  constructor(
    private readonly write: (doneBytes: number, totalBytes: number) => Promise<void>,
    private readonly log: Pick<ActivityLog, 'warn'>,
  ) {}

  see(doneBytes: number, totalBytes: number, nowMs: number): void {
    if (nowMs - this.rowAtMs < ROW_EVERY_MS) return;
    this.rowAtMs = nowMs;
    this.rows = this.rows
      .then(() => this.write(doneBytes, totalBytes))
      .catch((error: unknown) => this.log.warn({ error: String(error) }, 'progress not recorded'));
  }

  written(): Promise<void> {
    return this.rows;
  }
}
