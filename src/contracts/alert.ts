import type { DecisionKind } from './run';

/** What people must hear of without looking: one message when it begins, one when it is over. */

/** `breach`: a server is not protected as its policy promises. The others: a run failed, a run waits for somebody's word, a recovery point is damaged. */
export const ALERT_KINDS = ['breach', 'run-failed', 'waiting', 'damaged'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

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

export const ALERT_STATES = ['open', 'cleared'] as const;
export type AlertState = (typeof ALERT_STATES)[number];
export const ALERT_EVENTS = ['raised', 'cleared'] as const;
export type AlertEvent = (typeof ALERT_EVENTS)[number];
/** By what people are told. */
export const ALERT_CHANNELS = ['webhook', 'email'] as const;
export type AlertChannel = (typeof ALERT_CHANNELS)[number];
/** `given-up`: it was tried for a day at least, or what it tells has been over for a day, or its beginning was never told. */
export const ALERT_DELIVERY_STATES = ['waiting', 'delivered', 'given-up'] as const;
export type AlertDeliveryState = (typeof ALERT_DELIVERY_STATES)[number];

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
