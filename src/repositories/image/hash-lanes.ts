import { availableParallelism } from 'node:os';
import { SegmentHasher } from '../../system/segment-hash';

/** SHA-256 takes about one core per GB/s; more threads than this only compete with the storage. */
const MAX_LANES = 4;

/** Hashing threads that share the segments of one image. `close` them in a `finally`. */
export class HashLanes {
  private readonly hashers: readonly [SegmentHasher, ...SegmentHasher[]];

  constructor(signal: AbortSignal) {
    this.hashers = Array.from({ length: Math.min(MAX_LANES, availableParallelism()) }, () => new SegmentHasher(signal)) as [SegmentHasher, ...SegmentHasher[]];
  }

  /** For work that goes on one segment after the other; not while `each` runs. */
  get first(): SegmentHasher {
    return this.hashers[0];
  }

  /**
   * Visits every index below `count` once, in order, as many at a time as there are threads. After a failure no further one is begun; throws the failure with
   * the lowest index: of several damaged segments it is always the first that is named.
   */
  async each(count: number, visit: (hasher: SegmentHasher, index: number) => Promise<void>): Promise<void> {
    let next = 0;
    const failures: { readonly index: number; readonly error: unknown }[] = [];
    const lane = async (hasher: SegmentHasher): Promise<void> => {
      while (failures.length === 0 && next < count) {
        const index = next++;
        try {
          await visit(hasher, index);
        } catch (error) {
          failures.push({ index, error });
        }
      }
    };
    await Promise.all(this.hashers.map(lane));
    const [first] = failures.sort((one, other) => one.index - other.index);
    if (first !== undefined) throw first.error;
  }

  close(): void {
    for (const hasher of this.hashers) hasher.close();
  }
}
