import { createDataSource } from '../../src/catalog/data-source';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import { startTestPostgres, type TestPostgres } from '../support/postgres';
import { catalogContract, testClock } from './catalog.contract';

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);

afterAll(() => postgres?.stop());

catalogContract('PostgreSQL', async () => {
  const { now, advance } = testClock();
  await postgres.empty();
  const catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }), now);
  return { catalog, advance, dispose: () => catalog.close() };
});
