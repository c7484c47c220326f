import type { Estate, EstateChange, HypervisorDeclaration, OffsiteDeclaration, RepositoryDeclaration, ServerDeclaration } from '../contracts/api/estate';
import { ModosuError } from '../contracts/errors';
import type { ServerGroup } from '../contracts/backup-set';
import { DEFAULT_MAX_BACKUPS } from '../contracts/due-backup';
import { NO_PROTECTION, type Protection } from '../contracts/protection';
import type { EstateOptions, ResolvedServer, ServerRecord } from './catalog';
import type { Policy } from '../contracts/policy';
import { requireSensiblePolicy } from '../domain/policy-rules';
import type { Relation } from '../contracts/relation';
import { hardCycle } from '../domain/relations/cycles';
import { changedLines, createdLines, groupFields, placeFields, relationFields, policyField, policyFields, protectionFields, type Field } from './estate-fields';

/** What the catalogue holds now. */
export interface Inventory {
  readonly hypervisors: readonly HypervisorDeclaration[];
  readonly repositories: readonly RepositoryDeclaration[];
  readonly offsite: readonly OffsiteDeclaration[];
  readonly policies: readonly Policy[];
  readonly servers: readonly ServerRecord[];
  readonly groups: readonly ServerGroup[];
  readonly relations: readonly Relation[];
}

/** A server as it is to be stored; id and lineage are null for a new one. */
export interface ServerDraft extends Omit<ServerRecord, 'id' | 'lineageId' | 'decommissioned'> {
  readonly id: string | null;
}

export interface EstateDifference {
  /** Hypervisors, repositories, off-site repositories, policies, servers, groups, relations; each in the order of the file, then what is kept or deleted. */
  readonly changes: readonly EstateChange[];
  /** Only what is to be written. */
  readonly hypervisors: readonly HypervisorDeclaration[];
  readonly repositories: readonly RepositoryDeclaration[];
  readonly offsite: readonly OffsiteDeclaration[];
  readonly policies: readonly Policy[];
  /** Names of policies that go. */
  readonly deletedPolicies: readonly string[];
  readonly servers: readonly ServerDraft[];
  readonly groups: readonly ServerGroup[];
  /** Names of groups that go. */
  readonly deletedGroups: readonly string[];
  readonly relations: readonly Relation[];
  /** Names of relations that go. */
  readonly deletedRelations: readonly string[];
}

type Subject = EstateChange['subject'];
type Comparable = { readonly name: string };

/**
 * Compares an estate with the inventory. Pure.
 *
 * A server its hypervisor does not know (it is gone, and is to be restored) is not in `resolved`: it keeps the identity it has. Throws
 * `DOMAIN_NOT_FOUND` for such a server that is new or gets another domain, and `ESTATE_CONFLICT` when a name would stand for another domain than before, or two
 * names for the same domain, or a policy would go that a server outside the file has. Of policies that cannot be meant: see `requireSensiblePolicy`; of relations
 * `RELATION_CYCLE`.
 */
export function compareEstate(
  inventory: Inventory,
  estate: Estate,
  resolved: readonly ResolvedServer[],
  { prune = false }: EstateOptions = {},
): EstateDifference {
  const drafts = estate.servers.map((declaration) => draftOf(declaration, inventory.servers, resolved));
  refuseSharedDomains(drafts, inventory.servers);
  refuseSharedGuests(drafts, inventory.servers);
  const hypervisors = compare('hypervisor', inventory.hypervisors, estate.hypervisors, ({ kind, uri, maxBackups }) =>
    placeFields({ kind, uri, ...limited(maxBackups) }),
  );
  const repositories = compare('repository', inventory.repositories, estate.repositories, ({ kind, path, maxBackups }) =>
    placeFields({ kind, path, ...limited(maxBackups) }),
  );
  const offsite = compare('offsite', inventory.offsite, estate.offsite, ({ location, media }) => placeFields({ location, media }));
  for (const policy of estate.policies) requireSensiblePolicy(policy);
  const policies = compare('policy', inventory.policies, estate.policies, policyFields);
  const deletedPolicies = prune ? keptIn(policies.changes) : [];
  refuseDeletionInUse(deletedPolicies, inventory.servers, drafts);
  const servers = compare<ServerFacts, ServerDraft>('server', inventory.servers, drafts, serverFields);
  const groups = compare('group', inventory.groups, estate.groups ?? [], groupFields);
  const deletedGroups = prune ? keptIn(groups.changes) : [];
  const relations = compare('relation', inventory.relations, estate.relations ?? [], relationFields);
  const deletedRelations = prune ? keptIn(relations.changes) : [];
  refuseCycles(inventory.relations, estate.relations ?? [], deletedRelations);
  return {
    changes: [
      ...hypervisors.changes,
      ...repositories.changes,
      ...offsite.changes,
      ...withDeletions(policies.changes, deletedPolicies),
      ...servers.changes.map((change) => withNote(change, inventory.servers)),
      ...withDeletions(groups.changes, deletedGroups),
      ...withDeletions(relations.changes, deletedRelations),
    ],
    hypervisors: hypervisors.toWrite,
    repositories: repositories.toWrite,
    offsite: offsite.toWrite,
    policies: policies.toWrite,
    deletedPolicies,
    servers: servers.toWrite,
    groups: groups.toWrite,
    deletedGroups,
    relations: relations.toWrite,
    deletedRelations,
  };
}

