import type { SideReadings } from '../../contracts/reading';

/** Of all markers in one manifest, as JSON. */
export const MAX_CAPTURED_CHARACTERS = 1024 * 1024;

/** As many as a manifest has room for, in their order; the others are written down as too large. */
export function withinRoom(sides: readonly SideReadings[], room: number = MAX_CAPTURED_CHARACTERS): readonly SideReadings[] {
  let left = room;
  return sides.map((side) => {
    left -= JSON.stringify(side).length;
    if (left >= 0) return side;
    const message = 'There was no room left for it in the manifest of the recovery point.';
    const readings = Object.entries(side.readings).map(([name, { at }]) => [name, { state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE', message, at }] as const);
    return { ...side, readings: Object.fromEntries(readings) };
  });
}
