import type { DataSource, EntityManager } from 'typeorm';
import { MIGRATIONS } from '../../migrations';
import { ModosuError } from '../contracts/errors';
import { createDataSource, MIGRATIONS_TABLE } from './data-source';
import { translateDatabaseError } from './database-errors';
import { grantStatements } from './grants';

/** Advisory lock that lets one migration command run at a time. Another number than the audit's. */
const MIGRATION_LOCK = 7_361_002;

/**
 * Brings the schema up to this program and gives the application role its rights; idempotent, safe when several start at once.
 *
 * @param ownerUrl connection of the role that owns the tables.
 * @param appRole role the other processes connect as; must exist and must not be the owner.
 * @returns names of the migrations that were run now.
 *
 * Throws `CATALOG_UNAVAILABLE`; `CONFIG_INVALID` for an unknown role, or one that would have the owner's rights.
 */
export async function runMigrations(ownerUrl: string, appRole: string): Promise<readonly string[]> {
  return asOwner(ownerUrl, async (dataSource) => {
    await refuseUnfitRole(dataSource.manager, appRole);
    const executed = await dataSource.runMigrations();
    await dataSource.transaction(async (manager) => {
      for (const statement of grantStatements(appRole)) await manager.query(statement);
    });
    return executed.map(({ name }) => name);
  });
}

/** Undoes the newest `steps` migrations, with all data in what they made. Returns their names. */
export async function revertMigrations(ownerUrl: string, steps: number): Promise<readonly string[]> {
  return asOwner(ownerUrl, async (dataSource) => {
    const reverted: string[] = [];
    while (reverted.length < steps) {
      const newest = (await executedMigrations(dataSource.manager)).at(-1);
      if (newest === undefined) break;
      await dataSource.undoLastMigration();
      reverted.push(newest);
    }
    return reverted;
  });
}

/** Migrations this program knows and the database lacks. A missing table of migrations means all of them. */
export async function pendingMigrations(manager: EntityManager): Promise<readonly string[]> {
  const executed = new Set(await executedMigrations(manager));
  return MIGRATIONS.map(({ name }) => name).filter((name) => !executed.has(name));
}

/** Name of the newest migration that was run; empty: none. */
export async function newestMigration(manager: EntityManager): Promise<string> {
  const executed = new Set(await executedMigrations(manager));
  return MIGRATIONS.findLast(({ name }) => executed.has(name))?.name ?? '';
}

async function executedMigrations(manager: EntityManager): Promise<readonly string[]> {
  const [{ present }] = (await manager.query('SELECT to_regclass($1) IS NOT NULL AS present', [MIGRATIONS_TABLE])) as [{ readonly present: boolean }];
  if (!present) return [];
  const rows = (await manager.query(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`)) as readonly { readonly name: string }[];
  return rows.map(({ name }) => name);
}

async function refuseUnfitRole(manager: EntityManager, appRole: string): Promise<void> {
  const [role] = (await manager.query(`SELECT rolsuper, pg_has_role(oid, current_user, 'MEMBER') AS owns FROM pg_roles WHERE rolname = $1`, [
    appRole,
  ])) as readonly {
    readonly rolsuper: boolean;
    readonly owns: boolean;
  }[];
  const problem =
    role === undefined ? 'does not exist' : role.rolsuper ? 'is a superuser' : role.owns ? 'is the owner of the tables, or a member of that role' : null;
  if (problem === null) return;
  throw new ModosuError('CONFIG_INVALID', `The application's database role "${appRole}" ${problem}. It must not be able to change the audit.`, {
    hint: `Make a role of its own (CREATE ROLE ${appRole} LOGIN PASSWORD …) and name it with MODOSU_APP_ROLE; MODOSU_DATABASE_OWNER_URL is for the owner.`,
    context: { appRole },
  });
}

/** With a connection of the owner of the tables, one at a time. */
export async function asOwner<T>(ownerUrl: string, work: (dataSource: DataSource) => Promise<T>): Promise<T> {
  const dataSource = createDataSource({ url: ownerUrl, poolSize: 3, statementTimeoutMs: 0 });
  try {
    await dataSource.initialize();
    const guard = dataSource.createQueryRunner();
    try {
      await guard.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
      return await work(dataSource);
    } finally {
      // Ends with the session at the latest; a broken connection has given it back already.
      await guard.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
      await guard.release();
    }
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}