/** What would hold afterwards, with what the file does not name and nobody deletes. Throws `RELATION_CYCLE`. */
function refuseCycles(known: readonly Relation[], declared: readonly Relation[], deleted: readonly string[]): void {
  const named = new Set([...declared.map(({ name }) => name), ...deleted]);
  const cycle = hardCycle([...declared, ...known.filter(({ name }) => !named.has(name))]);
  if (cycle === null) return;
  throw new ModosuError('RELATION_CYCLE', `Servers depend on each other in a circle: ${cycle.map((name) => `"${name}"`).join(' -> ')}.`, {
    context: { cycle: [...cycle] },
  });
}

/** A file says nothing of that: it neither takes a server out of service nor brings it back. */
function withNote(change: EstateChange, known: readonly ServerRecord[]): EstateChange {
  const decommissioned = known.find(({ name }) => name === change.name)?.decommissioned ?? null;
  if (decommissioned === null) return change;
  const { at, by } = decommissioned;
  const note = `stays decommissioned (by ${by} at ${at}): nothing backs it up; to change that: \`modosu server recommission ${change.name} --reason TEXT\``;
  return { ...change, note };
}

const keptIn = (changes: readonly EstateChange[]): readonly string[] => changes.filter(({ change }) => change === 'kept').map(({ name }) => name);

const withDeletions = (changes: readonly EstateChange[], deleted: readonly string[]): readonly EstateChange[] =>
  changes.map((change) => (deleted.includes(change.name) ? { ...change, change: 'delete' as const } : change));

/** An absent limit is shown as the one that holds. */
const limited = (maxBackups: number | undefined) => ({ maxBackups: maxBackups ?? DEFAULT_MAX_BACKUPS });

function refuseDeletionInUse(policies: readonly string[], known: readonly ServerRecord[], drafts: readonly ServerDraft[]): void {
  const declared = new Set(drafts.map(({ name }) => name));
  for (const { name, policy } of known) {
    if (declared.has(name) || policy === null || !policies.includes(policy)) continue;
    throw new ModosuError('ESTATE_CONFLICT', `Policy "${policy}" cannot be deleted: server "${name}", which this file does not declare, has it.`, {
      hint: 'Declare the server with another policy, or with none, and apply again. Nothing was changed.',
      context: { policy, server: name },
    });
  }
}

function draftOf(declaration: ServerDeclaration, known: readonly ServerRecord[], resolved: readonly ResolvedServer[]): ServerDraft {
  const current = known.find(({ name }) => name === declaration.name);
  const { uuid, domainName } = identityOf(declaration, current, resolved);
  if (current !== undefined && current.uuid !== uuid) {
    throw new ModosuError(
      'ESTATE_CONFLICT',
      `Server "${declaration.name}" is domain ${current.domainName} (UUID ${current.uuid}) in the catalogue, but "${domainName}" now has UUID ${uuid}.`,
      {
        hint:
          current.decommissioned === null
            ? 'A new server gets a new name: its recovery points must not be mixed with those of the old one. Nothing was changed.'
            : 'The one in the catalogue is decommissioned, and keeps its name with its recovery points and its history: give the new server another name. Nothing was changed.',
        context: { server: declaration.name, knownUuid: current.uuid, foundUuid: uuid },
      },
    );
  }
  const { name, hypervisor, repository, stopTimeoutSeconds, agentTimeoutSeconds } = declaration;
  return {
    id: current?.id ?? null,
    name,
    uuid,
    domainName,
    hypervisor,
    repository,
    policy: declaration.policy ?? null,
    stopTimeoutSeconds,
    agentTimeoutSeconds,
    protection: protectionOf(declaration),
  };
}

/** What a declaration that was made without the schema leaves out counts as not declared. */
function protectionOf(declaration: Partial<Protection>): Protection {
  const { disks, nics, healthChecks, quiesce, onlineBackup, dataSets, ssh, configurationPaths, credentials } = declaration;
  return {
    disks: disks ?? NO_PROTECTION.disks,
    nics: nics ?? NO_PROTECTION.nics,
    healthChecks: healthChecks ?? NO_PROTECTION.healthChecks,
    quiesce: quiesce ?? NO_PROTECTION.quiesce,
    onlineBackup: onlineBackup ?? NO_PROTECTION.onlineBackup,
    dataSets: dataSets ?? NO_PROTECTION.dataSets,
    ssh: ssh ?? NO_PROTECTION.ssh,
    ...(configurationPaths === undefined || configurationPaths.length === 0 ? {} : { configurationPaths }),
    ...(credentials === undefined || credentials.length === 0 ? {} : { credentials }),
  };
}

