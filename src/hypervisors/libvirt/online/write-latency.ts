/** Counters of one disk since QEMU was started. */
export interface WriteCounters {
  readonly requests: number;
  readonly totalNs: number;
}

const WINDOW_MS = 10_000;

/** `virsh domstats --block`: counters by target. Lines that are not understood are left out. */
export function parseWriteCounters(text: string): Map<string, WriteCounters> {
  const fields = new Map<string, string>();
  for (const [, key, value] of text.matchAll(/^\s*(block\.\d+\.[\w.]+)=(.*)$/gm)) if (key !== undefined && value !== undefined) fields.set(key, value);
  const counters = new Map<string, WriteCounters>();
  for (const [key, target] of fields) {
    const index = /^block\.(\d+)\.name$/.exec(key)?.[1];
    const requests = Number(fields.get(`block.${index}.wr.reqs`));
    const totalNs = Number(fields.get(`block.${index}.wr.times`));
    if (index !== undefined && Number.isFinite(requests) && Number.isFinite(totalNs)) counters.set(target, { requests, totalNs });
  }
  return counters;
}

/** Average time of the guest's writes over the last ten seconds, per disk. */
export class WriteLatency {
  private readonly samples: { readonly atMs: number; readonly counters: ReadonlyMap<string, WriteCounters> }[] = [];

  /** Average milliseconds of the slowest disk; null before ten seconds were watched, or when nothing was written. */
  add(atMs: number, counters: ReadonlyMap<string, WriteCounters>): number | null {
    this.samples.push({ atMs, counters });
    // The newest sample that is old enough begins the window.
    while (this.samples.length > 2 && atMs - (this.samples[1]?.atMs ?? atMs) >= WINDOW_MS) this.samples.shift();
    const first = this.samples[0];
    if (first === undefined || atMs - first.atMs < WINDOW_MS) return null;
    let slowest: number | null = null;
    for (const [target, now] of counters) {
      const before = first.counters.get(target);
      if (before === undefined || now.requests <= before.requests) continue;
      const averageMs = (now.totalNs - before.totalNs) / (now.requests - before.requests) / 1e6;
      slowest = Math.max(slowest ?? 0, averageMs);
    }
    return slowest;
  }
}
