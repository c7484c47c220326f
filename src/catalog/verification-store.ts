import { In, LessThan, LessThanOrEqual, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import type { VerificationInput, VerificationView } from '../contracts/verification';
import { AGAIN_AFTER_MS } from '../domain/verification/verification';
import { SKEW_MS } from '../domain/clock-skew';
import type { Catalog } from './catalog';
import { readTimeCursor, rowsToRead, timeCursor, toPage } from './cursor';
import type { Database, Transaction } from './database';
import { SCHEDULE } from './due-backup-row';
import { RecoveryPointEntity, RunEntity, VerificationEntity, type RecoveryPointRow, type VerificationRow } from './entities';
import { requireServer, serverNames } from './inventory-store';
import { lockRecoveryPoint, requireRecoveryPoint, setRecoveryPointState, WORKER } from './recovery-point-store';
import type { SharedNow } from './shared-now';
import {
  endedDetails,
  isDataDue,
  ofData,
  ofRecoveryPoint,
  placeOf,
  storedOutcome,
  verificationInput,
  verificationNotFound,
  verificationView,
  whyNoneBegins,
} from './verification-row';

type VerificationMethods = Pick<
  Catalog,
  | 'requestVerification'
  | 'startNextVerification'
  | 'listRunningVerifications'
  | 'recordVerificationProgress'
  | 'recordVerdict'
  | 'finishVerification'
  | 'getVerification'
  | 'listVerifications'
>;

/** Advisory lock: one process at a time begins the next. */
const VERIFICATION_LOCK = 7_361_007;
/** Looked at for one whose place is free. */
const CANDIDATES = 100;

export function verificationStore(database: Database, sharedNow: SharedNow): VerificationMethods {
  return {
    requestVerification: ({ actor, recoveryPointId, reason }) =>
      database.transaction(async ({ manager, audit }) => {
        const point = await lockRecoveryPoint(manager, recoveryPointId);
        const open = await manager.findOneBy(VerificationEntity, { subject: recoveryPointId, state: In(['waiting', 'running']) });
        if (open !== null) return view(manager, open);
        const row = ofRecoveryPoint(point, { requestedBy: actor, reason }, await sharedNow(manager));
        await manager.insert(VerificationEntity, row);
        audit({ actor, action: 'verification.requested', serverId: row.serverId, details: { verificationId: row.id, recoveryPointId, reason: row.reason } });
        return view(manager, row);
      }),

    startNextVerification: () =>
      database.transaction(async (transaction) => {
        const { manager } = transaction;
        if (!(await isFree(manager))) return null;
        const now = await sharedNow(manager);
        const waiting = await manager.find(VerificationEntity, { where: { state: 'waiting' }, order: { requestedAt: 'ASC', id: 'ASC' } });
        const blocked = whyNoneBegins(await manager.find(RunEntity, { select: { id: true, kind: true }, where: { state: In(['accepted', 'running']) } }));
        if (blocked !== null) {
          await sayWhy(manager, waiting, blocked);
          return null;
        }
        const busy = new Map<string, string>();
        for (const running of await manager.findBy(VerificationEntity, { state: 'running' })) busy.set(await place(manager, running), running.id);
        for (const row of waiting) {
          const holder = busy.get(await place(manager, row));
          if (holder === undefined) return begin(transaction, row, now);
          await sayWhy(manager, [row], `verification ${holder} reads the same repository`);
        }
        const due = (await dueImage(manager, busy, now)) ?? (busy.has(placeOf('data', null)) ? null : await dueData(manager, now));
        if (due === null) return null;
        await manager.insert(VerificationEntity, due);
        return begin(transaction, due, now);
      }),

    listRunningVerifications: (olderThan) =>
      database.read(async (manager) => {
        const rows = await manager.find(VerificationEntity, { where: { state: 'running', startedAt: LessThan(olderThan) }, order: { startedAt: 'ASC' } });
        return Promise.all(rows.map((row) => inputOf(manager, row)));
      }),

    recordVerificationProgress: (id, doneBytes, totalBytes) =>
      database.transaction(async ({ manager }) => {
        await manager.update(VerificationEntity, { id, state: 'running' }, { doneBytes, totalBytes });
      }),

    recordVerdict: (verificationId, recoveryPointId, damage) =>
      database.transaction(async (transaction) => {
        const { manager } = transaction;
        await requireVerification(manager, verificationId);
        const row = await lockRecoveryPoint(manager, recoveryPointId);
        const at = await sharedNow(manager);
        await setVerdict(transaction, row, damage, at);
      }),

    finishVerification: (id, outcome) =>
      database.transaction(async (transaction) => {
        const { manager, audit } = transaction;
        const row = await manager.findOne(VerificationEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
        if (row === null) throw verificationNotFound(id);
        if (row.finishedAt !== null) return;
        const at = await sharedNow(manager);
        await manager.update(VerificationEntity, { id }, { ...storedOutcome(outcome), finishedAt: at, waitsFor: null });
        if (row.startedAt !== null) await concludeFor(transaction, { ...row, startedAt: row.startedAt }, outcome, at);
        audit({ actor: WORKER, action: `verification.${outcome.state}`, serverId: row.serverId, details: endedDetails(row, outcome) });
      }),

    getVerification: (id) => database.read(async (manager) => view(manager, await requireVerification(manager, id))),

    listVerifications: ({ serverId, state }, page) =>
      database.read(async (manager) => {
        const after = readTimeCursor('verifications', page.cursor);
        const query = manager
          .createQueryBuilder(VerificationEntity, 'verification')
          .orderBy('verification.requestedAt', 'DESC')
          .addOrderBy('verification.id', 'DESC')
          .limit(rowsToRead(page));
        if (serverId !== undefined) query.andWhere('verification.serverId = :serverId', { serverId });
        if (state !== undefined) query.andWhere('verification.state = :state', { state });
        if (after !== null) query.andWhere('(verification.requestedAt, verification.id) < (:at, :id)', after);
        const rows = await query.getMany();
        const names = await serverNames(
          manager,
          rows.map((row) => row.serverId),
        );
        return toPage(
          rows,
          page,
          (row) => verificationView(row, names.get(row.serverId) ?? ''),
          ({ requestedAt, id }) => timeCursor('verifications', { at: requestedAt, id }),
        );
      }),
  };
}

const isFree = async (manager: EntityManager): Promise<boolean> =>
  ((await manager.query('SELECT pg_try_advisory_xact_lock($1) AS free', [VERIFICATION_LOCK])) as readonly { readonly free: boolean }[])[0]?.free === true;

async function requireVerification(manager: EntityManager, id: string): Promise<VerificationRow> {
  const row = await manager.findOneBy(VerificationEntity, { id });
  if (row === null) throw verificationNotFound(id);
  return row;
}

async function view(manager: EntityManager, row: VerificationRow): Promise<VerificationView> {
  return verificationView(row, (await serverNames(manager, [row.serverId])).get(row.serverId) ?? '');
}

const repositoryOf = async (manager: EntityManager, { recoveryPointId }: VerificationRow): Promise<string | null> =>
  recoveryPointId === null ? null : (await requireRecoveryPoint(manager, recoveryPointId)).repository;

const place = async (manager: EntityManager, row: VerificationRow): Promise<string> => placeOf(row.kind, await repositoryOf(manager, row));

async function inputOf(manager: EntityManager, row: VerificationRow): Promise<VerificationInput> {
  return verificationInput(row, await requireServer(manager, row.serverId), await repositoryOf(manager, row));
}

async function sayWhy(manager: EntityManager, rows: readonly VerificationRow[], waitsFor: string): Promise<void> {
  for (const row of rows) if (row.waitsFor !== waitsFor) await manager.update(VerificationEntity, { id: row.id }, { waitsFor });
}

async function begin({ manager, audit }: Transaction, row: VerificationRow, now: Date): Promise<VerificationInput> {
  await manager.update(VerificationEntity, { id: row.id }, { state: 'running', startedAt: now, waitsFor: null });
  const { id, recoveryPointId, method, requestedBy } = row;
  audit({ actor: requestedBy, action: 'verification.started', serverId: row.serverId, details: { verificationId: id, recoveryPointId, method } });
  return inputOf(manager, row);
}

/** The image that has waited longest to be read (again), those first that nobody has ever read. */
async function dueImage(manager: EntityManager, busy: ReadonlyMap<string, string>, now: Date): Promise<VerificationRow | null> {
  const rows = (await manager.query(DUE_IMAGES, [now, new Date(now.getTime() + SKEW_MS), new Date(now.getTime() - AGAIN_AFTER_MS), CANDIDATES])) as readonly {
    readonly id: string;
    readonly repository: string;
    readonly policy: string;
  }[];
  const found = rows.find(({ repository }) => !busy.has(placeOf('image', repository)));
  if (found === undefined) return null;
  return ofRecoveryPoint(await requireRecoveryPoint(manager, found.id), { requestedBy: SCHEDULE, reason: `policy ${found.policy}` }, now);
}

/** As `isDueForVerification` says. */
const DUE_IMAGES = `SELECT point.id, point.repository, policy.name AS policy
FROM recovery_point AS point JOIN server ON server.id = point.server_id JOIN policy ON policy.name = server.policy
WHERE point.kind = 'image' AND point.state = 'usable' AND policy.verification IS NOT NULL
AND (point.verified_at IS NULL OR point.verified_at <= $1::timestamptz - (policy.verification->>'everyDays')::int * interval '1 day' OR point.verified_at > $2)
AND (point.checked_at IS NULL OR point.checked_at <= $3 OR point.checked_at > $2)
AND NOT EXISTS (SELECT FROM verification AS open WHERE open.subject = point.id AND open.state IN ('waiting', 'running'))
ORDER BY point.verified_at NULLS FIRST, point.point_in_time DESC, point.id LIMIT $4`;

/** Data of a server that has some. */
async function dueData(manager: EntityManager, now: Date): Promise<VerificationRow | null> {
  const rows = (await manager.query(DUE_DATA)) as readonly {
    readonly server_id: string;
    readonly policy: string;
    readonly every_days: number;
    readonly state: VerificationRow['state'] | null;
    readonly finished_at: Date | null;
    readonly passed: string;
  }[];
  const found = rows.find(({ state, finished_at: finishedAt }) => isDataDue(state === null ? null : { state, finishedAt }, now));
  if (found === undefined) return null;
  return ofData(found.server_id, Number(found.passed), found.every_days, { requestedBy: SCHEDULE, reason: `policy ${found.policy}` }, now);
}

const DUE_DATA = `SELECT server.id AS server_id, policy.name AS policy, (policy.verification->>'everyDays')::int AS every_days, last.state, last.finished_at,
  (SELECT count(*) FROM verification AS done WHERE done.subject = 'data of ' || server.id AND done.state = 'passed') AS passed
FROM server JOIN policy ON policy.name = server.policy LEFT JOIN LATERAL (
  SELECT state, finished_at FROM verification WHERE subject = 'data of ' || server.id AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 1
) AS last ON true
WHERE policy.verification IS NOT NULL AND EXISTS (SELECT FROM recovery_point AS point WHERE point.server_id = server.id AND point.kind = 'data' AND point.state = 'usable')
AND NOT EXISTS (SELECT FROM verification AS open WHERE open.subject = 'data of ' || server.id AND open.state IN ('waiting', 'running'))
ORDER BY last.finished_at NULLS FIRST, server.id`;

/** All its bytes were read: null: they are what was written. One that was held for damaged is usable again then. */
async function setVerdict(transaction: Transaction, row: RecoveryPointRow, damage: string | null, at: Date): Promise<void> {
  const { manager } = transaction;
  if (damage !== null) {
    await setRecoveryPointState(transaction, row, 'damaged', damage, at);
    return;
  }
  if (row.state === 'damaged') await setRecoveryPointState(transaction, row, 'usable', 'all its bytes were read again, and are what was written', at);
  await manager.update(RecoveryPointEntity, { id: row.id }, { verifiedAt: at, verifiedBy: 'checksums', checkedAt: at, checkProblem: null });
}

/** What the end of a verification says about recovery points, beside verdicts on single ones. */
async function concludeFor(
  { manager }: Transaction,
  { serverId, recoveryPointId, startedAt }: VerificationRow & { readonly startedAt: Date },
  { state, error }: Parameters<Catalog['finishVerification']>[1],
  at: Date,
): Promise<void> {
  // Those that were published since were not looked at.
  const those =
    recoveryPointId === null ? { serverId, kind: 'data' as const, state: 'usable' as const, publishedAt: LessThanOrEqual(startedAt) } : { id: recoveryPointId };
  if (state === 'not-run' && error !== null) {
    const checkProblem = { code: error.code, message: storableText(error.message) };
    await manager.update(RecoveryPointEntity, those, { checkedAt: at, checkProblem });
  }
  if (state === 'passed' && recoveryPointId === null) {
    await manager.update(RecoveryPointEntity, those, { verifiedAt: at, verifiedBy: 'structure', checkedAt: at, checkProblem: null });
  }
}
