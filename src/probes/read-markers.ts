import { isModosuError, toModosuError } from '../contracts/errors';
import type { MarkerReading, MarkerSpec, ProbeSpec } from '../contracts/profile';
import { cleanWords } from '../contracts/text';
import { linesAfter } from '../domain/consistency/lines-after';
import { readMarker as canonicalMarker } from '../domain/consistency/markers';
import { askByCommand } from './command-probe';
import { timedOut, within } from './deadline';
import { askByDns } from './dns-probe';
import { evidenceOf } from './evidence';
import { tellFact } from './fact-probe';
import { GUEST_GRACE_MS } from './guest-program';
import { askByHttp } from './http-probe';
import { IN_A_GUEST, type ProbeTarget, type ReadMarkers, type ReadOptions } from './probe';
import { askBySql } from './sql-probe';
import { askByTcp } from './tcp-probe';
import { probeFailed, type Asked } from './transport';

const MAX_MESSAGE = 500;
/** A program in a guest cannot be bounded more finely. */
const LEAST_MS = 1_000;

/**
 * What prints a marker, for each kind of probe. Each has a deadline and a bound of what it takes, passes argument vectors and never a command line, and reads
 * only: of `sql` the engine sees to that, of `command` whoever has declared it. They throw `ModosuError`.
 */
const TRANSPORTS: { readonly [Kind in ProbeSpec['kind']]: (probe: Extract<ProbeSpec, { kind: Kind }>, asked: Asked) => Promise<string> } = {
  command: askByCommand,
  sql: askBySql,
  dns: askByDns,
  http: askByHttp,
  tcp: askByTcp,
  fact: tellFact,
};

/** One marker, as `ReadMarkers` says, within its own time. */
export async function readMarker(spec: MarkerSpec, target: ProbeTarget, { signal }: ReadOptions = {}): Promise<MarkerReading> {
  try {
    const raw = await askFor(spec, target, signal);
    const { value } = canonicalMarker(spec.type, wantedOf(spec.probe, raw));
    return { state: 'read', value, raw: evidenceOf(raw), at: target.now().toISOString() };
  } catch (error) {
    signal?.throwIfAborted();
    return failed(error, target);
  }
}

/** The port `ReadMarkers`, with a transport for each kind of probe. */
export const readMarkers: ReadMarkers = async (specs, target, { concurrency, deadlineMs, signal }) => {
  const endsAt = performance.now() + deadlineMs;
  const readings: MarkerReading[] = [];
  const rest = specs.entries();
  const work = async (): Promise<void> => {
    for (const [index, spec] of rest) {
      signal?.throwIfAborted();
      const leftMs = endsAt - performance.now();
      const bounded = { ...spec, timeoutSeconds: Math.min(spec.timeoutSeconds, leftMs / 1000) };
      readings[index] = leftMs < LEAST_MS ? failed(timedOut(deadlineMs), target) : await readMarker(bounded, target, { signal });
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(concurrency, specs.length)) }, work));
  return readings;
};

function askFor({ probe, timeoutSeconds }: MarkerSpec, target: ProbeTarget, outer: AbortSignal | undefined): Promise<string> {
  const timeoutMs = timeoutSeconds * 1000;
  const endsAt = performance.now() + timeoutMs;
  const graceMs = IN_A_GUEST.has(probe.kind) ? GUEST_GRACE_MS : 0;
  const transport = TRANSPORTS[probe.kind] as (probe: ProbeSpec, asked: Asked) => Promise<string>;
  // Async, so that what is thrown at once is a rejection as well.
  return within(timeoutMs + graceMs, outer, async (signal) => transport(probe, { target, endsAt, signal }));
}

/** Of all that was printed. Throws `PROBE_FAILED` where no line has the prefix: the empty set is one, and what was not found would be as good as what is not there. */
function wantedOf(probe: ProbeSpec, raw: string): string {
  if (probe.kind !== 'command' || probe.prefix === undefined) return raw;
  const wanted = linesAfter(probe.prefix, raw);
  if (wanted === '') throw probeFailed(`${probe.argv[0]} in the guest has printed no line that begins with "${probe.prefix}"`);
  return wanted;
}

function failed(error: unknown, { now }: ProbeTarget): MarkerReading {
  const { code, message } = isModosuError(error) ? error : toModosuError(error);
  return { state: 'failed', code, message: cleanWords(message, MAX_MESSAGE), at: now().toISOString() };
}
