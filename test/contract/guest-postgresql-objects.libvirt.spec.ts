import { posix } from 'node:path';
import type { PostgresqlFacts, PostgresqlSelection, TableName } from '../../src/contracts/data';
import { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import { runNames } from '../../src/domain/postgresql/names';
import { CallerDied, dyingAgent, faultAgent } from '../support/fault-agent';
import { createPostgresqlLab, QUOTED, QUOTED_SQL, sameKept, SHOP, untilItWorks, waiting, type PostgresqlLab } from '../support/postgresql-lab';

jest.setTimeout(600_000);

const CUSTOMERS: TableName = { schema: 'public', name: 'customers' };
const ORDERS: TableName = { schema: 'public', name: 'orders' };
const PART: TableName = { schema: 'public', name: 'part' };
const select = (what: Partial<PostgresqlSelection>): PostgresqlSelection => ({
  kind: 'postgresql',
  database: 'shop',
  tables: [],
  schemas: [],
  whole: false,
  replace: false,
  ...what,
});

describe("tables and schemas of a guest's database come back", () => {
  let lab: PostgresqlLab;
  let directory: string;
  let facts: PostgresqlFacts;

  /** Everything that a table is, with its rows. */
  const table = (name: string): Promise<string> =>
    lab.sql(`SELECT '${name.replaceAll("'", "''")}'::regclass AS t \\gset
SELECT relkind, relowner::regrole, relacl, relrowsecurity, obj_description(oid) FROM pg_class WHERE oid = :'t'::regclass;
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attacl, pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = :'t'::regclass AND attnum > 0 ORDER BY attnum;
SELECT conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conrelid = :'t'::regclass OR confrelid = :'t'::regclass ORDER BY conname;
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = :'t'::regclass ORDER BY 1;
SELECT tgname, pg_get_triggerdef(oid), obj_description(oid, 'pg_trigger') FROM pg_trigger WHERE tgrelid = :'t'::regclass AND NOT tgisinternal;
SELECT polname, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = :'t'::regclass;
SELECT stxnamespace::regnamespace, stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = :'t'::regclass;
SELECT inhparent::regclass, pg_get_expr(relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhrelid = :'t'::regclass OR inhparent = :'t'::regclass;
SELECT count(*) || ' rows ' || coalesce(md5(string_agg(md5(r::text), '' ORDER BY md5(r::text))), '') FROM ${name} AS r;`);
  const schemas = (): Promise<string> =>
    lab.sql(
      "SELECT string_agg(regexp_replace(nspname, '_[0-9a-z]{26}', ''), ', ' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
    );
  const nothingLeft = async (): Promise<void> => {
    expect(await lab.sql("SELECT count(*) FROM pg_database WHERE datname ~ '^modosu'", 'postgres')).toBe('0');
    expect(await lab.sql("SELECT count(*) FROM pg_roles WHERE shobj_description(oid, 'pg_authid') ~ '^modosu'")).toBe('0');
    expect(await lab.run('find', lab.spool, '-mindepth', '1', '-maxdepth', '1', '-printf', '%f ')).toBe('point ');
  };
  const fresh = async (): Promise<void> => {
    await lab.sql(SHOP, 'postgres');
  };

  beforeAll(async () => {
    lab = await createPostgresqlLab();
    directory = posix.join(lab.spool, 'point');
    await fresh();
    ({ facts } = await lab.postgresql().dump(directory, waiting));
  });
  afterAll(() => lab?.destroy());

  it('a name that is not in the recovery point is answered with one that is', async () => {
    await expect(lab.postgresql().survey(facts, select({ tables: [{ schema: 'public', name: 'order' }] }))).rejects.toMatchObject({
      code: 'DATA_NOT_IN_RECOVERY_POINT',
      hint: 'It holds public.orders.',
    });
    await expect(lab.postgresql().restoreObjects(directory, facts, select({ schemas: ['mixed case'] }), waiting)).rejects.toMatchObject({
      code: 'DATA_NOT_IN_RECOVERY_POINT',
      hint: 'It holds Mixed Case.',
    });
  });

  describe('what was dropped', () => {
    const DROPPED = select({ tables: [ORDERS, { schema: 'public', name: 'part_2024' }], schemas: ['Mixed Case'] });
    const tables = ['orders', 'part', 'part_2024', QUOTED_SQL];
    let then: readonly string[];
    let customers: string;
    const now = (): Promise<readonly string[]> => Promise.all(tables.map(async (name) => (await table(name)).split('\n').sort().join('\n')));
    beforeAll(async () => {
      then = await now();
      await lab.sql(`DROP TABLE orders, part_2024; DROP SCHEMA "Mixed Case" CASCADE; INSERT INTO customers VALUES (5000, 'since', 'Kobe');`);
      customers = await table('customers');
    });
    afterAll(fresh);

    it('is planned', async () => {
      const { changes, findings } = await lab.postgresql().survey(facts, DROPPED);
      expect(changes).toEqual([
        expect.objectContaining({ effect: 'added', what: 'schema Mixed Case', count: 1 }),
        expect.objectContaining({ effect: 'added', what: 'table public.orders', rows: { now: null, then: 2000 } }),
        expect.objectContaining({ effect: 'added', what: 'table public.part_2024', rows: { now: null, then: 213 } }),
        expect.objectContaining({ effect: 'untouched', count: 3 }),
      ]);
      expect(findings.filter(({ severity }) => severity === 'block')).toEqual([]);
    });

    it('given up on its way, nothing of it is left', async () => {
      const died = newId('run');
      const intoScratch = (argv: readonly string[]): boolean => argv.includes('--exit-on-error') && !argv.includes('--single-transaction');
      await expect(lab.postgresql(died, dyingAgent(lab.agent, intoScratch)).restoreObjects(directory, facts, DROPPED, waiting)).rejects.toThrow(CallerDied);
      await lab.postgresql(died).abandon('shop');
      expect(await schemas()).toBe('public');
      await nothingLeft();
    });

    it('comes back as it was, with foreign keys, policies, statistics and parents, also when the caller dies on the way; others keep their newer rows; undone and done again', async () => {
      const run = newId('run');
      const placing = (argv: readonly string[]): boolean => argv.includes('psql') && argv.some((part) => part.endsWith('place.sql'));
      await expect(lab.postgresql(run, dyingAgent(lab.agent, placing)).restoreObjects(directory, facts, DROPPED, waiting)).rejects.toThrow(CallerDied);
      const kept = await lab.postgresql(run).restoreObjects(directory, facts, DROPPED, waiting);
      expect(kept).toMatchObject({
        whole: false,
        added: expect.arrayContaining(['Mixed Case', 'public.orders', 'public.part_2024']),
        replaced: [],
        restoredSchema: null,
        keptSchema: runNames(run).replaced,
        notes: [],
      });
      expect(await now()).toEqual(then);
      expect(await table('customers')).toBe(
        customers.replace('PRIMARY KEY (id)|', 'PRIMARY KEY (id)|\norders_customer_id_fkey|FOREIGN KEY (customer_id) REFERENCES customers(id)|who ordered'),
      );
      expect(await schemas()).toBe('Mixed Case, public, replaced');
      // Its materialized views hold what they held, those without rows have none.
      expect(
        await lab.sql(
          `SELECT n FROM "Mixed Case".counted; SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relkind = 'm' AND relispopulated`,
        ),
      ).toBe('2\ncounted, z values');
      expect(await lab.postgresql(run).restoreObjects(directory, facts, DROPPED, waiting)).toEqual(sameKept(kept));
      await nothingLeft();

      await lab.sql("INSERT INTO orders (customer_id, note) VALUES (1, 'after') RETURNING id");
      expect((await lab.postgresql().surveyUndo(kept)).losses).toEqual([
        '1 row of public.orders was written since the restore and would be lost; the undone rows are kept until the undo is confirmed.',
      ]);
      const undo = newId('run');
      const undone = await lab.postgresql(undo).undo(kept);
      expect(await lab.postgresql(undo).undo(kept)).toEqual(sameKept(undone));
      expect(
        await lab.sql(
          "SELECT to_regclass('public.orders') IS NULL, to_regclass('public.part_2024') IS NULL, to_regnamespace('\"Mixed Case\"') IS NULL, (SELECT count(*) FROM part)",
        ),
      ).toBe('t|t|t|187');
      // Nothing ties what stays to what was taken away.
      expect(await table('customers')).toBe(customers);
      const again = await lab.postgresql().undo(undone);
      expect(again.notes).toEqual([]);
      await lab.sql('ALTER TABLE orders DISABLE TRIGGER refuses; DELETE FROM orders WHERE id > 2000; ALTER TABLE orders ENABLE TRIGGER refuses');
      expect(await now()).toEqual(then);
      await lab.postgresql().confirm(again);
      await lab.postgresql().confirm(again);
      expect(await schemas()).toBe('Mixed Case, public');
    });
  });

  it('a foreign key that does not hold any more is made for new rows only, and said; a role that only others need is not made, one that is needed is asked for', async () => {
    const rows = await lab.checksum('customers');
    await lab.sql(
      'DROP TABLE customers CASCADE; INSERT INTO orders (customer_id, note) VALUES (77777, \'orphan\'); DROP OWNED BY "App 注文 ""x"""; DROP ROLE "App 注文 ""x"""',
    );
    const kept = await lab.postgresql().restoreObjects(directory, facts, select({ tables: [CUSTOMERS] }), waiting);
    expect(kept.notes).toEqual([expect.stringContaining('orders_customer_id_fkey of public.orders does not hold for all rows')]);
    expect(await lab.checksum('customers')).toBe(rows);
    expect(await lab.sql("SELECT convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'orders_customer_id_fkey'")).toBe(
      'f|FOREIGN KEY (customer_id) REFERENCES customers(id) NOT VALID',
    );
    expect(await lab.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'App%'")).toBe('0');
    expect((await lab.postgresql().survey(facts, select({ tables: [ORDERS] }))).findings).toContainEqual(
      expect.objectContaining({ code: 'DATABASE_ROLE_MISSING', severity: 'block', evidence: ['App 注文 "x"'] }),
    );
    await expect(lab.postgresql().restoreObjects(directory, facts, select({ tables: [ORDERS] }), waiting)).rejects.toMatchObject({
      code: 'DATABASE_ROLE_MISSING',
    });
    await nothingLeft();
    await fresh();
  });

  it('existing tables come beside, whatever they are called, and the live ones are not touched', async () => {
    const [orders, quoted] = [await lab.checksum('orders'), await lab.checksum(QUOTED_SQL)];
    await lab.sql(`UPDATE orders SET note = 'broken' WHERE id < 100; DELETE FROM ${QUOTED_SQL}; ALTER TABLE ${QUOTED_SQL} ADD more text`);
    const changed = [await table('orders'), await table(QUOTED_SQL)];
    const survey = await lab.postgresql().survey(facts, select({ tables: [ORDERS, QUOTED] }));
    expect(survey.findings).toContainEqual(expect.objectContaining({ code: 'COLUMNS_DIFFER', severity: 'ok', evidence: ['+ more text'] }));
    const kept = await lab.postgresql().restoreObjects(directory, facts, select({ tables: [ORDERS, QUOTED] }), waiting);
    expect(await lab.checksum(`${kept.restoredSchema}.orders`)).toBe(orders);
    expect(await lab.checksum(`${kept.restoredSchema}_2."it's ""quoted"" 注文"`)).toBe(quoted);
    expect([await table('orders'), await table(QUOTED_SQL)]).toEqual(changed);

    // Its columns have changed: its rows cannot take their place again.
    const conflicting = select({ tables: [QUOTED], replace: true });
    expect((await lab.postgresql().survey(facts, conflicting)).findings).toContainEqual(
      expect.objectContaining({ code: 'DATABASE_STRUCTURE_DIFFERS', severity: 'block' }),
    );
    await expect(lab.postgresql().restoreObjects(directory, facts, conflicting, waiting)).rejects.toMatchObject({
      code: 'DATABASE_STRUCTURE_DIFFERS',
      context: { tables: [`${QUOTED.schema}.${QUOTED.name}`] },
    });
    const undone = await lab.postgresql().undo(kept);
    expect(await schemas()).toBe('Mixed Case, public, undone, undone_2, undone_3');
    await lab.postgresql().confirm(undone);
    expect(await schemas()).toBe('Mixed Case, public');
    await nothingLeft();
    await fresh();
  });

  it('the rows of existing tables are replaced in place: structure, grants, dependents stay; undone and done again', async () => {
    const [orders, part] = [await table('orders'), await table('part')];
    await lab.sql(
      "CREATE VIEW dependent AS SELECT id FROM orders; UPDATE orders SET note = 'broken' WHERE id < 500; INSERT INTO orders (customer_id, note) VALUES (1, 'new'); UPDATE part SET id = -1; GRANT DELETE ON orders TO shop_app",
    );
    const changed = [await table('orders'), await table('part')];
    const kept = await lab.postgresql().restoreObjects(directory, facts, select({ tables: [ORDERS, PART], replace: true }), waiting);
    expect(kept).toMatchObject({ replaced: ['public.orders', 'public.part'], added: [], restoredSchema: null, notes: [] });
    expect(await table('orders')).toBe(orders.replace('shop_app=r/', 'shop_app=rd/'));
    expect(await table('part')).toBe(part);
    expect(await lab.sql('SELECT count(*) FROM dependent')).toBe('2000');
    // Numbers that were given away once are not given away again.
    expect(await lab.sql("SELECT nextval('orders_id_seq')")).toBe('2002');
    const undone = await lab.postgresql().undo(kept);
    expect([await table('orders'), await table('part')]).toEqual(changed);
    const again = await lab.postgresql().undo(undone);
    expect(await table('part')).toBe(part);
    await lab.postgresql().confirm(again);
    expect(await schemas()).toBe('Mixed Case, public');
    await nothingLeft();
    await fresh();
  });

  it('rows that contradict others are refused, and everything is as it was', async () => {
    await lab.sql("INSERT INTO customers VALUES (6000, 'since', 'Kobe'); INSERT INTO orders (customer_id, note) VALUES (6000, 'of a new customer');");
    const changed = [await table('orders'), await table('customers')];
    await expect(lab.postgresql().restoreObjects(directory, facts, select({ tables: [CUSTOMERS], replace: true }), waiting)).rejects.toMatchObject({
      code: 'DATABASE_ROWS_CONFLICT',
      context: { sqlState: '23503' },
    });
    expect([await table('orders'), await table('customers')]).toEqual(changed);
    expect(await schemas()).toBe('Mixed Case, public');
    await nothingLeft();
  });

  it('what comes back is granted to whom it was, whatever whoever makes something here grants by default', async () => {
    await fresh();
    const [customers, counted] = [
      await table('customers'),
      await lab.sql("SELECT nspacl, relacl FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = 'counted'"),
    ];
    await lab.sql(
      'DROP TABLE customers CASCADE; DROP SCHEMA "Mixed Case" CASCADE; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO shop_app, PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC',
    );
    const run = newId('run');
    const lost = select({ tables: [CUSTOMERS], schemas: ['Mixed Case'] });
    const loading = (argv: readonly string[]): boolean => argv.some((part) => part.startsWith('--role='));
    await expect(lab.postgresql(run, dyingAgent(lab.agent, loading)).restoreObjects(directory, facts, lost, waiting)).rejects.toThrow(CallerDied);
    await lab.postgresql(run).abandon('shop');
    await nothingLeft();
    await lab.postgresql(run).restoreObjects(directory, facts, lost, waiting);
    expect(await table('customers')).toBe(customers);
    expect(await lab.sql("SELECT nspacl, relacl FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = 'counted'")).toBe(counted);
    await nothingLeft();
  });

  it('a schema that exists comes beside; what its materialized views lack is said', async () => {
    await fresh();
    const kept = await lab.postgresql().restoreObjects(directory, facts, select({ schemas: ['Mixed Case'] }), waiting);
    expect(kept.notes).toEqual(
      ['z values', 'counted'].map((view) => `The materialized view ${kept.restoredSchema}.${view} holds no rows: REFRESH MATERIALIZED VIEW fills it.`),
    );
    await lab.sql(`REFRESH MATERIALIZED VIEW ${kept.restoredSchema}."z values"`);
    await lab.postgresql().confirm(await lab.postgresql().undo(kept));
    expect(await schemas()).toBe('Mixed Case, public');
  });

  describe('what was put in place by a transaction whose end nobody has heard of', () => {
    const placing = (argv: readonly string[]): boolean => argv.includes('psql') && argv.some((part) => part.endsWith('place.sql'));
    const inPlace = (run: string): Promise<void> =>
      untilItWorks(async () => expect(await lab.sql(`SELECT to_regclass('${runNames(run).replaced}.modosu_journal') IS NOT NULL`)).toBe('t'));
    /** The caller has died, the transaction has been committed. */
    const committed = async (run: string, selection: PostgresqlSelection): Promise<void> => {
      await expect(lab.postgresql(run, dyingAgent(lab.agent, placing)).restoreObjects(directory, facts, selection, waiting)).rejects.toThrow(CallerDied);
      await inPlace(run);
    };
    const LOST = select({ tables: [ORDERS, CUSTOMERS], schemas: ['Mixed Case'] });
    beforeEach(fresh);

    it('is not half taken away when the agent is silent: a second call finds it', async () => {
      const run = newId('run');
      let silentAbout: number | null = null;
      const deaf = faultAgent(lab.agent, { after: (argv, _call, pid) => void (placing(argv) && (silentAbout = pid)) });
      deaf.outcome = async (pid, options) => {
        if (pid !== silentAbout) return lab.agent.outcome(pid, options);
        await inPlace(run);
        throw new ModosuError('AGENT_COMMAND_FAILED', 'The guest agent was started anew.');
      };
      const rows = await lab.checksum('orders');
      const selection = select({ tables: [ORDERS] });
      await expect(lab.postgresql(run, deaf).restoreObjects(directory, facts, selection, waiting)).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
      const kept = await lab.postgresql(run).restoreObjects(directory, facts, selection, waiting);
      expect(await lab.checksum(`${kept.restoredSchema}.orders`)).toBe(rows);
      expect(await lab.postgresql(run).abandon('shop')).toEqual({ undoneDatabase: null, undoneSchema: null });
      expect(await schemas()).toBe('Mixed Case, public');
    });

    it('is taken back when it is given up, and nothing is left of it', async () => {
      const run = newId('run');
      await lab.sql('DROP TABLE orders; DROP SCHEMA "Mixed Case" CASCADE');
      const customers = await table('customers');
      await committed(run, LOST);
      expect(await schemas()).toBe('Mixed Case, public, replaced, restored');
      const dying = dyingAgent(lab.agent, (argv) => argv.some((part) => part.endsWith('abandon.sql')));
      await expect(lab.postgresql(run, dying).abandon('shop')).rejects.toThrow(CallerDied);
      for (let call = 0; call < 2; call += 1) expect(await lab.postgresql(run).abandon('shop')).toEqual({ undoneDatabase: null, undoneSchema: null });
      expect([await schemas(), await lab.sql("SELECT to_regclass('public.orders') IS NULL"), await table('customers')]).toEqual(['public', 't', customers]);
      await nothingLeft();
    });

    it('is kept where others have written to it, or have made something that hangs on it', async () => {
      const [first, second] = [newId('run'), newId('run')];
      await lab.sql('DROP TABLE orders; DROP SCHEMA "Mixed Case" CASCADE');
      await committed(first, LOST);
      await lab.sql("INSERT INTO orders (customer_id, note) VALUES (1, 'since')");
      const { undone } = runNames(first);
      for (let call = 0; call < 2; call += 1) expect(await lab.postgresql(first).abandon('shop')).toEqual({ undoneDatabase: null, undoneSchema: undone });
      expect(await schemas()).toBe('public, undone, undone_2, undone_3, undone_4');
      const where = await lab.sql(`SELECT oid::regclass FROM pg_class WHERE relname = 'orders' AND relnamespace::regnamespace::text ~ '^${undone}'`);
      expect(await lab.sql(`SELECT count(*) FROM ${where} WHERE note = 'since' OR id <= 2000`)).toBe('2001');
      await lab.sql(`SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE nspname ~ '^undone_' \\gexec`);

      await committed(second, LOST);
      await lab.sql('CREATE VIEW hangs AS SELECT count(*) AS n FROM orders');
      expect(await lab.postgresql(second).abandon('shop')).toEqual({ undoneDatabase: null, undoneSchema: runNames(second).undone });
      expect(await lab.sql("SELECT n, to_regclass('public.orders') IS NULL FROM hangs")).toBe('2000|t');
    });

    it('replaced rows come back; what an older transaction has written since is kept', async () => {
      await lab.sql("UPDATE orders SET note = 'broken' WHERE id < 500; UPDATE part SET id = -1");
      const [orders, part] = [await table('orders'), await table('part')];
      const [first, second] = [newId('run'), newId('run')];
      const selection = select({ tables: [ORDERS, PART], replace: true });
      await committed(first, selection);
      expect(await table('part')).not.toBe(part);
      expect(await lab.postgresql(first).abandon('shop')).toEqual({ undoneDatabase: null, undoneSchema: null });
      expect([await table('orders'), await table('part'), await schemas()]).toEqual([orders, part, 'Mixed Case, public']);

      const { undone, replaced } = runNames(second);
      const input = `BEGIN; SELECT txid_current();
DO $$ BEGIN FOR n IN 1..1500 LOOP PERFORM pg_sleep(0.2); EXIT WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = '${replaced}'); END LOOP; END $$;
INSERT INTO part VALUES (-7, '2024-07-07'); COMMIT;`;
      await lab.agent.start(
        { argv: ['psql', '-h', lab.dataSet.socketDirectory ?? '', '-p', String(lab.dataSet.port), '-U', 'postgres', '-d', 'shop'], input },
        { timeoutMs: 30_000 },
      );
      await committed(second, selection);
      await untilItWorks(async () => expect(await lab.sql('SELECT count(*) FROM part WHERE id = -7')).toBe('1'));
      expect(await lab.postgresql(second).abandon('shop')).toEqual({ undoneDatabase: null, undoneSchema: undone });
      expect([await table('orders'), await table('part')]).toEqual([orders, part]);
      expect(await lab.sql(`SELECT count(*), min(id) FROM ${undone}.part`)).toBe('401|-7');
    });
  });

  it('a database in an encoding of its own, with more tables than fit into one script, comes back with every letter', async () => {
    const old = { databases: ['old'] as const };
    const into = posix.join(lab.spool, 'old');
    const utf8 = "SET client_encoding = 'UTF8';";
    await lab.sql("DROP DATABASE IF EXISTS old WITH (FORCE); CREATE DATABASE old ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", 'postgres');
    await lab.sql(
      `${utf8} CREATE TABLE "注文" (id integer PRIMARY KEY, "品" text); INSERT INTO "注文" VALUES (1, 'りんご'), (2, '戻す');
CREATE TABLE "明細" (id integer CONSTRAINT "鍵" REFERENCES "注文"); COMMENT ON CONSTRAINT "鍵" ON "明細" IS '外部'; INSERT INTO "明細" VALUES (2); CREATE SCHEMA "拡張"; CREATE EXTENSION citext SCHEMA "拡張"; CREATE TABLE "拡張".uses (c "拡張".citext);
SELECT format('CREATE TABLE %I (id integer)', '表' || repeat('x', 55) || n) FROM generate_series(1, 200) AS n \\gexec`,
      'old',
    );
    const rows = (from: string): Promise<string> => lab.sql(`${utf8} SELECT string_agg(id || "品", ' ' ORDER BY id) FROM ${from}`, 'old');
    const { facts: saved } = await lab.postgresql(undefined, undefined, old).dump(into, waiting);
    expect(saved.databases[0]).toMatchObject({
      encoding: 'EUC_JP',
      foreignKeys: [{ name: '鍵', comment: '外部', definition: 'FOREIGN KEY (id) REFERENCES public."注文"(id)' }],
    });
    expect(await lab.run('pg_restore', '-s', '-t', 'none', '-f', '-', posix.join(into, '0.dump'))).toContain("SET client_encoding = 'EUC_JP'");

    const listing: string[] = [];
    const watching = faultAgent(lab.agent, {});
    const { exec } = watching;
    watching.exec = async (argv, options) => {
      const result = await exec(argv, options);
      if (argv.includes('pg_restore') && argv.includes('-l')) listing.push(result.stdout);
      return result;
    };
    const tables = (saved.databases[0]?.tables ?? []).map(({ schema, name }) => ({ schema, name }));
    const kept = await lab.postgresql(undefined, watching, old).restoreObjects(into, saved, select({ database: 'old', tables }), waiting);
    expect(listing).toEqual(['', '']);
    expect(await rows(`${kept.restoredSchema}."注文"`)).toBe('1りんご 2戻す');
    expect(await lab.sql(`SELECT count(*) FROM pg_tables WHERE schemaname = '${kept.restoredSchema}'`, 'old')).toBe('202');

    await lab.sql(`${utf8} DROP TABLE "明細"; DROP SCHEMA "拡張" CASCADE; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC`, 'old');
    await lab
      .postgresql(undefined, undefined, old)
      .restoreObjects(into, saved, select({ database: 'old', tables: [{ schema: 'public', name: '明細' }], schemas: ['拡張'] }), waiting);
    expect(
      await lab.sql(
        `${utf8} SELECT extname, extowner::regrole, extnamespace::regnamespace FROM pg_extension WHERE extname = 'citext'; SELECT bool_and(relacl IS NULL) FROM pg_class WHERE relname IN ('uses', '明細')`,
        'old',
      ),
    ).toBe('citext|postgres|"拡張"\nt');
    expect(await lab.sql(`${utf8} SELECT conname, obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conrelid = '"明細"'::regclass`, 'old')).toBe(
      '鍵|外部',
    );

    const run = newId('run');
    await lab.postgresql(run, undefined, old).restoreWholeBeside(into, saved, 'old', waiting);
    await lab.postgresql(run, undefined, old).swap('old');
    expect(await rows('"注文"')).toBe('1りんご 2戻す');
    await lab.sql(`DROP DATABASE old; DROP DATABASE ${runNames(run).replaced}`, 'postgres');
    await lab.postgresql().discard(into);
  });
});
