import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Copies of recovery points in a second place. */
export class Offsite1765400000000 implements MigrationInterface {
  readonly name = 'Offsite1765400000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE policy ADD COLUMN offsite jsonb, ADD COLUMN offsite_since timestamptz(3)`);
    await queryRunner.query(`CREATE TABLE offsite_repository (
      name text NOT NULL CONSTRAINT offsite_repository_pkey PRIMARY KEY,
      location text NOT NULL,
      media text NOT NULL CONSTRAINT offsite_repository_media_check CHECK (media IN ('fixed', 'removable')),
      state text NOT NULL DEFAULT 'unknown' CONSTRAINT offsite_repository_state_check CHECK (state IN ('here', 'offline', 'unreachable', 'unknown')),
      seen_at timestamptz(3),
      looked_at timestamptz(3),
      asked_since timestamptz(3),
      problem jsonb
    )`);
    await queryRunner.query(`CREATE TABLE offsite_copy (
      recovery_point_id text NOT NULL CONSTRAINT offsite_copy_recovery_point_fkey REFERENCES recovery_point (id),
      offsite text NOT NULL CONSTRAINT offsite_copy_offsite_fkey REFERENCES offsite_repository (name),
      state text NOT NULL,
      attempts integer NOT NULL,
      next_attempt_at timestamptz(3),
      copied_at timestamptz(3),
      size_bytes bigint,
      snapshot_ids jsonb NOT NULL,
      verified_at timestamptz(3),
      deleted_at timestamptz(3),
      removed_at timestamptz(3),
      problem jsonb,
      CONSTRAINT offsite_copy_pkey PRIMARY KEY (recovery_point_id, offsite),
      CONSTRAINT offsite_copy_state_check CHECK (CASE state
    WHEN 'waiting' THEN true
    WHEN 'copying' THEN true
    WHEN 'copied' THEN num_nonnulls(copied_at, size_bytes) = 2 AND problem IS NULL AND num_nonnulls(deleted_at, removed_at) = 0
    WHEN 'failed' THEN problem IS NOT NULL
    WHEN 'damaged' THEN problem IS NOT NULL AND copied_at IS NOT NULL
    WHEN 'deleted' THEN deleted_at IS NOT NULL
    ELSE false END)
    )`);
    await queryRunner.query('CREATE INDEX offsite_copy_offsite_idx ON offsite_copy (offsite, state)');
    await queryRunner.query(`CREATE TABLE offsite_transfer (
      id text NOT NULL CONSTRAINT offsite_transfer_pkey PRIMARY KEY,
      kind text NOT NULL CONSTRAINT offsite_transfer_kind_check CHECK (kind IN ('copy', 'fetch', 'check', 'forget')),
      offsite text NOT NULL CONSTRAINT offsite_transfer_offsite_fkey REFERENCES offsite_repository (name),
      server_id text CONSTRAINT offsite_transfer_server_fkey REFERENCES server (id),
      recovery_point_id text CONSTRAINT offsite_transfer_recovery_point_fkey REFERENCES recovery_point (id),
      points jsonb NOT NULL,
      hypervisor text NOT NULL,
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
      CONSTRAINT offsite_transfer_part_check CHECK (num_nonnulls(part, parts) IN (0, 2)),
      CONSTRAINT offsite_transfer_state_check CHECK (CASE state
    WHEN 'waiting' THEN started_at IS NULL AND finished_at IS NULL
    WHEN 'running' THEN started_at IS NOT NULL AND finished_at IS NULL
    WHEN 'succeeded' THEN finished_at IS NOT NULL AND error IS NULL
    WHEN 'failed' THEN finished_at IS NOT NULL AND error IS NOT NULL
    WHEN 'cancelled' THEN finished_at IS NOT NULL AND error IS NOT NULL
    ELSE false END)
    )`);
    await queryRunner.query('CREATE INDEX offsite_transfer_newest_idx ON offsite_transfer (requested_at, id)');
    await queryRunner.query(`CREATE INDEX offsite_transfer_open_idx ON offsite_transfer (offsite) WHERE state IN ('waiting', 'running')`);
  }

  /** What was copied stays where it is, and can be read without Modosu; the version before knows nothing of it. */
  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['offsite_transfer', 'offsite_copy', 'offsite_repository']) await queryRunner.query(`DROP TABLE ${table}`);
    await queryRunner.query('ALTER TABLE policy DROP COLUMN offsite_since, DROP COLUMN offsite');
  }
}
