import { createDataSource } from '../../src/catalog/data-source';
import { pendingMigrations, revertMigrations, runMigrations } from '../../src/catalog/migrate';
import { MIGRATIONS } from '../../migrations';
import { startTestPostgres, type TestPostgres } from '../support/postgres';

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);

afterAll(() => postgres?.stop());

describe('schema', () => {
  it('fits the entities: TypeORM would change nothing', async () => {
    const dataSource = await createDataSource({ url: postgres.ownerUrl }).initialize();
    try {
      const log = await dataSource.driver.createSchemaBuilder().log();
      expect(log.upQueries.map(({ query }) => query)).toEqual([]);
    } finally {
      await dataSource.destroy();
    }
  });
});
