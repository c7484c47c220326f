import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What probes have read of servers for their relations, and what of it is stored with recovery points; the sign-off after go-live. */
export class Markers1765750000000 implements MigrationInterface {
  readonly name = 'Markers1765750000000';

  /** `marker_reading.occasion` is the id of a plan or a run, and of a run a moment behind a colon: no foreign key. */
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE marker_reading (
      occasion text NOT NULL,
      relation text NOT NULL,
      peer text NOT NULL,
      side text NOT NULL CONSTRAINT marker_reading_side_check CHECK (side IN ('server', 'peer')),
      readings jsonb NOT NULL,
      recorded_at timestamptz(3) NOT NULL,
      CONSTRAINT marker_reading_pkey PRIMARY KEY (occasion, relation, peer, side)
    )`);
    await queryRunner.query(`CREATE TABLE recovery_point_markers (
      recovery_point_id text NOT NULL CONSTRAINT recovery_point_markers_pkey PRIMARY KEY
        CONSTRAINT recovery_point_markers_point_fkey REFERENCES recovery_point (id),
      markers jsonb NOT NULL
    )`);
    await queryRunner.query('ALTER TABLE relation ADD COLUMN address text');
    await queryRunner.query(`ALTER TABLE run
      DROP CONSTRAINT run_waiting_check,
      ADD CONSTRAINT run_waiting_check CHECK (waiting_for IS NULL OR (waiting_for IN ('go-live', 'sign-off', 'sign-off-live') AND state IN ('accepted', 'running')))`);
    await queryRunner.query(`ALTER TABLE run_decision
      DROP CONSTRAINT run_decision_kind_check,
      ADD CONSTRAINT run_decision_kind_check CHECK (kind IN ('go-live', 'sign-off', 'sign-off-live'))`);
  }

  /** Only while nothing is known of markers, and nobody waits for, or has given, what the version before does not know. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(REFUSE_LOSS);
    await queryRunner.query(`ALTER TABLE run_decision
      DROP CONSTRAINT run_decision_kind_check,
      ADD CONSTRAINT run_decision_kind_check CHECK (kind IN ('go-live', 'sign-off'))`);
    await queryRunner.query(`ALTER TABLE run
      DROP CONSTRAINT run_waiting_check,
      ADD CONSTRAINT run_waiting_check CHECK (waiting_for IS NULL OR (waiting_for IN ('go-live', 'sign-off') AND state IN ('accepted', 'running')))`);
    await queryRunner.query('ALTER TABLE relation DROP COLUMN address');
    await queryRunner.query('DROP TABLE recovery_point_markers');
    await queryRunner.query('DROP TABLE marker_reading');
  }
}

const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM recovery_point_markers)
      OR EXISTS (SELECT FROM run WHERE waiting_for = 'sign-off-live')
      OR EXISTS (SELECT FROM run_decision WHERE kind = 'sign-off-live') THEN
      RAISE EXCEPTION 'The catalogue knows of markers of recovery points, or of sign-offs after go-live: the version before this one could not read them. Restore the database from a backup of that version instead.';
    END IF;
  END
$$`;
