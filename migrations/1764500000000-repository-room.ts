import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What was free in repositories, hour by hour: how long they will last is counted from it. */
export class RepositoryRoom1764500000000 implements MigrationInterface {
  readonly name = 'RepositoryRoom1764500000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE repository_room (
      repository text NOT NULL CONSTRAINT repository_room_repository_fkey REFERENCES repository (name),
      at timestamptz(3) NOT NULL,
      free_bytes bigint NOT NULL,
      CONSTRAINT repository_room_pkey PRIMARY KEY (repository, at)
    )`);
  }

  /** What was measured is forgotten; it is measured again. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE repository_room');
  }
}
