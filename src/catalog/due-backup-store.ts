import { In, IsNull, type EntityManager } from 'typeorm';
import { DEFAULT_MAX_DATA_BACKUPS } from '../contracts/due-backup';
import { newId } from '../contracts/ids';
import { isModosuError } from '../contracts/errors';
import type { RecoveryPointKind } from '../contracts/recovery-point';
import { dueBackups, type ScheduledServer } from '../domain/schedules/due';
import { inTurn, judgeQueue, type OpenRun } from '../domain/schedules/queue';
import { SKEW_MS } from '../domain/clock-skew';
import { backupDataInput, backupInput } from './acceptance';
import { changesToImage } from './change-facts';
import type { AcceptedRun, ServerRecord } from './catalog';
import type { ScheduleCatalog } from './port/schedules';
import type { Database, Transaction } from './database';
import {
  dueBackupView,
  limitsOf,
  openBackup,
  SCHEDULE,
  scheduledServer,
  scheduleRequest,
  supersededDetails,
  whyUnwanted,
  type ChangesToImage,
  type NewestDue,
} from './due-backup-row';
import { DueBackupEntity, RunEntity, ServerEntity, type DueBackupRow, type PolicyRow } from './entities';
import { readHypervisors, readPolicies, readRepositories, serverNames } from './inventory-store';
import { newestFirst } from './newest-first';
import { holdInventory, insertRun, lockServer, NOTHING_REFERRED_TO } from './run-acceptance-store';
import { policyRecord } from './policy-row';
import { serverRecord } from './views';

/** Advisory lock: one process at a time writes down what is due, or begins the next. Both change the rows that wait. */
const QUEUE_LOCK = 7_361_005;

export const lockQueue = (manager: EntityManager): Promise<unknown> => manager.query('SELECT pg_advisory_xact_lock($1)', [QUEUE_LOCK]);

export function dueBackupStore(database: Database, now: () => Date): ScheduleCatalog {
  return {
    recordDueBackups: async () => {
      // Asked twice a minute by each worker, mostly in vain: first without a lock.
      const isAny = await database.read(async (manager) => dueBackups(await scheduled(manager, now()), now()).length > 0);
      if (!isAny) return [];
      return database.transaction(async (transaction) => {
        const { manager } = transaction;
        await lockQueue(manager);
        const fresh = dueBackups(await scheduled(manager, now()), now()).map((due): DueBackupRow => ({
          id: newId('due', now().getTime()),
          ...due,
          state: 'waiting',
          waitsFor: null,
          runId: null,
        }));
        const written: DueBackupRow[] = [];
        for (const row of fresh) {
          const one = await writeDown(transaction, row);
          if (one !== null) written.push(one);
        }
        const names = await serverNames(
          manager,
          written.map(({ serverId }) => serverId),
        );
        return written.map((row) => dueBackupView(row, names.get(row.serverId) ?? ''));
      });
    },

    startNextDueBackup: async (maxDataBackups = DEFAULT_MAX_DATA_BACKUPS) => {
      if (!(await database.read((manager) => manager.existsBy(DueBackupEntity, { state: 'waiting' })))) return null;
      return database.transaction(async (transaction) => {
        const { manager } = transaction;
        await lockQueue(manager);
        const waiting = await manager.find(DueBackupEntity, { where: { state: 'waiting' } });
        const servers = await serversById(manager);
        const policies = await readPolicies(manager);
        const changed = await changesToImage(manager);
        const limits = limitsOf(await readHypervisors(manager), await readRepositories(manager), maxDataBackups);
        const judged = judgeQueue(
          waiting.flatMap((row) => {
            const server = servers.get(row.serverId);
            return server === undefined
              ? []
              : [
                  {
                    ...row,
                    hypervisor: server.hypervisor,
                    repository: server.repository,
                    isWanted: whyUnwanted(row, server, changed.get(row.serverId) ?? null, policies, now()) === null,
                  },
                ];
          }),
          await openRuns(manager, servers),
          limits,
          now(),
        );
        for (const row of waiting.filter(({ id }) => judged.withdraw.includes(id))) {
          const server = servers.get(row.serverId);
          await withdraw(transaction, row, server === undefined ? null : whyUnwanted(row, server, changed.get(row.serverId) ?? null, policies, now()));
        }
        const begun = waiting.find(({ id }) => id === judged.begin);
        const started = begun === undefined ? null : await begin(transaction, begun, policies, changed.get(begun.serverId) ?? null, now());
        for (const row of waiting) {
          const waitsFor = judged.waitsFor.get(row.id);
          if (waitsFor !== undefined && waitsFor !== row.waitsFor) await manager.update(DueBackupEntity, { id: row.id }, { waitsFor });
        }
        return started;
      });
    },

    listDueBackups: ({ serverId, state }, page) =>
      database.read((manager) =>
        newestFirst(manager, { entity: DueBackupEntity, kind: 'due-backups', by: 'dueAt' }, { serverId, state }, page, async (rows) => {
          const names = await serverNames(
            manager,
            rows.map((row) => row.serverId),
          );
          return rows.map((row) => dueBackupView(row, names.get(row.serverId) ?? ''));
        }),
      ),
  };
}

