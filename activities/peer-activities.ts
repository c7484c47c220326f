import type { AppliedChange, PeerActivities } from '../src/contracts/activities/relations';
import { isModosuError } from '../src/contracts/errors';
import type { MarkerReading, MarkerSpec } from '../src/contracts/profile';
import type { ProbeJob, ReadCounts, StepProgram } from '../src/contracts/reading';
import { cleanWords } from '../src/contracts/text';
import { IN_A_GUEST, type ProbeFacts, type ProbeTarget, type ReadMarkers } from '../src/probes/probe';
import { programInGuest } from './guest-programs';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';
import { guestOf } from './server-of-run';

/** Of one server; its guest agent takes one question after another in any case. */
const CONCURRENCY = 4;
const DEADLINE_MS = 90_000;
/** For those that are asked once more: somebody waits for the plan. */
const AGAIN_MS = 20_000;
/** Of one value: it is stored with recovery points, and evidence is not made of more. */
const MAX_VALUE_BYTES = 16 * 1024;
const MAX_RAW_CHARACTERS = 1_024;

/** Asks servers near one hypervisor; see `PeerActivities`. */
export class PeerCalls implements PeerActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  readMarkers({ occasion, sides, target, specs }: ProbeJob): Promise<ReadCounts> {
    return whileAlive(async (signal) => {
      const agent = await guestOf(this.deps, target);
      const needsDefinition = specs.some(({ probe }) => probe.kind === 'fact' && probe.fact === 'generation-id');
      const facts = needsDefinition ? await this.factsOf(target) : {};
      const asked = { agent, address: target.address, facts, now: () => new Date() };
      const readings = (await readPatiently(this.deps.readMarkers, specs, asked, signal)).map(bounded);
      const named = Object.fromEntries(specs.map(({ name }, index) => [name, readings[index] as MarkerReading]));
      await this.deps.catalog.recordReadings(
        occasion,
        sides.map((side) => ({ ...side, readings: named })),
      );
      const read = readings.filter(({ state }) => state === 'read').length;
      return { read, failed: readings.length - read };
    });
  }

  runInPeer(target: ProbeJob['target'], program: StepProgram): Promise<AppliedChange> {
    return whileAlive(async (signal) => programInGuest(await guestOf(this.deps, target), program, signal));
  }

  /** A hypervisor that does not answer is no fault of the question: the marker is not read, and says so. */
  private async factsOf({ hypervisor, uuid, serverName }: ProbeJob['target']): Promise<ProbeFacts> {
    try {
      return { generationId: (await (await this.deps.hypervisor(hypervisor)).inspect({ uuid, name: serverName })).generationId };
    } catch (error) {
      if (!isModosuError(error)) throw error;
      return {};
    }
  }
}

/**
 * Those for which there was no answer in time are asked once more, one after the other: a server that was busy for a moment is no reason to refuse a plan, or to
 * stop a run that has one. An agent that is silent is none that is busy.
 */
async function readPatiently(
  readMarkers: ReadMarkers,
  specs: readonly MarkerSpec[],
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<readonly MarkerReading[]> {
  const readings = await readMarkers(specs, target, { concurrency: CONCURRENCY, deadlineMs: DEADLINE_MS, signal });
  // Questions stand in a row before an agent: behind one that it is silent to, the others are late.
  const isSilent = readings.some((reading) => reading.state === 'failed' && reading.code === 'AGENT_SILENT');
  const late = specs.filter(({ probe }, index) => isLate(readings[index]) && !(isSilent && IN_A_GUEST.has(probe.kind)));
  const again = await readMarkers(late, target, { concurrency: 1, deadlineMs: AGAIN_MS, signal });
  return readings.map((reading, index) => {
    const second = again[late.indexOf(specs[index] as MarkerSpec)];
    return second === undefined || isLate(second) ? reading : second;
  });
}

const isLate = (reading: MarkerReading | undefined): boolean => reading?.state === 'failed' && reading.code === 'PROBE_TIMED_OUT';

function bounded(reading: MarkerReading): MarkerReading {
  if (reading.state === 'failed') return reading;
  if (Buffer.byteLength(reading.value) <= MAX_VALUE_BYTES) return { ...reading, raw: reading.raw.slice(0, MAX_RAW_CHARACTERS) };
  const message = `The value has more than ${MAX_VALUE_BYTES / 1024} KiB: ${cleanWords(reading.value, 80)}`;
  return { state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE', message, at: reading.at };
}
