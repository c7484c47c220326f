import { In, IsNull, Not, type EntityManager, type EntityTarget } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm/query-builder/QueryPartialEntity';
import type { AlertFacts, Condition } from '../contracts/alert';
import { RUN_KINDS } from '../contracts/run';
import { alertChanges, conditionsOf, LONGEST_PAUSE_MS, OUTDATED_AFTER_MS } from '../domain/alerts/alerts';
import { judgeProtection, protectedServer } from '../domain/protection-status';
import { alertMessage, alertRow, alertView, attempted, attemptEnded, deliveryRow } from './alert-row';
import type { AlertCatalog } from './port/alerts';
import type { Database } from './database';
import { AlertDeliveryEntity, AlertEntity, ServerEntity, type AlertDeliveryRow } from './entities';
import { readPolicies, serverNames } from './inventory-store';
import { newestFirst } from './newest-first';
import { readProtectionFacts } from './protection-store';
import type { SharedNow } from './shared-now';
import { serverRecord } from './views';

/** Advisory lock: whoever has it compares what is so with what was told; nobody waits for it. */
const ALERT_LOCK = 7_361_006;
const NOTHING = { raised: 0, cleared: 0 };
/** Rows of one statement: PostgreSQL takes 65,535 parameters. */
const CHUNK = 500;

/** @param sharedNow the time that all workers go by: those of their own would raise and clear in turns */
export function alertStore(database: Database, sharedNow: SharedNow): AlertCatalog {
  return {
    reviewAlerts: (channels, isBelieved = () => true) =>
      // All of it as of one moment. What another review has changed meanwhile ends this one, and it begins again.
      database.transaction(async ({ manager }) => {
        if (!(await isFree(manager))) return NOTHING;
        const now = await sharedNow(manager);
        if (!isBelieved(now)) return NOTHING;
        const { raise, clear } = alertChanges(await manager.find(AlertEntity, { where: { clearedAt: IsNull() } }), await conditionsNow(manager, now));
        for (const rows of chunks(raise.map((condition) => alertRow(condition, now)))) await insertOnce(manager, AlertEntity, rows);
        for (const rows of chunks(clear)) await manager.update(AlertEntity, { id: In(rows.map(({ id }) => id)) }, { clearedAt: now });
        await manager.query(OUTDATED, [new Date(now.getTime() - OUTDATED_AFTER_MS)]);
        const untold = (await manager.query(UNTOLD, [channels, clear.map(({ id }) => id)])) as readonly Untold[];
        for (const rows of chunks(untold.map(({ alertId, channel, event }) => deliveryRow(alertId, event, channel, now)))) {
          await insertOnce(manager, AlertDeliveryEntity, rows);
        }
        return { raised: raise.length, cleared: clear.length };
      }, 'REPEATABLE READ'),

    nextAlertMessage: async (channel) => {
      if (!(await database.read((manager) => manager.existsBy(AlertDeliveryEntity, { state: 'waiting', channel })))) return null;
      return database.transaction(async ({ manager }) => {
        const now = await sharedNow(manager);
        const due = (await manager.query(NEXT, [now, new Date(now.getTime() + LONGEST_PAUSE_MS), channel])) as readonly { readonly id: string }[];
        const [found] = due;
        if (found === undefined) return null;
        const row = await manager.findOneByOrFail(AlertDeliveryEntity, { id: found.id });
        await manager.update(AlertDeliveryEntity, { id: row.id }, attempted(row, now));
        const alert = await manager.findOneByOrFail(AlertEntity, { id: row.alertId });
        return alertMessage(row, alert, (await serverNames(manager, [alert.serverId])).get(alert.serverId) ?? '');
      });
    },

    recordAlertAttempt: (deliveryId, problem) =>
      database.transaction(async ({ manager }) => {
        const row = await manager.findOne(AlertDeliveryEntity, { where: { id: deliveryId }, lock: { mode: 'pessimistic_write' } });
        if (row === null || row.state !== 'waiting') return;
        const ended = attemptEnded(row, problem, await sharedNow(manager));
        await manager.update(AlertDeliveryEntity, { id: row.id }, ended);
        // Whoever has not heard that it began is not told that it is over.
        if (ended.state !== 'given-up') return;
        await manager.update(AlertDeliveryEntity, { alertId: row.alertId, channel: row.channel, state: 'waiting' }, { state: 'given-up' });
      }),

    listAlerts: ({ serverId, state }, page) =>
      database.read((manager) => {
        const clearedAt = state === undefined ? undefined : state === 'open' ? IsNull() : Not(IsNull());
        return newestFirst(manager, { entity: AlertEntity, kind: 'alerts', by: 'raisedAt' }, { serverId, clearedAt }, page, async (rows) => {
          const deliveries = await manager.find(AlertDeliveryEntity, { where: { alertId: In(rows.map(({ id }) => id)) } });
          const names = await serverNames(
            manager,
            rows.map((row) => row.serverId),
          );
          return rows.map((row) =>
            alertView(
              row,
              names.get(row.serverId) ?? '',
              deliveries.filter(({ alertId }) => alertId === row.id),
            ),
          );
        });
      }),
  };
}

