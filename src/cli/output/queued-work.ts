import { formatBytes, formatDuration } from '../../contracts/format';
import type { QueuedWorkView } from '../../contracts/queued-work';
import { utc } from './text';

type Field = readonly [string, string];

/** Lines of a card: who has asked for it and why, and when it was carried out. */
export function requestFields({ waitsFor, requestedAt, requestedBy, reason, startedAt, finishedAt }: QueuedWorkView): readonly Field[] {
  return [
    ...(waitsFor === null ? [] : [['waits for', waitsFor] as const]),
    ['requested', `${utc(requestedAt)} by ${requestedBy}`],
    ['reason', reason],
    ['started', utc(startedAt)],
    ['finished', utc(finishedAt)],
    ...(startedAt === null || finishedAt === null ? [] : [['took', formatDuration((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000)] as const]),
  ];
}

/** The same: why it has not ended well, and what is to be done about it. */
export const errorFields = ({ error }: QueuedWorkView): readonly Field[] =>
  error === null
    ? []
    : [
        ['why', `${error.code}: ${error.message}`],
        ['next', error.hint],
      ];

/** Null: nobody says. */
export const progressOf = ({ doneBytes, totalBytes }: Pick<QueuedWorkView, 'doneBytes' | 'totalBytes'>): string | null =>
  doneBytes === null || totalBytes === null ? null : `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
