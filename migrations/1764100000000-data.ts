import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Data recovery points beside those of images, backups and restores of data, and what a data restore has kept in a guest. */
export class Data1764100000000 implements MigrationInterface {
  readonly name = 'Data1764100000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of [...SERVER, ...RECOVERY_POINTS, ...RUNS, ...PLANS, ...WAY_BACK]) await queryRunner.query(statement);
  }

  /** For an upgrade that failed, not for one that has been used: the older program could not read what it does not know. */
  async down(queryRunner: QueryRunner): Promise<void> {
    for (const statement of [REFUSE_LOSS, ...BACK]) await queryRunner.query(statement);
  }
}

/** The default is for programs of the version before that still run while this one is being installed. */
const SERVER = [
  `UPDATE server SET protection = '{"dataSets":[]}'::jsonb || protection`,
  `ALTER TABLE server ALTER COLUMN protection
    SET DEFAULT '{"disks":[],"nics":[],"healthChecks":[],"quiesce":{"before":null,"after":null},"onlineBackup":{"rateLimitBytesPerSecond":null,"maxGuestLatencyMs":null},"dataSets":[]}'`,
];

const RECOVERY_POINTS = [
  'ALTER TABLE recovery_point ALTER COLUMN generation DROP NOT NULL, ALTER COLUMN lineage_id DROP NOT NULL, ALTER COLUMN consistency DROP NOT NULL, ALTER COLUMN repository DROP NOT NULL',
  `ALTER TABLE recovery_point ADD COLUMN data_set text, ADD COLUMN purpose text CONSTRAINT recovery_point_purpose_check CHECK (purpose IN ('backup', 'safety')), ADD COLUMN snapshot_id text, ADD COLUMN added_bytes bigint, ADD COLUMN declared jsonb, ADD COLUMN content jsonb`,
  `ALTER TABLE recovery_point ADD CONSTRAINT recovery_point_kind_check CHECK (CASE kind
    WHEN 'image' THEN num_nonnulls(generation, lineage_id, consistency, repository) = 4 AND num_nonnulls(data_set, purpose, snapshot_id, added_bytes, declared, content) = 0
    WHEN 'data' THEN num_nonnulls(generation, lineage_id, consistency, repository) = 0 AND num_nonnulls(data_set, purpose, snapshot_id, added_bytes, declared, content) = 6
    ELSE false END)`,
  `CREATE INDEX recovery_point_data_set_idx ON recovery_point (server_id, data_set, point_in_time) WHERE kind = 'data'`,
];

const RUNS = [
  'ALTER TABLE run DROP CONSTRAINT run_kind_check',
  `ALTER TABLE run ADD CONSTRAINT run_kind_check CHECK (kind IN ('backup-image', 'backup-data', 'restore-server', 'restore-data', 'undo', 'confirm'))`,
  'ALTER TABLE run ADD COLUMN lost_seconds double precision',
];

const PLANS = [
  'ALTER TABLE restore_plan ADD COLUMN request jsonb',
  'ALTER TABLE restore_plan DROP CONSTRAINT restore_plan_scenario_check',
  `ALTER TABLE restore_plan ADD CONSTRAINT restore_plan_scenario_check CHECK (scenario IN ('server', 'data', 'undo') AND (scenario <> 'data' OR request IS NOT NULL))`,
];

const WAY_BACK = ['ALTER TABLE way_back ADD COLUMN data jsonb'];

const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM recovery_point WHERE kind = 'data') OR EXISTS (SELECT FROM run WHERE kind IN ('backup-data', 'restore-data')) OR EXISTS (SELECT FROM restore_plan WHERE scenario = 'data') THEN
      RAISE EXCEPTION 'The catalogue knows of data recovery points, or of runs and plans about data: the version before this one could not read them. Restore the database from a backup of that version instead.';
    END IF;
  END
$$`;

const BACK = [
  'ALTER TABLE way_back DROP COLUMN data',
  'ALTER TABLE restore_plan DROP CONSTRAINT restore_plan_scenario_check',
  `ALTER TABLE restore_plan ADD CONSTRAINT restore_plan_scenario_check CHECK (scenario IN ('server', 'undo'))`,
  'ALTER TABLE restore_plan DROP COLUMN request',
  'ALTER TABLE run DROP COLUMN lost_seconds',
  'ALTER TABLE run DROP CONSTRAINT run_kind_check',
  `ALTER TABLE run ADD CONSTRAINT run_kind_check CHECK (kind IN ('backup-image', 'restore-server', 'undo', 'confirm'))`,
  'DROP INDEX recovery_point_data_set_idx',
  'ALTER TABLE recovery_point DROP CONSTRAINT recovery_point_kind_check',
  'ALTER TABLE recovery_point DROP COLUMN data_set, DROP COLUMN purpose, DROP COLUMN snapshot_id, DROP COLUMN added_bytes, DROP COLUMN declared, DROP COLUMN content',
  'ALTER TABLE recovery_point ALTER COLUMN generation SET NOT NULL, ALTER COLUMN lineage_id SET NOT NULL, ALTER COLUMN consistency SET NOT NULL, ALTER COLUMN repository SET NOT NULL',
  `ALTER TABLE server ALTER COLUMN protection
    SET DEFAULT '{"disks":[],"nics":[],"healthChecks":[],"quiesce":{"before":null,"after":null},"onlineBackup":{"rateLimitBytesPerSecond":null,"maxGuestLatencyMs":null}}'`,
  `UPDATE server SET protection = protection - 'dataSets'`,
];
