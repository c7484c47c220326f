import { orderInLine, type Order } from './order';
import { unreadable } from './unreadable';

/**
 * Positions in PostgreSQL's write-ahead log: 64 bits, written as two hexadecimal numbers around a slash (`pg_lsn` in its manual). Positions can be compared
 * only on one timeline of one cluster: `timeline-history.ts` says whether they lie on the same line; the system identifier says whether it is one cluster.
 */

const LSN = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** The position in bytes; null for what is none. */
export function parseLsn(text: string): bigint | null {
  const match = LSN.exec(text);
  return match === null ? null : (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** As PostgreSQL writes it up to version 18: upper case, no leading zeros. Later versions fill the second number up to eight digits; both are read. */
export const formatLsn = (lsn: bigint): string => `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();

/** Throws `MARKER_UNREADABLE`. */
export const readLsn = (text: string): string => formatLsn(positionOf(text));

/** By position. Throws `MARKER_UNREADABLE`. */
export const compareLsns = (one: string, other: string): Order => orderInLine(positionOf(one), positionOf(other));

function positionOf(text: string): bigint {
  const lsn = parseLsn(text);
  if (lsn === null) throw unreadable('lsn', text, 'it is not a position such as 16/B374D848');
  return lsn;
}
