import { createDataSource } from '../../src/catalog/data-source';
import { ensureDatabase } from '../../src/catalog/ensure-database';
import { newestMigration, revertMigrations, runMigrations } from '../../src/catalog/migrate';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import { NO_PROTECTION } from '../../src/contracts/protection';
import { MIGRATIONS } from '../../migrations';
import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { codeOf, ESTATE, manifestOf, refusal, RESOLVED } from '../contract/catalog.fixtures';
import { startTestPostgres, type TestPostgres } from '../support/postgres';

let postgres: TestPostgres;
const ALL = MIGRATIONS.map(({ name }) => name);
/** Everything after the first version, after the ones that had ways back, roles of disks, SSH, revoked tokens, and retention. */
const SINCE_FIRST = ALL.slice(1);
const SINCE_WAY_BACK = ALL.slice(2);
const SINCE_DISK_ROLES = ALL.slice(3);
const SINCE_SSH = ALL.slice(5);
const SINCE_REVOCATION = ALL.slice(6);
const SINCE_RETENTION = ALL.slice(13);
const SINCE_INCREMENTALS = ALL.slice(14);
const SINCE_MARKERS = ALL.slice(ALL.indexOf('Markers1765750000000'));
const SINCE_CHANGES = ALL.slice(ALL.indexOf('Changes1765700000000'));

beforeAll(async () => {
  postgres = await startTestPostgres({ migrate: false });
}, 60_000);

afterAll(() => postgres?.stop());

/** A server with a recovery point, a backup that is being made, a restore that has ended, and two plans. */
const ROWS_OF_THE_FIRST_VERSION = `
  INSERT INTO hypervisor VALUES ('hv1', 'libvirt', 'qemu:///system');
  INSERT INTO repository VALUES ('main', 'directory', '/srv/modosu');
  INSERT INTO server VALUES ('srv_1', 'db01', 'uuid-1', 'db01', 'hv1', 'main', 120, 300, 'l1', now());
  INSERT INTO lineage VALUES ('l1', 'srv_1', null, now());
  INSERT INTO recovery_point VALUES ('rp_1', 'srv_1', 'db01', 'image', 1, 'l1', 'usable', null, 'offline', now(), now(), 'main', 5, '[]', 'r', 'run_0');
  INSERT INTO run VALUES
    ('run_backup', 'backup-image', 'running', 'srv_1', 'r', 'alice', now(), now(), null, null, null, false, null, null, '{"runId":"run_backup","mode":"offline"}'),
    ('run_restore', 'restore-server', 'succeeded', 'srv_1', 'r', 'alice', now(), now(), now(), null, null, false, null, 12.5, '{"runId":"run_restore"}');
  INSERT INTO run_step VALUES ('run_restore', 1, 'copy:vda', 'Copy', 'succeeded', now(), now(), '{"doneBytes":5,"totalBytes":10,"updatedAt":"2026-01-01T00:00:00.000Z"}', '{}', null);
  INSERT INTO restore_plan VALUES
    ('plan_ready', 'ready', 'srv_1', 'server', 'alice', now(), null, 'hash', '{"planId":"plan_ready"}', null, null),
    ('plan_planning', 'planning', 'srv_1', 'server', 'alice', now(), null, null, null, null, null);`;

const DATA_RECOVERY_POINT = `INSERT INTO recovery_point
  (id, server_id, server_name, kind, state, point_in_time, published_at, size_bytes, disks, reason, run_id, data_set, purpose, snapshot_id, added_bytes, declared, content)
  VALUES ('rp_data', 'srv_1', 'db01', 'data', 'usable', now(), now(), 1, '[]', 'r', 'run_0', 'shop', 'backup', 'e', 1, '{}', '{}')`;

/** What TypeORM would change to make the tables fit the entities. */
async function drift(): Promise<readonly string[]> {
  const dataSource = await createDataSource({ url: postgres.ownerUrl }).initialize();
  try {
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    return upQueries.map(({ query }) => query);
  } finally {
    await dataSource.destroy();
  }
}

