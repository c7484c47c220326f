import type { ServerRecord } from '../../catalog/catalog';
import type { Policy } from '../../contracts/policy';
import type { EstateStatus, ProtectionFacts } from '../../contracts/protection-status';
import { judgeProtection } from '../../domain/protection-status';

/** How the estate stands at `now`, from the catalogue alone: also while hypervisors and repositories are away. */
export const estateStatus = (servers: readonly ServerRecord[], policies: readonly Policy[], facts: ProtectionFacts, now: Date): EstateStatus =>
  judgeProtection(
    servers.map(({ id, name, policy, protection }) => ({ id, name, policy, dataSets: protection.dataSets.map((dataSet) => dataSet.name) })),
    policies,
    facts,
    now,
  );
