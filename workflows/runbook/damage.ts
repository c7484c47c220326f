import type { ErrorSummary } from '../../src/contracts/errors';
import { damageOf, isDamage } from '../../src/domain/verification/verification';
import { catalogue } from './activities';
import { summarise } from './errors';

/**
 * Stored bytes that differ from their checksums, or are missing: nobody may choose this recovery point again. The bytes may be those of one that it builds on:
 * then that one is damaged, and with it whatever needs it. Any other error says nothing. Never throws: what was found says more than that nobody could write it
 * down.
 *
 * @param recoveryPointId the one that was read
 */
export async function markDamage(recoveryPointId: string, error: ErrorSummary): Promise<void> {
  const damage = damageOf(error);
  if (damage === null) return;
  const { message, ...of } = damage;
  await catalogue.markDamaged(recoveryPointId, message, of).catch(() => undefined);
}

/** The same of what was thrown; throws that. */
export async function markIfDamaged(recoveryPointId: string, thrown: unknown): Promise<never> {
  await markDamage(recoveryPointId, summarise(thrown));
  throw thrown;
}

/**
 * What was read wrong; null: all is well. Damage is believed when it is seen twice: beside a backup a look may find what was not written yet. Throws whatever is no damage.
 *
 * @param pause before the second look
 */
export async function seenTwice(read: () => Promise<void>, pause: () => Promise<void> = () => Promise.resolve()): Promise<ErrorSummary | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await read();
      return null;
    } catch (thrown) {
      const error = summarise(thrown);
      if (!isDamage(error)) throw thrown;
      if (attempt === 2) return error;
    }
    await pause();
  }
}