/** Servers in service that have a policy, or changes that no image contains, and since when each schedule has not been answered. */
async function scheduled(manager: EntityManager, now: Date): Promise<readonly ScheduledServer[]> {
  const policies = new Map((await readPolicies(manager)).map((policy) => [policy.name, policy]));
  const changed = await changesToImage(manager);
  if (policies.size === 0 && changed.size === 0) return [];
  const newest = new Map(
    (
      (await manager.query(NEWEST_DUE, [new Date(now.getTime() + SKEW_MS)])) as readonly {
        readonly server_id: string;
        readonly kind: RecoveryPointKind;
        readonly any: Date | null;
        readonly answered: Date | null;
      }[]
    ).map(({ server_id, kind, any, answered }): [string, NewestDue] => [`${server_id} ${kind}`, { any, answered }]),
  );
  const restored = new Map(
    ((await manager.query(RESTORED)) as readonly { readonly server_id: string; readonly went_live_at: Date }[]).map((row) => [row.server_id, row.went_live_at]),
  );
  const imaged = new Set(((await manager.query(IMAGED)) as readonly { readonly server_id: string }[]).map(({ server_id }) => server_id));
  const servers = await manager.findBy(ServerEntity, [
    { policy: In([...policies.keys()]), decommissionedAt: IsNull() },
    { id: In([...changed.keys()]), decommissionedAt: IsNull() },
  ]);
  return servers.map((server) =>
    scheduledServer(
      serverRecord(server),
      server.policySince,
      policies.get(server.policy ?? '') ?? null,
      (kind) => newest.get(`${server.id} ${kind}`) ?? NEVER_DUE,
      restored.get(server.id) ?? null,
      changed.get(server.id) ?? null,
      imaged.has(server.id),
      now,
    ),
  );
}

/** Up to a moment: what lies ahead of it was written by a clock that was wrong. */
const NEWEST_DUE = `SELECT server_id, kind, max(due_at) AS any, max(due_at) FILTER (WHERE state <> 'withdrawn') AS answered FROM due_backup WHERE due_at <= $1 GROUP BY server_id, kind`;
const NEVER_DUE: NewestDue = { any: null, answered: null };

/** Servers that were ever imaged. */
const IMAGED = `SELECT id AS server_id FROM server WHERE EXISTS (SELECT FROM recovery_point AS point WHERE point.server_id = server.id AND point.kind = 'image')`;

/** Servers that went live with the disks they have now, of which there is no usable image. */
const RESTORED = `SELECT way_back.server_id, max(way_back.went_live_at) AS went_live_at FROM way_back JOIN server ON server.id = way_back.server_id AND server.lineage_id = way_back.lineage_after
WHERE way_back.went_live_at IS NOT NULL AND way_back.data IS NULL AND NOT EXISTS (
  SELECT FROM recovery_point AS point WHERE point.server_id = server.id AND point.kind = 'image' AND point.lineage_id = server.lineage_id AND point.state = 'usable')
GROUP BY way_back.server_id`;

