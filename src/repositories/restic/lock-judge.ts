import { hostname } from 'node:os';
import type { Lock } from './restic-output';

/** As in restic: a live restic renews its lock every five minutes. */
const STALE_AFTER_MS = 30 * 60_000;

export interface LockJudge {
  readonly now: Date;
  /** By the clock by which `now` is told; null: only the lock itself says how old it is. */
  readonly writtenAt: Date | null;
  readonly hostname: string;
  readonly isAlive: (pid: number) => boolean;
}

/**
 * Old, or of a process of this machine that has ended. The clock of a guest may be wrong by hours: where this machine can see that a lock was written just now, it
 * is not old, whatever it says. A guest must not have the host name of this machine: its locks would count as ours.
 */
export const isStale = (lock: Lock, { now, writtenAt, hostname: here, isAlive: lives }: LockJudge): boolean =>
  [lock.time, writtenAt ?? lock.time].every((time) => now.getTime() - time.getTime() > STALE_AFTER_MS) || (lock.hostname === here && !lives(lock.pid));

/** By the clock and the processes of this machine. */
export const isStaleHere = (lock: Lock, writtenAt: Date | null): boolean => isStale(lock, { now: new Date(), writtenAt, hostname: hostname(), isAlive });

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
