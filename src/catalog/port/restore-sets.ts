import type { RestoreSetView } from '../../contracts/restore-set';
import type { SetMove } from '../../domain/restore-sets/restore-set';
import type { AcceptRestoreSetRequest, Page, PageRequest, RunRestoreSetRequest } from './requests';

/** Servers that are restored together. */
export interface RestoreSetCatalog {
  /**
   * Writes a restore set down with a plan for each server that is restored, all as `planning`; the caller then starts their workflows. Audited as
   * `restore-set.requested`. Throws `SERVER_NOT_FOUND`, `RECOVERY_POINT_NOT_FOUND`, `RECOVERY_POINT_NOT_USABLE`.
   */
  acceptRestoreSet(request: AcceptRestoreSetRequest): Promise<{ readonly restoreSetId: string; readonly replayed: boolean }>;
  /**
   * Accepts a run for each plan of the set, as `acceptPlanned` does, each to stop before go-live: all with the locks they need, or none. Audited as
   * `restore-set.started`; refusals as `restore-set.refused`. Throws `RESTORE_SET_NOT_FOUND`, `PLAN_ALREADY_USED`, `CONFIRMATION_MISMATCH`, and what `acceptPlanned`
   * throws.
   */
  acceptRestoreSetRuns(request: RunRestoreSetRequest): Promise<{ readonly runIds: readonly string[]; readonly replayed: boolean }>;
  /** Ids of those that are under way, oldest first. */
  runningRestoreSets(): Promise<readonly string[]>;
  /**
   * Takes a set that is under way one move further (`nextOfSet`): writes a go-live down as a decision of whoever has the set carried out, asks for cancels, or
   * ends the set. What is written down is delivered to the workflows as any decision and cancel is. Gives what was done. May be called by several workers at once.
   * Audited. Throws `RESTORE_SET_NOT_FOUND`.
   */
  advanceRestoreSet(restoreSetId: string): Promise<SetMove>;
  /** Throws `RESTORE_SET_NOT_FOUND`. */
  getRestoreSet(id: string): Promise<RestoreSetView>;
  /** Newest first. */
  listRestoreSets(page: PageRequest): Promise<Page<RestoreSetView>>;
}
