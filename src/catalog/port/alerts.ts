import type { AlertChannel, AlertMessage, AlertState, AlertView } from '../../contracts/alert';
import type { Page, PageRequest } from './requests';

/** What people are told, and how the telling went. */
export interface AlertCatalog {
  /**
   * Compares what is so now (breaches of policies, failed runs, runs that wait, damaged recovery points) with the open alerts: raises those that are new,
   * clears those that are over, and writes down a message for each: that it began to every channel given which has none of it yet, that it is over to every
   * channel that was told. One process at a time; where another compares, nothing is done. Not audited: alerts are a history of their own.
   *
   * @param isBelieved asked with the time it would go by, which is the same for all processes; false: nothing is done
   */
  reviewAlerts(channels: readonly AlertChannel[], isBelieved?: (now: Date) => boolean): Promise<{ readonly raised: number; readonly cleared: number }>;
  /**
   * Takes the channel's next message whose time has come; null: there is none. Nobody else is given it until its pause is over. What a condition
   * was (it began, it is over, it began again) is told in this order: one that waits keeps the later ones.
   */
  nextAlertMessage(channel: AlertChannel): Promise<AlertMessage | null>;
  /** How the attempt went; `problem` null: it was delivered. After a day of attempts, or more, it is given up, and nobody is told of its end. Of one that has ended: ignored. */
  recordAlertAttempt(deliveryId: string, problem: string | null): Promise<void>;
  /** Newest first. */
  listAlerts(filter: { readonly serverId?: string; readonly state?: AlertState }, page: PageRequest): Promise<Page<AlertView>>;
}
