import type { DatabaseFacts, PostgresqlFacts } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { rolesOf, type ObjectItems } from './selection';
import { named, some } from './words';

export interface EngineFacts {
  readonly version: string;
  readonly major: number;
  readonly superuser: boolean;
}

/** What a database server has that databases may need. */
export interface ServerHas {
  readonly roles: readonly string[];
  readonly tablespaces: readonly string[];
  /** `default`: the version that is made unless another one is asked for. */
  readonly extensions: readonly { readonly name: string; readonly default: string; readonly versions: readonly string[] }[];
}

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

export function compareRequirements(engine: EngineFacts, has: ServerHas, all: Pick<PostgresqlFacts, 'engineMajor'>, facts: DatabaseFacts): Requirements {
  const roles = new Set(has.roles);
  const available = facts.extensions.map((extension) => ({ ...extension, found: has.extensions.find((entry) => entry.name === extension.name) }));
  return {
    engine,
    engineTooOld: engine.major < all.engineMajor,
    roles,
    missingRoles: facts.roles.filter((role) => !roles.has(role)),
    missingExtensions: available.filter(({ found }) => found === undefined).map(({ name }) => name),
    otherVersions: available.flatMap(({ name, version, found }) =>
      found === undefined || found.versions.includes(version) ? [] : [{ name, version, available: found.default }],
    ),
    pinned: available.flatMap(({ name, version, schema, found }) =>
      found !== undefined && found.default !== version && found.versions.includes(version) ? [{ name, version, schema }] : [],
    ),
    missingTablespaces: [facts.tablespace, ...facts.tablespaces].filter(
      (tablespace, index, every) => !has.tablespaces.includes(tablespace) && every.indexOf(tablespace) === index,
    ),
  };
}

/**
 * Refuses what forbids any load of the database; missing roles are judged elsewhere.
 *
 * @throws DATABASE_ENGINE_TOO_OLD, DATABASE_EXTENSION_MISSING, DATABASE_TABLESPACE_MISSING
 */
export function refuseUnmet(found: Requirements, all: Pick<PostgresqlFacts, 'engineVersion'>, database: string): void {
  if (found.engineTooOld) {
    throw new ModosuError(
      'DATABASE_ENGINE_TOO_OLD',
      `The dump of ${named(database)} is of PostgreSQL ${all.engineVersion}; the server in the guest is ${found.engine.version}.`,
    );
  }
  if (found.missingExtensions.length > 0) {
    throw new ModosuError(
      'DATABASE_EXTENSION_MISSING',
      `The guest has no package of ${some(found.missingExtensions.map(named))}, which ${named(database)} uses.`,
      { context: { extensions: found.missingExtensions.map(named) } },
    );
  }
  if (found.missingTablespaces.length > 0) {
    throw new ModosuError(
      'DATABASE_TABLESPACE_MISSING',
      `The database server has no tablespace ${some(found.missingTablespaces.map(named))}, which ${named(database)} uses.`,
      { context: { tablespaces: found.missingTablespaces.map(named) } },
    );
  }
}

/**
 * For objects alone no roles are made: those that they name have to be there.
 *
 * @throws DATABASE_ROLE_MISSING
 */
export function refuseMissingRoles(items: ObjectItems, { roles }: Pick<Requirements, 'roles'>, { name }: Pick<DatabaseFacts, 'name'>): void {
  const missing = rolesOf(items).filter((role) => !roles.has(role));
  if (missing.length > 0) {
    throw new ModosuError(
      'DATABASE_ROLE_MISSING',
      `The database server has no role ${some(missing.map(named))}, to which the selected objects of ${named(name)} belong or are granted.`,
      { context: { roles: missing.map(named).slice(0, 20) } },
    );
  }
}
