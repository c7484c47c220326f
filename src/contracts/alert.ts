import type { DecisionKind } from './run';

/** What people must hear of without looking: one message when it begins, one when it is over. */

/** `breach`: a server is not protected as its policy promises. The others: a run failed, a run waits for somebody's word, a recovery point is damaged. */
export type AlertKind = 'breach' | 'run-failed' | 'waiting' | 'damaged';

/** Something that is so now. */
export interface Condition {
  /** The same condition has the same key, however often it is looked at. */
  readonly key: string;
  readonly kind: AlertKind;
  /** Code of the breach or of the error; `WAITING_FOR_GO_LIVE`, `WAITING_FOR_SIGN_OFF`, `RECOVERY_POINT_DAMAGED`. */
  readonly code: string;
  readonly serverId: string;
  readonly runId: string | null;
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
}

export type AlertState = 'open' | 'cleared';
export type AlertEvent = 'raised' | 'cleared';
/** By what people are told. */
export type AlertChannel = 'webhook' | 'email';
/** `given-up`: it was tried for a day at least, or what it tells has been over for a day, or its beginning was never told. */
export type AlertDeliveryState = 'waiting' | 'delivered' | 'given-up';

/** One message about an alert, and how its sending went. */
export interface AlertDeliveryView {
  readonly id: string;
  readonly event: AlertEvent;
  readonly channel: AlertChannel;
  readonly state: AlertDeliveryState;
  readonly attempts: number;
  /** What kept the last attempt from succeeding. */
  readonly lastProblem: string | null;
  readonly deliveredAt: string | null;
}

/** A condition that has come up, as it was then. */
export interface AlertView extends Omit<Condition, 'key'> {
  readonly id: string;
  readonly serverName: string;
  readonly raisedAt: string;
  /** Null: it is still so. */
  readonly clearedAt: string | null;
  /** In the order in which they are sent. */
  readonly deliveries: readonly AlertDeliveryView[];
}

/** What a channel sends. */
export interface AlertMessage {
  readonly deliveryId: string;
  readonly event: AlertEvent;
  readonly channel: AlertChannel;
  readonly alert: Omit<AlertView, 'deliveries'>;
}

/** What conditions are found in, beside the estate's protection. */
export interface AlertFacts {
  /** The last run of each kind of each server that has ended, where it failed. */
  readonly failedRuns: readonly { readonly serverId: string; readonly kind: string; readonly runId: string; readonly code: string; readonly message: string }[];
  readonly waitingRuns: readonly { readonly serverId: string; readonly runId: string; readonly waitingFor: DecisionKind }[];
  readonly damaged: readonly {
    readonly serverId: string;
    readonly recoveryPointId: string;
    /** Where it began, of one that is damaged only because of what it builds on; null: it is damaged by itself. */
    readonly origin: string | null;
    readonly why: string | null;
  }[];
}
