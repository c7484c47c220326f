import { fillIn } from '../../src/probes/fill-in';
import type { ProbeTarget } from '../../src/probes/probe';
import { readMarkers } from '../../src/probes/read-markers';
import { nameOfMarker } from '../../src/contracts/placeholders';
import type { MarkerReading, Profile, RulePhase } from '../../src/contracts/profile';
import { judge, planSteps, type JudgeContext } from '../../src/domain/consistency/judge';
import type { Judgement } from './judged-profile';

/** One of the two: its name, and the ways to it that there are at the moment. */
export interface Side {
  readonly name: string;
  readonly target: () => ProbeTarget | Promise<ProbeTarget>;
}

const CONCURRENCY = 2;
const DEADLINE_MS = 60_000;

/** A relation of two real servers, judged by a profile from what its own probes read of them. */
export class JudgedRelation {
  private captured: Readonly<Record<string, MarkerReading>> = {};
  private pointInTime = '';

  constructor(
    private readonly profile: Profile,
    private readonly server: Side,
    private readonly peer: Side,
    private readonly parameters: Readonly<Record<string, string>> = {},
  ) {}

  /** What is read with a recovery point of the server that is taken now. */
  async capture(): Promise<Readonly<Record<string, MarkerReading>>> {
    this.pointInTime = new Date().toISOString();
    this.captured = await this.read('recovery-point');
    return this.captured;
  }

  /** As it stands now. The finding that a profile is experimental is left out. */
  async judge(phase: RulePhase): Promise<Judgement> {
    const context: JudgeContext = {
      phase,
      parameters: this.parameters,
      server: this.server.name,
      peer: this.peer.name,
      readings: { ...this.captured, ...(await this.read('now')) },
      pointInTime: this.pointInTime,
      now: new Date(),
    };
    const all = judge(this.profile, context);
    const findings = all.filter(({ code }) => code !== 'PROFILE_EXPERIMENTAL');
    return { findings, verdicts: findings.map(({ severity, code }) => `${severity} ${code}`), steps: planSteps(this.profile, context, all) };
  }

  private async read(at: 'recovery-point' | 'now'): Promise<Readonly<Record<string, MarkerReading>>> {
    const sides = [
      ['server', this.server],
      ['peer', this.peer],
    ] as const;
    const readings = await Promise.all(
      sides.map(async ([of, side]) => {
        const target = await side.target();
        const markers = this.profile.markers.filter((marker) => (marker.of === of || marker.of === 'each') && (at === 'now' || marker.isCaptured));
        const specs = markers.map((marker) => fillIn(marker, this.values(target)));
        const read = await readMarkers(specs, target, { concurrency: CONCURRENCY, deadlineMs: DEADLINE_MS });
        return markers.map(({ name }, index) => [nameOfMarker({ marker: name, of, at }), read[index] as MarkerReading] as const);
      }),
    );
    return Object.fromEntries(readings.flat());
  }

  private values({ address }: ProbeTarget): Readonly<Record<string, string>> {
    const defaults = this.profile.parameters.flatMap(({ name, default: value }) => (value === null ? [] : [[name, value] as const]));
    const names = { server: this.server.name, peer: this.peer.name, ...(address === null ? {} : { address }) };
    return { ...Object.fromEntries(defaults), ...this.parameters, ...names };
  }
}
