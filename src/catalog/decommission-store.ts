import type { EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { serverBusy } from './acceptance';
import type { Catalog } from './catalog';
import type { Database } from './database';
import { DueBackupEntity, ServerEntity, ServerLockEntity, type ServerRow } from './entities';
import { decommissionedColumns, decommissionedDetails, decommissioningOf, decommissionRefusal, IN_SERVICE, recommissionedDetails } from './decommissioned-row';
import { isDecommissionedAlready } from '../domain/retention/decommissioning';
import { DECOMMISSIONED } from '../domain/schedules/queue';
import { lockQueue, withdraw } from './due-backup-store';
import { serverNotFound } from './inventory-store';
import type { SharedNow } from './shared-now';
import { serverRecord } from './views';

/** @param sharedNow the time by which retention goes */
export function decommissionStore(database: Database, sharedNow: SharedNow): Pick<Catalog, 'decommissionServer' | 'recommissionServer'> {
  return {
    decommissionServer: async (request) => {
      try {
        return await database.transaction(async (transaction) => {
          const { manager, audit } = transaction;
          // In this order, as whoever begins what is due: see `startNextDueBackup`.
          await lockQueue(manager);
          const row = await lockServerRow(manager, request.serverId);
          const server = serverRecord(row);
          if (isDecommissionedAlready(server, request, storableText)) return server;
          // Whoever wants to back it up holds its row until the lock stands there: nobody comes in between.
          const holder = await manager.findOneBy(ServerLockEntity, { serverId: row.id });
          if (holder !== null) throw serverBusy(server, { runId: holder.runId, since: holder.acquiredAt });
          const columns = decommissionedColumns(request, await sharedNow(manager));
          await manager.update(ServerEntity, { id: row.id }, columns);
          audit({ actor: request.actor, action: 'server.decommissioned', serverId: row.id, details: decommissionedDetails(server, columns) });
          for (const due of await manager.findBy(DueBackupEntity, { serverId: row.id, state: 'waiting' })) await withdraw(transaction, due, DECOMMISSIONED);
          return serverRecord({ ...row, ...columns });
        });
      } catch (error) {
        const event = decommissionRefusal(request, error);
        if (event !== null) await database.transaction(async ({ audit }) => audit(event));
        throw error;
      }
    },

    recommissionServer: (actor, serverId, reason) =>
      database.transaction(async ({ manager, audit }) => {
        const row = await lockServerRow(manager, serverId);
        const was = decommissioningOf(row);
        if (was === null) return serverRecord(row);
        // What its policy asks for counts from now on: nothing of the time in between was missed.
        const columns = { ...IN_SERVICE, policySince: await sharedNow(manager) };
        await manager.update(ServerEntity, { id: serverId }, columns);
        audit({ actor, action: 'server.recommissioned', serverId, details: recommissionedDetails(serverRecord(row), was, reason) });
        return serverRecord({ ...row, ...columns });
      }),
  };
}

async function lockServerRow(manager: EntityManager, id: string): Promise<ServerRow> {
  const row = await manager.findOne(ServerEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (row === null) throw serverNotFound(id);
  return row;
}
