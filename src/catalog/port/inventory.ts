import type { Estate, EstateChange, HypervisorDeclaration, OffsiteDeclaration, RepositoryDeclaration } from '../../contracts/estate';
import type { ServerGroup } from '../../contracts/backup-set';
import type { Policy } from '../../contracts/policy';
import type { Relation } from '../../contracts/relation';
import type { Actor, DecommissionServerRequest, ServerRecord } from './requests';
import type { EstateOptions, ResolvedServer } from '../../contracts/estate';

/** Hypervisors, repositories and servers as the estate declares them; policies, groups, relations; servers that go out of service. */
export interface InventoryCatalog {
  /**
   * What the estate would change. Read-only. Nothing is ever removed but policies, groups and relations, and these with `prune`; other absent things are listed
   * as `kept`. Throws what a policy that cannot be meant is refused with: `TIME_ZONE_UNKNOWN`, `SCHEDULE_INVALID`, `RETENTION_KEEPS_NOTHING`, `POLICY_INVALID`; of relations `RELATION_CYCLE`.
   */
  diffEstate(estate: Estate, resolved: readonly ResolvedServer[], options?: EstateOptions): Promise<readonly EstateChange[]>;
  /**
   * Applies it in one transaction; idempotent. A server keeps its id when its name stays. `ESTATE_CONFLICT`: another UUID under a known name, or two names
   * for one domain. A server that is not in `resolved` (its domain is gone) keeps the identity it has; `DOMAIN_NOT_FOUND` when it is new or gets another
   * domain.
   */
  applyEstate(actor: Actor, estate: Estate, resolved: readonly ResolvedServer[], options?: EstateOptions): Promise<readonly EstateChange[]>;
  listHypervisors(): Promise<readonly HypervisorDeclaration[]>;
  listRepositories(): Promise<readonly RepositoryDeclaration[]>;
  /** By name. */
  listOffsite(): Promise<readonly OffsiteDeclaration[]>;
  /** By name. */
  listPolicies(): Promise<readonly Policy[]>;
  /** Throws `POLICY_NOT_FOUND`. */
  getPolicy(name: string): Promise<Policy>;
  /** By name; `server`: those in which it is the server or a peer. */
  listRelations(filter?: { readonly server?: string }): Promise<readonly Relation[]>;
  /** By name. */
  listGroups(): Promise<readonly ServerGroup[]>;
  /** Throws `GROUP_NOT_FOUND`. */
  getGroup(name: string): Promise<ServerGroup>;
  listServers(): Promise<readonly ServerRecord[]>;
  /** By id or by name. Throws `SERVER_NOT_FOUND`. */
  getServer(idOrName: string): Promise<ServerRecord>;
  /**
   * The server is out of service for good: nothing is due for it any more (what waits is withdrawn), nothing is missed, verified or told of, and for `keepDays`
   * its recovery points stay as they do now; from then on no rule keeps them. It can still be restored. The same again changes nothing, whoever asks. Throws
   * `SERVER_NOT_FOUND`, `CONFIRMATION_MISMATCH`, `SERVER_BUSY` while a run is open, `SERVER_DECOMMISSIONED` where it is so already with other `keepDays`. Audited
   * as `server.decommissioned`; refusals as `server.decommission-refused`.
   */
  decommissionServer(request: DecommissionServerRequest): Promise<ServerRecord>;
  /**
   * It is in service again, from now on: what its policy would have asked for meanwhile is not made up for, and what has expired is had back where its policy
   * keeps it. Idempotent: one that is in service stays as it is. Throws `SERVER_NOT_FOUND`. Audited as `server.recommissioned`.
   */
  recommissionServer(actor: Actor, serverId: string, reason: string): Promise<ServerRecord>;
}