/** Null: it stands there already, from a time when the clock was wrong. One that was withdrawn waits again: its server has a policy that asks for it. */
async function writeDown({ manager, audit }: Transaction, row: DueBackupRow): Promise<DueBackupRow | null> {
  const { serverId, kind, dueAt, missedBefore, policy } = row;
  const same = await manager.findOneBy(DueBackupEntity, { serverId, kind, dueAt });
  if (same !== null && same.state !== 'withdrawn') return null;
  const [older] = await manager.findBy(DueBackupEntity, { serverId, kind, state: 'waiting' });
  if (older !== undefined) {
    await manager.update(DueBackupEntity, { id: older.id }, { state: 'superseded' });
    audit({ actor: SCHEDULE, action: 'due-backup.superseded', serverId, details: supersededDetails(older, row) });
  }
  const written = inTurn({ ...row, id: same?.id ?? row.id }, older);
  await manager.save(DueBackupEntity, written);
  if (missedBefore > 0) audit({ actor: SCHEDULE, action: 'due-backup.missed', serverId, details: { kind, policy, times: missedBefore, caughtUpBy: dueAt } });
  return written;
}

export async function withdraw({ manager, audit }: Transaction, { id, serverId, kind, policy, dueAt }: DueBackupRow, why: string | null): Promise<void> {
  await manager.update(DueBackupEntity, { id }, { state: 'withdrawn', waitsFor: null });
  audit({ actor: SCHEDULE, action: 'due-backup.withdrawn', serverId, details: { kind, policy, dueAt, why } });
}

/** Somebody may have taken the server since the open runs were read: then it waits. */
async function begin(
  transaction: Transaction,
  row: DueBackupRow,
  policies: readonly PolicyRow[],
  changed: ChangesToImage | null,
  at: Date,
): Promise<AcceptedRun | null> {
  const { manager } = transaction;
  const server = await holdInventory(manager, row.serverId);
  // Since the servers were read: the next pass finds nothing of it.
  if (server.decommissioned !== null) return null;
  // Because of a change: as the policy says that it has now.
  const policy = policies.find(({ name }) => name === (row.cause === 'change' ? server.policy : row.policy));
  const request = scheduleRequest(row, policy, changed);
  if (request === null) return null;
  const runId = newId('run', at.getTime());
  try {
    const grant = await lockServer(manager, server, runId, at);
    const run =
      request.kind === 'image'
        ? ({
            kind: 'backup-image',
            input: backupInput(server, request.request, policy === undefined ? null : policyRecord(policy), grant, newId('rp')),
          } as const)
        : ({ kind: 'backup-data', input: backupDataInput(server, request.request, grant) } as const);
    await insertRun(transaction, { actor: SCHEDULE }, run, NOTHING_REFERRED_TO);
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'SERVER_BUSY') throw error;
    await manager.update(DueBackupEntity, { id: row.id }, { waitsFor: `the server is held by run ${String(error.context['runId'])}` });
    return null;
  }
  await manager.update(DueBackupEntity, { id: row.id }, { state: 'started', waitsFor: null, runId });
  return { runId, replayed: false };
}

const serversById = async (manager: EntityManager): Promise<ReadonlyMap<string, ServerRecord>> =>
  new Map((await manager.find(ServerEntity)).map((row) => [row.id, serverRecord(row)]));

async function openRuns(manager: EntityManager, servers: ReadonlyMap<string, ServerRecord>): Promise<readonly OpenRun[]> {
  const rows = await manager.find(RunEntity, { where: { state: In(['accepted', 'running']) } });
  return rows.flatMap((run) => openBackup(run, servers.get(run.serverId)) ?? []);
}
