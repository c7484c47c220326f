import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A server that is out of service for good, who has said so, and until when its last recovery points are protected. */
export class Decommissioning1765200000000 implements MigrationInterface {
  readonly name = 'Decommissioning1765200000000';

  /** A program of the version before knows nothing of it: to it, every server is in service, so that it deletes nothing more. */
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE server
      ADD COLUMN decommissioned_at timestamptz(3),
      ADD COLUMN decommissioned_by text,
      ADD COLUMN decommission_reason text,
      ADD COLUMN keep_days integer,
      ADD COLUMN protects_until timestamptz(3),
      ADD CONSTRAINT server_decommissioned_check CHECK (num_nonnulls(decommissioned_at, decommissioned_by, decommission_reason, keep_days, protects_until) IN (0, 5)
    AND (keep_days IS NULL OR keep_days BETWEEN 1 AND 36500))`);
  }

  /** Every server is in service again: what has expired only because of it is had back, as long as it is there. The audit says what was. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE server
      DROP CONSTRAINT server_decommissioned_check,
      DROP COLUMN decommissioned_at, DROP COLUMN decommissioned_by, DROP COLUMN decommission_reason, DROP COLUMN keep_days, DROP COLUMN protects_until`);
  }
}
