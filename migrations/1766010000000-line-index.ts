import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the newest image of a line says of configuration changes is found without reading every recovery point. */
export class LineIndex1766010000000 implements MigrationInterface {
  readonly name = 'LineIndex1766010000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX recovery_point_line_idx ON recovery_point (lineage_id, generation) WHERE kind = 'image' AND changes IS NOT NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX recovery_point_line_idx');
  }
}
