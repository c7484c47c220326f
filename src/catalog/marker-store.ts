import { In, LessThanOrEqual, MoreThan, type EntityManager } from 'typeorm';
import { storableText } from '../audit/storable';
import type { MarkerReading } from '../contracts/profile';
import { occasionOf, type SideReadings } from '../contracts/reading';
import { MAX_MARKER_BYTES } from '../domain/consistency/markers';
import type { CandidatePoint } from '../domain/relations/restored-together';
import type { MarkerCatalog } from './port/markers';
import type { Database } from './database';
import { MarkerReadingEntity, RecoveryPointEntity, RecoveryPointMarkersEntity, type MarkerReadingRow, type RecoveryPointRow } from './entities';
import { requireServer } from './inventory-store';
import { imageView } from './views';

export function markerStore(database: Database, now: () => Date): MarkerCatalog {
  return {
    recordReadings: (occasion, sides) =>
      database.transaction(async ({ manager }) => {
        for (const side of sides) {
          const row = readingRow(occasion, side, now());
          await manager.query(UPSERT, [row.occasion, row.relation, row.peer, row.side, JSON.stringify(row.readings), row.recordedAt]);
        }
      }),

    readingsOf: (occasion) =>
      database.read(async (manager) =>
        (await manager.find(MarkerReadingEntity, { where: { occasion }, order: { relation: 'ASC', peer: 'ASC', side: 'ASC' } })).map(sideReadings),
      ),

    forgetReadings: () =>
      database.transaction(async ({ manager }) => {
        const { affected } = await manager.createQueryBuilder().delete().from(MarkerReadingEntity).where(NOBODY_ASKS).execute();
        return affected ?? 0;
      }),

    markersOf: (recoveryPointId) => database.read(async (manager) => (await manager.findOneBy(RecoveryPointMarkersEntity, { recoveryPointId }))?.markers ?? []),

    candidatePoints: (serverId, { until = null, named } = {}) =>
      database.read(async (manager) => {
        await requireServer(manager, serverId);
        const own = named === undefined ? null : await manager.findOneBy(RecoveryPointEntity, { id: named, serverId, kind: 'image' });
        const points =
          own === null ? await pointsAround(manager, serverId, until) : [...(await pointsAfter(manager, serverId, own.pointInTime, AFTER_NAMED)), own];
        const stored = points.length === 0 ? [] : await manager.findBy(RecoveryPointMarkersEntity, { recoveryPointId: In(points.map(({ id }) => id)) });
        return points.map((point) => candidatePoint(point, stored.find(({ recoveryPointId }) => recoveryPointId === point.id)?.markers ?? []));
      }),
  };
}

/** Markers of one side come from several hands: what was asked of it, and what could not be. */
const UPSERT = `INSERT INTO marker_reading (occasion, relation, peer, side, readings, recorded_at) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (occasion, relation, peer, side) DO UPDATE SET readings = marker_reading.readings || EXCLUDED.readings, recorded_at = EXCLUDED.recorded_at`;

/** An occasion is the id of a plan or a run, and of a run a moment behind a colon. What belongs to neither stays. */
const NOBODY_ASKS = `EXISTS (SELECT FROM restore_plan WHERE restore_plan.id = occasion AND restore_plan.state <> 'planning')
  OR EXISTS (SELECT FROM run WHERE run.id = split_part(occasion, ':', 1) AND run.state NOT IN ('accepted', 'running')
    AND NOT (occasion = run.id || ':recheck' AND EXISTS (SELECT FROM way_back LEFT JOIN run AS closing ON closing.id = way_back.closed_by
      WHERE way_back.run_id = run.id AND (way_back.state = 'open' OR closing.state IN ('accepted', 'running')))))`;

/** So many images of a server are looked at when several are to be restored together. */
export const MAX_CANDIDATES = 40;
/** So many of those after an incident: most often the first tells how far the server had come, but it may have been taken while nobody could ask the server. */
export const MAX_BOUNDS = 10;
/** After one that was chosen before: all that the choice can have seen after it. What was proven then is proven again. */
export const AFTER_NAMED = MAX_CANDIDATES + MAX_BOUNDS;

