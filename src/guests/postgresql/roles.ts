import { posix } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import { GLOBALS_FILE } from '../../domain/postgresql/facts';
import { makeRoles, parseGlobals, rolesAsSaved as asSaved, type Globals } from '../../domain/postgresql/globals';
import { flag, list, name, record } from '../../domain/postgresql/guards';
import type { Requirements } from '../../domain/postgresql/requirements';
import { literal } from '../../domain/postgresql/sql';
import { named, some, words } from '../../domain/postgresql/words';
import type { DatabaseServer } from './database-server';

const MAX_GLOBALS_BYTES = 16 * 1024 * 1024;
/** Hashes of passwords do not belong in the server's log. */
const silent = (major: number): readonly string[] => [
  'log_statement=none',
  'log_min_duration_statement=-1',
  'log_min_error_statement=panic',
  'log_duration=off',
  // Without that module nobody minds.
  'pg_stat_statements.track=none',
  ...(major >= 12 ? ['log_transaction_sample_rate=0'] : []),
  ...(major >= 13 ? ['log_min_duration_sample=-1'] : []),
];

export interface Roles {
  /** With the globals file. */
  readonly directory: string;
  /** For what is too long for standard input: in a directory that only the account of the database programs can read. */
  readonly file: string;
  readonly found: Requirements;
  readonly signal: AbortSignal;
}

/**
 * Makes the roles that are missing, as the globals file says; existing ones are not touched. In one transaction. Throws `DATABASE_ROLE_MISSING` for those that
 * it does not describe. Returns notes.
 */
export async function ensureRoles(server: DatabaseServer, roles: Roles): Promise<readonly string[]> {
  const { missingRoles, roles: existing, engine } = roles.found;
  if (missingRoles.length === 0) return [];
  return carryOut(server, roles, makeRoles(await globalsOf(server, roles), missingRoles, existing, engine.major));
}

/**
 * Makes roles what they were, also those that exist; see `WholeOptions`. In one transaction, idempotent. Throws `DATABASE_ROLE_MISSING` for missing ones that
 * the globals file does not describe. Returns notes.
 */
export async function rolesAsSaved(server: DatabaseServer, roles: Roles): Promise<readonly string[]> {
  const { missingRoles, engine } = roles.found;
  const globals = await globalsOf(server, roles);
  const membership = "jsonb_build_object('role', r.rolname, 'member', m.rolname, 'grantor', coalesce(g.rolname, r.rolname), 'admin', a.admin_option)";
  const sql = `SELECT jsonb_build_object('names', (SELECT jsonb_agg(rolname) FROM pg_roles), 'ours', (SELECT jsonb_agg(rolname) FROM pg_roles WHERE oid = 10 OR rolname IN (current_user, session_user, ${literal(server.dataSet.user)})),
  'memberships', (SELECT coalesce(jsonb_agg(${membership}), '[]') FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member LEFT JOIN pg_roles g ON g.oid = a.grantor));`;
  const present = await server.queryOne(
    await server.maintenanceDatabase(),
    sql,
    record({ names: list(name, 200_000), ours: list(name, 10), memberships: list(record({ role: name, member: name, grantor: name, admin: flag }), 200_000) }),
  );
  return carryOut(
    server,
    roles,
    asSaved(globals, missingRoles, { names: new Set(present.names), ours: new Set(present.ours), memberships: present.memberships }, engine.major),
  );
}

async function globalsOf(server: DatabaseServer, { directory }: Roles): Promise<Globals> {
  const bytes = await server.programs.readWhole(posix.join(directory, GLOBALS_FILE), MAX_GLOBALS_BYTES);
  if (bytes === null) throw new ModosuError('DUMP_INCOMPLETE', `${GLOBALS_FILE} is missing beside the dumps.`);
  if (bytes === 'too long') {
    throw new ModosuError(
      'DATA_RESTORE_FAILED',
      `${GLOBALS_FILE} beside the dumps is longer than ${MAX_GLOBALS_BYTES / 1024 / 1024} MiB, the longest that can be read.`,
    );
  }
  return parseGlobals(bytes.toString('utf8'));
}

async function carryOut(
  server: DatabaseServer,
  { file, found, signal }: Roles,
  { sql, unknown, notes }: ReturnType<typeof makeRoles>,
): Promise<readonly string[]> {
  if (unknown.length > 0) {
    throw new ModosuError('DATABASE_ROLE_MISSING', `The recovery point does not say how to make the roles ${some(unknown.map(named))}.`, {
      context: { roles: unknown.map(named).slice(0, 20) },
    });
  }
  if (sql !== '') {
    await server.executeScript(await server.maintenanceDatabase(), `BEGIN;\n${sql}\nCOMMIT;`, file, { env: server.env(silent(found.engine.major)), signal });
  }
  return notes.map((note) => words(note));
}
