import { Client } from 'pg';
import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { createDataSource } from '../../src/catalog/data-source';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import { codeOf, givenReadyPlan, givenServer, manifestOf, restoreRequest } from '../contract/catalog.fixtures';
import { startTestPostgres, type TestPostgres } from '../support/postgres';

let postgres: TestPostgres;
let catalog: Catalog;
let server: ServerRecord;

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);

beforeEach(async () => {
  await postgres.empty();
  catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
  server = await givenServer(catalog);
});

afterEach(() => catalog.close());
afterAll(() => postgres?.stop());

async function image(generation: number, parentId: string | null): Promise<string> {
  return (await catalog.recordRecoveryPoint(manifestOf(server, generation, { parentId }), 'main')).id;
}

/** Whoever is kept waiting by somebody else's lock. */
async function somebodyWaits(): Promise<void> {
  const deadline = performance.now() + 10_000;
  while ((await postgres.query(postgres.superuserUrl, 'SELECT FROM pg_locks WHERE NOT granted')).length === 0) {
    if (performance.now() > deadline) throw new Error('nobody waits');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

it('damage that is handed down waits for whoever finds an heir damaged by itself, and leaves that its own reason', async () => {
  const full = await image(10, null);
  const child = await image(11, full);
  const other = new Client({ connectionString: postgres.appUrl });
  await other.connect();
  try {
    await other.query('BEGIN');
    await other.query(
      `UPDATE recovery_point SET state = 'damaged', state_reason = 'segment 7 differs', check_problem = '{"code":"RECOVERY_POINT_CORRUPT","message":"segment 7 differs"}' WHERE id = $1`,
      [child],
    );
    const handedDown = catalog.markRecoveryPoint(full, 'damaged', 'segment 3 differs');
    await somebodyWaits();
    await other.query('COMMIT');
    await handedDown;
  } finally {
    await other.end();
  }
  expect(await catalog.getRecoveryPoint(full)).toMatchObject({ state: 'damaged' });
  expect((await catalog.getRecoveryPoint(child)).verification.problem).toMatchObject({ message: 'segment 7 differs' });
});

it('a plan is refused when something has expired on which its recovery point builds', async () => {
  const { planId, recoveryPointId } = await givenReadyPlan(catalog, server);
  const full = await image(99, null);
  await postgres.query(postgres.ownerUrl, `UPDATE recovery_point SET parent_id = '${full}' WHERE id = '${recoveryPointId}'`);
  await postgres.query(postgres.ownerUrl, `UPDATE recovery_point SET state = 'expired', expired_at = now() WHERE id = '${full}'`);
  expect(await codeOf(catalog.acceptPlanned(restoreRequest(server.id, planId)))).toBe('RECOVERY_POINT_NOT_USABLE');
  await catalog.holdRecoveryPoint('alice', full, 'the plan needs it');
  expect((await catalog.acceptPlanned(restoreRequest(server.id, planId))).replayed).toBe(false);
});
