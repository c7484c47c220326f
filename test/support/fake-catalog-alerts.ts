import type { AlertFacts, AlertMessage } from '../../src/contracts/alert';
import type { EstateStatus } from '../../src/contracts/protection-status';
import { alertMessage, alertRow, alertView, attempted, attemptEnded, deliveryRows } from '../../src/catalog/alert-row';
import type { Catalog, Page, PageRequest } from '../../src/catalog/catalog';
import type { AlertDeliveryRow, AlertRow, RecoveryPointRow, RunRow } from '../../src/catalog/entities';
import { isFinal } from '../../src/contracts/run';
import { alertChanges, conditionsOf, isDueForSending } from '../../src/domain/alerts/alerts';

/** What the rest of the catalogue in memory offers. */
export interface AlertSurroundings {
  now(): Date;
  nameOf(serverId: string): string;
  protection(): Pick<EstateStatus, 'servers'>;
  runs(): readonly RunRow[];
  points(): readonly RecoveryPointRow[];
  page<Item>(rows: readonly AlertRow[], page: PageRequest, view: (row: AlertRow) => Item): Page<Item>;
}

/** Alerts and their messages, in memory. */
export class FakeAlerts {
  private readonly alerts = new Map<string, AlertRow>();
  private readonly deliveries = new Map<string, AlertDeliveryRow>();

  constructor(private readonly around: AlertSurroundings) {}

  review: Catalog['reviewAlerts'] = async (channels) => {
    const { around } = this;
    const breaches = around.protection().servers.flatMap((server) => server.breaches);
    const conditions = conditionsOf(breaches, this.facts(), around.nameOf);
    const { raise, clear } = alertChanges(
      [...this.alerts.values()].filter(({ clearedAt }) => clearedAt === null),
      conditions,
    );
    for (const condition of raise) {
      const row = alertRow(condition, around.now());
      this.alerts.set(row.id, row);
      this.add(deliveryRows(row.id, 'raised', channels, around.now()));
    }
    for (const row of clear) {
      this.alerts.set(row.id, { ...row, clearedAt: around.now() });
      const told = new Set(this.of(row.id).map(({ channel }) => channel));
      this.add(
        deliveryRows(
          row.id,
          'cleared',
          channels.filter((channel) => told.has(channel)),
          around.now(),
        ),
      );
    }
    return { raised: raise.length, cleared: clear.length };
  };

  next: Catalog['nextAlertMessage'] = async (wanted): Promise<AlertMessage | null> => {
    const now = this.around.now();
    const isFirst = (row: AlertDeliveryRow): boolean =>
      row.event === 'raised' || !this.of(row.alertId).some(({ channel, event, state }) => channel === row.channel && event === 'raised' && state === 'waiting');
    const [row] = [...this.deliveries.values()]
      .filter(({ state, channel, nextAttemptAt }) => state === 'waiting' && channel === wanted && isDueForSending(nextAttemptAt, now))
      .filter(isFirst)
      .sort((a, b) => a.nextAttemptAt.getTime() - b.nextAttemptAt.getTime() || (a.id < b.id ? -1 : 1));
    const alert = row === undefined ? undefined : this.alerts.get(row.alertId);
    if (row === undefined || alert === undefined) return null;
    this.deliveries.set(row.id, { ...row, ...attempted(row, now) });
    return alertMessage(row, alert, this.around.nameOf(alert.serverId));
  };

  recordAttempt: Catalog['recordAlertAttempt'] = async (deliveryId, problem) => {
    const row = this.deliveries.get(deliveryId);
    if (row?.state === 'waiting') this.deliveries.set(row.id, { ...row, ...attemptEnded(row, problem, this.around.now()) });
  };

  list: Catalog['listAlerts'] = async ({ serverId, state }, page) =>
    this.around.page(
      [...this.alerts.values()].filter(
        (row) => (serverId === undefined || row.serverId === serverId) && (state === undefined || (row.clearedAt === null) === (state === 'open')),
      ),
      page,
      (row) => alertView(row, this.around.nameOf(row.serverId), this.of(row.id)),
    );

  private add(rows: readonly AlertDeliveryRow[]): void {
    for (const row of rows) this.deliveries.set(row.id, row);
  }

  private of(alertId: string): readonly AlertDeliveryRow[] {
    return [...this.deliveries.values()].filter((row) => row.alertId === alertId);
  }

  private facts(): AlertFacts {
    const newestFirst = this.around
      .runs()
      .filter(({ state }) => isFinal(state))
      .sort((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime() || (a.id < b.id ? 1 : -1));
    const lastOfEach = newestFirst.filter((run, at) => newestFirst.findIndex(({ serverId, kind }) => serverId === run.serverId && kind === run.kind) === at);
    return {
      failedRuns: lastOfEach.flatMap(({ state, serverId, kind, id, error }) =>
        state === 'failed' ? [{ serverId, kind, runId: id, code: error?.code ?? 'INTERNAL', message: error?.message ?? '' }] : [],
      ),
      waitingRuns: this.around.runs().flatMap(({ waitingFor, serverId, id }) => (waitingFor === null ? [] : [{ serverId, runId: id }])),
      damaged: this.around
        .points()
        .flatMap(({ state, serverId, id, stateReason }) => (state === 'damaged' ? [{ serverId, recoveryPointId: id, why: stateReason }] : [])),
    };
  }
}
