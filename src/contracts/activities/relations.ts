import type { ErrorSummary } from '../errors';
import type { DueJudgements } from '../judgement';
import type { Finding } from '../plan';
import type { ImageReadings, ProbeJob, ReadCounts, ReadingMoment, RunJudgement, StepProgram } from '../reading';

/**
 * Asking servers of each other, and judging what they said. Activity interfaces, shared by workflows (which call them) and `activities/` (which implement them). Arguments and results travel through Temporal's history: ids,
 * paths and small summaries only.
 */

/** Markers of which server are read, and for what. */
export interface ReadingRequest {
  /** Of the plan or the run. */
  readonly id: string;
  readonly serverId: string;
  readonly moment: ReadingMoment;
  /** The plan by whose relations they are read; absent: by those that are declared now. */
  readonly planId?: string;
  /** Names of servers that go back together with it: they are not asked. Absent: none. */
  readonly together?: readonly string[];
}

/** What servers say of each other; queue `control`. */
export interface RelationActivities {
  /**
   * Which servers are asked what, for the relations in which this server goes back in time. What cannot be asked as it is declared is written down as that. Servers
   * that are out of service are not asked. Empty: no rules judge it.
   */
  readingJobs(request: ReadingRequest): Promise<readonly ProbeJob[]>;
  /** The same for an image (`capture`), and of which relations nothing can be read, because their profiles are not there: these are written down as not read. */
  readingsOfImage(request: Pick<ReadingRequest, 'id' | 'serverId'>): Promise<ImageReadings>;
  /** Nobody could be asked: each of its markers is written down as not read. */
  recordUnread(job: ProbeJob, why: ErrorSummary): Promise<void>;
  /** Where the peers of a plan's relations are, and the other members of its set. */
  peersOf(planId: string): Promise<readonly ProbeJob['target'][]>;
  /** What rules make of what was read in this moment of a run, beside what was accepted with its plan. */
  judgeRun(request: { readonly runId: string; readonly planId: string; readonly moment: Exclude<ReadingMoment, 'capture' | 'plan'> }): Promise<RunJudgement>;
  /** What stands against the undo of a restore by what was read right before it (`recheck`), and that its plan does not say. Empty: nothing does. */
  judgeUndo(request: { readonly runId: string; readonly planId: string }): Promise<readonly Finding[]>;
  /** What rules make of a server that an undo has brought back, by what was read since (`live`), beside what was accepted with its plan. */
  judgeUndone(request: { readonly runId: string; readonly planId: string }): Promise<RunJudgement>;
}

/** Judging newest images before they are needed; queue `control`. */
export interface JudgementActivities {
  /** For whom a judgement is asked for now. */
  dueJudgements(): Promise<DueJudgements>;
  /** Judges these servers by what was read for them last, and writes it down. One that has no usable image any more is not judged. */
  judgeStored(request: { readonly begunAt: string; readonly serverIds: readonly string[] }): Promise<JudgedCounts>;
  /** It could not even be found out whom to ask: that is what is known of it. */
  recordUnjudged(request: { readonly begunAt: string; readonly serverId: string; readonly why: ErrorSummary }): Promise<void>;
}

/** So many servers were judged, and so many of these could not come back alone, or nobody knows. */
export interface JudgedCounts {
  readonly judged: number;
  readonly block: number;
  readonly unknown: number;
}

/** Asks servers near one hypervisor, by whatever relation; queue `host.<hypervisor>`. */
export interface PeerActivities {
  /** Asks, once more what did not answer in time, writes down what was answered or why not, and throws for nothing that the server does. Called again: asks again. */
  readMarkers(job: ProbeJob): Promise<ReadCounts>;
  /** Runs what a rule has done in the guest of a peer; as `applyChange`, without a fence: no run holds that server. */
  runInPeer(target: ProbeJob['target'], program: StepProgram): Promise<AppliedChange>;
}

/** What came of it. */
export interface AppliedChange {
  readonly isApplied: boolean;
  /** Exit code and the end of what the program said, for people; or why it did not end. */
  readonly evidence: string;
}
