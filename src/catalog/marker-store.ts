import type { EntityManager } from 'typeorm';
import { storableObject } from '../audit/storable';
import type { SideReadings } from '../contracts/reading';
import type { Catalog } from './catalog';
import type { Database } from './database';
import { MarkerReadingEntity, RecoveryPointMarkersEntity, type MarkerReadingRow } from './entities';

type MarkerMethods = Pick<Catalog, 'recordReadings' | 'readingsOf' | 'markersOf'>;

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
  };
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
