/**
 * Passwords of accounts in servers. They stand in a secret store that people run, and change there; Modosu keeps references, and reads a value only at the
 * moment a step needs it. Nothing here holds a value: all of it may stand in plans, histories, logs and answers.
 */

/** Which secret of an account was valid when something was taken, a recovery point for instance: where it stands, and which version of it. */
export interface CredentialReference {
  /** As the operating system of the server names it: `root`, `Administrator`. */
  readonly account: string;
  /** Name of the declared secret store. */
  readonly store: string;
  /** In the store: plain parts separated by `/`. */
  readonly path: string;
  /** As its store names versions: a number in Vault and in files, a fingerprint in the environment. Not to be sorted. */
  readonly version: string;
}

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
}

export const DEFAULT_CREDENTIAL_FIELD = 'password';

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
