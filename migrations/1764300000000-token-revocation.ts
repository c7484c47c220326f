import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Tokens that were ended before their time. A table of its own, to which the application may only add: whoever takes over its connection can end a token, and
 * bring none back to life.
 */
export class TokenRevocation1764300000000 implements MigrationInterface {
  readonly name = 'TokenRevocation1764300000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(UP);
  }

  /** What was revoked stays so. */
  async down(queryRunner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await queryRunner.query(statement);
  }
}

const UP = `CREATE TABLE token_revocation (
    token_id text NOT NULL PRIMARY KEY CONSTRAINT token_revocation_token_fkey REFERENCES token (id),
    revoked_at timestamptz(3) NOT NULL
)`;

const DOWN = [
  `UPDATE token SET expires_at = least(coalesce(expires_at, revoked_at), revoked_at) FROM token_revocation WHERE token_id = token.id`,
  'DROP TABLE token_revocation',
];
