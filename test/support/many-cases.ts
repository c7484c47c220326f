import { dice, seedOfThisRun } from './seed';

/** What a test makes up by chance, the same for the same seed. */
export class Chance {
  private readonly roll: (below: number) => number;
  constructor(seed: number) {
    this.roll = dice(seed);
  }
  /** From 0 on; `count` up to 2^32. */
  below = (count: number): number => this.roll(count);
  is = (percent: number): boolean => this.roll(100) < percent;
  one = <T>(of: readonly T[]): T => of[this.roll(of.length)] as T;
  /** Up to 62 bits, small ones as often as large ones. */
  big = (bits = 62): bigint => ((BigInt(this.roll(2 ** 31)) << 31n) | BigInt(this.roll(2 ** 31))) >> BigInt(62 - Math.min(bits, this.roll(bits) + 1));
  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.roll(most + 1) }, make);
  }
  shuffled<T>(of: readonly T[]): T[] {
    const cards = [...of];
    for (let at = cards.length - 1; at > 0; at -= 1) {
      const other = this.roll(at + 1);
      [cards[at], cards[other]] = [cards[other] as T, cards[at] as T];
    }
    return cards;
  }
}

/** Makes the claim for many cases. The seed of one for which it does not hold is in the message: MODOSU_SEED=<seed> has that one again, as the first. */
export function forManyCases(count: number, claim: (chance: Chance) => void): void {
  const first = seedOfThisRun();
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      claim(new Chance(seed));
    } catch (error) {
      throw new Error(`It is not so for MODOSU_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}
