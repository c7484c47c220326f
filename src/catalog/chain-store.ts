import { In, type EntityManager } from 'typeorm';
import type { Damage } from '../contracts/verification';
import type { InheritedDamage } from '../domain/verification/inherited-damage';
import type { Transaction } from './database';
import { RecoveryPointEntity, type RecoveryPointRow } from './entities';
import { damageHandedDown, heirOf, passesOn } from './recovery-point-chain';
import { retiredDetails, returned } from './retention-facts';

/**
 * Chains of recovery points in their table. What one builds on never changes, so that a chain can be read before its rows are locked. They are locked in the order
 * of their ids, as retention does; those that build on one, from that one on.
 */

/** Ids of all that these build on, directly or indirectly, and of themselves. What is not in the catalogue ends it. */
export const chainOf = async (manager: EntityManager, ids: readonly string[]): Promise<readonly string[]> =>
  ((await manager.query(CHAIN, [[...ids]])) as readonly { readonly id: string }[]).map(({ id }) => id);

const CHAIN = `WITH RECURSIVE chain (id, parent_id) AS (
  SELECT id, parent_id FROM recovery_point WHERE id = ANY($1)
  UNION SELECT parent.id, parent.parent_id FROM recovery_point AS parent JOIN chain ON parent.id = chain.parent_id
) SELECT id FROM chain ORDER BY id`;

/**
 * Whose damage it is that was found by reading `readId`: that of the one which was named, if by what the catalogue knows the one that was read builds on it.
 * Otherwise that of the one which was read, in a file that nobody knows: the one that was named may be another one's.
 */
export async function damageOfRead(
  manager: EntityManager,
  readId: string,
  { named, ...found }: Damage,
): Promise<{ readonly id: string; readonly found: Damage }> {
  if (named === undefined || named === readId) return { id: readId, found };
  if ((await chainOf(manager, [readId])).includes(named)) return { id: named, found };
  const { code, message } = found;
  return { id: readId, found: { code, message } };
}

/** The rows, locked: `write` for those that are changed, `read` against those that would change them. */
export const lockRecoveryPoints = (manager: EntityManager, ids: readonly string[], to: 'read' | 'write'): Promise<readonly RecoveryPointRow[]> =>
  manager.find(RecoveryPointEntity, { where: { id: In([...ids]) }, order: { id: 'ASC' }, lock: { mode: `pessimistic_${to}` } });

/** Those of them that have expired are what they were before. Audited each. */
export async function returnExpired({ manager, audit }: Transaction, rows: readonly RecoveryPointRow[], actor: string): Promise<void> {
  for (const row of rows) {
    if (row.state !== 'expired') continue;
    await manager.update(RecoveryPointEntity, { id: row.id }, returned(row));
    audit({ actor, action: 'recovery-point.returned', serverId: row.serverId, details: retiredDetails(row) });
  }
}

/** What it inherits; null: what it builds on is well, or there is none. */
export async function damageBelow(manager: EntityManager, { parentId }: Pick<RecoveryPointRow, 'parentId'>): Promise<InheritedDamage | null> {
  for (let id = parentId; id !== null;) {
    const parent: RecoveryPointRow | null = await manager.findOneBy(RecoveryPointEntity, { id });
    if (parent === null) return null;
    if (!passesOn(parent)) return damageHandedDown(parent, null);
    id = parent.parentId;
  }
  return null;
}

/**
 * Tells all that builds on this one, which the caller holds and has changed, what it is found to be. Audited each. Layer by layer, each one locked before the
 * next is looked for: whoever adds one holds the one on which it builds, and is waited for, and so is whoever finds one damaged by itself.
 */
export async function handDown({ manager, audit }: Transaction, changed: RecoveryPointRow, actor: string, at: Date): Promise<void> {
  const seen = new Set([changed.id]);
  let layer: ReadonlyMap<string, InheritedDamage | null> = new Map([[changed.id, damageHandedDown(changed, await damageBelow(manager, changed))]]);
  while (layer.size > 0) {
    const above = new Map<string, InheritedDamage | null>();
    const children = await manager.find(RecoveryPointEntity, {
      where: { parentId: In([...layer.keys()]) },
      order: { id: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
    for (const row of children) {
      const heir = seen.has(row.id) ? null : heirOf(row, layer.get(row.parentId ?? '') ?? null, at);
      if (heir === null) continue;
      seen.add(row.id);
      above.set(row.id, heir.handsDown);
      if (heir.changes !== null) await manager.update(RecoveryPointEntity, { id: row.id }, heir.changes);
      const { id: recoveryPointId, generation, runId, serverId } = row;
      if (heir.action !== null) audit({ actor, action: heir.action, runId, serverId, details: { recoveryPointId, generation, why: heir.why } });
    }
    layer = above;
  }
}
