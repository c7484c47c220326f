import type { Catalog } from '../../src/catalog/catalog';
import { createDataSource } from '../../src/catalog/data-source';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import {
  actions,
  backupRequest,
  BEFORE,
  codeOf,
  confirmRequest,
  EXPIRY,
  factsOf,
  finishedRestore,
  finishedUndo,
  givenReadyUndoPlan,
  givenServer,
  restoreRequest,
  succeeded,
  swappedRestore,
  swappedUndo,
} from '../contract/catalog.fixtures';
import { startTestPostgres, type TestPostgres } from '../support/postgres';

let postgres: TestPostgres;
let catalog: Catalog;
/** Other processes: APIs and workers with connections of their own. */
let others: readonly Catalog[];

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);

beforeEach(async () => {
  await postgres.empty();
  catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
  others = [1, 2, 3].map(() => createTypeormCatalog(createDataSource({ url: postgres.appUrl, poolSize: 3 })));
});

afterEach(() => Promise.all([catalog, ...others].map((each) => each.close())));
afterAll(() => postgres?.stop());

const outcomes = (results: readonly PromiseSettledResult<unknown>[]): readonly string[] =>
  results.map((result) => (result.status === 'fulfilled' ? 'ok' : (result.reason as { readonly code: string }).code)).sort();

describe('the way back, asked for by several processes at once', () => {
  it('goes to one: an undo, confirms and backups in any order', async () => {
    const server = await givenServer(catalog);
    for (let round = 0; round < 5; round += 1) {
      const restore = await finishedRestore(catalog, server);
      const { planId } = await givenReadyUndoPlan(catalog, server, restore);
      const calls = others.flatMap((other) => [
        () => other.acceptConfirm(confirmRequest(server.id, restore)),
        () => other.acceptPlanned(restoreRequest(server.id, planId)),
        () => other.acceptBackup(backupRequest(server.id)),
      ]);
      const results = await Promise.allSettled([...calls.slice(round), ...calls.slice(0, round)].map((call) => call()));
      expect(outcomes(results).filter((outcome) => outcome === 'ok')).toHaveLength(1);
      // The plan itself is used up when it was the undo that won.
      expect(outcomes(results).filter((outcome) => !['ok', 'SERVER_BUSY', 'PLAN_ALREADY_USED'].includes(outcome))).toEqual([]);
      const [open] = await catalog.listOpenRuns();
      await catalog.finishRun(open?.runId ?? 'none', succeeded);
    }
    expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
  }, 60_000);

  it('is written once by attempts that overlap', async () => {
    const server = await givenServer(catalog);
    const restore = await finishedRestore(catalog, server);
    const { planId } = await givenReadyUndoPlan(catalog, server, restore);
    const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
    const taken = await Promise.all(others.flatMap((other) => [1, 2].map(() => other.takeWayBack(runId, restore, factsOf(runId), BEFORE, EXPIRY))));
    for (const view of taken) expect(view).toEqual(taken[0]);
    expect(taken).toHaveLength(6);
    expect((await catalog.getServer('db01')).lineageId).toBe(server.lineageId);
    await Promise.all(others.map((other) => other.revertWayBack(runId)));
    expect(await catalog.getWayBack(restore)).toMatchObject({ state: 'open', closedBy: null });
    expect((await actions(catalog, runId)).filter((action) => action === 'lineage.returned' || action === 'way-back.reverted')).toEqual([
      'lineage.returned',
      'way-back.reverted',
    ]);

    await catalog.finishRun(runId, { state: 'failed', error: null });
    const opening = await swappedRestore(catalog, server);
    await Promise.all(others.flatMap((other) => [other.openWayBack(opening, factsOf(opening), BEFORE, EXPIRY), other.recordGoLive(opening)]));
    expect((await actions(catalog, opening)).filter((action) => action === 'lineage.started' || action === 'run.went-live')).toEqual([
      'lineage.started',
      'run.went-live',
    ]);
  });

  it('does not let a decision and a cancel pass each other unseen', async () => {
    const server = await givenServer(catalog);
    for (let round = 0; round < 5; round += 1) {
      const runId = await swappedRestore(catalog, server);
      await catalog.recordStep(runId, { seq: 9, key: 'go-live', title: 'Go live', state: 'waiting' });
      const decide = (other: Catalog): Promise<void> => other.decide({ actor: 'bob', runId, kind: 'go-live', reason: 'go' });
      const [first, second, third] = others as readonly [Catalog, Catalog, Catalog];
      const results = await Promise.allSettled([decide(first), second.requestCancel('carol', runId, null), decide(third)]);
      const order = (await actions(catalog, runId)).filter((action) => action === 'run.decided' || action === 'run.cancel-requested');
      const decided = await catalog.getDecision(runId, 'go-live');
      // Whoever came first is seen by the other: a decision never follows the cancel.
      expect(order).toEqual(decided === null ? ['run.cancel-requested'] : ['run.decided', 'run.cancel-requested']);
      expect(outcomes(results).filter((outcome) => outcome === 'RUN_NOT_WAITING').length).toBe(decided === null ? 2 : 0);
      await catalog.revertWayBack(runId);
      await catalog.finishRun(runId, { state: 'cancelled', error: null });
    }
  }, 60_000);
});

