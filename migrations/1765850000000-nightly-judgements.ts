import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What newest images are judged to be before they are needed. */
export class NightlyJudgements1765850000000 implements MigrationInterface {
  readonly name = 'NightlyJudgements1765850000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE nightly_judgement (
      server_id text NOT NULL CONSTRAINT nightly_judgement_pkey PRIMARY KEY CONSTRAINT nightly_judgement_server_fkey REFERENCES server (id),
      asked_at timestamptz(3),
      recovery_point_id text CONSTRAINT nightly_judgement_recovery_point_fkey REFERENCES recovery_point (id),
      judged_at timestamptz(3),
      worst text CONSTRAINT nightly_judgement_worst_check CHECK (worst IN ('ok', 'warn', 'step', 'block', 'unknown')),
      worst_since timestamptz(3),
      findings jsonb,
      CONSTRAINT nightly_judgement_judged_check CHECK (num_nonnulls(judged_at, worst, worst_since, findings) IN (0, 4))
    )`);
    await queryRunner.query('CREATE INDEX nightly_judgement_asked_idx ON nightly_judgement (asked_at) WHERE asked_at IS NOT NULL');
  }

  /** All of it is found out again. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE nightly_judgement');
  }
}
