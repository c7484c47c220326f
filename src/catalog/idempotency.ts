import type { EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { keyReused } from './acceptance';
import { IdempotencyKeyEntity } from './entities';

export interface KeyedRequest {
  readonly actor: string;
  readonly idempotencyKey: string | null;
  readonly requestDigest: string;
}

/**
 * Claims the request's Idempotency-Key for `resultId`, or gives the id that the same request got before (null: the key is new, or there is none). A second
 * request with the same key waits here until the first has committed or was refused; a refused request leaves its key free. Throws `IDEMPOTENCY_KEY_REUSED`.
 */
export async function claimIdempotencyKey(manager: EntityManager, request: KeyedRequest, resultId: string, now: Date): Promise<string | null> {
  if (request.idempotencyKey === null) return null;
  const key = storableText(request.idempotencyKey, 256);
  const actor = storableText(request.actor, 256);
  const { requestDigest } = request;
  const claimed = await manager
    .createQueryBuilder()
    .insert()
    .into(IdempotencyKeyEntity)
    .values({ actor, key, requestDigest, resultId, createdAt: now })
    .orIgnore()
    .returning('result_id')
    .execute();
  if ((claimed.raw as readonly unknown[]).length > 0) return null;
  // The conflict was with a committed row, and keys are never deleted: it is there.
  const earlier = await manager.findOneByOrFail(IdempotencyKeyEntity, { actor, key });
  if (earlier.requestDigest !== requestDigest || kindOf(earlier.resultId) !== kindOf(resultId)) throw keyReused(key);
  return earlier.resultId;
}

const kindOf = (id: string): string => id.slice(0, id.indexOf('_'));
