import type { SideReadings } from '../../contracts/reading';

/** Of all markers in one manifest, as JSON in UTF-8; as much again for what is said of those that do not fit. */
export const MAX_CAPTURED_BYTES = 1024 * 1024;

/**
 * As many as a manifest has room for, in their order; what does not fit is written down as too large, and takes nothing from those after it. Where there is no room for
 * that either, it is left out: the recovery point has no value of it then.
 */
export function withinRoom(sides: readonly SideReadings[], room: number = MAX_CAPTURED_BYTES): readonly SideReadings[] {
  let [left, leftForNotes] = [room, room];
  return sides.flatMap((side) => {
    const bytes = bytesOf(side);
    if (bytes <= left) {
      left -= bytes;
      return [side];
    }
    const note = tooLarge(side);
    leftForNotes -= bytesOf(note);
    return leftForNotes < 0 ? [] : [note];
  });
}

const bytesOf = (side: SideReadings): number => new TextEncoder().encode(JSON.stringify(side)).length;

function tooLarge(side: SideReadings): SideReadings {
  const message = 'There was no room left for it in the manifest of the recovery point.';
  const readings = Object.entries(side.readings).map(([name, { at }]) => [name, { state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE', message, at }] as const);
  return { ...side, readings: Object.fromEntries(readings) };
}
