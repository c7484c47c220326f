import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Policies of servers, the backups that their schedules ask for, how many run at the same time, and recovery points that are held. */
export class Policies1764400000000 implements MigrationInterface {
  readonly name = 'Policies1764400000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of UP) await queryRunner.query(statement);
  }

  /** Policies and limits are forgotten; applying the estate file again declares them. What was due is forgotten, its runs are not. */
  async down(queryRunner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await queryRunner.query(statement);
  }
}

const UP = [
  `CREATE TABLE policy (
    name text CONSTRAINT policy_pkey PRIMARY KEY,
    time_zone text NOT NULL,
    image jsonb,
    data jsonb,
    rto_minutes integer,
    image_since timestamptz(3) NOT NULL,
    data_since timestamptz(3) NOT NULL
  )`,
  'ALTER TABLE hypervisor ADD COLUMN max_backups integer',
  'ALTER TABLE repository ADD COLUMN max_backups integer',
  'ALTER TABLE server ADD COLUMN policy text CONSTRAINT server_policy_fkey REFERENCES policy (name), ADD COLUMN policy_since timestamptz(3)',
  `CREATE TABLE due_backup (
    id text CONSTRAINT due_backup_pkey PRIMARY KEY,
    server_id text NOT NULL CONSTRAINT due_backup_server_fkey REFERENCES server (id),
    kind text NOT NULL CONSTRAINT due_backup_kind_check CHECK (kind IN ('image', 'data')),
    policy text NOT NULL,
    cause text NOT NULL CONSTRAINT due_backup_cause_check CHECK (cause IN ('schedule', 'restore')),
    due_at timestamptz(3) NOT NULL,
    not_before timestamptz(3) NOT NULL,
    state text NOT NULL CONSTRAINT due_backup_state_check CHECK (state IN ('waiting', 'started', 'superseded', 'withdrawn') AND (state = 'started') = (run_id IS NOT NULL)),
    waits_for text,
    missed_before integer NOT NULL,
    run_id text CONSTRAINT due_backup_run_fkey REFERENCES run (id),
    CONSTRAINT due_backup_once_key UNIQUE (server_id, kind, due_at)
  )`,
  'ALTER TABLE recovery_point ADD COLUMN hold_reason text, ADD COLUMN held_by text, ADD COLUMN held_at timestamptz(3), ADD CONSTRAINT recovery_point_hold_check CHECK (num_nonnulls(hold_reason, held_by, held_at) IN (0, 3))',
  'CREATE INDEX due_backup_newest_idx ON due_backup (due_at, id)',
  `CREATE UNIQUE INDEX due_backup_waiting_key ON due_backup (server_id, kind) WHERE state = 'waiting'`,
];

/** A hold is somebody's word: it is not forgotten in silence. */
const REFUSE_LOSS = `DO $$
  BEGIN
    IF EXISTS (SELECT FROM recovery_point WHERE held_at IS NOT NULL) THEN
      RAISE EXCEPTION 'Recovery points are held, and the version before this one knows no holds. Release them first: modosu recovery-point release.';
    END IF;
  END
$$`;

const DOWN = [
  REFUSE_LOSS,
  'ALTER TABLE recovery_point DROP COLUMN hold_reason, DROP COLUMN held_by, DROP COLUMN held_at',
  'DROP TABLE due_backup',
  'ALTER TABLE server DROP COLUMN policy, DROP COLUMN policy_since',
  'ALTER TABLE repository DROP COLUMN max_backups',
  'ALTER TABLE hypervisor DROP COLUMN max_backups',
  'DROP TABLE policy',
];
