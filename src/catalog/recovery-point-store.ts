import { In, IsNull, LessThanOrEqual, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import type { RecoveryPointState } from '../contracts/recovery-point';
import type { Damage } from '../contracts/verification';
import { recoveryPointNotFound } from '../domain/planning/recovery-point-choice';
import type { Catalog } from './catalog';
import { readTimeCursor, rowsToRead, timeCursor, toPage } from './cursor';
import type { Database, Transaction } from './database';
import { RecoveryPointEntity, RepositoryEntity, RestorePlanEntity, RunEntity, WayBackEntity, type RecoveryPointRow } from './entities';
import { requireServer } from './inventory-store';
import { recoveryPointUses, retentionPoint } from './retention-facts';
import { dataRecoveryPointRow, dataView, imageView, recoveryPointRow, recoveryPointView } from './views';

type RecoveryPointMethods = Pick<
  Catalog,
  | 'nextGeneration'
  | 'recordRecoveryPoint'
  | 'recordDataRecoveryPoint'
  | 'listRecoveryPoints'
  | 'getRecoveryPoint'
  | 'newestUsable'
  | 'usableData'
  | 'markRecoveryPoint'
  | 'holdRecoveryPoint'
  | 'releaseRecoveryPoint'
  | 'retentionPoints'
>;

/** Nobody looks further back for the newest suitable one. */
const USABLE_DATA_LIMIT = 1000;

/** Who records what a run has done. */
export const WORKER = 'worker';

export function recoveryPointStore(database: Database, now: () => Date): RecoveryPointMethods {
  return {
    nextGeneration: (serverId) =>
      database.read(async (manager) => {
        await requireServer(manager, serverId);
        const { highest } = (await manager
          .createQueryBuilder(RecoveryPointEntity, 'point')
          .select('MAX(point.generation)', 'highest')
          .where({ serverId })
          .getRawOne<{ readonly highest: number | null }>()) ?? { highest: null };
        return (highest ?? 0) + 1;
      }),

    recordRecoveryPoint: (manifest, repository) =>
      database.transaction(async ({ manager, audit }) => {
        const server = await requireServer(manager, manifest.server.id);
        if (!(await manager.existsBy(RepositoryEntity, { name: repository }))) {
          throw new ModosuError('REPOSITORY_NOT_CONFIGURED', `There is no repository "${repository}" in the catalogue.`, { context: { repository } });
        }
        const row = recoveryPointRow(manifest, repository);
        const inserted = await manager.createQueryBuilder().insert().into(RecoveryPointEntity).values(row).orIgnore().returning('id').execute();
        const stored = await manager.findOneBy(RecoveryPointEntity, { id: row.id });
        if (stored === null) throw generationTaken(row);
        if ((inserted.raw as readonly unknown[]).length === 0) return imageView(stored);
        await manager.update(RunEntity, { id: row.runId }, { recoveryPointId: row.id });
        audit({
          actor: WORKER,
          action: 'recovery-point.published',
          runId: row.runId,
          serverId: server.id,
          details: {
            recoveryPointId: row.id,
            generation: row.generation,
            lineageId: row.lineageId,
            repository,
            sizeBytes: row.sizeBytes,
            pointInTime: row.pointInTime,
            definitionSha256: manifest.definition.sha256,
          },
        });
        return imageView(stored);
      }),

    recordDataRecoveryPoint: (manifest) =>
      database.transaction(async ({ manager, audit }) => {
        const server = await requireServer(manager, manifest.server.id);
        const row = dataRecoveryPointRow(manifest);
        const inserted = await manager.createQueryBuilder().insert().into(RecoveryPointEntity).values(row).orIgnore().returning('id').execute();
        const stored = await requireRecoveryPoint(manager, row.id);
        if ((inserted.raw as readonly unknown[]).length === 0) return dataView(stored);
        // The first one that is saved stands for the run; the others are found by their run.
        await manager.update(RunEntity, { id: row.runId, recoveryPointId: IsNull() }, { recoveryPointId: row.id });
        audit({ actor: WORKER, action: 'recovery-point.published', runId: row.runId, serverId: server.id, details: publishedData(row) });
        return dataView(stored);
      }),

    listRecoveryPoints: ({ serverId }, page) =>
      database.read(async (manager) => {
        const after = readTimeCursor('recovery-points', page.cursor);
        const query = manager
          .createQueryBuilder(RecoveryPointEntity, 'point')
          .orderBy('point.pointInTime', 'DESC')
          .addOrderBy('point.id', 'DESC')
          .limit(rowsToRead(page));
        if (serverId !== undefined) query.andWhere('point.serverId = :serverId', { serverId });
        if (after !== null) query.andWhere('(point.pointInTime, point.id) < (:at, :id)', after);
        return toPage(await query.getMany(), page, recoveryPointView, ({ pointInTime, id }) => timeCursor('recovery-points', { at: pointInTime, id }));
      }),

    getRecoveryPoint: (id) => database.read(async (manager) => recoveryPointView(await requireRecoveryPoint(manager, id))),

    newestUsable: (serverId, until = null) =>
      database.read(async (manager) => {
        const server = await requireServer(manager, serverId);
        const row = await manager.findOne(RecoveryPointEntity, {
          where: { serverId, kind: 'image', state: 'usable', ...(until === null ? {} : { pointInTime: LessThanOrEqual(new Date(until)) }) },
          order: { pointInTime: 'DESC', generation: 'DESC' },
        });
        if (row === null) throw noRecoveryPoint(server, until);
        return imageView(row);
      }),

    usableData: (serverId, dataSet) =>
      database.read(async (manager) => {
        await requireServer(manager, serverId);
        const rows = await manager.find(RecoveryPointEntity, {
          where: { serverId, kind: 'data', dataSet, purpose: 'backup', state: 'usable' },
          order: { pointInTime: 'DESC', id: 'DESC' },
          take: USABLE_DATA_LIMIT,
        });
        return rows.map(dataView);
      }),

    holdRecoveryPoint: (actor, id, reason) =>
      database.transaction(async ({ manager, audit }) => {
        const row = await lockRecoveryPoint(manager, id);
        if (isHeldAlready(row, actor, reason)) return recoveryPointView(row);
        const hold = { holdReason: storableText(reason), heldBy: storableText(actor, 256), heldAt: now() };
        await manager.update(RecoveryPointEntity, { id }, hold);
        audit({ actor, action: 'recovery-point.held', serverId: row.serverId, details: { recoveryPointId: id, reason: hold.holdReason } });
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
      database.read(async (manager) => {
        await requireServer(manager, serverId);
        const rows = await manager.find(RecoveryPointEntity, {
          select: { id: true, kind: true, dataSet: true, pointInTime: true, state: true, purpose: true, holdReason: true, verifiedAt: true },
          where: { serverId },
          order: { pointInTime: 'ASC', id: 'ASC' },
        });
        const plans = await manager.findBy(RestorePlanEntity, { serverId, state: In(['planning', 'ready', 'used']) });
        const openRuns = await manager.find(RunEntity, { select: { id: true }, where: { serverId, state: In(['accepted', 'running']) } });
        const openWayBacks = await manager.find(WayBackEntity, { select: { runId: true }, where: { serverId, state: 'open' } });
        const uses = recoveryPointUses(plans, new Set(openRuns.map(({ id }) => id)), new Set(openWayBacks.map(({ runId }) => runId)), now());
        return rows.map((row) => retentionPoint(row, uses));
      }),

    markRecoveryPoint: (id, state, why) =>
      database.transaction(async ({ manager, audit }) => {
        const row = await lockRecoveryPoint(manager, id);
        await setRecoveryPointState({ manager, audit }, row, state, { code: 'RECOVERY_POINT_CORRUPT', message: why }, now());
      }),
  };
}

/** One word of one person is kept: a second one must not be taken for it. Throws `RECOVERY_POINT_HELD`. */
export function isHeldAlready({ id, heldAt, heldBy, holdReason }: RecoveryPointRow, actor: string, reason: string): boolean {
  if (heldAt === null) return false;
  if (heldBy === storableText(actor, 256) && holdReason === storableText(reason)) return true;
  throw new ModosuError(
    'RECOVERY_POINT_HELD',
    `Recovery point ${id} is held by ${heldBy ?? ''} since ${heldAt.toISOString()}: ${holdReason ?? ''}. Nothing was changed.`,
    {
      context: { recoveryPointId: id, heldBy },
    },
  );
}

/** What somebody who has read it found; what it was found to be before stays. */
export async function setRecoveryPointState(
  { manager, audit }: Transaction,
  row: RecoveryPointRow,
  state: RecoveryPointState,
  why: Damage,
  at: Date,
): Promise<void> {
  if (row.state === state) return;
  await manager.update(RecoveryPointEntity, { id: row.id }, stateFound(state, why, at));
  audit({ actor: WORKER, action: `recovery-point.${state}`, runId: row.runId, serverId: row.serverId, details: stateDetails(row, why.message) });
}

export const stateFound = (
  state: RecoveryPointState,
  { code, message }: Damage,
  at: Date,
): Pick<RecoveryPointRow, 'state' | 'stateReason' | 'checkedAt' | 'checkProblem'> => {
  const stateReason = storableText(message);
  return { state, stateReason, checkedAt: at, checkProblem: state === 'damaged' ? { code, message: stateReason } : null };
};

export const stateDetails = ({ id, generation }: RecoveryPointRow, why: string) => ({ recoveryPointId: id, generation, why: storableText(why) });

export async function lockRecoveryPoint(manager: EntityManager, id: string): Promise<RecoveryPointRow> {
  const row = await manager.findOne(RecoveryPointEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (row === null) throw recoveryPointNotFound(id);
  return row;
}

export async function requireRecoveryPoint(manager: EntityManager, id: string): Promise<RecoveryPointRow> {
  const row = await manager.findOneBy(RecoveryPointEntity, { id });
  if (row === null) throw recoveryPointNotFound(id);
  return row;
}

/** What the audit says about one. */
export const publishedData = ({
  id,
  dataSet,
  purpose,
  snapshotId,
  sizeBytes,
  addedBytes,
  pointInTime,
}: RecoveryPointRow): Readonly<Record<string, unknown>> => ({
  recoveryPointId: id,
  dataSet,
  purpose,
  snapshotId,
  sizeBytes,
  addedBytes,
  pointInTime,
});

/** @param until nothing younger was asked for; null: anything */
export const noRecoveryPoint = (server: { readonly id: string; readonly name: string }, until: string | null = null): ModosuError =>
  new ModosuError(
    'NO_RECOVERY_POINT',
    `Server "${server.name}" has no usable recovery point${until === null ? '' : ` from before the incident at ${until}`}.`,
    {
      ...(until === null ? {} : { hint: 'Choose one by its id (--recovery-point): `modosu recovery-point list --server NAME`.' }),
      context: { serverId: server.id, server: server.name },
    },
  );

export const generationTaken = ({
  id,
  serverName,
  generation,
}: {
  readonly id: string;
  readonly serverName: string;
  readonly generation: number | null;
}): ModosuError =>
  new ModosuError(
    'INTERNAL',
    `Recovery point ${id} cannot be recorded: server "${serverName}" has another recovery point of generation ${generation}. Its files lie in the repository and stay there.`,
    {
      context: { recoveryPointId: id, generation },
    },
  );
