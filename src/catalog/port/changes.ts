import type { ChangeState, ChangeView, GenerationChanges } from '../../contracts/change';
import type { Actor, OpenChangeRequest, Page, PageRequest } from './requests';

/** Configuration changes of servers. */
export interface ChangeCatalog {
  /**
   * Writes down that a change of a server is being made. The same external id again gives the change that has it; `CHANGE_EXISTS` where that says otherwise.
   * Throws `SERVER_NOT_FOUND`, `SERVER_DECOMMISSIONED`. Audited as `change.opened`.
   */
  openChange(request: OpenChangeRequest): Promise<{ readonly change: ChangeView; readonly replayed: boolean }>;
  /**
   * It is complete, on the disks that the server has: an image is due from now on (`recordDueBackups`). Idempotent: one that is complete stays as it is. Throws
   * `CHANGE_NOT_FOUND`, `CHANGE_CLOSED` (it was cancelled), `SERVER_DECOMMISSIONED`, `SERVER_GOES_BACK` while a restore of the server or an undo is under way, and
   * `CHANGE_INTERRUPTED` where it was begun on disks that the server has left since, unless it was made again from the beginning (`madeAgain`; absent: no). Audited as `change.completed`; refusals as `change.refused`.
   */
  completeChange(request: { readonly actor: Actor; readonly id: string; readonly madeAgain?: boolean }): Promise<ChangeView>;
  /** It was not carried out, or was taken back. Idempotent. Throws `CHANGE_NOT_FOUND`, `CHANGE_CLOSED` (it is complete). Audited as `change.cancelled`. */
  cancelChange(request: { readonly actor: Actor; readonly id: string; readonly reason: string }): Promise<ChangeView>;
  /** The change that a tool has given this name; null: none has it. */
  findChange(serverId: string, externalId: string): Promise<ChangeView | null>;
  /**
   * The server that this run holds has these changes again, on the disks that it has now. Idempotent; what the catalogue does not know is left out. Throws
   * `FENCED_OFF`. Audited each, as `change.applied`.
   */
  recordApplied(runId: string, changeIds: readonly string[], by: Actor): Promise<void>;
  /** Throws `CHANGE_NOT_FOUND`. */
  getChange(id: string): Promise<ChangeView>;
  /** Newest first, by when they were opened. */
  listChanges(filter: { readonly serverId?: string; readonly state?: ChangeState }, page: PageRequest): Promise<Page<ChangeView>>;
  /**
   * Which changes the disks of a server held at a moment (ISO 8601; null: now): those that it has now, or those of another line that it had. Throws
   * `SERVER_NOT_FOUND`.
   */
  changesAt(serverId: string, at: string | null, lineageId?: string): Promise<GenerationChanges>;
}
