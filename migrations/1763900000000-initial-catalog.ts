import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The first catalogue: inventory, recovery points, plans, runs with their steps and locks, tokens, audit. */
export class InitialCatalog1763900000000 implements MigrationInterface {
  readonly name = 'InitialCatalog1763900000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of [...INVENTORY, ...RUNS, ...RECOVERY_POINTS_AND_PLANS, ...ACCESS, ...AUDIT]) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of TABLES_BY_DEPENDENCE) await queryRunner.query(`DROP TABLE ${table}`);
    await queryRunner.query('DROP SEQUENCE fencing_token_seq');
    await queryRunner.query('DROP FUNCTION refuse_audit_change()');
  }
}

const INVENTORY = [
  `CREATE TABLE hypervisor (
    name text NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    uri text NOT NULL
  )`,
  `CREATE TABLE repository (
    name text NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    path text NOT NULL
  )`,
  `CREATE TABLE server (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL CONSTRAINT server_name_key UNIQUE,
    uuid text NOT NULL,
    domain_name text NOT NULL,
    hypervisor text NOT NULL CONSTRAINT server_hypervisor_fkey REFERENCES hypervisor (name),
    repository text NOT NULL CONSTRAINT server_repository_fkey REFERENCES repository (name),
    stop_timeout_seconds integer NOT NULL,
    agent_timeout_seconds integer NOT NULL,
    lineage_id text NOT NULL,
    created_at timestamptz(3) NOT NULL,
    CONSTRAINT server_hypervisor_uuid_key UNIQUE (hypervisor, uuid)
  )`,
];

const RUNS = [
  `CREATE TABLE run (
    id text NOT NULL PRIMARY KEY,
    kind text NOT NULL CONSTRAINT run_kind_check CHECK (kind IN ('backup-image', 'restore-server')),
    state text NOT NULL CONSTRAINT run_state_check CHECK (state IN ('accepted', 'running', 'succeeded', 'failed', 'cancelled')),
    server_id text NOT NULL CONSTRAINT run_server_fkey REFERENCES server (id),
    reason text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz(3) NOT NULL,
    started_at timestamptz(3),
    finished_at timestamptz(3),
    plan_id text,
    recovery_point_id text,
    cancel_requested boolean NOT NULL,
    error jsonb,
    recovery_seconds double precision,
    input jsonb NOT NULL,
    CONSTRAINT run_finished_check CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled')))
  )`,
  'CREATE INDEX run_newest_idx ON run (requested_at, id)',
  'CREATE INDEX run_server_idx ON run (server_id, requested_at)',
  `CREATE INDEX run_open_idx ON run (requested_at) WHERE state IN ('accepted', 'running')`,
  `CREATE TABLE run_step (
    run_id text NOT NULL CONSTRAINT run_step_run_fkey REFERENCES run (id),
    seq integer NOT NULL,
    key text NOT NULL,
    title text NOT NULL,
    state text NOT NULL CONSTRAINT run_step_state_check
      CHECK (state IN ('pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'undone')),
    started_at timestamptz(3),
    finished_at timestamptz(3),
    progress jsonb,
    detail jsonb NOT NULL,
    error jsonb,
    PRIMARY KEY (run_id, seq)
  )`,
  // The primary key is the lock: one run at a time per server. A new token is taken after the row is held, so it is above those of all earlier holders.
  `CREATE TABLE server_lock (
    server_id text NOT NULL PRIMARY KEY CONSTRAINT server_lock_server_fkey REFERENCES server (id),
    run_id text NOT NULL CONSTRAINT server_lock_run_key UNIQUE CONSTRAINT server_lock_run_fkey REFERENCES run (id) DEFERRABLE INITIALLY DEFERRED,
    fencing_token bigint NOT NULL,
    acquired_at timestamptz(3) NOT NULL
  )`,
  'CREATE SEQUENCE fencing_token_seq AS bigint',
  `CREATE TABLE lineage (
    id text NOT NULL PRIMARY KEY,
    server_id text NOT NULL CONSTRAINT lineage_server_fkey REFERENCES server (id),
    run_id text CONSTRAINT lineage_run_key UNIQUE CONSTRAINT lineage_run_fkey REFERENCES run (id),
    started_at timestamptz(3) NOT NULL
  )`,
];

