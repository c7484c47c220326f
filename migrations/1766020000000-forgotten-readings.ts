import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What was read for an image goes once it is recorded, for which the application needs a right that it did not have; that of images before this stands with their recovery points, too. */
export class ForgottenReadings1766020000000 implements MigrationInterface {
  readonly name = 'ForgottenReadings1766020000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DELETE FROM marker_reading WHERE occasion IN (SELECT run_id FROM recovery_point WHERE kind = 'image')`);
  }

  /** Nobody asks for what is gone. */
  async down(): Promise<void> {
    return Promise.resolve();
  }
}
