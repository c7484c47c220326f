import type { ErrorSummary } from '../../src/contracts/errors';
import { catalogue } from './activities';
import { summarise } from './errors';

/** What says that stored bytes are not what was written. */
const DAMAGE: ReadonlySet<string> = new Set(['RECOVERY_POINT_CORRUPT', 'RECOVERY_POINT_INCOMPLETE']);

export const isDamage = ({ code }: Pick<ErrorSummary, 'code'>): boolean => DAMAGE.has(code);

/** Stored bytes that differ from their checksums: nobody may choose this recovery point again. Throws what was thrown. */
export async function markIfDamaged(recoveryPointId: string, thrown: unknown): Promise<never> {
  const error = summarise(thrown);
  if (isDamage(error)) await catalogue.markDamaged(recoveryPointId, error.message);
  throw thrown;
}
