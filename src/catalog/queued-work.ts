import { storableText } from '../audit/storable';
import type { QueuedWorkView } from '../contracts/queued-work';
import type { QueuedWorkRow } from './entities/queued-work';
import { iso } from './views';

/** Verifications and transfers between the rules and their tables, as far as they are alike. Pure. */

/** Of what was just asked for. */
export const askedFor = (
  { requestedBy, reason }: Pick<QueuedWorkRow, 'requestedBy' | 'reason'>,
  now: Date,
): Omit<QueuedWorkRow, 'part' | 'parts'> & { readonly state: 'waiting' } => ({
  state: 'waiting',
  waitsFor: null,
  cancelRequested: false,
  requestedBy: storableText(requestedBy, 256),
  reason: storableText(reason),
  requestedAt: now,
  startedAt: null,
  finishedAt: null,
  doneBytes: null,
  totalBytes: null,
  error: null,
});

export const queuedWorkView = (row: QueuedWorkRow): QueuedWorkView => ({
  waitsFor: row.waitsFor,
  requestedBy: row.requestedBy,
  reason: row.reason,
  requestedAt: row.requestedAt.toISOString(),
  startedAt: iso(row.startedAt),
  finishedAt: iso(row.finishedAt),
  doneBytes: row.doneBytes,
  totalBytes: row.totalBytes,
  error: row.error,
});
