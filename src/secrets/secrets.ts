/**
 * Secrets that Modosu has made itself and must find again: passwords of its own parts, logins and passwords of data repositories. Never for arguments, logs,
 * histories, errors.
 *
 * A name is a relative path such as `data/<server id>/login`: plain parts separated by `/`; anything else is `PATH_NOT_ALLOWED`. What the disk under it refuses is thrown
 * as the system says it (`INTERNAL` for people); it passes when the disk does. All but `renew` can be called again.
 */
export interface Secrets {
  /**
   * The value of this name; made at the first call (by `make`, default `randomSecret`) and durable when it is returned. Of several processes that make it at
   * once all get the same one.
   */
  getOrMake(name: string, make?: () => string): Promise<string>;
  /** Null: there is none. */
  read(name: string): Promise<string | null>;
  /**
   * A new value in place of the old one, which is lost. Called again after an answer that was lost: another new one, so that a value that was given away meanwhile no longer
   * counts. Whoever renews reads it (`read`) where it is used.
   */
  renew(name: string): Promise<string>;
  /** Durably; one that is not there is fine. */
  remove(name: string): Promise<void>;
  /** Full names of what is kept at any depth below this path, sorted; empty when there is nothing. */
  list(below: string): Promise<readonly string[]>;
  /** Absolute path of the file that holds it, for programs that read it themselves and show it to nobody. */
  fileOf(name: string): string;
}
