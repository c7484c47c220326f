import { formatBytes, formatDuration } from '../src/contracts/format';
import type { StepProgress } from '../src/contracts/run';
import { ProgressMeter } from '../src/domain/progress-meter';
import type { ActivityDependencies } from './dependencies';
import { serverOfRun } from './log-fields';

/** At most one row per disk and this time goes to PostgreSQL. */
const ROW_EVERY_MS = 1_000;
const LOG_EVERY_MS = 10_000;

interface Watched {
  readonly meter: ProgressMeter;
  rowAtMs: number;
  loggedAtMs: number;
}

/** What people see of the copies of one activity: a row per step every second, a log line every ten. */
export class ProgressRows {
  private readonly steps = new Map<string, Watched>();
  private rows: Promise<void> = Promise.resolve();

  constructor(
    private readonly deps: Pick<ActivityDependencies, 'catalog' | 'log'>,
    private readonly runId: string,
  ) {}

  see(stepKey: string, seen: { readonly doneBytes: number; readonly totalBytes: number }, nowMs: number): void {
    const watched = this.steps.get(stepKey) ?? { meter: new ProgressMeter(), rowAtMs: 0, loggedAtMs: nowMs };
    this.steps.set(stepKey, watched);
    const progress = watched.meter.see(seen, nowMs);
    if (nowMs - watched.loggedAtMs >= LOG_EVERY_MS) {
      watched.loggedAtMs = nowMs;
      this.deps.log.info({ runId: this.runId, ...serverOfRun(), step: stepKey, ...progress }, `${stepKey}: ${inWords(progress, nowMs)}`);
    }
    if (nowMs - watched.rowAtMs < ROW_EVERY_MS && seen.doneBytes < seen.totalBytes) return;
    watched.rowAtMs = nowMs;
    // Progress is for people: a database that is away for a moment must not stop a copy.
    this.rows = this.rows
      .then(() => this.deps.catalog.recordProgress(this.runId, stepKey, progress))
      .catch((error: unknown) => this.deps.log.warn({ runId: this.runId, step: stepKey, error: String(error) }, 'progress not recorded'));
  }

  /** Resolves when every row is written, or could not be. */
  written(): Promise<void> {
    return this.rows;
  }
}

function inWords({ doneBytes, totalBytes, bytesPerSecond, secondsLeft, stalledSince }: StepProgress, nowMs: number): string {
  const share = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  if (stalledSince !== null) return `${share}, stalled for ${formatDuration((nowMs - Date.parse(stalledSince)) / 1000)}`;
  return [
    share,
    ...(bytesPerSecond === null ? [] : [`${formatBytes(bytesPerSecond)}/s`]),
    ...(secondsLeft === null ? [] : [`about ${formatDuration(secondsLeft)} left`]),
  ].join(', ');
}