const tables = async (): Promise<readonly unknown[]> =>
  (
    await postgres.query(postgres.superuserUrl, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') ORDER BY 1`)
  ).map(({ relname }) => relname);

describe('migrations', () => {
  it('are asked for by name while they are missing', async () => {
    const catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
    try {
      expect(await refusal(catalog.check())).toMatchObject({
        code: 'CATALOG_SCHEMA_OUTDATED',
        message: expect.stringContaining(ALL[0]!),
        hint: 'Run `modosu migrate`.',
      });
      expect(await codeOf(catalog.listServers())).toBe('CATALOG_SCHEMA_OUTDATED');
    } finally {
      await catalog.close();
    }
  });

  it('run once, also when three commands are started at once', async () => {
    const results = await Promise.all([1, 2, 3].map(() => runMigrations(postgres.ownerUrl, postgres.appRole)));
    expect(results.flat()).toEqual(ALL);
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual([]);
  });

  it('make tables that fit the entities: TypeORM would change nothing', async () => {
    expect(await drift()).toEqual([]);
  });

  it.each([
    ['a column', 'ALTER TABLE run ADD COLUMN extra text', 'ALTER TABLE run DROP COLUMN extra'],
    ['a nullable column', 'ALTER TABLE run ALTER COLUMN reason DROP NOT NULL', 'ALTER TABLE run ALTER COLUMN reason SET NOT NULL'],
    ['a check', 'ALTER TABLE run RENAME CONSTRAINT run_kind_check TO other', 'ALTER TABLE run RENAME CONSTRAINT other TO run_kind_check'],
    ['an index', 'ALTER INDEX run_open_idx RENAME TO other', 'ALTER INDEX other RENAME TO run_open_idx'],
  ])('differ visibly by %s', async (_what, change, back) => {
    await postgres.query(postgres.ownerUrl, change);
    expect(await drift()).not.toEqual([]);
    await postgres.query(postgres.ownerUrl, back);
    expect(await drift()).toEqual([]);
  });

  it('go down to nothing and up again', async () => {
    const before = await tables();
    expect(await revertMigrations(postgres.ownerUrl, 99)).toEqual([...ALL].reverse());
    expect(await tables()).toEqual(['schema_migration', 'schema_migration_id_seq']);
    expect(await postgres.query(postgres.superuserUrl, `SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`)).toEqual([]);
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(ALL);
    expect(await tables()).toEqual(before);
    expect(await drift()).toEqual([]);
  });

  it('let no server be decommissioned by half; taken back, every server is in service', async () => {
    await revertMigrations(postgres.ownerUrl, ALL.length);
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    const server = `INSERT INTO hypervisor VALUES ('hv1', 'libvirt', 'qemu:///system'); INSERT INTO repository VALUES ('main', 'directory', '/srv/modosu');
      INSERT INTO server (id, name, uuid, domain_name, hypervisor, repository, stop_timeout_seconds, agent_timeout_seconds, lineage_id, created_at)
      VALUES ('srv_1', 'db01', 'uuid-1', 'db01', 'hv1', 'main', 120, 300, 'l1', now())`;
    await postgres.query(postgres.ownerUrl, server);
    const set = (columns: string) => postgres.query(postgres.appUrl, `UPDATE server SET ${columns} WHERE id = 'srv_1'`);
    const all = (days: number) =>
      `decommissioned_at = now(), decommissioned_by = 'alice', decommission_reason = 'gone', keep_days = ${days}, protects_until = now()`;
    for (const columns of ['decommissioned_at = now()', 'keep_days = 5', all(0), all(36_501)]) {
      await expect(set(columns)).rejects.toThrow('server_decommissioned_check');
    }
    await set(all(36_500));
    const columns = async () => Object.keys((await postgres.query(postgres.ownerUrl, 'SELECT * FROM server'))[0] ?? {});
    expect(await columns()).toContain('protects_until');
    expect(await revertMigrations(postgres.ownerUrl, SINCE_INCREMENTALS.length)).toEqual([...SINCE_INCREMENTALS].reverse());
    expect(await columns()).toEqual(expect.not.arrayContaining(['decommissioned_at', 'keep_days', 'protects_until']));
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(SINCE_INCREMENTALS);
    const catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
    try {
      expect(await catalog.getServer('db01')).toMatchObject({ id: 'srv_1', decommissioned: null });
    } finally {
      await catalog.close();
    }
    await revertMigrations(postgres.ownerUrl, ALL.length);
    await runMigrations(postgres.ownerUrl, postgres.appRole);
  });

  it('taken back, they bring no revoked token back to life', async () => {
    const catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
    try {
      const { record } = await catalog.createToken('test', 'alice', ['read'], new Date('2099-01-01T00:00:00.000Z'));
      const { expiresAt } = await catalog.revokeToken('test', record.id);
      expect(await revertMigrations(postgres.ownerUrl, SINCE_SSH.length)).toEqual([...SINCE_SSH].reverse());
      const [row] = await postgres.query(postgres.superuserUrl, 'SELECT expires_at FROM token');
      expect((row?.['expires_at'] as Date).toISOString()).toBe(expiresAt);
      await runMigrations(postgres.ownerUrl, postgres.appRole);
      expect(await catalog.listTokens()).toEqual([{ ...record, expiresAt }]);
    } finally {
      await catalog.close();
      await postgres.empty();
    }
  });

  it('bring what the version before has written into the new form', async () => {
    await revertMigrations(postgres.ownerUrl, SINCE_FIRST.length);
    await postgres.query(postgres.ownerUrl, ROWS_OF_THE_FIRST_VERSION);
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(SINCE_FIRST);
    const catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
    try {
      expect((await catalog.getServer('db01')).protection).toEqual(NO_PROTECTION);
      expect(await catalog.newestUsable('srv_1')).toMatchObject({ id: 'rp_1', kind: 'image', generation: 1 });
      const nothingDeclared = { quiesce: NO_PROTECTION.quiesce, onlineBackup: NO_PROTECTION.onlineBackup };
      expect(await catalog.getDispatchable('run_backup')).toEqual({
        kind: 'backup-image',
        input: { runId: 'run_backup', mode: 'offline', allowCrashConsistent: false, ...nothingDeclared },
      });
      expect(await catalog.getDispatchable('run_restore')).toEqual({ kind: 'restore-server', input: { runId: 'run_restore', hold: false } });
      const { wayBack, allowedActions, waitingFor, lostSeconds, steps } = await catalog.getRun('run_restore');
      expect({ wayBack, allowedActions, waitingFor, lostSeconds }).toEqual({ wayBack: null, allowedActions: [], waitingFor: null, lostSeconds: null });
      expect(steps[0]?.progress).toEqual({
        doneBytes: 5,
        totalBytes: 10,
        updatedAt: '2026-01-01T00:00:00.000Z',
        bytesPerSecond: null,
        secondsLeft: null,
        stalledSince: null,
      });
      expect(await catalog.getPlan('plan_ready')).toMatchObject({
        state: 'failed',
        error: { code: 'PLAN_STALE', message: expect.stringContaining('earlier version') },
      });
      expect(await catalog.getDispatchablePlan('plan_planning')).toEqual({
        scenario: 'server',
        input: {
          planId: 'plan_planning',
          serverId: 'srv_1',
          recoveryPointId: null,
          keepDisks: [],
          attachOldDisks: [],
          noData: false,
          leaveChanges: false,
          incidentAt: null,
        },
      });
    } finally {
      await catalog.close();
    }
  });

  it.each([
    ['a kept volume', `INSERT INTO way_back VALUES ('run_restore', 'srv_1', 1, 'open', false, '[]', null, '{}', 'l1', 'l1', now(), now(), null, null, null)`],
    [
      'an undo',
      `INSERT INTO run (id, kind, state, server_id, reason, requested_by, requested_at, cancel_requested, input) VALUES ('run_undo', 'undo', 'accepted', 'srv_1', '', 'alice', now(), false, '{}')`,
    ],
    [
      'the plan of an undo',
      `INSERT INTO restore_plan (id, state, server_id, scenario, requested_by, created_at, undoes_run_id) VALUES ('plan_undo', 'planning', 'srv_1', 'undo', 'alice', now(), 'run_restore')`,
    ],
  ])('are not taken back where the version before would forget %s', async (_what, statement) => {
    await postgres.query(postgres.ownerUrl, statement);
    expect(await refusal(revertMigrations(postgres.ownerUrl, SINCE_FIRST.length))).toMatchObject({ message: expect.stringContaining('would forget them') });
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(SINCE_WAY_BACK);
    expect(await drift()).toEqual([]);
    await postgres.query(postgres.ownerUrl, `DELETE FROM way_back; DELETE FROM restore_plan WHERE scenario = 'undo'; DELETE FROM run WHERE kind = 'undo'`);
    expect(await revertMigrations(postgres.ownerUrl, SINCE_FIRST.length)).toEqual([...SINCE_FIRST].reverse());
    await runMigrations(postgres.ownerUrl, postgres.appRole);
  });

  it('declare no disk and no data set for a server that an earlier version has written, and forget both on the way back', async () => {
    const protection = async (): Promise<unknown> =>
      (await postgres.query(postgres.superuserUrl, `SELECT protection FROM server WHERE id = 'srv_1'`))[0]?.['protection'];
    await postgres.query(
      postgres.ownerUrl,
      `UPDATE server SET protection = protection || '{"disks":[{"target":"vdb","role":"data"}],"dataSets":[{"name":"etc","kind":"files","paths":["/etc"]}],"nics":[{"mac":"52:54:00:00:00:01","role":"backup"}]}'`,
    );
    await revertMigrations(postgres.ownerUrl, SINCE_WAY_BACK.length);
    const { disks, dataSets, ssh, ...earlier } = { ...NO_PROTECTION, nics: [{ mac: '52:54:00:00:00:01', role: 'backup' }] };
    expect(await protection()).toEqual(earlier);
    await postgres.query(
      postgres.ownerUrl,
      `INSERT INTO server (id, name, uuid, domain_name, hypervisor, repository, stop_timeout_seconds, agent_timeout_seconds, lineage_id, created_at) VALUES ('srv_2', 'db02', 'uuid-2', 'db02', 'hv1', 'main', 1, 1, 'l2', now())`,
    );
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    expect(await protection()).toEqual({ ...earlier, disks, dataSets, ssh });
    expect((await postgres.query(postgres.superuserUrl, `SELECT protection FROM server WHERE id = 'srv_2'`))[0]).toEqual({ protection: NO_PROTECTION });
    await postgres.query(postgres.ownerUrl, `DELETE FROM server WHERE id = 'srv_2'`);
  });

  it('give a server that the version before writes meanwhile what it does not know, and take it back again', async () => {
    const insert = `INSERT INTO server (id, name, uuid, domain_name, hypervisor, repository, stop_timeout_seconds, agent_timeout_seconds, lineage_id, created_at) VALUES ('srv_2', 'db02', 'uuid-2', 'db02', 'hv1', 'main', 1, 1, 'l2', now())`;
    const written = async (): Promise<unknown> => {
      await postgres.query(postgres.ownerUrl, insert);
      const [row] = await postgres.query(postgres.ownerUrl, `DELETE FROM server WHERE id = 'srv_2' RETURNING protection`);
      return row?.['protection'];
    };
    expect(await written()).toEqual(NO_PROTECTION);
    await revertMigrations(postgres.ownerUrl, SINCE_DISK_ROLES.length);
    const { dataSets, ssh, ...earlier } = NO_PROTECTION;
    expect(await written()).toEqual(earlier);
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    expect(await written()).toEqual({ ...earlier, dataSets, ssh });
    expect(await drift()).toEqual([]);
  });

  it('are not taken back where the version before would forget a hold', async () => {
    await postgres.query(postgres.ownerUrl, `UPDATE recovery_point SET hold_reason = 'evidence', held_by = 'alice', held_at = now() WHERE id = 'rp_1'`);
    expect(await refusal(revertMigrations(postgres.ownerUrl, SINCE_REVOCATION.length))).toMatchObject({
      message: expect.stringContaining('Release them first'),
    });
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    await postgres.query(postgres.ownerUrl, `UPDATE recovery_point SET hold_reason = NULL, held_by = NULL, held_at = NULL WHERE id = 'rp_1'`);
    expect(await revertMigrations(postgres.ownerUrl, SINCE_REVOCATION.length)).toEqual([...SINCE_REVOCATION].reverse());
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    expect(await drift()).toEqual([]);
  });

  it('are not taken back where the version before would remove what an incremental builds on', async () => {
    await postgres.query(postgres.ownerUrl, `UPDATE recovery_point SET parent_id = 'rp_0' WHERE id = 'rp_1'`);
    expect(await refusal(revertMigrations(postgres.ownerUrl, SINCE_RETENTION.length))).toMatchObject({
      message: expect.stringContaining('would remove what they build on'),
    });
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    await postgres.query(postgres.ownerUrl, `UPDATE recovery_point SET parent_id = NULL WHERE id = 'rp_1'`);
    expect(await revertMigrations(postgres.ownerUrl, SINCE_RETENTION.length)).toEqual([...SINCE_RETENTION].reverse());
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    expect(await drift()).toEqual([]);
  });

  describe('a worker of the version before, which knows nothing of what builds on what,', () => {
    const KEPT_IMAGE = (id: string, generation: number, parentId: string | null): string => `INSERT INTO recovery_point
      (id, server_id, server_name, kind, generation, lineage_id, state, consistency, point_in_time, published_at, repository, size_bytes, disks, reason, run_id, parent_id)
      VALUES ('${id}', 'srv_1', 'db01', 'image', ${generation}, 'l1', 'usable', 'online', now(), now(), 'main', 5, '[]', 'r', 'run_0', ${parentId === null ? 'NULL' : `'${parentId}'`})`;
    const gone = (...ids: readonly string[]): string =>
      `UPDATE recovery_point SET state = 'deleted', expired_at = now(), deletes_at = now(), deleted_at = now() WHERE id IN ('${ids.join("', '")}')`;
    const change = (statements: string): Promise<unknown> => postgres.query(postgres.appUrl, statements);

    beforeEach(() => change(`${KEPT_IMAGE('rp_full', 90, null)}; ${KEPT_IMAGE('rp_child', 91, 'rp_full')}`));
    afterEach(() => postgres.query(postgres.ownerUrl, `DELETE FROM recovery_point WHERE id LIKE 'rp\\_%' AND generation >= 90`));

    it('cannot let go what one that stays builds on', async () => {
      await expect(change(gone('rp_full'))).rejects.toMatchObject({ code: '23001', message: expect.stringContaining('rp_child builds on it') as string });
      expect(await postgres.query(postgres.superuserUrl, `SELECT state FROM recovery_point WHERE id = 'rp_full'`)).toEqual([{ state: 'usable' }]);
    });

    it('can let go both, in one transaction and in any order, and what builds on another one', async () => {
      await change(`BEGIN; ${gone('rp_full')}; ${gone('rp_child')}; COMMIT`);
      await postgres.query(postgres.ownerUrl, `DELETE FROM recovery_point WHERE generation >= 90`);
      await change(`${KEPT_IMAGE('rp_full', 90, null)}; ${KEPT_IMAGE('rp_child', 91, 'rp_full')}`);
      await change(gone('rp_child'));
      await change(gone('rp_full'));
    });

    it('can still write down what builds on one that is gone already', async () => {
      await change(gone('rp_full', 'rp_child'));
      await change(KEPT_IMAGE('rp_late', 92, 'rp_full'));
      await change(`UPDATE recovery_point SET removed_at = now() WHERE id = 'rp_full'`);
    });
  });

  it('let a policy that the version before has written have as many incrementals as nobody has said otherwise, and take that word back', async () => {
    const retention = { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 };
    const image = { schedule: { every: 'day', at: '01:00' }, jitterMinutes: 0, rpoHours: null, retention, mode: 'online', allowCrashConsistent: false };
    const insert = (name: string, columns: string): string =>
      `INSERT INTO policy (name, time_zone, image, image_since, data_since, verification_since) VALUES ('${name}', 'UTC', ${columns}, now(), now(), now())`;
    const written = async (): Promise<readonly unknown[]> =>
      (await postgres.query(postgres.superuserUrl, 'SELECT image FROM policy ORDER BY name')).map((row) => row['image']);
    await postgres.query(postgres.ownerUrl, insert('earlier', `'${JSON.stringify(image)}'`));
    await postgres.query(postgres.ownerUrl, insert('later', `'${JSON.stringify({ ...image, maxIncrements: 4 })}'`));
    await postgres.query(postgres.ownerUrl, insert('none', 'NULL'));
    const catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
    try {
      expect((await catalog.listPolicies()).map((policy) => policy.image?.maxIncrements ?? null)).toEqual([13, 4, null]);
      expect((await catalog.getPolicy('earlier')).image).toEqual({ ...image, maxIncrements: 13 });
    } finally {
      await catalog.close();
    }
    await revertMigrations(postgres.ownerUrl, SINCE_RETENTION.length);
    expect(await written()).toEqual([image, image, null]);
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    await postgres.query(postgres.ownerUrl, 'DELETE FROM policy');
  });

  it.each([
    ['a data recovery point', DATA_RECOVERY_POINT],
    [
      'a backup of data',
      `INSERT INTO run (id, kind, state, server_id, reason, requested_by, requested_at, cancel_requested, input) VALUES ('run_data', 'backup-data', 'accepted', 'srv_1', '', 'alice', now(), false, '{}')`,
    ],
    [
      'a restore of data',
      `INSERT INTO run (id, kind, state, server_id, reason, requested_by, requested_at, cancel_requested, input) VALUES ('run_data', 'restore-data', 'accepted', 'srv_1', '', 'alice', now(), false, '{}')`,
    ],
    [
      'a plan of data',
      `INSERT INTO restore_plan (id, state, server_id, scenario, requested_by, created_at, request) VALUES ('plan_data', 'planning', 'srv_1', 'data', 'alice', now(), '{}')`,
    ],
  ])('are not taken back where the version before could not read %s', async (_what, statement) => {
    await postgres.query(postgres.ownerUrl, statement);
    expect(await refusal(revertMigrations(postgres.ownerUrl, SINCE_DISK_ROLES.length))).toMatchObject({
      message: expect.stringContaining('could not read them'),
    });
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(SINCE_DISK_ROLES.slice(1));
    expect(await drift()).toEqual([]);
    await postgres.query(
      postgres.ownerUrl,
      `DELETE FROM recovery_point WHERE kind = 'data'; DELETE FROM restore_plan WHERE scenario = 'data'; DELETE FROM run WHERE id = 'run_data'`,
    );
    expect(await revertMigrations(postgres.ownerUrl, SINCE_DISK_ROLES.length)).toEqual([...SINCE_DISK_ROLES].reverse());
    await runMigrations(postgres.ownerUrl, postgres.appRole);
  });

  it.each(['keep_disks', 'attach_old_disks'])('are not taken back where the version before would carry out a plan without its %s', async (column) => {
    await postgres.query(
      postgres.ownerUrl,
      `INSERT INTO restore_plan (id, state, server_id, scenario, requested_by, created_at, ${column}) VALUES ('plan_keep', 'planning', 'srv_1', 'server', 'alice', now(), '["vdb"]')`,
    );
    expect(await refusal(revertMigrations(postgres.ownerUrl, SINCE_WAY_BACK.length))).toMatchObject({
      message: expect.stringContaining('plans that keep disks'),
    });
    await postgres.query(postgres.ownerUrl, `DELETE FROM restore_plan WHERE id = 'plan_keep'`);
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    expect(await drift()).toEqual([]);
  });

  it('are not taken back where the version before could not read a recovery point that remembers credentials', async () => {
    const since = ALL.slice(ALL.indexOf('Credentials1765800000000'));
    await postgres.query(postgres.ownerUrl, `UPDATE recovery_point SET credentials = '[]' WHERE id = 'rp_1'`);
    expect(await refusal(revertMigrations(postgres.ownerUrl, since.length))).toMatchObject({ message: expect.stringContaining('remember credentials') });
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    await postgres.query(postgres.ownerUrl, `UPDATE recovery_point SET credentials = null WHERE id = 'rp_1'`);
    expect(await revertMigrations(postgres.ownerUrl, since.length)).toEqual([...since].reverse());
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(since);
    expect(await drift()).toEqual([]);
  });

  it('are not taken back where the version before could not read data that remembers credentials; they are once it is gone', async () => {
    const since = ALL.slice(ALL.indexOf('DataCredentials1765950000000'));
    await postgres.query(postgres.ownerUrl, `${DATA_RECOVERY_POINT}; UPDATE recovery_point SET credentials = '[]' WHERE kind = 'data' OR id = 'rp_1'`);
    expect(await refusal(revertMigrations(postgres.ownerUrl, since.length))).toMatchObject({
      message: expect.stringContaining('data that remember credentials'),
    });
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    await postgres.query(
      postgres.ownerUrl,
      `UPDATE recovery_point SET state = 'deleted', expired_at = now(), deletes_at = now(), deleted_at = now(), removed_at = now() WHERE kind = 'data'`,
    );
    // Images have remembered them before.
    expect(await revertMigrations(postgres.ownerUrl, since.length)).toEqual([...since].reverse());
    expect(await postgres.query(postgres.ownerUrl, 'SELECT kind, credentials FROM recovery_point ORDER BY kind')).toEqual([
      { kind: 'data', credentials: null },
      { kind: 'image', credentials: [] },
    ]);
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(since);
    expect(await drift()).toEqual([]);
    await postgres.query(postgres.ownerUrl, `DELETE FROM recovery_point WHERE kind = 'data'; UPDATE recovery_point SET credentials = null`);
  });

  const CHANGE = `INSERT INTO configuration_change (id, server_id, title, author, state, opened_at, opened_by, opened_on)
    VALUES ('chg_1', 'srv_1', 'LDAP', 'alice', 'open', now(), 'alice', 'l1')`;
  it.each([
    ['a configuration change', CHANGE, `DELETE FROM configuration_change`],
    [
      'a recovery point that records changes',
      `UPDATE recovery_point SET changes = '{"contained":[],"partly":[],"more":0}' WHERE id = 'rp_1'`,
      `UPDATE recovery_point SET state = 'deleted', expired_at = now(), deletes_at = now(), deleted_at = now(), removed_at = now() WHERE id = 'rp_1'`,
    ],
  ])('are not taken back where the version before could not read %s; they are once it is gone', async (_what, statement, gone) => {
    const [before] = await postgres.query(postgres.superuserUrl, `SELECT * FROM recovery_point WHERE id = 'rp_1'`);
    await postgres.query(postgres.ownerUrl, statement);
    expect(await refusal(revertMigrations(postgres.ownerUrl, SINCE_CHANGES.length))).toMatchObject({
      message: expect.stringContaining('configuration changes'),
    });
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    expect(await drift()).toEqual([]);
    await postgres.query(postgres.ownerUrl, gone);
    // What an image was due for is forgotten with the change: the version before knows neither the cause nor a backup without a policy.
    const due = (id: string, cause: string, policy: string, at: string) =>
      `INSERT INTO due_backup VALUES ('${id}', 'srv_1', 'image', ${policy}, '${cause}', ${at}, now(), 'withdrawn', null, 0, null)`;
    await postgres.query(postgres.ownerUrl, `${due('due_c', 'change', 'null', `'2026-02-01'`)}; ${due('due_s', 'restore', `'daily'`, `'2026-02-02'`)}`);
    expect(await revertMigrations(postgres.ownerUrl, SINCE_CHANGES.length)).toEqual([...SINCE_CHANGES].reverse());
    expect(await postgres.query(postgres.ownerUrl, `SELECT id FROM due_backup WHERE id IN ('due_c', 'due_s')`)).toEqual([{ id: 'due_s' }]);
    expect(await tables()).toEqual(expect.not.arrayContaining(['configuration_change', 'applied_change', 'server_facts']));
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(SINCE_CHANGES);
    expect(await drift()).toEqual([]);
    expect(await postgres.query(postgres.ownerUrl, `SELECT id, changes, facts, facts_sha256 FROM recovery_point WHERE id = 'rp_1'`)).toEqual([
      { id: 'rp_1', changes: null, facts: null, facts_sha256: null },
    ]);
    await postgres.query(postgres.ownerUrl, `DELETE FROM due_backup WHERE id = 'due_s'`);
    const state = String((before as { readonly state: unknown }).state);
    await postgres.query(
      postgres.ownerUrl,
      `UPDATE recovery_point SET state = '${state}', expired_at = null, deletes_at = null, deleted_at = null, removed_at = null WHERE id = 'rp_1'`,
    );
  });

  const RESTORE = (more: string) =>
    `INSERT INTO run (id, kind, state, server_id, reason, requested_by, requested_at, cancel_requested, input, waiting_for)
      VALUES ('run_live', 'restore-server', 'running', 'srv_1', '', 'alice', now(), false, '{}', ${more})`;
  it.each([
    ['markers of a recovery point', `INSERT INTO recovery_point_markers VALUES ('rp_1', '[]')`],
    ['a run that waits for a sign-off after go-live', RESTORE(`'sign-off-live'`)],
    [
      'a sign-off after go-live',
      `${RESTORE('null')}; INSERT INTO run_decision (run_id, kind, actor, reason, decided_at) VALUES ('run_live', 'sign-off-live', 'kim', 'done', now())`,
    ],
  ])('are not taken back where the version before could not read %s; they are once it is gone', async (_what, statement) => {
    await postgres.query(postgres.ownerUrl, statement);
    expect(await refusal(revertMigrations(postgres.ownerUrl, SINCE_MARKERS.length))).toMatchObject({
      message: expect.stringContaining('could not read them'),
    });
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    expect(await drift()).toEqual([]);
    await postgres.query(
      postgres.ownerUrl,
      `DELETE FROM recovery_point_markers; DELETE FROM run_decision WHERE run_id = 'run_live'; DELETE FROM run WHERE id = 'run_live';
       INSERT INTO marker_reading VALUES ('plan_1', 'standby', 'db02', 'peer', '{}', now())`,
    );
    // What was only read for plans is read again for the next one.
    expect(await revertMigrations(postgres.ownerUrl, SINCE_MARKERS.length)).toEqual([...SINCE_MARKERS].reverse());
    expect(await tables()).toEqual(expect.not.arrayContaining(['marker_reading', 'recovery_point_markers']));
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(SINCE_MARKERS);
    expect(await drift()).toEqual([]);
  });

  it('are known by the newest of them, in whatever order a database has got them', async () => {
    const newest = ALL.at(-1);
    const [before] = ALL.slice(-2);
    const moveBy = (ids: number) => postgres.query(postgres.ownerUrl, `UPDATE schema_migration SET id = id + ${ids} WHERE name = '${before}'`);
    await moveBy(1000);
    const source = createDataSource({ url: postgres.ownerUrl });
    await source.initialize();
    expect(await newestMigration(source.manager).finally(() => source.destroy())).toBe(newest);
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual([]);
    await moveBy(-1000);
  });

  it('let what was read for images go that stand with their recovery points, and nothing else', async () => {
    const since = ALL.slice(ALL.indexOf('ForgottenReadings1766020000000'));
    expect(await revertMigrations(postgres.ownerUrl, since.length)).toEqual([...since].reverse());
    const sides = ['run_0', 'run_0:recheck', 'plan_1'].map((occasion) => `('${occasion}', 'standby', 'db02', 'peer', '{}', now())`);
    await postgres.query(postgres.ownerUrl, `INSERT INTO marker_reading VALUES ${sides.join(', ')}`);
    expect(await runMigrations(postgres.ownerUrl, postgres.appRole)).toEqual(since);
    expect(await postgres.query(postgres.ownerUrl, 'SELECT occasion FROM marker_reading ORDER BY occasion')).toEqual([
      { occasion: 'plan_1' },
      { occasion: 'run_0:recheck' },
    ]);
    // With the right that comes with it.
    await postgres.query(postgres.appUrl, 'DELETE FROM marker_reading');
    expect(await drift()).toEqual([]);
  });

  it.each([
    ['markers of a recovery point that nobody knows', `INSERT INTO recovery_point_markers VALUES ('rp_9', '[]')`, 'recovery_point_markers_point_fkey'],
    ['a reading of neither side', `INSERT INTO marker_reading VALUES ('plan_1', 'r', 'p', 'each', '{}', now())`, 'marker_reading_side_check'],
    ['a change that was completed by nobody', CHANGE.replace(`'open', now()`, `'completed', now()`), 'configuration_change_end_check'],
    ['a change in a state nobody knows', CHANGE.replace(`'open', now()`, `'perhaps', now()`), 'configuration_change_state_check'],
    ['a change of no server', CHANGE.replace('srv_1', 'srv_9'), 'configuration_change_server_fkey'],
    [
      'a change that is complete on a line nobody knows',
      `${CHANGE}; INSERT INTO applied_change VALUES ('chg_1', 'l9', now(), 'alice', null, now(), null, null)`,
      'applied_change_lineage_fkey',
    ],
    [
      'a change that is in a generation without a recovery point',
      `${CHANGE}; INSERT INTO applied_change VALUES ('chg_1', 'l1', now(), 'alice', null, now(), null, 3)`,
      'applied_change_generation_check',
    ],
    ['facts that nobody has collected', `UPDATE recovery_point SET facts_sha256 = 'abc' WHERE id = 'rp_1'`, 'recovery_point_facts_check'],
    ['facts that are nowhere', `UPDATE recovery_point SET facts = '{}', facts_sha256 = 'abc' WHERE id = 'rp_1'`, 'recovery_point_facts_fkey'],
    [
      'data that records changes',
      DATA_RECOVERY_POINT.replace('run_id,', 'run_id, changes,').replace(`'run_0',`, `'run_0', '{}',`),
      'recovery_point_changes_check',
    ],
    [
      'a backup that is due by a schedule of no policy',
      `INSERT INTO due_backup VALUES ('due_1', 'srv_1', 'image', null, 'schedule', now(), now(), 'waiting', null, 0, null)`,
      'due_backup_cause_check',
    ],
    [
      'an undo without a run',
      `INSERT INTO restore_plan (id, state, server_id, scenario, requested_by, created_at) VALUES ('plan_x', 'planning', 'srv_1', 'undo', 'alice', now())`,
      'restore_plan_undo_check',
    ],
    [
      'a restore that undoes',
      `INSERT INTO restore_plan (id, state, server_id, scenario, requested_by, created_at, undoes_run_id) VALUES ('plan_x', 'planning', 'srv_1', 'server', 'alice', now(), 'run_restore')`,
      'restore_plan_undo_check',
    ],
    [
      'a plan of data without a request',
      `INSERT INTO restore_plan (id, state, server_id, scenario, requested_by, created_at) VALUES ('plan_x', 'planning', 'srv_1', 'data', 'alice', now())`,
      'restore_plan_scenario_check',
    ],
    [
      'a scenario nobody knows',
      `INSERT INTO restore_plan (id, state, server_id, scenario, requested_by, created_at) VALUES ('plan_x', 'planning', 'srv_1', 'planet', 'alice', now())`,
      'restore_plan_scenario_check',
    ],
    ['damage that began in nothing it builds on', `UPDATE recovery_point SET damage_origin = 'rp_0' WHERE id = 'rp_1'`, 'recovery_point_damage_check'],
    [
      'damage that is inherited and of its own',
      `UPDATE recovery_point SET parent_id = 'rp_0', damage_origin = 'rp_0', damage_file = 'domain.xml' WHERE id = 'rp_1'`,
      'recovery_point_damage_check',
    ],
    ['a checksum that is none', `UPDATE recovery_point SET manifest_sha256 = 'abc' WHERE id = 'rp_1'`, 'recovery_point_manifest_check'],
    ['an image without a generation', `UPDATE recovery_point SET generation = null WHERE id = 'rp_1'`, 'recovery_point_kind_check'],
    ['an image that is of a data set', `UPDATE recovery_point SET data_set = 'shop' WHERE id = 'rp_1'`, 'recovery_point_kind_check'],
    ['data that is half an image', `UPDATE recovery_point SET kind = 'data' WHERE id = 'rp_1'`, 'recovery_point_kind_check'],
    ['data for another purpose', DATA_RECOVERY_POINT.replace(`'backup'`, `'fun'`), 'recovery_point_purpose_check'],
    ['an image that builds on itself', `UPDATE recovery_point SET parent_id = id WHERE id = 'rp_1'`, 'recovery_point_parent_check'],
    [
      'data that builds on something',
      DATA_RECOVERY_POINT.replace('run_id,', 'run_id, parent_id,').replace(`'run_0',`, `'run_0', 'rp_1',`),
      'recovery_point_parent_check',
    ],
    ['an image for a purpose', `UPDATE recovery_point SET purpose = 'backup' WHERE id = 'rp_1'`, 'recovery_point_kind_check'],
    ['a recovery point of another kind', `UPDATE recovery_point SET kind = 'tape' WHERE id = 'rp_1'`, 'recovery_point_kind_check'],
    ['a run that has ended and waits', `UPDATE run SET waiting_for = 'go-live' WHERE id = 'run_restore'`, 'run_waiting_check'],
    ['an unknown kind of run', `UPDATE run SET kind = 'other'`, 'run_kind_check'],
    [
      'a way back that is closed by nobody',
      `INSERT INTO way_back VALUES ('run_restore', 'srv_1', 1, 'undone', false, '[]', null, '{}', 'l1', 'l1', now(), now(), null, null, now())`,
      'way_back_closed_check',
    ],
    [
      'a way back that is closed at no time',
      `INSERT INTO way_back VALUES ('run_restore', 'srv_1', 1, 'confirmed', false, '[]', null, '{}', 'l1', 'l1', now(), now(), null, 'run_backup', null)`,
      'way_back_closed_check',
    ],
    [
      'an open way back that was closed',
      `INSERT INTO way_back VALUES ('run_restore', 'srv_1', 1, 'open', false, '[]', null, '{}', 'l1', 'l1', now(), now(), null, 'run_backup', now())`,
      'way_back_closed_check',
    ],
    [
      'a way back to an unknown lineage',
      `INSERT INTO way_back VALUES ('run_restore', 'srv_1', 1, 'open', false, '[]', null, '{}', 'l9', 'l1', now(), now(), null, null, null)`,
      'way_back_lineage_before_fkey',
    ],
    ['half a hold', `UPDATE recovery_point SET hold_reason = 'evidence' WHERE id = 'rp_1'`, 'recovery_point_hold_check'],
    [
      'a due backup that has begun without a run',
      `INSERT INTO due_backup VALUES ('due_1', 'srv_1', 'image', 'daily', 'schedule', now(), now(), 'started', null, 0, null)`,
      'due_backup_state_check',
    ],
    ['an unknown decision', `INSERT INTO run_decision VALUES ('run_restore', 'go-home', 'alice', '', now())`, 'run_decision_kind_check'],
  ])('leave no room for %s', async (_what, statement, constraint) => {
    await expect(postgres.query(postgres.ownerUrl, statement)).rejects.toMatchObject({ constraint });
  });

  it('refuse an application role that could change the audit', async () => {
    const problems = [];
    for (const role of ['nobody_here', 'postgres', 'modosu_owner']) problems.push(await refusal(runMigrations(postgres.ownerUrl, role)));
    expect(problems.map(({ code }) => code)).toEqual(['CONFIG_INVALID', 'CONFIG_INVALID', 'CONFIG_INVALID']);
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('"nobody_here" does not exist'),
      expect.stringContaining('"postgres" is a superuser'),
      expect.stringContaining('"modosu_owner" is the owner'),
    ]);
  });

  it('say so when PostgreSQL does not answer, without the password', async () => {
    const error = await refusal(runMigrations('postgresql://modosu_owner:secret-word@127.0.0.1:1/modosu', postgres.appRole));
    expect(error.code).toBe('CATALOG_UNAVAILABLE');
    expect(JSON.stringify(error.summary())).not.toContain('secret-word');
  });
});

