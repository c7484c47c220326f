import type { SideReadings } from '../../contracts/reading';
import type { CandidatePoint } from '../../domain/relations/restored-together';

/** What servers and their peers have said of themselves. */
export interface MarkerCatalog {
  /** What was read on an occasion (`occasionOf`). What was read of the same markers of a side on it before is replaced; its other markers stay. */
  recordReadings(occasion: string, sides: readonly SideReadings[]): Promise<void>;
  /** By relation, peer and side. Empty: nothing was read. */
  readingsOf(occasion: string): Promise<readonly SideReadings[]>;
  /**
   * Removes what was read on occasions that nobody can ask for any more: of plans once they are made, or have failed, and of runs once they have ended. What was read right
   * before a run replaced its server stays while that can be undone, and while the run that undoes it, or closes its way back, goes on. Gives how many sides were removed. May be
   * called by several workers at once.
   */
  forgetReadings(): Promise<number>;
  /** What was stored with a recovery point. Empty: nothing was. */
  markersOf(recoveryPointId: string): Promise<readonly SideReadings[]>;
  /**
   * Usable images of a server that it could go back to, with what was stored with each of them, and those after them that tell how far it had come: the newest forty that are
   * not after `until`, and the first ten after it; or the one that is named, usable or not, and the first fifty after it. Newest first. Throws `SERVER_NOT_FOUND`.
   */
  candidatePoints(serverId: string, bounds?: CandidateBounds): Promise<readonly CandidatePoint[]>;
}

export interface CandidateBounds {
  /** ISO 8601: an incident; what is after it only bounds. Absent or null: there was none. */
  readonly until?: string | null;
  /** Recovery point that the server goes back to, whatever `until` says. Of another server it counts for nothing. */
  readonly named?: string;
}
