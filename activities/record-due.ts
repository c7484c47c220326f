import type { Catalog } from '../src/catalog/catalog';
import type { ActivityLog } from './dependencies';

export interface RecordDueDependencies {
  readonly catalog: Pick<Catalog, 'recordDueBackups'>;
  readonly log: ActivityLog;
}

/** Writes down what the schedules ask for by now, and says in the log what is new. Idempotent. Gives how many are new. */
export async function recordDue({ catalog, log }: RecordDueDependencies): Promise<number> {
  const due = await catalog.recordDueBackups();
  for (const { id, serverId, serverName, kind, policy, dueAt, missedBefore } of due) {
    const fields = { dueBackupId: id, serverId, server: serverName, kind, policy, dueAt };
    if (missedBefore > 0) log.warn({ ...fields, missedBefore }, 'a backup is due; earlier ones were missed while nothing ran');
    else log.info(fields, 'a backup is due');
  }
  return due.length;
}
