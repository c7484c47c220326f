import type { FetchedPoint, MadeCopy, TransferInput, TransferPoint } from '../offsite-copies';
import type { RestorePlanBody } from '../plan';
import type { StoredImage } from '../recovery-point';
import type { BootResult, VerificationInput } from '../verification';
import type { BackupImageInput, RestoreServerInput } from '../workflows';
import type { BackupDisk, BackupSubject, CopiedDisk, ImageBasis } from './images';

/**
 * Bytes between disks, repositories and places off-site. Activity interfaces, shared by workflows (which call them) and `activities/` (which implement them). Arguments and results travel through Temporal's history: ids,
 * paths and small summaries only.
 */

/** Long copies; queue `host.<hypervisor>.transfer`. They heartbeat as long as the adapter does not take them for stalled. */
export interface TransferActivities {
  copyDiskToRepository(input: BackupImageInput, disk: BackupDisk): Promise<CopiedDisk>;
  /** Waits until QEMU's job has written all disks; adopts a job that an earlier attempt had begun to follow. */
  followOnlineBackup(input: BackupImageInput, subject: BackupSubject): Promise<{ readonly virtualSizeBytes: Readonly<Record<string, number>> }>;
  /** Hashes an image that QEMU has written completely. */
  hashStagedDisk(input: BackupImageInput, disk: BackupDisk, virtualSizeBytes: number): Promise<CopiedDisk>;
  /**
   * Makes an image that holds what has changed whole, with what it builds on, and reads all of that to see that it is what was written. The server is not read
   * again. Called again: nothing, once it is whole.
   */
  mergeStagedDisk(input: BackupImageInput, disk: BackupDisk, basis: ImageBasis): Promise<void>;
  /** Copies one image into its new volume and checks every stored byte on the way. */
  copyDiskToVolume(input: RestoreServerInput, plan: RestorePlanBody, target: string): Promise<void>;
}

/** One image of a recovery point that is read. */
export interface ImageToRead {
  readonly target: string;
  readonly image: StoredImage;
}

/** Reading stored recovery points; queue `host.<hypervisor>.verification`. They change nothing, and heartbeat as long as bytes are read. */
export interface VerificationActivities {
  /** Manifest, definition and firmware variables of an image are what was written, and every file is there; gives the images to be read. */
  openForVerification(input: VerificationInput): Promise<readonly ImageToRead[]>;
  /** Reads one image. `before`: bytes of those that were read before it, for people. */
  readImage(input: VerificationInput, image: ImageToRead, progress: { readonly before: number; readonly total: number }): Promise<void>;
  /**
   * Which data recovery points of the server are in its repository, of those that the catalogue knows. Throws `DATA_REPOSITORY_FAILED` (later) where it holds
   * none of them: another repository was put in its place.
   */
  listData(input: VerificationInput): Promise<DataInRepository>;
  /** Everything that is needed is there, and a part of the bytes is what was written (`VerificationInput.part`). */
  checkData(input: VerificationInput): Promise<void>;
  /** Reads all that a data recovery point needs. */
  readData(input: VerificationInput, recoveryPointId: string): Promise<void>;
  /**
   * Boots an image without any network, waits for its agent, makes the declared health checks that need no network, and throws all of it away. What an attempt
   * that died has left is removed first. Throws `START_FAILED`, `AGENT_SILENT` and `AGENT_ABSENT` (both final here), `HEALTH_CHECK_FAILED`,
   * `NOT_ENOUGH_MEMORY` (later).
   */
  proveBoot(input: VerificationInput): Promise<BootResult>;
}

export interface DataInRepository {
  /** Usable ones that are there, newest first. */
  readonly found: readonly string[];
  /** Those of them of which all bytes were read before. */
  readonly readBefore: readonly string[];
  readonly missing: readonly { readonly recoveryPointId: string; readonly why: string }[];
  /** Those that were missing before, and are there. */
  readonly returned: readonly string[];
}

/**
 * Transfers to and from off-site repositories; queue `host.<hypervisor>.offsite`. They heartbeat as long as the adapter works, and are begun again where they
 * died: what is stored already is not moved twice. `before`, `total`: bytes moved before this one, and in all, for people.
 */
export interface OffsiteActivities {
  /** Copies one recovery point as it lies here, after a look that it is the one that was recorded and complete. */
  copyOffsite(input: TransferInput, point: TransferPoint, progress: { readonly before: number; readonly total: number }): Promise<MadeCopy>;
  /**
   * Has one back where it lay: fetched beside, every byte read and compared with its manifest, published under its own id. Null: it is there, as far as can be
   * seen without reading all of it, and was left alone.
   * Throws `NOT_ENOUGH_SPACE` before anything is fetched.
   */
  fetchOffsite(input: TransferInput, point: TransferPoint, progress: { readonly before: number; readonly total: number }): Promise<FetchedPoint | null>;
  /** What a fetch that has ended for good has left half-made. */
  discardOffsite(input: TransferInput): Promise<void>;
  /** Of the copies that the catalogue knows: which are there, and which are not. */
  listOffsite(input: TransferInput): Promise<{ readonly missing: readonly string[]; readonly there: readonly string[] }>;
  /** Nothing that any copy needs is missing, and a part of the bytes is what was written. */
  checkOffsite(input: TransferInput): Promise<void>;
  /** Reads all bytes of one copy. */
  readOffsite(input: TransferInput, recoveryPointId: string): Promise<void>;
  /** Removes copies for good. */
  forgetOffsite(input: TransferInput): Promise<void>;
}
