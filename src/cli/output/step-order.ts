import type { RunStepView } from '../../contracts/run';

/** In which order the steps of a run are shown to people. The API has them by their numbers. */

type OrderedStep = Pick<RunStepView, 'key' | 'startedAt' | 'finishedAt'>;

/** What every plan ends with. */
const CLOSING: ReadonlySet<string> = new Set(['record', 'release']);

/**
 * As they were planned. What only came up in the run, such as what a rule has asked for in quarantine, has the next free number, which is that of a step after the end; it
 * is moved to where it began: behind the last one that had begun by then, and what was left out right after that; what has not begun stays at the end. Planned steps never
 * move: they are written down by several workers, whose clocks differ.
 *
 * @param steps by their numbers
 */
export function inOrderOfTheirBeginning<T extends OrderedStep>(steps: readonly T[]): readonly T[] {
  const planned = steps.findLastIndex(({ key }) => CLOSING.has(key)) + 1 || steps.length;
  const ordered = steps.slice(0, planned);
  for (const step of steps.slice(planned)) ordered.splice(placeOf(step, ordered), 0, step);
  return ordered;
}

function placeOf({ startedAt }: OrderedStep, ordered: readonly OrderedStep[]): number {
  if (startedAt === null) return ordered.length;
  const isPassed = (at: string | null): boolean => at !== null && Date.parse(at) <= Date.parse(startedAt);
  const later = ordered.findIndex((other) => other.startedAt !== null && !isPassed(other.startedAt));
  const before = later < 0 ? ordered : ordered.slice(0, later);
  let place = before.findLastIndex((other) => isPassed(other.startedAt)) + 1;
  // Left out by then: it has ended without a beginning.
  while (before[place]?.startedAt === null && isPassed(before[place]?.finishedAt ?? null)) place += 1;
  return place;
}
