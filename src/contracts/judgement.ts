import type { Finding, FindingSeverity } from './plan';
import type { SideReadings } from './reading';

/** What newest images are judged to be, before anybody needs them: every night, as if they were restored now. */

/** What came of it. */
export interface Judgement {
  /** The image that was judged; null: it could not be judged, and that is the finding. */
  readonly recoveryPointId: string | null;
  readonly worst: FindingSeverity;
  /** All that a plan would say because of relations. */
  readonly findings: readonly Finding[];
}

/** One server and what is known of it. */
export interface JudgementView {
  readonly serverId: string;
  readonly serverName: string;
  /** Somebody, or the night, has asked for a judgement that has not come yet. */
  readonly isAsked: boolean;
  /** Null: it was never judged. */
  readonly judged:
    | (Judgement & {
        /** ISO 8601. */
        readonly judgedAt: string;
        /** Since when the worst finding is as severe as this, ISO 8601. */
        readonly since: string;
      })
    | null;
}

/** What of a judgement a server's protection is judged by: of servers in service that have a usable image, and relations that say anything of their going back. */
export interface JudgementFacts {
  readonly serverId: string;
  /** Since when a judgement is waited for, ISO 8601; null: none is. */
  readonly askedAt: string | null;
  readonly judged:
    | (Omit<NonNullable<JudgementView['judged']>, 'findings'> & {
        /** Those that keep it from coming back as it is, or may: `block`, `unknown`, `step`. */
        readonly findings: readonly ComebackFinding[];
      })
    | null;
}

/** A finding as it is told in short; its evidence is with the judgement. */
export type ComebackFinding = Omit<Finding, 'evidence'>;

/**
 * Whether a server could come back alone: its newest image, beside its peers as they were when they were asked last. `block`: it could not. `unknown`: nobody knows.
 * `step`: it could, with steps that its rules name.
 */
export interface Comeback {
  /** Null: it was not judged yet. */
  readonly verdict: FindingSeverity | null;
  /** Since when the verdict is so, ISO 8601. */
  readonly since: string | null;
  readonly judgedAt: string | null;
  /** Nobody has judged it for a day and a half: it may be otherwise by now. */
  readonly isOutdated: boolean;
  readonly recoveryPointId: string | null;
  readonly findings: readonly ComebackFinding[];
}

/** What a server would be judged by: its newest usable image, and what was read for it last. */
export interface StoredState {
  readonly serverId: string;
  readonly recoveryPointId: string;
  /** Of the image, ISO 8601. */
  readonly pointInTime: string;
  /** Stored with the image. */
  readonly captured: readonly SideReadings[];
  /** Read for a judgement. */
  readonly present: readonly SideReadings[];
}

/** Servers whose judgement is asked for. */
export interface DueJudgements {
  /** What was asked until then is answered by what begins now, ISO 8601. */
  readonly begunAt: string;
  readonly serverIds: readonly string[];
  /** There are others. */
  readonly areMore: boolean;
}

/** What peers say for a judgement is kept under this. */
export const nightOccasion = (serverId: string): string => `night:${serverId}`;
