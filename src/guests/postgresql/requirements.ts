import type { DatabaseFacts, PostgresqlFacts } from '../../contracts/data';
import { list, name, record, text } from '../../domain/postgresql/guards';
import { compareRequirements, type Requirements, type ServerHas } from '../../domain/postgresql/requirements';
import type { DatabaseServer } from './database-server';

const serverHas = record<ServerHas>({
  roles: list(name, 200_000),
  tablespaces: list(name, 10_000),
  extensions: list(record({ name, default: text(255), versions: list(text(255), 10_000) }), 10_000),
});

/** Asks the server for what the database needs of it. */
export async function requirementsOf(server: DatabaseServer, all: PostgresqlFacts, facts: DatabaseFacts): Promise<Requirements> {
  const engine = await server.engine();
  const has = await server.queryOne(
    await server.maintenanceDatabase(),
    `SELECT jsonb_build_object('roles', (SELECT jsonb_agg(rolname) FROM pg_roles), 'tablespaces', (SELECT jsonb_agg(spcname) FROM pg_tablespace),
  'extensions', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', e.name, 'default', e.default_version,
    'versions', (SELECT coalesce(jsonb_agg(v.version), '[]') FROM pg_available_extension_versions v WHERE v.name = e.name))), '[]') FROM pg_available_extensions e WHERE e.default_version IS NOT NULL));`,
    serverHas,
  );
  return compareRequirements(engine, has, all, facts);
}
