import { DEFAULT_MAX_BACKUPS, type DueCause } from '../../contracts/due-backup';
import type { Policy } from '../../contracts/policy';
import type { RecoveryPointKind } from '../../contracts/recovery-point';

/** Which of the backups that are due may begin now, and what the others wait for. Pure. */

export interface WaitingBackup {
  readonly id: string;
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  readonly hypervisor: string;
  /** Image repository of its server. */
  readonly repository: string;
  readonly notBefore: Date;
  /** Whether the server still has the policy that asked for it. */
  readonly isWanted: boolean;
}

/** A run that is accepted or running. */
export interface OpenRun {
  readonly runId: string;
  readonly serverId: string;
  /** Null for what is no backup: it holds its server, and takes no place. */
  readonly backup: RecoveryPointKind | null;
  readonly hypervisor: string;
  readonly repository: string;
}

export interface Limits {
  /** By name; absent: the default. */
  readonly hypervisors: ReadonlyMap<string, number>;
  readonly repositories: ReadonlyMap<string, number>;
  /** Into the data repository. */
  readonly data: number;
}

export interface QueueJudgement {
  /** The one that begins next; null: none may. */
  readonly begin: string | null;
  readonly withdraw: readonly string[];
  /** What each of the others waits for; null: its time has not come. */
  readonly waitsFor: ReadonlyMap<string, string | null>;
}

/**
 * One at a time begins: the caller asks again once it is an open run. The oldest comes first; one that must wait for its server, its hypervisor or its
 * repository does not hold up those that need not.
 */
export function judgeQueue(waiting: readonly WaitingBackup[], open: readonly OpenRun[], limits: Limits, now: Date): QueueJudgement {
  const waitsFor = new Map<string, string | null>();
  const withdraw: string[] = [];
  let begin: string | null = null;
  for (const backup of [...waiting].sort((a, b) => a.notBefore.getTime() - b.notBefore.getTime() || (a.id < b.id ? -1 : 1))) {
    if (!backup.isWanted) withdraw.push(backup.id);
    else if (backup.notBefore.getTime() > now.getTime()) waitsFor.set(backup.id, null);
    else {
      const obstacle = obstacleOf(backup, open, limits);
      if (obstacle !== null) waitsFor.set(backup.id, obstacle);
      else if (begin === null) begin = backup.id;
    }
  }
  return { begin, withdraw, waitsFor };
}

function obstacleOf(backup: WaitingBackup, open: readonly OpenRun[], limits: Limits): string | null {
  const holder = open.find(({ serverId }) => serverId === backup.serverId);
  if (holder !== undefined) return `the server is held by run ${holder.runId}`;
  const backups = open.filter((run) => run.backup !== null);
  const onHypervisor = backups.filter(({ hypervisor }) => hypervisor === backup.hypervisor).length;
  const most = limits.hypervisors.get(backup.hypervisor) ?? DEFAULT_MAX_BACKUPS;
  if (onHypervisor >= most) return `hypervisor "${backup.hypervisor}" has ${onHypervisor} of ${most} backups at the same time`;
  if (backup.kind === 'data') {
    const data = backups.filter((run) => run.backup === 'data').length;
    return data >= limits.data ? `the data repository takes ${data} of ${limits.data} backups at the same time` : null;
  }
  const intoRepository = backups.filter((run) => run.backup === 'image' && run.repository === backup.repository).length;
  const room = limits.repositories.get(backup.repository) ?? DEFAULT_MAX_BACKUPS;
  return intoRepository >= room ? `repository "${backup.repository}" takes ${intoRepository} of ${room} images at the same time` : null;
}

/** What was asked for, and when. */
export interface AskedBackup {
  readonly kind: RecoveryPointKind;
  readonly cause: DueCause;
  /** Name of the policy; null: the server had none. */
  readonly policy: string | null;
  readonly dueAt: Date;
  readonly notBefore: Date;
}

/** A server is stopped at night, not when somebody has made room at noon. */
const OFFLINE_MAY_BE_LATE_MS = 4 * 3_600_000;

export const DECOMMISSIONED = 'the server is decommissioned';

/** Why what was asked for is not wanted any more; null: it is. */
export function unwantedBecause(
  { kind, cause, policy: name, dueAt, notBefore }: AskedBackup,
  server: { readonly policy: string | null; readonly hasDataSets: boolean; readonly isDecommissioned: boolean; readonly hasChangesToImage: boolean },
  policies: readonly Policy[],
  now: Date,
): string | null {
  if (server.isDecommissioned) return DECOMMISSIONED;
  if (cause === 'change') return changeUnwantedBecause(server, policies);
  const policy = policies.find((candidate) => candidate.name === name);
  if (server.policy !== name || policy === undefined) return 'the server has another policy';
  if (policy[kind] === null) return 'the policy does not ask for it any more';
  if (kind === 'data' && !server.hasDataSets) return 'the server declares no data sets';
  // Its own part of the jitter makes it late for nobody; and one that has the turn of an older one (`inTurn`) is not as late as that.
  const lateMs = now.getTime() - Math.max(dueAt.getTime(), notBefore.getTime());
  return kind === 'image' && policy.image?.mode === 'offline' && lateMs > OFFLINE_MAY_BE_LATE_MS ? 'it would stop the server, and is more than 4 h late' : null;
}

/** Whatever its policy is called by now: the changes ask for it, not the policy. */
function changeUnwantedBecause(server: { readonly policy: string | null; readonly hasChangesToImage: boolean }, policies: readonly Policy[]): string | null {
  if (!server.hasChangesToImage) return 'an image contains the changes already, or the server has gone back to a time before them';
  return policies.find(({ name }) => name === server.policy)?.image?.mode === 'offline' ? 'it would stop the server' : null;
}

/** The one that comes next is not put off by its own jitter: servers whose part of it is late would never have their turn. */
export const inTurn = <T extends Pick<AskedBackup, 'notBefore'>>(next: T, older: T | undefined): T =>
  older === undefined || older.notBefore.getTime() >= next.notBefore.getTime() ? next : { ...next, notBefore: older.notBefore };
