import type { RecoveryPointRow, RunRow } from '../../src/catalog/entities';
import { STEP_SECONDS, type CatalogFigures, type RecoveryPointFigures, type StepFigures } from '../../src/contracts/figures';
import type { StoredStep } from '../../src/domain/steps/step-transition';
import type { RunKind } from '../../src/contracts/run';
import type { WayBackView } from '../../src/contracts/way-back';

/** What the catalogue in memory holds. */
export interface Countable {
  readonly runs: readonly RunRow[];
  readonly steps: readonly { readonly kind: RunKind; readonly step: StoredStep }[];
  readonly points: readonly RecoveryPointRow[];
  /** Open ones only. */
  readonly wayBacks: readonly WayBackView[];
  readonly now: Date;
}

/** The figures of the catalogue in memory, counted one by one. */
export function countFigures({ runs, steps, points, wayBacks, now }: Countable): CatalogFigures {
  const measured = runs
    .filter((run) => run.state === 'succeeded' && run.recoverySeconds !== null)
    .sort((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime());
  return {
    runs: grouped(runs, ({ kind, state }) => [kind, state]).map((group) => ({ kind: group[0].kind, state: group[0].state, count: group.length })),
    waiting: runs.filter(({ waitingFor }) => waitingFor !== null).length,
    steps: grouped(steps.flatMap(endedStep), ({ kind, step, state }) => [kind, step, state]).map(sumUp),
    recoveryPoints: grouped(points, ({ serverId, kind, dataSet }) => [serverId, kind, dataSet]).map(pointFigures),
    recoveries: grouped(measured, ({ serverId, kind }) => [serverId, kind]).map(([{ serverId, kind, recoverySeconds, lostSeconds }]) => ({
      serverId,
      kind,
      recoverySeconds: recoverySeconds ?? 0,
      lostSeconds,
    })),
    wayBacks: { open: wayBacks.length, expired: wayBacks.filter(({ expiresAt }) => Date.parse(expiresAt) <= now.getTime()).length },
  };
}

/** `copy` of `copy:vda`: what stands after the colon names one disk or data set. */
const sortOfStep = (key: string): string => key.split(':', 1)[0] ?? key;

type Group<T> = readonly [T, ...T[]];

function grouped<T>(items: readonly T[], key: (item: T) => readonly unknown[]): readonly Group<T>[] {
  const groups = new Map<string, [T, ...T[]]>();
  for (const item of items) {
    const name = JSON.stringify(key(item));
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

interface EndedStep {
  readonly kind: RunKind;
  readonly step: string;
  readonly state: StepFigures['state'];
  readonly seconds: number;
  readonly bytes: number;
}

function endedStep({ kind, step: { key, state, startedAt, finishedAt, progress } }: Countable['steps'][number]): readonly EndedStep[] {
  const outcome = state === 'undone' ? 'succeeded' : state;
  if ((outcome !== 'succeeded' && outcome !== 'failed') || startedAt === null || finishedAt === null) return [];
  return [{ kind, step: sortOfStep(key), state: outcome, seconds: (finishedAt.getTime() - startedAt.getTime()) / 1000, bytes: progress?.doneBytes ?? 0 }];
}

function sumUp(group: Group<EndedStep>): StepFigures {
  const [{ kind, step, state }] = group;
  const sum = (of: (ended: EndedStep) => number): number => group.reduce((total, ended) => total + of(ended), 0);
  return {
    kind,
    step,
    state,
    count: group.length,
    seconds: sum(({ seconds }) => seconds),
    bytes: sum(({ bytes }) => bytes),
    within: STEP_SECONDS.map((limit) => group.filter(({ seconds }) => seconds <= limit).length),
  };
}

function pointFigures(group: Group<RecoveryPointRow>): RecoveryPointFigures {
  const [{ serverId, kind, dataSet }] = group;
  const usable = group.filter(({ state }) => state === 'usable');
  const times = usable.filter(({ purpose }) => purpose !== 'safety').map(({ pointInTime }) => pointInTime.getTime());
  return {
    serverId,
    kind,
    dataSet,
    usable: usable.length,
    damaged: group.filter(({ state }) => state === 'damaged').length,
    expired: group.filter(({ state }) => state === 'expired').length,
    newestUsable: times.length === 0 ? null : new Date(Math.max(...times)),
  };
}
