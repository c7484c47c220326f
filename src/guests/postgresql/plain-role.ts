import { flag } from '../../domain/postgresql/guards';
import { identifier, literal } from '../../domain/postgresql/sql';
import type { DatabaseServer } from './database-server';

/**
 * Whoever makes something in a database gives with it what was declared as default privileges of the own account; a dump does not say how to take that away
 * again. Where our account has any, objects are loaded by a role of the run that has none: a superuser, to hand them over to their owners, as whom nobody can
 * log in. Returns its name for pg_restore; null: there is no need. Goes with `dropPlainRole`.
 */
export async function makePlainRole(server: DatabaseServer, database: string): Promise<string | null> {
  const role = server.names.scratch;
  const needed = `SELECT to_jsonb(EXISTS (SELECT FROM pg_default_acl a JOIN pg_roles r ON r.oid = a.defaclrole WHERE a.defaclnamespace = 0 AND r.rolname = ${literal(server.dataSet.user)}));`;
  if (!(await server.queryOne(database, needed, flag))) return null;
  await server.execute(
    database,
    `BEGIN;\nCREATE ROLE ${identifier(role)} SUPERUSER NOLOGIN;\nCOMMENT ON ROLE ${identifier(role)} IS ${literal(commentOf(server))};\nCOMMIT;`,
  );
  return role;
}

/** What still is its own (an extension has no other owner in a dump) becomes our account's. Idempotent. */
export async function dropPlainRole(server: DatabaseServer, database: string): Promise<void> {
  const sql = `SELECT format('REASSIGN OWNED BY %I TO %I', rolname, ${literal(server.dataSet.user)}), format('DROP OWNED BY %I', rolname), format('DROP ROLE %I', rolname)
FROM pg_roles WHERE rolname = ${literal(server.names.scratch)} AND shobj_description(oid, 'pg_authid') = ${literal(commentOf(server))} \\gexec`;
  await server.execute(database, sql);
}

const commentOf = (server: DatabaseServer): string => `${server.names.application} loads`;
