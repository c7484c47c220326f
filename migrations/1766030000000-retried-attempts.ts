import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What an open run is trying again, so that people see which part is waited for. */
export class RetriedAttempts1766030000000 implements MigrationInterface {
  readonly name = 'RetriedAttempts1766030000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE run ADD COLUMN retrying jsonb');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE run DROP COLUMN retrying');
  }
}
