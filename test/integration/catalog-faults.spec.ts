import type { DataSource } from 'typeorm';
import type { Catalog } from '../../src/catalog/catalog';
import { createDataSource } from '../../src/catalog/data-source';
import { Database } from '../../src/catalog/database';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import {
  actions,
  backupRequest,
  codeOf,
  finishedRestore,
  givenReadyPlan,
  givenReadyUndoPlan,
  givenServer,
  refusal,
  restoreRequest,
} from '../contract/catalog.fixtures';
import { startTestPostgres, type TestPostgres } from '../support/postgres';

let postgres: TestPostgres;
let dataSource: DataSource;
let catalog: Catalog;
let lost: Error[];
const ALL_BUT_DATE = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);

beforeEach(async () => {
  await postgres.empty();
  lost = [];
  dataSource = createDataSource({ url: postgres.appUrl, poolSize: 4, onConnectionLost: (error) => lost.push(error) });
  catalog = createTypeormCatalog(dataSource);
});

afterEach(() => catalog.close());
afterAll(() => postgres?.stop());

const KILL_CONNECTIONS = `SELECT count(pg_terminate_backend(pid))::int AS killed FROM pg_stat_activity WHERE usename = 'modosu_app'`;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('the condition did not come true within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('PostgreSQL away', () => {
  it('is a clear error at the start, and the catalogue works as soon as PostgreSQL does', async () => {
    await postgres.shutDown();
    try {
      const error = await refusal(catalog.check());
      expect(error).toMatchObject({ code: 'CATALOG_UNAVAILABLE', retry: 'later', message: expect.stringContaining('ECONNREFUSED') });
      const codes = await Promise.all(
        [catalog.listServers(), catalog.authenticate('x'), catalog.audit({ actor: 'a', action: 'b' }), catalog.verifyAudit()].map(codeOf),
      );
      expect(codes).toEqual(Array(4).fill('CATALOG_UNAVAILABLE'));
    } finally {
      await postgres.startAgain();
    }
    await expect(catalog.check()).resolves.toBeUndefined();
    expect((await givenServer(catalog)).name).toBe('db01');
  }, 60_000);

  it('does not end the process when it goes while connections are idle, and is back afterwards', async () => {
    const server = await givenServer(catalog);
    const { runId } = await catalog.acceptBackup(backupRequest(server.id));
    await postgres.shutDown();
    try {
      await until(() => lost.length > 0);
      expect(lost[0]).not.toHaveProperty('client');
      expect(await codeOf(catalog.startRun(runId))).toBe('CATALOG_UNAVAILABLE');
    } finally {
      await postgres.startAgain();
    }
    await catalog.startRun(runId);
    expect(await actions(catalog, runId)).toEqual(['run.requested', 'run.started']);
    expect(await catalog.verifyAudit()).toMatchObject({ intact: true });
  }, 60_000);

  it('leaves nothing behind of a transaction whose connection is cut', async () => {
    const server = await givenServer(catalog);
    const database = new Database(dataSource);
    const call = database.transaction(async ({ manager, audit }) => {
      await manager.query('UPDATE server SET repository = repository, stop_timeout_seconds = 1');
      audit({ actor: 'a', action: 'never.written' });
      await postgres.query(postgres.superuserUrl, KILL_CONNECTIONS);
      await manager.query('SELECT 1');
    });
    expect(await refusal(call)).toMatchObject({ code: 'CATALOG_UNAVAILABLE' });
    expect(await catalog.getServer('db01')).toEqual(server);
    expect(await actions(catalog)).not.toContain('never.written');
  });

  it.each([
    ['a wrong password', (url: string) => url.replace('test-only', 'secret-but-wrong')],
    ['an unknown database', (url: string) => url.replace(/\/modosu$/, '/nowhere')],
    ['an unknown host', (url: string) => url.replace('127.0.0.1', 'host.invalid')],
  ])(
    'is what %s amounts to, and no password shows',
    async (_what, change) => {
      const other = createTypeormCatalog(createDataSource({ url: change(postgres.appUrl) }));
      try {
        const error = await refusal(other.check());
        expect(error.code).toBe('CATALOG_UNAVAILABLE');
        expect(JSON.stringify(error.summary())).not.toMatch(/test-only|secret-but-wrong/);
      } finally {
        await other.close();
      }
    },
    30_000,
  );

  it('is what a pool without a free connection amounts to', async () => {
    const other = createDataSource({ url: postgres.appUrl, poolSize: 1 });
    const busy = new Database(other);
    try {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const first = busy.transaction(() => held);
      const second = await codeOf(busy.transaction(async ({ manager }) => manager.query('SELECT 1')));
      release();
      await first;
      expect(second).toBe('CATALOG_UNAVAILABLE');
    } finally {
      await busy.close();
    }
  }, 30_000);

  it('refuses new connections while it starts or stops, which is not an internal error', async () => {
    const results: string[] = [];
    await postgres.shutDown();
    const starting = postgres.startAgain();
    let up = false;
    void starting.then(() => {
      up = true;
    });
    while (!up) {
      results.push(
        await catalog.check().then(
          () => 'up',
          (error: { readonly code: string }) => error.code,
        ),
      );
    }
    await starting;
    expect(results.length).toBeGreaterThan(0);
    expect(results.filter((code) => code !== 'up' && code !== 'CATALOG_UNAVAILABLE')).toEqual([]);
    await expect(catalog.check()).resolves.toBeUndefined();
  }, 60_000);
});

