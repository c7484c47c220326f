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
import { askBySql } from './sql-probe';
import { askByTcp } from './tcp-probe';
import { probeFailed, type Asked, type ProbeTarget } from './transport';

export type { ProbeFacts, ProbeTarget } from './transport';

export interface ReadOptions {
  /** Abort: nobody wants the answer any more. Rejects with its reason at once; what runs in a guest is ended there when its own time is over. */
  readonly signal?: AbortSignal;
}

export interface ReadManyOptions extends ReadOptions {
  /** How many are asked at one time; at least 1. All of one server share its guest agent, which takes one question after another. */
  readonly concurrency: number;
  /** For all of them, from now on. */
  readonly deadlineMs: number;
}

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

/** Probes that are asked through the agent of a guest. */
export const IN_A_GUEST: ReadonlySet<ProbeSpec['kind']> = new Set(['command', 'sql', 'fact']);

/**
 * Asks one server once for one marker, and says what came of it. Idempotent as far as its probe is: a declared program runs once for each call, and nothing is
 * tried again (of DNS over UDP the same packet is sent again).
 *
 * Never rejects for what a server does: one that is gone, silent, slow, refuses, floods or lies is `failed`, with a code of `error-codes.ts` that says which:
 *
 * - `PEER_UNREACHABLE`, `PEER_ADDRESS_MISSING`, `AGENT_ABSENT`, `AGENT_SILENT`, `SERVER_GONE`, `GUEST_SSH_REFUSED`, `HYPERVISOR_UNREACHABLE`: nobody there;
 * - `PROBE_TIMED_OUT`, `PROBE_OUTPUT_TOO_LARGE`: more than it is given;
 * - `PROBE_FAILED`, `AGENT_COMMAND_FAILED`, `GUEST_COMMAND_FORBIDDEN`, `GUEST_PROGRAM_MISSING`: an answer, and no value;
 * - `MARKER_UNREADABLE`: a value that is not of the marker's type; nothing at all is one only where it means something, as of a `set`;
 * - `PROBE_INVALID`: the probe cannot be carried out as it is declared; `INTERNAL`: a fault of Modosu.
 *
 * A failed reading is never evidence that all is well. Rejects with the reason of `signal` alone. Takes up to `timeoutSeconds`; in a guest a second more,
 * and 3.5 s when its agent does not answer.
 *
 * `value` is canonical (`domain/consistency/markers.ts`). `raw` is what was said, at most 4 KiB of it, without control characters beside line feeds; it, and
 * the message of a failure, come from a server that may be hostile. `at`: when the answer was there.
 *
 * @param spec with everything filled in (`fill-in.ts`)
 */
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

/**
 * As `readMarker`, for several markers of one server, some at a time; the readings come in the order of `specs`. Those for which no time is left are
 * `PROBE_TIMED_OUT`, and were not asked for. Ends within `deadlineMs`, with the same few seconds more in a guest.
 */
export async function readMarkers(
  specs: readonly MarkerSpec[],
  target: ProbeTarget,
  { concurrency, deadlineMs, signal }: ReadManyOptions,
): Promise<readonly MarkerReading[]> {
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
}

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
