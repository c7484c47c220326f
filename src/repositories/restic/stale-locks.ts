import { isStaleHere } from './lock-judge';
import { outcomeOf, type ResticCommand, type ResticTarget } from './restic-command';
import { parseLock, type Lock } from './restic-output';

/** Whoever writes locks may write as many as it likes; the rest is looked at next time. */
export const MOST_LOCKS = 100;

/**
 * Removes locks that nobody holds, only where no lock is of anybody who may live: `restic unlock` sends SIGHUP to the process that a lock of this machine names,
 * and its number may be another one's by now. What is left then is of processes that are gone, or half an hour old, and restic asks no process. Idempotent.
 */
export async function removeStaleLocks(restic: ResticCommand, target: ResticTarget): Promise<void> {
  const ids = (await restic.run(target, ['list', '--no-lock', 'locks'])).stdout.split('\n').filter((line) => /^[0-9a-f]{64}$/.test(line));
  for (const id of ids.slice(0, MOST_LOCKS)) {
    const lock = await readLock(restic, target, id);
    if (lock === null || !isStaleHere(lock, null)) return;
  }
  if (ids.length > 0 && ids.length <= MOST_LOCKS) await restic.run(target, ['unlock']);
}

/** Null: it is gone meanwhile, or nobody can say whose it is; then it stays. */
export async function readLock(restic: ResticCommand, target: ResticTarget, id: string): Promise<Lock | null> {
  try {
    return parseLock((await restic.run(target, ['cat', '--no-lock', 'lock', id])).stdout);
  } catch (error) {
    const outcome = outcomeOf(error);
    if (outcome === 'failed' || outcome === 'damaged' || outcome === 'repository-damaged') return null;
    throw error;
  }
}
