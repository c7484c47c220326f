import type { Order } from './order';
import { unreadable } from './unreadable';

/**
 * Serials of DNS zones. They go round after 2^32 - 1, so that "greater" is a question of the shorter way around (RFC 1982): a secondary takes a zone only if
 * its serial is greater than the one it has.
 */

const CIRCLE = 2 ** 32;
/** What is this far away lies on neither side: RFC 1982 (3.2) leaves it undefined, and name servers differ. */
const OPPOSITE = 2 ** 31;

/** In decimal digits. Throws `MARKER_UNREADABLE` for what is not a whole number from 0 to 2^32 - 1. */
export const readSerial = (text: string): string => String(serialOf(text));

/** By RFC 1982; `incomparable` at the distance of 2^31. Not transitive: of three serials around the circle each may be ahead of the next. Throws `MARKER_UNREADABLE`. */
export function compareSerials(one: string, other: string): Order {
  const steps = stepsBetween(serialOf(other), serialOf(one));
  if (steps === 0) return 'same';
  if (steps === OPPOSITE) return 'incomparable';
  return steps < OPPOSITE ? 'ahead' : 'behind';
}

/** Forward around the circle, from 0 to 2^32 - 1. */
const stepsBetween = (from: number, to: number): number => (to - from + CIRCLE) % CIRCLE;

function serialOf(text: string): number {
  const serial = /^\d{1,10}$/.test(text) ? Number(text) : CIRCLE;
  if (serial >= CIRCLE) throw unreadable('serial32', text, 'it is not a whole number from 0 to 4294967295');
  return serial;
}
