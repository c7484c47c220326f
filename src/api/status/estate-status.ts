import type { Catalog } from '../../catalog/catalog';
import type { EstateStatus } from '../../contracts/protection-status';
import { judgeProtection } from '../../domain/protection-status';

/** How the estate stands at `now`, from the catalogue alone: also while hypervisors and repositories are away. */
export async function estateStatus(catalog: Pick<Catalog, 'listServers' | 'listPolicies' | 'protectionFacts'>, now: Date): Promise<EstateStatus> {
  const [servers, policies, facts] = await Promise.all([catalog.listServers(), catalog.listPolicies(), catalog.protectionFacts()]);
  const judged = servers.map(({ id, name, policy, protection }) => ({ id, name, policy, dataSets: protection.dataSets.map((dataSet) => dataSet.name) }));
  return judgeProtection(judged, policies, facts, now);
}
