import { createDataSource } from '../../src/catalog/data-source';
import { ensureDatabase } from '../../src/catalog/ensure-database';
import { revertMigrations, runMigrations } from '../../src/catalog/migrate';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import { MIGRATIONS } from '../../migrations';
import { codeOf, refusal } from '../contract/catalog.fixtures';
import { startTestPostgres, type TestPostgres } from '../support/postgres';

let postgres: TestPostgres;
const ALL = MIGRATIONS.map(({ name }) => name);

beforeAll(async () => {
  postgres = await startTestPostgres({ migrate: false });
}, 60_000);

afterAll(() => postgres?.stop());

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
  (await postgres.query(postgres.superuserUrl, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') ORDER BY 1`)).map(({ relname }) => relname);

describe('migrations', () => {
  it('are asked for by name while they are missing', async () => {
    const catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
    try {
      expect(await refusal(catalog.check())).toMatchObject({ code: 'DATABASE_SCHEMA_OUTDATED', message: expect.stringContaining(ALL[0]!), hint: 'Run `modosu migrate`.' });
      expect(await codeOf(catalog.listServers())).toBe('DATABASE_SCHEMA_OUTDATED');
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
    expect(error.code).toBe('DATABASE_UNAVAILABLE');
    expect(JSON.stringify(error.summary())).not.toContain('secret-word');
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
    const [role] = await postgres.query(postgres.superuserUrl, `SELECT rolpassword, rolsuper, rolcreaterole, rolcreatedb FROM pg_authid WHERE rolname = 'odd-app'`);
    expect(role).toEqual({ rolpassword: expect.stringMatching(/^SCRAM-SHA-256\$4096:/), rolsuper: false, rolcreaterole: false, rolcreatedb: false });
  });

  it('takes rights away that a role has got by mistake', async () => {
    await postgres.query(postgres.superuserUrl, 'ALTER ROLE "odd-app" SUPERUSER CREATEROLE');
    await ensureDatabase(options());
    expect(await postgres.query(postgres.superuserUrl, `SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = 'odd-app'`)).toEqual([{ rolsuper: false, rolcreaterole: false }]);
  });
});
