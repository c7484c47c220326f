import type { DueBackupState, DueBackupView } from '../../contracts/due-backup';
import type { AcceptedRun, Page, PageRequest } from './requests';

/** What policies ask for, and what has come of it. */
export interface ScheduleCatalog {
  /**
   * Writes down the backups that the policies ask for by now, and that are not yet written down, and images that are due because of changes. Idempotent, and safe beside others that do the same. One that
   * still waits when the next one of its server and kind is due is superseded by it. Audited where times were missed or superseded. Gives what is new.
   */
  recordDueBackups(): Promise<readonly DueBackupView[]>;
  /**
   * Accepts the next due backup that may begin now, as `acceptBackup` and `acceptDataBackup` do, and names its run in it: one transaction. Null: none may
   * begin; what each of them waits for is written down. One whose server has another policy by now, or is decommissioned, is withdrawn.
   *
   * @param maxDataBackups how many may go into the data repository at the same time; the estate says it of hypervisors and image repositories
   */
  startNextDueBackup(maxDataBackups?: number): Promise<AcceptedRun | null>;
  /** Newest first. */
  listDueBackups(filter: { readonly serverId?: string; readonly state?: DueBackupState }, page: PageRequest): Promise<Page<DueBackupView>>;
}
