import { And, In, LessThan, LessThanOrEqual, MoreThan, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import type { Schedule } from '../contracts/policy';
import type { Damage, VerificationInput, VerificationOutcome, VerificationView } from '../contracts/verification';
import { SKEW_MS } from '../domain/clock-skew';
import { isBootDue } from '../domain/verification/boot-proof';
import { bootPlace, DATA_PLACE, isOutdated, nextTurn, placesFoundAway, placesOfRestores } from '../domain/verification/turns';
import { OWN_FILES } from '../domain/verification/inherited-damage';
import { AWAY_FOR_MS, dueMoments, isDataDue } from '../domain/verification/verification';
import type { VerificationCatalog } from './port/verifications';
import type { Database, Transaction } from './database';
import { SCHEDULE } from './due-backup-row';
import { RecoveryPointEntity, RunEntity, ServerEntity, VerificationEntity, type RecoveryPointRow, type VerificationRow } from './entities';
import { requireServer, serverNames } from './inventory-store';
import { damageOfRead } from './chain-store';
import { newestFirst } from './newest-first';
import { lockRecoveryPoint, requireRecoveryPoint, setRecoveryPointState, WORKER } from './recovery-point-store';
import type { SharedNow } from './shared-now';
import {
  bootColumns,
  cancelledBefore,
  endedDetails,
  ofBoot,
  ofData,
  ofRecoveryPoint,
  storedOutcome,
  verificationFinished,
  verificationInput,
  verificationNotFound,
  verificationView,
  WELL_AGAIN,
} from './verification-row';

/** Advisory lock: whoever has it writes one down, or begins the next. */
const VERIFICATION_LOCK = 7_361_007;

export function verificationStore(database: Database, sharedNow: SharedNow): VerificationCatalog {
  return {
    requestVerification: ({ actor, reason, ...what }) =>
      database.transaction(async ({ manager, audit }) => {
        await manager.query('SELECT pg_advisory_xact_lock($1)', [VERIFICATION_LOCK]);
        const now = await sharedNow(manager);
        const asked = { requestedBy: actor, reason };
        const row = await requested(manager, what, asked, now);
        const open = await manager.findOneBy(VerificationEntity, { subject: row.subject, state: In(['waiting', 'running']) });
        if (open !== null) return view(manager, open);
        await manager.insert(VerificationEntity, row);
        const { id: verificationId, serverId, recoveryPointId } = row;
        audit({ actor, action: 'verification.requested', serverId, details: { verificationId, recoveryPointId, method: row.method, reason: row.reason } });
        return view(manager, row);
      }),

    cancelVerification: ({ actor, id, reason }) =>
      database.transaction(async ({ manager, audit }) => {
        const row = await lockVerification(manager, id);
        if (row.finishedAt !== null) throw verificationFinished(row);
        audit({ actor, action: 'verification.cancel-requested', serverId: row.serverId, details: { verificationId: id, reason: storableText(reason) } });
        if (row.state === 'running') {
          await manager.update(VerificationEntity, { id }, { cancelRequested: true });
        } else {
          const outcome = cancelledBefore(actor, reason);
          await manager.update(VerificationEntity, { id }, { ...storedOutcome(outcome), finishedAt: await sharedNow(manager), waitsFor: null });
          audit({ actor, action: 'verification.not-run', serverId: row.serverId, details: endedDetails(row, outcome) });
        }
        return view(manager, await requireVerification(manager, id));
      }),

    startNextVerification: (which) =>
      database.transaction(async (transaction) => {
        const { manager } = transaction;
        if (!(await isFree(manager))) return null;
        const now = await sharedNow(manager);
        const asked = await manager.find(VerificationEntity, { where: { state: 'waiting' }, order: { requestedAt: 'ASC', id: 'ASC' } });
        if (asked.length === 0 && which === 'asked') return null;
        const turn = nextTurn(asked, await manager.findBy(VerificationEntity, { state: 'running' }), await restores(manager));
        for (const row of asked) {
          const waitsFor = turn.waitsFor.get(row.id);
          if (waitsFor !== undefined && waitsFor !== row.waitsFor) await manager.update(VerificationEntity, { id: row.id }, { waitsFor });
        }
        if (turn.begin !== null) return begin(transaction, turn.begin, now);
        if (which === 'asked') return null;
        const taken = new Set([...turn.taken, ...(await placesAway(manager, now))]);
        const due =
          (await dueImage(manager, taken, now)) ?? (taken.has(DATA_PLACE) ? null : await dueData(manager, now)) ?? (await dueBoot(manager, taken, now));
        if (due === null) return null;
        await manager.insert(VerificationEntity, due);
        return begin(transaction, due, now);
      }),

    listRunningVerifications: (olderThan) =>
      database.read(async (manager) => {
        const rows = await manager.find(VerificationEntity, { where: { state: 'running', startedAt: LessThan(olderThan) }, order: { startedAt: 'ASC' } });
        return Promise.all(rows.map(async (row) => ({ input: await inputOf(manager, row), cancelRequested: row.cancelRequested })));
      }),

    dataToVerify: (serverId) =>
      database.read(async (manager) => {
        const rows = (await manager.query(DATA_TO_VERIFY, [serverId])) as readonly {
          readonly id: string;
          readonly snapshot_id: string;
          readonly state: RecoveryPointRow['state'];
          readonly read_at: Date | null;
        }[];
        return rows.map(({ id, snapshot_id: snapshotId, state, read_at: readAt }) => ({
          recoveryPointId: id,
          snapshotId,
          isUsable: state === 'usable',
          readAt: readAt?.toISOString() ?? null,
        }));
      }),

    recordVerificationProgress: (id, doneBytes, totalBytes) =>
      database.transaction(async ({ manager }) => {
        await manager.update(VerificationEntity, { id, state: 'running' }, { doneBytes, totalBytes });
      }),

    recordVerdict: (verificationId, recoveryPointId, damage) =>
      database.transaction(async (transaction) => {
        const { manager } = transaction;
        const verification = await lockVerification(manager, verificationId);
        // It was ended meanwhile, and may have been begun anew.
        if (verification.finishedAt !== null) return;
        const at = await sharedNow(manager);
        const { id, found } = damage === null ? { id: recoveryPointId, found: null } : await damageOfRead(manager, recoveryPointId, damage);
        await setVerdict(transaction, verification, await lockRecoveryPoint(manager, id), found, at);
        // Somebody has looked, and others have their turn: it is not read again at once.
        if (id !== recoveryPointId) await manager.update(RecoveryPointEntity, { id: recoveryPointId }, { checkedAt: at });
      }),

    finishVerification: (id, outcome) =>
      database.transaction(async (transaction) => {
        const { manager, audit } = transaction;
        const row = await lockVerification(manager, id);
        if (row.finishedAt !== null) return;
        const at = await sharedNow(manager);
        await manager.update(VerificationEntity, { id }, { ...storedOutcome(outcome), finishedAt: at, waitsFor: null });
        await concludeFor(manager, row, outcome, at);
        audit({ actor: WORKER, action: `verification.${outcome.state}`, serverId: row.serverId, details: endedDetails(row, outcome) });
      }),

    getVerification: (id) => database.read(async (manager) => view(manager, await requireVerification(manager, id))),

    listVerifications: ({ serverId, state }, page) =>
      database.read((manager) =>
        newestFirst(manager, { entity: VerificationEntity, kind: 'verifications', by: 'requestedAt' }, { serverId, state }, page, async (rows) => {
          const names = await serverNames(
            manager,
            rows.map((row) => row.serverId),
          );
          return rows.map((row) => verificationView(row, names.get(row.serverId) ?? ''));
        }),
      ),
  };
}

async function requested(
  manager: EntityManager,
  what: { readonly method: 'checksums' | 'boot'; readonly recoveryPointId: string } | { readonly method: 'structure'; readonly serverId: string },
  asked: Pick<VerificationRow, 'requestedBy' | 'reason'>,
  now: Date,
): Promise<VerificationRow> {
  if (what.method === 'structure') return ofData((await requireServer(manager, what.serverId)).id, 0, 1, asked, now);
  const point = await requireRecoveryPoint(manager, what.recoveryPointId);
  if (what.method === 'checksums') return ofRecoveryPoint(point, asked, now);
  const newest = await newestImage(manager, point.serverId, now);
  return ofBoot(point, await requireServer(manager, point.serverId), newest === point.id, asked, now);
}

async function newestImage(manager: EntityManager, serverId: string, now: Date): Promise<string | null> {
  const newest = await manager.findOne(RecoveryPointEntity, {
    select: { id: true },
    where: { serverId, kind: 'image', state: 'usable', pointInTime: LessThanOrEqual(new Date(now.getTime() + SKEW_MS)) },
    order: { pointInTime: 'DESC', id: 'DESC' },
  });
  return newest?.id ?? null;
}

const isFree = async (manager: EntityManager): Promise<boolean> =>
  ((await manager.query('SELECT pg_try_advisory_xact_lock($1) AS free', [VERIFICATION_LOCK])) as readonly { readonly free: boolean }[])[0]?.free === true;

async function requireVerification(manager: EntityManager, id: string): Promise<VerificationRow> {
  const row = await manager.findOneBy(VerificationEntity, { id });
  if (row === null) throw verificationNotFound(id);
  return row;
}

async function lockVerification(manager: EntityManager, id: string): Promise<VerificationRow> {
  const row = await manager.findOne(VerificationEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (row === null) throw verificationNotFound(id);
  return row;
}

async function view(manager: EntityManager, row: VerificationRow): Promise<VerificationView> {
  return verificationView(row, (await serverNames(manager, [row.serverId])).get(row.serverId) ?? '');
}

async function inputOf(manager: EntityManager, row: VerificationRow): Promise<VerificationInput> {
  const { subject, recoveryPointId } = row;
  const repository = recoveryPointId === null ? null : (await requireRecoveryPoint(manager, recoveryPointId)).repository;
  const [last = null] = await manager.find(VerificationEntity, {
    where: { subject, state: In(['passed', 'failed', 'not-run']) },
    order: { finishedAt: 'DESC' },
    take: 1,
  });
  return verificationInput(row, await requireServer(manager, row.serverId), repository, last);
}

async function restores(manager: EntityManager): Promise<ReadonlyMap<string, string>> {
  const runs = await manager.find(RunEntity, {
    select: { id: true, kind: true, serverId: true, waitingFor: true, recoveryPointId: true },
    where: { state: In(['accepted', 'running']), kind: In(['restore-server', 'restore-data']) },
  });
  const ids = runs.flatMap(({ recoveryPointId }) => (recoveryPointId === null ? [] : [recoveryPointId]));
  const points = await manager.find(RecoveryPointEntity, { select: { id: true, repository: true }, where: { id: In(ids) } });
  const servers = await manager.find(ServerEntity, { select: { id: true, hypervisor: true }, where: { id: In(runs.map(({ serverId }) => serverId)) } });
  const repositories = new Map(points.map(({ id, repository }) => [id, repository]));
  const hypervisors = new Map(servers.map(({ id, hypervisor }) => [id, hypervisor]));
  return placesOfRestores(runs, ({ recoveryPointId, serverId }) => ({
    repository: repositories.get(recoveryPointId ?? '') ?? null,
    hypervisor: hypervisors.get(serverId) ?? null,
  }));
}

async function placesAway(manager: EntityManager, now: Date): Promise<readonly string[]> {
  return placesFoundAway(
    await manager.findBy(VerificationEntity, {
      finishedAt: And(MoreThan(new Date(now.getTime() - AWAY_FOR_MS)), LessThanOrEqual(new Date(now.getTime() + SKEW_MS))),
    }),
  );
}

async function begin({ manager, audit }: Transaction, row: VerificationRow, now: Date): Promise<VerificationInput | null> {
  const { id, recoveryPointId, method, requestedBy } = row;
  const { affected } = await manager.update(VerificationEntity, { id, state: 'waiting' }, { state: 'running', startedAt: now, waitsFor: null });
  // It was cancelled since.
  if (affected !== 1) return null;
  audit({ actor: requestedBy, action: 'verification.started', serverId: row.serverId, details: { verificationId: id, recoveryPointId, method } });
  return inputOf(manager, row);
}

/** The image that has waited longest: those first that nobody has ever read, then those that are missing, then those that were read longest ago. */
async function dueImage(manager: EntityManager, taken: ReadonlySet<string>, now: Date): Promise<VerificationRow | null> {
  const policies = (await manager.query(VERIFYING_POLICIES)) as readonly { readonly name: string; readonly every_days: number }[];
  const { latest, checkedUntil } = dueMoments(Infinity, now);
  const until = policies.map(({ every_days: everyDays }) => dueMoments(everyDays, now).verifiedUntil.toISOString());
  const parameters = [latest, checkedUntil, [...taken], policies.map(({ name }) => name), until];
  for (const statement of DUE_IMAGES) {
    const [found] = (await manager.query(statement, parameters)) as readonly { readonly id: string; readonly policy: string }[];
    if (found === undefined) continue;
    return ofRecoveryPoint(await requireRecoveryPoint(manager, found.id), { requestedBy: SCHEDULE, reason: `policy ${found.policy}` }, now);
  }
  return null;
}

const VERIFYING_POLICIES = `SELECT name, (verification->>'everyDays')::int AS every_days FROM policy WHERE verification IS NOT NULL`;

const OWN = OWN_FILES.map((file) => `'${file}'`).join(', ');

/**
 * Whether something that it builds on is to be read before it: whatever is found there is found there, and it counts as proven only with all of that. One that
 * could not be read a while ago keeps nobody waiting.
 */
const WAITS_FOR_PARENT = `EXISTS (WITH RECURSIVE below (parent_id, is_unread) AS (
  SELECT point.parent_id, false
  UNION SELECT parent.parent_id, parent.state = 'usable' AND parent.verified_at IS NULL AND (parent.checked_at IS NULL OR parent.checked_at <= $2 OR parent.checked_at > $1)
  FROM recovery_point AS parent JOIN below ON parent.id = below.parent_id
) SELECT FROM below WHERE is_unread)`;

/**
 * As `isDueForVerification` says: it compares with the same moments (`dueMoments`), those of each policy beside its name. Each goes along an index of its own.
 * $1: the latest that a moment can be; $2: until when it was looked at last; $3: places that are taken; $4, $5: policies, and until when theirs were read last.
 */
const dueImages = (which: string, order: string): string => `SELECT point.id, policy.name AS policy
FROM recovery_point AS point JOIN server ON server.id = point.server_id
JOIN unnest($4::text[], $5::timestamptz[]) AS policy (name, verified_until) ON policy.name = server.policy
WHERE point.kind = 'image' AND server.decommissioned_at IS NULL AND ${which}
AND (point.checked_at IS NULL OR point.checked_at <= $2 OR point.checked_at > $1) AND 'repository ' || point.repository <> ALL($3::text[])
AND NOT EXISTS (SELECT FROM verification AS open WHERE open.subject = point.id AND open.state IN ('waiting', 'running'))
ORDER BY ${order}, point.id LIMIT 1`;
const DUE_IMAGES = [
  dueImages(`point.state = 'usable' AND point.verified_at IS NULL AND NOT ${WAITS_FOR_PARENT}`, 'point.point_in_time DESC'),
  // What is missing may only be elsewhere for a while: it is looked for again, where that can make it usable.
  dueImages(
    `point.state = 'damaged' AND point.check_problem->>'code' = 'RECOVERY_POINT_INCOMPLETE' AND point.damage_origin IS NULL AND NOT EXISTS (
  SELECT FROM recovery_point AS parent WHERE parent.id = point.parent_id AND parent.state = 'damaged' AND (parent.damage_file IS NULL OR parent.damage_file NOT IN (${OWN}))
)`,
    'point.checked_at',
  ),
  dueImages(
    `point.state = 'usable' AND point.verified_at IS NOT NULL AND (point.verified_at <= policy.verified_until OR point.verified_at > $1)`,
    'point.verified_at',
  ),
];

/** Data of a server that has some. */
async function dueData(manager: EntityManager, now: Date): Promise<VerificationRow | null> {
  const rows = (await manager.query(DUE_DATA, [new Date(now.getTime() + SKEW_MS)])) as readonly {
    readonly server_id: string;
    readonly policy: string;
    readonly every_days: number;
    readonly within_hours: number;
    readonly state: VerificationRow['state'] | null;
    readonly started_at: Date | null;
    readonly finished_at: Date | null;
    readonly has_new: boolean;
    readonly read: string;
  }[];
  const found = rows.find(({ state, started_at: startedAt, finished_at: finishedAt, within_hours: withinHours, has_new: hasNew }) =>
    isDataDue(finishedAt === null ? null : { startedAt, finishedAt, wasCarriedOut: state !== 'not-run' }, { withinHours, hasNew }, now),
  );
  if (found === undefined) return null;
  return ofData(found.server_id, Number(found.read), found.every_days, { requestedBy: SCHEDULE, reason: `policy ${found.policy}` }, now);
}

const DUE_DATA = `SELECT server.id AS server_id, policy.name AS policy, (policy.verification->>'everyDays')::int AS every_days,
  (policy.verification->>'withinHours')::int AS within_hours, last.state, last.started_at, last.finished_at,
  EXISTS (SELECT FROM recovery_point AS fresh WHERE fresh.server_id = server.id AND fresh.kind = 'data' AND fresh.state = 'usable' AND fresh.verified_at IS NULL) AS has_new,
  (SELECT count(*) FROM verification AS done WHERE done.subject = 'data of ' || server.id AND done.state IN ('passed', 'failed')) AS read
FROM server JOIN policy ON policy.name = server.policy LEFT JOIN LATERAL (
  SELECT state, started_at, finished_at FROM verification WHERE subject = 'data of ' || server.id AND finished_at <= $1 ORDER BY finished_at DESC LIMIT 1
) AS last ON true
WHERE policy.verification IS NOT NULL AND server.decommissioned_at IS NULL AND EXISTS (SELECT FROM recovery_point AS point WHERE point.server_id = server.id AND point.kind = 'data' AND point.state = 'usable')
AND NOT EXISTS (SELECT FROM verification AS open WHERE open.subject = 'data of ' || server.id AND open.state IN ('waiting', 'running'))
ORDER BY last.finished_at NULLS FIRST, server.id`;

/** The newest image of the server whose boot was longest ago. */
async function dueBoot(manager: EntityManager, taken: ReadonlySet<string>, now: Date): Promise<VerificationRow | null> {
  const rows = (await manager.query(DUE_BOOT, [new Date(now.getTime() + SKEW_MS), SCHEDULE])) as readonly {
    readonly hypervisor: string;
    readonly policy: string;
    readonly time_zone: string;
    readonly schedule: Schedule;
    readonly since: Date;
    readonly newest: string;
    readonly carried_out_at: Date | null;
    readonly started_at: Date | null;
    readonly finished_at: Date | null;
  }[];
  const found = rows.find((row) => {
    const { schedule, time_zone: timeZone, since, carried_out_at: carriedOutAt, started_at: startedAt, finished_at: finishedAt } = row;
    if (taken.has(bootPlace(row.hypervisor))) return false;
    const notTried = startedAt === null || finishedAt === null ? null : { startedAt, finishedAt };
    return isBootDue({ carriedOutAt, notTried }, { schedule, timeZone, since }, now);
  });
  if (found === undefined) return null;
  return ofBoot(await requireRecoveryPoint(manager, found.newest), found, true, { requestedBy: SCHEDULE, reason: `policy ${found.policy}` }, now);
}

/** What lies ahead was written by a clock that was wrong; what somebody has cancelled was his word on another one. */
const DUE_BOOT = `SELECT server.hypervisor, policy.name AS policy, policy.time_zone, policy.verification->'boot' AS schedule,
  greatest(policy.verification_since, server.policy_since, first.published_at) AS since, newest.id AS newest,
  last.started_at AS carried_out_at, failed.started_at, failed.finished_at
FROM server JOIN policy ON policy.name = server.policy CROSS JOIN LATERAL (
  SELECT id FROM recovery_point WHERE recovery_point.server_id = server.id AND kind = 'image' AND state = 'usable' AND point_in_time <= $1
  ORDER BY point_in_time DESC, id DESC LIMIT 1
) AS newest CROSS JOIN LATERAL (
  SELECT min(published_at) AS published_at FROM recovery_point WHERE recovery_point.server_id = server.id AND kind = 'image' AND published_at <= $1
) AS first LEFT JOIN LATERAL (
  SELECT started_at FROM verification WHERE verification.server_id = server.id AND method = 'boot' AND of_newest AND state IN ('passed', 'failed')
  AND finished_at <= $1 ORDER BY finished_at DESC LIMIT 1
) AS last ON true LEFT JOIN LATERAL (
  SELECT started_at, finished_at FROM verification WHERE verification.server_id = server.id AND method = 'boot' AND state = 'not-run' AND requested_by = $2
  AND error->>'code' <> 'RUN_CANCELLED' AND finished_at <= $1 ORDER BY finished_at DESC LIMIT 1
) AS failed ON true
WHERE jsonb_typeof(policy.verification->'boot') = 'object' AND server.decommissioned_at IS NULL
AND NOT EXISTS (SELECT FROM verification AS open WHERE open.server_id = server.id AND open.method = 'boot' AND open.state IN ('waiting', 'running'))
ORDER BY last.started_at NULLS FIRST, server.id`;

const DATA_TO_VERIFY = `SELECT id, snapshot_id, state, CASE WHEN verified_by = 'checksums' THEN verified_at END AS read_at FROM recovery_point
WHERE server_id = $1 AND kind = 'data' AND (state = 'usable' OR state = 'damaged' AND check_problem->>'code' = 'RECOVERY_POINT_INCOMPLETE') ORDER BY point_in_time DESC, id DESC`;

/** All its bytes were read. */
async function setVerdict(transaction: Transaction, verification: VerificationRow, row: RecoveryPointRow, damage: Damage | null, at: Date): Promise<void> {
  const { manager } = transaction;
  if (damage !== null) {
    await setRecoveryPointState(transaction, row, { state: 'damaged', why: damage }, at, true);
    return;
  }
  if (row.state === 'expired' || row.state === 'deleted' || isOutdated(row, verification)) return;
  const well = { state: 'usable', why: { code: 'RECOVERY_POINT_CORRUPT', message: WELL_AGAIN } } as const;
  // Its own bytes are well; those of what it builds on are not.
  if (!(await setRecoveryPointState(transaction, row, well, at, true))) return;
  await manager.update(RecoveryPointEntity, { id: row.id }, { verifiedAt: at, verifiedBy: 'checksums', checkedAt: at, checkProblem: null });
}

/** What the end of a verification says about recovery points, beside verdicts on single ones. */
async function concludeFor(manager: EntityManager, verification: VerificationRow, outcome: VerificationOutcome, at: Date): Promise<void> {
  const { serverId, recoveryPointId, startedAt, method } = verification;
  const { state, error, found = [] } = outcome;
  if (method === 'boot') {
    if (state !== 'not-run' && recoveryPointId !== null) await manager.update(RecoveryPointEntity, { id: recoveryPointId }, bootColumns(outcome, at));
    return;
  }
  if (state === 'not-run' && error !== null && startedAt !== null) {
    // Of those that were read meanwhile more is known.
    await manager.query(NOT_READ, [at, JSON.stringify({ code: error.code, message: storableText(error.message) }), serverId, recoveryPointId, startedAt]);
  }
  if (found.length > 0) await manager.query(FOUND, [at, serverId, [...found]]);
}

const NOT_READ = `UPDATE recovery_point SET checked_at = $1, check_problem = $2::jsonb
WHERE server_id = $3 AND state = 'usable' AND (checked_at IS NULL OR checked_at < $5) AND CASE WHEN $4::text IS NULL THEN kind = 'data' ELSE id = $4 END`;

/** That every byte was read says more, and stays. */
const FOUND = `UPDATE recovery_point SET checked_at = $1, check_problem = NULL,
  verified_at = CASE WHEN verified_by = 'checksums' THEN verified_at ELSE $1 END, verified_by = coalesce(verified_by, 'structure')
WHERE server_id = $2 AND kind = 'data' AND state = 'usable' AND id = ANY($3)`;
