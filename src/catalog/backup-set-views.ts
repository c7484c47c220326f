import { In, type EntityManager } from 'typeorm';
import type { BackupSetView } from '../contracts/backup-set';
import { setEnded, setMember, setView } from './backup-set-rows';
import type { Transaction } from './database';
import { BackupSetEntity, RecoveryPointEntity, RunEntity, type BackupSetRow } from './entities';
import { serverNames } from './inventory-store';
import { WORKER } from './recovery-point-store';

/** The last run of a set has ended: what came of the set goes into the audit, once. Called in the transaction that ends the run, whose row is held. */
export async function closeSetOf({ manager, audit }: Transaction, setId: string): Promise<void> {
  const row = await manager.findOne(BackupSetEntity, { where: { id: setId }, lock: { mode: 'pessimistic_write' } });
  if (row === null) return;
  const [view] = await setViews(manager, [row]);
  if (view !== undefined && view.state !== 'running') audit(setEnded(view, WORKER));
}

/** In the order of the rows, whatever their number, in three statements. */
export async function setViews(manager: EntityManager, rows: readonly BackupSetRow[]): Promise<readonly BackupSetView[]> {
  if (rows.length === 0) return [];
  const runs = await manager.findBy(RunEntity, { setId: In(rows.map(({ id }) => id)) });
  const names = await serverNames(
    manager,
    runs.map(({ serverId }) => serverId),
  );
  const pointIds = runs.flatMap(({ recoveryPointId }) => (recoveryPointId === null ? [] : [recoveryPointId]));
  const points = pointIds.length === 0 ? [] : await manager.findBy(RecoveryPointEntity, { id: In(pointIds) });
  return rows.map((row) => {
    const its = runs.filter(({ setId }) => setId === row.id);
    const members = its.map((run) => setMember(run, names.get(run.serverId) ?? run.serverId, points.find(({ id }) => id === run.recoveryPointId) ?? null));
    return setView(row, members, its);
  });
}
