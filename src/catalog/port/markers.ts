import type { SideReadings } from '../../contracts/reading';
import type { CandidatePoint } from '../../domain/relations/restored-together';

/** What servers and their peers have said of themselves. */
export interface MarkerCatalog {
  /** What was read on an occasion (`occasionOf`). What was read of the same markers of a side on it before is replaced; its other markers stay. */
  recordReadings(occasion: string, sides: readonly SideReadings[]): Promise<void>;
  /** By relation, peer and side. Empty: nothing was read. */
  readingsOf(occasion: string): Promise<readonly SideReadings[]>;
  /** What was stored with a recovery point. Empty: nothing was. */
  markersOf(recoveryPointId: string): Promise<readonly SideReadings[]>;
  /**
   * Usable images of a server with what was stored with each of them, the newest forty; also the one that is named, where it is none of them. Newest first. Throws
   * `SERVER_NOT_FOUND`.
   */
  candidatePoints(serverId: string, named?: string | null): Promise<readonly CandidatePoint[]>;
}
