import type { ResolvedServer } from '../../contracts/estate';
import type { ServerRecord } from '../../catalog/catalog';
import type { Estate, ServerDeclaration } from '../../contracts/estate';
import { ModosuError } from '../../contracts/errors';
import type { ServerOnHypervisor } from '../../hypervisors/hypervisor';
import type { ApiDependencies } from '../dependencies';

/**
 * Finds the domain of every declared server: its UUID is the identity from then on. A server the catalogue knows keeps its identity while its domain is gone,
 * because that is exactly when it has to be restored. Throws `DOMAIN_NOT_FOUND` with the names of all that are missing, and `HYPERVISOR_UNREACHABLE`.
 */
export async function resolveServers(dependencies: ApiDependencies, estate: Estate): Promise<readonly ResolvedServer[]> {
  const known = new Map((await dependencies.catalog.listServers()).map((server) => [server.name, server]));
  const resolved: ResolvedServer[] = [];
  const missing: string[] = [];
  for (const declaration of estate.hypervisors) {
    const servers = estate.servers.filter(({ hypervisor }) => hypervisor === declaration.name);
    if (servers.length === 0) continue;
    const present = await dependencies.hypervisor(declaration).listServers();
    for (const server of servers) {
      const found = identify(server, present, known.get(server.name));
      if (found === null) missing.push(`${domainOf(server)} on ${declaration.name}`);
      else resolved.push(found);
    }
  }
  if (missing.length > 0) {
    throw new ModosuError(
      'DOMAIN_NOT_FOUND',
      `${missing.length === 1 ? 'This domain does' : 'These domains do'} not exist: ${missing.join(', ')}. Nothing was changed.`,
      {
        context: { domains: missing },
      },
    );
  }
  return resolved;
}

const domainOf = (server: ServerDeclaration): string => server.domain ?? server.name;

function identify(server: ServerDeclaration, present: readonly ServerOnHypervisor[], record: ServerRecord | undefined): ResolvedServer | null {
  const domainName = domainOf(server);
  const domain = present.find((candidate) => candidate.domainName === domainName);
  if (domain !== undefined) return { name: server.name, uuid: domain.uuid, domainName };
  const sameAsKnown = record !== undefined && record.hypervisor === server.hypervisor && record.domainName === domainName;
  return sameAsKnown ? { name: server.name, uuid: record.uuid, domainName } : null;
}
