import { isStaleHere } from '../restic/lock-judge';
import type { ResticCommand, ResticTarget } from '../restic/restic-command';
import { MOST_LOCKS, readLock } from '../restic/stale-locks';
import type { Login, RestServer } from './rest-server';

/**
 * Deletes stale locks one by one, also beside locks of those who live. What `restic unlock` does, except for one thing: that sends SIGHUP to the process a
 * lock names when the host name in it is ours, to find out whether it lives. Locks are written by guests, so a guest could pick any process of this machine.
 * Here signal 0 is enough.
 */
export async function deleteStaleLocks(
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
