import type { DataManifest } from '../../contracts/data';
import type { ServerFacts } from '../../contracts/facts';
import type { DataRecoveryPointView, ImageManifest, ImageRecoveryPointView, RecoveryPointState, RecoveryPointView } from '../../contracts/recovery-point';
import type { Damage } from '../../contracts/verification';
import type { Page, PageRequest } from './requests';

/** Recovery points: what was published, and which can be used. */
export interface RecoveryPointCatalog {
  /**
   * Makes a published recovery point visible as `usable`, and names it in its run. Idempotent by id. Audited as `recovery-point.published`. Throws
   * `REPOSITORY_NOT_CONFIGURED`. An incremental whose parent is damaged or deleted is damaged from the beginning; one whose parent has expired has it back,
   * with all that it builds on. `manifestSha256`: of the manifest's bytes, as they were read where they lie; the first that is recorded stays. `facts`: what lies beside it of its server; null or absent: nothing that can be read.
   */
  recordRecoveryPoint(manifest: ImageManifest, repository: string, manifestSha256?: string, facts?: ServerFacts | null): Promise<ImageRecoveryPointView>;
  /** The checksum that its manifest had when it was recorded; null: nobody has recorded one, or there is no such recovery point. */
  manifestChecksum(recoveryPointId: string): Promise<string | null>;
  /** The same for a data recovery point. */
  recordDataRecoveryPoint(manifest: DataManifest): Promise<DataRecoveryPointView>;
  /** Newest first. */
  listRecoveryPoints(filter: { readonly serverId?: string; readonly state?: RecoveryPointState }, page: PageRequest): Promise<Page<RecoveryPointView>>;
  /** Throws `RECOVERY_POINT_NOT_FOUND`. */
  getRecoveryPoint(id: string): Promise<RecoveryPointView>;
  /** Newest `usable` image by point in time, of those not younger than `until` (ISO 8601; null: of all). Throws `NO_RECOVERY_POINT`. */
  newestUsable(serverId: string, until?: string | null): Promise<ImageRecoveryPointView>;
  /** The same, so many of them, newest first. Empty: there is none. Throws `SERVER_NOT_FOUND`. */
  usableImages(serverId: string, until: string | null, limit: number): Promise<readonly ImageRecoveryPointView[]>;
  /**
   * What the next incremental of a server could build on: ids of its usable images of the disks that it has now, in this repository; the newest ten, by
   * generation, newest first. Read under the server's lock. Throws `SERVER_NOT_FOUND`.
   */
  incrementalParents(serverId: string, repository: string): Promise<readonly string[]>;
  /** Usable ones of a data set that were taken as backups, newest first; at most a thousand. */
  usableData(serverId: string, dataSet: string): Promise<readonly DataRecoveryPointView[]>;
  /**
   * What somebody has found who has read it for another purpose. Idempotent; audited. With a damaged one all that builds on it is damaged (not where only its
   * definition or NVRAM is), and with one that is well again all is usable that was damaged only because of it: in the same transaction, audited each. One that
   * builds on a damaged one stays damaged.
   *
   * @param id the one that was read
   * @param of of damage: its code (`RECOVERY_POINT_CORRUPT` where it is absent), its file, and whose it is. An id is believed of one that `id` builds on, by what
   * the catalogue knows; whatever else is named, the one that was read is damaged
   */
  markRecoveryPoint(id: string, state: 'usable' | 'damaged', why: string, of?: Partial<Omit<Damage, 'message'>>): Promise<void>;
}
