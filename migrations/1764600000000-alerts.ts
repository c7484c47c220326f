import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What people are told of without looking, and how the telling went. */
export class Alerts1764600000000 implements MigrationInterface {
  readonly name = 'Alerts1764600000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE alert (
      id text NOT NULL CONSTRAINT alert_pkey PRIMARY KEY,
      key text NOT NULL,
      kind text NOT NULL CONSTRAINT alert_kind_check CHECK (kind IN ('breach', 'run-failed', 'waiting', 'damaged')),
      code text NOT NULL,
      server_id text NOT NULL CONSTRAINT alert_server_fkey REFERENCES server (id),
      run_id text CONSTRAINT alert_run_fkey REFERENCES run (id),
      message text NOT NULL,
      hint text NOT NULL,
      raised_at timestamptz(3) NOT NULL,
      cleared_at timestamptz(3)
    )`);
    await queryRunner.query('CREATE UNIQUE INDEX alert_open_key ON alert (key) WHERE cleared_at IS NULL');
    await queryRunner.query('CREATE INDEX alert_newest_idx ON alert (raised_at, id)');
    await queryRunner.query(`CREATE TABLE alert_delivery (
      id text NOT NULL CONSTRAINT alert_delivery_pkey PRIMARY KEY,
      alert_id text NOT NULL CONSTRAINT alert_delivery_alert_fkey REFERENCES alert (id),
      event text NOT NULL CONSTRAINT alert_delivery_event_check CHECK (event IN ('raised', 'cleared')),
      channel text NOT NULL CONSTRAINT alert_delivery_channel_check CHECK (channel IN ('webhook', 'email')),
      state text NOT NULL,
      attempts integer NOT NULL,
      next_attempt_at timestamptz(3) NOT NULL,
      last_problem text,
      delivered_at timestamptz(3),
      CONSTRAINT alert_delivery_once_key UNIQUE (alert_id, channel, event),
      CONSTRAINT alert_delivery_state_check CHECK (state IN ('waiting', 'delivered', 'given-up') AND (state = 'delivered') = (delivered_at IS NOT NULL))
    )`);
    await queryRunner.query(`CREATE INDEX alert_delivery_waiting_idx ON alert_delivery (next_attempt_at, id) WHERE state = 'waiting'`);
  }

  /** What was told is forgotten; what is still so is told again by the version that knows alerts. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE alert_delivery');
    await queryRunner.query('DROP TABLE alert');
  }
}
