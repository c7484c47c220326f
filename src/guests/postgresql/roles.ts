import { posix } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import { GLOBALS_FILE } from '../../domain/postgresql-facts';
import { makeRoles, parseGlobals } from '../../domain/postgresql-globals';
import { named, some } from '../../domain/postgresql-words';
import type { DatabaseServer } from './database-server';
import type { Requirements } from './requirements';

const MAX_GLOBALS_BYTES = 16 * 1024 * 1024;
/** Hashes of passwords do not belong in the server's log. */
const SILENT = ['log_statement=none', 'log_min_duration_statement=-1', 'log_min_error_statement=panic', 'log_duration=off'];

/** Makes the roles that are missing, as the globals file says; existing ones are not touched. In one transaction. Throws `DATABASE_ROLE_MISSING` for those that it does not describe. Returns notes. */
export async function ensureRoles(server: DatabaseServer, directory: string, found: Requirements): Promise<readonly string[]> {
  if (found.missingRoles.length === 0) return [];
  const bytes = await server.programs.agent.readFile(posix.join(directory, GLOBALS_FILE), { timeoutMs: 60_000, maxBytes: MAX_GLOBALS_BYTES });
  if (bytes === null) throw new ModosuError('DUMP_INCOMPLETE', `${GLOBALS_FILE} is missing beside the dumps.`);
  const { sql, unknown, notes } = makeRoles(parseGlobals(bytes.toString('utf8')), found.missingRoles, found.roles, found.engine.major);
  if (unknown.length > 0) throw new ModosuError('DATABASE_ROLE_MISSING', `The recovery point does not say how to make the roles ${some(unknown.map(named))}.`, { context: { roles: unknown.map(named).slice(0, 20) } });
  await server.execute(await server.maintenanceDatabase(), `BEGIN;\n${sql}\nCOMMIT;`, { env: server.env(SILENT) });
  return notes.map((note) => named(note));
}
