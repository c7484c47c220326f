import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which disks of a server hold data, and what a restore is to do with them: keep them as they are, or attach their old volumes. */
export class DiskRoles1764050000000 implements MigrationInterface {
  readonly name = 'DiskRoles1764050000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of UP) await queryRunner.query(statement);
  }

  /** Declared roles are forgotten; applying the estate file again declares them. */
  async down(queryRunner: QueryRunner): Promise<void> {
    for (const statement of [REFUSE_LOSS, ...DOWN]) await queryRunner.query(statement);
  }
}

/** The defaults are for programs of the version before that still run while this one is being installed. */
const UP = [
  `ALTER TABLE server ALTER COLUMN protection
    SET DEFAULT '{"disks":[],"nics":[],"healthChecks":[],"quiesce":{"before":null,"after":null},"onlineBackup":{"rateLimitBytesPerSecond":null,"maxGuestLatencyMs":null}}'`,
  `UPDATE server SET protection = '{"disks":[]}'::jsonb || protection`,
  `ALTER TABLE restore_plan ADD COLUMN keep_disks jsonb NOT NULL DEFAULT '[]'`,
  `ALTER TABLE restore_plan ADD COLUMN attach_old_disks jsonb NOT NULL DEFAULT '[]'`,
];

/**
 * The version before would carry such a plan out without the disks it keeps, and its swap would be refused only after all copies were made; old disks it
 * would not attach.
 */
const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM restore_plan WHERE (keep_disks <> '[]' OR attach_old_disks <> '[]') AND state IN ('planning', 'ready')) THEN
      RAISE EXCEPTION 'There are plans that keep disks or attach old ones, which the version before this one would forget. Carry them out first.';
    END IF;
  END
$$`;

const DOWN = [
  'ALTER TABLE restore_plan DROP COLUMN attach_old_disks',
  'ALTER TABLE restore_plan DROP COLUMN keep_disks',
  `UPDATE server SET protection = protection - 'disks'`,
  `ALTER TABLE server ALTER COLUMN protection
    SET DEFAULT '{"nics":[],"healthChecks":[],"quiesce":{"before":null,"after":null},"onlineBackup":{"rateLimitBytesPerSecond":null,"maxGuestLatencyMs":null}}'`,
];
