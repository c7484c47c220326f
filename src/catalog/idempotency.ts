import type { EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { keyReused } from './acceptance';
import type { Database } from './database';
import { IdempotencyKeyEntity } from './entities';
import type { RepeatedRequestCatalog } from './port/repeated-requests';
import type { KeyedRequest } from './port/requests';

export const repeatedRequestStore = (database: Database): RepeatedRequestCatalog => ({
  resultOf: (request, kind) => database.read((manager) => resultOf(manager, request, kind)),
});

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
  return resultOf(manager, request, resultId.slice(0, resultId.indexOf('_')));
}

/** What the key was claimed for before; null: nothing. Throws `IDEMPOTENCY_KEY_REUSED`. */
async function resultOf(manager: EntityManager, request: KeyedRequest, kind: string): Promise<string | null> {
  if (request.idempotencyKey === null) return null;
  const key = storableText(request.idempotencyKey, 256);
  const earlier = await manager.findOneBy(IdempotencyKeyEntity, { actor: storableText(request.actor, 256), key });
  if (earlier === null) return null;
  if (earlier.requestDigest !== request.requestDigest || !earlier.resultId.startsWith(`${kind}_`)) throw keyReused(key);
  return earlier.resultId;
}
