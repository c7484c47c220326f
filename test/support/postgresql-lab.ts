import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresqlDataSet } from '../../src/contracts/data';
import { newId } from '../../src/contracts/ids';
import type { GuestAgent } from '../../src/guests/guest-agent';
import type { Waiting } from '../../src/guests/postgresql/postgresql';
import { PostgresqlInGuest } from '../../src/guests/postgresql/postgresql-in-guest';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { createGuestServer, waitForAgent, waitForPostgresql, type GuestServer } from '../guests/guest-server';
import { GuestUserspace, UserspaceAgent } from './guest-userspace';
import { isFull } from './thorough';
import { ownedDirectory } from './owned-directory';

/** A PostgreSQL server in a guest, and what tests do with it beside the code under test. */
export interface PostgresqlLab {
  readonly agent: GuestAgent;
  readonly dataSet: PostgresqlDataSet;
  readonly spool: string;
  postgresql(runId?: string, agent?: GuestAgent, changed?: Partial<PostgresqlDataSet>): PostgresqlInGuest;
  /** Runs statements; rows come unaligned. Throws when one fails. */
  sql(statements: string, database?: string): Promise<string>;
  run(...argv: readonly [string, ...string[]]): Promise<string>;
  /** Ids of processes whose command line matches. */
  processes(pattern: string): Promise<readonly number[]>;
  /** Checksum of all rows of a table, in any order, and of what it is made of. */
  checksum(table: string, database?: string): Promise<string>;
  destroy(): Promise<void>;
}

/** Waits without end or words. */
export const waiting: Waiting = { signal: new AbortController().signal };

/**
 * A server in a real guest in `test:full`; else in the userspace of one, where the same programs on the same files take a tenth of the time.
 *
 * @param options `dataDiskBytes`: of a file system of its own at /data
 */
