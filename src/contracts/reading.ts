import type { GuestArgv } from './data';
import type { MarkerReading, MarkerSpec, PlannedRuleStep, RulePhase } from './profile';
import type { Finding } from './plan';
import type { RelationType } from './relation';

/** What probes have read of servers for their relations: who asks when, what is kept, and what a plan and a run know of it. */

/** Of one relation and one of its peers: which of the two was read. */
export interface RelationSide {
  /** Name of the relation. */
  readonly relation: string;
  /** Name of the peer. */
  readonly peer: string;
  readonly of: 'server' | 'peer';
}

/** What was read of it, by name of the marker. */
export interface SideReadings extends RelationSide {
  readonly readings: Readonly<Record<string, MarkerReading>>;
}

/** Under this name in `readings` stands, with an image, why nothing at all was read of the side. No marker of a profile can be called so. */
export const ALL_MARKERS = '*';

/**
 * When markers are read. `capture`: right before the point in time of an image, for its recovery point. `plan`: for a plan. `recheck`: right before the server is
 * replaced. `quarantine`, `live`: before and after go-live.
 */
export const READING_MOMENTS = ['capture', 'plan', 'recheck', 'quarantine', 'live'] as const;
export type ReadingMoment = (typeof READING_MOMENTS)[number];

/** What readings are kept under: the id of the plan or the run, and of a run the moment. A second reading of a marker on one occasion replaces the first. */
export const occasionOf = (id: string, moment: ReadingMoment): string => (moment === 'plan' || moment === 'capture' ? id : `${id}:${moment}`);

/** One server, asked once for the markers of all sides for which the same is asked of it. */
export interface ProbeJob {
  readonly occasion: string;
  readonly sides: readonly RelationSide[];
  readonly target: {
    readonly serverId: string;
    readonly serverName: string;
    readonly uuid: string;
    readonly hypervisor: string;
    /** Where a worker reaches it; null: nowhere. */
    readonly address: string | null;
  };
  /** With everything filled in. */
  readonly specs: readonly MarkerSpec[];
}

/** A relation of which nothing can be read, because nobody can say what there is to read: its profile is not there. */
export interface UnreadRelation {
  /** Its name, and those of its peers in service. */
  readonly relation: string;
  readonly peers: readonly string[];
  readonly code: 'PROFILE_NOT_FOUND' | 'PROFILE_INVALID';
  readonly message: string;
}

/** What is read for an image. */
export interface ImageReadings {
  readonly jobs: readonly ProbeJob[];
  /** What its recovery point has no markers of; written down as that. */
  readonly unread: readonly UnreadRelation[];
}

/** What came of one job. */
export interface ReadCounts {
  readonly read: number;
  readonly failed: number;
}

/** A program that a step runs in a guest. */
export interface StepProgram {
  readonly argv: GuestArgv;
  readonly timeoutSeconds: number;
}

/** A relation that a plan was judged by, with one of its peers. */
export interface PlannedRelation {
  readonly name: string;
  readonly type: RelationType;
  /** Where workers reach the server and the peer; null: nowhere. */
  readonly serverAddress: string | null;
  readonly peer: string;
  readonly address: string | null;
  readonly profile: string;
  /** Of its canonical JSON: a profile that was changed since would judge otherwise. */
  readonly profileSha256: string;
  /** For which the profile had rules: what of a run has to be judged by it. */
  readonly phases: readonly RulePhase[];
  /** Those of them in which rules may ask for steps that the plan cannot know of. Absent: none, or in a plan that is older than this. */
  readonly asksIn?: readonly Exclude<RulePhase, 'plan'>[];
  readonly parameters: Readonly<Record<string, string>>;
}

/** A step that a rule asks for, in the order of the run. */
export interface PlannedRelationStep extends PlannedRuleStep {
  /** Of the run's step, such as `rule:STANDBY_TO_REBUILD:db02`. */
  readonly key: `rule:${string}`;
  readonly relation: string;
  readonly peer: string;
}

/** What rules say of a run in one of its moments. */
export interface RunJudgement {
  /** What stands in the way now, and that nobody has accepted with the plan. Empty: nothing does. */
  readonly against: readonly Finding[];
  /** Relations that were judged. */
  readonly judged: number;
  /** What rules ask for in this moment. `recheck`: the steps of the plan with what is known now. */
  readonly steps: readonly PlannedRelationStep[];
  /** What is no reason to stop, and has to be seen all the same. Absent in what older workers have said. */
  readonly warnings?: readonly Finding[];
  /** True: what is not known yet may ask for steps. It is asked again, and stands against nothing by itself. Absent: not so, and in what older workers have said. */
  readonly isOpen?: boolean;
}
