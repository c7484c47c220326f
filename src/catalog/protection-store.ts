import type { EntityManager } from 'typeorm';
import type { BootEvidence, LastBackupRun, NewestRecoveryPoint, OffsiteEvidence, OffsitePlaceFacts, ProtectionFacts } from '../contracts/protection-status';
import type { OffsiteRepositoryView } from '../contracts/offsite-copies';
import { SKEW_MS } from '../domain/clock-skew';
import type { Catalog } from './catalog';
import { changesToImage } from './change-facts';
import type { Database } from './database';
import { dueBackupView } from './due-backup-row';
import { DueBackupEntity, OffsiteRepositoryEntity } from './entities';
import { readJudgementFacts } from './judgement-store';
import { offsiteView } from './offsite-row';
import { serverNames } from './inventory-store';
import { iso } from './views';

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
    copies: (await rows<OffsiteRow>(manager, COPIES, [new Date(now.getTime() + SKEW_MS)])).map((row) => ({
      ...row,
      newestAt: iso(row.newestAt),
      uncopiedSince: iso(row.uncopiedSince),
    })),
    offsite: (await manager.find(OffsiteRepositoryEntity, { order: { name: 'ASC' } })).map((row) => offsitePlace(offsiteView(row, []))),
    boots: (await rows<BootRow>(manager, BOOTS, [new Date(now.getTime() + SKEW_MS)])).map(bootEvidence),
    newest: (await rows<NewestRow>(manager, NEWEST, [new Date(now.getTime() + SKEW_MS)])).map((row) => ({
      ...row,
      newestAt: iso(row.newestAt),
      newestOnLineAt: iso(row.newestOnLineAt),
      unverifiedSince: iso(row.unverifiedSince),
    })),
    lastRuns: (await rows<LastRunRow>(manager, LAST_RUNS)).map((row) => ({ ...row, finishedAt: row.finishedAt.toISOString() })),
    waiting: waiting.map((row) => dueBackupView(row, names.get(row.serverId) ?? '')),
    changes: [...(await changesToImage(manager))].map(([serverId, { notBefore, titles }]) => ({ serverId, since: notBefore.toISOString(), titles })),
    judgements: await readJudgementFacts(manager),
    recoverySeconds: await rows<{ readonly serverId: string; readonly seconds: number }>(manager, RECOVERIES),
  };
}

type NewestRow = Omit<NewestRecoveryPoint, 'newestAt' | 'newestOnLineAt' | 'unverifiedSince'> & {
  readonly newestAt: Date | null;
  readonly newestOnLineAt: Date | null;
  readonly unverifiedSince: Date | null;
};
type OffsiteRow = Omit<OffsiteEvidence, 'newestAt' | 'uncopiedSince'> & { readonly newestAt: Date | null; readonly uncopiedSince: Date | null };
interface BootRow {
  readonly serverId: string;
  readonly promisedSince: Date;
  readonly passedAt: Date | null;
  readonly passed: string | null;
  readonly seconds: number | null;
  readonly lastAt: Date | null;
  readonly last: string | null;
  readonly verificationId: string | null;
  readonly code: string | null;
  readonly message: string | null;
}
type LastRunRow = Omit<LastBackupRun, 'finishedAt'> & { readonly finishedAt: Date };

function bootEvidence({ serverId, promisedSince, passedAt, passed, seconds, lastAt, last, verificationId, code, message }: BootRow): BootEvidence {
  return {
    serverId,
    promisedSince: promisedSince.toISOString(),
    passed: passedAt === null ? null : { at: passedAt.toISOString(), recoveryPointId: passed ?? '', seconds: seconds ?? 0 },
    failed:
      lastAt === null || code === null
        ? null
        : { at: lastAt.toISOString(), verificationId: verificationId ?? '', recoveryPointId: last ?? '', code, message: message ?? '' },
  };
}

const rows = async <T>(manager: EntityManager, sql: string, parameters: unknown[] = []): Promise<readonly T[]> =>
  (await manager.query(sql, parameters)) as readonly T[];

/**
 * What lies ahead was dated by a clock that was wrong: it must not look young for years. An incremental is verified when all that it builds on is (`provenAt`): what
 * was never read is little, and leads to all that builds on it.
 */
const NEWEST = `WITH RECURSIVE unproven (id) AS (
  SELECT id FROM recovery_point AS point WHERE kind = 'image' AND (verified_at IS NULL
    OR parent_id IS NOT NULL AND NOT EXISTS (SELECT FROM recovery_point AS parent WHERE parent.id = point.parent_id))
  UNION SELECT child.id FROM recovery_point AS child JOIN unproven ON child.parent_id = unproven.id
) SELECT point.server_id AS "serverId", point.kind, point.data_set AS "dataSet",
  max(point.point_in_time) FILTER (WHERE point.state = 'usable') AS "newestAt",
  max(point.point_in_time) FILTER (WHERE point.state = 'usable' AND (point.kind = 'data' OR point.lineage_id = server.lineage_id)) AS "newestOnLineAt",
  greatest(min(point.published_at) FILTER (WHERE point.state = 'usable' AND (verified.at IS NULL OR point.point_in_time > verified.at)),
    CASE WHEN bool_or(point.state = 'usable' AND (verified.at IS NULL OR point.point_in_time > verified.at)) THEN max(policy.verification_since) END) AS "unverifiedSince"
FROM recovery_point AS point JOIN server ON server.id = point.server_id LEFT JOIN policy ON policy.name = server.policy LEFT JOIN (
  SELECT server_id, kind, data_set, max(point_in_time) AS at FROM recovery_point
  WHERE state = 'usable' AND verified_at IS NOT NULL AND purpose IS DISTINCT FROM 'safety' AND point_in_time <= $1
  AND NOT EXISTS (SELECT FROM unproven WHERE unproven.id = recovery_point.id) GROUP BY server_id, kind, data_set
) AS verified ON verified.server_id = point.server_id AND verified.kind = point.kind AND verified.data_set IS NOT DISTINCT FROM point.data_set
WHERE point.purpose IS DISTINCT FROM 'safety' AND point.point_in_time <= $1 GROUP BY point.server_id, point.kind, point.data_set ORDER BY 1, 2, 3`;

