import type { BackupSetInput, BackupSetView } from '../../contracts/backup-set';
import type { AcceptBackupSetRequest, DispatchableRun, Page, PageRequest } from './requests';

/** Images of several servers that are taken together. */
export interface BackupSetCatalog {
  /**
   * The same for a set: one run of each server of the group, online, all with the locks they need or none, and audited as `backup-set.requested` too. Throws
   * `GROUP_NOT_FOUND`, `SERVER_BUSY` (names every server that is held; nothing was started).
   */
  acceptBackupSet(request: AcceptBackupSetRequest): Promise<{ readonly backupSetId: string; readonly replayed: boolean }>;
  /** What the workflows of a set and its runs are started with. Throws `BACKUP_SET_NOT_FOUND`. */
  getDispatchableSet(backupSetId: string): Promise<{ readonly set: BackupSetInput; readonly runs: readonly DispatchableRun[] }>;
  /** Sets of which a run is open, accepted before `olderThan`. */
  listOpenSets(olderThan: Date): Promise<readonly BackupSetInput[]>;
  /** Throws `BACKUP_SET_NOT_FOUND`. */
  getSet(backupSetId: string): Promise<BackupSetView>;
  /** Newest first. */
  listSets(filter: { readonly group?: string }, page: PageRequest): Promise<Page<BackupSetView>>;
  /** The newest set of each of these groups that has one, in no order. */
  newestSets(groups: readonly string[]): Promise<readonly BackupSetView[]>;
}
