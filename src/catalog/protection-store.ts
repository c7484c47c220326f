import type { EntityManager } from 'typeorm';
import type { LastBackupRun, NewestRecoveryPoint, ProtectionFacts } from '../contracts/protection-status';
import { SKEW_MS } from '../domain/clock-skew';
import type { Catalog } from './catalog';
import type { Database } from './database';
import { dueBackupView } from './due-backup-row';
import { DueBackupEntity } from './entities';
import { serverNames } from './inventory-store';

/** What the estate's protection is judged by. Every figure is one statement; none takes a lock. */
export function protectionStore(database: Database, now: () => Date): Pick<Catalog, 'protectionFacts'> {
  return {
    protectionFacts: () => database.read((manager) => readProtectionFacts(manager, now())),
  };
}

export async function readProtectionFacts(manager: EntityManager, now: Date): Promise<ProtectionFacts> {
  const waiting = await manager.find(DueBackupEntity, { where: { state: 'waiting' }, order: { notBefore: 'ASC', id: 'ASC' } });
  const names = await serverNames(
    manager,
    waiting.map(({ serverId }) => serverId),
  );
  return {
    newest: (await rows<NewestRow>(manager, NEWEST, [new Date(now.getTime() + SKEW_MS)])).map((row) => ({
      ...row,
      newestAt: iso(row.newestAt),
      newestOnLineAt: iso(row.newestOnLineAt),
      unverifiedSince: iso(row.unverifiedSince),
    })),
    lastRuns: (await rows<LastRunRow>(manager, LAST_RUNS)).map((row) => ({ ...row, finishedAt: row.finishedAt.toISOString() })),
    waiting: waiting.map((row) => dueBackupView(row, names.get(row.serverId) ?? '')),
    recoverySeconds: await rows<{ readonly serverId: string; readonly seconds: number }>(manager, RECOVERIES),
  };
}

type NewestRow = Omit<NewestRecoveryPoint, 'newestAt' | 'newestOnLineAt' | 'unverifiedSince'> & {
  readonly newestAt: Date | null;
  readonly newestOnLineAt: Date | null;
  readonly unverifiedSince: Date | null;
};
type LastRunRow = Omit<LastBackupRun, 'finishedAt'> & { readonly finishedAt: Date };

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;
const rows = async <T>(manager: EntityManager, sql: string, parameters: unknown[] = []): Promise<readonly T[]> =>
  (await manager.query(sql, parameters)) as readonly T[];

/** What lies ahead was dated by a clock that was wrong: it must not look young for years. */
const NEWEST = `SELECT point.server_id AS "serverId", point.kind, point.data_set AS "dataSet",
  max(point.point_in_time) FILTER (WHERE point.state = 'usable') AS "newestAt",
  max(point.point_in_time) FILTER (WHERE point.state = 'usable' AND (point.kind = 'data' OR point.lineage_id = server.lineage_id)) AS "newestOnLineAt",
  greatest(min(point.published_at) FILTER (WHERE point.state = 'usable' AND (verified.at IS NULL OR point.point_in_time > verified.at)),
    CASE WHEN bool_or(point.state = 'usable' AND (verified.at IS NULL OR point.point_in_time > verified.at)) THEN max(policy.verification_since) END) AS "unverifiedSince"
FROM recovery_point AS point JOIN server ON server.id = point.server_id LEFT JOIN policy ON policy.name = server.policy LEFT JOIN (
  SELECT server_id, kind, data_set, max(point_in_time) AS at FROM recovery_point
  WHERE state = 'usable' AND verified_at IS NOT NULL AND purpose IS DISTINCT FROM 'safety' AND point_in_time <= $1 GROUP BY server_id, kind, data_set
) AS verified ON verified.server_id = point.server_id AND verified.kind = point.kind AND verified.data_set IS NOT DISTINCT FROM point.data_set
WHERE point.purpose IS DISTINCT FROM 'safety' AND point.point_in_time <= $1 GROUP BY point.server_id, point.kind, point.data_set ORDER BY 1, 2, 3`;

/** By server and kind through run_ended_idx, as below: what it costs does not grow with the history. */
const LAST_RUNS = `SELECT server.id AS "serverId", wanted.name AS kind, last.id AS "runId", last.state, last.finished_at AS "finishedAt", last.error->>'code' AS "errorCode"
FROM server CROSS JOIN (VALUES ('backup-image', 'image'), ('backup-data', 'data')) AS wanted (kind, name) CROSS JOIN LATERAL (
  SELECT id, state, finished_at, error FROM run WHERE run.server_id = server.id AND run.kind = wanted.kind AND state IN ('succeeded', 'failed', 'cancelled')
  ORDER BY requested_at DESC, id DESC LIMIT 1
) AS last ORDER BY server.id, wanted.kind`;

const RECOVERIES = `SELECT server.id AS "serverId", last.recovery_seconds AS seconds FROM server CROSS JOIN LATERAL (
  SELECT recovery_seconds FROM run WHERE run.server_id = server.id AND kind = 'restore-server' AND state IN ('succeeded', 'failed', 'cancelled') AND state = 'succeeded'
  AND recovery_seconds IS NOT NULL ORDER BY requested_at DESC, id DESC LIMIT 1
) AS last ORDER BY server.id`;