type ServerFacts = Omit<ServerRecord, 'id' | 'uuid' | 'lineageId' | 'decommissioned'>;

const serverFields = ({ hypervisor, domainName, repository, policy, stopTimeoutSeconds, agentTimeoutSeconds, protection }: ServerFacts): readonly Field[] => [
  ...placeFields({ hypervisor, domain: domainName, repository }),
  policyField(policy),
  ...placeFields({ stopTimeoutSeconds, agentTimeoutSeconds }),
  ...protectionFields(protection),
];

function identityOf(
  declaration: ServerDeclaration,
  current: ServerRecord | undefined,
  resolved: readonly ResolvedServer[],
): { readonly uuid: string; readonly domainName: string } {
  const found = resolved.find(({ name }) => name === declaration.name);
  if (found !== undefined) return found;
  const domainName = declaration.domain ?? declaration.name;
  if (current !== undefined && current.domainName === domainName) return current;
  throw new ModosuError(
    'DOMAIN_NOT_FOUND',
    `Hypervisor "${declaration.hypervisor}" has no domain "${domainName}" for server "${declaration.name}". Nothing was changed.`,
    {
      context: { server: declaration.name, domain: domainName, hypervisor: declaration.hypervisor },
    },
  );
}

function refuseSharedDomains(drafts: readonly ServerDraft[], known: readonly ServerRecord[]): void {
  const declared = new Set(drafts.map(({ name }) => name));
  const owners = new Map<string, string>();
  for (const server of [...known.filter(({ name }) => !declared.has(name)), ...drafts]) {
    const domain = JSON.stringify([server.hypervisor, server.uuid]);
    const owner = owners.get(domain);
    if (owner !== undefined) {
      throw new ModosuError(
        'ESTATE_CONFLICT',
        `Servers "${owner}" and "${server.name}" are the same domain ${server.domainName} (UUID ${server.uuid}) on hypervisor "${server.hypervisor}".`,
        {
          hint: sharedDomainHint([owner, server.name], known),
          context: { servers: [owner, server.name], uuid: server.uuid },
        },
      );
    }
    owners.set(domain, server.name);
  }
}

function sharedDomainHint(names: readonly string[], known: readonly ServerRecord[]): string {
  const decommissioned = known.find((server) => names.includes(server.name) && server.decommissioned !== null);
  return decommissioned === undefined
    ? 'Protect a domain under one name only. A server cannot be renamed in the catalogue. Nothing was changed.'
    : `Server "${decommissioned.name}" is decommissioned, and its recovery points are of that domain: take it back under its name (\`modosu server recommission ${decommissioned.name} --reason TEXT\`), or, where it is another server, give its domain a UUID of its own. Nothing was changed.`;
}

/** A copied declaration of SSH would save and restore the data of another server. */
function refuseSharedGuests(drafts: readonly ServerDraft[], known: readonly ServerRecord[]): void {
  const declared = new Set(drafts.map(({ name }) => name));
  const owners = new Map<string, string>();
  const outOfService = new Set(known.filter(({ decommissioned }) => decommissioned !== null).map(({ name }) => name));
  for (const { name, protection } of [...known.filter((server) => !declared.has(server.name)), ...drafts]) {
    const { ssh } = protection;
    if (ssh === null) continue;
    // The address of a server that is out of service is free for another one; its host key tells them apart.
    const address = outOfService.has(name) ? [] : [JSON.stringify([ssh.host.toLowerCase(), ssh.port])];
    for (const key of [ssh.hostKey, ...address]) {
      const owner = owners.get(key);
      if (owner !== undefined) {
        throw new ModosuError(
          'ESTATE_CONFLICT',
          `Servers "${owner}" and "${name}" have the same SSH address or host key: programs for one would run in the other.`,
          {
            hint: 'Declare under "ssh" of each server its own address and host key; servers made from one template need new host keys. Nothing was changed.',
            context: { servers: [owner, name] },
          },
        );
      }
      owners.set(key, name);
    }
  }
}

function compare<Facts extends Comparable, Wanted extends Facts>(
  subject: Subject,
  current: readonly Facts[],
  wanted: readonly Wanted[],
  fieldsOf: (item: Facts) => readonly Field[],
): { readonly changes: readonly EstateChange[]; readonly toWrite: readonly Wanted[] } {
  const before = new Map(current.map((item) => [item.name, item]));
  const names = new Set(wanted.map(({ name }) => name));
  const toWrite: Wanted[] = [];
  const changes = wanted.map((item): EstateChange => {
    const old = before.get(item.name);
    const fields = old === undefined ? createdLines(fieldsOf(item)) : changedLines(fieldsOf(old), fieldsOf(item));
    const change = old === undefined ? 'create' : fields.length > 0 ? 'update' : 'unchanged';
    if (change !== 'unchanged') toWrite.push(item);
    return { subject, name: item.name, change, fields };
  });
  const kept = current.filter(({ name }) => !names.has(name)).map(({ name }): EstateChange => ({ subject, name, change: 'kept', fields: [] }));
  return { changes: [...changes, ...kept], toWrite };
}
