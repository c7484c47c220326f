import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Servers that are restored together. */
export class RestoreSets1765900000000 implements MigrationInterface {
  readonly name = 'RestoreSets1765900000000';

  /** What its plans and runs do stands in their own rows. */
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE restore_set (
      id text NOT NULL CONSTRAINT restore_set_pkey PRIMARY KEY,
      state text NOT NULL CONSTRAINT restore_set_state_check CHECK (state IN ('planned', 'running', 'stopped', 'succeeded', 'failed')),
      basis text NOT NULL CONSTRAINT restore_set_basis_check CHECK (basis IN ('freeze', 'readings', 'reseed', 'unrelated')),
      choice jsonb NOT NULL,
      members jsonb NOT NULL,
      requested_by text NOT NULL,
      requested_at timestamptz(3) NOT NULL,
      run_by text,
      reason text,
      run_at timestamptz(3),
      finished_at timestamptz(3),
      problem text,
      CONSTRAINT restore_set_run_check CHECK ((state = 'planned') = (run_by IS NULL) AND (run_by IS NULL) = (reason IS NULL) AND (run_by IS NULL) = (run_at IS NULL)),
      CONSTRAINT restore_set_finished_check CHECK ((state IN ('stopped', 'succeeded', 'failed')) = (finished_at IS NOT NULL))
    )`);
    await queryRunner.query('CREATE INDEX restore_set_newest_idx ON restore_set (requested_at, id)');
    await queryRunner.query(`CREATE INDEX restore_set_running_idx ON restore_set (requested_at) WHERE state = 'running'`);
  }

  /** Only while no set is under way: its runs would wait for ever. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DO $$
      BEGIN
        IF EXISTS (SELECT FROM restore_set WHERE state = 'running') THEN
          RAISE EXCEPTION 'A set of servers is being restored: let it end first.';
        END IF;
      END
    $$`);
    await queryRunner.query('DROP TABLE restore_set');
  }
}
