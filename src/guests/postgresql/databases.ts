import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseFacts } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { heldError, judgeExchange, type Exchange } from '../../domain/postgresql/exchange';
import { flag, integer, list, name, record, text } from '../../domain/postgresql/guards';
import { isOwnName } from '../../domain/postgresql/names';
import type { PresentDatabase } from '../../domain/postgresql/present-database';
import { identifier, literal, literals, settingClause } from '../../domain/postgresql/sql';
import { named } from '../../domain/postgresql/words';
import { SqlFailure, type DatabaseServer } from './database-server';

const present = record<PresentDatabase>({
  name,
  allowsConnections: flag,
  bytes: integer(0),
  sessions: integer(0),
  prepared: list(text(1_000), 1_000),
  notes: list(text(1_000), 100),
});

const SESSIONS_END_WITHIN_MS = 20_000;
const REST_MS = 300;
const RENAME_TRIES = 3;
/** Dropping and creating write and flush whole directories. */
const SLOW_MS = 600_000;

/** Those of the databases that exist. */
export async function lookAt(server: DatabaseServer, names: readonly string[], besides: string | null = null): Promise<ReadonlyMap<string, PresentDatabase>> {
  const sql = `SELECT jsonb_build_object('name', d.datname, 'allowsConnections', d.datallowconn, 'bytes', pg_database_size(d.oid),
  'sessions', (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'),
  'prepared', (SELECT coalesce(jsonb_agg(left(p.gid, 200)), '[]') FROM pg_prepared_xacts p WHERE p.database = d.datname),
  'notes', (SELECT coalesce(jsonb_agg(c), '[]') FROM pg_db_role_setting s, unnest(s.setconfig) AS c WHERE s.setdatabase = d.oid AND s.setrole = 0 AND c LIKE 'modosu.%'))
FROM pg_database d WHERE d.datname IN (${literals(names)});`;
  const found = await server.query(await server.maintenanceDatabase(besides), sql, present);
  return new Map(found.map((database) => [database.name, database]));
}

/** Makes a database with everything that can only be said when it is made. Nobody but superusers gets in. */
export async function createDatabase(
  server: DatabaseServer,
  target: string,
  facts: DatabaseFacts,
  { owner, tablespace }: { readonly owner: string | null; readonly tablespace: string | null },
): Promise<void> {
  const { major } = await server.engine();
  const provider: string[] = [];
  if (major >= 15 && facts.localeProvider === 'i') {
    provider.push('LOCALE_PROVIDER icu', ...(facts.icuLocale === null ? [] : [`ICU_LOCALE ${literal(facts.icuLocale)}`]));
  }
  if (major >= 16 && facts.localeProvider === 'i' && facts.icuRules !== null) provider.push(`ICU_RULES ${literal(facts.icuRules)}`);
  if (major >= 17 && facts.localeProvider === 'b') {
    provider.push('LOCALE_PROVIDER builtin', ...(facts.icuLocale === null ? [] : [`BUILTIN_LOCALE ${literal(facts.icuLocale)}`]));
  }
  if (major >= 15 && facts.localeProvider === 'c') provider.push('LOCALE_PROVIDER libc');
  const options = [
    'TEMPLATE template0',
    ...(owner === null ? [] : [`OWNER ${identifier(owner)}`]),
    `ENCODING ${literal(facts.encoding)}`,
    ...provider,
    `LC_COLLATE ${literal(facts.collate)}`,
    `LC_CTYPE ${literal(facts.ctype)}`,
    ...(tablespace === null ? [] : [`TABLESPACE ${identifier(tablespace)}`]),
    'CONNECTION LIMIT 0',
  ];
  await server.execute(await server.maintenanceDatabase(), `CREATE DATABASE ${identifier(target)} ${options.join(' ')};`, { timeoutMs: SLOW_MS });
  // template0 has what the database may have lost on purpose.
  const dropped = [
    ...(facts.schemas.some((schema) => schema.name === 'public') ? [] : ['DROP SCHEMA public;']),
    ...(facts.extensions.some((extension) => extension.name === 'plpgsql') ? [] : ['DROP EXTENSION IF EXISTS plpgsql;']),
  ];
  if (dropped.length > 0) await server.execute(target, dropped.join('\n'));
}

