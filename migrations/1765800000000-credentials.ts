import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which versions of the credentials of a server were valid when an image was taken. */
export class Credentials1765800000000 implements MigrationInterface {
  readonly name = 'Credentials1765800000000';

  /** Null: none was declared, or an earlier version has taken the image. */
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD COLUMN credentials jsonb,
      ADD CONSTRAINT recovery_point_credentials_check CHECK (kind = 'image' OR credentials IS NULL)`);
  }

  /** Only while no image could still be restored from whose manifest the version before could not read. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(REFUSE_LOSS);
    await queryRunner.query('ALTER TABLE recovery_point DROP CONSTRAINT recovery_point_credentials_check, DROP COLUMN credentials');
  }
}

const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM recovery_point WHERE credentials IS NOT NULL AND removed_at IS NULL) THEN
      RAISE EXCEPTION 'The catalogue knows of recovery points that remember credentials: the version before this one could not read them. Restore the database from a backup of that version instead.';
    END IF;
  END
$$`;
