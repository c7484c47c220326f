import { randomUUID } from 'node:crypto';
import { storableText } from '../../src/audit/storable';
import { groupNotFound } from '../../src/catalog/backup-set-rows';
import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { adoptedServer, adoptionConflict } from '../../src/catalog/catalog-copy-store';
import {
  decommissionedColumns,
  decommissionedDetails,
  decommissioningOf,
  decommissionRefusal,
  recommissionedDetails,
} from '../../src/catalog/decommissioned-row';
import type { PolicyRow } from '../../src/catalog/entities';
import { policyNotFound, serverNotFound } from '../../src/catalog/inventory-store';
import { policyRecord, policyRow } from '../../src/catalog/policy-row';
import { concerns } from '../../src/catalog/relation-store';
import type { ServerGroup } from '../../src/contracts/backup-set';
import type { HypervisorDeclaration, OffsiteDeclaration, RepositoryDeclaration } from '../../src/contracts/estate';
import { newId } from '../../src/contracts/ids';
import { hypervisorNotConfigured, offsiteNotConfigured, repositoryNotConfigured } from '../../src/contracts/not-declared';
import type { Policy } from '../../src/contracts/policy';
import type { Relation } from '../../src/contracts/relation';
import { compareEstate } from '../../src/domain/estate/compare-estate';
import { isDecommissionedAlready, requireInService } from '../../src/domain/retention/decommissioning';
import type { FakeGround } from './fake-catalog-ground';

/** The rest of the catalogue in memory. */
export interface InventorySurroundings {
  /** Throws `SERVER_BUSY`. */
  requireFree(server: ServerRecord): void;
  /** Nothing is due for it any more. */
  withdrawDue(serverId: string): void;
}

type Methods = Pick<
  Catalog,
  | 'diffEstate'
  | 'applyEstate'
  | 'listHypervisors'
  | 'listRepositories'
  | 'listOffsite'
  | 'listPolicies'
  | 'getPolicy'
  | 'listRelations'
  | 'listGroups'
  | 'getGroup'
  | 'listServers'
  | 'getServer'
  | 'decommissionServer'
  | 'recommissionServer'
  | 'adoptServer'
>;

/** What is declared, and the servers, in memory. */
export class FakeInventory implements Methods {
  private readonly hypervisors = new Map<string, HypervisorDeclaration>();
  private readonly repositories = new Map<string, RepositoryDeclaration>();
  private readonly offsite = new Map<string, OffsiteDeclaration>();
  readonly policyRows = new Map<string, PolicyRow>();
  private readonly groups = new Map<string, ServerGroup>();
  private readonly relations = new Map<string, Relation>();
  private readonly servers = new Map<string, ServerRecord>();
  private readonly since = new Map<string, Date>();

  constructor(
    private readonly ground: FakeGround,
    private readonly around: InventorySurroundings,
  ) {}

  diffEstate: Catalog['diffEstate'] = async (estate, resolved, options) => compareEstate(this.all(), estate, resolved, options).changes;

  applyEstate: Catalog['applyEstate'] = async (actor, estate, resolved, options) => {
    const { changes, hypervisors, repositories, offsite, policies, deletedPolicies, servers, groups, deletedGroups, relations, deletedRelations } =
      compareEstate(this.all(), estate, resolved, options);
    for (const item of hypervisors) this.hypervisors.set(item.name, item);
    for (const item of repositories) this.repositories.set(item.name, item);
    for (const item of offsite) this.offsite.set(item.name, item);
    for (const item of policies) this.policyRows.set(item.name, policyRow(item, this.policyRows.get(item.name), this.ground.now()));
    for (const name of deletedPolicies) this.policyRows.delete(name);
    for (const group of groups) this.groups.set(group.name, group);
    for (const name of deletedGroups) this.groups.delete(name);
    for (const relation of relations) this.relations.set(relation.name, relation);
    for (const name of deletedRelations) this.relations.delete(name);
    for (const { id, ...draft } of servers) {
      const known = id === null ? undefined : this.servers.get(id);
      const { lineageId = randomUUID(), decommissioned = null } = known ?? {};
      const record = { ...draft, id: id ?? newId('srv', this.ground.now().getTime()), lineageId, decommissioned };
      if (known?.policy !== record.policy) this.since.set(record.id, this.ground.now());
      this.servers.set(record.id, record);
    }
    for (const { subject, name, change, fields } of changes) {
      if (change !== 'create' && change !== 'update' && change !== 'delete') continue;
      const serverId = subject === 'server' ? (this.serverList().find((server) => server.name === name)?.id ?? null) : null;
      this.ground.append({ actor, action: `${subject}.${change}d`, serverId, details: { name, fields } });
    }
    return changes;
  };

  listHypervisors: Catalog['listHypervisors'] = async () => this.all().hypervisors;
  listRepositories: Catalog['listRepositories'] = async () => this.all().repositories;
  listOffsite: Catalog['listOffsite'] = async () => this.all().offsite;
  listPolicies: Catalog['listPolicies'] = async () => this.all().policies;

