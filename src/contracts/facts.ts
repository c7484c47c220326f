/**
 * Facts of a generation: what a server was when its image was taken, as its guest agent told, so that generations can be compared. They come from a guest,
 * which is hostile: every text in them is on one line and short, and none is believed to be more than what the guest has said.
 */
import type { ErrorSummary } from './errors';

/** In the order in which they are collected and shown. */
export const FACT_KINDS = ['os', 'kernel', 'packages', 'services', 'users', 'groups', 'network', 'mounts', 'ports', 'tasks', 'files'] as const;
export type FactKind = (typeof FACT_KINDS)[number];

/** Which collectors ask a server: by ID and ID_LIKE of its os-release. `linux`: any other. */
export const OS_FAMILIES = ['debian', 'rhel', 'linux'] as const;
export type OsFamily = (typeof OS_FAMILIES)[number];

/**
 * One thing that can be added, removed or changed. What it is called by `kind`, and what its value says:
 * - `os`: a key of os-release, or the file of a release: its value
 * - `kernel`: `release`, `build`: of the running one
 * - `packages`: `nginx:amd64` (Debian), `nginx.x86_64` (RPM), `nginx` (Alpine): version, and its state where it is not simply installed
 * - `services`: `ssh.service`, `docker.socket`: whether it is started with the system, and for those that run by themselves whether it does; without systemd
 *   the script or the entry that starts it
 * - `users`: name: uid, gid, home, shell; never anything about a password
 * - `groups`: name: gid, members
 * - `network`: `hostname`, an interface, `default route eth0`, `resolvers`, `search domains`
 * - `mounts`: mount point: source, type, options
 * - `ports`: `tcp 0.0.0.0:22`: name of the program where it can be seen
 * - `tasks`: `apt-daily.timer`: its schedule; `/etc/cron.d/sync: 5 4 * * * root`: SHA-256 of what is run then; a script of cron.daily and its like: of the script
 * - `files`: path: SHA-256, mode, owner by number; a symbolic link: its target
 */
export interface FactEntry {
  /** Unique in its section. */
  readonly key: string;
  readonly value: string;
}

export type FactSection =
  | {
      readonly kind: FactKind;
      readonly state: 'collected';
      /** By key, in the order of UTF-16 code units. */
      readonly entries: readonly FactEntry[];
      /** There was more: nothing can be concluded from what is not among the entries. */
      readonly truncated: boolean;
    }
  | { readonly kind: FactKind; readonly state: 'failed'; readonly error: ErrorSummary };

/** What volatile values would make of every generation another one is left out: PIDs, uptime, leases, counters, sizes of tmpfs, temporary addresses. */
export interface ServerFacts {
  readonly format: 'modosu-server-facts';
  readonly version: 1;
  /** ISO 8601, UTC: when the collection began. */
  readonly collectedAt: string;
  readonly family: OsFamily;
  /** One for each of `FACT_KINDS`, in their order. */
  readonly sections: readonly FactSection[];
}

export const FACT_LIMITS = {
  /** For each section. A program that takes longer is ended in the guest. */
  sectionMs: 10_000,
  /** For all sections together. */
  totalMs: 60_000,
  /** Of each file that is read, and of what each program says. */
  rawBytes: 256 * 1024,
  /** The list of packages: more, so that `packages` below can be reached. */
  packagesRawBytes: 1024 * 1024,
  /** Entries of the section `packages`. */
  packages: 20_000,
  /** Entries of any other section. */
  entries: 2_000,
  /** Characters of a key or a value. What is longer ends with a hash of all of it, so that a change beyond the cut is still one. */
  characters: 500,
  /** All sections as JSON. */
  totalBytes: 4 * 1024 * 1024,
} as const;

/** An entry that is on both sides with different values. */
export interface FactChange {
  readonly key: string;
  readonly before: string;
  readonly after: string;
}

/** Why a kind could not be compared as a whole. */
export type FactGap =
  /** The section failed, with this code; null: it is missing altogether, or both failed and for different reasons. */
  { readonly reason: 'failed'; readonly side: 'before' | 'after' | 'both'; readonly code: string | null } | { readonly reason: 'truncated' };

export type FactSectionDiff =
  | {
      readonly kind: FactKind;
      readonly state: 'compared';
      readonly added: readonly FactEntry[];
      readonly removed: readonly FactEntry[];
      readonly changed: readonly FactChange[];
    }
  /** `changed`: of entries that are on both sides; what was added or removed is not known. Never to be shown as "no difference". */
  | { readonly kind: FactKind; readonly state: 'incomplete'; readonly gap: FactGap; readonly changed: readonly FactChange[] };

/** From an earlier state of a server to a later one: one section for each of `FACT_KINDS`, in their order. */
export interface FactDiff {
  readonly sections: readonly FactSectionDiff[];
}
