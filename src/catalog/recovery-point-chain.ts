import { storableText } from '../audit/storable';
import type { Damage } from '../contracts/verification';
import { stateBefore } from '../domain/retention/retirement';
import { builtOnDeleted, inheritedDamage, isHandedDown, type InheritedDamage } from '../domain/verification/inherited-damage';
import { isDamage } from '../domain/verification/verification';
import type { RecoveryPointRow } from './entities';

/**
 * What the state of a recovery point means for those that build on it. One is damaged by itself, or because of what it builds on, or not at all; what is shown
 * of one that is both is its own. Pure.
 */

type DamageColumns = Pick<RecoveryPointRow, 'state' | 'stateReason' | 'checkProblem' | 'damageOrigin' | 'damageFile'>;
type StateColumns = DamageColumns & Pick<RecoveryPointRow, 'checkedAt'>;

/** The columns of one that was found to be this; of damage: its own, or what it inherits. */
export const stateFound = (state: 'usable' | 'damaged', why: Damage | InheritedDamage, at: Date): StateColumns => {
  const stateReason = storableText(why.message);
  const isDamaged = state === 'damaged';
  return {
    state,
    stateReason,
    checkedAt: at,
    checkProblem: isDamaged ? { code: why.code, message: stateReason } : null,
    damageOrigin: isDamaged && 'origin' in why ? why.origin : null,
    damageFile: isDamaged && 'file' in why && why.file !== undefined ? storableText(why.file) : null,
  };
};

/** The same of one that goes all the same: should somebody have it back, it is known. */
const foundOfRetired = ({ checkedAt, checkProblem, damageOrigin, damageFile }: StateColumns): Partial<StateColumns> => ({
  checkedAt,
  checkProblem,
  damageOrigin,
  damageFile,
});

/** What is known to be wrong with it, its own or inherited; null: nothing. */
function knownDamage(row: DamageColumns): Damage | InheritedDamage | null {
  if (stateBefore(row) !== 'damaged') return null;
  const { checkProblem, stateReason, damageOrigin, damageFile } = row;
  const { code, message } =
    checkProblem !== null && isDamage(checkProblem) ? checkProblem : { code: 'RECOVERY_POINT_CORRUPT', message: stateReason ?? 'it was found damaged' };
  const known = { code: code as Damage['code'], message };
  if (damageOrigin !== null) return { ...known, origin: damageOrigin };
  return damageFile === null ? known : { ...known, file: damageFile };
}

/** What it is damaged by itself; null: by nothing, or only by what it builds on. */
function ownDamage(row: DamageColumns): Damage | null {
  const known = knownDamage(row);
  return known === null || 'origin' in known ? null : known;
}

/**
 * The damage of what builds on it; null: none. One that has inherited its own hands that on: people are told where it began.
 *
 * @param below what the one below it hands down: one whose own damage is only its own hands that on, too
 */
export function damageHandedDown(row: Pick<RecoveryPointRow, 'id'> & DamageColumns, below: InheritedDamage | null): InheritedDamage | null {
  if (row.state === 'deleted') return builtOnDeleted(row.id);
  const known = knownDamage(row);
  if (known === null) return null;
  if ('origin' in known) return known;
  return isHandedDown(known) ? inheritedDamage(row.id, known) : below;
}

/** Whether what it hands down depends on what is below it: it is damaged, and only by itself. */
export function passesOn(row: DamageColumns): boolean {
  const own = ownDamage(row);
  return row.state !== 'deleted' && own !== null && !isHandedDown(own);
}

/** Whether damage that was found takes the place of what is known. What others inherit is not forgotten for what they do not. */
function isNews(row: DamageColumns, found: Damage, replaces: boolean): boolean {
  const own = ownDamage(row);
  if (own === null) return true;
  if (isHandedDown(own) !== isHandedDown(found)) return isHandedDown(found);
  return replaces;
}

export interface Reading {
  readonly changes: Partial<StateColumns>;
  /** What the audit calls it; null: its state is the same. */
  readonly action: 'recovery-point.damaged' | 'recovery-point.usable' | null;
  /** False: nothing of it is new to those that build on it. */
  readonly isTold: boolean;
}