  getPolicy: Catalog['getPolicy'] = async (name) => {
    this.ground.reach();
    const row = this.policyRows.get(name);
    if (row === undefined) throw policyNotFound(name);
    return policyRecord(row);
  };

  listRelations: Catalog['listRelations'] = async ({ server } = {}) =>
    this.all().relations.filter((relation) => server === undefined || concerns(relation, server));

  listGroups: Catalog['listGroups'] = async () => this.all().groups;

  getGroup: Catalog['getGroup'] = async (name) => this.group(name);

  listServers: Catalog['listServers'] = async () => this.all().servers;

  getServer: Catalog['getServer'] = async (idOrName) => {
    this.ground.reach();
    const server = this.servers.get(idOrName) ?? this.serverList().find(({ name }) => name === idOrName);
    if (server === undefined) throw serverNotFound(idOrName);
    return server;
  };

  decommissionServer: Catalog['decommissionServer'] = async (request) => {
    const { actor, serverId } = request;
    try {
      const server = this.server(serverId);
      if (isDecommissionedAlready(server, request, storableText)) return server;
      this.around.requireFree(server);
      const columns = decommissionedColumns(request, this.ground.now());
      const record = { ...server, decommissioned: decommissioningOf(columns) };
      this.servers.set(serverId, record);
      this.ground.append({ actor, action: 'server.decommissioned', serverId, details: decommissionedDetails(server, columns) });
      this.around.withdrawDue(serverId);
      return record;
    } catch (error) {
      const event = decommissionRefusal(request, error);
      if (event !== null) this.ground.append(event);
      throw error;
    }
  };

  recommissionServer: Catalog['recommissionServer'] = async (actor, serverId, reason) => {
    const server = this.server(serverId);
    if (server.decommissioned === null) return server;
    const record = { ...server, decommissioned: null };
    this.servers.set(serverId, record);
    this.since.set(serverId, this.ground.now());
    this.ground.append({ actor, action: 'server.recommissioned', serverId, details: recommissionedDetails(server, server.decommissioned, reason) });
    return record;
  };

  adoptServer: Catalog['adoptServer'] = async (actor, server) => {
    const { id, name, uuid, hypervisor, repository, lineageId } = server;
    const known = this.servers.get(id);
    if (known !== undefined) {
      if (known.lineageId === lineageId) return 'known';
      this.servers.set(id, { ...known, lineageId });
      this.ground.append({ actor, action: 'server.adopted', serverId: id, details: { name: known.name, lineageId, lineageBefore: known.lineageId } });
      return 'known';
    }
    if (!this.hypervisors.has(hypervisor)) throw hypervisorNotConfigured(hypervisor);
    this.requireRepository(repository);
    const other = this.serverList().find((one) => one.name === name || (one.hypervisor === hypervisor && one.uuid === uuid));
    if (other !== undefined) throw adoptionConflict(server, other);
    this.servers.set(id, adoptedServer(server));
    this.ground.append({ actor, action: 'server.adopted', serverId: id, details: { name, uuid, hypervisor, repository, lineageId } });
    return 'added';
  };

  /** All that is declared, by name. */
  all(): {
    hypervisors: HypervisorDeclaration[];
    repositories: RepositoryDeclaration[];
    offsite: OffsiteDeclaration[];
    policies: Policy[];
    servers: ServerRecord[];
    groups: ServerGroup[];
    relations: Relation[];
  } {
    this.ground.reach();
    return {
      hypervisors: byName(this.hypervisors),
      repositories: byName(this.repositories),
      offsite: byName(this.offsite),
      policies: byName(this.policyRows).map(policyRecord),
      servers: byName(this.servers),
      groups: byName(this.groups),
      relations: byName(this.relations),
    };
  }

  serverList(): readonly ServerRecord[] {
    return [...this.servers.values()];
  }

  server(id: string): ServerRecord {
    return this.ground.found(this.servers.get(id), () => serverNotFound(id));
  }

  policyOf({ policy: name }: ServerRecord): Policy | null {
    return this.all().policies.find((policy) => policy.name === name) ?? null;
  }

  serverInService(id: string): ServerRecord {
    const server = this.server(id);
    requireInService(server);
    return server;
  }

  setServer(server: ServerRecord): void {
    this.servers.set(server.id, server);
  }

  /** Since when its policy is that of a server, or it is in service again. */
  policySince(serverId: string): Date | null {
    return this.since.get(serverId) ?? null;
  }

  group(name: string): ServerGroup {
    return this.ground.found(this.groups.get(name), () => groupNotFound(name));
  }

  requireRepository(name: string): void {
    if (!this.repositories.has(name)) throw repositoryNotConfigured(name);
  }

  requireOffsite(name: string): void {
    if (!this.offsite.has(name)) throw offsiteNotConfigured(name);
  }

  isRepository(name: string): boolean {
    return this.repositories.has(name);
  }
}

const byName = <T extends { readonly name: string }>(items: ReadonlyMap<string, T>): T[] => [...items.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
