import type { ErrorCode } from '../../src/contracts/error-codes';
import type { GatePoint } from './activity-gate';

/**
 * "The death of any process at any step": every kind of run, at every boundary of its steps and in the middle of its copies, struck by the death of every
 * process. Pure: which cases there are, in which order a seed puts them, which of them are the sample, and how each has to end.
 */
export const KINDS = ['backup-online', 'restore', 'undo', 'confirm'] as const;
export type Kind = (typeof KINDS)[number];

/** `guest` is its QEMU process, `power` a power cut. Both end the guest; libvirt hears of them in different ways. */
export const VICTIMS = ['worker', 'api', 'supervisor', 'temporal', 'postgres', 'libvirtd', 'guest', 'power'] as const;
export type Victim = (typeof VICTIMS)[number];

/** `middle:<step>`: bytes of this step have moved, and not all of them. */
export type MomentName = GatePoint | `middle:${string}`;

export interface Ending {
  readonly state: 'succeeded' | 'failed';
  readonly code?: ErrorCode;
  /** Where nobody has asked for a start, a server that has died stays off. */
  readonly server: 'running' | 'shut off';
  readonly why: string;
}

interface Moment {
  readonly at: MomentName;
  /** How the run ends when its guest dies at this moment; null: no guest runs then. */
  readonly withoutGuest: Ending | null;
}

export interface DeathCase {
  readonly kind: Kind;
  readonly at: MomentName;
  readonly victim: Victim;
  readonly ending: Ending;
}

/** What dies is started again, by its supervisor, by systemd or by an administrator; the run goes on where it was. */
const PROCESSES: Readonly<Record<Exclude<Victim, 'guest' | 'power'>, string>> = {
  worker: 'Temporal gives the call to the next worker when its heartbeats stay away; what is under way is adopted, or ended and begun anew',
  api: 'a run needs no API',
  supervisor: 'it takes its parts with it; all of them come back on the same state',
  temporal: 'its history is on disk; what could not be reported to it is done again, and found done',
  postgres: 'what is shown is written later; what has to be recorded is tried until it is',
  libvirtd: 'guests and their jobs go on without it; calls are repeated until it is back',
};

const IMAGED_AS_IT_LIES: Ending = { state: 'succeeded', server: 'shut off', why: 'the server is examined afterwards: one that is off is imaged as it lies' };
const JOB_LOST: Ending = { state: 'failed', code: 'BACKUP_JOB_LOST', server: 'shut off', why: 'the job lived in the QEMU that has died; nothing is published' };
const ALL_WRITTEN: Ending = { state: 'succeeded', server: 'shut off', why: 'QEMU had written everything: the rest needs no running server' };
const STOPPED_ALREADY: Ending = { state: 'succeeded', server: 'running', why: 'it was to be stopped anyway' };
const NEVER_ANSWERS: Ending = {
  state: 'failed',
  code: 'AGENT_SILENT',
  server: 'running',
  why: 'the server that was started does not come up: it is put back as it was',
};
const PROVEN_BEFORE: Ending = { state: 'succeeded', server: 'shut off', why: 'it had answered: what was put in place is proven and stays' };
const NOT_NEEDED: Ending = { state: 'succeeded', server: 'shut off', why: 'deleting what was kept needs no running server' };

const before = (activity: string, withoutGuest: Ending | null): Moment => ({ at: `${activity}.before`, withoutGuest });
const after = (activity: string, withoutGuest: Ending | null): Moment => ({ at: `${activity}.after`, withoutGuest });
const middle = (step: string, withoutGuest: Ending | null): Moment => ({ at: `middle:${step}`, withoutGuest });

