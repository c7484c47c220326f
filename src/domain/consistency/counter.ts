import { orderInLine, type Order } from './order';
import { unreadable } from './unreadable';

/**
 * Whole numbers from 0 on, of any size: a USN, a raft index, an offset. They stay decimal texts, in which the longer one is the greater one: this is as exact
 * as `BigInt`, and takes no longer than reading them when a guest sends 64 KiB of digits.
 */

/** Without leading zeros. Throws `MARKER_UNREADABLE` for a sign, a fraction, another base, anything that is not digits. */
export function readCounter(text: string): string {
  if (!/^\d+$/.test(text)) throw unreadable('counter', text, 'it is not a whole number in decimal digits, without a sign');
  return text.replace(/^0+(?=\d)/, '');
}

/** By size. Throws `MARKER_UNREADABLE`. */
export function compareCounters(one: string, other: string): Order {
  const [mine, theirs] = [readCounter(one), readCounter(other)];
  return mine.length === theirs.length ? orderInLine(mine, theirs) : orderInLine(mine.length, theirs.length);
}
