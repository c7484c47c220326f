import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The last run of a kind of a server is asked for every few seconds: found without reading the history. */
export class EndedRuns1764700000000 implements MigrationInterface {
  readonly name = 'EndedRuns1764700000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX run_ended_idx ON run (server_id, kind, requested_at, id) WHERE state IN ('succeeded', 'failed', 'cancelled')`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX run_ended_idx');
  }
}
