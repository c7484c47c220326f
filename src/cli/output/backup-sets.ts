import type { GroupView } from '../../contracts/api/backup-set';
import type { BackupSetView } from '../../contracts/backup-set';
import { isFinal } from '../../contracts/run';
import { fields, plain, table, utc } from './text';

export const groupTable = (groups: readonly GroupView[]): string =>
  table(
    ['NAME', 'SERVERS', 'LAST SET', 'STATE', 'ASKED FOR', 'SPREAD'],
    groups.map(({ name, servers, lastSet }) => [
      name,
      String(servers.length),
      lastSet?.id ?? '-',
      lastSet?.state ?? '-',
      utc(lastSet?.requestedAt ?? null),
      spread(lastSet?.spreadMs ?? null),
    ]),
  );

/** @param sets the newest first */
export function groupText({ name, servers }: GroupView, sets: readonly BackupSetView[]): string {
  const card = fields([['servers', servers]], '  ');
  return `Group ${plain(name)}\n${card}\n\n${sets.length === 0 ? `No set was taken yet: \`modosu backup group ${plain(name)} --reason TEXT\`.` : backupSetTable(sets)}`;
}

export const backupSetTable = (sets: readonly BackupSetView[]): string =>
  table(
    ['ID', 'GROUP', 'STATE', 'TAKEN', 'SPREAD', 'ASKED FOR', 'BY', 'REASON'],
    sets.map(({ id, group, state, members, spreadMs, requestedAt, requestedBy, reason }) => [
      id,
      group,
      state,
      `${members.filter(({ recoveryPointId }) => recoveryPointId !== null).length} of ${members.length}`,
      spread(spreadMs),
      utc(requestedAt),
      requestedBy,
      reason,
    ]),
  );

export function backupSetText(set: BackupSetView): string {
  const card = fields(
    [
      ['state', `${set.state}${STATES[set.state]}`],
      ['spread', set.spreadMs === null ? '-' : `${spread(set.spreadMs)} from the first to the last point in time`],
      ['reason', set.reason],
      ['asked for', `${utc(set.requestedAt)} by ${set.requestedBy}`],
      ['ready until', utc(set.deadline)],
      ['ended', utc(set.finishedAt)],
    ],
    '  ',
  );
  const members = table(
    ['SERVER', 'RUN', 'STATE', 'RECOVERY POINT', 'POINT IN TIME', 'CONSISTENCY'],
    set.members.map(({ serverName, runId, runState, recoveryPointId, pointInTime, consistency }) => [
      serverName,
      runId,
      runState,
      recoveryPointId ?? '-',
      pointInTime ?? '-',
      consistency ?? '-',
    ]),
  );
  const problems = set.members.flatMap(({ serverName, error }) => (error === null ? [] : [`${plain(serverName)}: ${error.code}: ${plain(error.message)}`]));
  return [`Backup set ${set.id} of group ${plain(set.group)}\n${card}`, members, ...problems.map((problem) => `  ${problem}`)].join('\n');
}

/** What people are told while they wait: one line that changes when something has. */
export const backupSetProgress = ({ members }: BackupSetView): string =>
  `${members.filter(({ runState }) => isFinal(runState)).length} of ${members.length} servers are done: ${members.map(({ serverName, runState }) => `${plain(serverName)} ${runState}`).join(', ')}`;

const spread = (milliseconds: number | null): string => (milliseconds === null ? '-' : `${milliseconds} ms`);

const STATES = {
  running: '',
  complete: ': every server has its recovery point',
  incomplete: ': some servers have no recovery point; those that are there are ordinary ones',
  failed: ': there is no recovery point',
} as const;
