import { In, IsNull, MoreThan, Not, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { watchedProtectionEnd } from '../domain/retention/decommissioning';
import { judgeRetention, retentionContext } from '../domain/retention/retention';
import { retirementSteps, unwatchedMs, type RetirementStep } from '../domain/retention/retirement';
import { recoveryPointNotFound } from '../domain/planning/recovery-point-choice';
import type { ServerRecord } from './catalog';
import type { KnownToRetention, RetentionCatalog } from './port/retention';
import { chainOf, lockRecoveryPoints, returnExpired } from './chain-store';
import type { Database, Transaction } from './database';
import { decommissioningOf } from './decommissioned-row';
import {
  OffsiteCopyEntity,
  OffsiteTransferEntity,
  PolicyEntity,
  RecoveryPointEntity,
  RestorePlanEntity,
  RetentionPassEntity,
  RunEntity,
  ServerEntity,
  VerificationEntity,
  WayBackEntity,
} from './entities';
import { requireServer } from './inventory-store';
import { keptForCopy, offsitePoints, transferUses } from './offsite-row';
import { lockRecoveryPoint } from './recovery-point-store';
import {
  isHeldAlready,
  linesOf,
  PLAN_PINS_MS,
  PLANNING_MS,
  possibleParents,
  RETENTION,
  requireThere,
  recoveryPointUses,
  removal,
  retentionPoint,
  retired,
  retiredBy,
  retiredDetails,
  retiring,
  returned,
  type RetentionColumns,
} from './retention-facts';
import type { SharedNow } from './shared-now';
import { recoveryPointView } from './views';

/** How long recovery points stay, and how they go. */
export function retentionStore(database: Database, now: () => Date, sharedNow: SharedNow): RetentionCatalog {
  return {
    holdRecoveryPoint: (actor, id, reason) =>
      database.transaction(async (transaction) => {
        const { manager, audit } = transaction;
        // With all that it builds on: what stays must not lose that before it is judged again.
        const chain = await lockRecoveryPoints(manager, await chainOf(manager, [id]), 'write');
        const row = chain.find((one) => one.id === id);
        if (row === undefined) throw recoveryPointNotFound(id);
        requireThere(row);
        if (isHeldAlready(row, actor, reason)) return recoveryPointView(row);
        await returnExpired(transaction, chain, actor);
        const hold = { ...returned(row), holdReason: storableText(reason), heldBy: storableText(actor, 256), heldAt: now() };
        await manager.update(RecoveryPointEntity, { id }, hold);
        const { serverId } = row;
        audit({ actor, action: 'recovery-point.held', serverId, details: { recoveryPointId: id, reason: hold.holdReason } });
        return recoveryPointView({ ...row, ...hold });
      }),

    releaseRecoveryPoint: (actor, id, reason) =>
      database.transaction(async ({ manager, audit }) => {
        const row = await lockRecoveryPoint(manager, id);
        if (row.heldAt === null) return recoveryPointView(row);
        const released = { holdReason: null, heldBy: null, heldAt: null };
        await manager.update(RecoveryPointEntity, { id }, released);
        audit({
          actor,
          action: 'recovery-point.released',
          serverId: row.serverId,
          details: { recoveryPointId: id, reason: storableText(reason), heldBy: row.heldBy, heldFor: row.holdReason },
        });
        return recoveryPointView({ ...row, ...released });
      }),

    retentionPoints: (serverId) =>
      database.read(async (manager) => known(manager, await requireServer(manager, serverId), await notDeleted(manager, serverId), now())),

    retireRecoveryPoints: async (keptMs, isTrusted, removesData = false) => {
      const at = await database.read(sharedNow);
      if (!isTrusted(at)) return { expired: 0, returned: 0, deleted: 0, failed: [] };
      await database.transaction(({ manager }) => look(manager, at));
      const found: RetirementStep[] = [];
      const failed: { readonly serverId: string; readonly error: unknown }[] = [];
      for (const serverId of await database.read(serversWithPoints)) {
        try {
          // Mostly there is nothing to do, and nothing is locked.
          if ((await database.read((manager) => steps(manager, serverId, { keptMs, removesData }, at))).size === 0) continue;
          found.push(...(await database.transaction((transaction) => retire(transaction, serverId, { keptMs, removesData }, at))));
        } catch (error) {
          failed.push({ serverId, error });
        }
      }
      const count = (step: RetirementStep): number => found.filter((one) => one === step).length;
      return { expired: count('expires'), returned: count('returns'), deleted: count('goes'), failed };
    },

    listRemovals: () =>
      database.read(async (manager) => {
        const rows = (await manager.query(REMOVALS)) as readonly Parameters<typeof removal>[0][];
        return rows.map(removal);
      }),

    dataInUseBy: (serverId) =>
      database.read(async (manager) => {
        const plannedSince = new Date((await sharedNow(manager)).getTime() - PLANNING_MS);
        const [use] = (await manager.query(DATA_IN_USE, [serverId, plannedSince])) as readonly { readonly words: string }[];
        return use?.words ?? null;
      }),

    recordRemoved: (id) =>
      database.transaction(async ({ manager, audit }) => {
        const row = await lockRecoveryPoint(manager, id);
        if (row.state !== 'deleted' || row.removedAt !== null) return;
        await manager.update(RecoveryPointEntity, { id }, { removedAt: await sharedNow(manager) });
        audit({ actor: RETENTION, action: 'recovery-point.removed', serverId: row.serverId, details: retiredDetails(row) });
      }),
  };
}

/** Whatever dies in between: no image is ever left without one that it builds on. */
const REMOVALS = `SELECT id, kind, server_id AS "serverId", repository FROM recovery_point AS point WHERE state = 'deleted' AND removed_at IS NULL
AND NOT EXISTS (SELECT FROM recovery_point AS child WHERE child.parent_id = point.id AND (child.state <> 'deleted' OR child.removed_at IS NULL)) ORDER BY id`;

const DATA_IN_USE = `SELECT 'run ' || id AS words FROM run WHERE server_id = $1 AND state IN ('accepted', 'running') AND kind <> 'backup-image'
UNION ALL SELECT 'plan ' || id FROM restore_plan WHERE server_id = $1 AND state = 'planning' AND created_at > $2
UNION ALL SELECT 'verification ' || id FROM verification WHERE server_id = $1 AND kind = 'data' AND state = 'running'
UNION ALL SELECT 'transfer ' || transfer.id FROM offsite_transfer AS transfer JOIN recovery_point AS point ON point.id = transfer.recovery_point_id
  WHERE transfer.server_id = $1 AND transfer.state = 'running' AND point.kind = 'data' LIMIT 1`;

const serversWithPoints = async (manager: EntityManager): Promise<readonly string[]> =>
  ((await manager.query(SERVERS)) as readonly { readonly id: string }[]).map(({ id }) => id);

const SERVERS = `SELECT id FROM server
WHERE EXISTS (SELECT FROM recovery_point AS point WHERE point.server_id = server.id AND point.state <> 'deleted') ORDER BY id`;

/** Time that nobody has watched counts for nothing: whoever wanted one back could not have it. */
async function look(manager: EntityManager, at: Date): Promise<void> {
  const last = await manager.findOne(RetentionPassEntity, { where: { id: true }, lock: { mode: 'pessimistic_write' } });
  const lateMs = unwatchedMs(last?.at ?? null, at);
  if (lateMs > 0) {
    await manager.query(
      `UPDATE recovery_point SET deletes_at = deletes_at + $1 * interval '1 millisecond' WHERE state = 'expired' AND deletes_at IS NOT NULL`,
      [lateMs],
    );
  }
  await watchDecommissioned(manager, last?.at ?? null, at);
  await manager.upsert(RetentionPassEntity, { id: true, at }, ['id']);
}

/** The days for which the last recovery points of decommissioned servers are protected are counted by time that was watched, too. */
async function watchDecommissioned(manager: EntityManager, lastLook: Date | null, at: Date): Promise<void> {
  for (const row of await manager.findBy(ServerEntity, { decommissionedAt: Not(IsNull()) })) {
    const decommissioned = decommissioningOf(row);
    if (decommissioned === null) continue;
    const protectsUntil = watchedProtectionEnd(decommissioned, lastLook, at);
    if (protectsUntil.getTime() === row.protectsUntil?.getTime()) continue;
    // Not one that was taken back, or was decommissioned anew, since it was read.
    await manager.update(ServerEntity, { id: row.id, decommissionedAt: row.decommissionedAt ?? undefined }, { protectsUntil });
  }
}

const notDeleted = (manager: EntityManager, serverId: string): Promise<readonly RetentionColumns[]> =>
  manager.find(RecoveryPointEntity, {
    select: {
      id: true,
      kind: true,
      dataSet: true,
      pointInTime: true,
      state: true,
      purpose: true,
      holdReason: true,
      verifiedAt: true,
      checkProblem: true,
      damageOrigin: true,
      bootAt: true,
      bootProblem: true,
      lineageId: true,
      parentId: true,
      expiredAt: true,
      deletesAt: true,
      publishedAt: true,
    },
    where: { serverId, state: Not('deleted') },
    order: { pointInTime: 'ASC', id: 'ASC' },
  });

async function known(
  manager: EntityManager,
  { id: serverId, lineageId, policy: policyName, decommissioned }: Pick<ServerRecord, 'id' | 'lineageId' | 'policy' | 'decommissioned'>,
  rows: readonly RetentionColumns[],
  now: Date,
): Promise<readonly KnownToRetention[]> {
  const openRuns = await manager.find(RunEntity, { select: { id: true, kind: true }, where: { serverId, state: In(['accepted', 'running']) } });
  const wayBacks = await manager.find(WayBackEntity, { select: { runId: true, lineageBefore: true, data: true }, where: { serverId, state: 'open' } });
  const verifications = await manager.find(VerificationEntity, {
    select: { id: true, recoveryPointId: true },
    where: { serverId, state: In(['waiting', 'running']) },
  });
  const runIds = [...openRuns.map(({ id }) => id), ...wayBacks.map(({ runId }) => runId)];
  const plans = await manager.findBy(RestorePlanEntity, [
    { serverId, state: In(['planning', 'ready']), createdAt: MoreThan(new Date(now.getTime() - PLAN_PINS_MS)) },
    ...(runIds.length === 0 ? [] : [{ serverId, runId: In(runIds) }]),
  ]);
  const open = { runs: new Set(openRuns.map(({ id }) => id)), wayBacks: new Set(wayBacks.map(({ runId }) => runId)), verifications };
  const backup = openRuns.find(({ kind }) => kind === 'backup-image') ?? null;
  const transfers = await manager.find(OffsiteTransferEntity, { where: { serverId, state: In(['waiting', 'running']) } });
  const uses = new Map([...possibleParents(rows, lineageId, backup?.id ?? null), ...transferUses(transfers), ...recoveryPointUses(plans, open, now)]);
  const lines = linesOf({ lineageId }, wayBacks);
  const byId = new Map(rows.map((row) => [row.id, row]));
  const points = rows.map((row) => retentionPoint(row, uses, lines, (id) => byId.get(id)));
  // Of a server that is out of service nothing is copied any more: nothing waits for that.
  const policy = policyName === null || decommissioned !== null ? null : await manager.findOneBy(PolicyEntity, { name: policyName });
  if (policy === null || policy.offsite === null) return points;
  const copies = await manager.findBy(OffsiteCopyEntity, { offsite: policy.offsite.repository, recoveryPointId: In(rows.map(({ id }) => id)) });
  return keptForCopy(points, offsitePoints(rows, copies, policy.offsite.repository), policy, now);
}

interface Rules {
  readonly keptMs: number;
  readonly removesData: boolean;
}

async function steps(manager: EntityManager, serverId: string, { keptMs, removesData }: Rules, now: Date): Promise<ReadonlyMap<string, RetirementStep>> {
  const server = await requireServer(manager, serverId);
  const policy = server.policy === null ? null : await manager.findOneBy(PolicyEntity, { name: server.policy });
  const rows = await notDeleted(manager, serverId);
  const verdicts = judgeRetention(await known(manager, server, rows, now), retentionContext(policy, server.decommissioned, now));
  return retirementSteps(
    rows.map((row) => retiring(row, removesData)),
    verdicts,
    keptMs,
    now,
  );
}

/** Whoever begins to use one holds its row, whoever changes the policy its own: who is first decides, and the other one sees it. */
async function retire({ manager, audit }: Transaction, serverId: string, rules: Rules, now: Date): Promise<readonly RetirementStep[]> {
  const [server] = (await manager.query('SELECT policy, decommissioned_at FROM server WHERE id = $1 FOR SHARE', [serverId])) as readonly {
    readonly policy: string | null;
    readonly decommissioned_at: Date | null;
  }[];
  const policy = server?.policy ?? null;
  const rule = retiredBy(policy, server?.decommissioned_at?.toISOString());
  if (policy !== null) await manager.query('SELECT name FROM policy WHERE name = $1 FOR SHARE', [policy]);
  await manager.query(`SELECT id FROM recovery_point WHERE server_id = $1 AND state <> 'deleted' ORDER BY id FOR UPDATE`, [serverId]);
  const found = await steps(manager, serverId, rules, now);
  for (const [id, step] of found) {
    const row = await lockRecoveryPoint(manager, id);
    await manager.update(RecoveryPointEntity, { id }, retired(retiring(row, rules.removesData), step, rules.keptMs, now));
    const action = ACTIONS[step];
    if (action !== null) audit({ actor: RETENTION, action, serverId, details: { ...retiredDetails(row), ...rule } });
  }
  return [...found.values()];
}

const ACTIONS: Readonly<Record<RetirementStep, string | null>> = {
  expires: 'recovery-point.expired',
  returns: 'recovery-point.returned',
  waits: null,
  goes: 'recovery-point.deleted',
};
