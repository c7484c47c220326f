import { In, type EntityManager } from 'typeorm';
import { isModosuError, type ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import type { BackupImageInput, StartableRun } from '../contracts/workflows';
import { memberInput, groupNotFound, newSet, setBusy, setInput, setNotFound, setRefused, setRequested } from './backup-set-rows';
import { setViews } from './backup-set-views';
import type { AcceptBackupSetRequest, Catalog } from './catalog';
import type { Database, Transaction } from './database';
import { requireInService } from '../domain/retention/decommissioning';
import { BackupGroupEntity, BackupSetEntity, RunEntity, ServerEntity, type BackupSetRow } from './entities';
import { claimIdempotencyKey } from './idempotency';
import { readGroups, readPolicies } from './inventory-store';
import { newestFirst } from './newest-first';
import { policyRecord } from './policy-row';
import { holdInventory, insertRun, lockServer, NOTHING_REFERRED_TO } from './run-acceptance-store';
import { serverRecord } from './views';

type BackupSetMethods = Pick<
  Catalog,
  'listGroups' | 'getGroup' | 'acceptBackupSet' | 'getSet' | 'listSets' | 'newestSets' | 'getDispatchableSet' | 'listOpenSets'
>;

export function backupSetStore(database: Database, now: () => Date): BackupSetMethods {
  return {
    listGroups: () => database.read(readGroups),

    getGroup: (name) => database.read((manager) => requireGroup(manager, name)),

    acceptBackupSet: async (request) => {
      try {
        return await database.transaction((transaction) => acceptSet(transaction, request, now()));
      } catch (error) {
        // The refusal undoes the transaction; its audit entry is written in one of its own.
        const event = setRefused(request, error);
        if (event !== null) await database.transaction(async ({ audit }) => audit(event));
        throw error;
      }
    },

    getSet: (id) =>
      database.read(async (manager) => {
        const [view] = await setViews(manager, [await requireSet(manager, id)]);
        if (view === undefined) throw setNotFound(id);
        return view;
      }),

    listSets: ({ group }, page) =>
      database.read((manager) =>
        newestFirst(manager, { entity: BackupSetEntity, kind: 'backup-sets', by: 'requestedAt' }, { groupName: group }, page, (rows) =>
          setViews(manager, rows),
        ),
      ),

    newestSets: (groups) =>
      database.read(async (manager) => {
        if (groups.length === 0) return [];
        const newest = (await manager.query(
          'SELECT DISTINCT ON (group_name) id FROM backup_set WHERE group_name = ANY ($1) ORDER BY group_name, requested_at DESC, id DESC',
          [groups],
        )) as readonly { readonly id: string }[];
        return setViews(manager, await manager.findBy(BackupSetEntity, { id: In(newest.map(({ id }) => id)) }));
      }),

    getDispatchableSet: (id) =>
      database.read(async (manager) => {
        const row = await requireSet(manager, id);
        const runs = await manager.find(RunEntity, { where: { setId: id }, order: { id: 'ASC' } });
        const inputs = runs.map(({ input }) => input as BackupImageInput);
        return { set: setInput(row, inputs), runs: inputs.map((input): StartableRun => ({ kind: 'backup-image', input })) };
      }),

    listOpenSets: (olderThan) =>
      database.read(async (manager) => {
        const rows = await manager
          .createQueryBuilder(BackupSetEntity, 'set')
          .where(`EXISTS (SELECT FROM run WHERE run.set_id = set.id AND run.state IN ('accepted', 'running'))`)
          .andWhere('set.requestedAt < :olderThan', { olderThan })
          .orderBy('set.requestedAt', 'ASC')
          .getMany();
        return (await setViews(manager, rows)).map((view, index) => setInput(rows[index] as BackupSetRow, view.members));
      }),
  };
}

/** One transaction for all of them: the locks of all servers, or none. Taken in one order, so that two sets with the same servers never wait for each other. */
async function acceptSet(
  transaction: Transaction,
  request: AcceptBackupSetRequest,
  now: Date,
): Promise<{ readonly backupSetId: string; readonly replayed: boolean }> {
  const { manager, audit } = transaction;
  const backupSetId = newId('set');
  const earlier = await claimIdempotencyKey(manager, request, backupSetId, now);
  if (earlier !== null) return { backupSetId: earlier, replayed: true };
  const { servers: names } = await requireGroup(manager, request.group);
  const servers = (await manager.find(ServerEntity, { where: { name: In([...names]) }, order: { id: 'ASC' } })).map(serverRecord);
  const policies = (await readPolicies(manager)).map(policyRecord);
  const set = newSet(backupSetId, request, now);
  const inputs: BackupImageInput[] = [];
  const busy: ModosuError[] = [];
  // Before any lock: nobody takes one of them out of service meanwhile.
  for (const { id } of servers) requireInService(await holdInventory(manager, id));
  for (const server of servers) {
    const grant = await unlessBusy(busy, lockServer(manager, server, newId('run'), now));
    if (grant !== null) inputs.push(memberInput(server, policies, request, grant, set));
  }
  const [first, ...more] = busy;
  if (first !== undefined) throw setBusy(request.group, [first, ...more]);
  await manager.insert(BackupSetEntity, set);
  for (const input of inputs) await insertRun(transaction, request, { kind: 'backup-image', input }, NOTHING_REFERRED_TO);
  audit(setRequested(set, request.actor, inputs, request.allowCrashConsistent));
  return { backupSetId, replayed: false };
}

/** All that are busy are named at once: whoever waits for them wants to know. */
async function unlessBusy<T>(busy: ModosuError[], lock: Promise<T>): Promise<T | null> {
  try {
    return await lock;
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'SERVER_BUSY') throw error;
    busy.push(error);
    return null;
  }
}

async function requireGroup(manager: EntityManager, name: string) {
  const row = await manager.findOneBy(BackupGroupEntity, { name });
  if (row === null) throw groupNotFound(name);
  return row;
}

async function requireSet(manager: EntityManager, id: string): Promise<BackupSetRow> {
  const row = await manager.findOneBy(BackupSetEntity, { id });
  if (row === null) throw setNotFound(id);
  return row;
}
