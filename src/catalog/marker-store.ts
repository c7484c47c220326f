import { In, type EntityManager } from 'typeorm';
import { storableObject } from '../audit/storable';
import type { SideReadings } from '../contracts/reading';
import type { CandidatePoint } from '../domain/relations/restored-together';
import type { Catalog } from './catalog';
import type { Database } from './database';
import { MarkerReadingEntity, RecoveryPointEntity, RecoveryPointMarkersEntity, type MarkerReadingRow, type RecoveryPointRow } from './entities';
import { requireServer } from './inventory-store';
import { imageView } from './views';

type MarkerMethods = Pick<Catalog, 'recordReadings' | 'readingsOf' | 'markersOf' | 'candidatePoints'>;

export function markerStore(database: Database, now: () => Date): MarkerMethods {
  return {
    recordReadings: (occasion, sides) =>
      database.transaction(async ({ manager }) => {
        if (sides.length === 0) return;
        await manager.upsert(
          MarkerReadingEntity,
          sides.map((side) => readingRow(occasion, side, now())),
          ['occasion', 'relation', 'peer', 'side'],
        );
      }),

    readingsOf: (occasion) =>
      database.read(async (manager) =>
        (await manager.find(MarkerReadingEntity, { where: { occasion }, order: { relation: 'ASC', peer: 'ASC', side: 'ASC' } })).map(sideReadings),
      ),

    markersOf: (recoveryPointId) => database.read(async (manager) => (await manager.findOneBy(RecoveryPointMarkersEntity, { recoveryPointId }))?.markers ?? []),

    candidatePoints: (serverId, named = null) =>
      database.read(async (manager) => {
        await requireServer(manager, serverId);
        const newest = await manager.find(RecoveryPointEntity, {
          where: { serverId, kind: 'image', state: 'usable' },
          order: { pointInTime: 'DESC', id: 'DESC' },
          take: MAX_CANDIDATES,
        });
        const other =
          named === null || newest.some(({ id }) => id === named) ? [] : await manager.findBy(RecoveryPointEntity, { id: named, serverId, kind: 'image' });
        const points = [...newest, ...other];
        const stored = points.length === 0 ? [] : await manager.findBy(RecoveryPointMarkersEntity, { recoveryPointId: In(points.map(({ id }) => id)) });
        return points.map((point) => candidatePoint(point, stored.find(({ recoveryPointId }) => recoveryPointId === point.id)?.markers ?? []));
      }),
  };
}

/** So many images of a server are looked at when several are to be restored together. */
export const MAX_CANDIDATES = 40;

export function candidatePoint(point: RecoveryPointRow, markers: readonly SideReadings[]): CandidatePoint {
  const { id, serverName, pointInTime, lineageId, setId, consistency } = imageView(point);
  return { id, server: serverName, pointInTime, lineageId, setId, consistency, markers };
}

/** A guest may print what PostgreSQL cannot hold. */
export const readingRow = (occasion: string, { relation, peer, of, readings }: SideReadings, recordedAt: Date): MarkerReadingRow => ({
  occasion,
  relation,
  peer,
  side: of,
  readings: storableObject(readings) as SideReadings['readings'],
  recordedAt,
});

export const sideReadings = ({ relation, peer, side, readings }: MarkerReadingRow): SideReadings => ({ relation, peer, of: side, readings });

/** After the recovery point that they belong to. */
export async function keepMarkers(manager: EntityManager, recoveryPointId: string, markers: readonly SideReadings[] | undefined): Promise<void> {
  if (markers === undefined || markers.length === 0) return;
  await manager.createQueryBuilder().insert().into(RecoveryPointMarkersEntity).values({ recoveryPointId, markers }).orIgnore().execute();
}
