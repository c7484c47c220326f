import { EntitySchema } from 'typeorm';
import type { SideReadings } from '../../contracts/reading';
import { instant, json, primary, text } from './columns';

/** What was read of one side of a relation on one occasion. */
export interface MarkerReadingRow {
  readonly occasion: string;
  readonly relation: string;
  readonly peer: string;
  readonly side: SideReadings['of'];
  readonly readings: SideReadings['readings'];
  readonly recordedAt: Date;
}

export const MarkerReadingEntity = new EntitySchema<MarkerReadingRow>({
  name: 'marker_reading',
  columns: {
    occasion: text(primary),
    relation: text(primary),
    peer: text(primary),
    side: text(primary),
    readings: json(),
    recordedAt: instant({ name: 'recorded_at' }),
  },
  checks: [{ name: 'marker_reading_side_check', expression: `side IN ('server', 'peer')` }],
});

/** As they stand in its manifest. */
export interface RecoveryPointMarkersRow {
  readonly recoveryPointId: string;
  readonly markers: readonly SideReadings[];
}

export const RecoveryPointMarkersEntity = new EntitySchema<RecoveryPointMarkersRow>({
  name: 'recovery_point_markers',
  columns: { recoveryPointId: text({ name: 'recovery_point_id', primary: true }), markers: json() },
  foreignKeys: [{ name: 'recovery_point_markers_point_fkey', target: 'recovery_point', columnNames: ['recoveryPointId'], referencedColumnNames: ['id'] }],
});
