import { ModosuError } from '../src/contracts/errors';
import type { ActivityDependencies } from './dependencies';

/**
 * That a recovery point which was opened is the one that was recorded, not one that somebody has put in its place with fitting checksums. One that an earlier
 * version has recorded is believed. Throws `RECOVERY_POINT_CORRUPT`.
 */
export async function requireRecorded({ catalog }: Pick<ActivityDependencies, 'catalog'>, recoveryPointId: string, manifestSha256: string): Promise<void> {
  const recorded = await catalog.manifestChecksum(recoveryPointId);
  if (recorded === null || recorded === manifestSha256) return;
  throw new ModosuError('RECOVERY_POINT_CORRUPT', `Recovery point ${recoveryPointId} was exchanged: its manifest is not the one that was recorded.`, {
    context: { recoveryPointId, file: 'manifest.json' },
  });
}