/** In the order of the run. `after` where a call has changed the world and nobody has heard of it yet: a second one must find it done. */
export const MOMENTS: Readonly<Record<Kind, readonly Moment[]>> = {
  'backup-online': [
    before('startRun', IMAGED_AS_IT_LIES),
    before('examineForBackup', IMAGED_AS_IT_LIES),
    before('takeFence', JOB_LOST),
    before('reserveRoom', JOB_LOST),
    before('beginOnlineBackup', JOB_LOST),
    after('beginOnlineBackup', JOB_LOST),
    before('saveDefinition', JOB_LOST),
    before('followOnlineBackup', JOB_LOST),
    middle('copy:vdb', JOB_LOST),
    after('followOnlineBackup', ALL_WRITTEN),
    before('hashStagedDisk', ALL_WRITTEN),
    before('nextGeneration', ALL_WRITTEN),
    before('publish', ALL_WRITTEN),
    after('publish', ALL_WRITTEN),
    before('recordRecoveryPoint', ALL_WRITTEN),
    before('releaseFence', ALL_WRITTEN),
    before('finishRun', ALL_WRITTEN),
  ],
  restore: [
    before('startRun', STOPPED_ALREADY),
    before('loadPlan', STOPPED_ALREADY),
    before('surveyRestore', STOPPED_ALREADY),
    before('takeFence', STOPPED_ALREADY),
    before('copyDiskToVolume', STOPPED_ALREADY),
    middle('copy:vda', STOPPED_ALREADY),
    after('copyDiskToVolume', STOPPED_ALREADY),
    before('shutDown', STOPPED_ALREADY),
    after('shutDown', null),
    before('swapVolumes', null),
    after('swapVolumes', null),
    before('openWayBack', null),
    before('start', null),
    after('start', NEVER_ANSWERS),
    before('waitForAgent', NEVER_ANSWERS),
    before('recordGoLive', PROVEN_BEFORE),
    before('goLive', PROVEN_BEFORE),
    after('goLive', PROVEN_BEFORE),
    before('releaseFence', PROVEN_BEFORE),
    before('finishRun', PROVEN_BEFORE),
  ],
  undo: [
    before('startRun', STOPPED_ALREADY),
    before('loadPlan', STOPPED_ALREADY),
    before('surveyUndo', STOPPED_ALREADY),
    before('takeFence', STOPPED_ALREADY),
    before('shutDown', STOPPED_ALREADY),
    after('shutDown', null),
    before('returnVolumes', null),
    after('returnVolumes', null),
    before('takeWayBack', null),
    before('start', null),
    after('start', NEVER_ANSWERS),
    before('waitForAgent', NEVER_ANSWERS),
    before('releaseFence', PROVEN_BEFORE),
    before('finishRun', PROVEN_BEFORE),
  ],
  confirm: [
    before('startRun', NOT_NEEDED),
    before('requireConfirmable', NOT_NEEDED),
    before('takeFence', NOT_NEEDED),
    before('discardKept', NOT_NEEDED),
    after('discardKept', NOT_NEEDED),
    before('closeWayBack', NOT_NEEDED),
    before('releaseFence', NOT_NEEDED),
    before('finishRun', NOT_NEEDED),
  ],
};

export const allCases = (): readonly DeathCase[] =>
  KINDS.flatMap((kind) =>
    MOMENTS[kind].flatMap(({ at, withoutGuest }) =>
      VICTIMS.flatMap((victim): readonly DeathCase[] => {
        if (victim !== 'guest' && victim !== 'power') return [{ kind, at, victim, ending: { state: 'succeeded', server: 'running', why: PROCESSES[victim] } }];
        return withoutGuest === null ? [] : [{ kind, at, victim, ending: withoutGuest }];
      }),
    ),
  );

export interface Choice {
  readonly seed: number;
  readonly full: boolean;
  /** Upper bound for the number of cases; null: the sample's own, or all. */
  readonly limit: number | null;
  readonly shard: { readonly index: number; readonly of: number };
  /** Null: all. Executions without `libvirtd`, which they would share, may go on beside each other. */
  readonly victims: readonly string[] | null;
}

/** Each victim once. */
const SAMPLE_CASES = 8;

/** `MODOSU_TEST_SEED`, `MODOSU_TEST_FULL=1`, `MODOSU_TEST_CASES=n`, `MODOSU_TEST_SHARD=i/n` with i from 1, `MODOSU_TEST_VICTIMS=worker,api`. */
export function choiceOf(env: Readonly<Record<string, string | undefined>>): Choice {
  const [index = 1, of = 1] = (env['MODOSU_TEST_SHARD'] ?? '1/1').split('/').map(Number);
  const limit = env['MODOSU_TEST_CASES'];
  return {
    seed: Number(env['MODOSU_TEST_SEED'] ?? 1),
    full: env['MODOSU_TEST_FULL'] === '1',
    limit: limit === undefined ? null : Number(limit),
    shard: { index, of },
    victims: env['MODOSU_TEST_VICTIMS']?.split(',') ?? null,
  };
}

/** The cases of one execution, those of a kind together. A limit never leaves out a victim or a kind while there is room for it. */
export function chosenCases({ seed, full, limit, shard, victims }: Choice): readonly DeathCase[] {
  const ordered = balanced(shuffled(allCases(), seed)).filter(({ victim }) => victims?.includes(victim) ?? true);
  const mine = ordered.slice(0, limit ?? (full ? ordered.length : SAMPLE_CASES)).filter((_, position) => position % shard.of === shard.index - 1);
  return KINDS.flatMap((kind) => mine.filter((chosen) => chosen.kind === kind));
}

/**
 * Each next case is the first in the shuffled order of the kind and the victim that had the fewest turns so far; the first two strike in the middle of a
 * copy.
 */
function balanced(cases: readonly DeathCase[]): readonly DeathCase[] {
  const left = [...cases];
  const ordered: DeathCase[] = [];
  const take = (index: number): void => void ordered.push(...left.splice(index, 1));
  for (const kind of ['backup-online', 'restore']) take(left.findIndex((one) => one.kind === kind && one.at.startsWith('middle:')));
  while (left.length > 0) {
    const turns = ({ kind, victim }: DeathCase): number =>
      100 * ordered.filter((done) => done.victim === victim).length + ordered.filter((done) => done.kind === kind).length;
    take(left.reduce((best, one, index) => (turns(one) < turns(left[best] ?? one) ? index : best), 0));
  }
  return ordered;
}

/** Fisher and Yates, with the generator "mulberry32": the same seed gives the same order everywhere. */
function shuffled<T>(items: readonly T[], seed: number): readonly T[] {
  let state = seed >>> 0;
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const result = [...items];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}
