import type { DueCause } from '../../contracts/due-backup';
import type { Policy, Schedule } from '../../contracts/policy';
import type { RecoveryPointKind } from '../../contracts/recovery-point';
import { countDue, knownNewestDue } from './schedule';

/** Which backups the schedules ask for. Pure. */

export interface ScheduledServer {
  readonly serverId: string;
  /** Null: it has none; only an image because of a configuration change may be due. */
  readonly policy: Policy | null;
  /** Without any there is nothing to save. */
  readonly hasDataSets: boolean;
  /** From when on the schedule of each kind holds for it, null: no such schedule. Neither what was due before, nor what the schedule before asked for, is caught up. */
  readonly since: Readonly<Record<RecoveryPointKind, Date | null>>;
  /**
   * The server went live with disks that a restore has put in place, of which there is no usable image; null: its disks have one, or nothing was restored.
   * `imageAskedAt`: when an image was last due, whatever became of it but that it was withdrawn.
   */
  readonly restored: { readonly at: Date; readonly imageAskedAt: Date | null } | null;
  /** There was never an image of it: since when it has its policy; null: there was one. `imageAskedAt` as above. */
  readonly unimaged: { readonly since: Date; readonly imageAskedAt: Date | null } | null;
  /**
   * Configuration changes are complete that no image of its disks contains: when the last of them was, and until when further ones may join; null: all are
   * contained. `imageAskedAt` as above.
   */
  readonly changed: { readonly at: Date; readonly notBefore: Date; readonly imageAskedAt: Date | null } | null;
}

export interface DueBackup {
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  readonly policy: string | null;
  readonly cause: DueCause;
  readonly dueAt: Date;
  readonly notBefore: Date;
  readonly missedBefore: number;
}

/**
 * The newest time of each schedule that has come and is later than `since`. However many times have passed meanwhile, one backup is asked for; how many it
 * stands for is said. A schedule that cannot be read (by this machine) asks for nothing, and keeps no other from asking.
 *
 * A restored server is imaged as soon as it is live, without jitter: until then, undoing the restore is the only way back to what is written to it now. Only
 * where images are taken online: nobody stops a server that has just come back. The same of a configuration change that is complete, which also a server
 * without a policy is imaged after: who has registered it wants to come back to it. And a server of which there was never an image does not wait for the next
 * time of its schedule, which may be a week away: some minutes after it was registered it has its baseline.
 */
export function dueBackups(servers: readonly ScheduledServer[], now: Date): readonly DueBackup[] {
  const times = new Times(now);
  return servers.flatMap((server) => (['image', 'data'] as const).flatMap((kind) => dueOf(server, kind, times, now) ?? []));
}

/** Whether a change that is complete is followed by an image at once: nothing stops a server because of a change. */
export const imagesAfterChange = (policy: Policy | null): boolean => policy?.image?.mode !== 'offline';

/** Whoever registers servers may not be done yet. */
const BASELINE_AFTER_MS = 15 * 60_000;

function dueOf(server: ScheduledServer, kind: RecoveryPointKind, times: Times, now: Date): DueBackup | null {
  const { serverId, policy, restored, changed, unimaged } = server;
  const due = { serverId, kind, policy: policy?.name ?? null };
  const newest = newestOf(server, kind, times);
  const dueAt = newest?.dueAt ?? null;
  const image = policy?.image ?? null;
  const answersFor = newest === null ? 0 : newest.missedBefore + 1;
  if (kind === 'image' && image?.mode === 'online' && restored !== null && isUnanswered(restored, dueAt, now)) {
    return { ...due, cause: 'restore', dueAt: restored.at, notBefore: restored.at, missedBefore: answersFor };
  }
  if (kind === 'image' && imagesAfterChange(policy) && changed !== null && isUnanswered(changed, dueAt, now)) {
    return { ...due, cause: 'change', dueAt: changed.at, notBefore: changed.notBefore, missedBefore: answersFor };
  }
  if (kind === 'image' && image?.mode === 'online' && unimaged !== null) {
    const at = new Date(unimaged.since.getTime() + BASELINE_AFTER_MS);
    if (isUnanswered({ at, imageAskedAt: unimaged.imageAskedAt }, dueAt, now)) {
      return { ...due, cause: 'baseline', dueAt: at, notBefore: at, missedBefore: answersFor };
    }
  }
  if (newest === null) return null;
  const notBefore = new Date(newest.dueAt.getTime() + jitterMs(`${serverId} ${kind}`, newest.jitterMinutes));
  return { ...due, cause: 'schedule', dueAt: newest.dueAt, notBefore, missedBefore: newest.missedBefore };
}

interface NewestTime {
  readonly dueAt: Date;
  readonly missedBefore: number;
  readonly jitterMinutes: number;
}

/** The newest time of the schedule that has come and was not answered, and how many passed before it; null: there is none. */
function newestOf({ policy, hasDataSets, since }: ScheduledServer, kind: RecoveryPointKind, times: Times): NewestTime | null {
  const after = since[kind];
  const of = policy?.[kind] ?? null;
  if (policy === null || of === null || after === null || (kind === 'data' && !hasDataSets)) return null;
  const scheduled = { name: `${policy.name} ${kind}`, schedule: of.schedule, timeZone: policy.timeZone };
  const dueAt = times.newest(scheduled);
  if (dueAt === null || dueAt.getTime() <= after.getTime()) return null;
  return { dueAt, missedBefore: times.count(scheduled, after, dueAt) - 1, jitterMinutes: of.jitterMinutes };
}

/** No image was asked for since, and none is due now that was due later. */
const isUnanswered = ({ at, imageAskedAt }: NonNullable<ScheduledServer['restored']>, dueAt: Date | null, now: Date): boolean =>
  at.getTime() <= now.getTime() && at.getTime() > Math.max(imageAskedAt?.getTime() ?? Number.NEGATIVE_INFINITY, dueAt?.getTime() ?? Number.NEGATIVE_INFINITY);

/** The schedule of a policy for one kind. */
interface Scheduled {
  readonly name: string;
  readonly schedule: Schedule;
  readonly timeZone: string;
}

/** Ten thousand servers share few policies: each time is counted once. */
class Times {
  private readonly newestOf = new Map<string, Date | null>();
  private readonly counts = new Map<string, number>();

  constructor(private readonly now: Date) {}

  newest({ name, schedule, timeZone }: Scheduled): Date | null {
    return remembered(this.newestOf, name, () => knownNewestDue(schedule, timeZone, NEVER, this.now));
  }

  count({ name, schedule, timeZone }: Scheduled, since: Date, until: Date): number {
    return remembered(this.counts, `${name} ${since.getTime()}`, () => countDue(schedule, timeZone, since, until, COUNTED_AT_MOST));
  }
}

const NEVER = new Date(0);
/** Beyond it nobody cares, and counting costs time. */
const COUNTED_AT_MOST = 100;

function remembered<T>(known: Map<string, T>, key: string, find: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  const found = find();
  known.set(key, found);
  return found;
}

/** Always the same for the same server, and spread evenly over all: FNV-1a of its id. */
export function jitterMs(key: string, minutes: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193) >>> 0;
  return Math.floor((hash / 2 ** 32) * minutes * 60_000);
}
