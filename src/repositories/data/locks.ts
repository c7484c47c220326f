import { hostname } from 'node:os';
import { isModosuError } from '../../contracts/errors';
import type { Login, RestServer } from './rest-server';
import type { ResticCommand, ResticTarget } from './restic-command';
import { parseLock, type Lock } from './restic-output';

/** As in restic: a live restic renews its lock every five minutes. */
const STALE_AFTER_MS = 30 * 60_000;
/** A guest may write as many as it likes; the rest is looked at next time. */
const MOST_LOCKS = 100;

/**
 * What `restic unlock` does, except for one thing: that sends SIGHUP to the process a lock names when the host name in it is ours, to find out whether it
 * lives. Locks are written by guests, so a guest could pick any process of this machine. Here signal 0 is enough.
 */
export async function removeStaleLocks(server: RestServer, restic: ResticCommand, target: ResticTarget, login: Login, now: Date): Promise<void> {
  for (const id of (await server.list(login, 'locks')).slice(0, MOST_LOCKS)) {
    const lock = await readLock(restic, target, id);
    if (lock !== null && isStale(lock, { now, hostname: hostname(), isAlive })) await server.deleteLock(login, id);
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

export interface LockJudge {
  readonly now: Date;
  readonly hostname: string;
  readonly isAlive: (pid: number) => boolean;
}

/** Old, or of a process of this machine that has ended. A guest must not have the host name of this machine: its locks would count as ours. */
export const isStale = (lock: Lock, judge: LockJudge): boolean =>
  judge.now.getTime() - lock.time.getTime() > STALE_AFTER_MS || (lock.hostname === judge.hostname && !judge.isAlive(lock.pid));

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
