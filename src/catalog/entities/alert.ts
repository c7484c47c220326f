import { EntitySchema } from 'typeorm';
import type { AlertChannel, AlertDeliveryState, AlertEvent, Condition } from '../../contracts/alert';
import { instant, integer, primary, text } from './columns';

export interface AlertRow extends Condition {
  readonly id: string;
  readonly raisedAt: Date;
  /** Null: it is still so. */
  readonly clearedAt: Date | null;
}

export const AlertEntity = new EntitySchema<AlertRow>({
  name: 'alert',
  columns: {
    id: text(primary),
    key: text(),
    kind: text(),
    code: text(),
    serverId: text({ name: 'server_id' }),
    runId: text({ name: 'run_id', nullable: true }),
    message: text(),
    hint: text(),
    raisedAt: instant({ name: 'raised_at' }),
    clearedAt: instant({ name: 'cleared_at', nullable: true }),
  },
  indices: [
    { name: 'alert_open_key', columns: ['key'], unique: true, where: 'cleared_at IS NULL' },
    { name: 'alert_newest_idx', columns: ['raisedAt', 'id'] },
  ],
  checks: [{ name: 'alert_kind_check', expression: `kind IN ('breach', 'run-failed', 'waiting', 'damaged')` }],
  foreignKeys: [
    { name: 'alert_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'alert_run_fkey', target: 'run', columnNames: ['runId'], referencedColumnNames: ['id'] },
  ],
});

export interface AlertDeliveryRow {
  readonly id: string;
  readonly alertId: string;
  readonly event: AlertEvent;
  readonly channel: AlertChannel;
  readonly state: AlertDeliveryState;
  readonly attempts: number;
  readonly nextAttemptAt: Date;
  readonly lastProblem: string | null;
  readonly deliveredAt: Date | null;
}

export const AlertDeliveryEntity = new EntitySchema<AlertDeliveryRow>({
  name: 'alert_delivery',
  columns: {
    id: text(primary),
    alertId: text({ name: 'alert_id' }),
    event: text(),
    channel: text(),
    state: text(),
    attempts: integer(),
    nextAttemptAt: instant({ name: 'next_attempt_at' }),
    lastProblem: text({ name: 'last_problem', nullable: true }),
    deliveredAt: instant({ name: 'delivered_at', nullable: true }),
  },
  uniques: [{ name: 'alert_delivery_once_key', columns: ['alertId', 'channel', 'event'] }],
  indices: [{ name: 'alert_delivery_waiting_idx', columns: ['nextAttemptAt', 'id'], where: `state = 'waiting'` }],
  checks: [
    { name: 'alert_delivery_event_check', expression: `event IN ('raised', 'cleared')` },
    { name: 'alert_delivery_channel_check', expression: `channel IN ('webhook', 'email')` },
    {
      name: 'alert_delivery_state_check',
      expression: `state IN ('waiting', 'delivered', 'given-up') AND (state = 'delivered') = (delivered_at IS NOT NULL)`,
    },
  ],
  foreignKeys: [{ name: 'alert_delivery_alert_fkey', target: 'alert', columnNames: ['alertId'], referencedColumnNames: ['id'] }],
});