describe('what is read again and again', () => {
  const dataSource = createDataSource({ url: '' });
  let catalog: Catalog & { close(): Promise<void> };
  let server: ServerRecord;
  let asked: { readonly sql: string; readonly parameters: unknown[] }[];

  beforeAll(async () => {
    await runMigrations(postgres.ownerUrl, postgres.appRole);
    await postgres.empty();
    const logQuery = (sql: string, parameters: unknown[] = []): void => void asked.push({ sql, parameters });
    const nothing = (): void => undefined;
    const logger = { logQuery, logQueryError: nothing, logQuerySlow: nothing, logSchemaBuild: nothing, logMigration: nothing, log: nothing };
    dataSource.setOptions({ url: postgres.appUrl, logger });
    asked = [];
    catalog = createTypeormCatalog(dataSource);
    await catalog.applyEstate('setup', ESTATE, RESOLVED);
    server = await catalog.getServer('db01');
  });
  afterAll(() => catalog.close());

  /** How PostgreSQL finds the rows of what is asked, where it reads a whole table only if there is no other way. */
  const found = async (read: () => Promise<unknown>): Promise<string> => {
    asked = [];
    await read();
    const statements = asked.filter(({ sql }) => sql.startsWith('SELECT'));
    const runner = dataSource.createQueryRunner();
    try {
      await runner.query('SET enable_seqscan = off');
      const plans: string[] = [];
      for (const { sql, parameters } of statements) {
        const rows = (await runner.query(`EXPLAIN (COSTS OFF) ${sql}`, parameters)) as readonly { readonly 'QUERY PLAN': string }[];
        plans.push(...rows.map((row) => row['QUERY PLAN']));
      }
      return plans.join('\n');
    } finally {
      await runner.query('RESET enable_seqscan');
      await runner.release();
    }
  };

  it('the changes that a server holds: by its line, and only the newest image', async () => {
    const plan = await found(() => catalog.changesAt(server.id, null));
    expect(plan).toMatch(/Limit\n +-> +Index Scan Backward using recovery_point_line_idx on recovery_point.*\n +Index Cond: \(lineage_id = /);
    expect(plan).not.toMatch(/Seq Scan on recovery_point/);
  });

  it('the runs of a restore set: by their ids', async () => {
    const { id: recoveryPointId } = await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
    const { restoreSetId } = await catalog.acceptRestoreSet({
      actor: 'alice',
      idempotencyKey: null,
      requestDigest: 'd1',
      members: [{ serverId: server.id, recoveryPointId }],
      basis: 'freeze',
      choice: [],
      incidentAt: null,
      leaveChanges: false,
    });
    expect(await found(() => catalog.getRestoreSet(restoreSetId))).not.toMatch(/ on run\b/);
    await postgres.query(
      postgres.ownerUrl,
      `INSERT INTO run (id, kind, state, server_id, reason, requested_by, requested_at, cancel_requested, input, plan_id)
        SELECT 'run_set', 'restore-server', 'accepted', server_id, '', 'alice', now(), false, '{}', id FROM restore_plan;
      UPDATE restore_plan SET state = 'used', hash = 'hash', body = '{}', run_id = 'run_set'`,
    );
    const plan = await found(() => catalog.getRestoreSet(restoreSetId));
    expect(plan).toMatch(/run_pkey on run.*\n.*Index Cond: .*id/);
    expect(plan).not.toMatch(/Seq Scan on run\b/);
    expect((await catalog.getRestoreSet(restoreSetId)).members).toMatchObject([{ runId: 'run_set', runState: 'accepted' }]);
  });
});

describe('ensureDatabase', () => {
  const options = (): Parameters<typeof ensureDatabase>[0] => ({
    superuserUrl: postgres.superuserUrl,
    database: 'odd "name"',
    ownerRole: 'odd \'owner"',
    ownerPassword: 'pass\'word"\\ 1',
    appRole: 'odd-app',
    appPassword: 'app-password-1',
  });
  const login = (role: string, password: string): string => {
    const url = new URL(postgres.appUrl);
    return `postgresql://${encodeURIComponent(role)}:${encodeURIComponent(password)}@${url.host}/${encodeURIComponent('odd "name"')}`;
  };

  it('makes roles and database, many times and several at once', async () => {
    await Promise.all([1, 2, 3, 4].map(() => ensureDatabase(options())));
    await ensureDatabase(options());
    expect(await postgres.query(login('odd \'owner"', 'pass\'word"\\ 1'), 'SELECT current_user AS who')).toEqual([{ who: 'odd \'owner"' }]);
    expect(await postgres.query(login('odd-app', 'app-password-1'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await expect(postgres.query(login('odd-app', 'wrong'), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('sets a new password and sends only a verifier', async () => {
    await ensureDatabase({ ...options(), appPassword: 'app-password-2' });
    await expect(postgres.query(login('odd-app', 'app-password-1'), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(await postgres.query(login('odd-app', 'app-password-2'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const [role] = await postgres.query(
      postgres.superuserUrl,
      `SELECT rolpassword, rolsuper, rolcreaterole, rolcreatedb FROM pg_authid WHERE rolname = 'odd-app'`,
    );
    expect(role).toEqual({ rolpassword: expect.stringMatching(/^SCRAM-SHA-256\$4096:/), rolsuper: false, rolcreaterole: false, rolcreatedb: false });
  });

  it('takes rights away that a role has got by mistake', async () => {
    await postgres.query(postgres.superuserUrl, 'ALTER ROLE "odd-app" SUPERUSER CREATEROLE');
    await ensureDatabase(options());
    expect(await postgres.query(postgres.superuserUrl, `SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = 'odd-app'`)).toEqual([
      { rolsuper: false, rolcreaterole: false },
    ]);
  });
});
