import type { DueCause } from '../../contracts/due-backup';
import type { Policy } from '../../contracts/policy';
import type { RecoveryPointKind } from '../../contracts/recovery-point';
import { countDue, newestDue } from './schedule';

/** Which backups the schedules ask for. Pure. */

export interface ScheduledServer {
  readonly serverId: string;
  readonly policy: Policy;
  /** Without any there is nothing to save. */
  readonly hasDataSets: boolean;
  /** From when on the schedule of each kind holds for it, null: no such schedule. Neither what was due before, nor what the schedule before asked for, is caught up. */
  readonly since: Readonly<Record<RecoveryPointKind, Date | null>>;
  /** When a restore put the disks in place that have no usable image yet, and the server went live with them; null: its disks have one, or nothing was restored. */
  readonly restoredAt: Date | null;
}

export interface DueBackup {
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  readonly policy: string;
  readonly cause: DueCause;
  readonly dueAt: Date;
  readonly notBefore: Date;
  readonly missedBefore: number;
}

/**
 * The newest time of each schedule that has come and is later than `since`. However many times have passed meanwhile, one backup is asked for; how many it
 * stands for is said. A clock that went back asks for nothing until it is where it was.
 *
 * A restored server is imaged as soon as it is live, without jitter: until then, undoing the restore is the only way back to what is written to it now.
 */
export function dueBackups(servers: readonly ScheduledServer[], now: Date): readonly DueBackup[] {
  return servers.flatMap((server) => (['image', 'data'] as const).flatMap((kind) => dueOf(server, kind, now) ?? []));
}

function dueOf({ serverId, policy, hasDataSets, since, restoredAt }: ScheduledServer, kind: RecoveryPointKind, now: Date): DueBackup | null {
  const of = policy[kind];
  const after = since[kind];
  if (of === null || after === null || (kind === 'data' && !hasDataSets)) return null;
  const due = { serverId, kind, policy: policy.name };
  const dueAt = newestDue(of.schedule, policy.timeZone, after, now);
  const known = dueAt ?? after;
  if (kind === 'image' && restoredAt !== null && restoredAt.getTime() > known.getTime() && restoredAt.getTime() <= now.getTime()) {
    return { ...due, cause: 'restore', dueAt: restoredAt, notBefore: restoredAt, missedBefore: 0 };
  }
  if (dueAt === null) return null;
  return {
    ...due,
    cause: 'schedule',
    dueAt,
    notBefore: new Date(dueAt.getTime() + jitterMs(`${serverId} ${kind}`, of.jitterMinutes)),
    missedBefore: countDue(of.schedule, policy.timeZone, after, dueAt) - 1,
  };
}

/** Always the same for the same server, and spread evenly over all: FNV-1a of its id. */
export function jitterMs(key: string, minutes: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193) >>> 0;
  return Math.floor((hash / 2 ** 32) * minutes * 60_000);
}
