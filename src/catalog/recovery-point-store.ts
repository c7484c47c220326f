import { In, IsNull, LessThanOrEqual, Not, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { repositoryNotConfigured } from '../contracts/not-declared';
import type { ServerFacts } from '../contracts/facts';
import type { DataManifest } from '../contracts/data';
import type { DataRecoveryPointView, ImageManifest, ImageRecoveryPointView, RecoveryPointState } from '../contracts/recovery-point';
import type { Damage } from '../contracts/verification';
import { recoveryPointNotFound } from '../domain/planning/recovery-point-choice';
import type { Catalog } from './catalog';
import { chainOf, damageBelow, damageOfRead, handDown, lockRecoveryPoints, returnExpired } from './chain-store';
import type { Database, Transaction } from './database';
import {
  AppliedChangeEntity,
  OffsiteCopyEntity,
  RecoveryPointEntity,
  RepositoryEntity,
  RunEntity,
  type OffsiteCopyRow,
  type RecoveryPointRow,
} from './entities';
import { withFacts } from './generation-store';
import { forgetCapture, keepMarkers } from './marker-store';
import { requireServer } from './inventory-store';
import { newestFirst } from './newest-first';
import { withCopies } from './offsite-row';
import { afterReading, stateFound } from './recovery-point-chain';
import { dataRecoveryPointRow, dataView, imageView, recoveryPointRow } from './views';

type RecoveryPointMethods = Pick<
  Catalog,
  | 'nextGeneration'
  | 'recordRecoveryPoint'
  | 'recordDataRecoveryPoint'
  | 'adoptRecoveryPoint'
  | 'adoptDataRecoveryPoint'
  | 'listRecoveryPoints'
  | 'getRecoveryPoint'
  | 'newestUsable'
  | 'usableImages'
  | 'incrementalParents'
  | 'usableData'
  | 'manifestChecksum'
  | 'markRecoveryPoint'
>;

/** Nobody looks further back for the newest suitable one. */
const USABLE_DATA_LIMIT = 1000;

/** An incremental that cannot continue the newest one can hardly continue one that is older still. */
export const PARENTS_LIMIT = 10;

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

    recordRecoveryPoint: (manifest, repository, manifestSha256, facts) =>
      database.transaction(async (transaction) => {
        const recorded = await recordImage(transaction, manifest, { repository, manifestSha256: manifestSha256 ?? null, facts: facts ?? null }, PUBLISHED, now);
        await forgetCapture(transaction.manager, manifest.runId);
        return recorded;
      }),
    adoptRecoveryPoint: (actor, manifest, repository, manifestSha256, missing, facts) =>
      database.transaction((transaction) =>
        recordImage(transaction, manifest, { repository, manifestSha256, facts: facts ?? null }, adopted(actor, missing), now),
      ),
    recordDataRecoveryPoint: (manifest) => database.transaction((transaction) => recordData(transaction, manifest, PUBLISHED, now)),
    adoptDataRecoveryPoint: (actor, manifest, missing) =>
      database.transaction((transaction) => recordData(transaction, manifest, adopted(actor, missing), now)),

    listRecoveryPoints: ({ serverId, state }, page) =>
      database.read((manager) => {
        const where = { serverId, state: state ?? Not<RecoveryPointState>('deleted') };
        return newestFirst(manager, { entity: RecoveryPointEntity, kind: 'recovery-points', by: 'pointInTime' }, where, page, async (rows) => {
          const copies = await copiesOf(
            manager,
            rows.map(({ id }) => id),
          );
          return rows.map((row) => withCopies(row, copies));
        });
      }),

    getRecoveryPoint: (id) => database.read(async (manager) => withCopies(await requireRecoveryPoint(manager, id), await copiesOf(manager, [id]))),

    newestUsable: (serverId, until = null) =>
      database.read(async (manager) => {
        const server = await requireServer(manager, serverId);
        const [row] = await usableImageRows(manager, serverId, until, 1);
        if (row === undefined) throw noRecoveryPoint(server, until);
        return imageView(row);
      }),

    usableImages: (serverId, until, limit) =>
      database.read(async (manager) => {
        await requireServer(manager, serverId);
        return (await usableImageRows(manager, serverId, until, limit)).map(imageView);
      }),

    incrementalParents: (serverId, repository) =>
      database.read(async (manager) => {
        const { lineageId } = await requireServer(manager, serverId);
        const rows = await manager.find(RecoveryPointEntity, {
          select: { id: true },
          where: { serverId, kind: 'image', state: 'usable', lineageId, repository },
          order: { generation: 'DESC' },
          take: PARENTS_LIMIT,
        });
        return rows.map(({ id }) => id);
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

    manifestChecksum: (id) => database.read(async (manager) => (await manager.findOneBy(RecoveryPointEntity, { id }))?.manifestSha256 ?? null),

    markRecoveryPoint: (readId, state, why, of = {}) =>
      database.transaction(async (transaction) => {
        const { manager } = transaction;
        const { id, found } = await damageOfRead(manager, readId, { code: 'RECOVERY_POINT_CORRUPT', ...of, message: why });
        await setRecoveryPointState(transaction, await lockRecoveryPoint(manager, id), { state, why: found }, now(), false);
      }),
  };
}

const usableImageRows = (manager: EntityManager, serverId: string, until: string | null, limit: number): Promise<readonly RecoveryPointRow[]> =>
  manager.find(RecoveryPointEntity, {
    where: { serverId, kind: 'image', state: 'usable', ...(until === null ? {} : { pointInTime: LessThanOrEqual(new Date(until)) }) },
    order: { pointInTime: 'DESC', generation: 'DESC' },
    take: limit,
  });

/** Who has come by it, as the audit says. */
export interface Recorded {
  readonly actor: string;
  readonly action: string;
  /** Why it is not usable, whatever it builds on; null: it lies where it should. */
  readonly missing: Damage | null;
}
export const PUBLISHED: Recorded = { actor: WORKER, action: 'recovery-point.published', missing: null };
export const adopted = (actor: string, missing: string | undefined): Recorded => ({
  actor,
  action: 'recovery-point.adopted',
  missing: missing === undefined ? null : { code: 'RECOVERY_POINT_INCOMPLETE', message: missing },
});

async function recordImage(
  transaction: Transaction,
  manifest: ImageManifest,
  { repository, manifestSha256, facts }: { readonly repository: string; readonly manifestSha256: string | null; readonly facts: ServerFacts | null },
  { missing, ...how }: Recorded,
  now: () => Date,
): Promise<ImageRecoveryPointView> {
  const { manager, audit } = transaction;
  const server = await requireServer(manager, manifest.server.id);
  if (!(await manager.existsBy(RepositoryEntity, { name: repository }))) {
    throw repositoryNotConfigured(repository);
  }
  const published = await withFacts(manager, recoveryPointRow(manifest, repository, manifestSha256), facts);
  // Held until it stands there: whoever finds one of them damaged meanwhile finds this one, too.
  const below = await lockRecoveryPoints(manager, await chainOf(manager, published.parentId === null ? [] : [published.parentId]), 'write');
  const damage = missing ?? (await damageBelow(manager, published));
  const row = damage === null ? published : { ...published, ...stateFound('damaged', damage, now()) };
  const inserted = await manager.createQueryBuilder().insert().into(RecoveryPointEntity).values(row).orIgnore().returning('id').execute();
  const stored = await manager.findOneBy(RecoveryPointEntity, { id: row.id });
  if (stored === null) throw generationTaken(row);
  if ((inserted.raw as readonly unknown[]).length === 0) return imageView(stored);
  await manager.update(RunEntity, { id: row.runId }, { recoveryPointId: row.id });
  await noteContained(manager, row);
  await keepMarkers(manager, row.id, manifest.markers);
  audit({
    ...how,
    runId: row.runId,
    serverId: server.id,
    details: {
      recoveryPointId: row.id,
      generation: row.generation,
      lineageId: row.lineageId,
      parentId: row.parentId,
      repository,
      sizeBytes: row.sizeBytes,
      pointInTime: row.pointInTime,
      definitionSha256: manifest.definition.sha256,
      manifestSha256: row.manifestSha256,
    },
  });
  await returnExpired(transaction, below, how.actor);
  if (damage !== null) {
    audit({ actor: how.actor, action: 'recovery-point.damaged', runId: row.runId, serverId: server.id, details: stateDetails(row, damage.message) });
  }
  return imageView(stored);
}

/** Changes that no image of this line contained before this one. */
async function noteContained(manager: EntityManager, { id, generation, lineageId, changes }: RecoveryPointRow): Promise<void> {
  const contained = changes?.contained.map((change) => change.id) ?? [];
  if (contained.length === 0 || lineageId === null) return;
  await manager.update(AppliedChangeEntity, { lineageId, changeId: In(contained), recoveryPointId: IsNull() }, { recoveryPointId: id, generation });
}

async function recordData(
  { manager, audit }: Transaction,
  manifest: DataManifest,
  { missing, ...how }: Recorded,
  now: () => Date,
): Promise<DataRecoveryPointView> {
  const server = await requireServer(manager, manifest.server.id);
  const published = dataRecoveryPointRow(manifest);
  const row = missing === null ? published : { ...published, ...stateFound('damaged', missing, now()) };
  const inserted = await manager.createQueryBuilder().insert().into(RecoveryPointEntity).values(row).orIgnore().returning('id').execute();
  const stored = await requireRecoveryPoint(manager, row.id);
  if ((inserted.raw as readonly unknown[]).length === 0) return dataView(stored);
  // The first one that is saved stands for the run; the others are found by their run.
  await manager.update(RunEntity, { id: row.runId, recoveryPointId: IsNull() }, { recoveryPointId: row.id });
  audit({ ...how, runId: row.runId, serverId: server.id, details: publishedData(row) });
  return dataView(stored);
}

const copiesOf = (manager: EntityManager, ids: readonly string[]): Promise<readonly OffsiteCopyRow[]> =>
  manager.find(OffsiteCopyEntity, { where: { recoveryPointId: In([...ids]) }, order: { offsite: 'ASC' } });

/** What reading can say of one. */
type Readable = Extract<RecoveryPointState, 'usable' | 'damaged'>;

/**
 * What somebody who has read it found. All that builds on it is told. Gives false where it is not usable although it was found well: what it builds on is
 * damaged.
 *
 * @param replaces as in `afterReading`
 */
export async function setRecoveryPointState(
  transaction: Transaction,
  row: RecoveryPointRow,
  found: { readonly state: Readable; readonly why: Damage },
  at: Date,
  replaces: boolean,
): Promise<boolean> {
  const { manager, audit } = transaction;
  const { id, runId, serverId } = row;
  const below = found.state === 'usable' ? await damageBelow(manager, row) : null;
  const reading = afterReading(row, found, { below, at, replaces });
  if (reading !== null) {
    const { changes, action, isTold } = reading;
    await manager.update(RecoveryPointEntity, { id }, changes);
    if (action !== null) audit({ actor: WORKER, action, runId, serverId, details: stateDetails(row, found.why.message) });
    if (isTold) await handDown(transaction, { ...row, ...changes }, WORKER, at);
  }
  return below === null;
}

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
      hint: 'Both are whole: the other one is in the catalogue; this one can be restored by hand (docs/REPOSITORY-FORMAT.md), until its directory is removed.',
      context: { recoveryPointId: id, generation },
    },
  );
