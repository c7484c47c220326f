import type { ErrorSummary } from './errors';
import type { WayBackView } from './way-back';

export const RUN_KINDS = ['backup-image', 'backup-data', 'restore-server', 'restore-data', 'undo', 'confirm'] as const;
export type RunKind = (typeof RUN_KINDS)[number];

/** What a person may do with a run now; computed by the server, so that no button lies. */
export const RUN_ACTIONS = ['cancel', 'sign-off', 'go-live', 'undo', 'confirm'] as const;
export type RunAction = (typeof RUN_ACTIONS)[number];

/** A decision of a person that a run waits for. `sign-off`: what people do before go-live is done, such as configuration changes that are applied again.
 * `sign-off-live`: what they do after it; asked for as the other one. */
export const DECISION_KINDS = ['go-live', 'sign-off', 'sign-off-live'] as const;
export type DecisionKind = (typeof DECISION_KINDS)[number];
/** `accepted`: written down, the workflow is not running yet. A run's end state is that of its worst step. */
export const RUN_STATES = ['accepted', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type RunState = (typeof RUN_STATES)[number];
/** Of a run that has ended. */
export const RUN_OUTCOMES = ['succeeded', 'failed', 'cancelled'] as const satisfies readonly RunState[];
export type RunOutcome = (typeof RUN_OUTCOMES)[number];
export const STEP_STATES = ['pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'undone'] as const;
export type StepState = (typeof STEP_STATES)[number];

export const isFinal = (state: RunState): state is RunOutcome => RUN_OUTCOMES.some((outcome) => outcome === state);

/** Observed progress of a copy: never guessed, so that "stalled" can be told from "slow". */
export interface StepProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** When bytes were last seen to move. */
  readonly updatedAt: string;
  /** Over the last twenty seconds; null before two observations. */
  readonly bytesPerSecond: number | null;
  /** At that rate; null when nobody can say. */
  readonly secondsLeft: number | null;
  /** Set when no byte has moved for ten seconds: the moment of the last movement. */
  readonly stalledSince: string | null;
}

/** What a run tries again, or waits for: a part that is away is waited for, and whoever looks on must see which. */
export interface Retrying {
  /** How often it was tried, without the attempt that is under way. */
  readonly attempt: number;
  /** When the last of them has failed, ISO 8601; null: nobody carries it on, for no failure. */
  readonly failedAt: string | null;
  /** When it is tried again, ISO 8601; null: it is under way, or nobody is there to begin. */
  readonly nextAttemptAt: string | null;
  /** What the last attempt has met; or why nobody carries it on. */
  readonly error: ErrorSummary;
}

/** Whether it is not for a failure that it does not go on: nobody carries it on. */
export const isHeldUp = ({ failedAt }: Retrying): boolean => failedAt === null;

export interface RunStepView {
  readonly seq: number;
  /** Stable within the kind of run, such as `copy:vda`. */
  readonly key: string;
  readonly title: string;
  readonly state: StepState;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly progress: StepProgress | null;
  /** Small evidence for people: sizes, states, checksums. */
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
  readonly error: ErrorSummary | null;
}

export interface RunView {
  readonly id: string;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly serverId: string;
  readonly serverName: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly planId: string | null;
  readonly recoveryPointId: string | null;
  /** The backup set it belongs to; null: none. */
  readonly setId: string | null;
  readonly cancelRequested: boolean;
  /** The decision the run waits for; null: none. */
  readonly waitingFor: DecisionKind | null;
  readonly allowedActions: readonly RunAction[];
  /** What the run has kept of the server it replaced; null when it has replaced nothing. */
  readonly wayBack: WayBackView | null;
  readonly error: ErrorSummary | null;
  /** Null: nothing, and in lists. */
  readonly retrying: Retrying | null;
  /** Restores only: from the accepted request until the health checks had passed, or the data was in place. */
  readonly recoverySeconds: number | null;
  /** Restores only: from the point in time of the oldest recovery point that was used to the incident: what was lost, in seconds. */
  readonly lostSeconds: number | null;
  readonly steps: readonly RunStepView[];
}

export interface AuditEntryView {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly runId: string | null;
  readonly serverId: string | null;
  readonly details: Readonly<Record<string, unknown>>;
  readonly previousHash: string;
  readonly hash: string;
}

export type AuditVerification =
  | { readonly intact: true; readonly entries: number; readonly headHash: string }
  | { readonly intact: false; readonly entries: number; readonly firstBadSeq: number; readonly problem: string };