describe('transactions', () => {
  it('are tried again after a deadlock', async () => {
    await givenServer(catalog);
    const database = new Database(dataSource);
    let meetings = 0;
    let attempts = 0;
    const lockInOrder = (names: readonly [string, string]): Promise<void> =>
      database.transaction(async ({ manager, audit }) => {
        attempts += 1;
        await manager.query('UPDATE server SET stop_timeout_seconds = stop_timeout_seconds + 1 WHERE name = $1', [names[0]]);
        meetings += 1;
        await until(() => meetings >= 2);
        await manager.query('UPDATE server SET stop_timeout_seconds = stop_timeout_seconds + 1 WHERE name = $1', [names[1]]);
        audit({ actor: 'a', action: 'both.changed' });
      });
    await Promise.all([lockInOrder(['db01', 'web01']), lockInOrder(['web01', 'db01'])]);
    expect(attempts).toBe(3);
    expect((await catalog.listServers()).map(({ stopTimeoutSeconds }) => stopTimeoutSeconds)).toEqual([122, 122]);
    expect((await actions(catalog)).filter((action) => action === 'both.changed')).toHaveLength(2);
  }, 30_000);
});

describe('a plan that was edited in the database', () => {
  it('is not carried out', async () => {
    const server = await givenServer(catalog);
    const { planId } = await givenReadyPlan(catalog, server);
    await postgres.query(postgres.superuserUrl, `UPDATE restore_plan SET body = replace(body, '/images/db01.qcow2.run', '/images/other') WHERE id = $1`, [
      planId,
    ]);
    expect(await refusal(catalog.acceptPlanned(restoreRequest(server.id, planId)))).toMatchObject({
      code: 'PLAN_STALE',
      message: expect.stringContaining('was changed'),
    });
    expect((await actions(catalog)).at(-1)).toBe('run.refused');
    expect(await catalog.listOpenRuns()).toEqual([]);
  });
});

describe('the plan of an undo that was edited in the database', () => {
  it.each([
    ['its run', `UPDATE restore_plan SET undoes_run_id = $2 WHERE id = $1`],
    ['its scenario', `UPDATE restore_plan SET scenario = 'server', undoes_run_id = NULL WHERE id = $1 AND $2 <> ''`],
  ])('is not carried out: %s', async (_what, statement) => {
    const server = await givenServer(catalog);
    const older = await finishedRestore(catalog, server);
    const newer = await finishedRestore(catalog, server);
    const { planId } = await givenReadyUndoPlan(catalog, server, newer);
    await postgres.query(postgres.superuserUrl, statement, [planId, older]);
    expect(await refusal(catalog.acceptPlanned(restoreRequest(server.id, planId)))).toMatchObject({
      code: 'PLAN_STALE',
      message: expect.stringContaining('was changed'),
    });
    expect(await catalog.listOpenRuns()).toEqual([]);
  });
});

describe('the data source', () => {
  it('throws for a condition without a value instead of giving the first row', async () => {
    await givenServer(catalog);
    const nothing = undefined as unknown as string;
    expect(await codeOf(catalog.getServer(nothing))).toBe('INTERNAL');
    expect(await codeOf(catalog.getRun(nothing))).toBe('INTERNAL');
    expect(await codeOf(catalog.getRecoveryPoint(null as unknown as string))).toBe('INTERNAL');
  });
});

describe('a worker whose clock is wrong', () => {
  const realNow = Date.now;
  afterEach(() => jest.useRealTimers());

  it('raises no alert and puts off no message by it: all workers go by the time of PostgreSQL', async () => {
    await givenServer(catalog);
    jest.useFakeTimers({ now: realNow() + 365 * 86_400_000, doNotFake: [...ALL_BUT_DATE] });
    const asked: Date[] = [];
    await catalog.reviewAlerts(['webhook'], (now) => (asked.push(now), true));
    const first = await catalog.nextAlertMessage('webhook');
    jest.useRealTimers();
    const isNow = (at: Date): boolean => Math.abs(at.getTime() - Date.now()) < 60_000;
    expect(asked.map(isNow)).toEqual([true]);
    const { items } = await catalog.listAlerts({}, { limit: 10, cursor: null });
    expect(items.map(({ raisedAt }) => isNow(new Date(raisedAt)))).toEqual([true, true]);
    // Tried again in 30 s, not in a year; meanwhile the other alert's message is due.
    const taken = [first, await catalog.nextAlertMessage('webhook'), await catalog.nextAlertMessage('webhook')];
    expect(taken.map((message) => message?.alert.serverName).toSorted()).toEqual(['db01', 'web01', undefined]);
    const [waiting] = await postgres.query(postgres.superuserUrl, "SELECT max(next_attempt_at) - now() < interval '1 minute' AS soon FROM alert_delivery");
    expect(waiting).toEqual({ soon: true });
  });
});
