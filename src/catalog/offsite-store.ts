import { In, LessThan, Not, type EntityManager } from 'typeorm';
import type { FetchedPoint } from '../contracts/offsite-copies';
import type { Catalog, ServerRecord } from './catalog';
import { chainOf, handDown } from './chain-store';
import type { Database, Transaction } from './database';
import {
  OffsiteCopyEntity,
  OffsiteRepositoryEntity,
  OffsiteTransferEntity,
  PolicyEntity,
  RecoveryPointEntity,
  ServerEntity,
  type OffsiteTransferRow,
  type RecoveryPointRow,
} from './entities';
import { requireServer, serverNames } from './inventory-store';
import { newestFirst } from './newest-first';
import { offsiteView, transferView } from './offsite-row';
import {
  adoptCopy,
  cancelTransfer,
  finishTransfer,
  inputOf,
  newestCopied,
  recordCopied,
  recordCopyDamaged,
  recordFetched,
  recordLook,
  requestTransfer,
  requireTransfer,
  retireCopies,
  startNextTransfer,
  viewOf,
  type OffsiteTables,
} from './offsite-transfers';
import { policyRecord } from './policy-row';
import { lockRecoveryPoint, setRecoveryPointState, WORKER } from './recovery-point-store';
import type { SharedNow } from './shared-now';
import { serverRecord } from './views';

type OffsiteMethods = Pick<
  Catalog,
  | 'offsiteRepositories'
  | 'recordOffsiteLook'
  | 'requestTransfer'
  | 'cancelTransfer'
  | 'startNextTransfer'
  | 'listRunningTransfers'
  | 'recordTransferProgress'
  | 'adoptOffsiteCopy'
  | 'recordCopied'
  | 'recordFetched'
  | 'recordCopyDamaged'
  | 'copiesIn'
  | 'newestCopied'
  | 'finishTransfer'
  | 'getTransfer'
  | 'listTransfers'
  | 'retireCopies'
>;

/** Advisory lock: whoever has it writes a transfer down, or begins the next. */
const OFFSITE_LOCK = 7_361_009;

export function offsiteStore(database: Database, sharedNow: SharedNow): OffsiteMethods {
  const alone = <T>(work: (tables: OffsiteTables) => Promise<T>): Promise<T> =>
    database.transaction(async (transaction) => {
      await transaction.manager.query('SELECT pg_advisory_xact_lock($1)', [OFFSITE_LOCK]);
      return work(tablesOf(transaction, sharedNow));
    });
  return {
    offsiteRepositories: () =>
      database.read(async (manager) => {
        const copies = await manager.findBy(OffsiteCopyEntity, { state: Not('deleted') });
        return (await manager.find(OffsiteRepositoryEntity, { order: { name: 'ASC' } })).map((row) => offsiteView(row, copies));
      }),

    recordOffsiteLook: (name, problem) => alone(async (tables) => recordLook(tables, name, problem, await tables.now())),
    requestTransfer: (request) => alone((tables) => requestTransfer(tables, request)),
    cancelTransfer: (request) => alone((tables) => cancelTransfer(tables, request)),

    startNextTransfer: (which) =>
      database.transaction(async (transaction) => {
        const [lock] = (await transaction.manager.query('SELECT pg_try_advisory_xact_lock($1) AS free', [OFFSITE_LOCK])) as readonly {
          readonly free: boolean;
        }[];
        return lock?.free === true ? startNextTransfer(tablesOf(transaction, sharedNow), which) : null;
      }),

    listRunningTransfers: (olderThan) =>
      database.read(async (manager) => {
        const rows = await manager.find(OffsiteTransferEntity, { where: { state: 'running', startedAt: LessThan(olderThan) }, order: { startedAt: 'ASC' } });
        return Promise.all(rows.map(async (row) => ({ input: await inputOf(readingOf(manager), row), cancelRequested: row.cancelRequested })));
      }),

    recordTransferProgress: (id, doneBytes, totalBytes) =>
      database.transaction(async ({ manager }) => {
        await manager.update(OffsiteTransferEntity, { id, state: 'running' }, { doneBytes, totalBytes });
      }),

    adoptOffsiteCopy: (...given) => alone((tables) => adoptCopy(tables, ...given)),
    recordCopied: (...given) => alone((tables) => recordCopied(tables, ...given)),
    recordFetched: (...given) => alone((tables) => recordFetched(tables, ...given)),
    recordCopyDamaged: (...given) => alone((tables) => recordCopyDamaged(tables, ...given)),
    copiesIn: (offsite) =>
      database.read(async (manager) =>
        (await manager.find(OffsiteCopyEntity, { where: { offsite, state: 'copied' }, order: { recoveryPointId: 'ASC' } })).map(
          ({ recoveryPointId }) => recoveryPointId,
        ),
      ),
    newestCopied: (...given) => database.transaction((transaction) => newestCopied(tablesOf(transaction, sharedNow), ...given)),
    finishTransfer: (...given) => alone((tables) => finishTransfer(tables, ...given)),

    getTransfer: (id) =>
      database.transaction(async (transaction) => {
        const tables = tablesOf(transaction, sharedNow);
        return viewOf(tables, await requireTransfer(tables, id));
      }),

    listTransfers: ({ serverId, state, offsite }, page) =>
      database.read((manager) =>
        newestFirst(manager, { entity: OffsiteTransferEntity, kind: 'transfers', by: 'requestedAt' }, { serverId, state, offsite }, page, async (rows) => {
          const names = await serverNames(
            manager,
            rows.flatMap((row) => row.serverId ?? []),
          );
          return rows.map((row) => transferView(row, row.serverId === null ? null : (names.get(row.serverId) ?? '')));
        }),
      ),

    retireCopies: () => alone(retireCopies),
  };
}