const usableImages = (serverId: string) => ({ serverId, kind: 'image', state: 'usable' }) as const;

/** Newest first. */
async function pointsAround(manager: EntityManager, serverId: string, until: string | null): Promise<readonly RecoveryPointRow[]> {
  const last = until === null ? null : new Date(until);
  const newest = await manager.find(RecoveryPointEntity, {
    where: { ...usableImages(serverId), ...(last === null ? {} : { pointInTime: LessThanOrEqual(last) }) },
    order: { pointInTime: 'DESC', id: 'DESC' },
    take: MAX_CANDIDATES,
  });
  return last === null ? newest : [...(await pointsAfter(manager, serverId, last, MAX_BOUNDS)), ...newest];
}

/** The first so many, newest first. */
async function pointsAfter(manager: EntityManager, serverId: string, after: Date, atMost: number): Promise<readonly RecoveryPointRow[]> {
  const first = await manager.find(RecoveryPointEntity, {
    where: { ...usableImages(serverId), pointInTime: MoreThan(after) },
    order: { pointInTime: 'ASC', id: 'ASC' },
    take: atMost,
  });
  return first.toReversed();
}

export function candidatePoint(point: RecoveryPointRow, markers: readonly SideReadings[]): CandidatePoint {
  const { id, serverName, pointInTime, lineageId, setId, consistency } = imageView(point);
  return { id, server: serverName, pointInTime, lineageId, setId, consistency, markers };
}

export const readingRow = (occasion: string, { relation, peer, of, readings }: SideReadings, recordedAt: Date): MarkerReadingRow => ({
  occasion,
  relation,
  peer,
  side: of,
  readings: storableReadings(readings),
  recordedAt,
});

export const sideReadings = ({ relation, peer, side, readings }: MarkerReadingRow): SideReadings => ({ relation, peer, of: side, readings });

/** As they stand in the manifest of a recovery point, which others may have written. */
export const storableMarkers = (markers: readonly SideReadings[]): readonly SideReadings[] =>
  markers.map(({ relation, peer, of, readings }) => ({
    relation: storableText(relation),
    peer: storableText(peer),
    of,
    readings: storableReadings(readings),
  }));

const storableReadings = (readings: SideReadings['readings']): SideReadings['readings'] =>
  Object.fromEntries(Object.entries(readings).map(([name, reading]) => [storableText(name, 256), storableReading(reading)]));

/** A value that was cut, or cleaned of what PostgreSQL cannot hold, would be another value, and rules would compare it: one that cannot be kept as it is was not read. */
function storableReading(reading: MarkerReading): MarkerReading {
  if (reading.state === 'failed') return { ...reading, code: storableText(reading.code, 256), message: storableText(reading.message) };
  const { value, raw, at } = reading;
  if (storableText(value, MAX_MARKER_BYTES) === value) return { ...reading, raw: storableText(raw) };
  return Buffer.byteLength(value) > MAX_MARKER_BYTES
    ? { state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE', message: `The value has more than ${MAX_MARKER_BYTES / 1024} KiB.`, at }
    : { state: 'failed', code: 'MARKER_UNREADABLE', message: 'The value has characters that cannot be stored.', at };
}

/** What was read for an image stands with its recovery point: nobody asks for it by its run any more. */
export const forgetCapture = async (manager: EntityManager, runId: string): Promise<void> =>
  void (await manager.delete(MarkerReadingEntity, { occasion: occasionOf(runId, 'capture') }));

/** After the recovery point that they belong to. */
export async function keepMarkers(manager: EntityManager, recoveryPointId: string, markers: readonly SideReadings[] | undefined): Promise<void> {
  if (markers === undefined || markers.length === 0) return;
  await manager
    .createQueryBuilder()
    .insert()
    .into(RecoveryPointMarkersEntity)
    .values({ recoveryPointId, markers: storableMarkers(markers) })
    .orIgnore()
    .execute();
}
