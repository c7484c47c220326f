import type { Catalog } from '../../src/catalog/catalog';
import { createDataSource } from '../../src/catalog/data-source';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import { sealAuditEntry } from '../../src/audit/audit-chain';
import { actions, backupRequest, codeOf, givenServer } from '../contract/catalog.fixtures';
import { startTestPostgres, type TestPostgres } from '../support/postgres';

let postgres: TestPostgres;
let catalog: Catalog;

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);

beforeEach(async () => {
  await postgres.empty();
  catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
});

afterEach(() => catalog.close());
afterAll(() => postgres?.stop());

async function writeEntries(count: number): Promise<void> {
  for (let index = 1; index <= count; index += 1) await catalog.audit({ actor: 'alice', action: 'note.added', details: { index } });
}

/** What only somebody with the keys of the whole database can do. */
async function tamper(...statements: readonly string[]): Promise<void> {
  await postgres.query(
    postgres.superuserUrl,
    [
      'ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_append_only',
      ...statements,
      'ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_append_only',
    ].join(';'),
  );
}

const CHANGES = [`UPDATE audit_entry SET actor = 'mallory'`, 'DELETE FROM audit_entry', 'TRUNCATE audit_entry'];

describe('the audit', () => {
  it.each([
    ...CHANGES,
    'UPDATE audit_entry SET actor = actor WHERE false',
    `INSERT INTO audit_entry (seq) VALUES (1) ON CONFLICT (seq) DO UPDATE SET actor = 'mallory'`,
    'ALTER TABLE audit_entry DISABLE TRIGGER ALL',
    'DROP TABLE audit_entry',
    'DROP FUNCTION refuse_audit_change() CASCADE',
    'CREATE TABLE mine (a int)',
    `UPDATE schema_migration SET name = 'x'`,
    'DELETE FROM run',
    'DELETE FROM recovery_point',
    'DELETE FROM way_back',
    'DELETE FROM run_decision',
    `UPDATE run_decision SET actor = 'mallory'`,
    'DELETE FROM lineage',
    `UPDATE token SET expires_at = NULL`,
    'DELETE FROM token_revocation',
    `UPDATE token_revocation SET token_id = 'another'`,
  ])('leaves the application no right to: %s', async (statement) => {
    await writeEntries(1);
    await expect(postgres.query(postgres.appUrl, statement)).rejects.toMatchObject({ code: '42501' });
  });

  it.each(CHANGES)('refuses even the owner and a superuser: %s', async (statement) => {
    await writeEntries(1);
    for (const url of [postgres.ownerUrl, postgres.superuserUrl]) {
      await expect(postgres.query(url, statement)).rejects.toMatchObject({ code: '42501', message: expect.stringContaining('append-only') });
    }
    await expect(postgres.query(postgres.superuserUrl, `SET session_replication_role = replica; ${statement}`)).rejects.toMatchObject({ code: '42501' });
    expect(await catalog.verifyAudit()).toMatchObject({ intact: true, entries: 1 });
  });

  it.each([
    ['a changed detail', `UPDATE audit_entry SET details = '{"index": 99}' WHERE seq = 4`, 4],
    ['a changed actor', `UPDATE audit_entry SET actor = 'mallory' WHERE seq = 1`, 1],
    ['a time moved by a millisecond', `UPDATE audit_entry SET at = at + interval '1 millisecond' WHERE seq = 6`, 6],
    ['a run put in', `UPDATE audit_entry SET run_id = 'run_x' WHERE seq = 3`, 3],
    ['a changed hash', `UPDATE audit_entry SET hash = repeat('0', 64) WHERE seq = 6`, 6],
    ['a removed entry', 'DELETE FROM audit_entry WHERE seq = 5', 5],
    ['the first entry removed', 'DELETE FROM audit_entry WHERE seq = 1', 1],
    ['a removed entry with the rest renumbered', 'DELETE FROM audit_entry WHERE seq = 2; UPDATE audit_entry SET seq = seq - 1 WHERE seq > 2', 2],
    [
      'an entry put before the first',
      `INSERT INTO audit_entry SELECT 0, at, actor, action, run_id, server_id, details, previous_hash, hash FROM audit_entry WHERE seq = 1`,
      0,
    ],
  ])('finds %s and names it', async (_what, statement, firstBadSeq) => {
    await writeEntries(6);
    await tamper(statement);
    expect(await catalog.verifyAudit()).toMatchObject({ intact: false, firstBadSeq, problem: expect.any(String) });
  });

  it('finds an entry that was replaced by one that fits itself', async () => {
    await writeEntries(6);
    const { items } = await catalog.listAudit({}, { limit: 10, cursor: null });
    const forged = sealAuditEntry({ ...items[2]!, actor: 'mallory' });
    await tamper(`UPDATE audit_entry SET actor = 'mallory', hash = '${forged.hash}' WHERE seq = 3`);
    expect(await catalog.verifyAudit()).toMatchObject({ intact: false, firstBadSeq: 4, problem: expect.stringContaining('entry 3') });
  });

  it('walks a chain longer than one batch', async () => {
    await Promise.all(Array.from({ length: 4 }, () => writeEntries(600)));
    expect(await catalog.verifyAudit()).toMatchObject({ intact: true, entries: 2400 });
    await tamper(`UPDATE audit_entry SET actor = 'mallory' WHERE seq = 2001`);
    expect(await catalog.verifyAudit()).toMatchObject({ intact: false, entries: 2000, firstBadSeq: 2001 });
  }, 60_000);

  it('stays without gaps when several processes write and some of their transactions fail', async () => {
    const others = [1, 2, 3].map(() => createTypeormCatalog(createDataSource({ url: postgres.appUrl, poolSize: 4 })));
    try {
      const server = await givenServer(catalog);
      await Promise.allSettled(others.flatMap((other) => Array.from({ length: 15 }, () => other.acceptBackup(backupRequest(server.id)))));
      expect(await catalog.listOpenRuns()).toHaveLength(1);
      expect((await actions(catalog)).filter((action) => action.startsWith('run.'))).toHaveLength(45);
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true, entries: 4 + 45 });
    } finally {
      await Promise.all(others.map((other) => other.close()));
    }
  });

  it('is in the transaction of the change: no entry, no change', async () => {
    const server = await givenServer(catalog);
    const { runId } = await catalog.acceptBackup(backupRequest(server.id));
    await postgres.query(
      postgres.ownerUrl,
      `ALTER TABLE audit_entry ADD CONSTRAINT refuse_some CHECK (action NOT IN ('run.started', 'run.failed', 'step.succeeded', 'token.created'))`,
    );
    try {
      expect(await codeOf(catalog.startRun(runId))).toBe('INTERNAL');
      expect(await codeOf(catalog.recordStep(runId, { seq: 1, key: 'a', title: 'A', state: 'succeeded' }))).toBe('INTERNAL');
      expect(await codeOf(catalog.finishRun(runId, { state: 'failed', error: null }))).toBe('INTERNAL');
      expect(await codeOf(catalog.createToken('setup', 'alice', ['read'], null))).toBe('INTERNAL');
      expect(await catalog.getRun(runId)).toMatchObject({ state: 'accepted', steps: [] });
      expect(await codeOf(catalog.acceptBackup(backupRequest(server.id)))).toBe('SERVER_BUSY');
      expect(await postgres.query(postgres.superuserUrl, 'SELECT count(*)::int AS tokens FROM token')).toEqual([{ tokens: 0 }]);
    } finally {
      await postgres.query(postgres.ownerUrl, 'ALTER TABLE audit_entry DROP CONSTRAINT refuse_some');
    }
  });
});
