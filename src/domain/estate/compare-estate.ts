import type { ServerGroup } from '../../contracts/backup-set';
import { DEFAULT_MAX_BACKUPS } from '../../contracts/due-backup';
import type {
  Estate,
  EstateChange,
  EstateOptions,
  EstateSubject,
  HypervisorDeclaration,
  OffsiteDeclaration,
  RepositoryDeclaration,
  ResolvedServer,
} from '../../contracts/estate';
import type { Policy } from '../../contracts/policy';
import type { Relation } from '../../contracts/relation';
import type { ServerView } from '../../contracts/server';
import { requireSensiblePolicy } from '../policy-rules';
import { refuseCycles, refuseDeletionInUse, refuseSharedDomains, refuseSharedGuests } from './conflicts';
import { changedLines, createdLines, groupFields, placeFields, policyField, policyFields, protectionFields, relationFields, type Field } from './fields';
import type { Inventory, ServerDraft } from './inventory';
import { draftOf } from './server-draft';

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

type Comparable = { readonly name: string };

/**
 * Compares an estate with the inventory.
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
  const servers = compare<DeclaredServer, ServerDraft>('server', inventory.servers, drafts, serverFields);
  const groups = compare('group', inventory.groups, estate.groups ?? [], groupFields);
  const deletedGroups = prune ? keptIn(groups.changes) : [];
  const declaredRelations = estate.relations ?? [];
  const relations = compare('relation', inventory.relations, declaredRelations, relationFields);
  const deletedRelations = prune ? keptIn(relations.changes) : [];
  refuseCycles(inventory.relations, declaredRelations, deletedRelations);
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

/** A file says nothing of that: it neither takes a server out of service nor brings it back. */
function withNote(change: EstateChange, known: readonly ServerView[]): EstateChange {
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

type DeclaredServer = Omit<ServerView, 'id' | 'uuid' | 'lineageId' | 'decommissioned'>;

const serverFields = ({
  hypervisor,
  domainName,
  repository,
  policy,
  stopTimeoutSeconds,
  agentTimeoutSeconds,
  protection,
}: DeclaredServer): readonly Field[] => [
  ...placeFields({ hypervisor, domain: domainName, repository }),
  policyField(policy),
  ...placeFields({ stopTimeoutSeconds, agentTimeoutSeconds }),
  ...protectionFields(protection),
];

function compare<Facts extends Comparable, Wanted extends Facts>(
  subject: EstateSubject,
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
