import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Servers that are backed up as a set, and the sets that were asked for. */
export class BackupGroups1765300000000 implements MigrationInterface {
  readonly name = 'BackupGroups1765300000000';

  /** The group of a set is a name, no foreign key: what was taken stays written down when the group is gone. So is the set of a recovery point. */
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE backup_group (
      name text NOT NULL CONSTRAINT backup_group_pkey PRIMARY KEY,
      servers jsonb NOT NULL
    )`);
    await queryRunner.query(`CREATE TABLE backup_set (
      id text NOT NULL CONSTRAINT backup_set_pkey PRIMARY KEY,
      group_name text NOT NULL,
      reason text NOT NULL,
      requested_by text NOT NULL,
      requested_at timestamptz(3) NOT NULL,
      deadline timestamptz(3) NOT NULL
    )`);
    await queryRunner.query('CREATE INDEX backup_set_newest_idx ON backup_set (requested_at, id)');
    await queryRunner.query('CREATE INDEX backup_set_group_idx ON backup_set (group_name, requested_at)');
    await queryRunner.query(`ALTER TABLE run
      ADD COLUMN set_id text CONSTRAINT run_set_fkey REFERENCES backup_set (id),
      ADD CONSTRAINT run_set_check CHECK (set_id IS NULL OR kind = 'backup-image')`);
    await queryRunner.query('CREATE INDEX run_set_idx ON run (set_id) WHERE set_id IS NOT NULL');
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD COLUMN set_id text,
      ADD CONSTRAINT recovery_point_set_check CHECK (set_id IS NULL OR kind = 'image')`);
  }

  /** Only while no recovery point of a set could still be restored from: the version before could not read its manifest. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(REFUSE_LOSS);
    await queryRunner.query('ALTER TABLE recovery_point DROP CONSTRAINT recovery_point_set_check, DROP COLUMN set_id');
    await queryRunner.query('DROP INDEX run_set_idx');
    await queryRunner.query('ALTER TABLE run DROP CONSTRAINT run_set_check, DROP COLUMN set_id');
    await queryRunner.query('DROP TABLE backup_set');
    await queryRunner.query('DROP TABLE backup_group');
  }
}

const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM recovery_point WHERE set_id IS NOT NULL AND removed_at IS NULL) THEN
      RAISE EXCEPTION 'The catalogue knows of recovery points of backup sets: the version before this one could not read them. Restore the database from a backup of that version instead.';
    END IF;
  END
$$`;
