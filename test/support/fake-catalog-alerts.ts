import type { AlertFacts, AlertMessage } from '../../src/contracts/alert';
import type { EstateStatus } from '../../src/contracts/protection-status';
import { alertMessage, alertRow, alertView, attempted, attemptEnded, deliveryRow } from '../../src/catalog/alert-row';
import type { Catalog, Page, PageRequest } from '../../src/catalog/catalog';
import { restoreSetOf } from '../../src/catalog/restore-set-of';
import type { AlertDeliveryRow, AlertRow, RecoveryPointRow, RunRow } from '../../src/catalog/entities';
import { isFinal } from '../../src/contracts/run';
import { alertChanges, conditionsOf, isDueForSending, OUTDATED_AFTER_MS } from '../../src/domain/alerts/alerts';

/** What the rest of the catalogue in memory offers. */
export interface AlertSurroundings {
  now(): Date;
  nameOf(serverId: string): string;
  isInService(serverId: string): boolean;
  protection(): Pick<EstateStatus, 'servers'>;
  runs(): readonly RunRow[];
  isRunningSet(restoreSetId: string | null): boolean;
  points(): readonly RecoveryPointRow[];
  page<Item>(rows: readonly AlertRow[], page: PageRequest, view: (row: AlertRow) => Item): Page<Item>;
}

/** Alerts and their messages, in memory. */
export class FakeAlerts {
  private readonly alerts = new Map<string, AlertRow>();
  private readonly deliveries = new Map<string, AlertDeliveryRow>();

  constructor(private readonly around: AlertSurroundings) {}

  review: Catalog['reviewAlerts'] = async (channels, isBelieved = () => true) => {
    const { around } = this;
    const now = around.now();
    if (!isBelieved(now)) return { raised: 0, cleared: 0 };
    const breaches = around.protection().servers.flatMap((server) => server.breaches);
    const conditions = conditionsOf(breaches, this.facts(), around.nameOf, around.isInService);
    const { raise, clear } = alertChanges(this.open(), conditions);
    for (const condition of raise) {
      const row = alertRow(condition, now);
      this.alerts.set(row.id, row);
    }
    for (const row of clear) this.alerts.set(row.id, { ...row, clearedAt: now });
    this.giveUp(({ alertId }) => (this.alerts.get(alertId)?.clearedAt?.getTime() ?? Infinity) < now.getTime() - OUTDATED_AFTER_MS);
    for (const { id } of this.open()) {
      const told = new Set(this.of(id).map(({ channel }) => channel));
      for (const channel of channels) if (!told.has(channel)) this.add(deliveryRow(id, 'raised', channel, now));
    }
    for (const { id } of clear) for (const { channel, state } of this.of(id)) if (state !== 'given-up') this.add(deliveryRow(id, 'cleared', channel, now));
    return { raised: raise.length, cleared: clear.length };
  };

  next: Catalog['nextAlertMessage'] = async (wanted): Promise<AlertMessage | null> => {
    const now = this.around.now();
    const waiting = [...this.deliveries.values()]
      .filter(({ state, channel }) => state === 'waiting' && channel === wanted)
      .flatMap((row) => {
        const alert = this.alerts.get(row.alertId);
        return alert === undefined ? [] : [{ row, alert, place: [alert.raisedAt.toISOString(), alert.id, row.event === 'cleared' ? 1 : 0].join(' ') }];
      });
    const [first] = waiting
      .filter(({ row }) => isDueForSending(row.nextAttemptAt, now))
      .filter(({ alert, place }) => !waiting.some((other) => other.alert.key === alert.key && other.place < place))
      .sort((a, b) => a.row.nextAttemptAt.getTime() - b.row.nextAttemptAt.getTime() || (a.row.id < b.row.id ? -1 : 1));
    if (first === undefined) return null;
    this.deliveries.set(first.row.id, { ...first.row, ...attempted(first.row, now) });
    return alertMessage(first.row, first.alert, this.around.nameOf(first.alert.serverId));
  };

  recordAttempt: Catalog['recordAlertAttempt'] = async (deliveryId, problem) => {
    const row = this.deliveries.get(deliveryId);
    if (row?.state !== 'waiting') return;
    const ended = attemptEnded(row, problem, this.around.now());
    this.deliveries.set(row.id, { ...row, ...ended });
    if (ended.state === 'given-up') this.giveUp(({ alertId, channel }) => alertId === row.alertId && channel === row.channel);
  };

  list: Catalog['listAlerts'] = async ({ serverId, state }, page) =>
    this.around.page(
      [...this.alerts.values()].filter(
        (row) => (serverId === undefined || row.serverId === serverId) && (state === undefined || (row.clearedAt === null) === (state === 'open')),
      ),
      page,
      (row) => alertView(row, this.around.nameOf(row.serverId), this.of(row.id)),
    );

  private add(row: AlertDeliveryRow): void {
    this.deliveries.set(row.id, row);
  }

  private open(): readonly AlertRow[] {
    return [...this.alerts.values()].filter(({ clearedAt }) => clearedAt === null);
  }

  private giveUp(which: (row: AlertDeliveryRow) => boolean): void {
    for (const row of this.deliveries.values()) if (row.state === 'waiting' && which(row)) this.deliveries.set(row.id, { ...row, state: 'given-up' });
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
      waitingRuns: this.around
        .runs()
        .flatMap((run) =>
          run.waitingFor === null || (run.waitingFor === 'go-live' && this.around.isRunningSet(restoreSetOf(run)))
            ? []
            : [{ serverId: run.serverId, runId: run.id, waitingFor: run.waitingFor }],
        ),
      damaged: this.around
        .points()
        .flatMap(({ state, serverId, id, damageOrigin: origin, stateReason: why }) =>
          state === 'damaged' ? [{ serverId, recoveryPointId: id, origin, why }] : [],
        ),
    };
  }
}
