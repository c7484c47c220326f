import { NO_PROTECTION } from '../../src/contracts/protection';
import type { ServerView } from '../../src/contracts/server';

/** A server as the catalogue knows it: in service, and without a policy. */
export const knownServer = (name: string, changes: Partial<ServerView> = {}): ServerView => ({
  id: `srv_${name}`,
  name,
  uuid: `uuid-${name}`,
  domainName: name,
  hypervisor: 'hv1',
  repository: 'main',
  policy: null,
  stopTimeoutSeconds: 120,
  agentTimeoutSeconds: 300,
  protection: NO_PROTECTION,
  lineageId: `lineage-${name}`,
  decommissioned: null,
  ...changes,
});
