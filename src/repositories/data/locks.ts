import { isModosuError } from '../../contracts/errors';
import { isStaleHere } from '../restic/lock-judge';
import type { ResticCommand, ResticTarget } from '../restic/restic-command';
import { parseLock, type Lock } from '../restic/restic-output';
import type { Login, RestServer } from './rest-server';

/** A guest may write as many as it likes; the rest is looked at next time. */
const MOST_LOCKS = 100;

/**
 * What `restic unlock` does, except for one thing: that sends SIGHUP to the process a lock names when the host name in it is ours, to find out whether it
 * lives. Locks are written by guests, so a guest could pick any process of this machine. Here signal 0 is enough.
 */
export async function removeStaleLocks(
  server: RestServer,
  restic: ResticCommand,
  target: ResticTarget,
  login: Login,
  /** When a lock was written, by the clock of this machine; null: nobody here can say. */
  writtenAt: (id: string) => Promise<Date | null>,
): Promise<void> {
  for (const id of (await server.list(login, 'locks')).slice(0, MOST_LOCKS)) {
    const lock = await readLock(restic, target, id);
    if (lock === null) continue;
    if (isStaleHere(lock, await writtenAt(id))) await server.deleteLock(login, id);
  }
}

/** Null: it is gone meanwhile, or nobody can say whose it is; then it stays. */
async function readLock(restic: ResticCommand, target: ResticTarget, id: string): Promise<Lock | null> {
  try {
    return parseLock((await restic.run(target, ['cat', '--no-lock', 'lock', id])).stdout);
  } catch (error) {
    if (isModosuError(error) && (error.code === 'DATA_REPOSITORY_FAILED' || error.code === 'RECOVERY_POINT_CORRUPT')) return null;
    throw error;
  }
}
