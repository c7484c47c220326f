import { randomUUID } from 'node:crypto';
import { IsNull, LessThanOrEqual, Not, type EntityManager, type FindOptionsWhere } from 'typeorm';
import type { WayBackView } from '../contracts/way-back';
import { afterRestore, afterUndo } from '../domain/way-back-rules';
import type { WayBackCatalog } from './port/way-backs';
import type { Database } from './database';
import { LineageEntity, ServerEntity, WayBackEntity, type WayBackRow } from './entities';
import { requireServer, serverNames } from './inventory-store';
import { WORKER } from './recovery-point-store';
import { lockRun, requireHold, requireRun } from './run-store';
import { closing, noWayBack, openedWayBack, REOPENING, requireOpenRow, swapDetails, wayBackView } from './way-back-transition';

/**
 * Rows are locked in one order: the run that acts, then ways back, then the server. Only the run that holds the server changes its ways back (`FENCED_OFF`):
 * one that was declared dead must not move the server's lineage under a later one.
 */
export function wayBackStore(database: Database, now: () => Date): WayBackCatalog {
  return {
    openWayBack: (runId, facts, before, expiresAt) =>
      database.transaction(async ({ manager, audit }) => {
        const run = await lockRun(manager, runId);
        const server = await requireServer(manager, run.serverId);
        const earlier = await manager.findOneBy(WayBackEntity, { runId });
        if (earlier !== null) return wayBackView(earlier, server.name);
        const { fencingToken } = await requireHold(manager, run);
        const { id: serverId, lineageId: lineageBefore } = server;
        const at = now();
        const swapped = afterRestore(facts, lineageBefore, randomUUID(), at);
        const row = openedWayBack({ runId, serverId, fencingToken, facts, before, lineageBefore, expiresAt, ...swapped }, at);
        const { lineageAfter } = row;
        const sameLine = lineageAfter === lineageBefore;
        if (!sameLine) await manager.insert(LineageEntity, { id: lineageAfter, serverId, runId, startedAt: at });
        await manager.insert(WayBackEntity, row);
        if (!sameLine) await manager.update(ServerEntity, { id: serverId }, { lineageId: lineageAfter });
        audit({ actor: WORKER, action: sameLine ? 'data.placed' : 'lineage.started', runId, serverId, details: swapDetails(row) });
        return wayBackView(row, server.name);
      }),

    takeWayBack: (runId, ofRunId, facts, before, expiresAt) =>
      database.transaction(async ({ manager, audit }) => {
        const run = await lockRun(manager, runId);
        const server = await requireServer(manager, run.serverId);
        const earlier = await manager.findOneBy(WayBackEntity, { runId });
        if (earlier !== null) return wayBackView(earlier, server.name);
        const { fencingToken } = await requireHold(manager, run);
        const taken = requireOpenRow(ofRunId, await lockWayBack(manager, { runId: ofRunId, serverId: server.id }), server.name);
        const at = now();
        const { id: serverId, lineageId: lineageBefore } = server;
        const swapped = afterUndo(taken, lineageBefore, at);
        const row = openedWayBack({ runId, serverId, fencingToken, facts, before, lineageBefore, expiresAt, ...swapped }, at);
        await manager.update(WayBackEntity, { runId: ofRunId }, closing('undone', runId, at));
        await manager.insert(WayBackEntity, row);
        if (row.lineageAfter !== lineageBefore) await manager.update(ServerEntity, { id: serverId }, { lineageId: row.lineageAfter });
        audit({
          actor: WORKER,
          action: row.data === null ? 'lineage.returned' : 'data.returned',
          runId,
          serverId,
          details: { ...swapDetails(row), undoes: ofRunId },
        });
        return wayBackView(row, server.name);
      }),

    revertWayBack: (runId) =>
      database.transaction(async ({ manager, audit }) => {
        const run = await lockRun(manager, runId);
        const own = await lockWayBack(manager, { runId });
        if (own?.state !== 'open') return;
        await requireHold(manager, run);
        const taken = await manager.findOne(WayBackEntity, { where: { closedBy: runId, state: 'undone' }, lock: { mode: 'pessimistic_write' } });
        await manager.update(WayBackEntity, { runId }, closing('reverted', runId, now()));
        if (taken !== null) await manager.update(WayBackEntity, { runId: taken.runId }, REOPENING);
        await manager.update(ServerEntity, { id: own.serverId }, { lineageId: own.lineageBefore });
        audit({
          actor: WORKER,
          action: 'way-back.reverted',
          runId,
          serverId: own.serverId,
          details: { lineageId: own.lineageBefore, before: own.lineageAfter, reopened: taken?.runId },
        });
      }),

    closeWayBack: (runId, ofRunId) =>
      database.transaction(async ({ manager, audit }) => {
        const run = await lockRun(manager, runId);
        const server = await requireServer(manager, run.serverId);
        const kept = await lockWayBack(manager, { runId: ofRunId, serverId: server.id });
        if (kept?.state === 'confirmed' && kept.closedBy === runId) return;
        const { serverId, volumes } = requireOpenRow(ofRunId, kept, server.name);
        await requireHold(manager, run);
        await manager.update(WayBackEntity, { runId: ofRunId }, closing('confirmed', runId, now()));
        audit({ actor: WORKER, action: 'way-back.confirmed', runId, serverId, details: { ofRunId, deleted: volumes.map(({ path }) => path) } });
      }),

    recordGoLive: (runId) =>
      database.transaction(async ({ manager, audit }) => {
        const run = await lockRun(manager, runId);
        const server = await requireServer(manager, run.serverId);
        const { serverId, wentLiveAt } = requireOpenRow(runId, await lockWayBack(manager, { runId }), server.name);
        if (wentLiveAt !== null) return;
        await requireHold(manager, run);
        await manager.update(WayBackEntity, { runId }, { wentLiveAt: now() });
        audit({ actor: WORKER, action: 'run.went-live', runId, serverId, details: { kind: run.kind } });
      }),

    getWayBack: (runId) =>
      database.read(async (manager) => {
        const run = await requireRun(manager, runId);
        const row = await manager.findOneBy(WayBackEntity, { runId });
        if (row === null) throw noWayBack(runId);
        return wayBackView(row, (await requireServer(manager, run.serverId)).name);
      }),

    listWayBacks: ({ serverId, state }) =>
      database.read((manager) => findWayBacks(manager, { ...(serverId === undefined ? {} : { serverId }), ...(state === undefined ? {} : { state }) })),

    listExpiredWayBacks: (at) =>
      database.read((manager) => findWayBacks(manager, { state: 'open', wentLiveAt: Not(IsNull()), expiresAt: LessThanOrEqual(at) })),
  };
}

/** Newest first. */
async function findWayBacks(manager: EntityManager, where: FindOptionsWhere<WayBackRow>): Promise<readonly WayBackView[]> {
  const rows = await manager.find(WayBackEntity, { where, order: { fencingToken: 'DESC' } });
  const names = await serverNames(
    manager,
    rows.map(({ serverId }) => serverId),
  );
  return rows.map((row) => wayBackView(row, names.get(row.serverId) ?? row.serverId));
}

const lockWayBack = (manager: EntityManager, where: FindOptionsWhere<WayBackRow>): Promise<WayBackRow | null> =>
  manager.findOne(WayBackEntity, { where, lock: { mode: 'pessimistic_write' } });
