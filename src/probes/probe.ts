import type { MarkerReading, MarkerSpec, ProbeSpec } from '../contracts/profile';
import type { GuestAgent } from '../guests/guest-agent';

/** What is known of the one that is read without asking it. */
export interface ProbeFacts {
  /** The GUID of `<genid>` in its definition. Null: it has none. Absent: nobody has looked. */
  readonly generationId?: string | null;
  /** ISO 8601; of the recovery point that is looked at. Absent: none is. */
  readonly pointInTime?: string;
}

/** The server that a marker is read of, and the ways to it that there are. */
export interface ProbeTarget {
  /** Null: it has none, or Modosu does not know that server's hypervisor. */
  readonly agent: GuestAgent | null;
  /** Name or IP address by which the worker reaches it, without a port. Null: none is declared. */
  readonly address: string | null;
  readonly facts: ProbeFacts;
  readonly now: () => Date;
}

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

/** Probes that are asked through the agent of a guest. */
export const IN_A_GUEST: ReadonlySet<ProbeSpec['kind']> = new Set(['command', 'sql', 'fact']);

/**
 * Asks one server once for each of these markers, some at a time, and says what came of it; the readings come in the order of `specs`. Idempotent as far as the
 * probes are: a declared program runs once for each call, and nothing is tried again (of DNS over UDP the same packet is sent again).
 *
 * Never rejects for what a server does: one that is gone, silent, slow, refuses, floods or lies is `failed`, with a code of `error-codes.ts` that says which:
 *
 * - `PEER_UNREACHABLE`, `PEER_ADDRESS_MISSING`, `AGENT_ABSENT`, `AGENT_SILENT`, `SERVER_GONE`, `GUEST_SSH_REFUSED`, `HYPERVISOR_UNREACHABLE`: nobody there;
 * - `PROBE_TIMED_OUT`, `PROBE_OUTPUT_TOO_LARGE`: more than it is given; the first also where no time was left to ask;
 * - `PROBE_FAILED`, `AGENT_COMMAND_FAILED`, `GUEST_COMMAND_FORBIDDEN`, `GUEST_PROGRAM_MISSING`: an answer, and no value;
 * - `MARKER_UNREADABLE`: a value that is not of the marker's type; nothing at all is one only where it means something, as of a `set`;
 * - `PROBE_INVALID`: the probe cannot be carried out as it is declared; `INTERNAL`: a fault of Modosu.
 *
 * A failed reading is never evidence that all is well. Rejects with the reason of `signal` alone. Each marker takes up to its `timeoutSeconds`, all of them up to
 * `deadlineMs`; in a guest a second more, and 3.5 s when its agent does not answer.
 *
 * `value` is canonical (`domain/consistency/markers.ts`). `raw` is what was said, at most 4 KiB of it, without control characters beside line feeds; it, and
 * the message of a failure, come from a server that may be hostile. `at`: when the answer was there.
 *
 * @param specs with everything filled in (`fill-in.ts`)
 */
export type ReadMarkers = (specs: readonly MarkerSpec[], target: ProbeTarget, options: ReadManyOptions) => Promise<readonly MarkerReading[]>;
