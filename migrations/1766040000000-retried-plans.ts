import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the making of a plan waits for: a responder must see that nobody is there to look at the server. */
export class RetriedPlans1766040000000 implements MigrationInterface {
  readonly name = 'RetriedPlans1766040000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE restore_plan ADD COLUMN retrying jsonb');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE restore_plan DROP COLUMN retrying');
  }
}
