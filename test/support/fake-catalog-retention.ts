import type { AuditEvent } from '../../src/audit/append-audit';
import { storableText } from '../../src/audit/storable';
import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import type { PolicyRow, RecoveryPointRow, RestorePlanRow, RunRow, VerificationRow } from '../../src/catalog/entities';
import {
  isHeldAlready,
  linesOf,
  type OpenWayBack,
  PLANNING_MS,
  possibleParents,
  recoveryPointUses,
  removal,
  requireThere,
  RETENTION,
  retentionPoint,
  retired,
  retiredBy,
  retiredDetails,
  retiring,
  returned,
} from '../../src/catalog/retention-facts';
import type { OffsiteCopyRow, OffsiteTransferRow } from '../../src/catalog/entities';
import { keptForCopy, offsitePoints, transferUses } from '../../src/catalog/offsite-row';
import { recoveryPointView } from '../../src/catalog/views';
import { isFinal } from '../../src/contracts/run';
import { watchedProtectionEnd } from '../../src/domain/retention/decommissioning';
import { judgeRetention, retentionContext } from '../../src/domain/retention/retention';
import { retirementSteps, unwatchedMs } from '../../src/domain/retention/retirement';
import type { FakeChains } from './fake-catalog-chains';

/** What the rest of the catalogue in memory offers. */
export interface RetentionSurroundings {
  readonly chains: FakeChains;
  now(): Date;
  server(serverId: string): ServerRecord;
  servers(): readonly ServerRecord[];
  policies(): ReadonlyMap<string, PolicyRow>;
  plans(): readonly RestorePlanRow[];
  runs(): readonly RunRow[];
  openWayBacks(serverId: string): Promise<readonly OpenWayBack[]>;
  verifications(): readonly VerificationRow[];
  transfers(): readonly OffsiteTransferRow[];
  copies(): readonly OffsiteCopyRow[];
  point(id: string): RecoveryPointRow;
  points(): readonly RecoveryPointRow[];
  setPoint(row: RecoveryPointRow): void;
  setServer(server: ServerRecord): void;
  append(event: AuditEvent): void;
}

/** How long recovery points stay, in memory. */
export class FakeRetention {
  private lastLook: Date | null = null;

  constructor(private readonly around: RetentionSurroundings) {}

  hold: Catalog['holdRecoveryPoint'] = async (actor, id, reason) => {
    const { around } = this;
    const row = around.point(id);
    requireThere(row);
    if (isHeldAlready(row, actor, reason)) return recoveryPointView(row);
    around.chains.returnExpired(around.chains.of([id]), actor);
    const held = { ...row, ...returned(row), holdReason: storableText(reason), heldBy: actor, heldAt: around.now() };
    around.setPoint(held);
    const { serverId } = row;
    around.append({ actor, action: 'recovery-point.held', serverId, details: { recoveryPointId: id, reason: held.holdReason } });
    return recoveryPointView(held);
  };

  release: Catalog['releaseRecoveryPoint'] = async (actor, id, reason) => {
    const row = this.around.point(id);
    if (row.heldAt === null) return recoveryPointView(row);
    const released = { ...row, holdReason: null, heldBy: null, heldAt: null };
    this.around.setPoint(released);
    const details = { recoveryPointId: id, reason, heldBy: row.heldBy, heldFor: row.holdReason };
    this.around.append({ actor, action: 'recovery-point.released', serverId: row.serverId, details });
    return recoveryPointView(released);
  };

  points: Catalog['retentionPoints'] = async (serverId) => {
    const { around } = this;
    const server = around.server(serverId);
    const open = await around.openWayBacks(serverId);
    const plans = around.plans().filter((plan) => plan.serverId === serverId && plan.state !== 'failed');
    const unfinished = around.runs().filter(({ state }) => !isFinal(state));
    const runs = new Set(unfinished.map(({ id }) => id));
    const backup = unfinished.find((run) => run.serverId === serverId && run.kind === 'backup-image') ?? null;
    const wayBacks = new Set(open.map(({ runId }) => runId));
    const verifications = around.verifications().filter(({ finishedAt }) => finishedAt === null);
    const rows = this.rows(serverId);
    const uses = new Map([
      ...possibleParents(rows, server.lineageId, backup?.id ?? null),
      ...transferUses(this.openTransfers(serverId)),
      ...recoveryPointUses(plans, { runs, wayBacks, verifications }, around.now()),
    ]);
    const points = rows.map((row) => retentionPoint(row, uses, linesOf(server, open), (id) => rows.find((one) => one.id === id)));
    const policy = server.decommissioned === null ? (around.policies().get(server.policy ?? '') ?? null) : null;
    return keptForCopy(points, offsitePoints(rows, around.copies(), policy?.offsite?.repository ?? ''), policy, around.now());
  };

