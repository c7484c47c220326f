import { posix } from 'node:path';
import type { PostgresqlFacts } from '../../src/contracts/data';
import { newId } from '../../src/contracts/ids';
import { runNames } from '../../src/domain/postgresql/names';
import type { KeptPostgresql } from '../../src/guests/postgresql/postgresql';
import { CallerDied, dyingAgent, faultAgent } from '../support/fault-agent';
import { createPostgresqlLab, QUOTED_SQL, sameKept, SHOP, untilItWorks, waiting, type PostgresqlLab } from '../support/postgresql-lab';
import { isFull } from '../support/thorough';

jest.setTimeout(600_000);

const WHOLE = { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: false } as const;

describe('a whole database of a guest goes back in time', () => {
  let lab: PostgresqlLab;
  let directory: string;
  let facts: PostgresqlFacts;
  let before: Awaited<ReturnType<typeof everything>>;

  const databases = (): Promise<string> =>
    lab.sql(
      "SELECT string_agg(datname || CASE WHEN datallowconn THEN '' ELSE ' closed' END, ', ' ORDER BY datname) FROM pg_database WHERE datname !~ '^(template|postgres)'",
      'postgres',
    );
  /** Rows of all tables, and all that a dump alone would lose. */
  const everything = async (database = 'shop'): Promise<Record<string, string>> => ({
    customers: await lab.checksum('customers', database),
    orders: await lab.checksum('orders', database),
    quoted: await lab.checksum(QUOTED_SQL, database),
    part: await lab.checksum('part', database),
    properties: await lab.sql(
      `SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit, datacl, shobj_description(oid, 'pg_database'),
        (SELECT string_agg(setrole::regrole || ' ' || setconfig::text, ';' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = current_database();
       SELECT string_agg(extname || extversion || extnamespace::regnamespace, ';' ORDER BY extname) FROM pg_extension;
       SELECT string_agg(relname || coalesce(relacl::text, '') || relowner::regrole || relrowsecurity, ';' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace;
       SELECT string_agg(attname || attacl::text, ';') FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid = 'orders'::regclass;
       SELECT string_agg(conname || pg_get_constraintdef(oid) || coalesce(obj_description(oid, 'pg_constraint'), ''), ';' ORDER BY conname) FROM pg_constraint WHERE connamespace = 'public'::regnamespace;
       SELECT nextval('"Mixed Case"."it''s ""quoted"" 注文_id_seq"') > 2;`,
      database,
    ),
  });

  beforeAll(async () => {
    lab = await createPostgresqlLab({ dataDiskBytes: 24 * 1024 * 1024 });
    directory = posix.join(lab.spool, 'point');
    // Its own workers come in between: as often as they can, or so often that they leave an emulated guest time for anything else.
    await lab.sql(`ALTER SYSTEM SET max_prepared_transactions = 5; ALTER SYSTEM SET autovacuum_naptime = ${isFull ? 1 : 5}`, 'postgres');
    // Whoever runs the server starts it again.
    await lab.run('setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', 'pg_ctl', '-D', '/var/lib/postgresql/data', 'stop', '-m', 'fast', '-w');
    await untilItWorks(() => lab.sql(SHOP, 'postgres'));
    await lab.sql(
      "DROP ROLE IF EXISTS outsider, outsiders, later; CREATE ROLE outsiders; CREATE ROLE outsider LOGIN PASSWORD 'canary' IN ROLE outsiders; GRANT outsiders TO shop_app",
      'postgres',
    );
    ({ facts } = await lab.postgresql().dump(directory, waiting));
    before = await everything();
  });
  afterAll(() => lab?.destroy());

  describe('there and back', () => {
    const run = newId('run');
    const names = runNames(run);
    let kept: KeptPostgresql;
    let changed: Record<string, string>;

    it('a plan says what would be lost', async () => {
      await lab.sql(
        "INSERT INTO orders (customer_id, note) VALUES (7, 'since'), (8, 'since'); UPDATE customers SET name = 'nobody'; CREATE TABLE newer (id integer)",
      );
      changed = await everything();
      const survey = await lab.postgresql(run).survey(facts, WHOLE);
      expect(survey.changes).toContainEqual(expect.objectContaining({ effect: 'replaced', what: 'table public.orders', rows: { now: 2002, then: 2000 } }));
      expect(survey.losses).toEqual([
        expect.stringContaining(facts.takenAt),
        'Table public.orders has 2 rows more now than in the recovery point: they are not in the restored database.',
        'Tables that were made since are not in the restored database: public.newer.',
      ]);
      expect(survey.findings.filter(({ severity }) => severity === 'block')).toEqual([]);
    });

    it('is loaded beside with roles that are missing, also after a SIGKILL of pg_restore', async () => {
      await lab.sql(
        'DROP OWNED BY "App 注文 ""x"""; DROP ROLE "App 注文 ""x"""; REASSIGN OWNED BY shop_app TO postgres; DROP OWNED BY shop_app; DROP ROLE shop_app; ALTER ROLE shop_owner CREATEDB',
      );
      let isKilling = false;
      // It waits for pg_restore before that begins: who comes from outside may come too late.
      const killing = faultAgent(lab.agent, {
        before: async (argv) => {
          // One only: what it does not meet in the first part it meets in the second.
          if (!argv.includes('--exit-on-error') || isKilling) return;
          isKilling = true;
          await lab.agent.start({ argv: ['timeout', '60', 'sh', '-c', 'until pkill -KILL -x pg_restore; do :; done'] }, { timeoutMs: 30_000 });
        },
      });
      await expect(lab.postgresql(run, killing).restoreWholeBeside(directory, facts, 'shop', waiting)).rejects.toMatchObject({
        code: 'DATA_RESTORE_FAILED',
        message: expect.stringContaining('137'),
      });
      expect(await databases()).toBe('shop');
      const progress: number[] = [];
      const { notes } = await lab
        .postgresql(run)
        .restoreWholeBeside(directory, facts, 'shop', { ...waiting, onProgress: ({ doneBytes }) => progress.push(doneBytes) });
      expect(notes).toEqual([]);
      expect(progress.at(-1)).toBeGreaterThan(0);
      expect(await databases()).toBe(`${names.restored}, shop`);
      expect(
        await lab.sql(
          "SELECT rolcanlogin, rolconnlimit, rolpassword LIKE 'SCRAM-SHA-256$%', pg_has_role('shop_app', 'shop_group', 'MEMBER') FROM pg_authid WHERE rolname = 'shop_app'",
        ),
      ).toBe('t|9|t|t');
      expect(await lab.sql('SELECT rolinherit FROM pg_roles WHERE rolname = \'App 注文 "x"\'')).toBe('f');
      // One that exists is not touched.
      expect(await lab.sql("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'shop_owner'")).toBe('t');
      expect(await lab.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%SCRAM%' AND pid <> pg_backend_pid()")).toBe('0');
    });

    it('loaded once, a second call adopts it', async () => {
      const watching = faultAgent(lab.agent, {});
      await lab.postgresql(run, watching).restoreWholeBeside(directory, facts, 'shop', waiting);
      expect(watching.calls.flat()).not.toContain('pg_restore');
      expect(await lab.sql("SELECT count(*) FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL AND relname = 'orders'", names.restored)).toBe('1');
    });

    it('takes the place of the live one, whose sessions end, and is what it was', async () => {
      const session = await lab.agent.start(
        {
          argv: ['psql', '-h', lab.dataSet.socketDirectory ?? '', '-p', String(lab.dataSet.port), '-U', 'postgres', '-d', 'shop'],
          input: 'BEGIN; SELECT count(*) FROM orders; SELECT pg_sleep(600);',
        },
        { timeoutMs: 30_000 },
      );
      await untilItWorks(async () =>
        expect(await lab.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()", 'postgres')).toBe('1'),
      );
      kept = await lab.postgresql(run).swap('shop');
      expect(kept).toMatchObject({ database: 'shop', whole: true, keptDatabase: names.replaced, replaced: ['shop'], added: [] });
      expect(kept.keptBytes).toBeGreaterThan(1_000_000);
      expect(await lab.postgresql(run).swap('shop')).toEqual(sameKept(kept));
      expect(await databases()).toBe(`${names.replaced} closed, shop`);
      const ended = await untilItWorks(async () => (await lab.agent.outcome(session, { timeoutMs: 30_000 })) ?? Promise.reject(new Error('runs')));
      expect(ended.stderr).toContain('terminating connection');
      expect(await everything()).toEqual(before);
    });

    it('the plan of an undo counts what was written since', async () => {
      await lab.sql("INSERT INTO orders (customer_id, note) VALUES (9, 'after the restore'); UPDATE orders SET note = 'changed' WHERE id IN (1, 2)");
      expect((await lab.postgresql().surveyUndo(kept)).losses).toEqual([
        '3 rows of public.orders were written since the restore and would be lost; the undone database is kept until the undo is confirmed.',
      ]);
    });

    it('is undone, the undo is undone, and confirmed', async () => {
      const present = await everything();
      const undo = newId('run');
      const undone = await lab.postgresql(undo).undo(kept);
      expect(undone).toMatchObject({ keptDatabase: runNames(undo).undone, whole: true });
      expect(await lab.postgresql(undo).undo(kept)).toEqual(sameKept(undone));
      const { properties: _, ...rows } = await everything();
      expect(rows).toEqual({ customers: changed['customers'], orders: changed['orders'], quoted: changed['quoted'], part: changed['part'] });
      const again = await lab.postgresql().undo(undone);
      expect(await everything()).toEqual(present);
      await lab.postgresql().confirm(again);
      await lab.postgresql().confirm(again);
      expect(await databases()).toBe('shop');
      await expect(lab.postgresql().undo(again)).rejects.toMatchObject({ code: 'DATABASE_NOT_FOUND' });
      expect(await databases()).toBe('shop');
    });
  });

  describe('the exchange', () => {
    /** A database as `restoreWholeBeside` leaves it, in a second. */
    async function loaded(run: string): Promise<void> {
      const { restored, application } = runNames(run);
      await lab.sql(`CREATE DATABASE ${restored}; ALTER DATABASE ${restored} SET modosu.loaded TO '${application}';`, 'postgres');
      await lab.sql("CREATE TABLE which AS SELECT 'new' AS it", restored);
    }
    const which = (): Promise<string> => lab.sql("SELECT CASE WHEN to_regclass('public.which') IS NULL THEN 'old' ELSE 'new' END");
    const cleanUp = async (): Promise<void> => {
      await lab.sql(
        `SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname ~ '^(restored|replaced|undone)_' \\gexec`,
        'postgres',
      );
    };

    it('killed between its steps there is one database, old or new, and a second call or giving up ends well', async () => {
      const closing = (_argv: readonly string[], input: string): boolean => input.includes('ALLOW_CONNECTIONS false');
      const renaming = (_argv: readonly string[], input: string): boolean => input.includes('RENAME TO');

      const first = newId('run');
      await loaded(first);
      await expect(lab.postgresql(first, dyingAgent(lab.agent, closing)).swap('shop')).rejects.toThrow(CallerDied);
      expect(await databases()).toBe(`${runNames(first).restored} closed, shop closed`);
      await lab.postgresql(first).swap('shop');
      expect([await which(), await databases()]).toEqual(['new', `${runNames(first).replaced} closed, shop`]);

      // What was there is put back, and what others may have written meanwhile is kept.
      const { undone } = runNames(first);
      for (let call = 0; call < 2; call += 1) expect(await lab.postgresql(first).abandon('shop')).toEqual({ undoneDatabase: undone, undoneSchema: null });
      expect([await which(), await databases()]).toEqual(['old', `shop, ${undone} closed`]);

      const second = newId('run');
      await loaded(second);
      await expect(lab.postgresql(second, dyingAgent(lab.agent, closing)).swap('shop')).rejects.toThrow(CallerDied);
      expect(await lab.postgresql(second).abandon('shop')).toEqual({ undoneDatabase: null, undoneSchema: null });
      expect([await which(), await databases()]).toEqual(['old', `shop, ${undone} closed`]);

      const third = newId('run');
      await loaded(third);
      await expect(lab.postgresql(third, dyingAgent(lab.agent, renaming)).swap('shop')).rejects.toThrow(CallerDied);
      expect(await which()).toBe('new');
      expect(await lab.postgresql(third).abandon('shop')).toEqual({ undoneDatabase: runNames(third).undone, undoneSchema: null });
      expect(await which()).toBe('old');
      await cleanUp();
    });

    it('prepared transactions hold it: everything is as it was', async () => {
      const run = newId('run');
      await loaded(run);
      await lab.sql("BEGIN; UPDATE customers SET city = 'Nara' WHERE id = 1; PREPARE TRANSACTION 'of somebody';");
      await expect(lab.postgresql(run).swap('shop')).rejects.toMatchObject({ code: 'DATABASE_IN_USE', message: expect.stringContaining('of somebody') });
      expect((await lab.postgresql(run).survey(facts, WHOLE)).findings).toContainEqual(
        expect.objectContaining({ code: 'DATABASE_IN_USE', severity: 'block', evidence: ['of somebody'] }),
      );
      expect(await databases()).toBe(`${runNames(run).restored}, shop`);
      await lab.sql("ROLLBACK PREPARED 'of somebody'");
      await lab.postgresql(run).swap('shop');
      expect(await which()).toBe('new');
      await lab.postgresql(run).abandon('shop');
      await cleanUp();
    });

    it('whoever waits hears that it goes on, and may still leave before it begins', async () => {
      const run = newId('run');
      await loaded(run);
      await expect(lab.postgresql(run).swap('shop', { signal: AbortSignal.abort(new Error('cancelled')) })).rejects.toThrow('cancelled');
      expect(await databases()).toBe(`${runNames(run).restored}, shop`);
      const onProgress = jest.fn();
      const kept = await lab.postgresql(run).swap('shop', { ...waiting, onProgress });
      expect(onProgress).toHaveBeenCalled();
      await expect(lab.postgresql().undo(kept, { signal: AbortSignal.abort(new Error('cancelled')) })).rejects.toThrow('cancelled');
      expect(await which()).toBe('new');
      await lab.postgresql(run).abandon('shop', { ...waiting, onProgress });
      expect(await which()).toBe('old');
      await cleanUp();
    });

    it('subscriptions to another server keep no database of a run from being dropped, and no other loses its own', async () => {
      const subscribe =
        "CREATE SUBSCRIPTION \"the'irs\" CONNECTION 'host=/nowhere dbname=x' PUBLICATION p WITH (connect = false, slot_name = 'theirs'); ALTER SUBSCRIPTION \"the'irs\" ENABLE";
      const [run, other] = [newId('run'), newId('run')];
      await loaded(run);
      await lab.sql(subscribe);
      await lab.sql(subscribe, runNames(run).restored);
      const kept = await lab.postgresql(run).swap('shop');
      expect(await lab.postgresql(run).abandon('shop')).toEqual({ undoneDatabase: runNames(run).undone, undoneSchema: null });
      await lab.postgresql().confirm({ ...kept, keptDatabase: runNames(run).undone });
      await loaded(other);
      await lab.sql(subscribe, runNames(other).restored);
      await lab.postgresql(other).abandon('shop');
      expect(await databases()).toBe('shop');
      expect(await lab.sql('SELECT subname, subenabled, subslotname FROM pg_subscription')).toBe("the'irs|t|theirs");
      await lab.sql('ALTER SUBSCRIPTION "the\'irs" DISABLE; ALTER SUBSCRIPTION "the\'irs" SET (slot_name = NONE); DROP SUBSCRIPTION "the\'irs"');
    });

    it('what was not loaded to its end is not put in place', async () => {
      const run = newId('run');
      await loaded(run);
      await lab.sql(`ALTER DATABASE ${runNames(run).restored} RESET modosu.loaded`, 'postgres');
      await expect(lab.postgresql(run).swap('shop')).rejects.toMatchObject({ code: 'DATABASE_NOT_FOUND' });
      await expect(lab.postgresql().swap('shop')).rejects.toMatchObject({ code: 'DATABASE_NOT_FOUND' });
      expect(await lab.postgresql(run).abandon('shop')).toEqual({ undoneDatabase: null, undoneSchema: null });
      expect(await databases()).toBe('shop');
    });

    it('a database that is gone is only put in place; undone it goes away, and comes again', async () => {
      const run = newId('run');
      await loaded(run);
      await lab.sql('ALTER DATABASE shop RENAME TO aside', 'postgres');
      const kept = await lab.postgresql(run).swap('shop');
      expect(kept).toMatchObject({ keptDatabase: null, added: ['shop'], replaced: [] });
      expect(await lab.postgresql(run).swap('shop')).toEqual(sameKept(kept));
      const undo = newId('run');
      const undone = await lab.postgresql(undo).undo(kept);
      expect(undone).toMatchObject({ keptDatabase: runNames(undo).undone });
      expect(await lab.postgresql(undo).undo(kept)).toEqual(sameKept(undone));
      expect(await databases()).toBe(`aside, ${runNames(undo).undone} closed`);
      const again = await lab.postgresql().undo(undone);
      expect(await databases()).toBe('aside, shop');
      await lab.postgresql().confirm(again);
      expect(await lab.sql("SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%modosu%'")).toBe('0');
      await lab.sql('DROP DATABASE shop; ALTER DATABASE aside RENAME TO shop', 'postgres');
    });
  });

  it('on a server that has itself come back from an older image, roles are what they were in the recovery point', async () => {
    const ROLES =
      "SELECT rolname, rolcanlogin, rolconnlimit, rolcreatedb, rolpassword, (SELECT string_agg(roleid::regrole::text, ',' ORDER BY roleid::regrole::text) FROM pg_auth_members WHERE member = a.oid), (SELECT setconfig FROM pg_db_role_setting WHERE setrole = a.oid AND setdatabase = 0) FROM pg_authid a WHERE rolname !~ '^(pg_|later|postgres$)' ORDER BY rolname";
    const OWN = "SELECT rolsuper, rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'postgres'";
    await lab.sql("ALTER ROLE shop_owner NOCREATEDB; ALTER ROLE shop_app SET statement_timeout = '9s'");
    const into = posix.join(lab.spool, 'roles');
    const { facts: saved } = await lab.postgresql().dump(into, waiting);
    const roles = await lab.sql(ROLES);
    await lab.sql(`DROP ROLE outsider, outsiders; CREATE ROLE later LOGIN; ALTER ROLE shop_app NOLOGIN CONNECTION LIMIT 3 PASSWORD 'older'; REVOKE shop_group FROM shop_app; GRANT later TO shop_app; ALTER ROLE shop_owner CREATEDB;
ALTER ROLE shop_app RESET ALL; ALTER ROLE shop_app SET work_mem = '1MB'; ALTER ROLE postgres PASSWORD 'older'`);
    const own = await lab.sql(OWN);
    expect(own).toContain('SCRAM');
    const run = newId('run');
    const watching = faultAgent(lab.agent, {});
    const { notes } = await lab.postgresql(run, watching).restoreWholeBeside(into, saved, 'shop', waiting, { existingRoles: 'as-saved' });
    expect(notes).toEqual(['Roles that the recovery point does not describe stay as they are: later.']);
    expect(await lab.sql(ROLES)).toBe(roles);
    // As whom we log in: by what lies on the image too.
    expect(await lab.sql(OWN)).toBe(own);
    expect(await lab.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'later'")).toBe('1');
    expect(watching.calls.flat().join(' ')).not.toMatch(/SCRAM/);
    // The second time there is nothing to do.
    await lab.sql(`ALTER DATABASE ${runNames(run).restored} RESET modosu.loaded`, 'postgres');
    await lab.postgresql(run).restoreWholeBeside(into, saved, 'shop', waiting, { existingRoles: 'as-saved' });
    expect(await lab.sql(ROLES)).toBe(roles);
    await lab.postgresql(run).abandon('shop');

    // Otherwise only those that are missing are made, and what they lack is said.
    await lab.sql('DROP OWNED BY shop_app; DROP ROLE shop_app, outsider, outsiders, later');
    const keeping = newId('run');
    expect(await lab.postgresql(keeping).restoreWholeBeside(into, saved, 'shop', waiting)).toEqual({
      notes: ['Role shop_app is no member of outsiders, which does not exist here.'],
    });
    expect(await lab.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'outsider%'")).toBe('0');
    await lab.postgresql(keeping).abandon('shop');
    await lab.sql('ALTER ROLE postgres PASSWORD NULL');
    await lab.postgresql().discard(into);
  });

  describe('what stands against it', () => {
    it('a newer dump, a missing extension, a missing tablespace, a role nobody knows how to make', async () => {
      const [shop] = facts.databases;
      if (shop === undefined) throw new Error('no facts');
      const altered = (changes: Partial<typeof shop>): PostgresqlFacts => ({ ...facts, databases: [{ ...shop, ...changes }] });
      const newer = { ...facts, engineMajor: 16, engineVersion: '16.4' };
      const extensions = [...shop.extensions, { name: 'no_such', version: '1', schema: 'public' }];
      const cases = [
        [newer, 'DATABASE_ENGINE_TOO_OLD'],
        [altered({ extensions }), 'DATABASE_EXTENSION_MISSING'],
        [altered({ tablespaces: ['no such'] }), 'DATABASE_TABLESPACE_MISSING'],
      ] as const;
      for (const [hostile, code] of cases) {
        await expect(lab.postgresql().restoreWholeBeside(directory, hostile, 'shop', waiting)).rejects.toMatchObject({ code });
      }
      const { findings } = await lab.postgresql().survey({ ...newer, databases: altered({ extensions, tablespaces: ['no such'] }).databases }, WHOLE);
      expect(findings.filter(({ severity }) => severity === 'block').map(({ code }) => code)).toEqual(cases.map(([, code]) => code));
      await expect(lab.postgresql().restoreWholeBeside(directory, altered({ roles: [...shop.roles, 'unknown'] }), 'shop', waiting)).rejects.toMatchObject({
        code: 'DATABASE_ROLE_MISSING',
        context: { roles: ['unknown'] },
      });
      await expect(lab.postgresql().restoreWholeBeside(directory, facts, 'shopp', waiting)).rejects.toMatchObject({ code: 'DATA_NOT_IN_RECOVERY_POINT' });
      expect(await databases()).toBe('shop');
    });

    it('rows that are not what was saved', async () => {
      const [shop] = facts.databases;
      if (shop === undefined) throw new Error('no facts');
      const tables = shop.tables.map((table) => (table.name === 'customers' ? { ...table, rows: 201 } : table));
      const changed = { ...facts, databases: [{ ...shop, tables }] };
      await expect(lab.postgresql().restoreWholeBeside(directory, changed, 'shop', waiting)).rejects.toMatchObject({
        code: 'DUMP_INCOMPLETE',
        message: expect.stringContaining('public.customers has 200 rows instead of 201'),
      });
      expect(await databases()).toBe('shop');
    });

    it('a disk that fills while it is loaded', async () => {
      await lab.run('mkdir', '/data/space');
      await lab.run('chown', 'postgres', '/data/space');
      await lab.sql("CREATE TABLESPACE small LOCATION '/data/space'", 'postgres');
      // Less room than an empty database takes: however small the dump is, it cannot be loaded.
      const free = Number((await lab.run('df', '-B1', '--output=avail', '/data')).split('\n')[1]);
      await lab.run('fallocate', '-l', String(free - 1024 * 1024), '/data/other');
      const [shop] = facts.databases;
      if (shop === undefined) throw new Error('no facts');
      const elsewhere = { ...facts, databases: [{ ...shop, tablespace: 'small' }] };
      await expect(lab.postgresql().restoreWholeBeside(directory, elsewhere, 'shop', waiting)).rejects.toMatchObject({
        code: 'GUEST_DISK_FULL',
        message: expect.stringMatching(/No space left on device.*free/),
      });
      expect(await databases()).toBe('shop');
      expect(await lab.run('find', '/data/space', '-type', 'f', '-size', '+0')).not.toContain('/base/');
    });
  });
});
