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

/**
 * How a marker is read. `${…}` in texts stands for parameters of the relation, and for `server`, `peer` (the names of the two) and `address` (of the one that is
 * read). Never for a marker: what one guest says would be run in another.
 */
export type ProbeSpec =
  /** A program in the guest of the one that is read; its standard output. No shell. `prefix`: only the lines that begin with it, without it (`linesAfter`). */
  | { readonly kind: 'command'; readonly argv: GuestArgv; readonly user?: string; readonly prefix?: string }
  /**
   * One query, run in the guest by the database's own client; the first column of all rows, a row a line. `port`: of PostgreSQL, where a guest has several
   * servers; its client finds the one of 5432 without.
   */
  | {
      readonly kind: 'sql';
      readonly engine: 'postgresql' | 'mysql';
      readonly database: string;
      readonly user: string;
      readonly port?: string;
      readonly query: string;
    }
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
  /** What is known without anything of the profile's own. */
  | { readonly kind: 'fact'; readonly fact: ProbeFact };

/**
 * `generation-id` (type `text`): of the domain's definition, in lower case, or `none`. `point-in-time` (`timestamp`): of the recovery point that is restored;
 * no probe reads it, the judge knows it. `clock` (`timestamp`): the guest's clock, as its
 * agent says.
 */
export const PROBE_FACTS = ['generation-id', 'point-in-time', 'clock'] as const;
export type ProbeFact = (typeof PROBE_FACTS)[number];

