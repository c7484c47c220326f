import type { EntityManager } from 'typeorm';
import type { Catalog } from './catalog';
import type { Database } from './database';
import { STEP_SECONDS, type RecoveryFigures, type RecoveryPointFigures, type RunFigures, type StepFigures } from '../contracts/figures';

/** The part of the catalogue that counts. Every figure is one statement; none takes a lock. */
export function figuresStore(database: Database, now: () => Date): Pick<Catalog, 'figures'> {
  return {
    figures: () =>
      database.read(async (manager) => ({
        runs: await rowsOf<RunFigures>(manager, RUNS),
        waiting: (await rowsOf<{ readonly waiting: number }>(manager, WAITING))[0]?.waiting ?? 0,
        steps: (await rowsOf<StepRow>(manager, STEPS)).map(stepFigures),
        recoveryPoints: await rowsOf<RecoveryPointFigures>(manager, RECOVERY_POINTS),
        recoveries: await rowsOf<RecoveryFigures>(manager, RECOVERIES),
        wayBacks: (await rowsOf<{ readonly open: number; readonly expired: number }>(manager, WAY_BACKS, [now()]))[0] ?? { open: 0, expired: 0 },
      })),
  };
}

const rowsOf = async <T>(manager: EntityManager, sql: string, parameters: unknown[] = []): Promise<readonly T[]> =>
  (await manager.query(sql, parameters)) as readonly T[];

type StepRow = Omit<StepFigures, 'within'> & Readonly<Record<string, number>>;

const stepFigures = ({ kind, step, state, count, seconds, bytes, ...classes }: StepRow): StepFigures => ({
  kind,
  step,
  state,
  count,
  seconds,
  bytes,
  within: STEP_SECONDS.map((_, index) => classes[`within${index}`] ?? 0),
});

/** PostgreSQL's `bigint` would reach us as text; `float8` counts exactly up to 2^53. */
const COUNT = 'count(*)::float8';

const RUNS = `SELECT kind, state, ${COUNT} AS count FROM run GROUP BY kind, state ORDER BY kind, state`;

const WAITING = `SELECT ${COUNT} AS waiting FROM run WHERE waiting_for IS NOT NULL`;

const STEPS = `SELECT kind, step, state, ${COUNT} AS count, sum(seconds) AS seconds, sum(bytes) AS bytes,
  ${STEP_SECONDS.map((limit, index) => `count(*) FILTER (WHERE seconds <= ${limit})::float8 AS within${index}`).join(', ')}
FROM (
  SELECT run.kind, split_part(step.key, ':', 1) AS step, CASE step.state WHEN 'undone' THEN 'succeeded' ELSE step.state END AS state, coalesce((step.progress->>'doneBytes')::float8, 0) AS bytes,
    greatest(extract(epoch FROM step.finished_at - step.started_at)::float8, 0) AS seconds
  FROM run_step AS step JOIN run ON run.id = step.run_id
  WHERE step.state IN ('succeeded', 'failed', 'undone') AND step.started_at IS NOT NULL AND step.finished_at IS NOT NULL
) AS ended GROUP BY kind, step, state ORDER BY kind, step, state`;

const RECOVERY_POINTS = `SELECT server_id AS "serverId", kind, data_set AS "dataSet", count(*) FILTER (WHERE state = 'usable')::float8 AS usable, count(*) FILTER (WHERE state = 'damaged')::float8 AS damaged, count(*) FILTER (WHERE state = 'expired')::float8 AS expired,
  max(point_in_time) FILTER (WHERE state = 'usable' AND purpose IS DISTINCT FROM 'safety') AS "newestUsable"
FROM recovery_point GROUP BY server_id, kind, data_set ORDER BY server_id, kind, data_set`;

const RECOVERIES = `SELECT DISTINCT ON (server_id, kind) server_id AS "serverId", kind, recovery_seconds AS "recoverySeconds", lost_seconds AS "lostSeconds"
FROM run WHERE state = 'succeeded' AND recovery_seconds IS NOT NULL ORDER BY server_id, kind, requested_at DESC, id DESC`;

const WAY_BACKS = `SELECT ${COUNT} AS open, count(*) FILTER (WHERE expires_at <= $1)::float8 AS expired FROM way_back WHERE state = 'open'`;
