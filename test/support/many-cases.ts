import fc, { type GeneratorValue } from 'fast-check';
import { seedOfThisRun } from './seed';

/** Numbers without a liking for the ends of their range: percentages mean what they say. */
const upTo = (most: number) => fc.noBias(fc.integer({ min: 0, max: most }));

/** What a test makes up by chance, the same for the same seed. What fails is made smaller, choice by choice, before it is told. */
export class Chance {
  constructor(private readonly made: GeneratorValue) {}
  /** From 0 on; `count` up to 2^32. */
  below = (count: number): number => this.made(upTo, count - 1);
  is = (percent: number): boolean => this.below(100) < percent;
  one = <T>(of: readonly T[]): T => of[this.below(of.length)] as T;
  /** Up to 62 bits, small ones as often as large ones. */
  big = (bits = 62): bigint => ((BigInt(this.below(2 ** 31)) << 31n) | BigInt(this.below(2 ** 31))) >> BigInt(62 - Math.min(bits, this.below(bits) + 1));
  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }
  shuffled<T>(of: readonly T[]): T[] {
    const cards = [...of];
    for (let at = cards.length - 1; at > 0; at -= 1) {
      const other = this.below(at + 1);
      [cards[at], cards[other]] = [cards[other] as T, cards[at] as T];
    }
    return cards;
  }
}

/** In mutation tests nobody reads which case has failed: it is not made smaller, which takes longer than all cases. */
const IS_UNREAD = process.env['MODOSU_CASES_UNREAD'] === '1';

/** Makes the claim for many cases. The message has the seed where it does not hold: MODOSU_SEED=<seed> has all of them again. */
export function forManyCases(count: number, claim: (chance: Chance) => void): void {
  fc.assert(
    fc.property(fc.gen(), (made) => claim(new Chance(made))),
    { numRuns: count, endOnFailure: IS_UNREAD, seed: seedOfThisRun() },
  );
}
