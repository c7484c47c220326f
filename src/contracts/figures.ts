import type { RecoveryPointKind } from './recovery-point';
import type { RunKind, RunState, StepState } from './run';

/** Runs of one kind in one state, over the whole history. */
export interface RunFigures {
  readonly kind: RunKind;
  readonly state: RunState;
  readonly count: number;
}

/**
 * Steps of one sort (`copy` of `copy:vda`) that have ended by themselves, over the whole history. One that was undone afterwards had succeeded and stays
 * counted: figures never fall.
 */
export interface StepFigures {
  readonly kind: RunKind;
  readonly step: string;
  readonly state: Extract<StepState, 'succeeded' | 'failed'>;
  readonly count: number;
  readonly seconds: number;
  /** How many took no longer than each of `STEP_SECONDS`. */
  readonly within: readonly number[];
  /** What they have moved, where they count bytes. */
  readonly bytes: number;
}

/** Recovery points of one server and sort. */
export interface RecoveryPointFigures {
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  /** null: images. */
  readonly dataSet: string | null;
  readonly usable: number;
  readonly damaged: number;
  readonly expired: number;
  /** Point in time of the newest usable one, without those taken as a safety before a restore; null: none is left. */
  readonly newestUsable: Date | null;
}

/** What the newest measured restore of a server took and lost. */
export interface RecoveryFigures {
  readonly serverId: string;
  readonly kind: RunKind;
  readonly recoverySeconds: number;
  readonly lostSeconds: number | null;
}

/** What a monitoring system asks for again and again; counted from what is stored, so that it outlives every process. */
export interface CatalogFigures {
  readonly runs: readonly RunFigures[];
  /** Runs that wait for a person. */
  readonly waiting: number;
  readonly steps: readonly StepFigures[];
  readonly recoveryPoints: readonly RecoveryPointFigures[];
  readonly recoveries: readonly RecoveryFigures[];
  /** Ways back that are open, and of these the ones whose time is over. */
  readonly wayBacks: { readonly open: number; readonly expired: number };
}

/** Upper bounds, in seconds, of the classes in which durations of steps are counted. */
export const STEP_SECONDS = [1, 5, 30, 120, 600, 3600, 14_400, 86_400] as const;
