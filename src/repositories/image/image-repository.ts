import type { ImageManifest, StoredImage } from '../../contracts/recovery-point';

/** Where the files of a recovery point that is being made are written. Not visible to anybody before `publish`. */
export interface StagedRecoveryPoint {
  readonly directory: string;
  diskPath(target: string): string;
  readonly definitionPath: string;
  readonly nvramPath: string;
}

export type ManifestDraft = Omit<ImageManifest, 'format' | 'version' | 'publishedAt' | 'disks' | 'definition' | 'nvram'> & {
  readonly disks: readonly { readonly target: string; readonly virtualSizeBytes: number; readonly origin: ImageManifest['disks'][number]['origin']; readonly checksums: ImageChecksums }[];
  /** Origin of the NVRAM file lying in the staging directory; null when there is none. */
  readonly nvramOrigin: NonNullable<ImageManifest['nvram']>['origin'] | null;
};

/** Result of hashing one image while it was written. Small: the segment list itself lies in a file beside the image. */
export interface ImageChecksums {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly segmentSizeBytes: number;
}

export interface ChecksumContext {
  readonly signal: AbortSignal;
  /**
   * Called at least every 5 s while a finished image is read and the storage is not considered dead; `doneBytes` grows only with what was read. While a
   * writer is followed it may be silent: the copy reports for both. When nothing has moved for 5 minutes the work ends with `REPOSITORY_UNREACHABLE`.
   */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;
}

export interface RestorablePaths {
  readonly manifest: ImageManifest;
  readonly manifestSha256: string;
  readonly definitionPath: string;
  readonly nvramPath: string | null;
  diskPath(target: string): string;
}

/**
 * A place where image recovery points are stored; the truth about them. Implemented by a directory (`directory-image-repository.ts`).
 * All methods throw `REPOSITORY_UNREACHABLE` (retry later) when the place has vanished or cannot be read now, and `REPOSITORY_FORMAT_UNKNOWN` when it is not ours.
 * `RECOVERY_POINT_CORRUPT` is said only of bytes that were read and are not what was written, `RECOVERY_POINT_INCOMPLETE` only of files missing from a
 * repository that is there: both are believed for good.
 * Idempotent unless said otherwise: a caller that died half-way calls again.
 */
export interface ImageRepository {
  readonly name: string;

  /** Makes an empty directory a repository; a repository of this version is left as it is. Refuses a directory with foreign content. */
  initialise(): Promise<void>;

  /** Throws when the repository cannot be used now. */
  check(): Promise<{ readonly freeBytes: number; readonly recoveryPoints: number }>;

  /** Throws `NOT_ENOUGH_SPACE` with numbers when fewer than `bytes` (plus a reserve of 64 MiB) are free. */
  requireSpace(bytes: number): Promise<void>;

  /** Makes (or finds) the staging directory of a recovery point. QEMU, which runs as another user, can pass through it (mode 0711) until it is published. */
  stage(recoveryPointId: string): Promise<StagedRecoveryPoint>;

  /**
   * Hashes an image in a worker thread, following the writer: call it when the copy starts, resolve `written` when the file is complete and fsynced (reject it
   * when the copy failed: hashing stops and rejects with the same error). Bytes the writer changed behind us (image metadata) are hashed again at the end. Writes the
   * segment list beside the image. With a resolved `written` the file is hashed as it lies, whoever wrote it. Made for `qemu-img convert` without `-W` into a new file; a copy that an earlier attempt left running must have been ended before.
   * Rejects with the signal's reason, `RECOVERY_POINT_INCOMPLETE` (no file although written), `COPY_FAILED` (changed although written).
   */
  hashWhileWritten(recoveryPointId: string, target: string, written: Promise<void>, context: ChecksumContext): Promise<ImageChecksums>;

  /**
   * Publishes: data, fsync, manifest, fsync, rename, fsync of the directories. Nothing is visible before. Published already with the same id: returns its manifest.
   */
  publish(draft: ManifestDraft, now: Date): Promise<ImageManifest>;

  /** What lies staged: of runs under way, and of runs that were ended from outside. In no order. */
  listStaged(): Promise<readonly { readonly recoveryPointId: string; readonly changedAt: Date }[]>;

  /** Removes what `stage` has made. A published recovery point is never touched. */
  discardStaged(recoveryPointId: string): Promise<void>;

  /**
   * Manifest (validated; its own checksum included) and paths. Every file is present with the recorded size and every image's header is judged
   * (`RECOVERY_POINT_INCOMPLETE`, `RECOVERY_POINT_CORRUPT`, `IMAGE_HEADER_REFUSED`). Does not read the images' content.
   * Throws `RECOVERY_POINT_NOT_FOUND`.
   */
  open(serverId: string, recoveryPointId: string): Promise<RestorablePaths>;

  /** Reads and hashes one image in worker threads; throws `RECOVERY_POINT_CORRUPT` naming file and segment. Read-only. */
  verifyImage(serverId: string, recoveryPointId: string, image: StoredImage, context: ChecksumContext): Promise<void>;

  /** Checks definition and NVRAM against the manifest. Small files; throws `RECOVERY_POINT_CORRUPT`. */
  verifySmallFiles(serverId: string, recoveryPointId: string): Promise<void>;

  /** Published manifests, in no order; unreadable ones are reported, not thrown. */
  list(): Promise<{ readonly manifests: readonly ImageManifest[]; readonly unreadable: readonly { readonly path: string; readonly problem: string }[] }>;
}
