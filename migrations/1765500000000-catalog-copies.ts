import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far the copies of the catalogue are, by image repository. */
export class CatalogCopies1765500000000 implements MigrationInterface {
  readonly name = 'CatalogCopies1765500000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE catalog_copy (
      repository text NOT NULL CONSTRAINT catalog_copy_pkey PRIMARY KEY CONSTRAINT catalog_copy_repository_fkey REFERENCES repository (name),
      copied_at timestamptz(3),
      audit_seq bigint,
      tried_at timestamptz(3) NOT NULL,
      problem jsonb,
      CONSTRAINT catalog_copy_copied_check CHECK ((copied_at IS NULL) = (audit_seq IS NULL))
    )`);
  }

  /** The copies stay where they are; how far they are is found out again. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE catalog_copy');
  }
}