export interface MarkerSpec {
  readonly name: string;
  readonly type: MarkerType;
  readonly of: MarkerSubject;
  readonly probe: ProbeSpec;
  /** How long it may take. */
  readonly timeoutSeconds: number;
  /** Whether its value is stored with every image. */
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

export const AGE_UNITS = ['minutes', 'hours', 'days'] as const;
export type AgeUnit = (typeof AGE_UNITS)[number];

/** A number; that of a parameter of the relation; or that of a `counter`. */
export type AgeLimit = number | { readonly parameter: string } | { readonly marker: MarkerReference };

/**
 * What a rule asks. Each holds, does not hold, or is not known: what is asked of a marker that was not read is not known, and so is what comes out as
 * `incomparable` where a rule does not ask for that.
 */
export type RuleCondition =
  /**
   * How the one stands to the other. Both are of one type. `from`: only what comes from this source, a server's UUID of a `gtid-set` or a provider's id of a
   * `csn-set`; not known where neither has anything from it. `${…}` in it may name markers.
   */
  | { readonly compare: MarkerReference; readonly with: MarkerReference; readonly is: readonly RuleOrder[]; readonly from?: string }
  /**
   * Whether a server that has come to `position` (an `lsn`) on the timeline that `history` ends with could go on with `line` (both `timeline-history`): the
   * position lies on it, and the two histories have not diverged. Where `line` is still on that timeline, every later position does, too; how far it has come is asked by `compare`.
   */
  | { readonly position: MarkerReference; readonly history: MarkerReference; readonly line: MarkerReference; readonly isOn: boolean }
  /** A value by itself: equal to (`equals`), or other than (`differs`), a text. One of the two. */
  | { readonly value: MarkerReference; readonly equals?: string; readonly differs?: string }
  /** Texts of the relation, such as `${primary}` and `${server}`; always known. One of the two. */
  | { readonly text: string; readonly equals?: string; readonly differs?: string }
  /** Whether a moment is so long ago, or longer; of a recovery point its point in time. A moment to come is not. */
  | { readonly age: MarkerReference | 'recovery-point'; readonly atLeast: AgeLimit; readonly unit: AgeUnit }
  /** Whether a clock is so far, or further, from the moment at which it was read, in either direction. */
  | { readonly skew: MarkerReference; readonly atLeast: AgeLimit; readonly unit: AgeUnit };

/** What makes it good again; part of the plan where the severity is `step`. */
export interface RuleStep {
  /** `${…}` as in a message. */
  readonly title: string;
  /** Null: people do it, and sign it off. Else a program in the guest of `on`. `${…}`: parameters, `server`, `peer`; never a marker. */
  readonly argv: GuestArgv | null;
  readonly on: 'server' | 'peer';
  /** Before the restored server gets its network, or after. */
  readonly when: 'quarantine' | 'live';
  /** Of a step on the peer: it is made anew from the server, and nothing of its own is needed for that. Absent: no. */
  readonly reseeds?: true | undefined;
}

export const RULE_SEVERITIES = ['warn', 'step', 'block'] as const satisfies readonly FindingSeverity[];
export type RuleSeverity = (typeof RULE_SEVERITIES)[number];

/** Codes of findings that are no rule's: no rule may have them. */
export const JUDGE_CODES = [
  /** What one of the two says now could not be read. */
  'SERVER_UNKNOWN',
  'PEER_UNKNOWN',
  /** The recovery point has no value of a marker, or none that can be read. */
  'MARKER_NOT_CAPTURED',
  /** Two values were read, and nothing can be said of how one stands to the other. */
  'MARKERS_INCOMPARABLE',
  /** The recovery point is from a moment to come. */
  'CLOCKS_DISAGREE',
  /** A parameter of the relation, or the profile itself, asks for what cannot be asked. */
  'RULE_UNUSABLE',
  'PROFILE_EXPERIMENTAL',
  /** No rule has found anything. */
  'RELATION_AGREES',
] as const;
export type JudgeCode = (typeof JUDGE_CODES)[number];

export interface Rule {
  /** Stable, such as `STANDBY_AHEAD`. */
  readonly code: string;
  readonly phases: readonly RulePhase[];
  /** All of them have to hold. One that does not hold decides it, whatever of the others is not known. */
  readonly when: readonly [RuleCondition, ...RuleCondition[]];
  /** Never `ok`: what no rule speaks about is. In the phase `live` nothing is left to block: there it says that the two do not work together. */
  readonly severity: RuleSeverity;
  /** With `${…}`: parameters, `server`, `peer`, and markers as `${server.NAME.now}`, `${peer.NAME.recovery-point}`. */
  readonly message: string;
  /** `${…}` as in a message. */
  readonly remedy: string | null;
  /** With the severity `step`, and only with it. */
  readonly step: RuleStep | null;
  /** What it finds is settled best by restoring both, to recovery points that agree: plans name such a set first. Absent: no. */
  readonly together?: true | undefined;
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

/** A profile as it was found. */
export interface LoadedProfile {
  readonly profile: Profile;
  /** `shipped`: it comes with Modosu; `own`: people have added it. */
  readonly origin: 'shipped' | 'own';
  readonly file: string;
}

/** Why a profile was not loaded. */
export interface ProfileProblem {
  /** By the name of its file; null: of a whole directory, and nobody knows which profiles are missing because of it. */
  readonly profile: string | null;
  /** Lines with file, line, column, path and what is wrong. */
  readonly errors: readonly string[];
}

/** What a look at the files of profiles has found. */
export interface FoundProfiles {
  /** In the order of their names, each once. */
  readonly profiles: readonly LoadedProfile[];
  readonly problems: readonly ProfileProblem[];
}

/** What a probe has read, with what it said as evidence. */
export type MarkerReading =
  /** `value`: what is to be read as the marker's type. `raw`: all that was printed. `at`: ISO 8601; of clocks, as near to the reading as can be. */
  | { readonly state: 'read'; readonly value: string; readonly raw: string; readonly at: string }
  | { readonly state: 'failed'; readonly code: string; readonly message: string; readonly at: string };

/** By `nameOfMarker` of the reference, such as `peer.wal-position.now`. What is not in it was not read. */
export type MarkerReadings = Readonly<Partial<Record<string, MarkerReading>>>;

/** A step that a plan gains because of a finding, its texts filled in. */
export interface PlannedRuleStep extends Omit<RuleStep, 'reseeds'> {
  /** Of the rule that asks for it. */
  readonly code: string;
}
