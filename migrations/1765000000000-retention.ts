import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What no rule keeps expires, and is deleted some time later. Its row stays. */
export class Retention1765000000000 implements MigrationInterface {
  readonly name = 'Retention1765000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD COLUMN expired_at timestamptz(3),
      ADD COLUMN deletes_at timestamptz(3),
      ADD COLUMN deleted_at timestamptz(3),
      ADD COLUMN removed_at timestamptz(3),
      DROP CONSTRAINT recovery_point_state_check,
      ADD CONSTRAINT recovery_point_state_check CHECK (state IN ('usable', 'damaged', 'expired', 'deleted')),
      ADD CONSTRAINT recovery_point_retired_check CHECK (CASE state
    WHEN 'expired' THEN expired_at IS NOT NULL AND num_nonnulls(deleted_at, removed_at, held_at) = 0
    WHEN 'deleted' THEN num_nonnulls(expired_at, deletes_at, deleted_at) = 3
    ELSE num_nonnulls(expired_at, deletes_at, deleted_at, removed_at) = 0 END)`);
    await queryRunner.query(
      `CREATE INDEX recovery_point_retired_idx ON recovery_point (server_id) WHERE state IN ('expired', 'deleted') AND removed_at IS NULL`,
    );
    // When it was last judged: time that nobody has watched counts for nothing.
    await queryRunner.query(`CREATE TABLE retention_pass (
      id boolean NOT NULL CONSTRAINT retention_pass_pkey PRIMARY KEY CONSTRAINT retention_pass_one_check CHECK (id),
      at timestamptz(3) NOT NULL
    )`);
    await queryRunner.query('CREATE INDEX restore_plan_server_idx ON restore_plan (server_id, created_at)');
  }

  /** Only while nothing was deleted: what is gone cannot be made usable again. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX restore_plan_server_idx');
    await queryRunner.query('DROP TABLE retention_pass');
    await queryRunner.query('DROP INDEX recovery_point_retired_idx');
    await queryRunner.query('ALTER TABLE recovery_point DROP CONSTRAINT recovery_point_retired_check, DROP CONSTRAINT recovery_point_state_check');
    await queryRunner.query(`UPDATE recovery_point SET state = CASE WHEN check_problem->>'code' IN ('RECOVERY_POINT_CORRUPT', 'RECOVERY_POINT_INCOMPLETE') THEN 'damaged' ELSE 'usable' END
      WHERE state = 'expired'`);
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD CONSTRAINT recovery_point_state_check CHECK (state IN ('usable', 'damaged')),
      DROP COLUMN expired_at, DROP COLUMN deletes_at, DROP COLUMN deleted_at, DROP COLUMN removed_at`);
  }
}
