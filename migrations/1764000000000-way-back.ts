import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a swap keeps and how it is returned to or given up (undo, confirm), decisions of people that runs wait for, and what is declared about a server
 * besides its place.
 */
export class WayBack1764000000000 implements MigrationInterface {
  readonly name = 'WayBack1764000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of [...SERVER, ...RUNS, ...PLANS, ...WAY_BACK, ...EARLIER_ROWS]) await queryRunner.query(statement);
  }

  /**
   * For an upgrade that failed, not for one that has been used: the older program would forget which volumes are kept, and could not read the new kinds of
   * runs.
   */
  async down(queryRunner: QueryRunner): Promise<void> {
    for (const statement of [REFUSE_LOSS, ...BACK]) await queryRunner.query(statement);
  }
}

/** The default is for programs of the version before that still run while this one is being installed. */
const SERVER = [
  `ALTER TABLE server ADD COLUMN protection jsonb NOT NULL
    DEFAULT '{"nics":[],"healthChecks":[],"quiesce":{"before":null,"after":null},"onlineBackup":{"rateLimitBytesPerSecond":null,"maxGuestLatencyMs":null}}'`,
];

const RUNS = [
  'ALTER TABLE run DROP CONSTRAINT run_kind_check',
  `ALTER TABLE run ADD CONSTRAINT run_kind_check CHECK (kind IN ('backup-image', 'restore-server', 'undo', 'confirm'))`,
  'ALTER TABLE run ADD COLUMN waiting_for text',
  `ALTER TABLE run ADD CONSTRAINT run_waiting_check CHECK (waiting_for IS NULL OR (waiting_for = 'go-live' AND state IN ('accepted', 'running')))`,
  `CREATE INDEX run_waiting_idx ON run (id) WHERE waiting_for IS NOT NULL`,
];

const PLANS = [
  'ALTER TABLE restore_plan ADD COLUMN undoes_run_id text CONSTRAINT restore_plan_undoes_run_fkey REFERENCES run (id)',
  `ALTER TABLE restore_plan ADD CONSTRAINT restore_plan_scenario_check CHECK (scenario IN ('server', 'undo'))`,
  `ALTER TABLE restore_plan ADD CONSTRAINT restore_plan_undo_check
    CHECK ((scenario = 'undo') = (undoes_run_id IS NOT NULL) AND (undoes_run_id IS NULL OR recovery_point_id IS NULL))`,
];

const WAY_BACK = [
  // fencing_token is that of the run: the order of the swaps of a server, whatever the clocks of the workers said.
  `CREATE TABLE way_back (
    run_id text NOT NULL PRIMARY KEY CONSTRAINT way_back_run_fkey REFERENCES run (id),
    server_id text NOT NULL CONSTRAINT way_back_server_fkey REFERENCES server (id),
    fencing_token bigint NOT NULL,
    state text NOT NULL CONSTRAINT way_back_state_check CHECK (state IN ('open', 'reverted', 'undone', 'confirmed')),
    was_gone boolean NOT NULL,
    volumes jsonb NOT NULL,
    nvram_path text,
    before jsonb NOT NULL,
    lineage_before text NOT NULL CONSTRAINT way_back_lineage_before_fkey REFERENCES lineage (id),
    lineage_after text NOT NULL CONSTRAINT way_back_lineage_after_fkey REFERENCES lineage (id),
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    went_live_at timestamptz(3),
    closed_by text CONSTRAINT way_back_closed_by_fkey REFERENCES run (id),
    closed_at timestamptz(3),
    CONSTRAINT way_back_closed_check CHECK ((state = 'open') = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL))
  )`,
  `CREATE INDEX way_back_open_expiry_idx ON way_back (expires_at) WHERE state = 'open'`,
  'CREATE INDEX way_back_server_idx ON way_back (server_id, fencing_token)',
  'CREATE INDEX way_back_closed_by_idx ON way_back (closed_by)',
  `CREATE TABLE run_decision (
    run_id text NOT NULL CONSTRAINT run_decision_run_fkey REFERENCES run (id),
    kind text NOT NULL CONSTRAINT run_decision_kind_check CHECK (kind IN ('go-live')),
    actor text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz(3) NOT NULL,
    PRIMARY KEY (run_id, kind)
  )`,
];

/** What the version before has written, in the form this one reads. */
const EARLIER_ROWS = [
  `UPDATE run SET input = '{"allowCrashConsistent":false,"quiesce":{"before":null,"after":null},"onlineBackup":{"rateLimitBytesPerSecond":null,"maxGuestLatencyMs":null}}'::jsonb || input
    WHERE kind = 'backup-image'`,
  `UPDATE run SET input = '{"hold":false}'::jsonb || input WHERE kind = 'restore-server'`,
  // Their hash is over a body without quarantine and health checks: they cannot be completed, only made again.
  `UPDATE restore_plan SET state = 'failed', error = jsonb_build_object(
      'code', 'PLAN_STALE',
      'message', 'The plan was made by an earlier version of Modosu, which knew no quarantine.',
      'hint', 'Make a new plan and look at what is different.')
    WHERE state = 'ready'`,
];

const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM way_back) OR EXISTS (SELECT FROM run WHERE kind IN ('undo', 'confirm')) OR EXISTS (SELECT FROM restore_plan WHERE scenario = 'undo') THEN
      RAISE EXCEPTION 'The catalogue knows of replaced volumes, or of runs that undo or confirm: the version before this one would forget them. Restore the database from a backup of that version instead.';
    END IF;
  END
$$`;

const BACK = [
  'DROP TABLE run_decision',
  'DROP TABLE way_back',
  'ALTER TABLE restore_plan DROP CONSTRAINT restore_plan_undo_check',
  'ALTER TABLE restore_plan DROP CONSTRAINT restore_plan_scenario_check',
  'ALTER TABLE restore_plan DROP COLUMN undoes_run_id',
  'DROP INDEX run_waiting_idx',
  'ALTER TABLE run DROP CONSTRAINT run_waiting_check',
  'ALTER TABLE run DROP COLUMN waiting_for',
  'ALTER TABLE run DROP CONSTRAINT run_kind_check',
  `ALTER TABLE run ADD CONSTRAINT run_kind_check CHECK (kind IN ('backup-image', 'restore-server'))`,
  'ALTER TABLE server DROP COLUMN protection',
];
