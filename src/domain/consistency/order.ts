/**
 * How one marker stands to another. `ahead`: it holds everything the other holds, and more; `behind`: the other way round. `diverged`: each holds, or is,
 * what the other is not. `incomparable`: nothing can be said, which is never a reason to go on.
 */
export type Order = 'same' | 'behind' | 'ahead' | 'diverged' | 'incomparable';

/** Of values that stand in one line. */
export function orderInLine<T extends bigint | number | string>(one: T, other: T): Order {
  if (one === other) return 'same';
  return one < other ? 'behind' : 'ahead';
}

/** Of collections, by which of them has something that is not in the other. */
export function orderByInclusion(oneHasMore: boolean, otherHasMore: boolean): Order {
  if (oneHasMore) return otherHasMore ? 'diverged' : 'ahead';
  return otherHasMore ? 'behind' : 'same';
}

/** Of values that are only equal or not. */
export const orderByEquality = (one: string, other: string): Order => (one === other ? 'same' : 'diverged');
