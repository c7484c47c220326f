import { randomUUID } from 'node:crypto';
import { In, type EntityManager } from 'typeorm';
import type { EstateChange } from '../contracts/api/estate';
import { ModosuError } from '../contracts/errors';
import { quoted } from '../contracts/text';
import { newId } from '../contracts/ids';
import type { Catalog, ServerRecord } from './catalog';
import type { Database, Transaction } from './database';
import { HypervisorEntity, LineageEntity, RepositoryEntity, ServerEntity } from './entities';
import { compareEstate, type Inventory, type ServerDraft } from './estate-diff';
import { serverRecord } from './views';

type InventoryMethods = Pick<Catalog, 'diffEstate' | 'applyEstate' | 'listHypervisors' | 'listRepositories' | 'listServers' | 'getServer'>;

/** Advisory lock that puts estates being applied in a row: each sees what the one before has made. */
const ESTATE_LOCK = 7_361_003;
/** PostgreSQL takes 65,535 parameters per statement. */
const ROWS_PER_INSERT = 1000;

export function inventoryStore(database: Database, now: () => Date): InventoryMethods {
  return {
    diffEstate: (estate, resolved) => database.read(async (manager) => compareEstate(await readInventory(manager), estate, resolved).changes),

    applyEstate: (actor, estate, resolved) =>
      database.transaction(async (transaction) => {
        const { manager } = transaction;
        await manager.query('SELECT pg_advisory_xact_lock($1)', [ESTATE_LOCK]);
        const { changes, hypervisors, repositories, servers } = compareEstate(await readInventory(manager), estate, resolved);
        if (hypervisors.length > 0) await manager.upsert(HypervisorEntity, [...hypervisors], ['name']);
        if (repositories.length > 0) await manager.upsert(RepositoryEntity, [...repositories], ['name']);
        const written = await writeServers(transaction, servers, now());
        for (const change of changes) auditChange(transaction, actor, change, written);
        return changes;
      }),

    listHypervisors: () => database.read((manager) => manager.find(HypervisorEntity, { order: { name: 'ASC' } })),
    listRepositories: () => database.read((manager) => manager.find(RepositoryEntity, { order: { name: 'ASC' } })),
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

/** Names by id. */
export async function serverNames(manager: EntityManager, serverIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(serverIds)];
  if (ids.length === 0) return new Map();
  return new Map((await manager.findBy(ServerEntity, { id: In(ids) })).map(({ id, name }) => [id, name]));
}

export const serverNotFound = (idOrName: string): ModosuError =>
  new ModosuError('SERVER_NOT_FOUND', `There is no server ${quoted(idOrName)} in the catalogue.`, { context: { server: idOrName.slice(0, 128) } });

async function readInventory(manager: EntityManager): Promise<Inventory> {
  const hypervisors = await manager.find(HypervisorEntity, { order: { name: 'ASC' } });
  const repositories = await manager.find(RepositoryEntity, { order: { name: 'ASC' } });
  const servers = await manager.find(ServerEntity, { order: { name: 'ASC' } });
  return { hypervisors, repositories, servers: servers.map(serverRecord) };
}

/** New servers get an id and their first lineage. Gives the ids by name. */
async function writeServers({ manager }: Transaction, drafts: readonly ServerDraft[], now: Date): Promise<ReadonlyMap<string, string>> {
  const ids = new Map<string, string>();
  const created = [];
  for (const { id, ...draft } of drafts) {
    if (id === null) {
      created.push({ ...draft, id: newId('srv', now.getTime()), lineageId: randomUUID(), createdAt: now });
    } else {
      await manager.update(ServerEntity, { id }, draft);
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
  if (change !== 'create' && change !== 'update') return;
  const serverId = subject === 'server' ? (serverIds.get(name) ?? null) : null;
  transaction.audit({ actor, action: `${subject}.${change}d`, serverId, details: { name, fields } });
}
