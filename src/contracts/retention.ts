import type { RecoveryPointKind } from './recovery-point';
import type { Decommissioning } from './server';

/** What retention says about recovery points. */

export type RetentionRule =
  | 'last'
  | 'hourly'
  | 'daily'
  | 'weekly'
  | 'monthly'
  | 'yearly'
  | 'within'
  | 'newest'
  | 'last-verified'
  | 'last-booted'
  | 'unreachable'
  | 'inherited'
  | 'under-data'
  | 'parent'
  | 'hold'
  | 'in-use'
  | 'safety'
  | 'no-policy'
  | 'clock';

export interface ReasonToKeep {
  readonly rule: RetentionRule;
  /** For people, such as `2026-W48, 2 of 4`. */
  readonly detail: string;
}

export interface RetentionVerdict {
  readonly recoveryPointId: string;
  readonly verdict: 'keep' | 'expire';
  /** Why it stays; empty when it expires. */
  readonly reasons: readonly ReasonToKeep[];
}

export interface RetentionPreviewItem extends RetentionVerdict {
  readonly kind: RecoveryPointKind;
  readonly dataSet: string | null;
  readonly pointInTime: string;
  /** Since when no rule keeps it; null: it has not expired. */
  readonly expiredAt: string | null;
}

/** What retention would do with the recovery points of a server. */
export interface RetentionPreview {
  readonly serverId: string;
  readonly serverName: string;
  readonly policy: string | null;
  /** Null: the server is in service. */
  readonly decommissioned: Decommissioning | null;
  readonly at: string;
  readonly keep: number;
  readonly expire: number;
  /** Every one, newest first. */
  readonly items: readonly RetentionPreviewItem[];
}
