import type { Catalog } from '../../src/catalog/catalog';
import { readingRow, sideReadings } from '../../src/catalog/marker-store';
import type { MarkerReadingRow } from '../../src/catalog/entities';
import type { SideReadings } from '../../src/contracts/reading';

/** Readings of markers, in memory. */
export class FakeMarkers {
  private readonly readings = new Map<string, MarkerReadingRow>();
  private readonly captured = new Map<string, readonly SideReadings[]>();

  record: Catalog['recordReadings'] = async (occasion, sides) => {
    for (const side of sides) this.readings.set(JSON.stringify([occasion, side.relation, side.peer, side.of]), readingRow(occasion, side, new Date()));
  };

  of: Catalog['readingsOf'] = async (occasion) =>
    [...this.readings]
      .filter(([, row]) => row.occasion === occasion)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, row]) => sideReadings(row));

  /** With a recovery point that is recorded. */
  keep(recoveryPointId: string, markers: readonly SideReadings[] | undefined): void {
    if (markers !== undefined && markers.length > 0) this.captured.set(recoveryPointId, markers);
  }

  ofPoint: Catalog['markersOf'] = async (recoveryPointId) => this.captured.get(recoveryPointId) ?? [];
}
