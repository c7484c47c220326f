import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Images that hold only what has changed since another one. */
export class Incrementals1765100000000 implements MigrationInterface {
  readonly name = 'Incrementals1765100000000';

  /** The parent is no foreign key: the catalogue can be rebuilt from a repository in any order. */
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD COLUMN parent_id text,
      ADD COLUMN manifest_sha256 text,
      ADD COLUMN damage_origin text,
      ADD COLUMN damage_file text,
      ADD CONSTRAINT recovery_point_parent_check CHECK (parent_id IS NULL OR (kind = 'image' AND parent_id <> id)),
      ADD CONSTRAINT recovery_point_manifest_check CHECK (manifest_sha256 IS NULL OR (kind = 'image' AND manifest_sha256 ~ '^[0-9a-f]{64}$')),
      ADD CONSTRAINT recovery_point_damage_check CHECK (num_nonnulls(damage_origin, damage_file) <= 1 AND (damage_origin IS NULL OR (parent_id IS NOT NULL AND damage_origin <> id)))`);
    await queryRunner.query('CREATE INDEX recovery_point_parent_idx ON recovery_point (parent_id) WHERE parent_id IS NOT NULL');
    for (const statement of KEEP_PARENTS) await queryRunner.query(statement);
  }

  /** Only while there are none that could still be restored from: the version before would remove what they build on. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(REFUSE_LOSS);
    await queryRunner.query('DROP TRIGGER recovery_point_keep_parents ON recovery_point');
    await queryRunner.query('DROP FUNCTION refuse_deleted_parent()');
    await queryRunner.query('DROP INDEX recovery_point_parent_idx');
    await queryRunner.query(`ALTER TABLE recovery_point
      DROP CONSTRAINT recovery_point_damage_check, DROP CONSTRAINT recovery_point_manifest_check, DROP CONSTRAINT recovery_point_parent_check,
      DROP COLUMN damage_file, DROP COLUMN damage_origin, DROP COLUMN manifest_sha256, DROP COLUMN parent_id`);
    await queryRunner.query(`UPDATE policy SET image = image - 'maxIncrements' WHERE jsonb_typeof(image) = 'object'`);
  }
}

/**
 * A worker of the version before does not know that images build on others, and would let go what a kept one needs. Looked at when the transaction ends: both may
 * go in one. One that is recorded later is no matter of this: it is recorded as damaged.
 */
const KEEP_PARENTS = [
  `CREATE FUNCTION refuse_deleted_parent() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE child text;
  BEGIN
    SELECT id INTO child FROM recovery_point WHERE parent_id = NEW.id AND state <> 'deleted' ORDER BY id LIMIT 1;
    IF child IS NOT NULL THEN
      RAISE EXCEPTION 'recovery point % cannot be deleted: % builds on it and is not', NEW.id, child
        USING ERRCODE = 'restrict_violation', HINT = 'Stop workers of earlier versions: they do not know that images build on others.';
    END IF;
    RETURN NULL;
  END
$$`,
  `CREATE CONSTRAINT TRIGGER recovery_point_keep_parents AFTER UPDATE OF state ON recovery_point DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.state = 'deleted' AND OLD.state <> 'deleted') EXECUTE FUNCTION refuse_deleted_parent()`,
];

const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM recovery_point WHERE parent_id IS NOT NULL AND removed_at IS NULL) THEN
      RAISE EXCEPTION 'The catalogue knows of incremental recovery points: the version before this one could not read them, and would remove what they build on. Restore the database from a backup of that version instead.';
    END IF;
  END
$$`;
