/** One copy of the catalogue and of the secrets. */
export interface CatalogueCopy {
  /** restic's full id. */
  readonly id: string;
  readonly madeAt: Date;
  /** Of the machine that made it. */
  readonly host: string;
}

/**
 * Where copies of the catalogue lie: an encrypted repository of its own beside the recovery points of an image repository. Opened with the recovery key, which
 * people keep.
 *
 * All methods throw `CATALOG_COPY_FAILED` (later), `RECOVERY_KEY_WRONG`, `REPOSITORY_UNREACHABLE` or `OFFSITE_UNREACHABLE` (later) where the place is not there, `OFFSITE_CREDENTIALS_WRONG`, what `OffsiteRepository` throws where it is known, `NOT_ENOUGH_SPACE`,
 * `PROGRAM_MISSING`, `RESTIC_UNSUPPORTED`. No error shows the key.
 */
export interface CatalogueArchive {
  /** Makes the place where it never was, beside what is there. Called again: nothing. One that another key has made stays as it is, and whoever keeps a copy there hears it. */
  ensure(): Promise<void>;
  /** Stores what lies in `directory` (paths in it are relative to it) and gives the copy's id. A death in between leaves no copy. */
  keep(directory: string, signal?: AbortSignal): Promise<string>;
  /** Newest first. Read-only. Throws `CATALOG_COPY_NOT_FOUND` where no place was ever made. */
  list(): Promise<readonly CatalogueCopy[]>;
  /** Writes a copy into `directory`. Read-only here. Throws `CATALOG_COPY_NOT_FOUND`; `CATALOG_COPY_DAMAGED` for stored bytes that are not what was written. */
  fetch(id: string, directory: string): Promise<void>;
  /** Gives up all but the newest 48, and one of each of 30 days and 12 months, and makes room. Idempotent. */
  thin(signal?: AbortSignal): Promise<void>;
}