/** What a database has beside its objects, as SQL for the database `target`. Throws `DATA_RESTORE_FAILED` for a setting that is none. */
export function propertiesSql(target: string, facts: DatabaseFacts): string {
  const database = identifier(target);
  const setting = (text_: string): string => {
    const clause = settingClause(text_);
    if (clause === null) {
      throw new ModosuError('DATA_RESTORE_FAILED', `A setting of ${named(facts.name)} in the recovery point is of no known form: ${named(text_)}`);
    }
    return clause;
  };
  return [
    `COMMENT ON DATABASE ${database} IS ${facts.comment === null ? 'NULL' : literal(facts.comment)};`,
    ...facts.settings.map(({ role, setting: value }) =>
      role === null ? `ALTER DATABASE ${database} SET ${setting(value)};` : `ALTER ROLE ${identifier(role)} IN DATABASE ${database} SET ${setting(value)};`,
    ),
    ...privilegesSql(database, facts),
    `ALTER DATABASE ${database} CONNECTION LIMIT ${facts.connectionLimit};`,
  ].join('\n');
}

/** Grants are made by who has made them, the owner's first: the others' stand on them. */
function privilegesSql(database: string, { acl, owner }: DatabaseFacts): readonly string[] {
  if (acl === null) return [];
  const ordered = [...acl.filter((entry) => entry.grantor === owner), ...acl.filter((entry) => entry.grantor !== owner)];
  return [
    `REVOKE ALL ON DATABASE ${database} FROM PUBLIC;`,
    `REVOKE ALL ON DATABASE ${database} FROM ${identifier(owner)};`,
    ...ordered.flatMap(({ grantee, grantor, privilege, grantable }) => [
      `SET SESSION AUTHORIZATION ${identifier(grantor)};`,
      `GRANT ${privilege} ON DATABASE ${database} TO ${grantee === null ? 'PUBLIC' : identifier(grantee)}${grantable ? ' WITH GRANT OPTION' : ''};`,
      'RESET SESSION AUTHORIZATION;',
    ]),
  ];
}

const terminateSql = (names: readonly string[]): string =>
  `SELECT to_jsonb(count(pg_terminate_backend(pid))) FROM pg_stat_activity WHERE datname IN (${literals(names)}) AND pid <> pg_backend_pid();`;

/** Ends the sessions of a database that accepts no new ones. False: some do not end. */
async function endSessionsOf(server: DatabaseServer, maintenance: string, names: readonly string[]): Promise<boolean> {
  const giveUpAt = performance.now() + SESSIONS_END_WITHIN_MS;
  while ((await server.queryOne(maintenance, terminateSql(names), integer(0))) > 0) {
    if (performance.now() > giveUpAt) return false;
    await delay(REST_MS);
  }
  return true;
}

/** Drops a database that a run has made or kept. Idempotent. Throws `DATABASE_IN_USE`. */
export async function dropDatabase(server: DatabaseServer, database: string): Promise<void> {
  if (!isOwnName(database)) throw new ModosuError('INTERNAL', `"${named(database)}" is no database that a run has made.`);
  const found = (await lookAt(server, [database])).get(database);
  if (found === undefined) return;
  if (found.prepared.length > 0) throw heldError(database, `it has prepared transactions (${found.prepared.map(named).slice(0, 3).join(', ')})`);
  const maintenance = await server.maintenanceDatabase();
  const subscribed = await dropSubscriptions(server, maintenance, database);
  await server.execute(maintenance, `ALTER DATABASE ${identifier(database)} ALLOW_CONNECTIONS false;\n${terminateSql([database])}`);
  if (found.sessions > 0 || subscribed) await endSessionsOf(server, maintenance, [database]);
  await server.attempt(maintenance, `DROP DATABASE IF EXISTS ${identifier(database)};`, { timeoutMs: SLOW_MS }).catch((error: unknown) => {
    throw error instanceof SqlFailure ? heldError(database, error.words) : error;
  });
}

/**
 * A database that is subscribed to another's changes is not dropped by the server. The subscription goes without a word to the other side: its slot there
 * belongs to the subscription of the same name in the database that stays. Returns whether there were any.
 */