describe('the way back and the audit', () => {
  it('are one transaction: no entry, no change', async () => {
    const server = await givenServer(catalog);
    const restore = await finishedRestore(catalog, server);
    const restored = (await catalog.getServer('db01')).lineageId;
    const { planId } = await givenReadyUndoPlan(catalog, server, restore);
    const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
    const refuse = 'ALTER TABLE audit_entry ADD CONSTRAINT refuse_some CHECK (action NOT IN (%)) NOT VALID';
    const actionsRefused = `'lineage.returned', 'way-back.reverted', 'way-back.confirmed', 'run.decided'`;
    await postgres.query(postgres.ownerUrl, refuse.replace('%', actionsRefused));
    try {
      expect(await codeOf(catalog.takeWayBack(runId, restore, factsOf(runId), BEFORE, EXPIRY))).toBe('INTERNAL');
      expect(await codeOf(catalog.closeWayBack(runId, restore))).toBe('INTERNAL');
      await catalog.recordStep(runId, { seq: 1, key: 'go-live', title: 'Go live', state: 'waiting' });
      expect(await codeOf(catalog.decide({ actor: 'bob', runId, kind: 'go-live', reason: 'x' }))).toBe('INTERNAL');
      expect(await catalog.getDecision(runId, 'go-live')).toBeNull();
      expect(await codeOf(catalog.getWayBack(runId))).toBe('WAY_BACK_NOT_FOUND');
      expect((await catalog.getWayBack(restore)).state).toBe('open');
      expect((await catalog.getServer('db01')).lineageId).toBe(restored);
    } finally {
      await postgres.query(postgres.ownerUrl, 'ALTER TABLE audit_entry DROP CONSTRAINT refuse_some');
    }
    await catalog.takeWayBack(runId, restore, factsOf(runId), BEFORE, EXPIRY);
    await postgres.query(postgres.ownerUrl, refuse.replace('%', `'way-back.reverted'`));
    try {
      expect(await codeOf(catalog.revertWayBack(runId))).toBe('INTERNAL');
      expect([(await catalog.getWayBack(runId)).state, (await catalog.getWayBack(restore)).state]).toEqual(['open', 'undone']);
    } finally {
      await postgres.query(postgres.ownerUrl, 'ALTER TABLE audit_entry DROP CONSTRAINT refuse_some');
    }
  });
});

describe('a long line of redos', () => {
  it('keeps one lineage per restore, and every way back in order', async () => {
    const server = await givenServer(catalog);
    const restore = await finishedRestore(catalog, server);
    const restored = (await catalog.getServer('db01')).lineageId;
    let last = restore;
    for (let count = 1; count <= 6; count += 1) {
      last = await finishedUndo(catalog, server, last);
      expect((await catalog.getServer('db01')).lineageId).toBe(count % 2 === 1 ? server.lineageId : restored);
    }
    const aborted = await swappedUndo(catalog, server, last);
    await catalog.revertWayBack(aborted);
    await catalog.finishRun(aborted, { state: 'failed', error: null });
    expect((await catalog.listWayBacks({ serverId: server.id })).map(({ state }) => state)).toEqual(['reverted', 'open', ...Array<string>(6).fill('undone')]);
    expect(await postgres.query(postgres.superuserUrl, 'SELECT count(*)::int AS lineages FROM lineage WHERE server_id = $1', [server.id])).toEqual([
      { lineages: 2 },
    ]);
  });
});
