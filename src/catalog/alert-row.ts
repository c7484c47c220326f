import type { AlertChannel, AlertDeliveryView, AlertMessage, AlertView, Condition } from '../contracts/alert';
import { newId } from '../contracts/ids';
import { storableText } from '../audit/storable';
import { MAX_ATTEMPTS, pauseAfter } from '../domain/alerts/alerts';
import type { AlertDeliveryRow, AlertRow } from './entities';

/** Alerts and messages about them, between the rules and their tables. Pure. */

export const alertRow = (condition: Condition, now: Date): AlertRow => ({
  ...condition,
  message: storableText(condition.message),
  hint: storableText(condition.hint),
  id: newId('alrt', now.getTime()),
  raisedAt: now,
  clearedAt: null,
});

export const deliveryRow = (alertId: string, event: AlertDeliveryRow['event'], channel: AlertChannel, now: Date): AlertDeliveryRow => ({
  id: newId('msg', now.getTime()),
  alertId,
  event,
  channel,
  state: 'waiting',
  attempts: 0,
  nextAttemptAt: now,
  lastProblem: null,
  deliveredAt: null,
});

export const alertView = ({ key: _key, raisedAt, clearedAt, ...row }: AlertRow, serverName: string, deliveries: readonly AlertDeliveryRow[]): AlertView => ({
  ...row,
  serverName,
  raisedAt: raisedAt.toISOString(),
  clearedAt: clearedAt?.toISOString() ?? null,
  deliveries: [...deliveries].sort(byAge).map(deliveryView),
});

export const alertMessage = ({ id, event, channel }: AlertDeliveryRow, row: AlertRow, serverName: string): AlertMessage => {
  const { deliveries: _deliveries, ...alert } = alertView(row, serverName, []);
  // What is told of the beginning does not know the end, however late it is sent.
  return { deliveryId: id, event, channel, alert: event === 'raised' ? { ...alert, clearedAt: null } : alert };
};

/** The row while an attempt is under way: one that is never heard of again (its worker died) is made again after the pause. */
export const attempted = (row: AlertDeliveryRow, now: Date): Pick<AlertDeliveryRow, 'attempts' | 'nextAttemptAt'> => ({
  attempts: row.attempts + 1,
  nextAttemptAt: new Date(now.getTime() + pauseAfter(row.attempts + 1)),
});

/** @param problem null: it was delivered */
export const attemptEnded = (
  { attempts }: AlertDeliveryRow,
  problem: string | null,
  now: Date,
): Pick<AlertDeliveryRow, 'state' | 'lastProblem' | 'deliveredAt'> =>
  problem === null
    ? { state: 'delivered', lastProblem: null, deliveredAt: now }
    : { state: attempts >= MAX_ATTEMPTS ? 'given-up' : 'waiting', lastProblem: storableText(problem), deliveredAt: null };

const byAge = (a: AlertDeliveryRow, b: AlertDeliveryRow): number => (a.event === b.event ? (a.channel < b.channel ? -1 : 1) : a.event === 'raised' ? -1 : 1);

const deliveryView = ({ id, event, channel, state, attempts, lastProblem, deliveredAt }: AlertDeliveryRow): AlertDeliveryView => ({
  id,
  event,
  channel,
  state,
  attempts,
  lastProblem,
  deliveredAt: deliveredAt?.toISOString() ?? null,
});