export async function createPostgresqlLab(options: { readonly dataDiskBytes?: number } = {}): Promise<PostgresqlLab> {
  const root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-pg-');
  chmodSync(root, 0o711);
  const { agent, destroy } = await (isFull ? inGuest : inUserspace)(root, options.dataDiskBytes).catch((error: unknown) => {
    rmSync(root, { recursive: true, force: true });
    throw error;
  });
  const [socketDirectory, port, spool] = ['/run/postgresql', 5432, '/var/lib/modosu/spool'];
  const dataSet: PostgresqlDataSet = {
    kind: 'postgresql',
    name: 'db',
    before: null,
    after: null,
    databases: ['shop'],
    user: 'postgres',
    osUser: 'postgres',
    socketDirectory,
    port,
    spoolDirectory: spool,
  };

  const run = async (...argv: readonly [string, ...string[]]): Promise<string> => {
    const { exitCode, stdout, stderr } = await agent.exec(argv, { timeoutMs: 60_000 });
    if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
    return stdout;
  };
  const sql = async (statements: string, database = 'shop'): Promise<string> => {
    const argv = [
      'psql',
      '-X',
      '-A',
      '-t',
      '-q',
      '-h',
      socketDirectory,
      '-p',
      String(port),
      '-U',
      'postgres',
      '-v',
      'ON_ERROR_STOP=1',
      '-d',
      database,
    ] as const;
    const { exitCode, stdout, stderr } = await agent.exec(argv, { timeoutMs: 120_000, input: `SET client_min_messages = warning;\n${statements}\n` });
    if (exitCode !== 0) throw new Error(`${statements.slice(0, 200)}: ${stderr}`);
    return stdout.trim();
  };
  return {
    agent,
    dataSet,
    spool,
    postgresql: (runId = newId('run'), through = agent, changed = {}) => new PostgresqlInGuest(through, { ...dataSet, ...changed }, runId),
    sql,
    run,
    processes: async (pattern) => (await agent.exec(['pgrep', '-f', '--', pattern], { timeoutMs: 30_000 })).stdout.split('\n').filter(Boolean).map(Number),
    checksum: (table, database) =>
      sql(`SELECT count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM ${table} AS t;`, database),
    destroy: async () => {
      await destroy();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

type Server = Pick<PostgresqlLab, 'agent' | 'destroy'>;

async function inUserspace(root: string, dataDiskBytes?: number): Promise<Server> {
  const userspace = await GuestUserspace.start('postgresql', join(root, 'userspace'));
  const agent = new UserspaceAgent(userspace);
  const must = async (...argv: readonly [string, ...string[]]): Promise<void> => {
    const { exitCode, stderr } = await agent.exec(argv, { timeoutMs: 30_000 });
    if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  };
  try {
    if (dataDiskBytes !== undefined) {
      await must('mkdir', '-p', '/data');
      await must('mount', '-t', 'tmpfs', '-o', `size=${dataDiskBytes}`, 'tmpfs', '/data');
    }
    await untilItWorks(() => must('psql', '-X', '-h', '/run/postgresql', '-U', 'postgres', '-d', 'shop', '-c', 'SELECT 1'));
  } catch (error) {
    await userspace.destroy();
    throw error;
  }
  return { agent, destroy: () => userspace.destroy() };
}

async function inGuest(root: string, dataDiskBytes?: number): Promise<Server> {
  const guest = await startGuest(root, dataDiskBytes);
  const hypervisor = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') });
  return { agent: hypervisor.guestAgent({ uuid: guest.uuid, name: guest.name }), destroy: () => guest.destroy() };
}

async function startGuest(root: string, dataDiskBytes?: number): Promise<GuestServer> {
  const guest = await createGuestServer({
    name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}pg-${randomBytes(3).toString('hex')}`,
    guest: 'postgresql',
    directory: join(root, 'disks'),
    ...(dataDiskBytes === undefined ? {} : { dataDisk: { sizeBytes: dataDiskBytes, format: 'qcow2' as const } }),
  });
  await waitForAgent(guest.uuid, 300_000);
  await waitForPostgresql(guest.uuid, 300_000);
  return guest;
}

/** Tries until it works: for a server that has just been started again. */
export async function untilItWorks<T>(work: () => Promise<T>, deadlineMs = 60_000): Promise<T> {
  for (const giveUpAt = performance.now() + deadlineMs; ; await delay(300)) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
    }
  }
}

/** What a second call answers. How large it is may differ: the server's own workers vacuum also what nobody can connect to. */
export const sameKept = <T extends { readonly keptBytes: number }>(kept: T): T => ({ ...kept, keptBytes: expect.any(Number) as number });

/** A shop with everything that a dump alone would lose, and names that have to be quoted. */
export const SHOP = `
DROP DATABASE IF EXISTS shop WITH (FORCE);
DROP ROLE IF EXISTS shop_owner, shop_app, "App 注文 ""x""", shop_group;
CREATE ROLE shop_group;
CREATE ROLE shop_owner;
CREATE ROLE shop_app LOGIN PASSWORD 'canary-of-a-password' CONNECTION LIMIT 9 IN ROLE shop_group;
CREATE ROLE "App 注文 ""x""" NOINHERIT;
CREATE DATABASE shop OWNER shop_owner CONNECTION LIMIT 17 TEMPLATE template0;
COMMENT ON DATABASE shop IS 'The "shop"''s data';
GRANT CONNECT ON DATABASE shop TO shop_app WITH GRANT OPTION;
REVOKE TEMP ON DATABASE shop FROM PUBLIC;
ALTER DATABASE shop SET search_path TO "$user", public, "Mixed Case";
ALTER DATABASE shop SET work_mem TO '5MB';
ALTER ROLE shop_app IN DATABASE shop SET statement_timeout TO '7s';
\\c shop
CREATE EXTENSION hstore VERSION '1.6';
CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, city text NOT NULL);
CREATE TABLE orders (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, customer_id integer NOT NULL REFERENCES customers, note text, length integer GENERATED ALWAYS AS (char_length(note)) STORED);
CREATE INDEX orders_note ON orders (note);
CREATE STATISTICS orders_both (dependencies) ON customer_id, note FROM orders;
COMMENT ON CONSTRAINT orders_customer_id_fkey ON orders IS 'who ordered';
INSERT INTO customers SELECT n, 'Customer ' || n, 'Osaka' FROM generate_series(1, 200) AS n;
INSERT INTO orders (customer_id, note) SELECT 1 + (n * 7919) % 200, md5(n::text) FROM generate_series(1, 2000) AS n;
ALTER TABLE orders OWNER TO shop_owner;
GRANT SELECT ON orders TO shop_app;
GRANT UPDATE (note) ON orders TO "App 注文 ""x""";
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON orders FOR SELECT TO shop_app USING (customer_id = 1);
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''a trigger has fired''; END';
CREATE TRIGGER refuses BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION touched();
COMMENT ON TRIGGER refuses ON orders IS 'nobody deletes';
COMMENT ON POLICY mine ON orders IS 'of the first customer';
CREATE SCHEMA "Mixed Case";
CREATE TABLE "Mixed Case"."it's ""quoted"" 注文" (id serial PRIMARY KEY, "the value" text, tags hstore);
INSERT INTO "Mixed Case"."it's ""quoted"" 注文" ("the value", tags) VALUES ('a', 'x=>1'), ('b', NULL);
CREATE MATERIALIZED VIEW "Mixed Case"."z values" AS SELECT "the value" FROM "Mixed Case"."it's ""quoted"" 注文";
CREATE MATERIALIZED VIEW "Mixed Case".counted AS SELECT count(*) AS n FROM "Mixed Case"."z values";
CREATE MATERIALIZED VIEW "Mixed Case".empty AS SELECT 1 AS n WITH NO DATA;
CREATE TABLE part (id integer, day date) PARTITION BY RANGE (day);
CREATE TABLE part_2024 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE part_2025 PARTITION OF part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO part SELECT n, DATE '2024-06-01' + n FROM generate_series(1, 400) AS n;
`;

export const QUOTED = { schema: 'Mixed Case', name: 'it\'s "quoted" 注文' };
export const QUOTED_SQL = '"Mixed Case"."it\'s ""quoted"" 注文"';
