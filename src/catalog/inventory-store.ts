import { randomUUID } from 'node:crypto';
import { In, type EntityManager } from 'typeorm';
import type { EstateChange, OffsiteDeclaration } from '../contracts/estate';
import { ModosuError } from '../contracts/errors';
import { quoted } from '../contracts/text';
import { newId } from '../contracts/ids';
import type { Catalog, ServerRecord } from './catalog';
import type { Database, Transaction } from './database';
import {
  BackupGroupEntity,
  RelationEntity,
  HypervisorEntity,
  LineageEntity,
  OffsiteRepositoryEntity,
  PolicyEntity,
  RepositoryEntity,
  ServerEntity,
  type PolicyRow,
} from './entities';
import type { Policy } from '../contracts/policy';
import { policyRecord, policyRow } from './policy-row';
import { compareEstate } from '../domain/estate/compare-estate';
import type { Inventory, ServerDraft } from '../domain/estate/inventory';
import { serverRecord } from './views';

type InventoryMethods = Pick<
  Catalog,
  'diffEstate' | 'applyEstate' | 'listHypervisors' | 'listRepositories' | 'listOffsite' | 'listPolicies' | 'getPolicy' | 'listServers' | 'getServer'
>;

/** Advisory lock that puts estates being applied in a row: each sees what the one before has made. */
const ESTATE_LOCK = 7_361_003;
/** PostgreSQL takes 65,535 parameters per statement. */
const ROWS_PER_INSERT = 1000;

export function inventoryStore(database: Database, now: () => Date): InventoryMethods {
  return {
    diffEstate: (estate, resolved, options) => database.read(async (manager) => compareEstate(await readInventory(manager), estate, resolved, options).changes),

    applyEstate: (actor, estate, resolved, options) =>
      database.transaction(async (transaction) => {
        const { manager } = transaction;
        await manager.query('SELECT pg_advisory_xact_lock($1)', [ESTATE_LOCK]);
        const { changes, hypervisors, repositories, offsite, policies, deletedPolicies, servers, groups, deletedGroups, relations, deletedRelations } =
          compareEstate(await readInventory(manager), estate, resolved, options);
        if (hypervisors.length > 0) await manager.upsert(HypervisorEntity, hypervisors.map(storedLimit), ['name']);
        if (repositories.length > 0) await manager.upsert(RepositoryEntity, repositories.map(storedLimit), ['name']);
        // What is known of its state stays: that is no part of the declaration.
        if (offsite.length > 0) await manager.upsert(OffsiteRepositoryEntity, [...offsite], ['name']);
        await writePolicies(manager, policies, now());
        const written = await writeServers(transaction, servers, now());
        if (groups.length > 0) await manager.upsert(BackupGroupEntity, [...groups], ['name']);
        if (deletedGroups.length > 0) await manager.delete(BackupGroupEntity, { name: In([...deletedGroups]) });
        if (relations.length > 0) await manager.upsert(RelationEntity, [...relations], ['name']);
        if (deletedRelations.length > 0) await manager.delete(RelationEntity, { name: In([...deletedRelations]) });
        // After the servers: none has it any more.
        if (deletedPolicies.length > 0) await manager.delete(PolicyEntity, { name: In([...deletedPolicies]) });
        for (const change of changes) auditChange(transaction, actor, change, written);
        return changes;
      }),

    listHypervisors: () => database.read(readHypervisors),
    listRepositories: () => database.read(readRepositories),
    listOffsite: () => database.read(readOffsite),
    listPolicies: () => database.read(async (manager) => (await readPolicies(manager)).map(policyRecord)),

    getPolicy: (name) =>
      database.read(async (manager) => {
        const row = await manager.findOneBy(PolicyEntity, { name });
        if (row === null) throw policyNotFound(name);
        return policyRecord(row);
      }),

    listServers: () => database.read(async (manager) => (await manager.find(ServerEntity, { order: { name: 'ASC' } })).map(serverRecord)),

    getServer: (idOrName) =>
      database.read(async (manager) => {
        const rows = await manager.find(ServerEntity, { where: [{ id: idOrName }, { name: idOrName }] });
        // A name that looks like another server's id must not stand in its way.
        const row = rows.find(({ id }) => id === idOrName) ?? rows[0];
        if (row === undefined) throw serverNotFound(idOrName);
        return serverRecord(row);
      }),
  };
}

/** By id, inside a transaction. Throws `SERVER_NOT_FOUND`. */
export async function requireServer(manager: EntityManager, serverId: string): Promise<ServerRecord> {
  const row = await manager.findOneBy(ServerEntity, { id: serverId });
  if (row === null) throw serverNotFound(serverId);
  return serverRecord(row);
}

/** Null: it has none. */
export async function policyOf(manager: EntityManager, { policy: name }: ServerRecord): Promise<Policy | null> {
  const row = name === null ? null : await manager.findOneBy(PolicyEntity, { name });
  return row === null ? null : policyRecord(row);
}

