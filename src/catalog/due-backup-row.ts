import type { HypervisorDeclaration, RepositoryDeclaration } from '../contracts/api/estate';
import type { DueBackupView } from '../contracts/due-backup';
import type { Policy } from '../contracts/policy';
import type { RecoveryPointKind } from '../contracts/recovery-point';
import type { ScheduledServer } from '../domain/schedules/due';
import type { Limits, OpenRun } from '../domain/schedules/queue';
import type { AcceptBackupRequest, AcceptDataBackupRequest, ServerRecord } from './catalog';
import type { DueBackupRow, PolicyRow, RunRow } from './entities';

/** What the schedules ask for, between the rules and their table. Pure. */

export const dueBackupView = (row: DueBackupRow, serverName: string): DueBackupView => ({
  id: row.id,
  serverId: row.serverId,
  serverName,
  kind: row.kind,
  policy: row.policy,
  cause: row.cause,
  dueAt: row.dueAt.toISOString(),
  notBefore: row.notBefore.toISOString(),
  state: row.state,
  waitsFor: row.waitsFor,
  missedBefore: row.missedBefore,
  runId: row.runId,
});

/**
 * @param policySince null: it has its policy from a time before that was written down
 * @param newest when a backup of a kind was last due; null: never
 * @param restoredAt when it went live with disks of which there is no usable image; null: that is not so
 */
export function scheduledServer(
  server: ServerRecord,
  policySince: Date | null,
  policy: PolicyRow,
  newest: (kind: RecoveryPointKind) => Date | null,
  restoredAt: Date | null,
): ScheduledServer {
  const latest = (...moments: readonly (Date | null)[]): Date => new Date(Math.max(...moments.map((moment) => moment?.getTime() ?? 0)));
  return {
    serverId: server.id,
    policy,
    hasDataSets: server.protection.dataSets.length > 0,
    since: {
      image: policy.image === null ? null : latest(policy.imageSince, policySince, newest('image')),
      data: policy.data === null ? null : latest(policy.dataSince, policySince, newest('data')),
    },
    restoredAt,
  };
}

/** Whether the server still has the policy that asked for it, and the policy still asks. */
export const isWanted = ({ kind, policy: name }: DueBackupRow, server: ServerRecord, policies: readonly Policy[]): boolean =>
  server.policy === name &&
  policies.some((policy) => policy.name === name && policy[kind] !== null) &&
  (kind === 'image' || server.protection.dataSets.length > 0);

export const limitsOf = (hypervisors: readonly HypervisorDeclaration[], repositories: readonly RepositoryDeclaration[]): Limits => ({
  hypervisors: declaredLimits(hypervisors),
  repositories: declaredLimits(repositories),
});

const declaredLimits = (declared: readonly { readonly name: string; readonly maxBackups?: number }[]): ReadonlyMap<string, number> =>
  new Map(declared.flatMap(({ name, maxBackups }) => (maxBackups === undefined ? [] : [[name, maxBackups] as const])));

/** Where an open run works; null for one whose server nobody knows. */
export const openBackup = ({ id, kind, serverId }: Pick<RunRow, 'id' | 'kind' | 'serverId'>, server: ServerRecord | undefined): OpenRun | null =>
  server === undefined
    ? null
    : {
        runId: id,
        serverId,
        backup: kind === 'backup-image' ? 'image' : kind === 'backup-data' ? 'data' : null,
        hypervisor: server.hypervisor,
        repository: server.repository,
      };

type ScheduleRequest = { readonly kind: 'image'; readonly request: AcceptBackupRequest } | { readonly kind: 'data'; readonly request: AcceptDataBackupRequest };

/** What a person would ask for; null when the policy does not ask for this kind any more. */
export function scheduleRequest(row: DueBackupRow, policy: Policy | undefined): ScheduleRequest | null {
  const { kind, serverId, dueAt, missedBefore, cause } = row;
  const missed = missedBefore === 0 ? '' : `; ${missedBefore} before it ${missedBefore === 1 ? 'was' : 'were'} missed`;
  const request = {
    actor: 'schedule',
    idempotencyKey: null,
    requestDigest: row.id,
    serverId,
    reason: `policy "${row.policy}", ${cause === 'restore' ? 'restored and live since' : 'due at'} ${dueAt.toISOString()}${missed}`,
  };
  if (kind === 'data') return policy?.data == null ? null : { kind, request: { ...request, dataSets: null } };
  if (policy?.image == null) return null;
  const { mode, allowCrashConsistent } = policy.image;
  return { kind, request: { ...request, mode, allowCrashConsistent } };
}

export const supersededDetails = (older: DueBackupRow, by: DueBackupRow): Readonly<Record<string, unknown>> => ({
  kind: older.kind,
  policy: older.policy,
  dueAt: older.dueAt,
  waitedFor: older.waitsFor,
  by: by.dueAt,
});