const readingOf = (manager: EntityManager): Pick<OffsiteTables, 'points'> => ({
  points: (ids) => manager.findBy(RecoveryPointEntity, { id: In([...ids]) }),
});

function tablesOf(transaction: Transaction, sharedNow: SharedNow): OffsiteTables {
  const { manager } = transaction;
  return {
    ...readingOf(manager),
    now: () => sharedNow(manager),
    repositories: () => manager.find(OffsiteRepositoryEntity, { order: { name: 'ASC' } }),
    saveRepository: async ({ name, state, seenAt, lookedAt, askedSince, problem }) => {
      await manager.update(OffsiteRepositoryEntity, { name }, { state, seenAt, lookedAt, askedSince, problem });
    },
    copies: ({ offsite, recoveryPointIds }) =>
      manager.find(OffsiteCopyEntity, {
        where: { ...(offsite === undefined ? {} : { offsite }), ...(recoveryPointIds === undefined ? {} : { recoveryPointId: In([...recoveryPointIds]) }) },
        order: { recoveryPointId: 'ASC' },
      }),
    saveCopy: async (row) => void (await manager.upsert(OffsiteCopyEntity, { ...row, snapshotIds: [...row.snapshotIds] }, ['recoveryPointId', 'offsite'])),
    openTransfers: () => manager.find(OffsiteTransferEntity, { where: { state: In(['waiting', 'running']) }, order: { requestedAt: 'ASC', id: 'ASC' } }),
    checks: async (offsite) => {
      const ended = await manager.find(OffsiteTransferEntity, {
        where: { offsite, kind: 'check', state: Not(In(['waiting', 'running'])) },
        order: { finishedAt: 'DESC' },
        take: 1,
      });
      const [count] = (await manager.query(CHECKS_CARRIED_OUT, [offsite])) as readonly { readonly count: number }[];
      return { last: ended[0] ?? null, carriedOut: count?.count ?? 0 };
    },
    transfer: (id) => manager.findOne(OffsiteTransferEntity, { where: { id }, lock: { mode: 'pessimistic_write' } }),
    addTransfer: async (row) => void (await manager.insert(OffsiteTransferEntity, stored(row))),
    saveTransfer: async ({ id, ...changes }) => void (await manager.update(OffsiteTransferEntity, { id }, stored(changes))),
    pointsOf: (serverId) => manager.findBy(RecoveryPointEntity, { serverId }),
    chainOf: async (id) => manager.findBy(RecoveryPointEntity, { id: In([...(await chainOf(manager, [id]))]) }),
    server: (id) => requireServer(manager, id),
    policyOf: async ({ policy }) => {
      const row = policy === null ? null : await manager.findOneBy(PolicyEntity, { name: policy });
      return row === null ? null : policyRecord(row);
    },
    protectedServers: async () => {
      const policies = new Map((await manager.find(PolicyEntity)).map((row) => [row.name, policyRecord(row)]));
      const servers = (await manager.find(ServerEntity, { order: { name: 'ASC' } })).map(serverRecord);
      return servers.flatMap((server: ServerRecord) => {
        const policy = policies.get(server.policy ?? '');
        return policy === undefined || policy.offsite === null || server.decommissioned !== null ? [] : [{ server, policy }];
      });
    },
    setFetched: (row, fetched, hold, at) => setFetched(transaction, row, fetched, hold, at),
    audit: (event) => transaction.audit(event),
  };
}

const stored = <Row extends { readonly points: OffsiteTransferRow['points'] }>(row: Row) => ({ ...row, points: [...row.points] });

const CHECKS_CARRIED_OUT = `SELECT count(*)::int AS count FROM offsite_transfer
WHERE offsite = $1 AND kind = 'check' AND (state = 'succeeded' OR state = 'failed' AND error->>'code' = 'RECOVERY_POINT_CORRUPT')`;

async function setFetched(
  transaction: Transaction,
  { id }: RecoveryPointRow,
  { manifestSha256, snapshotId }: FetchedPoint,
  hold: { readonly reason: string; readonly by: string } | null,
  at: Date,
): Promise<void> {
  const { manager } = transaction;
  const row = await lockRecoveryPoint(manager, id);
  const changes = fetchedColumns(row, { manifestSha256, snapshotId }, hold, at);
  await manager.update(RecoveryPointEntity, { id }, changes);
  const back = { ...row, ...changes };
  if (back.state === 'damaged') await setRecoveryPointState(transaction, back, FETCHED, at, true);
  else await handDown(transaction, back, WORKER, at);
}

/** What is found of one that was damaged and is whole again. */
export const FETCHED = {
  state: 'usable',
  why: { code: 'RECOVERY_POINT_CORRUPT', message: 'it was fetched from its copy, and every byte of it was read' },
} as const;

/** The columns of one whose files are whole again. One that was damaged is judged with what it builds on. */
export const fetchedColumns = (
  row: RecoveryPointRow,
  { manifestSha256, snapshotId }: FetchedPoint,
  hold: { readonly reason: string; readonly by: string } | null,
  at: Date,
): Partial<RecoveryPointRow> => ({
  ...(row.state === 'expired' || row.state === 'deleted' ? { state: 'usable', expiredAt: null, deletesAt: null, deletedAt: null, removedAt: null } : {}),
  ...(hold === null ? {} : { holdReason: hold.reason, heldBy: hold.by, heldAt: at }),
  ...(manifestSha256 === null ? {} : { manifestSha256: row.manifestSha256 ?? manifestSha256 }),
  ...(snapshotId === null ? {} : { snapshotId }),
  verifiedAt: at,
  verifiedBy: 'checksums',
  ...(row.state === 'damaged' ? {} : { checkedAt: at, checkProblem: null, damageOrigin: null, damageFile: null }),
});