/** Names by id. */
export async function serverNames(manager: EntityManager, serverIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(serverIds)];
  if (ids.length === 0) return new Map();
  return new Map((await manager.findBy(ServerEntity, { id: In(ids) })).map(({ id, name }) => [id, name]));
}

export const serverNotFound = (idOrName: string): ModosuError =>
  new ModosuError('SERVER_NOT_FOUND', `There is no server ${quoted(idOrName)} in the catalogue.`, { context: { server: idOrName.slice(0, 128) } });

export const policyNotFound = (name: string): ModosuError =>
  new ModosuError('POLICY_NOT_FOUND', `There is no policy ${quoted(name)} in the catalogue.`, { context: { policy: name.slice(0, 128) } });

export const readHypervisors = async (manager: EntityManager) => (await manager.find(HypervisorEntity, { order: { name: 'ASC' } })).map(declaredLimit);
export const readRepositories = async (manager: EntityManager) => (await manager.find(RepositoryEntity, { order: { name: 'ASC' } })).map(declaredLimit);
export const readGroups = (manager: EntityManager) => manager.find(BackupGroupEntity, { order: { name: 'ASC' } });
export const readRelations = (manager: EntityManager) => manager.find(RelationEntity, { order: { name: 'ASC' } });
export const readOffsite = async (manager: EntityManager): Promise<readonly OffsiteDeclaration[]> =>
  (await manager.find(OffsiteRepositoryEntity, { order: { name: 'ASC' } })).map(({ name, location, media }) => ({ name, location, media }));
export const readPolicies = (manager: EntityManager): Promise<readonly PolicyRow[]> => manager.find(PolicyEntity, { order: { name: 'ASC' } });

/** What is not declared is left out, as in the estate file. */
export const declaredLimit = <Row extends { readonly maxBackups: number | null }>({ maxBackups, ...row }: Row) => ({
  ...row,
  ...(maxBackups === null ? {} : { maxBackups }),
});
const storedLimit = <Declaration extends { readonly maxBackups?: number }>(declaration: Declaration) => ({
  ...declaration,
  maxBackups: declaration.maxBackups ?? null,
});

async function readInventory(manager: EntityManager): Promise<Inventory> {
  const hypervisors = await readHypervisors(manager);
  const repositories = await readRepositories(manager);
  const offsite = await readOffsite(manager);
  const policies = (await readPolicies(manager)).map(policyRecord);
  const servers = await manager.find(ServerEntity, { order: { name: 'ASC' } });
  return {
    hypervisors,
    repositories,
    offsite,
    policies,
    servers: servers.map(serverRecord),
    groups: await readGroups(manager),
    relations: await readRelations(manager),
  };
}

/** A schedule that is as it was goes on: what it has asked for while nothing ran is caught up. */
async function writePolicies(manager: EntityManager, policies: readonly Policy[], now: Date): Promise<void> {
  if (policies.length === 0) return;
  const before = new Map((await readPolicies(manager)).map((row) => [row.name, row]));
  await manager.upsert(
    PolicyEntity,
    policies.map((policy) => policyRow(policy, before.get(policy.name), now)),
    ['name'],
  );
}

/** New servers get an id and their first lineage. Gives the ids by name. */
async function writeServers({ manager }: Transaction, drafts: readonly ServerDraft[], now: Date): Promise<ReadonlyMap<string, string>> {
  const ids = new Map<string, string>();
  const created = [];
  for (const { id, ...draft } of drafts) {
    if (id === null) {
      created.push({ ...draft, id: newId('srv', now.getTime()), lineageId: randomUUID(), createdAt: now, policySince: now });
    } else {
      const before = await requireServer(manager, id);
      await manager.update(ServerEntity, { id }, before.policy === draft.policy ? draft : { ...draft, policySince: now });
      ids.set(draft.name, id);
    }
  }
  for (const { id, name } of created) ids.set(name, id);
  for (let start = 0; start < created.length; start += ROWS_PER_INSERT) {
    const rows = created.slice(start, start + ROWS_PER_INSERT);
    await manager.insert(ServerEntity, rows);
    await manager.insert(
      LineageEntity,
      rows.map(({ id, lineageId }) => ({ id: lineageId, serverId: id, runId: null, startedAt: now })),
    );
  }
  return ids;
}

function auditChange(transaction: Transaction, actor: string, { subject, name, change, fields }: EstateChange, serverIds: ReadonlyMap<string, string>): void {
  if (change !== 'create' && change !== 'update' && change !== 'delete') return;
  const serverId = subject === 'server' ? (serverIds.get(name) ?? null) : null;
  transaction.audit({ actor, action: `${subject}.${change}d`, serverId, details: { name, fields } });
}
