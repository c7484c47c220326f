import type { Catalog } from '../../src/catalog/catalog';
import { readingRow, sideReadings, storableMarkers } from '../../src/catalog/marker-store';
import type { MarkerReadingRow } from '../../src/catalog/entities';
import type { SideReadings } from '../../src/contracts/reading';

/** Readings of markers, in memory. */
export class FakeMarkers {
  private readonly readings = new Map<string, MarkerReadingRow>();
  private readonly captured = new Map<string, readonly SideReadings[]>();

  record: Catalog['recordReadings'] = async (occasion, sides) => {
    for (const side of sides) {
      const key = JSON.stringify([occasion, side.relation, side.peer, side.of]);
      const row = readingRow(occasion, side, new Date());
      this.readings.set(key, { ...row, readings: { ...this.readings.get(key)?.readings, ...row.readings } });
    }
  };

  of: Catalog['readingsOf'] = async (occasion) =>
    [...this.readings]
      .filter(([, row]) => row.occasion === occasion)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, row]) => sideReadings(row));

  forget(isForgotten: (occasion: string) => boolean): number {
    const gone = [...this.readings].filter(([, { occasion }]) => isForgotten(occasion));
    for (const [key] of gone) this.readings.delete(key);
    return gone.length;
  }

  /** With a recovery point that is recorded. */
  keep(recoveryPointId: string, markers: readonly SideReadings[] | undefined): void {
    if (markers !== undefined && markers.length > 0) this.captured.set(recoveryPointId, storableMarkers(markers));
  }

  ofPoint: Catalog['markersOf'] = async (recoveryPointId) => this.captured.get(recoveryPointId) ?? [];
}
