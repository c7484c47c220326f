import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Recovery points of data remember credentials too. */
export class DataCredentials1765950000000 implements MigrationInterface {
  readonly name = 'DataCredentials1765950000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE recovery_point DROP CONSTRAINT recovery_point_credentials_check');
  }

  /** Only while no data could still be restored from whose manifest the version before could not read. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(REFUSE_LOSS);
    await queryRunner.query(`UPDATE recovery_point SET credentials = NULL WHERE kind = 'data'`);
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD CONSTRAINT recovery_point_credentials_check CHECK (kind = 'image' OR credentials IS NULL)`);
  }
}

const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM recovery_point WHERE kind = 'data' AND credentials IS NOT NULL AND removed_at IS NULL) THEN
      RAISE EXCEPTION 'The catalogue knows of recovery points of data that remember credentials: the version before this one could not read them. Restore the database from a backup of that version instead.';
    END IF;
  END
$$`;
