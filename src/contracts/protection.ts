import type { CredentialDeclaration } from './credential';
import type { DataSet, DiskDeclaration, DiskRole } from './data';

/**
 * What a server's owner has declared about it besides where it runs: which disk holds what, which network is which, how its health is judged, how it is
 * quiesced, which data it has.
 */

/** `production`: down until go-live. `backup`: reachable in quarantine too, for the agent's peers, health checks and data restores. */
export type NicRole = 'production' | 'backup';

/** A NIC nobody has declared counts as production: a restored server must not talk to anybody by mistake. */
export interface NicDeclaration {
  /** Lower-case, with colons. */
  readonly mac: string;
  readonly role: NicRole;
}

interface HealthCheckBase {
  /** Unique within the server; part of the step's key `health:<name>`. */
  readonly name: string;
  /** The check is repeated until it passes or this time is over. */
  readonly timeoutSeconds: number;
}

/** Passes when the program ends with exit code 0. Run in the guest by its agent, no shell. */
export interface CommandHealthCheck extends HealthCheckBase {
  readonly kind: 'command';
  readonly argv: readonly [string, ...string[]];
}

/** Passes when a connection from the worker's host is accepted and not closed at once. In quarantine only the backup network answers. */
export interface TcpHealthCheck extends HealthCheckBase {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
}

/** Passes when the query ends well, in the guest, through `psql` as the user given; with `expect`: when its first value is exactly that. */
export interface SqlHealthCheck extends HealthCheckBase {
  readonly kind: 'sql';
  readonly engine: 'postgresql';
  readonly database: string;
  readonly user: string;
  /** Directory of the local socket; null: the client's default. */
  readonly socketDirectory: string | null;
  readonly query: string;
  readonly expect: string | null;
}

export type HealthCheck = CommandHealthCheck | TcpHealthCheck | SqlHealthCheck;

/** Programs run in the guest around the freeze of an online backup; when `before` ends well the recovery point is `application` consistent. */
export interface QuiesceHooks {
  readonly before: readonly [string, ...string[]] | null;
  readonly after: readonly [string, ...string[]] | null;
}

export interface OnlineBackupLimits {
  /** Per disk. Null: none of its own (MODOSU_COPY_RATE_LIMIT still holds). */
  readonly rateLimitBytesPerSecond: number | null;
  /** The backup gives up when the guest's writes take longer than this on average for ten seconds. Null: no limit. */
  readonly maxGuestLatencyMs: number | null;
}

/** Programs in the guest are run over SSH, where its agent must not run any. The agent goes on doing all else. */
export interface SshAccess {
  /** IP address or name, as the worker reaches it; in quarantine on the backup network. */
  readonly host: string;
  readonly port: number;
  /** May read and write what is saved and restored, and become the accounts of databases: mostly root. */
  readonly user: string;
  /** Through `sudo -n`. */
  readonly sudo: boolean;
  /** The only host key that is accepted: type and key in base64, as in the guest's /etc/ssh/ssh_host_*_key.pub. */
  readonly hostKey: string;
}

export interface Protection {
  /** A disk nobody has declared counts as `system`: it always comes back with the image. */
  readonly disks: readonly DiskDeclaration[];
  readonly nics: readonly NicDeclaration[];
  readonly healthChecks: readonly HealthCheck[];
  readonly quiesce: QuiesceHooks;
  readonly onlineBackup: OnlineBackupLimits;
  /** Backed up from inside the guest; each has recovery points of its own. */
  readonly dataSets: readonly DataSet[];
  /** Null: the guest agent runs programs. */
  readonly ssh: SshAccess | null;
  /** Files and directories in the guest that are compared by their checksums from generation to generation. Absent: none. */
  readonly configurationPaths?: readonly string[];
  /** Accounts whose passwords stand in a secret store. Absent: none. */
  readonly credentials?: readonly CredentialDeclaration[];
}

/** What nobody has declared is `system`. */
export const diskRole = ({ disks }: Pick<Protection, 'disks'>, target: string): DiskRole => disks.find((disk) => disk.target === target)?.role ?? 'system';

export const NO_PROTECTION: Protection = {
  disks: [],
  nics: [],
  healthChecks: [],
  quiesce: { before: null, after: null },
  onlineBackup: { rateLimitBytesPerSecond: null, maxGuestLatencyMs: null },
  dataSets: [],
  ssh: null,
};
