import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Relations between servers; configuration changes of servers, what recovery points say of them and of the server itself, and images that are taken because a change is complete. */
export class Changes1765700000000 implements MigrationInterface {
  readonly name = 'Changes1765700000000';

  /**
   * A change is complete on a line of disk states: after a restore it is on the new one only if it is applied again. The first generation that holds it is no
   * foreign key, as everywhere. `recovery_point.changes` is null where an earlier version has taken the image: nobody knows. Facts are stored once for as long as
   * they stay the same.
   */
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE configuration_change (
      id text NOT NULL CONSTRAINT configuration_change_pkey PRIMARY KEY,
      server_id text NOT NULL CONSTRAINT configuration_change_server_fkey REFERENCES server (id),
      title text NOT NULL,
      ticket text,
      author text NOT NULL,
      apply_again jsonb,
      external_id text,
      state text NOT NULL CONSTRAINT configuration_change_state_check CHECK (state IN ('open', 'completed', 'cancelled')),
      opened_at timestamptz(3) NOT NULL,
      opened_by text NOT NULL,
      opened_on text NOT NULL,
      completed_at timestamptz(3),
      completed_by text,
      cancelled_at timestamptz(3),
      cancelled_by text,
      cancel_reason text,
      CONSTRAINT configuration_change_external_key UNIQUE (server_id, external_id),
      CONSTRAINT configuration_change_end_check CHECK (
        num_nonnulls(completed_at, completed_by) = CASE state WHEN 'completed' THEN 2 ELSE 0 END
        AND num_nonnulls(cancelled_at, cancelled_by, cancel_reason) = CASE state WHEN 'cancelled' THEN 3 ELSE 0 END)
    )`);
    await queryRunner.query('CREATE INDEX configuration_change_newest_idx ON configuration_change (opened_at, id)');
    await queryRunner.query('CREATE INDEX configuration_change_server_idx ON configuration_change (server_id, opened_at)');
    await queryRunner.query(`CREATE TABLE applied_change (
      change_id text NOT NULL CONSTRAINT applied_change_change_fkey REFERENCES configuration_change (id),
      lineage_id text NOT NULL CONSTRAINT applied_change_lineage_fkey REFERENCES lineage (id),
      applied_at timestamptz(3) NOT NULL,
      applied_by text NOT NULL,
      run_id text,
      image_not_before timestamptz(3) NOT NULL,
      recovery_point_id text,
      generation integer,
      CONSTRAINT applied_change_pkey PRIMARY KEY (change_id, lineage_id),
      CONSTRAINT applied_change_generation_check CHECK (num_nonnulls(recovery_point_id, generation) IN (0, 2))
    )`);
    // Asked for every few seconds; nearly all changes are in an image.
    await queryRunner.query('CREATE INDEX applied_change_unimaged_idx ON applied_change (lineage_id) WHERE recovery_point_id IS NULL');
    await queryRunner.query(`CREATE TABLE relation (
      name text NOT NULL CONSTRAINT relation_pkey PRIMARY KEY,
      type text NOT NULL CONSTRAINT relation_type_check CHECK (type IN ('depends-on', 'replicates-with', 'member-of')),
      server text NOT NULL,
      peers jsonb NOT NULL,
      strength text NOT NULL CONSTRAINT relation_strength_check CHECK (strength IN ('hard', 'soft')),
      profile text,
      parameters jsonb NOT NULL
    )`);
    await queryRunner.query(`CREATE TABLE server_facts (
      sha256 text NOT NULL CONSTRAINT server_facts_pkey PRIMARY KEY,
      facts jsonb NOT NULL
    )`);
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD COLUMN changes jsonb,
      ADD COLUMN facts jsonb,
      ADD COLUMN facts_sha256 text CONSTRAINT recovery_point_facts_fkey REFERENCES server_facts (sha256),
      ADD CONSTRAINT recovery_point_changes_check CHECK (kind = 'image' OR num_nonnulls(changes, facts, facts_sha256) = 0),
      ADD CONSTRAINT recovery_point_facts_check CHECK (facts_sha256 IS NULL OR facts IS NOT NULL)`);
    await queryRunner.query(`ALTER TABLE run
      DROP CONSTRAINT run_waiting_check,
      ADD CONSTRAINT run_waiting_check CHECK (waiting_for IS NULL OR (waiting_for IN ('go-live', 'sign-off') AND state IN ('accepted', 'running')))`);
    await queryRunner.query(`ALTER TABLE run_decision
      DROP CONSTRAINT run_decision_kind_check,
      ADD CONSTRAINT run_decision_kind_check CHECK (kind IN ('go-live', 'sign-off')),
      ADD COLUMN not_applied jsonb,
      ADD CONSTRAINT run_decision_not_applied_check CHECK (not_applied IS NULL OR kind = 'sign-off')`);
    await queryRunner.query(`ALTER TABLE due_backup
      ALTER COLUMN policy DROP NOT NULL,
      DROP CONSTRAINT due_backup_cause_check,
      ADD CONSTRAINT due_backup_cause_check CHECK (cause IN ('schedule', 'restore', 'change') AND (policy IS NOT NULL OR cause = 'change'))`);
  }

  /** Only while no image could still be restored from whose manifest the version before could not read, and nothing that people have written down would be lost. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(REFUSE_LOSS);
    await queryRunner.query(`ALTER TABLE run_decision
      DROP CONSTRAINT run_decision_not_applied_check,
      DROP COLUMN not_applied,
      DROP CONSTRAINT run_decision_kind_check,
      ADD CONSTRAINT run_decision_kind_check CHECK (kind IN ('go-live'))`);
    await queryRunner.query(`ALTER TABLE run
      DROP CONSTRAINT run_waiting_check,
      ADD CONSTRAINT run_waiting_check CHECK (waiting_for IS NULL OR (waiting_for = 'go-live' AND state IN ('accepted', 'running')))`);
    await queryRunner.query(`ALTER TABLE due_backup DROP CONSTRAINT due_backup_cause_check`);
    await queryRunner.query(`DELETE FROM due_backup WHERE cause = 'change'`);
    await queryRunner.query(`ALTER TABLE due_backup
      ALTER COLUMN policy SET NOT NULL,
      ADD CONSTRAINT due_backup_cause_check CHECK (cause IN ('schedule', 'restore'))`);
    await queryRunner.query(`ALTER TABLE recovery_point
      DROP CONSTRAINT recovery_point_changes_check,
      DROP CONSTRAINT recovery_point_facts_check,
      DROP CONSTRAINT recovery_point_facts_fkey,
      DROP COLUMN changes,
      DROP COLUMN facts,
      DROP COLUMN facts_sha256`);
    await queryRunner.query('DROP TABLE server_facts');
    await queryRunner.query('DROP TABLE relation');
    await queryRunner.query('DROP TABLE applied_change');
    await queryRunner.query('DROP TABLE configuration_change');
  }
}

const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM configuration_change) OR EXISTS (SELECT FROM recovery_point WHERE changes IS NOT NULL AND removed_at IS NULL) THEN
      RAISE EXCEPTION 'The catalogue knows of configuration changes, or of recovery points that record them: the version before this one could not read them. Restore the database from a backup of that version instead.';
    END IF;
  END
$$`;
