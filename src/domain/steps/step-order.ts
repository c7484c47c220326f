import type { StoredStep } from './step-transition';

/** In which order the steps of a run are shown. Pure. */

type OrderedStep = Pick<StoredStep, 'seq' | 'key' | 'startedAt' | 'finishedAt'>;

/** What every plan ends with. */
const CLOSING: ReadonlySet<string> = new Set(['record', 'release']);

/**
 * As they were planned. What only came up in the run, such as what a rule has asked for in quarantine, has the next free number, which is that of a step after the end; it
 * is moved to where it began: before the first one whose turn was later, and before all that are still to come. Planned steps never move: they are written down by several
 * workers, whose clocks differ.
 *
 * @returns the same steps, numbers and all
 */
export function inOrderOfTheirBeginning<T extends OrderedStep>(steps: readonly T[]): readonly T[] {
  const ordered = [...steps].sort((one, other) => one.seq - other.seq);
  const planned = ordered.findLastIndex(({ key }) => CLOSING.has(key)) + 1 || ordered.length;
  for (const step of ordered.splice(planned)) ordered.splice(placeOf(step, ordered), 0, step);
  return ordered;
}

function placeOf({ startedAt }: OrderedStep, ordered: readonly OrderedStep[]): number {
  if (startedAt === null) return ordered.length;
  const later = ordered.findIndex((other) => (reachedAt(other) ?? startedAt) > startedAt);
  return later >= 0 ? later : ordered.findLastIndex((other) => reachedAt(other) !== null) + 1;
}

/** When its turn was: one that was left out has ended without a beginning. Null: it is still to come. */
const reachedAt = ({ startedAt, finishedAt }: OrderedStep): Date | null => startedAt ?? finishedAt;
