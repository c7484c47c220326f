import { orderByInclusion, type Order } from './order';
import { unreadable } from './unreadable';

/**
 * Sets of MySQL's transactions, as in `gtid_executed`: for each server that was their source, by its UUID, intervals of their numbers. The form is that of
 * MySQL's manual ("GTID Sets"). White space around the separators counts for nothing; the client `mysql` has to print it raw (`--raw`), or it writes line
 * breaks as `\n` in two characters.
 *
 * Transactions with tags (MySQL 8.3 and later) and MariaDB's GTIDs are refused: they count otherwise. The empty set is one; whoever runs the probe has to
 * know that it did not fail.
 *
 * Canonical: lower case, sources in order, intervals in order and as few as possible, no white space: `uuid:1-5:7,uuid2:1`.
 */

/** Ours. A set has more of them only on servers whose history has been torn to pieces; sorting and merging stay short. */
export const MAX_INTERVALS = 10_000;

/** Both ends are in it. */
type Interval = readonly [from: bigint, to: bigint];
type GtidSet = ReadonlyMap<string, readonly Interval[]>;

/** Throws `MARKER_UNREADABLE`, also for more than `MAX_INTERVALS` intervals. */
export const readGtidSet = (text: string): string => format(parse(text));

/** Transactions of one that are not in the other, as `GTID_SUBTRACT`. Throws `MARKER_UNREADABLE`. */
export function subtract(one: string, other: string): string {
  const taken = parse(other);
  return format(new Map([...parse(one)].map(([source, intervals]) => [source, without(intervals, taken.get(source) ?? [])])));
}

/** Transactions of either. Throws `MARKER_UNREADABLE`. */
export function union(one: string, other: string): string {
  const all = new Map(parse(one));
  for (const [source, intervals] of parse(other)) all.set(source, merged([...(all.get(source) ?? []), ...intervals]));
  return format(all);
}

/** Whether every transaction of the other is in the one, as `GTID_SUBSET(other, one)`. Throws `MARKER_UNREADABLE`. */
export const contains = (one: string, other: string): boolean => subtract(other, one) === '';

/** Transactions that this server was the source of. Throws `MARKER_UNREADABLE`, also for a `uuid` that is none: it may come from a guest, and nothing is found then. */
export function ofSource(set: string, uuid: string): string {
  if (!UUID.test(uuid)) throw unreadable('gtid-set', uuid, 'it is not the UUID of a server');
  const source = uuid.toLowerCase();
  return format(new Map([[source, parse(set).get(source) ?? []]]));
}

/** By inclusion. Throws `MARKER_UNREADABLE`. */
export const compareGtidSets = (one: string, other: string): Order => orderByInclusion(!contains(other, one), !contains(one, other));

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** No leading zeros: MySQL reads such a number as octal. */
const INTERVAL = /^([1-9]\d{0,18})(?:\s?-\s?([1-9]\d{0,18}))?$/;
/** MySQL's own limit (`GNO_END`). */
const MAX_NUMBER = 2n ** 63n - 2n;

function parse(text: string): GtidSet {
  const found = new Map<string, Interval[]>();
  let count = 0;
  for (const part of text === '' ? [] : text.split(',')) {
    const [uuid, ...intervals] = part.split(':').map((piece) => piece.trim());
    if (uuid === undefined || !UUID.test(uuid) || intervals.length === 0) throw unreadable('gtid-set', text, 'a part of it is not a UUID with intervals');
    count += intervals.length;
    if (count > MAX_INTERVALS) throw unreadable('gtid-set', text, `it has more than ${MAX_INTERVALS} intervals`);
    const source = uuid.toLowerCase();
    const known = found.get(source) ?? [];
    found.set(source, known);
    for (const interval of intervals) known.push(intervalOf(interval, text));
  }
  return new Map([...found].map(([source, intervals]) => [source, merged(intervals)]));
}

function intervalOf(piece: string, text: string): Interval {
  const match = INTERVAL.exec(piece);
  if (match === null) throw unreadable('gtid-set', text, 'an interval is not a number, or two, from 1 on; transactions with tags cannot be compared yet');
  const from = BigInt(match[1] ?? '');
  const to = match[2] === undefined ? from : BigInt(match[2]);
  if (to < from || to > MAX_NUMBER) throw unreadable('gtid-set', text, 'an interval ends before it begins, or beyond the last number of a transaction');
  return [from, to];
}

const format = (set: GtidSet): string =>
  [...set]
    .filter(([, intervals]) => intervals.length > 0)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([source, intervals]) => [source, ...intervals.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`))].join(':'))
    .join(',');

/** In order; those that touch are one. */
function merged(intervals: readonly Interval[]): readonly Interval[] {
  const result: Interval[] = [];
  for (const next of [...intervals].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const last = result.at(-1);
    if (last === undefined || next[0] > last[1] + 1n) result.push(next);
    else if (next[1] > last[1]) result[result.length - 1] = [last[0], next[1]];
  }
  return result;
}

/** Both in order and merged. Each interval that is taken away is looked at once, and once more if it reaches into the next one. */
function without(intervals: readonly Interval[], taken: readonly Interval[]): readonly Interval[] {
  const result: Interval[] = [];
  let next = 0;
  for (const [from, to] of intervals) {
    let rest = from;
    for (let hole = taken[next]; hole !== undefined && hole[0] <= to; hole = taken[next]) {
      if (hole[0] > rest) result.push([rest, hole[0] - 1n]);
      if (hole[1] >= rest) rest = hole[1] + 1n;
      if (rest > to) break;
      next += 1;
    }
    if (rest <= to) result.push([rest, to]);
  }
  return result;
}
