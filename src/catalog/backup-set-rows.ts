import { storableText } from '../audit/storable';
import type { AuditEvent } from '../audit/append-audit';
import { BACKUP_SET_DEADLINE_MS, type BackupSetInput, type BackupSetMember, type BackupSetView, type SetMembership } from '../contracts/backup-set';
import { isModosuError, ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import type { Policy } from '../contracts/policy';
import { quoted } from '../contracts/text';
import type { BackupImageInput } from '../contracts/workflows';
import { judgeSet } from '../domain/backup-sets/backup-set';
import { backupInput, isAuditedRefusal, type RunGrant } from './acceptance';
import type { AcceptBackupSetRequest, ServerRecord } from './catalog';
import type { BackupSetRow, RecoveryPointRow, RunRow } from './entities';

/** Backup sets between the port and their rows. Pure. */

/** The row of a set that is accepted. */
export const newSet = (id: string, { group, reason, actor }: AcceptBackupSetRequest, now: Date): BackupSetRow => ({
  id,
  groupName: group,
  reason: storableText(reason),
  requestedBy: storableText(actor, 256),
  requestedAt: now,
  deadline: new Date(now.getTime() + BACKUP_SET_DEADLINE_MS),
});

const membershipIn = ({ id, groupName, deadline }: BackupSetRow): SetMembership => ({ id, group: groupName, deadline: deadline.toISOString() });

/** What the run of one server of the set is started with. */
export function memberInput(
  server: ServerRecord,
  policies: readonly Policy[],
  request: AcceptBackupSetRequest,
  grant: RunGrant,
  set: BackupSetRow,
): BackupImageInput {
  const policy = policies.find(({ name }) => name === server.policy) ?? null;
  const { allowCrashConsistent, reason } = request;
  return { ...backupInput(server, { mode: 'online', allowCrashConsistent, reason }, policy, grant, newId('rp')), set: membershipIn(set) };
}

export const setInput = (row: BackupSetRow, members: readonly Pick<BackupSetMember, 'runId' | 'serverId' | 'serverName'>[]): BackupSetInput => ({
  setId: row.id,
  group: row.groupName,
  deadline: row.deadline.toISOString(),
  members: members.map(({ runId, serverId, serverName }) => ({ runId, serverId, serverName })),
});

export const setMember = (run: RunRow, serverName: string, point: RecoveryPointRow | null): BackupSetMember => ({
  serverId: run.serverId,
  serverName,
  runId: run.id,
  runState: run.state,
  recoveryPointId: point?.id ?? null,
  pointInTime: point?.pointInTime.toISOString() ?? null,
  consistency: point?.consistency ?? null,
  error: run.error,
});

/** @param runs those of the members */
export function setView(row: BackupSetRow, members: readonly BackupSetMember[], runs: readonly Pick<RunRow, 'finishedAt'>[]): BackupSetView {
  const { state, spreadMs } = judgeSet(members);
  const ends = runs.flatMap(({ finishedAt }) => (finishedAt === null ? [] : [finishedAt.getTime()]));
  return {
    id: row.id,
    group: row.groupName,
    state,
    reason: row.reason,
    requestedBy: row.requestedBy,
    requestedAt: row.requestedAt.toISOString(),
    deadline: row.deadline.toISOString(),
    finishedAt: state === 'running' || ends.length === 0 ? null : new Date(Math.max(...ends)).toISOString(),
    spreadMs,
    members: [...members].sort((a, b) => (a.serverName < b.serverName ? -1 : 1)),
  };
}

/** What the audit says about a set that was accepted, and about one whose last run has ended. */
export const setRequested = (row: BackupSetRow, actor: string, members: readonly BackupImageInput[], allowCrashConsistent: boolean): AuditEvent => ({
  actor,
  action: 'backup-set.requested',
  details: {
    setId: row.id,
    group: row.groupName,
    reason: row.reason,
    deadline: row.deadline.toISOString(),
    allowCrashConsistent,
    members: members.map(({ serverName, runId }) => ({ server: serverName, runId })),
  },
});

export const setEnded = ({ id, group, state, spreadMs, members }: BackupSetView, actor: string): AuditEvent => ({
  actor,
  action: `backup-set.${state}`,
  details: {
    setId: id,
    group,
    spreadMs,
    members: members.map(({ serverName, runId, recoveryPointId, pointInTime }) => ({ server: serverName, runId, recoveryPointId, pointInTime })),
  },
});

/** The audit's entry for a refusal, or null when the error is not one. */
export function setRefused({ actor, group, reason }: AcceptBackupSetRequest, error: unknown): AuditEvent | null {
  if (!isModosuError(error) || !isAuditedRefusal(error.code)) return null;
  return { actor, action: 'backup-set.refused', details: { group, reason, code: error.code, message: error.message } };
}

/** @param busy what each server that is held was refused with */
export function setBusy(group: string, busy: readonly [ModosuError, ...ModosuError[]]): ModosuError {
  const [{ context: first }] = busy;
  const held = busy.map(({ context: { server, runId } }) => `server "${String(server)}" is held by run ${String(runId)}`);
  return new ModosuError('SERVER_BUSY', `The set of group "${group}" cannot begin: ${held.join(', ')}. Nothing was started.`, {
    hint: `Wait for ${busy.length === 1 ? 'it' : 'them'} (modosu run watch ${String(first['runId'])}) or cancel ${busy.length === 1 ? 'it' : 'them'}, then take the set again.`,
    context: { ...first, group, servers: busy.map(({ context: { server } }) => String(server)) },
  });
}

export const groupNotFound = (name: string): ModosuError =>
  new ModosuError('GROUP_NOT_FOUND', `There is no group ${quoted(name)} in the catalogue.`, { context: { group: name.slice(0, 128) } });

export const setNotFound = (id: string): ModosuError =>
  new ModosuError('BACKUP_SET_NOT_FOUND', `There is no backup set ${quoted(id)} in the catalogue.`, { context: { setId: id.slice(0, 128) } });
