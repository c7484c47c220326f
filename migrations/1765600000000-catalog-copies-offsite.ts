import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Copies of the catalogue lie beside off-site repositories, too. */
export class CatalogCopiesOffsite1765600000000 implements MigrationInterface {
  readonly name = 'CatalogCopiesOffsite1765600000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE catalog_copy DROP CONSTRAINT catalog_copy_repository_fkey, DROP CONSTRAINT catalog_copy_pkey');
    await queryRunner.query(`ALTER TABLE catalog_copy ADD COLUMN kind text NOT NULL DEFAULT 'image'`);
    await queryRunner.query(`ALTER TABLE catalog_copy ALTER COLUMN kind DROP DEFAULT,
      ADD CONSTRAINT catalog_copy_kind_check CHECK (kind IN ('image', 'offsite')),
      ADD CONSTRAINT catalog_copy_pkey PRIMARY KEY (kind, repository)`);
  }

  /** The copies stay where they are; how far those are that lie off-site is not known any more. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DELETE FROM catalog_copy WHERE kind <> 'image'`);
    await queryRunner.query('ALTER TABLE catalog_copy DROP CONSTRAINT catalog_copy_pkey');
    await queryRunner.query(`ALTER TABLE catalog_copy DROP COLUMN kind, ADD CONSTRAINT catalog_copy_pkey PRIMARY KEY (repository),
      ADD CONSTRAINT catalog_copy_repository_fkey FOREIGN KEY (repository) REFERENCES repository (name)`);
  }
}
