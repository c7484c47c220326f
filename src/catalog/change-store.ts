import { In, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { isModosuError } from '../contracts/errors';
import type { ChangeView } from '../contracts/change';
import { newId } from '../contracts/ids';
import type { ChangeCatalog } from './port/changes';
import { appliedOf, changesOfServer, isKnownLine, serversWithSpentImage } from './change-facts';
import {
  appliedRow,
  changeDetails,
  changeNotFound,
  changeView,
  completedDetails,
  newChange,
  requireCancellable,
  requireCompletable,
  requireNoJourney,
  requireSameChange,
  requireUninterrupted,
} from './change-rows';
import type { Database, Transaction } from './database';
import { requireInService } from '../domain/retention/decommissioning';
import { AppliedChangeEntity, ConfigurationChangeEntity, RunEntity, ServerEntity, ServerLockEntity, type ConfigurationChangeRow } from './entities';
import { claimIdempotencyKey } from './idempotency';
import { readPolicies, requireServer } from './inventory-store';
import { newestFirst } from './newest-first';
import { policyRecord } from './policy-row';
import { holdInventory } from './run-acceptance-store';
import { lockRun, requireHold } from './run-store';
import { serverRecord } from './views';

export function changeStore(database: Database, now: () => Date): ChangeCatalog {
  return {
    openChange: (request) =>
      database.transaction(async ({ manager, audit }) => {
        const id = newId('chg', now().getTime());
        const earlier = await claimIdempotencyKey(manager, request, id, now());
        if (earlier !== null) return { change: await viewOf(manager, await requireChange(manager, earlier), now()), replayed: true };
        const server = await holdInventory(manager, request.serverId);
        requireInService(server);
        const row = newChange(id, request, server, now());
        const inserted = await manager.createQueryBuilder().insert().into(ConfigurationChangeEntity).values(row).orIgnore().returning('id').execute();
        if ((inserted.raw as readonly unknown[]).length === 0) {
          const known = await manager.findOneByOrFail(ConfigurationChangeEntity, { serverId: row.serverId, externalId: row.externalId ?? '' });
          requireSameChange(known, row);
          return { change: await viewOf(manager, known, now()), replayed: true };
        }
        audit({ actor: request.actor, action: 'change.opened', serverId: server.id, details: changeDetails(row) });
        return { change: await viewOf(manager, row, now()), replayed: false };
      }),

    completeChange: async ({ actor, id, madeAgain = false }) => {
      try {
        return await database.transaction((transaction) => complete(transaction, { actor, id, madeAgain }, now()));
      } catch (error) {
        if (isModosuError(error) && error.code !== 'CHANGE_NOT_FOUND') {
          const { code, message } = error;
          await database.transaction(async ({ audit }) => audit({ actor, action: 'change.refused', serverId: null, details: { changeId: id, code, message } }));
        }
        throw error;
      }
    },

    cancelChange: ({ actor, id, reason }) =>
      database.transaction(async ({ manager, audit }) => {
        const row = await lockChange(manager, id);
        if (requireCancellable(row) === 'already') return viewOf(manager, row, now());
        const columns = { state: 'cancelled', cancelledAt: now(), cancelledBy: storableText(actor, 256), cancelReason: storableText(reason) } as const;
        await manager.update(ConfigurationChangeEntity, { id }, columns);
        audit({ actor, action: 'change.cancelled', serverId: row.serverId, details: { ...changeDetails(row), reason } });
        return viewOf(manager, { ...row, ...columns }, now());
      }),

    findChange: (serverId, externalId) =>
      database.read(async (manager) => {
        const row = await manager.findOneBy(ConfigurationChangeEntity, { serverId, externalId });
        return row === null ? null : viewOf(manager, row, now());
      }),

    recordApplied: (runId, changeIds, by) =>
      database.transaction(async ({ manager, audit }) => {
        const run = await lockRun(manager, runId);
        await requireHold(manager, run);
        const server = await requireServer(manager, run.serverId);
        const policies = (await readPolicies(manager)).map(policyRecord);
        for (const row of await manager.findBy(ConfigurationChangeEntity, { serverId: server.id, id: In([...changeIds]) })) {
          const applied = appliedRow(row.id, server, policies, { by, runId, at: now() });
          const inserted = await manager.createQueryBuilder().insert().into(AppliedChangeEntity).values(applied).orIgnore().returning('change_id').execute();
          if ((inserted.raw as readonly unknown[]).length === 0) continue;
          audit({ actor: by, action: 'change.applied', runId, serverId: server.id, details: { ...changeDetails(row), lineageId: server.lineageId } });
        }
      }),

    getChange: (id) => database.read(async (manager) => viewOf(manager, await requireChange(manager, id), now())),

    listChanges: ({ serverId, state }, page) =>
      database.read((manager) =>
        newestFirst(manager, { entity: ConfigurationChangeEntity, kind: 'changes', by: 'openedAt' }, { serverId, state }, page, (rows) =>
          views(manager, rows, now()),
        ),
      ),

    changesAt: (serverId, at, lineageId) =>
      database.read(async (manager) => {
        const server = await requireServer(manager, serverId);
        return changesOfServer(manager, { id: server.id, lineageId: lineageId ?? server.lineageId }, at === null ? now() : new Date(at));
      }),
  };
}

async function complete(
  { manager, audit }: Transaction,
  { actor, id, madeAgain }: { readonly actor: string; readonly id: string; readonly madeAgain: boolean },
  at: Date,
): Promise<ChangeView> {
  const found = await requireChange(manager, id);
  // The server first, as whoever accepts a run: nobody begins a restore meanwhile.
  const server = await holdInventory(manager, found.serverId);
  requireInService(server);
  const row = await lockChange(manager, id);
  if (requireCompletable(row) === 'already') return viewOf(manager, row, at);
  const lock = await manager.findOneBy(ServerLockEntity, { serverId: server.id });
  const holder = lock === null ? null : await manager.findOneBy(RunEntity, { id: lock.runId });
  requireNoJourney(server, holder === null ? null : { runId: holder.id, kind: holder.kind });
  requireUninterrupted(row, server, await isKnownLine(manager, server), madeAgain);
  const columns = { state: 'completed', completedAt: at, completedBy: storableText(actor, 256) } as const;
  const applied = appliedRow(id, server, (await readPolicies(manager)).map(policyRecord), { by: actor, runId: null, at });
  await manager.update(ConfigurationChangeEntity, { id }, columns);
  await manager.insert(AppliedChangeEntity, applied);
  audit({ actor, action: 'change.completed', serverId: server.id, details: completedDetails(row, server, madeAgain) });
  return viewOf(manager, { ...row, ...columns }, at);
}

async function requireChange(manager: EntityManager, id: string): Promise<ConfigurationChangeRow> {
  const row = await manager.findOneBy(ConfigurationChangeEntity, { id });
  if (row === null) throw changeNotFound(id);
  return row;
}

async function lockChange(manager: EntityManager, id: string): Promise<ConfigurationChangeRow> {
  const row = await manager.findOne(ConfigurationChangeEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (row === null) throw changeNotFound(id);
  return row;
}

async function viewOf(manager: EntityManager, row: ConfigurationChangeRow, now: Date): Promise<ChangeView> {
  const [view] = await views(manager, [row], now);
  if (view === undefined) throw changeNotFound(row.id);
  return view;
}

/** What each of their servers holds, and what the policies say, is found out once. */
async function views(manager: EntityManager, rows: readonly ConfigurationChangeRow[], now: Date): Promise<readonly ChangeView[]> {
  if (rows.length === 0) return [];
  const applied = await appliedOf(
    manager,
    rows.map(({ id }) => id),
  );
  const servers = (await manager.findBy(ServerEntity, { id: In([...new Set(rows.map(({ serverId }) => serverId))]) })).map(serverRecord);
  const policies = (await readPolicies(manager)).map(policyRecord);
  const spent = await serversWithSpentImage(
    manager,
    servers.map(({ id }) => id),
    now,
  );
  const views: ChangeView[] = [];
  for (const server of servers) {
    const held = await changesOfServer(manager, server, now);
    views.push(...rows.filter(({ serverId }) => serverId === server.id).map((row) => changeView(row, applied, server, policies, held, spent.has(server.id))));
  }
  const byId = new Map(views.map((view) => [view.id, view]));
  return rows.flatMap(({ id }) => byId.get(id) ?? []);
}
