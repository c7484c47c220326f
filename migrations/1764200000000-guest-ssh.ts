import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How programs are run in the guest of a server: by its agent (null), or over SSH. */
export class GuestSsh1764200000000 implements MigrationInterface {
  readonly name = 'GuestSsh1764200000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of UP) await queryRunner.query(statement);
  }

  /** Declared access is forgotten; applying the estate file again declares it. */
  async down(queryRunner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await queryRunner.query(statement);
  }
}

/** The default is for programs of the version before that still run while this one is being installed. */
const UP = [
  `UPDATE server SET protection = '{"ssh":null}'::jsonb || protection`,
  `ALTER TABLE server ALTER COLUMN protection
    SET DEFAULT '{"disks":[],"nics":[],"healthChecks":[],"quiesce":{"before":null,"after":null},"onlineBackup":{"rateLimitBytesPerSecond":null,"maxGuestLatencyMs":null},"dataSets":[],"ssh":null}'`,
];

const DOWN = [
  `ALTER TABLE server ALTER COLUMN protection
    SET DEFAULT '{"disks":[],"nics":[],"healthChecks":[],"quiesce":{"before":null,"after":null},"onlineBackup":{"rateLimitBytesPerSecond":null,"maxGuestLatencyMs":null},"dataSets":[]}'`,
  `UPDATE server SET protection = protection - 'ssh'`,
];
