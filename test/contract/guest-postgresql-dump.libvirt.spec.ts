import { posix } from 'node:path';
import type { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import { parseFacts } from '../../src/domain/postgresql/facts';
import { CallerDied, dyingAgent, faultAgent } from '../support/fault-agent';
import { createPostgresqlLab, QUOTED, SHOP, untilItWorks, waiting, type PostgresqlLab } from '../support/postgresql-lab';
import { inFull } from '../support/thorough';

jest.setTimeout(600_000);

describe('dumps of databases in a guest', () => {
  let lab: PostgresqlLab;
  let directory: string;
  const contents = (): Promise<string> => lab.run('find', lab.spool, '-mindepth', '1', '-printf', '%P %m %u\\n');
  const session = (input: string): Promise<number> =>
    lab.agent.start(
      { argv: ['psql', '-h', lab.dataSet.socketDirectory ?? '', '-p', String(lab.dataSet.port), '-U', 'postgres', '-d', 'shop'], input },
      { timeoutMs: 30_000 },
    );
  /** Lets somebody else lock a table, or wait for it. */
  const locked = async (table: string, input: string): Promise<void> => {
    await session(input);
    await untilItWorks(async () =>
      expect(await lab.sql(`SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = to_regclass('${table}')`)).toBe('1'),
    );
  };
  /** The program that holds the snapshot. */
  const holding = (input: unknown): boolean => String(input ?? '').includes('pg_export_snapshot');
  const UNTIL_WE_WAIT = `DO $$ BEGIN FOR n IN 1..1500 LOOP PERFORM pg_sleep(0.2); PERFORM pg_stat_clear_snapshot();
    EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'modosu-%' AND wait_event_type = 'Lock'); END LOOP; END $$;`;
  beforeAll(async () => {
    lab = await createPostgresqlLab();
    directory = posix.join(lab.spool, 'point');
    await lab.sql(SHOP, 'postgres');
  });
  afterAll(() => lab?.destroy());

  it('says what answers, and what does not', async () => {
    expect(await lab.postgresql().probe()).toEqual({
      engineVersion: expect.stringMatching(/^15\./),
      engineMajor: 15,
      superuser: true,
      programs: { psql: expect.stringMatching(/^15\./), pgDump: expect.stringMatching(/^15\./), pgRestore: expect.stringMatching(/^15\./) },
    });
    await expect(lab.postgresql(undefined, undefined, { socketDirectory: '/tmp/nowhere' }).probe()).rejects.toMatchObject({
      code: 'DATABASE_SERVER_UNREACHABLE',
    });
    await expect(lab.postgresql(undefined, undefined, { osUser: 'nobody-here' }).probe()).rejects.toMatchObject({
      code: 'DATABASE_SERVER_UNREACHABLE',
      message: expect.stringContaining('nobody-here'),
    });
    const without = faultAgent(lab.agent, {});
    without.exec = (argv, options) =>
      lab.agent.exec(argv.map((part) => (part === 'pg_restore' ? 'pg_restore-not-there' : part)) as unknown as typeof argv, options);
    await expect(lab.postgresql(undefined, without).probe()).rejects.toMatchObject({
      code: 'GUEST_PROGRAM_MISSING',
      context: { program: 'pg_restore-not-there' },
    });
  });

  it('holds everything, in one moment: rows written meanwhile are in neither dump nor facts', async () => {
    const progress: number[] = [];
    // Rows come in after the snapshot was taken, before pg_dump reads.
    const meddling = faultAgent(lab.agent, {
      before: async (argv) => {
        if (argv.includes('pg_dump')) await lab.sql("INSERT INTO customers VALUES (9001, 'late', 'Kobe'); CREATE TABLE late (id integer);");
      },
    });
    const { content, facts } = await lab
      .postgresql(undefined, meddling)
      .dump(directory, { ...waiting, onProgress: ({ doneBytes }) => progress.push(doneBytes) });
    await lab.sql('DELETE FROM customers WHERE id = 9001; DROP TABLE late;');

    expect(content).toMatchObject({
      kind: 'postgresql',
      engineMajor: 15,
      directory,
      factsFile: 'facts.json',
      globalsFile: 'globals.sql',
      databases: [{ name: 'shop', file: '0.dump', tables: 6, rows: 2602 }],
    });
    expect(progress.length).toBeGreaterThan(1);
    expect(await contents()).toMatch(/^point 700 postgres$/m);
    expect(
      (await contents())
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split(' ')[0])
        .sort(),
    ).toEqual(['point', 'point/0.dump', 'point/facts.json', 'point/globals.sql']);
    const written = await lab.agent.readFile(posix.join(directory, 'facts.json'), { timeoutMs: 30_000, maxBytes: 1_000_000 });
    expect(parseFacts(written ?? Buffer.alloc(0))).toEqual(facts);
    const [shop] = facts.databases;
    expect(shop).toMatchObject({
      owner: 'shop_owner',
      encoding: 'UTF8',
      collate: 'C',
      ctype: 'C',
      localeProvider: 'c',
      connectionLimit: 17,
      tablespace: 'pg_default',
      comment: 'The "shop"\'s data',
      settings: [
        { role: null, setting: 'search_path="$user", public, "Mixed Case"' },
        { role: null, setting: 'work_mem=5MB' },
        { role: 'shop_app', setting: 'statement_timeout=7s' },
      ],
    });
    expect(shop?.acl).toContainEqual({ grantee: 'shop_app', grantor: 'shop_owner', privilege: 'CONNECT', grantable: true });
    expect(shop?.extensions).toContainEqual({ name: 'hstore', version: '1.6', schema: 'public' });
    expect(shop?.tables.map(({ schema, name, rows }) => [schema, name, rows])).toEqual([
      ['Mixed Case', QUOTED.name, 2],
      ['public', 'customers', 200],
      ['public', 'orders', 2000],
      ['public', 'part', 400],
      ['public', 'part_2024', 213],
      ['public', 'part_2025', 187],
    ]);
    expect(shop?.tables.find(({ name }) => name === 'orders')?.roles).toEqual(['App 注文 "x"', 'shop_app', 'shop_owner']);
    expect(shop?.foreignKeys).toEqual([
      expect.objectContaining({
        name: 'orders_customer_id_fkey',
        definition: 'FOREIGN KEY (customer_id) REFERENCES public.customers(id)',
        comment: 'who ordered',
      }),
    ]);
    const dumped = await lab.run('pg_restore', '-f', '-', '-a', '-t', 'customers', posix.join(directory, '0.dump'));
    expect(dumped).not.toContain('late');
    expect(await lab.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'modosu-%'")).toBe('0');
  });

  it('is discarded, twice, and nothing outside the spool directory is', async () => {
    await lab.postgresql().discard(directory);
    await lab.postgresql().discard(directory);
    expect(await contents()).toBe('');
    for (const path of ['/etc', `${lab.spool}/../etc`, lab.spool, `${lab.spool}/a/b`, `${lab.spool}/.`]) {
      await expect(lab.postgresql().discard(path)).rejects.toMatchObject({ code: 'INTERNAL' });
    }
  });

  it('a database that is not there is said, and nothing is left', async () => {
    await expect(lab.postgresql(undefined, undefined, { databases: ['shop', 'no "such" one'] }).dump(directory, waiting)).rejects.toMatchObject({
      code: 'DATABASE_NOT_FOUND',
      message: expect.stringContaining('no "such" one'),
    });
    expect(await contents()).toBe('');
  });

  it('the rows that are counted are those that are dumped: nobody empties or drops a table in between', async () => {
    let refusal = '';
    await lab.sql('CREATE TABLE "Mixed Case".a (id integer)');
    const meddling = faultAgent(lab.agent, {
      before: async (argv, _call, input) => {
        // Somebody holds up whoever wants to lock, or count, the first of the tables.
        if (holding(input)) await locked('"Mixed Case".a', `BEGIN; LOCK TABLE "Mixed Case".a; ${UNTIL_WE_WAIT} SELECT pg_sleep(5); COMMIT;`);
        if (argv.includes('pg_dump')) refusal = await lab.sql("SET lock_timeout = '1s'; TRUNCATE customers CASCADE").catch(String);
      },
    });
    const { facts } = await lab.postgresql(undefined, meddling).dump(directory, waiting);
    expect(refusal).toContain('lock timeout');
    expect(facts.databases[0]?.tables.find(({ name }) => name === 'customers')?.rows).toBe(200);
    await lab.sql('DROP TABLE "Mixed Case".a');
    await lab.postgresql().discard(directory);
  });

  inFull('a table that is dropped while it is about to be locked is in neither dump nor facts, and whoever waits for a table is let through', async () => {
    await lab.sql('CREATE TABLE doomed (id integer)');
    let [holders, dumps] = [0, 0];
    const meddling = faultAgent(lab.agent, {
      before: async (argv, _call, input) => {
        if (holding(input) && holders++ === 0) await locked('doomed', `BEGIN; DROP TABLE doomed; ${UNTIL_WE_WAIT} COMMIT;`);
        if (!argv.includes('pg_dump') || dumps++ > 0) return;
        // pg_dump gets in line behind it, and it waits for us.
        await locked('orders', 'BEGIN; LOCK TABLE orders; COMMIT;');
      },
    });
    const { facts } = await lab.postgresql(undefined, meddling).dump(directory, waiting);
    expect([holders, dumps]).toEqual([3, 2]);
    expect(facts.databases[0]?.tables.map(({ name }) => name)).not.toContain('doomed');
    expect((await contents()).split('\n').filter(Boolean)).toHaveLength(4);
    await lab.postgresql().discard(directory);
  });

  it('a description that is longer than the agent can tell reaches us through files', async () => {
    await lab.sql('CREATE DATABASE wide', 'postgres');
    await lab.sql(
      "SELECT format('CREATE TABLE wide_%s (%s)', t, string_agg(format('%I integer', 'column ' || repeat('x', 50) || c), ', ')) FROM generate_series(1, 8) AS t, generate_series(1, 900) AS c GROUP BY t \\gexec",
      'wide',
    );
    let longest = 0;
    const measuring = faultAgent(lab.agent, {});
    const measured = <T extends { readonly stdout: string } | null>(result: T): T => {
      longest = Math.max(longest, result?.stdout.length ?? 0);
      return result;
    };
    const { exec } = measuring;
    measuring.exec = async (argv, options) => measured(await exec(argv, options));
    measuring.outcome = async (pid, options) => measured(await lab.agent.outcome(pid, options));
    const { facts } = await lab.postgresql(undefined, measuring, { databases: ['wide'] }).dump(directory, waiting);
    expect(facts.databases[0]?.tables.map(({ columns }) => columns.length)).toEqual(Array(8).fill(900));
    expect(JSON.stringify(facts).length).toBeGreaterThan(1_000_000);
    expect(longest).toBeLessThan(100_000);
    await lab.postgresql().discard(directory);
    await lab.sql('DROP DATABASE wide', 'postgres');
  });

  it('whoever builds an index anew while it goes on waits for nobody', async () => {
    let refusal = 'not asked';
    const told = posix.join(directory, '0.told', 'told-done');
    const meddling = faultAgent(lab.agent, {
      before: async (argv) => {
        if (!argv.includes('pg_dump')) return;
        // The rows have been counted.
        for (let tries = 0; tries < 100 && (await lab.run('cat', told).catch(() => '')) !== 'done\n'; tries += 1) {
          await new Promise((resolve) => setTimeout(resolve, 300));
        }
        refusal = await lab.sql("SET lock_timeout = '5s'; REINDEX TABLE customers").catch(String);
      },
    });
    await lab.postgresql(undefined, meddling).dump(directory, waiting);
    expect(refusal).toBe('');
    await lab.postgresql().discard(directory);
  });

  it('a database without an encoding, in which stand bytes of any', async () => {
    await lab.sql("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'", 'postgres');
    await lab.sql("SELECT format('CREATE TABLE %I AS SELECT 1 AS id', 'caf' || chr(233)) \\gexec", 'bytes');
    const { facts } = await lab.postgresql(undefined, undefined, { databases: ['bytes'] }).dump(directory, waiting);
    expect(facts.databases[0]).toMatchObject({ encoding: 'SQL_ASCII', tables: [{ rows: 1 }] });
    await lab.postgresql().discard(directory);
    await lab.sql('DROP DATABASE bytes', 'postgres');
  });

  it('a dump that ends early is a failure, and nothing is left', async () => {
    const killing = faultAgent(lab.agent, {
      after: async (argv, _call, pid) => {
        if (argv.includes('pg_dump') && pid !== null) await lab.run('kill', '-KILL', String(pid));
      },
    });
    await expect(lab.postgresql(undefined, killing).dump(directory, waiting)).rejects.toMatchObject({
      code: 'DUMP_FAILED',
      message: expect.stringContaining('ended early'),
    });
    expect(await contents()).toBe('');
    expect(await lab.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'modosu-%'")).toBe('0');
  });

  it('a dump that cannot be read to its end is a failure', async () => {
    const cutting = faultAgent(lab.agent, {
      before: async (argv) => {
        if (argv.includes('/dev/null')) await lab.run('truncate', '-s', '-20000', posix.join(directory, '0.dump'));
      },
    });
    await expect(lab.postgresql(undefined, cutting).dump(directory, waiting)).rejects.toMatchObject({ code: 'DUMP_INCOMPLETE' });
    expect(await contents()).toBe('');
  });

  it('an abort ends the programs in the guest', async () => {
    const abort = new AbortController();
    const aborting = faultAgent(lab.agent, {
      after: (argv, _call, pid) => {
        if (argv.includes('pg_dump') && pid !== null) abort.abort(new Error('cancelled'));
      },
    });
    await expect(lab.postgresql(undefined, aborting).dump(directory, { signal: abort.signal })).rejects.toThrow('cancelled');
    expect(await contents()).toBe('');
    expect(await lab.processes('^(/.*/)?pg_dump ')).toEqual([]);
    expect(await lab.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'modosu-%'")).toBe('0');
  });

  it("a caller that dies leaves programs behind: its next attempt ends them, and nobody else's", async () => {
    const run = newId('run');
    const foreign = await lab.agent.start(
      {
        argv: [
          'psql',
          '-h',
          lab.dataSet.socketDirectory ?? '',
          '-p',
          String(lab.dataSet.port),
          '-U',
          'postgres',
          '-d',
          "dbname=shop application_name='modosu-run_of_another'",
        ],
        input: 'SELECT pg_sleep(600);',
      },
      { timeoutMs: 30_000 },
    );
    await expect(
      lab
        .postgresql(
          run,
          dyingAgent(lab.agent, (argv) => argv.includes('pg_dump')),
        )
        .dump(directory, waiting),
    ).rejects.toThrow(CallerDied);
    expect(Number(await lab.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'modosu-%'"))).toBeGreaterThan(1);
    expect((await lab.postgresql(run).dump(directory, waiting)).content.databases).toHaveLength(1);
    expect(await lab.sql("SELECT string_agg(application_name, ',') FROM pg_stat_activity WHERE application_name LIKE 'modosu-%'")).toBe(
      'modosu-run_of_another',
    );
    await lab.run('kill', '-KILL', String(foreign));
    await lab.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'modosu-run_of_another'");
    await lab.postgresql().discard(directory);
  });

  it('room: too little is said with numbers before anything is written, and when it runs out in the middle', async () => {
    await lab.run('mkdir', '-p', '/mnt/small');
    await lab.run('mount', '-t', 'tmpfs', '-o', 'size=20m,mode=1777', 'tmpfs', '/mnt/small');
    const small = lab.postgresql(undefined, undefined, { spoolDirectory: '/mnt/small' });
    await lab.run('dd', 'if=/dev/zero', 'of=/mnt/small/other', 'bs=1M', 'count=10');
    await expect(small.dump('/mnt/small/point', waiting)).rejects.toMatchObject({
      code: 'GUEST_DISK_FULL',
      message: expect.stringMatching(/about 1[67](\.\d)? MiB are needed.*10 MiB free under \/mnt\/small/),
    });
    await lab.run('rm', '/mnt/small/other');
    // What is compressed in the tables is not in the dump.
    await lab.sql("CREATE TABLE large AS SELECT repeat('x', 1000000) AS t FROM generate_series(1, 30)");
    // pg_dump meets the end, or whoever watches the room ends it before: that depends on how fast both are.
    await expect(small.dump('/mnt/small/point', waiting)).rejects.toMatchObject({
      code: 'GUEST_DISK_FULL',
      message: expect.stringMatching(/(?:No space left on device|was ended before it took the last).*free under \/mnt\/small/),
    });
    expect(await lab.run('find', '/mnt/small', '-mindepth', '1')).toBe('');
    await lab.sql('DROP TABLE large');

    // Others write there too: the dump ends before the last of the room is gone.
    const filling = faultAgent(lab.agent, {
      after: async (argv, _call, pid) => {
        if (!argv.includes('pg_dump') || pid === null) return;
        await lab.run('kill', '-STOP', String(pid));
        await lab.run('dd', 'if=/dev/zero', 'of=/mnt/small/other', 'bs=1M', 'count=12');
      },
    });
    await expect(lab.postgresql(undefined, filling, { spoolDirectory: '/mnt/small' }).dump('/mnt/small/point', waiting)).rejects.toMatchObject({
      code: 'GUEST_DISK_FULL',
      message: expect.stringMatching(/the dump of shop was ended before it took the last (10|9\.\d) MiB from others/),
    });
    expect(await lab.run('find', '/mnt/small', '-mindepth', '1')).toBe('/mnt/small/other\n');
    expect(await lab.processes('^(/.*/)?pg_dump ')).toEqual([]);
  });

  it('bytes take twice their room in a dump', async () => {
    const needed = async (): Promise<number> => {
      const full = faultAgent(lab.agent, {});
      const { exec } = full;
      full.exec = async (argv, options) =>
        argv.includes('df') ? { exitCode: 0, stdout: 'Avail 1B-blocks\n0 1\n', stderr: '', truncated: false } : exec(argv, options);
      const error = (await lab
        .postgresql(undefined, full)
        .dump(directory, waiting)
        .catch((thrown: unknown) => thrown)) as ModosuError;
      expect(error.code).toBe('GUEST_DISK_FULL');
      return Number(error.context['neededBytes']);
    };
    const before = await needed();
    await lab.sql(
      "CREATE TABLE pictures (p bytea); ALTER TABLE pictures ALTER p SET STORAGE EXTERNAL; INSERT INTO pictures SELECT decode(repeat('ab', 500000), 'hex') FROM generate_series(1, 4)",
    );
    expect((await needed()) - before).toBeGreaterThan(3_900_000);
    await lab.sql('DROP TABLE pictures');
  });
});
