import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { ensureDatabase } from '../../src/catalog/ensure-database';
import { runMigrations } from '../../src/catalog/migrate';
import { isModosuError } from '../../src/contracts/errors';
import { postgresUrl } from '../../src/system/embedded-postgres';
import { unusedPort } from '../../src/roles/up/ports';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './postgres-server';

const PASSWORD = 'test-only';
const DATABASE = 'modosu';
const OWNER_ROLE = 'modosu_owner';
const APP_ROLE = 'modosu_app';

/** Each before what it refers to: of a table that refers to another and is missing here the server says so. */
const EMPTIED =
  'offsite_transfer, offsite_copy, offsite_repository, retention_pass, verification, alert_delivery, alert, catalog_copy, repository_room, due_backup, ' +
  'audit_entry, idempotency_key, token_revocation, token, restore_set, restore_plan, nightly_judgement, marker_reading, recovery_point_markers, recovery_point, server_facts, run_decision, way_back, applied_change, configuration_change, lineage, server_lock, run_step, run, ' +
  'backup_set, backup_group, relation, server, policy, repository, hypervisor';

/**
 * Only a superuser may: the audit's trigger has to be off for a moment. Statements sent together are one transaction. TRUNCATE makes new files for each table
 * and index, which takes five times as long for the few rows of a test.
 */
const EMPTY_ALL = `
  ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_append_only;
  ${EMPTIED.split(', ')
    .map((table) => `DELETE FROM ${table};`)
    .join(' ')}
  ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_append_only;`;

/** Outside 0700 directories: PostgreSQL runs as another OS user. */
const BASE = process.getuid?.() === 0 ? '/var/lib/modosu-test' : join(tmpdir(), 'modosu-test');

export interface TestPostgres {
  readonly pid: number;
  readonly port: number;
  readonly appRole: string;
  /** Superuser, to the catalogue's database. */
  readonly superuserUrl: string;
  readonly ownerUrl: string;
  readonly appUrl: string;
  /** One statement on a connection of its own. */
  query(url: string, sql: string, parameters?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Empties the catalogue, the audit included: a fresh one for the next test. */
  empty(): Promise<void>;
  /** Ends the server (connections break) and starts it again on the same port with the same data. */
  shutDown(): Promise<void>;
  startAgain(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A throw-away PostgreSQL for one test file: roles, database and, unless told otherwise, the schema. It dies with the test process; directories
 * of test processes that were killed are removed by the next start.
 */
export async function startTestPostgres(options: { readonly migrate?: boolean } = {}): Promise<TestPostgres> {
  mkdirSync(BASE, { recursive: true, mode: 0o711 });
  removeLeftovers();
  const directory = join(BASE, `pg-${process.pid}-${Math.random().toString(36).slice(2, 8)}`);
  mkdirSync(directory, { mode: 0o711 });
  const dataDirectory = join(directory, 'data');
  const start = (port: number): Promise<EmbeddedPostgres> => startEmbeddedPostgres({ dataDirectory, port, superuserPassword: PASSWORD, fsync: false });
  const started = await startOnFreePort(start);
  const { port } = started;
  let { server } = started;
  const url = (user: string, database = DATABASE): string => postgresUrl(user, PASSWORD, port, database);
  const roles = { superuserUrl: url('postgres', 'postgres'), ownerRole: OWNER_ROLE, ownerPassword: PASSWORD, appRole: APP_ROLE, appPassword: PASSWORD };
  await ensureDatabase({ ...roles, database: DATABASE });
  if (options.migrate !== false) await runMigrations(url(OWNER_ROLE), APP_ROLE);

  return {
    get pid() {
      return server.pid;
    },
    port,
    appRole: APP_ROLE,
    superuserUrl: url('postgres'),
    ownerUrl: url(OWNER_ROLE),
    appUrl: url(APP_ROLE),
    query,
    empty: async () => void (await query(url('postgres'), EMPTY_ALL)),
    shutDown: () => server.stop(),
    startAgain: async () => {
      server = await start(port);
    },
    stop: async () => {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function query(url: string, sql: string, parameters: readonly unknown[] = []): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, [...parameters])).rows;
  } finally {
    await client.end();
  }
}

/** Between choosing a port and taking it another program may be faster: then with another one. */
async function startOnFreePort(start: (port: number) => Promise<EmbeddedPostgres>): Promise<{ server: EmbeddedPostgres; port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await unusedPort();
    try {
      return { server: await start(port), port };
    } catch (error) {
      if (attempt === 5 || !isModosuError(error) || error.code !== 'PORT_TAKEN') throw error;
    }
  }
}

/** `pg-<pid>-…` of processes that no longer live. */
function removeLeftovers(): void {
  for (const name of readdirSync(BASE)) {
    const pid = Number(/^pg-(\d+)-/.exec(name)?.[1]);
    if (Number.isInteger(pid) && !isAlive(pid)) rmSync(join(BASE, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
