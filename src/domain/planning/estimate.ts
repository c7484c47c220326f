import type { RestorePlanBody } from '../../contracts/plan';

/** Fewer measured runs than this give no estimate: a guess would be read as a promise. */
export const MEASURED_RUNS_NEEDED = 3;

/** Range of the expected duration from measured ones (seconds); null below `MEASURED_RUNS_NEEDED`. */
export function estimateDuration(measuredSeconds: readonly number[]): RestorePlanBody['estimate'] {
  if (measuredSeconds.length < MEASURED_RUNS_NEEDED) return null;
  const sorted = [...measuredSeconds].sort((a, b) => a - b);
  return { p50Seconds: quantile(sorted, 0.5), p90Seconds: quantile(sorted, 0.9), basedOnRuns: sorted.length };
}

/** Nearest rank: always a value that was really measured. */
function quantile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? 0;
}