/** What is known of a place, without what lies there. */
export const offsitePlace = ({ name, media, state, seenAt, askedForSince, problem }: OffsiteRepositoryView): OffsitePlaceFacts => ({
  name,
  media,
  state,
  seenAt,
  askedForSince,
  problem,
});

/** A copy of an incremental is worth something where all that it builds on is copied, too: from the fulls up. */
const COPIES = `WITH RECURSIVE whole (id, offsite) AS (
  SELECT point.id, copy.offsite FROM offsite_copy AS copy JOIN recovery_point AS point ON point.id = copy.recovery_point_id
  WHERE copy.state = 'copied' AND point.parent_id IS NULL
  UNION ALL SELECT child.id, whole.offsite FROM whole JOIN recovery_point AS child ON child.parent_id = whole.id
  JOIN offsite_copy AS copy ON copy.recovery_point_id = child.id AND copy.offsite = whole.offsite AND copy.state = 'copied'
), copied AS (
  SELECT point.server_id, point.kind, point.data_set, max(point.point_in_time) AS at,
    max(point.point_in_time) FILTER (WHERE whole.offsite = policy.offsite->>'repository') AS promised_at
  FROM whole JOIN recovery_point AS point ON point.id = whole.id JOIN server ON server.id = point.server_id LEFT JOIN policy ON policy.name = server.policy
  WHERE point.purpose IS DISTINCT FROM 'safety' AND point.point_in_time <= $1 GROUP BY point.server_id, point.kind, point.data_set
), things AS (
  SELECT point.server_id, point.kind, point.data_set, copied.at, policy.offsite->>'repository' AS repository, policy.offsite_since AS since,
    min(point.published_at) FILTER (WHERE point.state = 'usable' AND (policy.offsite->>point.kind)::boolean
      AND (copied.promised_at IS NULL OR point.point_in_time > copied.promised_at)) AS uncopied
  FROM recovery_point AS point JOIN server ON server.id = point.server_id LEFT JOIN policy ON policy.name = server.policy
  LEFT JOIN copied ON copied.server_id = point.server_id AND copied.kind = point.kind AND copied.data_set IS NOT DISTINCT FROM point.data_set
  WHERE point.purpose IS DISTINCT FROM 'safety' AND point.point_in_time <= $1
  GROUP BY point.server_id, point.kind, point.data_set, copied.at, policy.offsite, policy.offsite_since
) SELECT server_id AS "serverId", kind, data_set AS "dataSet", at AS "newestAt",
  CASE WHEN uncopied IS NOT NULL THEN greatest(uncopied, since) END AS "uncopiedSince", (
    SELECT copy.problem FROM offsite_copy AS copy JOIN recovery_point AS point ON point.id = copy.recovery_point_id
    WHERE point.server_id = things.server_id AND point.kind = things.kind AND point.data_set IS NOT DISTINCT FROM things.data_set
    AND copy.offsite = things.repository AND copy.state IN ('waiting', 'failed', 'damaged') AND copy.problem IS NOT NULL
    ORDER BY point.point_in_time DESC, point.id DESC LIMIT 1
  ) AS problem
FROM things ORDER BY 1, 2, 3`;

/** By server through verification_boot_idx. What was ever imaged counts: that old images go makes no proof less overdue. */
const BOOTS = `SELECT server.id AS "serverId", greatest(policy.verification_since, server.policy_since, image.first) AS "promisedSince",
  passed.finished_at AS "passedAt", passed.recovery_point_id AS passed, (passed.boot->>'seconds')::int AS seconds,
  last.finished_at AS "lastAt", last.recovery_point_id AS last, last.id AS "verificationId", last.error->>'code' AS code, last.error->>'message' AS message
FROM server JOIN policy ON policy.name = server.policy CROSS JOIN LATERAL (
  SELECT min(published_at) AS first FROM recovery_point WHERE recovery_point.server_id = server.id AND kind = 'image' AND published_at <= $1
) AS image LEFT JOIN LATERAL (
  SELECT finished_at, recovery_point_id, boot FROM verification
  WHERE verification.server_id = server.id AND method = 'boot' AND of_newest AND state = 'passed' AND finished_at <= $1 ORDER BY finished_at DESC LIMIT 1
) AS passed ON true LEFT JOIN LATERAL (
  SELECT id, finished_at, recovery_point_id, error FROM verification
  WHERE verification.server_id = server.id AND method = 'boot' AND of_newest AND state IN ('passed', 'failed') AND finished_at <= $1
  ORDER BY finished_at DESC LIMIT 1
) AS last ON true
WHERE jsonb_typeof(policy.verification->'boot') = 'object' AND image.first IS NOT NULL ORDER BY server.id`;

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
