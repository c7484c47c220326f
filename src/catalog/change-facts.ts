import { In, Not, type EntityManager } from 'typeorm';
import type { GenerationChanges } from '../contracts/change';
import { SKEW_MS } from '../domain/clock-skew';
import { changesAt, NO_CHANGES } from '../domain/changes/contained';
import { registeredChange, toImage } from './change-rows';
import type { ChangesToImage } from './due-backup-row';
import { AppliedChangeEntity, ConfigurationChangeEntity, WayBackEntity, type AppliedChangeRow } from './entities';

/** What the rows of configuration changes say about servers. */

/** Of all servers: what images are due for because of changes. */
export async function changesToImage(manager: EntityManager): Promise<ReadonlyMap<string, ChangesToImage>> {
  const rows = (await manager.query(UNCONTAINED)) as readonly {
    readonly server_id: string;
    readonly title: string;
    readonly applied_at: Date;
    readonly image_not_before: Date;
  }[];
  const byServer = new Map<string, { readonly title: string; readonly appliedAt: Date; readonly imageNotBefore: Date }[]>();
  for (const { server_id, title, applied_at, image_not_before } of rows) {
    byServer.set(server_id, [...(byServer.get(server_id) ?? []), { title, appliedAt: applied_at, imageNotBefore: image_not_before }]);
  }
  return new Map(
    [...byServer].flatMap(([serverId, changes]) => {
      const due = toImage(changes);
      return due === null ? [] : [[serverId, due] as const];
    }),
  );
}

const UNCONTAINED = `SELECT server.id AS server_id, change.title, applied.applied_at, applied.image_not_before
FROM applied_change AS applied JOIN server ON server.lineage_id = applied.lineage_id JOIN configuration_change AS change ON change.id = applied.change_id
WHERE applied.recovery_point_id IS NULL`;

/** Of these servers: those whose changes asked for an image that was not taken; a run that fails is not repeated by itself. */
export async function serversWithSpentImage(manager: EntityManager, serverIds: readonly string[], now: Date): Promise<ReadonlySet<string>> {
  const rows = (await manager.query(SPENT, [serverIds, new Date(now.getTime() + SKEW_MS)])) as readonly { readonly id: string }[];
  return new Set(rows.map(({ id }) => id));
}

/** As `dueBackups` counts: what lies ahead of the second parameter answers nothing. */
const SPENT = `SELECT server.id FROM server WHERE server.id = ANY ($1)
  AND (SELECT max(due_at) FROM due_backup AS due WHERE due.server_id = server.id AND due.kind = 'image' AND due.state <> 'withdrawn' AND due.due_at <= $2)
    >= (SELECT max(applied_at) FROM applied_change AS applied WHERE applied.lineage_id = server.lineage_id AND applied.recovery_point_id IS NULL)
  AND NOT EXISTS (
    SELECT FROM due_backup AS due LEFT JOIN run ON run.id = due.run_id
    WHERE due.server_id = server.id AND due.kind = 'image' AND (due.state = 'waiting' OR run.state IN ('accepted', 'running'))
  )`;

/** Whether the server is known to have left this line, or come to it, by a restore or an undo. One that was adopted has a line that nobody knows the beginning of. */
export async function isKnownLine(manager: EntityManager, { id, lineageId }: { readonly id: string; readonly lineageId: string }): Promise<boolean> {
  const elsewhere = Not(lineageId);
  return manager.existsBy(WayBackEntity, [
    { serverId: id, lineageBefore: lineageId, lineageAfter: elsewhere },
    { serverId: id, lineageBefore: elsewhere, lineageAfter: lineageId },
  ]);
}

/** What the disks of one line of a server hold at a moment. */
export async function changesOfServer(
  manager: EntityManager,
  server: { readonly id: string; readonly lineageId: string },
  at: Date,
): Promise<GenerationChanges> {
  const changes = await manager.find(ConfigurationChangeEntity, { where: { serverId: server.id }, order: { openedAt: 'ASC', id: 'ASC' } });
  const base = await baseOfLine(manager, server.lineageId);
  if (changes.length === 0 && base === NO_CHANGES) return NO_CHANGES;
  const applied = await appliedOf(
    manager,
    changes.map(({ id }) => id),
  );
  const registered = changes.map((row) => registeredChange(row, applied));
  return changesAt({ lineageId: server.lineageId, base }, registered, at);
}

export const appliedOf = (manager: EntityManager, changeIds: readonly string[]): Promise<readonly AppliedChangeRow[]> =>
  changeIds.length === 0 ? Promise.resolve([]) : manager.find(AppliedChangeEntity, { where: { changeId: In([...changeIds]) }, order: { appliedAt: 'ASC' } });

/**
 * What is known of the line apart from the rows: what its newest image says, or what the one says that a restore began it with. Images of earlier versions, and
 * a line that nobody knows the beginning of, say nothing.
 */
async function baseOfLine(manager: EntityManager, lineageId: string): Promise<GenerationChanges> {
  const [row] = (await manager.query(BASE, [lineageId])) as readonly { readonly changes: GenerationChanges }[];
  return row?.changes ?? NO_CHANGES;
}

const BASE = `SELECT changes FROM (
  (SELECT point.changes, 1 AS rank, point.generation FROM recovery_point AS point WHERE point.kind = 'image' AND point.lineage_id = $1 AND point.changes IS NOT NULL
    ORDER BY point.generation DESC LIMIT 1)
  UNION ALL
  SELECT point.changes, 2, point.generation FROM lineage JOIN run ON run.id = lineage.run_id JOIN recovery_point AS point ON point.id = run.recovery_point_id
  WHERE lineage.id = $1 AND point.changes IS NOT NULL
) AS known ORDER BY rank, generation DESC LIMIT 1`;
