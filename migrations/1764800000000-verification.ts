import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Stored recovery points are read again, and what that says about them is kept. */
export class Verification1764800000000 implements MigrationInterface {
  readonly name = 'Verification1764800000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE verification (
      id text NOT NULL CONSTRAINT verification_pkey PRIMARY KEY,
      server_id text NOT NULL CONSTRAINT verification_server_fkey REFERENCES server (id),
      kind text NOT NULL CONSTRAINT verification_kind_check CHECK (kind IN ('image', 'data')),
      recovery_point_id text CONSTRAINT verification_recovery_point_fkey REFERENCES recovery_point (id),
      subject text NOT NULL,
      place text NOT NULL,
      method text NOT NULL CONSTRAINT verification_method_check CHECK (method IN ('checksums', 'structure')),
      part integer,
      parts integer,
      state text NOT NULL,
      waits_for text,
      cancel_requested boolean NOT NULL,
      requested_by text NOT NULL,
      reason text NOT NULL,
      requested_at timestamptz(3) NOT NULL,
      started_at timestamptz(3),
      finished_at timestamptz(3),
      done_bytes bigint,
      total_bytes bigint,
      error jsonb,
      CONSTRAINT verification_part_check CHECK (num_nonnulls(part, parts) IN (0, 2)),
      CONSTRAINT verification_state_check CHECK (CASE state
    WHEN 'waiting' THEN started_at IS NULL AND finished_at IS NULL
    WHEN 'running' THEN started_at IS NOT NULL AND finished_at IS NULL
    WHEN 'passed' THEN finished_at IS NOT NULL AND error IS NULL
    WHEN 'failed' THEN finished_at IS NOT NULL AND error IS NOT NULL
    WHEN 'not-run' THEN finished_at IS NOT NULL AND error IS NOT NULL
    ELSE false END)
    )`);
    await queryRunner.query(`CREATE UNIQUE INDEX verification_open_key ON verification (subject) WHERE state IN ('waiting', 'running')`);
    await queryRunner.query('CREATE INDEX verification_newest_idx ON verification (requested_at, id)');
    await queryRunner.query('CREATE INDEX verification_server_idx ON verification (server_id, requested_at)');
    await queryRunner.query('CREATE INDEX verification_subject_idx ON verification (subject, finished_at)');
    await queryRunner.query(`CREATE INDEX verification_ended_idx ON verification (finished_at)`);
    await queryRunner.query(`ALTER TABLE recovery_point
      ADD COLUMN verified_at timestamptz(3),
      ADD COLUMN verified_by text,
      ADD COLUMN checked_at timestamptz(3),
      ADD COLUMN check_problem jsonb,
      ADD CONSTRAINT recovery_point_verified_check CHECK (num_nonnulls(verified_at, verified_by) IN (0, 2) AND verified_by IN ('checksums', 'structure'))`);
    // What is asked for again and again: what nobody has read, and what was read longest ago.
    await queryRunner.query(
      `CREATE INDEX recovery_point_unread_idx ON recovery_point (point_in_time) WHERE kind = 'image' AND state = 'usable' AND verified_at IS NULL`,
    );
    await queryRunner.query(`CREATE INDEX recovery_point_read_idx ON recovery_point (verified_at) WHERE kind = 'image' AND state = 'usable'`);
    // Policies that stand there promise what those say that name nothing.
    await queryRunner.query(`ALTER TABLE policy ADD COLUMN verification jsonb DEFAULT '{"withinHours": 24, "everyDays": 30}'`);
    await queryRunner.query('ALTER TABLE policy ALTER COLUMN verification DROP DEFAULT');
    // What lies there unread is promised from now on.
    await queryRunner.query('ALTER TABLE policy ADD COLUMN verification_since timestamptz(3) NOT NULL DEFAULT now()');
    await queryRunner.query('ALTER TABLE policy ALTER COLUMN verification_since DROP DEFAULT');
  }

  /** What was known by reading is forgotten; all of it can be read again. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE policy DROP COLUMN verification_since');
    await queryRunner.query('ALTER TABLE policy DROP COLUMN verification');
    await queryRunner.query('DROP INDEX recovery_point_read_idx');
    await queryRunner.query('DROP INDEX recovery_point_unread_idx');
    await queryRunner.query(`ALTER TABLE recovery_point DROP CONSTRAINT recovery_point_verified_check,
      DROP COLUMN verified_at, DROP COLUMN verified_by, DROP COLUMN checked_at, DROP COLUMN check_problem`);
    await queryRunner.query('DROP TABLE verification');
  }
}
