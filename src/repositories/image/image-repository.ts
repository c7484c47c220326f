import type { ServerFacts } from '../../contracts/facts';
import type { ImageManifest, StoredImage } from '../../contracts/recovery-point';

/** At the top of every image repository: what has none is no repository, or the mount point of one that is not mounted. */
export const MARKER_FILE = 'modosu-repository.json';

/** Where the files of a recovery point that is being made are written. Not visible to anybody before `publish`. */
export interface StagedRecoveryPoint {
  readonly directory: string;
  diskPath(target: string): string;
  readonly definitionPath: string;
  readonly nvramPath: string;
}

/** `parentId`: a recovery point that is published here, of the same server and lineage; then at least one disk is incremental. */
export type ManifestDraft = Omit<ImageManifest, 'format' | 'version' | 'parentSha256' | 'publishedAt' | 'disks' | 'definition' | 'nvram' | 'facts'> & {
  readonly disks: readonly {
    readonly target: string;
    readonly virtualSizeBytes: number;
    /** Its staged image names the parent's as its backing file (`RestorablePaths.backingName`). Absent: false. */
    readonly incremental?: boolean;
    readonly origin: ImageManifest['disks'][number]['origin'];
    readonly checksums: ImageChecksums;
  }[];
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

/** One file of a disk. */
export interface ChainImage {
  readonly recoveryPointId: string;
  readonly image: StoredImage;
  readonly path: string;
}

export interface RestorablePaths {
  readonly manifest: ImageManifest;
  readonly manifestSha256: string;
  /** Where all of its files lie. */
  readonly directory: string;
  readonly definitionPath: string;
  readonly nvramPath: string | null;
  /** The recovery point's own image of a disk. */
  diskPath(target: string): string;
  /** All files that a disk is made of: the recovery point's own, then for an incremental what it builds on, each before the one below it. */
  imagesOf(target: string): readonly [ChainImage, ...ChainImage[]];
  /** The name by which the header of an image in a recovery point beside this one, of the same server, names this one's as its backing file. */
  backingName(target: string): string;
}

/**
 * A place where image recovery points are stored; the truth about them. Implemented by a directory (`directory-image-repository.ts`).
 *
 * Callers are activities, and those run at least once: what a second call does stands with each method. "(later)" marks errors that may pass by themselves;
 * every other code is final (`error-codes.ts`). All methods throw `REPOSITORY_UNREACHABLE` (later) when the place has vanished or does not work now, EIO
 * included, and
 * `REPOSITORY_FORMAT_UNKNOWN` when it is not ours; those that write throw `NOT_ENOUGH_SPACE`. Ids and disk names that are none are `PATH_NOT_ALLOWED`.
 *
 * `RECOVERY_POINT_CORRUPT` is said only of bytes that were read and are not what was written, `RECOVERY_POINT_INCOMPLETE` only of files missing from a
 * repository that is there: both are believed for good.
 */
export interface ImageRepository {
  readonly name: string;

  /**
   * Makes an empty directory a repository, for `modosu apply`; the directory itself is never made. A repository of this version is left as it is; what an
   * interrupted attempt has left is no obstacle. A directory with anything else in it is refused (`REPOSITORY_FORMAT_UNKNOWN`).
   */
  initialise(): Promise<void>;

  /** Throws when the repository cannot be used now. Recovery points are counted, not opened. For `doctor` and the metrics. Read-only. */
  check(): Promise<{ readonly freeBytes: number; readonly recoveryPoints: number }>;

  /** Throws `NOT_ENOUGH_SPACE` with numbers when fewer than `bytes` (plus a reserve of 64 MiB) are free now. A look: nothing is kept free for anybody. */
  requireSpace(bytes: number): Promise<void>;

  /**
   * Makes (or finds) the staging directory of a recovery point; what an earlier attempt has written there stays. QEMU, which runs as another user, can pass
   * through it (mode 0711) until it is published. Each step of a backup calls it.
   */
  stage(recoveryPointId: string): Promise<StagedRecoveryPoint>;

  /**
   * Hashes an image in a worker thread, following the writer: call it when the copy starts, resolve `written` when the file is complete and fsynced (reject
   * it when the copy failed: hashing stops and rejects with the same error). Bytes the writer changed behind us (image metadata) are hashed again at the end.
   * With a resolved `written` the file is hashed as it lies, whoever wrote it. Writes the segment list beside the image; called again it begins anew and
   * replaces the list. Made for `qemu-img convert` without `-W` into a new file; a copy that an earlier attempt left running must have been ended before.
   * Throws the signal's reason, `COPY_FAILED` (later; changed although written), `RECOVERY_POINT_INCOMPLETE` (no file although written),
   * `IMAGE_HEADER_REFUSED` (no regular file).
   */
  hashWhileWritten(recoveryPointId: string, target: string, written: Promise<void>, context: ChecksumContext): Promise<ImageChecksums>;

  /**
   * Publishes what is staged: data, fsync, manifest, fsync, rename, fsync of the directories. Nothing is visible before the rename. The caller has asked for
   * its fence (`requireFence`). Called again: what was published first under this id stays, its manifest is returned whatever the draft says, and what was
   * staged since is removed. Throws `RECOVERY_POINT_INCOMPLETE` for a staged file that is missing, `RECOVERY_POINT_CORRUPT` or `IMAGE_HEADER_REFUSED` for one
   * that is not what the draft says: then nothing is published. A staged file that cannot be flushed is garbage, and all that was staged is deleted: the next
   * call finds nothing to publish (`RECOVERY_POINT_INCOMPLETE`), and the backup has to be taken again. The parent of an incremental has to be as complete as
   * for `open`, and throws as there, but `RECOVERY_POINT_INCOMPLETE` where it is not published and `RECOVERY_POINT_CORRUPT` where it is of another lineage, or
   * has no such disk.
   */
  publish(draft: ManifestDraft, now: Date): Promise<ImageManifest>;

  /** Puts facts of the server beside what is staged, with which they are published. Called again: replaces them. */
  stageFacts(recoveryPointId: string, facts: ServerFacts): Promise<void>;

  /** What lies staged: of runs under way, and of runs that were ended from outside. In no order. For the janitor. Read-only. */
  listStaged(): Promise<readonly { readonly recoveryPointId: string; readonly changedAt: Date }[]>;

  /**
   * Removes what `stage` has made, also while somebody still writes into it: end the writer first. A published recovery point is never touched. Called again,
   * or nothing staged: nothing.
   */
  discardStaged(recoveryPointId: string): Promise<void>;

  /**
   * Manifest (validated; its own checksum included) and paths. For an incremental everything holds of its whole chain, which has to be the one that was there
   * when it was published. Every file is present with the recorded size and every image's header is judged. Does not read
   * the images' content, nor definition and NVRAM. Read-only. Throws `RECOVERY_POINT_NOT_FOUND`, `RECOVERY_POINT_INCOMPLETE`, `RECOVERY_POINT_CORRUPT`,
   * `IMAGE_HEADER_REFUSED`; `REPOSITORY_FORMAT_UNKNOWN` for a manifest of another version. `diskPath` throws `RECOVERY_POINT_INCOMPLETE` for a disk it does
   * not hold.
   */
  open(serverId: string, recoveryPointId: string): Promise<RestorablePaths>;

  /** Makes (or finds) an empty directory for one that comes back from elsewhere; what an earlier attempt has written there stays. Nobody sees it. */
  stageFetched(recoveryPointId: string): Promise<string>;
  /**
   * Publishes again, under its own id, what lies there as it was published once: after every byte of it was read and compared with its manifest, and the manifest
   * with `manifestSha256` (null: nobody has recorded it). What it builds on has to be published, and the one that it was built on. Whatever is published under
   * its id is replaced. Called again after a call that died anywhere: goes on. Throws as `open` and `verifyImage`; then nothing was changed.
   */
  readmit(serverId: string, recoveryPointId: string, manifestSha256: string | null, context: ChecksumContext): Promise<{ readonly manifestSha256: string }>;
  /** Removes what `stageFetched` has made. Called again, or nothing there: nothing. */
  discardFetched(recoveryPointId: string): Promise<void>;

  /**
   * Removes a published recovery point for good; at once nobody finds it any more, whatever its files take. The caller has made sure that nobody needs it;
   * throws `RECOVERY_POINT_NEEDED` all the same while another one that is published here builds on it. Called again, also after a call that died half-way or beside one that runs, and of one that is not there: nothing is left of it. A repository that holds
   * nothing at all is another one: `REPOSITORY_UNREACHABLE`.
   */
  remove(serverId: string, recoveryPointId: string): Promise<void>;

  /**
   * Reads and hashes one image in worker threads, beside the copy of a restore; nothing of what it builds on: that is asked for image by image, as `imagesOf`
   * names them. `image` is what `open` has said of it: a manifest that says otherwise by now
   * is corrupt. Ends at the first segment that differs. Read-only; called again it begins anew. Throws `RECOVERY_POINT_CORRUPT` naming file and segment,
   * `RECOVERY_POINT_INCOMPLETE`, `RECOVERY_POINT_NOT_FOUND`, the signal's reason.
   */
  verifyImage(serverId: string, recoveryPointId: string, image: StoredImage, context: ChecksumContext): Promise<void>;

  /**
   * Its facts as they were published; null: it has none, or they are damaged, gone, or not for this version. Nothing of a restore depends on them, so that is no error.
   * Read-only. Throws as `open`, without a look at anything else.
   */
  readFacts(serverId: string, recoveryPointId: string): Promise<ServerFacts | null>;

  /**
   * Its own definition as it was published, as text; it may hold passwords. Bounded, and compared with the manifest. Read-only. Throws as `open`, without a look
   * at anything else.
   */
  readDefinition(serverId: string, recoveryPointId: string): Promise<string>;

  /** Checks its own definition and NVRAM against the manifest. Small files. Read-only. Throws as `open`, without a look at the images. */
  verifySmallFiles(serverId: string, recoveryPointId: string): Promise<void>;

  /**
   * Published manifests, in no order; unreadable ones are reported, not thrown. No file is looked at besides the manifests and their checksums: what is
   * listed may still be incomplete. Read-only.
   */
  list(): Promise<{ readonly manifests: readonly ImageManifest[]; readonly unreadable: readonly { readonly path: string; readonly problem: string }[] }>;
}
