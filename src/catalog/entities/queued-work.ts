import type { ErrorSummary } from '../../contracts/errors';
import { bigint, instant, integer, json, nullable, text } from './columns';

/** What all tables have of work that is asked for, waits for its turn, runs and ends. */
export interface QueuedWorkRow {
  /** Both or none: which part of the bytes is read, from 1. */
  readonly part: number | null;
  readonly parts: number | null;
  readonly waitsFor: string | null;
  readonly cancelRequested: boolean;
  readonly requestedBy: string;
  readonly reason: string;
  readonly requestedAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
  readonly error: ErrorSummary | null;
}

export const QUEUED_WORK = {
  part: integer(nullable),
  parts: integer(nullable),
  waitsFor: text({ name: 'waits_for', nullable: true }),
  cancelRequested: { type: 'boolean', name: 'cancel_requested' },
  requestedBy: text({ name: 'requested_by' }),
  reason: text(),
  requestedAt: instant({ name: 'requested_at' }),
  startedAt: instant({ name: 'started_at', nullable: true }),
  finishedAt: instant({ name: 'finished_at', nullable: true }),
  doneBytes: bigint({ name: 'done_bytes', nullable: true }),
  totalBytes: bigint({ name: 'total_bytes', nullable: true }),
  error: json(nullable),
} as const;