const RECOVERY_POINTS_AND_PLANS = [
  `CREATE TABLE recovery_point (
    id text NOT NULL PRIMARY KEY,
    server_id text NOT NULL CONSTRAINT recovery_point_server_fkey REFERENCES server (id),
    server_name text NOT NULL,
    kind text NOT NULL,
    generation integer NOT NULL,
    lineage_id text NOT NULL,
    state text NOT NULL CONSTRAINT recovery_point_state_check CHECK (state IN ('usable', 'damaged')),
    state_reason text,
    consistency text NOT NULL,
    point_in_time timestamptz(3) NOT NULL,
    published_at timestamptz(3) NOT NULL,
    repository text NOT NULL CONSTRAINT recovery_point_repository_fkey REFERENCES repository (name),
    size_bytes bigint NOT NULL,
    disks jsonb NOT NULL,
    reason text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT recovery_point_generation_key UNIQUE (server_id, kind, generation)
  )`,
  'CREATE INDEX recovery_point_newest_idx ON recovery_point (point_in_time, id)',
  'CREATE INDEX recovery_point_server_idx ON recovery_point (server_id, point_in_time)',
  `CREATE TABLE restore_plan (
    id text NOT NULL PRIMARY KEY,
    state text NOT NULL CONSTRAINT restore_plan_state_check CHECK (state IN ('planning', 'ready', 'failed', 'used')),
    server_id text NOT NULL CONSTRAINT restore_plan_server_fkey REFERENCES server (id),
    scenario text NOT NULL,
    requested_by text NOT NULL,
    created_at timestamptz(3) NOT NULL,
    recovery_point_id text CONSTRAINT restore_plan_recovery_point_fkey REFERENCES recovery_point (id),
    hash text,
    body text,
    error jsonb,
    run_id text CONSTRAINT restore_plan_run_key UNIQUE CONSTRAINT restore_plan_run_fkey REFERENCES run (id),
    CONSTRAINT restore_plan_ready_check CHECK (state NOT IN ('ready', 'used') OR (hash IS NOT NULL AND body IS NOT NULL)),
    CONSTRAINT restore_plan_used_check CHECK ((state = 'used') = (run_id IS NOT NULL))
  )`,
  `CREATE INDEX restore_plan_planning_idx ON restore_plan (created_at) WHERE state = 'planning'`,
];

const ACCESS = [
  `CREATE TABLE token (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL,
    scopes text[] NOT NULL,
    secret_sha256 text NOT NULL CONSTRAINT token_secret_key UNIQUE,
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3)
  )`,
  `CREATE TABLE idempotency_key (
    actor text NOT NULL,
    key text NOT NULL,
    request_digest text NOT NULL,
    result_id text NOT NULL,
    created_at timestamptz(3) NOT NULL,
    PRIMARY KEY (actor, key)
  )`,
];

/**
 * Append-only for everybody, the owner and superusers included: rights alone would not hold those. ALWAYS: also while replication roles switch triggers off.
 */
const AUDIT = [
  `CREATE TABLE audit_entry (
    seq bigint NOT NULL PRIMARY KEY,
    at timestamptz(3) NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    run_id text,
    server_id text,
    details jsonb NOT NULL,
    previous_hash text NOT NULL,
    hash text NOT NULL
  )`,
  'CREATE INDEX audit_entry_run_idx ON audit_entry (run_id, seq)',
  `CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'audit_entry is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END
  $$`,
  'CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()',
  'ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_append_only',
];

const TABLES_BY_DEPENDENCE = [
  'audit_entry',
  'idempotency_key',
  'token',
  'restore_plan',
  'recovery_point',
  'lineage',
  'server_lock',
  'run_step',
  'run',
  'server',
  'repository',
  'hypervisor',
];
