import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Images are booted for a proof, and what that says about them is kept. */
export class BootProofs1764900000000 implements MigrationInterface {
  readonly name = 'BootProofs1764900000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE verification
      DROP CONSTRAINT verification_method_check,
      ADD CONSTRAINT verification_method_check CHECK (method IN ('checksums', 'structure', 'boot')),
      ADD COLUMN boot jsonb,
      ADD COLUMN of_newest boolean,
      ADD CONSTRAINT verification_newest_check CHECK ((of_newest IS NOT NULL) = (method = 'boot')),
      ADD CONSTRAINT verification_boot_check CHECK ((boot IS NOT NULL) = (method = 'boot' AND state = 'passed'))`);
    await queryRunner.query(`CREATE INDEX verification_boot_idx ON verification (server_id, finished_at) WHERE method = 'boot'`);
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD COLUMN boot_at timestamptz(3),
      ADD COLUMN boot_seconds integer,
      ADD COLUMN boot_problem jsonb,
      ADD CONSTRAINT recovery_point_boot_check CHECK (num_nonnulls(boot_seconds, boot_problem) = num_nonnulls(boot_at) AND (boot_at IS NULL OR kind = 'image'))`);
    // Policies that stand there have nothing booted.
    await queryRunner.query(`UPDATE policy SET verification = verification || '{"boot": null}' WHERE verification IS NOT NULL`);
  }

  /** What was known by booting is forgotten; all of it can be booted again. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`UPDATE policy SET verification = verification - 'boot' WHERE verification IS NOT NULL`);
    await queryRunner.query(`ALTER TABLE recovery_point DROP CONSTRAINT recovery_point_boot_check,
      DROP COLUMN boot_at, DROP COLUMN boot_seconds, DROP COLUMN boot_problem`);
    await queryRunner.query(`DELETE FROM verification WHERE method = 'boot'`);
    await queryRunner.query(`DROP INDEX verification_boot_idx`);
    await queryRunner.query(`ALTER TABLE verification
      DROP CONSTRAINT verification_boot_check, DROP COLUMN boot, DROP CONSTRAINT verification_newest_check, DROP COLUMN of_newest,
      DROP CONSTRAINT verification_method_check,
      ADD CONSTRAINT verification_method_check CHECK (method IN ('checksums', 'structure'))`);
  }
}
