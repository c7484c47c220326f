import type { FindingSeverity } from './plan';
import type { MarkerType } from './marker';
import type { GuestArgv } from './data';

/**
 * Profiles: what is known about one kind of software whose servers hold copies of each other's state, as data. A profile says which markers are read and how, and
 * which rules compare them when one of the servers goes back in time. Shipped in `profiles/`, and added to by users; judged by `src/domain/consistency/`.
 */

/** Where a marker is read: at the server that is restored, at the peer, or at both, each for itself. */
export const MARKER_SUBJECTS = ['server', 'peer', 'each'] as const;
export type MarkerSubject = (typeof MARKER_SUBJECTS)[number];

/** How a marker is read. `${…}` in texts stands for parameters of the relation, and for `server`, `peer`, `address` (of the one that is read). */
export type ProbeSpec =
  /** A program in the guest of the one that is read; its standard output. No shell. */
  | { readonly kind: 'command'; readonly argv: GuestArgv; readonly user?: string }
  /** One query, run in the guest by the database's own client; the first column of all rows, a row a line. */
  | { readonly kind: 'sql'; readonly engine: 'postgresql' | 'mysql'; readonly database: string; readonly user: string; readonly query: string }
  /** Asked of the name server at `address`. `field` of SOA: `serial`. Other records: all of them, sorted, a line each. */
  | {
      readonly kind: 'dns';
      readonly name: string;
      readonly type: 'SOA' | 'A' | 'AAAA' | 'NS' | 'MX' | 'TXT';
      readonly field?: 'serial';
      readonly port?: string;
    }
  /** GET; the body, or the value at `pointer` (RFC 6901) of a body that is JSON. No redirect is followed. */
  | { readonly kind: 'http'; readonly url: string; readonly pointer?: string }
  /** Whether a connection is accepted: `true` or `false`. */
  | { readonly kind: 'tcp'; readonly port: string }
  /** What the manifest or the definition of the server says; nothing is run. */
  | { readonly kind: 'fact'; readonly fact: 'generation-id' | 'point-in-time' | 'clock' };

export interface MarkerSpec {
  readonly name: string;
  readonly type: MarkerType;
  readonly of: MarkerSubject;
  readonly probe: ProbeSpec;
  /** How long it may take. */
  readonly timeoutSeconds: number;
  /** Whether its value is stored with every recovery point. */
  readonly isCaptured: boolean;
}

/** One side of a comparison. */
export interface MarkerReference {
  readonly marker: string;
  readonly of: 'server' | 'peer';
  /** `recovery-point`: as it was captured with the recovery point that is restored; `now`: as it is read when it is judged. */
  readonly at: 'recovery-point' | 'now';
}

/** As in `domain/consistency/order.ts`. */
export const RULE_ORDERS = ['same', 'behind', 'ahead', 'diverged', 'incomparable'] as const;
export type RuleOrder = (typeof RULE_ORDERS)[number];

/** `plan`: when a plan is made, and again right before the server is replaced. `quarantine`: restored, before go-live. `live`: after it. */
export const RULE_PHASES = ['plan', 'quarantine', 'live'] as const;
export type RulePhase = (typeof RULE_PHASES)[number];

/** What a rule compares, and what it means when it finds one of `is`. */
export type RuleCondition =
  | { readonly compare: MarkerReference; readonly with: MarkerReference; readonly is: readonly RuleOrder[] }
  /** A value by itself: equal to (or other than) a text, after `${…}` was filled in. */
  | { readonly value: MarkerReference; readonly equals?: string; readonly differs?: string }
  /** A moment that is further away from now than so many hours; of a recovery point its point in time. */
  | { readonly age: MarkerReference | 'recovery-point'; readonly olderThanHours: number };

/** What makes it good again; part of the plan where the severity is `step`. */
export interface RuleStep {
  readonly title: string;
  /** Null: people do it, and sign it off. Else a program in the guest of `on`. */
  readonly argv: GuestArgv | null;
  readonly on: 'server' | 'peer';
  /** Before the restored server gets its network, or after. */
  readonly when: 'quarantine' | 'live';
}

export interface Rule {
  /** Stable, such as `STANDBY_AHEAD`. */
  readonly code: string;
  readonly phases: readonly RulePhase[];
  /** All of them have to hold. */
  readonly when: readonly [RuleCondition, ...RuleCondition[]];
  /** Never `ok`: what no rule speaks about is. */
  readonly severity: Exclude<FindingSeverity, 'ok' | 'unknown'>;
  /** With `${…}`: parameters, `server`, `peer`, and markers as `${server.NAME.now}`, `${peer.NAME.recovery-point}`. */
  readonly message: string;
  readonly remedy: string | null;
  readonly step: RuleStep | null;
}

export interface ProfileParameter {
  readonly name: string;
  readonly description: string;
  /** Null: it has to be given. */
  readonly default: string | null;
}

export interface Profile {
  readonly format: 'modosu-profile';
  readonly version: 1;
  readonly name: string;
  readonly title: string;
  /** `proven`: the project's own tests have run it against the real software. */
  readonly status: 'proven' | 'experimental';
  readonly description: string;
  readonly parameters: readonly ProfileParameter[];
  readonly markers: readonly MarkerSpec[];
  readonly rules: readonly Rule[];
}

/** What a probe has read, with what it said as evidence. */
export type MarkerReading =
  | { readonly state: 'read'; readonly value: string; readonly raw: string; /** ISO 8601. */ readonly at: string }
  | { readonly state: 'failed'; readonly code: string; readonly message: string; readonly at: string };
