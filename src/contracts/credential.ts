import { isOneLine } from './text';

/**
 * Passwords of accounts in servers. They stand in a secret store that people run, and change there; Modosu keeps references, and reads a value only at the
 * moment a step needs it. Nothing here holds a value: all of it may stand in plans, histories, logs and answers.
 */

/**
 * A credential reference: which secret of an account was valid when a recovery point was taken. Its store is asked right before the point in time of an image,
 * and before the first data set of a backup is read; one that cannot say keeps neither from being taken.
 */
export interface CredentialReference {
  /** As the operating system of the server names it: `root`, `Administrator`. */
  readonly account: string;
  /** Name of the declared secret store. */
  readonly store: string;
  /** In the store: plain parts separated by `/`. */
  readonly path: string;
  /** As its store names versions: a number in Vault and in files, a fingerprint in the environment. Not to be sorted. Null: the store did not say. */
  readonly version: string | null;
  /** When the store got it, ISO 8601; null: it does not say. */
  readonly createdAt: string | null;
  /** Code of the error that the store gave instead; null: it gave a version. */
  readonly problem: string | null;
}

/** At most so many of a server. */
export const MOST_CREDENTIALS = 20;

export interface CredentialVersion {
  readonly version: string;
  /** When the store got it, ISO 8601 in UTC, by the store's clock; null: the store does not say. */
  readonly createdAt: string | null;
}

/** An account of a server whose password stands in a secret store, as people declare it. */
export interface CredentialDeclaration {
  readonly account: string;
  readonly store: string;
  readonly path: string;
  /** Which of the values under the path; `DEFAULT_CREDENTIAL_FIELD` where absent. */
  readonly field?: string;
  /** After a restore of an image of another time the current value is set in the guest, before go-live. False: people do that. */
  readonly reapply: boolean;
}

/** What its secret store says of a credential while a restore is planned. */
export interface SurveyedCredential {
  readonly account: string;
  /** The version that counts now, where it is declared now; where it is no longer declared, where it was. Null: `problem` says why. */
  readonly current: CredentialVersion | null;
  /** Code of the error that the store gave instead. */
  readonly problem: string | null;
  /** Whether the version that the recovery point remembers can still be read; null: it remembers none, or the store did not say. */
  readonly remembered: SecretVersionState | null;
}

/**
 * A credential of a server in the plan of a restore: which version was valid then, and which is now. After an image its account has the one of then, unless that
 * is changed before go-live; a restore of data changes no account.
 */
export interface PlannedCredential {
  readonly account: string;
  readonly store: string;
  readonly path: string;
  readonly field: string;
  /** What was valid when the recovery point was taken; null: it remembers nothing of this account. */
  readonly then: CredentialReference | null;
  /** Whether that version can still be read; null: not known. */
  readonly thenState: SecretVersionState | null;
  /** Null: `problem` says why. */
  readonly now: CredentialVersion | null;
  readonly problem: string | null;
  readonly changed: 'yes' | 'no' | 'unknown';
  /** The run sets what is current when it comes to that. Never in a restore of data. */
  readonly isSet: boolean;
}

/** What came of setting one. */
export interface SetCredential {
  /** The account has the current value, and that was proven. False: for people. */
  readonly isSet: boolean;
  /** Which version was set; null: none was. */
  readonly version: string | null;
  /** For people: how it was proven, or code and words of what went wrong. */
  readonly evidence: string;
}

export const DEFAULT_CREDENTIAL_FIELD = 'password';

/**
 * Names of accounts whose passwords are set: what could end a line or a field of a file of accounts, or look like an option, is in none of them. Windows knows
 * others, Linux does not.
 */
export const ACCOUNT_PATTERN = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;
export const ACCOUNT_RULE = '1 to 32 letters, digits, ".", "_" or "-", beginning with a letter or "_"';

const MOST_PATH_CHARACTERS = 500;

/** Whether a path in a secret store is made of plain parts separated by `/`. */
export const isSecretPath = (path: string): boolean =>
  path.length <= MOST_PATH_CHARACTERS && isOneLine(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
export const SECRET_PATH_RULE = `No "/" at its ends, no "." and no ".." as a part, at most ${MOST_PATH_CHARACTERS} characters.`;

/**
 * Whether a version can be read. `deleted`: whoever runs the store can bring it back. `destroyed`: its value is gone for good. `unknown`: the store has no such
 * version: it was dropped because newer ones came, or never was there.
 */
export const SECRET_VERSION_STATES = ['there', 'deleted', 'destroyed', 'unknown'] as const;
export type SecretVersionState = (typeof SECRET_VERSION_STATES)[number];

export const SECRET_STORE_KINDS = ['vault', 'file', 'environment'] as const;
export type SecretStoreKind = (typeof SECRET_STORE_KINDS)[number];

/**
 * HashiCorp Vault or OpenBao, an engine of kind KV version 2. Whoever declares one decides where the content of `tokenFile` is sent: for administrators alone.
 */
export interface VaultDeclaration {
  readonly name: string;
  readonly kind: 'vault';
  /** `https://HOST[:PORT]`, without a login; `http://` on loopback only, because the token goes over it. */
  readonly address: string;
  /** Where the engine is mounted: `secret`, `teams/kv`. */
  readonly mount: string;
  /** Of Vault Enterprise and OpenBao; none where absent. */
  readonly namespace?: string;
  /** Absolute; read at each use, so that whoever rotates the token (Vault Agent, a timer) only has to replace the file. */
  readonly tokenFile: string;
  /** PEM of the authorities to trust instead of those that Node brings along (and NODE_EXTRA_CA_CERTS); absolute, read at each use. */
  readonly caFile?: string;
}

/** A file with versions, written by people or by what they use: src/credentials/file/credentials-file.ts says what stands in it. */
export interface SecretFileDeclaration {
  readonly name: string;
  readonly kind: 'file';
  /** Absolute; read at each use. */
  readonly path: string;
}

/** Variables of the environment of the process that reads them. */
export interface SecretEnvironmentDeclaration {
  readonly name: string;
  readonly kind: 'environment';
  /** Begins with `CREDENTIAL_VARIABLE_PREFIX`: no other variable can be reached through a declaration. */
  readonly prefix: string;
}

export type SecretStoreDeclaration = VaultDeclaration | SecretFileDeclaration | SecretEnvironmentDeclaration;

export const CREDENTIAL_VARIABLE_PREFIX = 'MODOSU_CREDENTIAL_';
