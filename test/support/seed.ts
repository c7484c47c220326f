/** The seed of what a test makes up by chance: another one each time, and `MODOSU_SEED` has the same again. */
export const seedOfThisRun = (): number => Number(process.env['MODOSU_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Whole numbers below a bound, the same ones for the same seed (the generator "mulberry32"). */
export function dice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