async function alertFacts(manager: EntityManager): Promise<AlertFacts> {
  const rows = async <T>(sql: string, parameters: unknown[] = []): Promise<readonly T[]> => (await manager.query(sql, parameters)) as readonly T[];
  return {
    failedRuns: await rows<AlertFacts['failedRuns'][number]>(FAILED_RUNS, [RUN_KINDS]),
    waitingRuns: await rows<AlertFacts['waitingRuns'][number]>(WAITING_RUNS),
    damaged: await rows<AlertFacts['damaged'][number]>(DAMAGED),
  };
}

const isFree = async (manager: EntityManager): Promise<boolean> =>
  ((await manager.query('SELECT pg_try_advisory_xact_lock($1) AS free', [ALERT_LOCK])) as readonly { readonly free: boolean }[])[0]?.free === true;

async function conditionsNow(manager: EntityManager, now: Date): Promise<readonly Condition[]> {
  const servers = (await manager.find(ServerEntity, { order: { name: 'ASC' } })).map(serverRecord);
  const byId = new Map(servers.map((server) => [server.id, server]));
  const judged = judgeProtection(servers.map(protectedServer), await readPolicies(manager), await readProtectionFacts(manager, now), now);
  return conditionsOf(
    judged.servers.flatMap(({ breaches }) => breaches),
    await alertFacts(manager),
    (id) => byId.get(id)?.name ?? id,
    (id) => byId.get(id)?.decommissioned == null,
  );
}

/** A row that is there by now, unseen by this transaction, is a conflict that begins it again (40001), not an error. */
const insertOnce = async <Row extends object>(manager: EntityManager, entity: EntityTarget<Row>, rows: QueryDeepPartialEntity<Row>[]): Promise<unknown> =>
  manager.createQueryBuilder().insert().into(entity).values(rows).orIgnore().execute();

function* chunks<Row>(rows: readonly Row[]): Generator<Row[]> {
  for (let at = 0; at < rows.length; at += CHUNK) yield rows.slice(at, at + CHUNK);
}

interface Untold {
  readonly alertId: string;
  readonly channel: AlertDeliveryRow['channel'];
  readonly event: AlertDeliveryRow['event'];
}

/**
 * What is open is told by every channel there is, also by one that came later. What is over is told where it was told that it began, whichever channels this
 * worker knows.
 */
const UNTOLD = `SELECT alert.id AS "alertId", wanted.channel, 'raised' AS event FROM alert CROSS JOIN unnest($1::text[]) AS wanted (channel)
  WHERE alert.cleared_at IS NULL
  AND NOT EXISTS (SELECT FROM alert_delivery AS known WHERE known.alert_id = alert.id AND known.channel = wanted.channel AND known.event = 'raised')
UNION ALL SELECT alert.id, told.channel, 'cleared' FROM alert JOIN alert_delivery AS told ON told.alert_id = alert.id
  WHERE alert.id = ANY($2) AND told.event = 'raised' AND told.state <> 'given-up'
ORDER BY 1, 2`;

/** Of those whose time has come (or was set by a clock that was wrong: `isDueForSending`) the oldest; what a condition was is told in its order. */
const NEXT = `SELECT delivery.id FROM alert_delivery AS delivery JOIN alert ON alert.id = delivery.alert_id
  WHERE delivery.state = 'waiting' AND (delivery.next_attempt_at <= $1 OR delivery.next_attempt_at > $2) AND delivery.channel = $3
  AND NOT EXISTS (
    SELECT FROM alert_delivery AS earlier JOIN alert AS before ON before.id = earlier.alert_id
    WHERE before.key = alert.key AND earlier.channel = delivery.channel AND earlier.state = 'waiting'
    AND (before.raised_at, before.id, earlier.event = 'cleared') < (alert.raised_at, alert.id, delivery.event = 'cleared')
  ) ORDER BY delivery.next_attempt_at, delivery.id LIMIT 1 FOR UPDATE OF delivery SKIP LOCKED`;

/** Nobody needs to hear any more, of something that is long over: its channel was taken away, or no worker was there. */
const OUTDATED = `UPDATE alert_delivery SET state = 'given-up' FROM alert WHERE alert.id = alert_delivery.alert_id AND alert_delivery.state = 'waiting' AND alert.cleared_at < $1`;

/** By server and kind through run_ended_idx: what it costs does not grow with the history. */
const FAILED_RUNS = `SELECT server.id AS "serverId", wanted.kind, last.id AS "runId", coalesce(last.error->>'code', 'INTERNAL') AS code, coalesce(last.error->>'message', '') AS message
FROM server CROSS JOIN unnest($1::text[]) AS wanted (kind) CROSS JOIN LATERAL (
  SELECT id, state, error FROM run WHERE run.server_id = server.id AND run.kind = wanted.kind AND state IN ('succeeded', 'failed', 'cancelled')
  ORDER BY requested_at DESC, id DESC LIMIT 1
) AS last WHERE last.state = 'failed' ORDER BY server.id, wanted.kind`;

/** One that goes live with its restore set waits for the others, and for nobody else. */
const WAITING_RUNS = `SELECT server_id AS "serverId", id AS "runId", waiting_for AS "waitingFor" FROM run WHERE waiting_for IS NOT NULL
  AND NOT (waiting_for = 'go-live' AND EXISTS (SELECT FROM restore_set WHERE restore_set.id = run.input->>'restoreSetId' AND restore_set.state = 'running')) ORDER BY id`;

const DAMAGED = `SELECT server_id AS "serverId", id AS "recoveryPointId", damage_origin AS origin, state_reason AS why FROM recovery_point WHERE state = 'damaged' ORDER BY id`;