  retire: Catalog['retireRecoveryPoints'] = async (keptMs, isTrusted, removesData = false) => {
    const { around } = this;
    const done = { expired: 0, returned: 0, deleted: 0, failed: [] };
    const now = around.now();
    if (!isTrusted(now)) return done;
    const lateMs = unwatchedMs(this.lastLook, now);
    this.watchDecommissioned(now);
    this.lastLook = now;
    for (const row of around.points()) {
      if (row.state === 'expired' && row.deletesAt !== null) around.setPoint({ ...row, deletesAt: new Date(row.deletesAt.getTime() + lateMs) });
    }
    for (const { id: serverId, policy: name, decommissioned } of around.servers()) {
      const policy = around.policies().get(name ?? '') ?? null;
      const verdicts = judgeRetention(await this.points(serverId), retentionContext(policy, decommissioned, now));
      const rows = this.rows(serverId).map((row) => retiring(row, removesData));
      for (const [id, step] of retirementSteps(rows, verdicts, keptMs, now)) {
        const row = around.point(id);
        around.setPoint({ ...row, ...retired(retiring(row, removesData), step, keptMs, now) });
        if (step === 'waits') continue;
        const [action, count] = STEPS[step];
        done[count] += 1;
        around.append({ actor: RETENTION, action, serverId, details: { ...retiredDetails(row), ...retiredBy(name, decommissioned?.at) } });
      }
    }
    return done;
  };

  private watchDecommissioned(now: Date): void {
    for (const server of this.around.servers()) {
      const { decommissioned } = server;
      if (decommissioned === null) continue;
      const protectsUntil = watchedProtectionEnd(decommissioned, this.lastLook, now).toISOString();
      this.around.setServer({ ...server, decommissioned: { ...decommissioned, protectsUntil } });
    }
  }

  listRemovals: Catalog['listRemovals'] = async () =>
    this.around
      .points()
      .filter(({ id, state, removedAt }) => state === 'deleted' && removedAt === null && !this.isNeeded(id))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .map(removal);

  dataInUseBy: Catalog['dataInUseBy'] = async (serverId) => {
    const { around } = this;
    const since = around.now().getTime() - PLANNING_MS;
    const run = around.runs().find((one) => one.serverId === serverId && !isFinal(one.state) && one.kind !== 'backup-image');
    const plan = around.plans().find((one) => one.serverId === serverId && one.state === 'planning' && one.createdAt.getTime() > since);
    const verification = around.verifications().find((one) => one.serverId === serverId && one.kind === 'data' && one.state === 'running');
    if (run !== undefined) return `run ${run.id}`;
    if (plan !== undefined) return `plan ${plan.id}`;
    if (verification !== undefined) return `verification ${verification.id}`;
    const transfer = this.openTransfers(serverId).find(
      (one) => one.state === 'running' && one.recoveryPointId !== null && around.point(one.recoveryPointId).kind === 'data',
    );
    return transfer === undefined ? null : `transfer ${transfer.id}`;
  };

  private openTransfers(serverId: string): readonly OffsiteTransferRow[] {
    return this.around.transfers().filter((one) => one.serverId === serverId && one.finishedAt === null);
  }

  recordRemoved: Catalog['recordRemoved'] = async (id) => {
    const row = this.around.point(id);
    if (row.state !== 'deleted' || row.removedAt !== null) return;
    this.around.setPoint({ ...row, removedAt: this.around.now() });
    this.around.append({ actor: RETENTION, action: 'recovery-point.removed', serverId: row.serverId, details: retiredDetails(row) });
  };

  /** One whose files may still be there builds on it. */
  private isNeeded(id: string): boolean {
    return this.around.points().some(({ parentId, state, removedAt }) => parentId === id && (state !== 'deleted' || removedAt === null));
  }

  private rows(serverId: string): readonly RecoveryPointRow[] {
    return this.around
      .points()
      .filter((row) => row.serverId === serverId && row.state !== 'deleted')
      .toSorted((a, b) => a.pointInTime.getTime() - b.pointInTime.getTime() || (a.id < b.id ? -1 : 1));
  }
}

const STEPS = {
  expires: ['recovery-point.expired', 'expired'],
  returns: ['recovery-point.returned', 'returned'],
  goes: ['recovery-point.deleted', 'deleted'],
} as const;