async function dropSubscriptions(server: DatabaseServer, maintenance: string, database: string): Promise<boolean> {
  if ((await server.engine()).major < 10) return false;
  const mine = `pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = ${literal(database)})`;
  if ((await server.queryOne(maintenance, `SELECT to_jsonb(count(*)) FROM ${mine};`, integer(0))) === 0) return false;
  // They can only be dropped from inside. Nobody but us gets in for this moment; they are disabled from outside first, or the server's own worker would come in
  // with us, and would take from the slot what the database that stays has yet to get.
  const opened = [
    `UPDATE pg_catalog.pg_subscription AS s SET subenabled = false FROM pg_catalog.pg_database d WHERE d.oid = s.subdbid AND d.datname = ${literal(database)} AND s.subenabled;`,
    `ALTER DATABASE ${identifier(database)} CONNECTION LIMIT 0;`,
    `ALTER DATABASE ${identifier(database)} ALLOW_CONNECTIONS true;`,
  ];
  await server.execute(maintenance, opened.join('\n'));
  const sql = `SELECT format('ALTER SUBSCRIPTION %I DISABLE', s.subname), format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', s.subname), format('DROP SUBSCRIPTION %I', s.subname) FROM ${mine} ORDER BY s.subname \\gexec`;
  await server.execute(database, sql, { code: 'DATABASE_IN_USE', timeoutMs: SLOW_MS });
  return true;
}

/**
 * Exchanges databases by their names, in one transaction: there is always the old one or the new one, and what stands under the name accepts connections.
 * Resumable at any point. Returns whether there was a present one. Throws `DATABASE_IN_USE`, everything is as it was; `DATABASE_NOT_FOUND` when what has to
 * come is not there.
 */
export async function exchange(server: DatabaseServer, wanted: Exchange): Promise<boolean> {
  const { database, incoming, outgoing } = wanted;
  const maintenance = await server.maintenanceDatabase(database);
  const found = await lookAt(server, [database, outgoing, ...(incoming === null ? [] : [incoming])], database);
  const judged = judgeExchange(wanted, found);
  if (judged.next === 'rename') await renameBoth(server, maintenance, { database, incoming, outgoing, hasLive: judged.hadLive });
  else await allow(server, maintenance, found.get(database));
  if (judged.next === 'refuse') throw judged.error;
  return judged.hadLive;
}

async function renameBoth(
  server: DatabaseServer,
  maintenance: string,
  { database, incoming, outgoing, hasLive }: Exchange & { readonly hasLive: boolean },
): Promise<void> {
  const both = [...(hasLive ? [database] : []), ...(incoming === null ? [] : [incoming])];
  const transaction = [
    'BEGIN;',
    ...(hasLive
      ? [`ALTER DATABASE ${identifier(database)} RENAME TO ${identifier(outgoing)};`, `ALTER DATABASE ${identifier(outgoing)} RESET "modosu"."placed";`]
      : []),
    ...(incoming === null
      ? []
      : [
          `ALTER DATABASE ${identifier(incoming)} RENAME TO ${identifier(database)};`,
          `ALTER DATABASE ${identifier(database)} RESET "modosu"."loaded";`,
          ...(hasLive ? [] : [`ALTER DATABASE ${identifier(database)} SET "modosu"."placed" TO ${literal(outgoing)};`]),
          `ALTER DATABASE ${identifier(database)} ALLOW_CONNECTIONS true;`,
        ]),
    'COMMIT;',
  ].join('\n');
  try {
    await server.execute(
      maintenance,
      `${both.map((entry) => `ALTER DATABASE ${identifier(entry)} ALLOW_CONNECTIONS false;`).join('\n')}\n${terminateSql(both)}`,
    );
    for (let round = 1; ; round += 1) {
      if (!(await endSessionsOf(server, maintenance, both))) throw heldError(database, 'sessions do not end');
      try {
        await server.attempt(maintenance, transaction);
        return;
      } catch (error) {
        if (!(error instanceof SqlFailure)) throw error;
        // A worker of the server's own may have come in between.
        if (error.sqlState !== '55006') throw new ModosuError('DATA_RESTORE_FAILED', `The databases could not be exchanged: ${error.words}`);
        if (round >= RENAME_TRIES) throw heldError(database, error.words);
      }
    }
  } catch (error) {
    if (hasLive) await server.execute(maintenance, `ALTER DATABASE ${identifier(database)} ALLOW_CONNECTIONS true;`).catch(() => undefined);
    throw error;
  }
}

/** A dead attempt may have closed it. */
async function allow(server: DatabaseServer, maintenance: string, database: PresentDatabase | undefined): Promise<void> {
  if (database === undefined || database.allowsConnections) return;
  await server.execute(maintenance, `ALTER DATABASE ${identifier(database.name)} ALLOW_CONNECTIONS true;`);
}

/** Lets sessions in again, whatever an attempt has left. Idempotent. */
export async function reopen(server: DatabaseServer, database: string): Promise<void> {
  await allow(server, await server.maintenanceDatabase(database), (await lookAt(server, [database], database)).get(database));
}
