import { MIGRATE } from '../cli/role-commands';
import { loadConfigOfInstallation, type Config } from '../config/config';
import { ModosuError } from '../contracts/errors';
import { revertMigrations, runMigrations } from '../catalog/migrate';
import { TemporalClient } from '../temporal/client';
import { ensureNamespace } from '../temporal/namespace';
import { readArguments } from './arguments';
import { NO_OWNER_HINT, namedDatabase } from './named-database';

const NAMESPACE_DEADLINE_MS = 90_000;

export interface MigrateIo {
  /** What was done. */
  readonly say: (line: string) => void;
  /** For people, beside it. */
  readonly note: (line: string) => void;
}

/**
 * Brings the database's schema up to this program, and Temporal's namespace where an address is known. `--down`: undoes the newest migration, with all data in
 * what it had made. Idempotent. Says before it begins which database that is. Returns the exit code. Throws `USAGE`, `CONFIG_INVALID`.
 */
export async function runMigrate(env: NodeJS.ProcessEnv, args: readonly string[], { say, note }: MigrateIo): Promise<number> {
  const { has } = readArguments(MIGRATE, args);
  const config = loadConfigOfInstallation(env);
  const { databaseOwnerUrl, databaseOwnerUrlFrom } = config;
  if (databaseOwnerUrl === null) {
    throw new ModosuError('CONFIG_INVALID', 'Migrations need the connection of the database owner: MODOSU_DATABASE_OWNER_URL is not set.', {
      hint: NO_OWNER_HINT,
      context: { variable: 'MODOSU_DATABASE_OWNER_URL' },
    });
  }
  note(namedDatabase(databaseOwnerUrl, databaseOwnerUrlFrom));
  if (has('down')) {
    const reverted = await revertMigrations(databaseOwnerUrl, 1);
    say(reverted.length === 0 ? 'Nothing to undo.' : `Undone: ${reverted.join(', ')}`);
    return 0;
  }
  note(`The role "${config.appRole}" gets the rights (MODOSU_APP_ROLE).`);
  const executed = await runMigrations(databaseOwnerUrl, config.appRole);
  say(executed.length === 0 ? 'The database is up to date.' : `Done: ${executed.join(', ')}`);
  await migrateTemporal(config, { say, note });
  return 0;
}

async function migrateTemporal(config: Config, { say, note }: MigrateIo): Promise<void> {
  const { temporalAddress } = config;
  if (temporalAddress === null) {
    note('No address of Temporal is known (MODOSU_TEMPORAL_ADDRESS): its namespace was not looked at.');
    return;
  }
  const client = new TemporalClient({ address: temporalAddress, namespace: config.temporalNamespace }); // no payloads: the keys may lie elsewhere
  try {
    await ensureNamespace(client, { retentionDays: config.retentionDays, deadlineMs: NAMESPACE_DEADLINE_MS, onWarning: say });
    say(`Temporal's namespace "${config.temporalNamespace}" is ready.`);
  } finally {
    await client.close();
  }
}
