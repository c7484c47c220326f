import type { CredentialVersion, SecretVersionState } from '../contracts/credential';
import type { SecretValue } from './secret-value';

/** In the place of a version: the one that counts now. */
export const CURRENT = 'current';

/**
 * A secret store that people run, where passwords of accounts in servers stand, with their versions. What Modosu has made itself is kept by `src/secrets/`.
 *
 * Everything here only reads: any method may be called again, after a death, and by several at once; nothing is kept from one call to the next, neither a value
 * nor a token nor what a file held. No method tries again by itself. "(later)" marks errors that may pass by themselves; every other code is final
 * (`error-codes.ts`). All methods throw `SECRET_STORE_UNREACHABLE` (later: it does not answer, or not within ten seconds; its file is not there),
 * `SECRET_STORE_SEALED` (later: its keepers have to unseal it), `SECRET_STORE_DENIED` (the token, or the rights of a file), `SECRET_STORE_INVALID` (what it says,
 * or what its file holds, cannot be understood, or others could read its file), `SECRET_NOT_FOUND` when nothing stands under the path, and `PATH_NOT_ALLOWED`
 * for a path that is not made of plain parts separated by `/`.
 *
 * Nothing but a `SecretValue` holds a value. No error shows one, nor a token, nor anything the store has said.
 */
export interface SecretStore {
  readonly name: string;

  /**
   * Which version counts now: what a recovery point remembers. From what the store says about the secret: its value is not asked for, and a right to read it not
   * needed. (The environment has nothing but values; there it is looked at, and leaves as a fingerprint alone.) Throws `SECRET_VERSION_LOST` when the newest
   * version was deleted or destroyed: then none counts, and an older one that could be read would be the wrong one.
   */
  currentVersion(path: string): Promise<CredentialVersion>;

  /** Whether a version can be read; its value is not asked for. A text that is no version of this kind of store is `unknown`. */
  versionState(path: string, version: string): Promise<SecretVersionState>;

  /**
   * The value of a field under a path, of one version or of `CURRENT`; the value says which version it is, so that one that changes meanwhile is not mistaken.
   * Throws `SECRET_VERSION_LOST` for a version whose state is not `there`, `SECRET_NOT_FOUND` also when it has no such field, `SECRET_STORE_INVALID` when that
   * holds no text, or nothing.
   */
  read(path: string, version: string, field: string): Promise<SecretValue>;
}
