import { formatLsn, parseLsn } from './lsn';
import { orderInLine, type Order } from './order';
import { unreadable } from './unreadable';

/**
 * The timelines of a PostgreSQL server: which it has come through, where it left each, and which it is on. Two servers on a timeline of the same number may
 * have come to it by different promotions; only their histories tell.
 *
 * Read is a `.history` file with the number of the current timeline on a last line of its own (timeline 1 has no file: the number alone). The form of the file
 * is that of PostgreSQL's `src/backend/access/transam/timeline.c`: parent timeline, position of the switch, reason; numbers rise; empty lines and comments count
 * for nothing. What two histories have in common is found as in `pg_rewind`, by number and beginning of each timeline.
 *
 * Histories of different clusters (another system identifier) must not be compared. Two promotions at the same position to the same number have the same
 * history, and no file tells them apart.
 *
 * Canonical: `1@0/5000000,2@0/7000000,3`, parents with the position where each was left, then the current timeline.
 */

/** A position is text, as in `lsn.ts`. */
export interface TimelinePosition {
  readonly timeline: number;
  readonly lsn: string;
}

/** The last position that two histories have in common. `timeline` null: not even the first timeline, as when a history file is missing; `lsn` is 0/0 then. */
export interface ForkPoint {
  readonly timeline: number | null;
  readonly lsn: string;
}

/** One timeline in a history. */
interface Stretch {
  readonly timeline: number;
  /** Where it began, by the file. */
  readonly begin: bigint;
  /** The part of it that this history has come through; `to` null: it is on it. */
  readonly from: bigint;
  readonly to: bigint | null;
}

interface Parent {
  readonly timeline: number;
  readonly end: bigint;
}

/** Throws `MARKER_UNREADABLE`, also for numbers that do not rise. */
export function readTimelineHistory(text: string): string {
  const { parents, current } = parse(text);
  return [...parents.map(({ timeline, end }) => `${timeline}@${formatLsn(end)}`), current].join(',');
}

/**
 * Where two histories part. Null: they do not, one is the other or goes on from it. Which of two servers is further on one line is said by their positions:
 * a server that wrote past the position where the other history left its timeline has diverged from it all the same (ask `contains`).
 *
 * Throws `MARKER_UNREADABLE`.
 */
export function forkPoint(one: string, other: string): ForkPoint | null {
  const [mine, theirs] = [stretchesOf(one), stretchesOf(other)];
  const both = Math.min(mine.length, theirs.length);
  let common = 0;
  while (common < both && isSame(mine[common], theirs[common])) common += 1;
  if (common === both) return null;
  for (let index = common - 1; index >= 0; index -= 1) {
    const [a, b] = [mine[index], theirs[index]];
    if (a !== undefined && wasEntered(a)) return { timeline: a.timeline, lsn: formatLsn(least(a.to, b?.to ?? null) ?? 0n) };
  }
  return { timeline: null, lsn: formatLsn(0n) };
}

/**
 * Whether the position lies on this history: a server that has come so far can follow one with this history. The position where a timeline was left is on it
 * still (`walsender` accepts that, too), and so is the position where it began.
 *
 * Throws `MARKER_UNREADABLE`, also for a position that is none.
 */
export function contains(history: string, { timeline, lsn }: TimelinePosition): boolean {
  const position = parseLsn(lsn);
  if (position === null) throw unreadable('lsn', lsn, 'it is not a position such as 16/B374D848');
  return stretchesOf(history).some(
    (stretch) => stretch.timeline === timeline && wasEntered(stretch) && stretch.from <= position && (stretch.to === null || position <= stretch.to),
  );
}

/** The one that the history ends with. Throws `MARKER_UNREADABLE`. */
export const currentTimeline = (history: string): number => parse(history).current;

/** `ahead`: it goes on from the other. Throws `MARKER_UNREADABLE`. */
export const compareTimelineHistories = (one: string, other: string): Order =>
  forkPoint(one, other) === null ? orderInLine(parse(one).parents.length, parse(other).parents.length) : 'diverged';

/** Null is beyond every position. */
const least = (one: bigint | null, other: bigint | null): bigint | null => (one === null || (other !== null && other < one) ? other : one);

const isSame = (one: Stretch | undefined, other: Stretch | undefined): boolean =>
  one?.timeline === other?.timeline && one?.begin === other?.begin && one?.from === other?.from;

/** A recovery towards a timeline may stop before it was reached. PostgreSQL lists that timeline nevertheless (`writeTimeLineHistory` in `StartupXLOG`). */
const wasEntered = ({ begin, from }: Stretch): boolean => begin === from;

function stretchesOf(text: string): readonly Stretch[] {
  const { parents, current } = parse(text);
  const stretches: Stretch[] = [];
  // Backwards: what comes later may have left the line before a timeline ended, or began.
  let left: bigint | null = null;
  for (let index = parents.length; index >= 0; index -= 1) {
    const end = parents[index]?.end ?? null;
    left = least(left, end);
    const begin = parents[index - 1]?.end ?? 0n;
    stretches.push({ timeline: parents[index]?.timeline ?? current, begin, from: least(left, begin) ?? begin, to: left });
  }
  return stretches.reverse();
}

const CANONICAL_PARENT = /^([1-9]\d{0,9})@([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})$/;
const LINE_OF_FILE = /^([1-9]\d{0,9})[ \t]+([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})(?=[ \t]|$)/;
/** In names of files it is hexadecimal and has leading zeros: that is refused, not taken for another number. */
const CURRENT = /^[1-9]\d{0,9}$/;
const MAX_TIMELINE = 2 ** 32 - 1;

function parse(text: string): { readonly parents: readonly Parent[]; readonly current: number } {
  const isFile = text.includes('\n');
  const parts = isFile ? linesOf(text) : text.split(',');
  const last = parts.pop() ?? '';
  if (!CURRENT.test(last)) throw unreadable('timeline-history', text, 'it does not end with the decimal number of the current timeline alone');
  const form = isFile ? LINE_OF_FILE : CANONICAL_PARENT;
  const parents = parts.map((part): Parent => {
    const match = form.exec(part);
    const end = match === null ? null : parseLsn(match[2] ?? '');
    if (match === null || end === null) throw unreadable('timeline-history', text, 'a parent is not a timeline with the position where it was left');
    return { timeline: Number(match[1]), end };
  });
  const current = Number(last);
  if ([...parents.map(({ timeline }) => timeline), current].some((timeline, index, all) => timeline > MAX_TIMELINE || timeline <= (all[index - 1] ?? 0))) {
    throw unreadable('timeline-history', text, 'the numbers of its timelines do not rise, or are none');
  }
  return { parents, current };
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
