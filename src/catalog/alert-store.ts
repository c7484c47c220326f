import { In, IsNull, Not, type EntityManager } from 'typeorm';
import type { AlertFacts } from '../contracts/alert';
import { alertChanges, conditionsOf, LONGEST_PAUSE_MS } from '../domain/alerts/alerts';
import { judgeProtection, protectedServer } from '../domain/protection-status';
import { alertMessage, alertRow, alertView, attempted, attemptEnded, deliveryRows } from './alert-row';
import type { Catalog } from './catalog';
import { readTimeCursor, rowsToRead, timeCursor, toPage } from './cursor';
import type { Database } from './database';
import { AlertDeliveryEntity, AlertEntity, ServerEntity } from './entities';
import { readPolicies, serverNames } from './inventory-store';
import { readProtectionFacts } from './protection-store';
import { serverRecord } from './views';

type AlertMethods = Pick<Catalog, 'reviewAlerts' | 'nextAlertMessage' | 'recordAlertAttempt' | 'listAlerts'>;

/** Advisory lock: one process at a time compares what is so with what was told. Two would tell it twice. */
const ALERT_LOCK = 7_361_006;

export function alertStore(database: Database, now: () => Date): AlertMethods {
  return {
    reviewAlerts: (channels) =>
      database.transaction(async ({ manager }) => {
        await manager.query('SELECT pg_advisory_xact_lock($1)', [ALERT_LOCK]);
        const servers = (await manager.find(ServerEntity, { order: { name: 'ASC' } })).map(serverRecord);
        const names = new Map(servers.map(({ id, name }) => [id, name]));
        const judged = judgeProtection(servers.map(protectedServer), await readPolicies(manager), await readProtectionFacts(manager, now()), now());
        const conditions = conditionsOf(
          judged.servers.flatMap(({ breaches }) => breaches),
          await alertFacts(manager),
          (id) => names.get(id) ?? id,
        );
        const { raise, clear } = alertChanges(await manager.find(AlertEntity, { where: { clearedAt: IsNull() } }), conditions);
        for (const condition of raise) {
          const row = alertRow(condition, now());
          await manager.insert(AlertEntity, row);
          await manager.insert(AlertDeliveryEntity, [...deliveryRows(row.id, 'raised', channels, now())]);
        }
        for (const { id } of clear) {
          await manager.update(AlertEntity, { id }, { clearedAt: now() });
          // Whoever was never told that it began is not told that it is over.
          const told = new Set((await manager.find(AlertDeliveryEntity, { where: { alertId: id } })).map(({ channel }) => channel));
          const rows = deliveryRows(
            id,
            'cleared',
            channels.filter((channel) => told.has(channel)),
            now(),
          );
          await manager.insert(AlertDeliveryEntity, [...rows]);
        }
        return { raised: raise.length, cleared: clear.length };
      }),

    nextAlertMessage: async (channel) => {
      if (!(await database.read((manager) => manager.existsBy(AlertDeliveryEntity, { state: 'waiting', channel })))) return null;
      return database.transaction(async ({ manager }) => {
        const due = (await manager.query(NEXT, [now(), new Date(now().getTime() + LONGEST_PAUSE_MS), channel])) as readonly { readonly id: string }[];
        const [found] = due;
        if (found === undefined) return null;
        const row = await manager.findOneByOrFail(AlertDeliveryEntity, { id: found.id });
        await manager.update(AlertDeliveryEntity, { id: row.id }, attempted(row, now()));
        const alert = await manager.findOneByOrFail(AlertEntity, { id: row.alertId });
        return alertMessage(row, alert, (await serverNames(manager, [alert.serverId])).get(alert.serverId) ?? '');
      });
    },

    recordAlertAttempt: (deliveryId, problem) =>
      database.transaction(async ({ manager }) => {
        const row = await manager.findOne(AlertDeliveryEntity, { where: { id: deliveryId }, lock: { mode: 'pessimistic_write' } });
        if (row === null || row.state !== 'waiting') return;
        await manager.update(AlertDeliveryEntity, { id: row.id }, attemptEnded(row, problem, now()));
      }),

    listAlerts: ({ serverId, state }, page) =>
      database.read(async (manager) => {
        const after = readTimeCursor('alerts', page.cursor);
        const query = manager.createQueryBuilder(AlertEntity, 'alert').orderBy('alert.raisedAt', 'DESC').addOrderBy('alert.id', 'DESC').limit(rowsToRead(page));
        if (serverId !== undefined) query.andWhere('alert.serverId = :serverId', { serverId });
        if (state !== undefined) query.andWhere({ clearedAt: state === 'open' ? IsNull() : Not(IsNull()) });
        if (after !== null) query.andWhere('(alert.raisedAt, alert.id) < (:at, :id)', after);
        const rows = await query.getMany();
        const deliveries = await manager.find(AlertDeliveryEntity, { where: { alertId: In(rows.map(({ id }) => id)) } });
        const names = await serverNames(
          manager,
          rows.map((row) => row.serverId),
        );
        return toPage(
          rows,
          page,
          (row) =>
            alertView(
              row,
              names.get(row.serverId) ?? '',
              deliveries.filter(({ alertId }) => alertId === row.id),
            ),
          ({ raisedAt, id }) => timeCursor('alerts', { at: raisedAt, id }),
        );
      }),
  };
}

async function alertFacts(manager: EntityManager): Promise<AlertFacts> {
  const rows = async <T>(sql: string): Promise<readonly T[]> => (await manager.query(sql)) as readonly T[];
  return {
    failedRuns: await rows<AlertFacts['failedRuns'][number]>(FAILED_RUNS),
    waitingRuns: await rows<AlertFacts['waitingRuns'][number]>(WAITING_RUNS),
    damaged: await rows<AlertFacts['damaged'][number]>(DAMAGED),
  };
}

/** Of those whose time has come (or was set by a clock that was wrong: `isDueForSending`) the oldest; what is over is told after what began. */
const NEXT = `SELECT id FROM alert_delivery AS delivery WHERE state = 'waiting' AND (next_attempt_at <= $1 OR next_attempt_at > $2) AND channel = $3
  AND (event = 'raised' OR NOT EXISTS (
    SELECT FROM alert_delivery AS earlier WHERE earlier.alert_id = delivery.alert_id AND earlier.channel = delivery.channel AND earlier.event = 'raised' AND earlier.state = 'waiting'
  )) ORDER BY next_attempt_at, id LIMIT 1 FOR UPDATE SKIP LOCKED`;

const FAILED_RUNS = `SELECT "serverId", kind, "runId", code, message FROM (
  SELECT DISTINCT ON (server_id, kind) server_id AS "serverId", kind, id AS "runId", state, coalesce(error->>'code', 'INTERNAL') AS code, coalesce(error->>'message', '') AS message
  FROM run WHERE state IN ('succeeded', 'failed', 'cancelled') ORDER BY server_id, kind, requested_at DESC, id DESC
) AS last WHERE state = 'failed' ORDER BY "serverId", kind`;

const WAITING_RUNS = `SELECT server_id AS "serverId", id AS "runId" FROM run WHERE waiting_for IS NOT NULL ORDER BY id`;

const DAMAGED = `SELECT server_id AS "serverId", id AS "recoveryPointId", state_reason AS why FROM recovery_point WHERE state = 'damaged' ORDER BY id`;
