import { isDamage } from '../../src/domain/verification/verification';
import { catalogue } from './activities';
import { summarise } from './errors';

export { isDamage };

/** Stored bytes that differ from their checksums: nobody may choose this recovery point again. Throws what was thrown. */
export async function markIfDamaged(recoveryPointId: string, thrown: unknown): Promise<never> {
  const error = summarise(thrown);
  if (isDamage(error)) await catalogue.markDamaged(recoveryPointId, error.message);
  throw thrown;
}
