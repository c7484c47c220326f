import type { Order } from './order';
import { unreadable } from './unreadable';

/**
 * Serials of DNS zones. They go round after 2^32 - 1, so that "greater" is a question of the shorter way around (RFC 1982): a secondary takes a zone only if
 * its serial is greater than the one it has.
 */

const CIRCLE = 2 ** 32;
/** What is this far away lies on neither side: RFC 1982 (3.2) leaves it undefined, and name servers differ. */
const OPPOSITE = 2 ** 31;
/** The largest step that goes forward for certain. */
export const MAX_SERIAL_STEP = OPPOSITE - 1;

/** In decimal digits. Throws `MARKER_UNREADABLE` for what is not a whole number from 0 to 2^32 - 1. */
export const readSerial = (text: string): string => String(serialOf(text));

/** By RFC 1982; `incomparable` at the distance of 2^31. Not transitive: of three serials around the circle each may be ahead of the next. Throws `MARKER_UNREADABLE`. */
export function compareSerials(one: string, other: string): Order {
  const steps = stepsBetween(serialOf(other), serialOf(one));
  if (steps === 0) return 'same';
  if (steps === OPPOSITE) return 'incomparable';
  return steps < OPPOSITE ? 'ahead' : 'behind';
}

/**
 * The nearest serial that is greater, by RFC 1982, than the restored one and than every one given, so that a primary which serves it is followed by all who
 * have those. Null: there is none, because they lie too far apart on the circle.
 *
 * Then it takes two steps (RFC 1982, section 7; RFC 1912, section 3.1): serve the restored serial plus `MAX_SERIAL_STEP`, modulo 2^32, wait until the
 * secondaries that take it show it (two refresh times at least), and ask again with that one as the restored serial and with the serials shown by then. One
 * that is just 2^31 away may take neither: let it transfer the zone anew by hand.
 *
 * Throws `MARKER_UNREADABLE`.
 *
 * @param serials what the secondaries have
 */
export function nextSerialAbove(serials: readonly string[], restored: string): string | null {
  const start = serialOf(restored);
  let least = 1;
  let most = MAX_SERIAL_STEP;
  for (const serial of serials) {
    const ahead = stepsBetween(start, serialOf(serial));
    if (ahead < OPPOSITE) least = Math.max(least, ahead + 1);
    // It lies behind, or opposite: too large a step would come round to its other side.
    else most = Math.min(most, MAX_SERIAL_STEP - (CIRCLE - ahead));
  }
  return least <= most ? String((start + least) % CIRCLE) : null;
}

/** Forward around the circle, from 0 to 2^32 - 1. */
const stepsBetween = (from: number, to: number): number => (to - from + CIRCLE) % CIRCLE;

function serialOf(text: string): number {
  const serial = /^\d{1,10}$/.test(text) ? Number(text) : CIRCLE;
  if (serial >= CIRCLE) throw unreadable('serial32', text, 'it is not a whole number from 0 to 4294967295');
  return serial;
}
