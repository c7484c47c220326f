import type { HypervisorDeclaration, RepositoryDeclaration } from '../contracts/estate';
import type { DueBackupView } from '../contracts/due-backup';
import type { Policy } from '../contracts/policy';
import type { RecoveryPointKind } from '../contracts/recovery-point';
import { namesOf } from '../contracts/text';
import { isAhead } from '../domain/clock-skew';
import type { ScheduledServer } from '../domain/schedules/due';
import { imageOptions } from '../domain/schedules/image-options';
import { unwantedBecause, type Limits, type OpenRun } from '../domain/schedules/queue';
import type { AcceptBackupRequest, AcceptDataBackupRequest, ServerRecord } from './catalog';
import type { DueBackupRow, PolicyRow, RunRow } from './entities';
import { policyRecord } from './policy-row';

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

/** When backups of a kind were last due: all of them, and those that were not withdrawn. Null: never. */
export interface NewestDue {
  readonly any: Date | null;
  readonly answered: Date | null;
}

const UNKNOWN_SINCE_MS = 86_400_000;

/**
 * A moment that lies ahead was written while the clock was wrong, and says nothing; where nothing else is known, a day counts.
 *
 * @param policySince null: it has its policy from a time before that was written down
 * @param hasImage whether there was ever an image of it, whatever became of that
 * @param restoredAt when it went live with disks of which there is no usable image; null: that is not so
 */
export function scheduledServer(
  server: ServerRecord,
  policySince: Date | null,
  policy: PolicyRow | null,
  newest: (kind: RecoveryPointKind) => NewestDue,
  restoredAt: Date | null,
  changed: ChangesToImage | null,
  hasImage: boolean,
  now: Date,
): ScheduledServer {
  const latest = (...moments: readonly (Date | null)[]): Date => {
    const known = moments.flatMap((moment) => (moment === null || isAhead(moment, now) ? [] : [moment.getTime()]));
    return new Date(known.length === 0 ? now.getTime() - UNKNOWN_SINCE_MS : Math.max(...known));
  };
  return {
    serverId: server.id,
    policy: policy === null ? null : policyRecord(policy),
    hasDataSets: server.protection.dataSets.length > 0,
    since: {
      image: policy?.image == null ? null : latest(policy.imageSince, policySince, newest('image').any),
      data: policy?.data == null ? null : latest(policy.dataSince, policySince, newest('data').any),
    },
    restored: restoredAt === null ? null : { at: restoredAt, imageAskedAt: newest('image').answered },
    unimaged: hasImage || policySince === null ? null : { since: policySince, imageAskedAt: newest('image').answered },
    changed: changed === null ? null : { at: changed.at, notBefore: changed.notBefore, imageAskedAt: newest('image').answered },
  };
}

/** Changes of a server that are complete on the line of disks it has, and that no image contains. */
export interface ChangesToImage {
  /** When the last of them was complete. */
  readonly at: Date;
  /** Until then further ones may join, counted from the first of them. */
  readonly notBefore: Date;
  /** In the order of their completion, for people. */
  readonly titles: readonly string[];
}

/** See `unwantedBecause`. */
export const whyUnwanted = (
  row: DueBackupRow,
  { policy, protection, decommissioned }: ServerRecord,
  changed: ChangesToImage | null,
  policies: readonly Policy[],
  now: Date,
): string | null =>
  unwantedBecause(
    row,
    { policy, hasDataSets: protection.dataSets.length > 0, isDecommissioned: decommissioned !== null, hasChangesToImage: changed !== null },
    policies,
    now,
  );

/** Who asks, in runs and in the audit. */
export const SCHEDULE = 'schedule';

export const limitsOf = (hypervisors: readonly HypervisorDeclaration[], repositories: readonly RepositoryDeclaration[], data: number): Limits => ({
  hypervisors: declaredLimits(hypervisors),
  repositories: declaredLimits(repositories),
  data,
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

const NAMED_CHANGES = 3;

/** Why the run is begun, for people and the audit. */
function reasonOf({ cause, dueAt, missedBefore, policy }: DueBackupRow, changed: ChangesToImage | null): string {
  if (cause === 'baseline') return `policy "${policy}", baseline: there was no image of the server`;
  const missed = missedBefore === 0 ? '' : `; ${missedBefore} before it ${missedBefore === 1 ? 'was' : 'were'} missed`;
  const at = dueAt.toISOString();
  if (cause !== 'change') return `policy "${policy}", ${cause === 'restore' ? 'restored and live since' : 'due at'} ${at}${missed}`;
  return `configuration changed: ${namesOf(changed?.titles ?? [], NAMED_CHANGES)}, complete at ${at}`;
}

/** What a person would ask for; null when the policy does not ask for this kind any more. */
export function scheduleRequest(row: DueBackupRow, policy: PolicyRow | undefined, changed: ChangesToImage | null): ScheduleRequest | null {
  const { kind, serverId, cause } = row;
  const request = { actor: SCHEDULE, idempotencyKey: null, requestDigest: row.id, serverId, reason: reasonOf(row, changed) };
  if (kind === 'data') return policy?.data == null ? null : { kind, request: { ...request, dataSets: null } };
  const image = policy === undefined ? null : policyRecord(policy).image;
  if (image === null && cause !== 'change') return null;
  const { mode, allowCrashConsistent } = imageOptions({ image });
  return { kind, request: { ...request, mode, allowCrashConsistent } };
}

export const supersededDetails = (older: DueBackupRow, by: DueBackupRow): Readonly<Record<string, unknown>> => ({
  kind: older.kind,
  policy: older.policy,
  dueAt: older.dueAt,
  waitedFor: older.waitsFor,
  by: by.dueAt,
});
