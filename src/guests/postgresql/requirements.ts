import type { DatabaseFacts, PostgresqlFacts } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { list, name, record, text } from '../../domain/postgresql/guards';
import { named, some } from '../../domain/postgresql/words';
import type { DatabaseServer, EngineFacts } from './database-server';

/** What a database needs of its server, and whether that is there. */
export interface Requirements {
  readonly engine: EngineFacts;
  /** The dump is of a newer major version. */
  readonly engineTooOld: boolean;
  readonly roles: ReadonlySet<string>;
  readonly missingRoles: readonly string[];
  readonly missingExtensions: readonly string[];
  /** The version of the recovery point is not to be had; the server's own is used. */
  readonly otherVersions: readonly { readonly name: string; readonly version: string; readonly available: string }[];
  /** To be made in the version of the recovery point, which is not the server's default. */
  readonly pinned: readonly { readonly name: string; readonly version: string; readonly schema: string }[];
  readonly missingTablespaces: readonly string[];
}

const serverHas = record({
  roles: list(name, 200_000),
  tablespaces: list(name, 10_000),
  extensions: list(record({ name, default: text(255), versions: list(text(255), 10_000) }), 10_000),
});

export async function requirementsOf(server: DatabaseServer, all: PostgresqlFacts, facts: DatabaseFacts): Promise<Requirements> {
  const engine = await server.engine();
  const has = await server.queryOne(
    await server.maintenanceDatabase(),
    `SELECT jsonb_build_object('roles', (SELECT jsonb_agg(rolname) FROM pg_roles), 'tablespaces', (SELECT jsonb_agg(spcname) FROM pg_tablespace),
  'extensions', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', e.name, 'default', e.default_version,
    'versions', (SELECT coalesce(jsonb_agg(v.version), '[]') FROM pg_available_extension_versions v WHERE v.name = e.name))), '[]') FROM pg_available_extensions e WHERE e.default_version IS NOT NULL));`,
    serverHas,
  );
  const roles = new Set(has.roles);
  const available = facts.extensions.map((extension) => ({ ...extension, found: has.extensions.find((entry) => entry.name === extension.name) }));
  return {
    engine,
    engineTooOld: engine.major < all.engineMajor,
    roles,
    missingRoles: facts.roles.filter((role) => !roles.has(role)),
    missingExtensions: available.filter(({ found }) => found === undefined).map((entry) => entry.name),
    otherVersions: available.flatMap(({ name: extension, version, found }) => (found === undefined || found.default === version || found.versions.includes(version) ? [] : [{ name: extension, version, available: found.default }])),
    pinned: available.flatMap(({ name: extension, version, schema, found }) => (found !== undefined && found.default !== version && found.versions.includes(version) ? [{ name: extension, version, schema }] : [])),
    missingTablespaces: [facts.tablespace, ...facts.tablespaces].filter((tablespace, index, every) => !has.tablespaces.includes(tablespace) && every.indexOf(tablespace) === index),
  };
}

/** Throws what forbids any load of the database; missing roles are judged elsewhere. */
export function refuseUnmet(found: Requirements, all: PostgresqlFacts, database: string): void {
  if (found.engineTooOld) {
    throw new ModosuError('DATABASE_ENGINE_TOO_OLD', `The dump of ${named(database)} is of PostgreSQL ${all.engineVersion}; the server in the guest is ${found.engine.version}.`);
  }
  if (found.missingExtensions.length > 0) throw new ModosuError('DATABASE_EXTENSION_MISSING', `The guest has no package of ${some(found.missingExtensions.map(named))}, which ${named(database)} uses.`, { context: { extensions: found.missingExtensions.map(named) } });
  if (found.missingTablespaces.length > 0) throw new ModosuError('DATABASE_TABLESPACE_MISSING', `The database server has no tablespace ${some(found.missingTablespaces.map(named))}, which ${named(database)} uses.`, { context: { tablespaces: found.missingTablespaces.map(named) } });
}
