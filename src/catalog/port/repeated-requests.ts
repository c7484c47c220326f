import type { IdPrefix } from '../../contracts/ids';
import type { KeyedRequest } from './requests';

/** Requests that are sent again with the same Idempotency-Key. */
export interface RepeatedRequestCatalog {
  /**
   * The id of what the same request got before; null: its key is new, or it has none. Asked before anything is looked for that may be gone meanwhile. Changes
   * nothing: whoever accepts the request claims its key. Throws `IDEMPOTENCY_KEY_REUSED`, also where the id is none of this kind.
   */
  resultOf(request: KeyedRequest, kind: IdPrefix): Promise<string | null>;
}
