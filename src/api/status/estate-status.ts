import type { Catalog } from '../../catalog/catalog';
import type { RepositoryCapacity, RoomSample } from '../../contracts/capacity';
import type { EstateStatus } from '../../contracts/protection-status';
import { forecastRoom } from '../../domain/capacity/forecast';
import { judgeProtection, protectedServer } from '../../domain/protection-status';

export type StatusSource = Pick<Catalog, 'listServers' | 'listPolicies' | 'listRepositories' | 'protectionFacts' | 'repositoryRoom'>;

/** How the estate stands at `now`, from the catalogue alone: also while hypervisors and repositories are away. */
export async function estateStatus(catalog: StatusSource, now: Date): Promise<EstateStatus> {
  const [servers, policies, facts, repositories, room] = await Promise.all([
    catalog.listServers(),
    catalog.listPolicies(),
    catalog.protectionFacts(),
    catalog.listRepositories(),
    catalog.repositoryRoom(),
  ]);
  return {
    ...judgeProtection(servers.map(protectedServer), policies, facts, now),
    repositories: repositories.map(({ name }) =>
      capacityOf(
        name,
        room.filter((sample) => sample.repository === name),
        now,
      ),
    ),
  };
}

function capacityOf(name: string, samples: readonly RoomSample[], now: Date): RepositoryCapacity {
  const last = samples.at(-1);
  return { name, freeBytes: last?.freeBytes ?? null, measuredAt: last?.at.toISOString() ?? null, ...forecastRoom(samples, now) };
}
