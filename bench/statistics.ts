/** Figures of several rounds: the least says what is possible, the median what to expect. */
export interface Summary {
  readonly min: number;
  readonly median: number;
  readonly rounds: number;
}

/** Throws on an empty list: a figure that was not measured must not look like one. */
export function summarise(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('There is no measurement to summarise.');
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? 0;
  const lower = sorted[(sorted.length - 1) >> 1] ?? 0;
  return { min: sorted[0] ?? 0, median: (lower + upper) / 2, rounds: sorted.length };
}

interface Step {
  readonly key: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Moving bytes, starting or stopping the guest's operating system, and the declared checks: time that is the machine's or the guest's, not Modosu's. */
const WORK = /^(copy:.*|checksum:.*|stop|power|start|agent|health:.*)$/;

export const isWork = (key: string): boolean => WORK.test(key);

/** Time in which at least one of the steps ran: steps side by side count once. In seconds. */
export function busySeconds(steps: readonly Step[]): number {
  const spans = steps
    .flatMap(({ startedAt, finishedAt }) => (startedAt === null || finishedAt === null ? [] : [[Date.parse(startedAt), Date.parse(finishedAt)] as const]))
    .sort(([a], [b]) => a - b);
  let total = 0;
  let coveredUntil = -Infinity;
  for (const [from, to] of spans) {
    total += Math.max(0, to - Math.max(from, coveredUntil));
    coveredUntil = Math.max(coveredUntil, to);
  }
  return total / 1000;
}

/** What a run of `wallSeconds` took beside copying, booting and checking. */
export const overheadSeconds = (wallSeconds: number, steps: readonly Step[]): number =>
  wallSeconds - busySeconds([...steps.filter(({ key }) => isWork(key)), ...onlineCopy(steps)]);

/** QEMU writes the images of an online backup from the point in time on, which the step `begin` has written down: other steps run beside it. */
function onlineCopy(steps: readonly Step[]): readonly Step[] {
  const pointInTime = steps.find(({ key }) => key === 'begin')?.detail?.['pointInTime'];
  if (typeof pointInTime !== 'string') return [];
  return steps.filter(({ key }) => key.startsWith('copy:')).map(({ key, finishedAt }) => ({ key, startedAt: pointInTime, finishedAt }));
}
