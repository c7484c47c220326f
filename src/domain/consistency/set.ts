import { orderByInclusion, type Order } from './order';

/**
 * Lines of which only matters whether they are there: names of members, of zones, of slots. White space around a line counts for nothing, and so do empty
 * lines. The empty set is one; whoever runs the probe has to know that it did not fail.
 *
 * Canonical: each line once, in the order of UTF-16 code units.
 */

export const readSet = (text: string): string => [...linesOf(text)].sort().join('\n');

/** By inclusion. */
export function compareSets(one: string, other: string): Order {
  const [mine, theirs] = [linesOf(one), linesOf(other)];
  return orderByInclusion(hasMore(mine, theirs), hasMore(theirs, mine));
}

const hasMore = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean => [...one].some((line) => !other.has(line));

const linesOf = (text: string): ReadonlySet<string> =>
  new Set(
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== ''),
  );
