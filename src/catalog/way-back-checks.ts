import type { EntityManager } from 'typeorm';
import { requireConfirmable, requireUndoable } from '../domain/way-back-rules';
import type { ServerRecord } from './catalog';
import { RunEntity, WayBackEntity, type WayBackRow } from './entities';
import { runNotFound } from './run-store';
import { noWayBack, wayBackView } from './way-back-transition';

type Owner = Pick<ServerRecord, 'id' | 'name'>;

/**
 * Whether the swap of a run may be undone now. Throws `RUN_NOT_FOUND` (also for a run of another server), `WAY_BACK_NOT_FOUND`, `WAY_BACK_CLOSED`,
 * `WAY_BACK_NOT_NEWEST`, `WAY_BACK_EMPTY`.
 */
export async function requireUndoableRun(manager: EntityManager, runId: string, server: Owner): Promise<void> {
  const row = await requireWayBack(manager, runId, server);
  const open = await manager.find(WayBackEntity, { where: { serverId: server.id, state: 'open' }, order: { fencingToken: 'DESC' } });
  requireUndoable(
    wayBackView(row, server.name),
    open.map((other) => wayBackView(other, server.name)),
  );
}

/**
 * Whether what a run has kept may be deleted now. Throws `RUN_NOT_FOUND` (also for a run of another server), `WAY_BACK_NOT_FOUND`, `WAY_BACK_CLOSED`,
 * `RUN_NOT_LIVE`.
 */
export async function requireConfirmableRun(manager: EntityManager, runId: string, server: Owner): Promise<void> {
  requireConfirmable(wayBackView(await requireWayBack(manager, runId, server), server.name));
}

async function requireWayBack(manager: EntityManager, runId: string, server: Owner): Promise<WayBackRow> {
  if (!(await manager.existsBy(RunEntity, { id: runId, serverId: server.id }))) throw runNotFound(runId);
  const row = await manager.findOneBy(WayBackEntity, { runId });
  if (row === null) throw noWayBack(runId);
  return row;
}
