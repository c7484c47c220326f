import type { PageOf } from '../../contracts/api/common';
import type { WayBackView } from '../../contracts/way-back';
import { RequestInvalidError } from '../http/request-invalid.error';

/** One page of ways back, newest first. The cursor says after which one, not how many: what closes or opens between two pages moves nothing. */
export function pageOfWayBacks(all: readonly WayBackView[], limit: number, cursor: string | null): PageOf<WayBackView> {
  const after = cursor === null ? null : decoded(cursor);
  const left = all.filter((wayBack) => after === null || keyOf(wayBack) < after).sort((a, b) => (keyOf(a) < keyOf(b) ? 1 : -1));
  const items = left.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: left.length > limit && last !== undefined ? Buffer.from(keyOf(last)).toString('base64url') : null };
}

const keyOf = ({ createdAt, runId }: WayBackView): string => `${createdAt} ${runId}`;

function decoded(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString();
  if (/^\d{4}-[0-9T:.-]+Z run_[0-9a-z]{26}$/.test(key)) return key;
  throw new RequestInvalidError('REQUEST_INVALID', [{ path: 'cursor', message: 'is not one that this list has given' }]);
}
