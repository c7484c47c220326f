import type { AuditEvent } from '../../src/audit/append-audit';
import type { RecoveryPointRow } from '../../src/catalog/entities';
import { afterReading, chainIds, damageHandedDown, heirOf, passesOn, stateFound } from '../../src/catalog/recovery-point-chain';
import { FETCHED } from '../../src/catalog/offsite-store';
import { stateDetails, WORKER } from '../../src/catalog/recovery-point-store';
import { retiredDetails, returned } from '../../src/catalog/retention-facts';
import type { Damage } from '../../src/contracts/verification';
import type { InheritedDamage } from '../../src/domain/verification/inherited-damage';

/** What the rest of the catalogue in memory offers. */
export interface ChainSurroundings {
  now(): Date;
  find(id: string): RecoveryPointRow | undefined;
  points(): readonly RecoveryPointRow[];
  setPoint(row: RecoveryPointRow): void;
  append(event: AuditEvent): void;
}

/** Recovery points that build on others, in memory. */
export class FakeChains {
  constructor(private readonly around: ChainSurroundings) {}

  /** All that these build on, and themselves. */
  of(ids: readonly string[]): readonly RecoveryPointRow[] {
    return [...chainIds(ids, (id) => this.around.find(id)?.parentId ?? null)].sort().flatMap((id) => this.around.find(id) ?? []);
  }

  /** What it is when it is published, because of what it builds on. */
  born(row: RecoveryPointRow): RecoveryPointRow {
    const damage = this.damageBelow(row);
    return damage === null ? row : { ...row, ...stateFound('damaged', damage, this.around.now()) };
  }

  returnExpired(rows: readonly RecoveryPointRow[], actor: string): void {
    for (const row of rows) {
      if (row.state !== 'expired') continue;
      this.around.setPoint({ ...row, ...returned(row) });
      this.around.append({ actor, action: 'recovery-point.returned', serverId: row.serverId, details: retiredDetails(row) });
    }
  }

  damageOfRead(readId: string, { named, ...found }: Damage): { readonly id: string; readonly found: Damage } {
    if (named === undefined || named === readId) return { id: readId, found };
    if (this.of([readId]).some(({ id }) => id === named)) return { id: named, found };
    return { id: readId, found: { code: found.code, message: found.message } };
  }

  /** As the real one does; false: it is not usable although it was found well. */
  setState(row: RecoveryPointRow, found: { readonly state: 'usable' | 'damaged'; readonly why: Damage }, at: Date, replaces: boolean): boolean {
    const { around } = this;
    const below = found.state === 'usable' ? this.damageBelow(row) : null;
    const reading = afterReading(row, found, { below, at, replaces });
    if (reading !== null) {
      const { runId, serverId } = row;
      const changed = { ...row, ...reading.changes };
      around.setPoint(changed);
      if (reading.action !== null) around.append({ actor: WORKER, action: reading.action, runId, serverId, details: stateDetails(row, found.why.message) });
      if (reading.isTold) this.handDown(row.id, damageHandedDown(changed, this.damageBelow(changed)), at, new Set([row.id]));
    }
    return below === null;
  }

  /** Its files are whole again. */
  setFetched(row: RecoveryPointRow, at: Date): void {
    if (row.state === 'damaged') this.setState(row, FETCHED, at, true);
    else this.handDown(row.id, damageHandedDown(row, this.damageBelow(row)), at, new Set([row.id]));
  }

  private damageBelow({ parentId }: RecoveryPointRow): InheritedDamage | null {
    const parent = parentId === null ? undefined : this.around.find(parentId);
    if (parent === undefined) return null;
    return passesOn(parent) ? this.damageBelow(parent) : damageHandedDown(parent, null);
  }

  private handDown(id: string, damage: InheritedDamage | null, at: Date, seen: Set<string>): void {
    for (const row of this.around.points().filter(({ parentId }) => parentId === id)) {
      const heir = seen.has(row.id) ? null : heirOf(row, damage, at);
      if (heir === null) continue;
      seen.add(row.id);
      if (heir.changes !== null) this.around.setPoint({ ...row, ...heir.changes });
      const { runId, serverId } = row;
      if (heir.action !== null) this.around.append({ actor: WORKER, action: heir.action, runId, serverId, details: stateDetails(row, heir.why) });
      this.handDown(row.id, heir.handsDown, at, seen);
    }
  }
}
