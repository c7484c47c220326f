import { catalogue } from './runbook/activities';

/** The time of a policy's schedule has come. Which backups that means stands in PostgreSQL: they are written down, and begin as soon as there is a place. */
export async function backupsDue(): Promise<number> {
  return catalogue.recordDueBackups();
}
