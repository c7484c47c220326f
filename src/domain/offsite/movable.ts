import { ModosuError } from '../../contracts/errors';
import type { RecoveryPointState } from '../../contracts/recovery-point';

/** Which recovery points may be moved to an off-site repository, and back from one. Pure. */

interface MovedPoint {
  readonly id: string;
  readonly state: RecoveryPointState;
}

/** Throws `RECOVERY_POINT_NOT_USABLE` for what cannot be copied. */
export function requireCopyable(points: readonly MovedPoint[]): void {
  const not = points.find(({ state }) => state !== 'usable');
  if (not === undefined) return;
  throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${not.id} is ${not.state}: it cannot be copied.`, {
    context: { recoveryPointId: not.id },
  });
}

/** Throws `RECOVERY_POINT_NOT_USABLE` while files of it are being removed: they would take what is fetched with them. */
export function requireNotRemoving(points: readonly (MovedPoint & { readonly removedAt: Date | null })[]): void {
  const going = points.find(({ state, removedAt }) => state === 'deleted' && removedAt === null);
  if (going === undefined) return;
  throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${going.id} is deleted, and its files are being removed just now.`, {
    hint: 'Try again in a minute.',
    context: { recoveryPointId: going.id },
  });
}