/**
 * What becomes of one that somebody has read, and found to be this. Found well, it is damaged all the same while it inherits. Null: nothing.
 *
 * @param below what it inherits
 * @param replaces a verification has read it: what that finds is what people are shown. Otherwise its own damage that is known stays
 */
export function afterReading(
  row: RecoveryPointRow,
  found: { readonly state: 'usable' | 'damaged'; readonly why: Damage },
  { below, at, replaces }: { readonly below: InheritedDamage | null; readonly at: Date; readonly replaces: boolean },
): Reading | null {
  const { state, why } = found;
  const isRetired = row.state === 'expired' || row.state === 'deleted';
  if (state === 'usable') {
    if (row.state !== 'damaged') return null;
    if (below !== null) return { changes: stateFound('damaged', below, at), action: null, isTold: true };
    return { changes: stateFound('usable', why, at), action: 'recovery-point.usable', isTold: true };
  }
  if (!isNews(row, why, replaces || isRetired)) return replaces ? { changes: { checkedAt: at }, action: null, isTold: false } : null;
  const columns = stateFound('damaged', why, at);
  if (isRetired) return { changes: foundOfRetired(columns), action: null, isTold: true };
  return { changes: columns, action: row.state === 'damaged' ? null : 'recovery-point.damaged', isTold: true };
}

export interface Heir {
  /** Null: it stays what it is. */
  readonly changes: Partial<StateColumns> | null;
  /** What the audit calls it; null: its state is the same. */
  readonly action: 'recovery-point.damaged' | 'recovery-point.usable' | null;
  readonly why: string;
  /** For those that build on it in their turn. */
  readonly handsDown: InheritedDamage | null;
}

/**
 * What becomes of one that builds on another when it is known anew what that hands down. One that is damaged by itself stays so, for its own reason. Null:
 * neither for it nor for what builds on it anything changes.
 *
 * @param handedDown what the one directly below it hands down; null: nothing
 */
export function heirOf(row: RecoveryPointRow, handedDown: InheritedDamage | null, at: Date): Heir | null {
  const known = knownDamage(row);
  if (known === null && handedDown === null) return null;
  if (known !== null && !('origin' in known)) {
    return isHandedDown(known) ? null : { changes: null, action: null, why: '', handsDown: damageHandedDown(row, handedDown) };
  }
  const to = handedDown === null ? 'usable' : 'damaged';
  const found = handedDown ?? wellAgain(known?.origin ?? row.id);
  const isRetired = row.state === 'expired' || row.state === 'deleted';
  const columns = stateFound(to, found, at);
  const changes = isRetired ? foundOfRetired(columns) : columns;
  return {
    changes,
    action: isRetired || row.state === to ? null : `recovery-point.${to}`,
    why: found.message,
    handsDown: damageHandedDown({ ...row, ...changes }, null),
  };
}

const wellAgain = (origin: string): Damage => ({ code: 'RECOVERY_POINT_CORRUPT', message: `recovery point ${origin}, on which it builds, is well again` });

/** All that these build on, directly or indirectly, and themselves. */
export function chainIds(ids: readonly string[], parentOf: (id: string) => string | null): ReadonlySet<string> {
  const chain = new Set(ids);
  // A set that grows while it is walked through is walked to its end.
  for (const id of chain) {
    const parent = parentOf(id);
    if (parent !== null) chain.add(parent);
  }
  return chain;
}

/**
 * When it was last proven, with all that it builds on: as long ago as the part of it that was read longest ago, because it is worth as much as that. Null: some
 * part was never read, or nobody knows it. A verification of an incremental reads its own images; that says nothing about those below them.
 */
export function provenAt<Row extends Pick<RecoveryPointRow, 'id' | 'parentId' | 'verifiedAt'>>(row: Row, find: (id: string) => Row | undefined): Date | null {
  let oldest: Date | null = null;
  for (const id of chainIds([row.id], (one) => find(one)?.parentId ?? null)) {
    const verifiedAt = find(id)?.verifiedAt ?? null;
    if (verifiedAt === null) return null;
    if (oldest === null || verifiedAt < oldest) oldest = verifiedAt;
  }
  return oldest;
}
